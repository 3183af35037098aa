//! "This is me": the one write in which a code becomes a link or a grant.

use std::collections::BTreeSet;

use futures_util::FutureExt;

use super::super::claims::is_minor;
use super::super::notice::letters_to;
use super::super::place::{Place, is_one_human, own_place};
use super::super::proof::is_held;
use super::{Redemptions, task_of};
use crate::access::Identification;
use crate::audit::{Act, ActKind};
use crate::authorization::{active_links, current_person};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, GrantId, PersonId, StaffTaskId};
use crate::consent::GrantScope;
use crate::identity::matching::{ChartPatient, same_name};
use crate::identity::{Demographics, Grant, GrantBasis, GrantState, Invitation, Link, LinkMethod, Period, ProxyDraft};
use crate::mail::{Letter, template};
use crate::storage::staff_tasks::{self, StaffTaskKind};
use crate::storage::{
    StorageError, Taken, Tx, accounts, consent, contacts, grants, invitations, links, proxy_requests,
};

/// What a code became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// The account's own record has one chart more.
    Linked(PersonId),
    /// The account may act for this person.
    Granted(PersonId),
}

/// Why a code became nothing.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// It took too long, belongs to another browser, was used meanwhile, or ended.
    #[error("the code cannot be used any more")]
    Gone,
    /// The chart changed since the code was handed out, or belongs to somebody else, or does not fit the record that the
    /// account has: the clinic must look.
    #[error("the clinic must look at this first")]
    Review,
    /// Somebody got back into the account within the last 24 hours: it takes on nobody else's record so soon.
    #[error("this waits until 24 hours after the recovery")]
    Held,
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Redemptions {
    /// "Not me": the code is locked and the clinic told. Nothing was shown, and nothing is linked.
    ///
    /// # Errors
    /// [`ConfirmError`].
    pub async fn deny(&self, sealed: &str, browser: &str, account: AccountId) -> Result<(), ConfirmError> {
        let invitation = self.opened(sealed, browser).await?.ok_or(ConfirmError::Gone)?;
        self.lock(&invitation, account, StaffTaskKind::NotMe).await.map_err(ConfirmError::Storage)
    }

    /// "This is me", or "this is the person I act for".
    ///
    /// # Errors
    /// [`ConfirmError`].
    pub async fn confirm(&self, sealed: &str, browser: &str, account: AccountId) -> Result<Confirmed, ConfirmError> {
        let now = self.clock.now();
        let invitation = self.opened(sealed, browser).await?.ok_or(ConfirmError::Gone)?;
        if !invitation.is_open(now) {
            return Err(ConfirmError::Gone);
        }
        // Portal design, 2.8: what lets an account act for others waits after a recovery. The code stays good.
        if invitation.proxy.is_some() && is_held(&self.db, account, now).await? {
            return Err(ConfirmError::Held);
        }
        // Whoever handed a code out does not use it.
        if invitation.issued_by == Some(account) {
            self.lock(&invitation, account, StaffTaskKind::NotMe).await?;
            return Err(ConfirmError::Review);
        }
        if !self.is_still(&invitation).await {
            self.lock(&invitation, account, StaffTaskKind::ChartChanged).await?;
            return Err(ConfirmError::Review);
        }
        let place = match &invitation.proxy {
            None => {
                let chart = (invitation.source, invitation.patient.as_str());
                own_place(&self.db, &*self.random, account, chart, &invitation.demographics).await?
            }
            Some(draft) => {
                if !self.may_be_named(draft, account).await? {
                    self.lock(&invitation, account, StaffTaskKind::ProxyMismatch).await?;
                    return Err(ConfirmError::Review);
                }
                self.place_of_another(&invitation, account).await?
            }
        };
        let Some(place) = place else {
            self.lock(&invitation, account, StaffTaskKind::TwoOnOneChart).await?;
            return Err(ConfirmError::Review);
        };
        self.redeem(invitation, place, account, now).await
    }

    /// Whether the chart is still about whom it was when the code was handed out. A source that does not answer, or that
    /// nobody but the patient may ask, is no reason to send people away: the link is held against the chart later.
    async fn is_still(&self, invitation: &Invitation) -> bool {
        let leave = Identification::for_link(invitation.source);
        match self.sources.chart_patient(&leave, invitation.source, &invitation.patient).await {
            Ok(patient) => fits(&patient, &invitation.demographics),
            Err(_) => true,
        }
    }

    /// Whether an account can be that of whom a code names: its own record, where it has one, must not say otherwise.
    async fn may_be_named(&self, draft: &ProxyDraft, account: AccountId) -> Result<bool, StorageError> {
        let own = accounts::by_id(&self.db, account).await?.and_then(|account| account.person);
        let Some(own) = own else { return Ok(true) };
        let links = active_links(&self.db, own).await?;
        let mut known = links.iter().filter_map(|link| link.demographics.as_ref());
        Ok(known.all(|known| {
            draft.birth_date.as_ref().is_none_or(|born| *born == known.birth_date)
                && known.given.first().is_none_or(|given| same_name(given, &draft.given))
        }))
    }

    /// The place of a code for somebody who acts for the patient.
    async fn place_of_another(
        &self,
        invitation: &Invitation,
        account: AccountId,
    ) -> Result<Option<Place>, StorageError> {
        let chart = (invitation.source, invitation.patient.as_str());
        // What staff stopped is not opened by a code for somebody else either.
        if links::frozen_at(&self.db, chart).await?.is_some() {
            return Ok(None);
        }
        let there = links::active_at(&self.db, chart.0, chart.1).await?;
        let meant = match invitation.proxy.as_ref().and_then(|draft| draft.person) {
            Some(person) => Some(current_person(&self.db, person).await?.unwrap_or(person)),
            None => None,
        };
        let Some(link) = there else {
            // Who unlinked the chart since then did not mean anybody to see it.
            return Ok(meant.is_none().then(|| Place::new_person(&*self.random, false)));
        };
        let person = current_person(&self.db, link.person).await?.unwrap_or(link.person);
        if meant.is_some_and(|meant| meant != person) {
            return Ok(None);
        }
        let own = accounts::by_id(&self.db, account).await?.and_then(|account| account.person);
        // Nobody is their own proxy.
        Ok((own != Some(person)).then(|| Place::known(person, Some(link.id))))
    }

    async fn redeem(
        &self,
        invitation: Invitation,
        place: Place,
        account: AccountId,
        now: Instant,
    ) -> Result<Confirmed, ConfirmError> {
        let chart = (invitation.source, invitation.patient.clone(), invitation.demographics.clone());
        let how = (LinkMethod::ActivationCode, invitation.assurance);
        let link = place.new_link(&*self.random, chart, how, now);
        let grant = invitation.proxy.as_ref().map(|draft| self.grant(draft, &invitation, place.person, account, now));
        let (kind, confirmed) = match grant {
            None => (ActKind::Link, Confirmed::Linked(place.person)),
            Some(_) => (ActKind::Grant, Confirmed::Granted(place.person)),
        };
        let act = self.new_act(kind).by(account).about(place.person).by_way_of("code").on("Invitation", invitation.id);
        let letters = self.told(&invitation, grant.as_ref()).await?;
        let kind = StaffTaskKind::ContactShared;
        let task = task_of(&invitation, (StaffTaskId::mint(&*self.random), kind), Some(place.person), now);
        let task = self.shares_address(&invitation, account, now).await?.then_some(task);
        let done = self
            .acts
            .write(move |tx| {
                async move {
                    commit(tx, &invitation, &place, (link, grant), account, now).await?;
                    for letter in letters {
                        letter.queue(&mut *tx).await?;
                    }
                    if let Some(task) = &task {
                        staff_tasks::insert(&mut *tx, task).await?;
                    }
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await;
        match done {
            Ok(()) => Ok(confirmed),
            // Somebody was quicker: with this code, with this chart, or this account got its own record elsewhere.
            Err(StorageError::AlreadyTaken(_) | StorageError::NotFound { .. }) => Err(ConfirmError::Gone),
            Err(error) => Err(ConfirmError::Storage(error)),
        }
    }

    /// Whether a minor who comes to their own record named an address that is somebody else's: what is written to them must
    /// not be read by a parent (portal design, 3.8 scenario 20). Nobody gets it a second time; staff hear of it.
    async fn shares_address(
        &self,
        invitation: &Invitation,
        account: AccountId,
        now: Instant,
    ) -> Result<bool, StorageError> {
        if invitation.proxy.is_some() || !is_minor(&invitation.demographics.birth_date, now) {
            return Ok(false);
        }
        for own in contacts::of_account(&self.db, account).await? {
            if own.verified.is_none()
                && contacts::by_email(&self.db, &own.contact).await?.is_some_and(|holder| holder.account != account)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn grant(
        &self,
        draft: &ProxyDraft,
        invitation: &Invitation,
        person: PersonId,
        account: AccountId,
        now: Instant,
    ) -> Grant {
        let evidence = match (invitation.proofing, draft.is_own_word, invitation.issued_by) {
            (Some(id), ..) => format!("Proofing/{id}"),
            (None, true, Some(by)) => format!("Account/{by}"),
            _ => "operator".to_owned(),
        };
        Grant {
            id: GrantId::mint(&*self.random),
            account,
            person,
            basis: GrantBasis::parse(&draft.basis).unwrap_or(GrantBasis::PatientConsent),
            period: Period { from: now, until: draft.until.map(Instant::from_micros) },
            evidence,
            created: now,
            state: GrantState::Active,
        }
    }

    /// Whose record it is hears of it, at the contact on file and at the addresses of their account, also when somebody else
    /// may act for them now; unless staff wrote down that telling them would harm (portal design, 2.5).
    async fn told(&self, invitation: &Invitation, grant: Option<&Grant>) -> Result<Vec<Letter>, StorageError> {
        let link = || self.outbox.link("/sign-in");
        let to = invitation.contact.as_deref();
        let Some(grant) = grant else {
            let letter = to.and_then(|to| self.outbox.letter_to(to, &template::LinkMade { sign_in: link() }));
            return Ok(letter.into_iter().collect());
        };
        if let Some(proofing) = invitation.proofing
            && proxy_requests::is_silent(&self.db, proofing).await?
        {
            return Ok(Vec::new());
        }
        let changed = template::SharingChanged { sign_in: link() };
        let mut letters: Vec<Letter> = to.and_then(|to| self.outbox.letter_to(to, &changed)).into_iter().collect();
        if let Some(subject) = accounts::by_person(&self.db, grant.person).await? {
            letters.extend(letters_to(&self.db, &self.outbox, subject.id, &changed).await?);
        }
        Ok(letters)
    }

    /// Ends a code for good and tells the clinic why.
    async fn lock(&self, invitation: &Invitation, account: AccountId, kind: StaffTaskKind) -> Result<(), StorageError> {
        let (id, now) = (invitation.id, self.clock.now());
        let task = task_of(invitation, (StaffTaskId::mint(&*self.random), kind), None, now);
        let act: Act = self
            .new_act(ActKind::Invitation)
            .by(account)
            .by_way_of("confirm")
            .on("Invitation", id)
            .refused(kind.as_str());
        self.acts
            .write(move |tx| {
                async move {
                    if !invitations::end(tx, id, "locked", now).await? {
                        return Ok(((), None));
                    }
                    staff_tasks::insert(tx, &task).await?;
                    Ok::<_, StorageError>(((), Some(act)))
                }
                .boxed()
            })
            .await
    }
}

/// All of it or nothing: the code is spent if and only if the link or the grant stands (portal design, 2.2).
async fn commit(
    tx: &mut Tx,
    invitation: &Invitation,
    place: &Place,
    (link, grant): (Option<Link>, Option<Grant>),
    account: AccountId,
    now: Instant,
) -> Result<(), StorageError> {
    let link = place.put(tx, link, account, now).await?;
    if let Some(grant) = &grant {
        grants::insert(tx, grant).await?;
        let scope = scope(invitation, grant.basis)?;
        consent::set_scope(tx, grant.id, &scope).await?;
    }
    if invitations::redeem(tx, invitation.id, now, account, Some(link)).await? {
        Ok(())
    } else {
        Err(StorageError::AlreadyTaken(Taken::Key))
    }
}

/// How far a code's grant goes. One practice's staff give leave for what is theirs, not for what others know of the person;
/// whose record it is gives leave for what they say.
fn scope(invitation: &Invitation, basis: GrantBasis) -> Result<GrantScope, StorageError> {
    let draft = invitation.proxy.as_ref();
    let written = draft.and_then(|draft| draft.scope.as_deref()).map(serde_json::from_str::<GrantScope>).transpose();
    let written = written.map_err(|_| StorageError::NotFound { table: "invitations" })?;
    let scope = written.unwrap_or_else(|| GrantScope::of_basis(basis));
    if draft.is_some_and(|draft| draft.is_own_word) {
        return Ok(scope);
    }
    // Leave from before the practice became part of another is for what the practice had.
    let (organizations, sources) = match draft.and_then(|draft| draft.sources.clone()) {
        Some(sources) => (BTreeSet::new(), sources),
        None => ([invitation.organization].into(), BTreeSet::new()),
    };
    Ok(GrantScope { organizations: Some(organizations), sources, ..scope })
}

/// Whether a chart is about whom it was: in use, alive, the same birth date and name.
pub(super) fn fits(patient: &ChartPatient, known: &Demographics) -> bool {
    let is_one = patient.demographics().is_some_and(|now| is_one_human(&now, known));
    is_one && patient.is_active() && !patient.is_deceased
}
