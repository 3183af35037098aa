//! The registrar's queue: who asks to act for whom, and the decision, by two where it takes two.

use futures_util::FutureExt;

use super::issue::{Handing, linkable};
use super::{Desk, DeskError, StaffMember, Wanted, covered};
use crate::accounts::is_one_human;
use crate::audit::ActKind;
use crate::base::id::{AccountId, ProxyRequestId};
use crate::identity::matching::ChartPatient;
use crate::identity::{
    Channel, GrantBasis, Proofing, ProxyRequest, RequestOrigin, RequestState, StaffAct, StatusReason, takes_two,
};
use crate::organization::SourceKey;
use crate::practice::{Handed, NewInvitation, NewProofing};
use crate::storage::{StorageError, proofings, proxy_requests};

/// The longest reason that staff write, in bytes.
const LONGEST: usize = 200;

/// A yes of staff.
#[derive(Clone, Debug)]
pub struct Approval {
    /// The number of the patient's record, where the request does not know the chart.
    pub number: String,
    /// What staff saw; the second one sees what the first wrote down.
    pub seen: Option<NewProofing>,
    /// Why the patient must not be told, where telling them would harm.
    pub silent: Option<String>,
}

/// A request as staff see it.
#[derive(Clone, Debug)]
pub struct QueuedProxy {
    /// The request.
    pub request: ProxyRequest,
    /// Whether it waits for a second one.
    pub needs_second: bool,
    /// Whether this member may say yes to it: not to what they asked for or approved themselves.
    pub is_mine: bool,
}

impl Desk {
    /// What waits for a decision, the oldest first.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn proxy_requests(&self, member: &StaffMember) -> Result<Vec<QueuedProxy>, DeskError> {
        covered(member, StaffAct::ApproveProxy)?;
        let all = proxy_requests::queued(&self.db, member.organization).await?;
        Ok(all
            .into_iter()
            .map(|request| QueuedProxy {
                needs_second: request.state == RequestState::Approved,
                is_mine: is_partial(&request, member.account),
                request,
            })
            .collect())
    }

    async fn open_request(&self, member: &StaffMember, id: ProxyRequestId) -> Result<ProxyRequest, DeskError> {
        covered(member, StaffAct::ApproveProxy)?;
        let found =
            proxy_requests::by_id(&self.db, id).await?.filter(|found| found.organization == member.organization);
        let request = found.filter(|found| found.state.is_open()).ok_or(DeskError::NotFound)?;
        if is_partial(&request, member.account) {
            let act = self.act(ActKind::Grant, member).by_way_of("proxy-decide").on("ProxyRequest", id).refused("own");
            self.acts.record(act).await?;
            return Err(DeskError::Refused("second", "somebody else of the staff must decide this".to_owned()));
        }
        Ok(request)
    }

    /// Says yes: for the first time where it takes two, else there is a code.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn approve_proxy(
        &self,
        member: &StaffMember,
        id: ProxyRequestId,
        approval: Approval,
    ) -> Result<Handed, DeskError> {
        let mut request = self.open_request(member, id).await?;
        let before = request.state;
        let (source, patient) = self.chart_of(member, &request, &approval.number).await?;
        request.chart = Some((source, patient.id.clone()));
        if let Some(silent) = approval.silent.filter(|text| !text.trim().is_empty()) {
            request.silent = Some(short(&silent, "silent")?);
        }
        let basis = GrantBasis::parse(&request.draft.basis).ok_or(DeskError::NotFound)?;
        let (proofing, is_stored) = match request.proofing {
            Some(id) => (proofings::by_id(&self.db, id).await?.ok_or(DeskError::NotFound)?, true),
            None => {
                let seen = approval.seen.ok_or_else(|| DeskError::Refused("document", "say what was shown".into()))?;
                (self.proofing(member, (source, &patient), seen).await?, false)
            }
        };
        request.proofing = Some(proofing.id);
        if before == RequestState::Waiting && takes_two(basis) {
            request.state = RequestState::Approved;
            request.approved = Some((member.account, self.clock.now()));
            self.keep(member, (before, request), proofing).await?;
            return Ok(Handed::Waits);
        }
        request.state = RequestState::Issued;
        request.decided = Some(self.clock.now());
        let new = NewInvitation { channel: Channel::Slip, proxy: Some(request.draft.clone()) };
        let handing = Handing { new, old: None, is_stored, request: Some((before, request)) };
        match Box::pin(self.issue(member, (source, &patient), proofing, handing)).await {
            Ok(issued) => Ok(Handed::Code(Box::new(issued))),
            // Somebody was quicker.
            Err(DeskError::Storage(StorageError::NotFound { .. })) => Err(DeskError::NotFound),
            Err(error) => Err(error),
        }
    }

    /// The chart that a request is about, as the EHR has it now: the one that it names, or that staff found by its number,
    /// if it is about whom the request names.
    async fn chart_of(
        &self,
        member: &StaffMember,
        request: &ProxyRequest,
        number: &str,
    ) -> Result<(SourceKey, ChartPatient), DeskError> {
        if let Some((source, patient)) = &request.chart {
            return self.patient(member, (source.as_str(), patient)).await;
        }
        let refused = |text: &str| Err(DeskError::Refused("number", text.to_owned()));
        if number.trim().is_empty() {
            return refused("type the number of the patient's record");
        }
        let wanted = Wanted { number: number.to_owned(), family: String::new(), birth_date: String::new() };
        let mut found = self.find(member, &wanted).await?;
        let (Some(only), true) = (found.pop(), found.is_empty()) else {
            return refused("this number is that of no one record");
        };
        if !linkable(&only.patient).is_ok_and(|about| is_one_human(&about, &request.said)) {
            return refused("this record is not about whom the request names");
        }
        Ok((only.source, only.patient))
    }

    /// A first yes, with what was seen.
    async fn keep(
        &self,
        member: &StaffMember,
        (before, request): (RequestState, ProxyRequest),
        proofing: Proofing,
    ) -> Result<(), DeskError> {
        let act = self.act(ActKind::Grant, member).by_way_of("proxy-approve").on("ProxyRequest", request.id);
        let (by, act) = (member.account, act.about(request.person));
        let done = self.acts.write(move |tx| {
            async move {
                proofings::insert(tx, &proofing).await?;
                if !proxy_requests::decide(tx, before, &request, Some(by)).await? {
                    return Err(StorageError::NotFound { table: "proxy_requests" });
                }
                Ok(((), Some(act)))
            }
            .boxed()
        });
        gone(done.await)
    }

    /// A code at the desk that takes two: the first yes, and what was seen.
    pub(super) async fn begin(
        &self,
        member: &StaffMember,
        (source, patient): (SourceKey, &ChartPatient),
        (proofing, new): (Proofing, NewInvitation),
    ) -> Result<(), DeskError> {
        let Some(draft) = new.proxy else { return Err(DeskError::NotFound) };
        let now = self.clock.now();
        let request = ProxyRequest {
            id: ProxyRequestId::mint(&*self.random),
            organization: member.organization,
            origin: RequestOrigin::Desk,
            asked_by: member.account,
            asked: now,
            person: None,
            chart: Some((source, patient.id.clone())),
            said: proofing.demographics.clone(),
            draft,
            document: Some(proofing.document.words().to_owned()),
            proofing: Some(proofing.id),
            silent: None,
            approved: Some((member.account, now)),
            state: RequestState::Approved,
            decided: None,
            reason: None,
            note: None,
            invitation: None,
        };
        let act = self.act(ActKind::Grant, member).by_way_of("proxy-approve").on("ProxyRequest", request.id);
        let done = self.acts.write(move |tx| {
            async move {
                proofings::insert(tx, &proofing).await?;
                proxy_requests::insert(tx, &request).await?;
                Ok::<_, StorageError>(((), Some(act)))
            }
            .boxed()
        });
        gone(done.await)
    }

    /// Says no, with the code of the reason, and words where they are needed.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn refuse_proxy(
        &self,
        member: &StaffMember,
        id: ProxyRequestId,
        (reason, note): (&str, &str),
    ) -> Result<(), DeskError> {
        covered(member, StaffAct::ApproveProxy)?;
        let reason = StatusReason::parse(reason).filter(|reason| reason.refuses() && reason.is_for_staff());
        let reason = reason.ok_or_else(|| DeskError::Refused("reason", "choose why".to_owned()))?;
        // What no code says takes words.
        let is_told = reason != StatusReason::Other && note.trim().is_empty();
        let note = if is_told { None } else { Some(short(note, "note")?) };
        let found =
            proxy_requests::by_id(&self.db, id).await?.filter(|found| found.organization == member.organization);
        let mut request = found.filter(|found| found.state.is_open()).ok_or(DeskError::NotFound)?;
        let (before, by) = (request.state, member.account);
        request.state = RequestState::Refused;
        request.decided = Some(self.clock.now());
        (request.reason, request.note) = (Some(reason), note);
        let act = self.act(ActKind::Grant, member).by_way_of("proxy-refuse").on("ProxyRequest", id);
        let act = act.about(request.person).under(reason.as_str());
        let done = self.acts.write(move |tx| {
            async move {
                if !proxy_requests::decide(tx, before, &request, Some(by)).await? {
                    return Err(StorageError::NotFound { table: "proxy_requests" });
                }
                Ok(((), Some(act)))
            }
            .boxed()
        });
        gone(done.await)
    }
}

/// Whether somebody has a part in a request, and so does not decide it.
fn is_partial(request: &ProxyRequest, account: AccountId) -> bool {
    request.asked_by == account || request.approved.is_some_and(|(first, _)| first == account)
}

fn short(text: &str, field: &'static str) -> Result<String, DeskError> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return Err(DeskError::Refused(field, "say in a few words why".to_owned()));
    }
    Ok(text.to_owned())
}

fn gone(done: Result<(), StorageError>) -> Result<(), DeskError> {
    match done {
        Err(StorageError::NotFound { .. }) => Err(DeskError::NotFound),
        other => Ok(other?),
    }
}
