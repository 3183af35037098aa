use futures_util::FutureExt;

use super::{Desk, DeskError, StaffMember, covered};
use crate::accounts::{is_one_human, own_place};
use crate::audit::ActKind;
use crate::base::id::ClaimId;
use crate::identity::matching::ChartPatient;
use crate::identity::{Assurance, Claim, ClaimState, Demographics, LinkMethod, StaffAct};
use crate::storage::{StorageError, claims};

/// A claim that waits, with the patient that it may be about.
#[derive(Clone, Debug)]
pub struct QueuedClaim {
    /// What was said.
    pub claim: Claim,
    /// The patient whom it may be about, as the EHR has them now: to be called back at the number there.
    pub candidate: Option<ChartPatient>,
}

/// What staff decide about a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// They are the patient with this id at this source.
    Accept {
        /// The source's key.
        source: String,
        /// The patient's id there.
        patient: String,
    },
    /// They are not, or it cannot be told.
    Refuse,
}

impl Desk {
    /// The claims that wait for the organization, the oldest first.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn claims(&self, member: &StaffMember) -> Result<Vec<QueuedClaim>, DeskError> {
        covered(member, StaffAct::DecideClaim)?;
        let mut queued = Vec::new();
        for claim in claims::queued(&self.db, member.organization).await? {
            let candidate = match &claim.chart {
                // A source that does not answer leaves the line without its candidate.
                Some((source, patient)) => self.patient(member, (source.as_str(), patient)).await.ok().map(|(_, p)| p),
                None => None,
            };
            queued.push(QueuedClaim { claim, candidate });
        }
        Ok(queued)
    }

    /// Decides a claim. Nobody decides their own.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn decide(&self, member: &StaffMember, id: ClaimId, ruling: Ruling) -> Result<(), DeskError> {
        covered(member, StaffAct::DecideClaim)?;
        let waits = |claim: &Claim| claim.organization == member.organization && claim.state == ClaimState::Queued;
        let claim = claims::by_id(&self.db, id).await?.filter(waits).ok_or(DeskError::NotFound)?;
        if claim.account == member.account {
            let act = self.act(ActKind::Claim, member).by_way_of("decide").on("Claim", id).refused("own");
            self.acts.record(act).await?;
            return Err(DeskError::NotYours);
        }
        match ruling {
            Ruling::Refuse => self.refuse(member, &claim).await,
            Ruling::Accept { source, patient } => self.accept(member, &claim, (&source, &patient)).await,
        }
    }

    async fn refuse(&self, member: &StaffMember, claim: &Claim) -> Result<(), DeskError> {
        let (id, by, now) = (claim.id, member.account, self.clock.now());
        let act = self.act(ActKind::Claim, member).by_way_of("refuse").on("Claim", id);
        let done = self.acts.write(move |tx| {
            async move {
                let done = claims::decide(tx, id, "refused", now, Some(by)).await?;
                Ok::<_, StorageError>(((), done.then_some(act)))
            }
            .boxed()
        });
        Ok(done.await?)
    }

    /// Links the chart: full assurance of somebody whom staff called back at the number on file is that of a desk without
    /// papers.
    async fn accept(&self, member: &StaffMember, claim: &Claim, chart: (&str, &str)) -> Result<(), DeskError> {
        let (source, patient) = self.patient(member, chart).await?;
        let refused = |text: &str| DeskError::Refused("patient", text.to_owned());
        let about = patient.demographics().filter(|_| patient.is_active() && !patient.is_deceased);
        let about = about.ok_or_else(|| refused("this record cannot be linked"))?;
        // Whom the claim names, and nobody else: a slip of the hand in the queue must not open another's chart.
        let said = Demographics {
            family: claim.said.family.clone(),
            given: vec![claim.said.given.clone()],
            birth_date: claim.said.birth_date.clone(),
        };
        let is_candidate = claim.chart.as_ref().is_some_and(|(known, id)| *known == source && *id == patient.id);
        if !is_candidate && !is_one_human(&about, &said) {
            return Err(refused("this is not whom the claim names"));
        }
        let place = own_place(&self.db, &*self.random, claim.account, (source, &patient.id), &about).await?;
        let place = place.ok_or_else(|| {
            refused("this chart is another account's, or does not fit the record that this account has")
        })?;
        let now = self.clock.now();
        let how = (LinkMethod::StaffDecision, Assurance::Ial1);
        let link = place.new_link(&*self.random, (source, patient.id, about), how, now);
        let (id, by, account) = (claim.id, member.account, claim.account);
        let act = self.act(ActKind::Link, member).about(place.person).by_way_of("decide").on("Claim", id);
        let done = self.acts.write(move |tx| {
            async move {
                if !claims::decide(tx, id, "accepted", now, Some(by)).await? {
                    return Err(StorageError::NotFound { table: "claims" });
                }
                place.put(tx, link, account, now).await?;
                Ok(((), Some(act)))
            }
            .boxed()
        });
        match done.await {
            Err(StorageError::NotFound { .. } | StorageError::AlreadyTaken(_)) => Err(DeskError::NotFound),
            other => Ok(other?),
        }
    }
}
