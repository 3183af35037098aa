//! The flow of data to somebody, stopped and freed by staff, and what was looked at through a link that was wrong.

use futures_util::FutureExt;

use super::{Desk, DeskError, StaffMember, covered};
use crate::audit::ActKind;
use crate::authorization::current_person;
use crate::base::clock::Instant;
use crate::base::id::LinkId;
use crate::identity::{Link, LinkState, StaffAct};
use crate::storage::audit::{self, AuditOutcome, AuditRow};
use crate::storage::{StorageError, accounts, invitations, links};

/// Entries of the audit trail that are looked through at most.
const MOST_ENTRIES: usize = 20_000;
/// Why a link that staff stopped does not flow.
const BY_STAFF: &str = "staff";

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// When.
    pub at: Instant,
    /// Who, as far as the organization may know.
    pub by: LookedBy,
    /// Through which app.
    pub app: String,
    /// Of which type.
    pub what: String,
    /// How many resources at most: other practices' may be among them.
    pub count: i64,
}

/// Who looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookedBy {
    /// Whoever the record was linked to.
    Holder,
    /// Somebody who acts for them.
    Proxy,
    /// A service of an organization.
    Service,
}

/// What was looked at while a link stood.
#[derive(Clone, Debug)]
pub struct Exposure {
    /// From when,
    pub from: Instant,
    /// until when.
    pub until: Instant,
    /// The looks, the newest first.
    pub looks: Vec<Exposed>,
    /// There were more entries than were looked through.
    pub is_cut: bool,
}

impl Desk {
    /// Stops the flow of data from one of the organization's records to whomever it is linked to, and ends open codes for
    /// it. Nobody here learns whether it is linked at all.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn freeze(&self, member: &StaffMember, chart: (&str, &str)) -> Result<(), DeskError> {
        covered(member, StaffAct::FreezeLink)?;
        let source = self.own_source(member, chart.0).await?;
        let (patient, now) = (chart.1.to_owned(), self.clock.now());
        let found = links::active_at(&self.db, source, &patient).await?;
        let act = self.act(ActKind::Link, member).by_way_of("freeze").under(BY_STAFF);
        let act = match &found {
            Some(link) => act.about(link.person).on("Link", link.id),
            None => act,
        };
        let done = self.acts.write(move |tx| {
            async move {
                if let Some(link) = &found {
                    let frozen = LinkState::Frozen { at: now, reason: BY_STAFF.to_owned() };
                    links::set_state(tx, link.id, &frozen).await?;
                }
                invitations::end_of_chart(tx, source, &patient, "revoked", now).await?;
                Ok::<_, StorageError>(((), Some(act)))
            }
            .boxed()
        });
        Ok(done.await?)
    }

    /// Frees a link that does not flow. Only where it still leads to a record of the same human: that is asked for first.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn free(&self, member: &StaffMember, id: LinkId) -> Result<(), DeskError> {
        covered(member, StaffAct::FreezeLink)?;
        let link = self.own_link(member, id).await?;
        if !matches!(link.state, LinkState::Frozen { .. }) {
            return Err(DeskError::NotFound);
        }
        let refused = |text: &str| DeskError::Refused("link", text.to_owned());
        let (_, patient) = self.patient(member, (link.source.as_str(), &link.patient)).await?;
        let is_one = match (&link.demographics, patient.demographics()) {
            (Some(known), Some(now)) => crate::accounts::is_one_human(known, &now),
            _ => false,
        };
        if !is_one || !patient.is_active() {
            return Err(refused("the record is about somebody else now, or not in use: a new code is needed"));
        }
        let act = self.act(ActKind::Link, member).about(link.person).on("Link", id).by_way_of("free").under(BY_STAFF);
        let done = self.acts.write(move |tx| {
            async move {
                links::set_state(tx, id, &LinkState::Active).await?;
                Ok::<_, StorageError>(((), Some(act)))
            }
            .boxed()
        });
        match done.await {
            Err(StorageError::AlreadyTaken(_)) => Err(refused("somebody else is linked to this record now")),
            Err(StorageError::NotFound { .. }) => Err(DeskError::NotFound),
            other => Ok(other?),
        }
    }

    /// What was looked at while a link of the organization stood, for whoever has to tell the patient (45 CFR 164.404).
    /// That it was asked for is recorded.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn exposure(&self, member: &StaffMember, id: LinkId) -> Result<Exposure, DeskError> {
        covered(member, StaffAct::SeeExposure)?;
        let link = self.own_link(member, id).await?;
        let until = match &link.state {
            LinkState::Active => self.clock.now(),
            LinkState::Frozen { at, .. } | LinkState::Ended { at, .. } => *at,
        };
        let act = self.act(ActKind::Link, member).about(link.person).on("Link", id).by_way_of("exposure");
        self.acts.record(act).await?;
        let holder = current_person(&self.db, link.person).await?.unwrap_or(link.person);
        let mut rows = audit::of_person(&self.db, link.person, MOST_ENTRIES).await?;
        if holder != link.person {
            rows.extend(audit::of_person(&self.db, holder, MOST_ENTRIES).await?);
            rows.sort_by_key(|row| std::cmp::Reverse(row.recorded));
        }
        let is_cut = rows.len() >= MOST_ENTRIES;
        let own = accounts::by_person(&self.db, holder).await?.map(|account| account.id);
        let in_time = |row: &AuditRow| link.linked <= row.recorded && row.recorded <= until;
        let looks = rows.into_iter().filter(|row| in_time(row) && is_look(row)).map(|row| Exposed {
            at: row.recorded,
            by: match row.account {
                None => LookedBy::Service,
                account if account == own => LookedBy::Holder,
                Some(_) => LookedBy::Proxy,
            },
            app: row.client.unwrap_or_default(),
            what: row.resource_type.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            count: row.released.unwrap_or_default(),
        });
        Ok(Exposure { from: link.linked, until, looks: looks.collect(), is_cut })
    }

    /// A link to one of the organization's own sources, in whatever state.
    async fn own_link(&self, member: &StaffMember, id: LinkId) -> Result<Link, DeskError> {
        let link = links::by_id(&self.db, id).await?.ok_or(DeskError::NotFound)?;
        self.own_source(member, link.source.as_str()).await?;
        Ok(link)
    }
}

/// Whether an entry says that something was given out.
fn is_look(row: &AuditRow) -> bool {
    row.kind == "fhir" && row.outcome == AuditOutcome::Permitted && row.released.unwrap_or_default() > 0
}
