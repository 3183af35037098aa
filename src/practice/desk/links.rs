//! The flow of data to somebody, stopped and freed by staff, and what was looked at through a link that was wrong.

use std::time::Duration;

use futures_util::FutureExt;

use super::{Desk, DeskError, StaffMember, covered};
use crate::accounts::letters_to;
use crate::audit::ActKind;
use crate::authorization::current_person;
use crate::base::clock::Instant;
use crate::base::id::LinkId;
use crate::identity::{Link, LinkState, StaffAct};
use crate::mail::template;
use crate::organization::SourceKey;
use crate::storage::audit::{self, AuditOutcome, AuditRow};
use crate::storage::{StorageError, accounts, invitations, links};

/// Entries of the audit trail that are looked through at most.
const MOST_ENTRIES: usize = 20_000;
/// Why a link that staff stopped does not flow.
const BY_STAFF: &str = "staff";
/// Why a link ended that staff found to be another's.
const WRONG: &str = "wrong-record";
/// Why a link ended whose holder says that it is another's.
const NOT_MINE: &str = "not-mine";
/// Links that ended as wrong are shown for so long: what has to be told of them is told within 60 days (45 CFR 164.404(b)).
const SHOWN_FOR: Duration = Duration::from_secs(90 * 86_400);

/// A link that staff have to decide about, or that ended as wrong.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// The link.
    pub link: LinkId,
    /// Whom the record was about when it was linked.
    pub patient: String,
    /// Since when.
    pub at: Instant,
    /// Why, as a code.
    pub reason: String,
    /// Whether there is something to decide.
    pub is_frozen: bool,
}

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
    /// How many resources of the link's own source.
    pub count: i64,
}

/// Who looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookedBy {
    /// Whoever the record was linked to.
    Holder,
    /// Somebody who acts for them.
    Proxy,
    /// Staff, at work.
    Staff,
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
        let act = self.act(ActKind::Link, member).by_way_of("freeze").under(BY_STAFF);
        let done = self.acts.write(move |tx| {
            async move {
                let found = links::active_at(&mut *tx, source, &patient).await?;
                let act = match &found {
                    Some(link) => act.about(link.person).on("Link", link.id),
                    None => act,
                };
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
        // Nobody sees a record of one who died, or one that became another: an answer here would undo what was found there.
        if patient.is_deceased {
            return Err(refused("the record says that the patient died: it stays as it is"));
        }
        if !is_one || !patient.is_active() {
            return Err(refused(
                "the record is about somebody else now, or not in use: end this link and hand out a new code",
            ));
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

    /// Ends a link that does not flow: it was not this person's record. A new one can be made then, and whoever had it is told
    /// that something changed.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn end_wrong(&self, member: &StaffMember, id: LinkId) -> Result<(), DeskError> {
        covered(member, StaffAct::FreezeLink)?;
        let link = self.own_link(member, id).await?;
        if !matches!(link.state, LinkState::Frozen { .. }) {
            return Err(DeskError::NotFound);
        }
        let now = self.clock.now();
        let person = current_person(&self.db, link.person).await?.unwrap_or(link.person);
        let letters = match accounts::by_person(&self.db, person).await? {
            Some(holder) => {
                let changed = template::News { sign_in: self.outbox.link("/sign-in") };
                letters_to(&self.db, &self.outbox, holder.id, &changed).await?
            }
            None => Vec::new(),
        };
        let act = self.act(ActKind::Link, member).about(link.person).on("Link", id).by_way_of("end").under(WRONG);
        let done = self.acts.write(move |tx| {
            async move {
                links::end(tx, id, now, WRONG).await?;
                for letter in letters {
                    letter.queue(&mut *tx).await?;
                }
                Ok::<_, StorageError>(((), Some(act)))
            }
            .boxed()
        });
        match done.await {
            Err(StorageError::NotFound { .. }) => Err(DeskError::NotFound),
            other => Ok(other?),
        }
    }

    /// Links of the organization that staff have to decide about, and those that ended as wrong lately: for the privacy
    /// officer alone, as nobody else learns who is linked.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn stopped(&self, member: &StaffMember) -> Result<Vec<Stopped>, DeskError> {
        covered(member, StaffAct::SeeExposure)?;
        let since = self.clock.now().minus(SHOWN_FOR);
        let mut found = Vec::new();
        for source in self.sources_of(member).await? {
            for link in links::stopped_at_source(&self.db, source.key, since).await? {
                let (is_frozen, at, reason) = match link.state {
                    LinkState::Frozen { at, reason } => (true, at, reason),
                    LinkState::Ended { at, reason } => (false, at, reason),
                    LinkState::Active => continue,
                };
                let patient = link
                    .demographics
                    .map(|known| format!("{} {}, born {}", known.given.join(" "), known.family, known.birth_date));
                found.push(Stopped { link: link.id, patient: patient.unwrap_or_default(), at, reason, is_frozen });
            }
        }
        Ok(found)
    }

    /// What was looked at through a link that is frozen, or ended as wrong, for whoever has to tell the patient (45 CFR
    /// 164.404): of what came from its own source, and of nothing else that the person sees elsewhere. That it was asked for
    /// is recorded.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn exposure(&self, member: &StaffMember, id: LinkId) -> Result<Exposure, DeskError> {
        covered(member, StaffAct::SeeExposure)?;
        let link = self.own_link(member, id).await?;
        let until = match &link.state {
            LinkState::Frozen { at, .. } => *at,
            LinkState::Ended { at, reason } if reason == WRONG || reason == NOT_MINE => *at,
            // What somebody looks at in their own record is theirs to know.
            LinkState::Active | LinkState::Ended { .. } => {
                let act = self.act(ActKind::Link, member).on("Link", id).by_way_of("exposure").refused("not-wrong");
                self.acts.record(act).await?;
                let text = "this is told of a link that is stopped, or ended as wrong: stop it first";
                return Err(DeskError::Refused("link", text.to_owned()));
            }
        };
        let act = self.act(ActKind::Link, member).about(link.person).on("Link", id).by_way_of("exposure");
        self.acts.record(act.under(link.source.as_str())).await?;
        let holder = current_person(&self.db, link.person).await?.unwrap_or(link.person);
        let mut rows = audit::of_person(&self.db, link.person, MOST_ENTRIES).await?;
        if holder != link.person {
            rows.extend(audit::of_person(&self.db, holder, MOST_ENTRIES).await?);
            rows.sort_by_key(|row| std::cmp::Reverse(row.recorded));
        }
        let is_cut = rows.len() >= MOST_ENTRIES;
        let own = accounts::by_person(&self.db, holder).await?.map(|account| account.id);
        let in_time = |row: &AuditRow| link.linked <= row.recorded && row.recorded <= until;
        let looks = rows.into_iter().filter(in_time).filter_map(|row| {
            let count = seen_of(&row, link.source)?;
            Some(Exposed {
                at: row.recorded,
                by: match row.account {
                    _ if row.is_at_work() => LookedBy::Staff,
                    None => LookedBy::Service,
                    account if account == own => LookedBy::Holder,
                    Some(_) => LookedBy::Proxy,
                },
                app: row.client.unwrap_or_default(),
                what: row.resource_type.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
                count,
            })
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

/// How much of what came from a source an entry says was given out, if anything.
fn seen_of(row: &AuditRow, source: SourceKey) -> Option<i64> {
    if row.kind != "fhir" || row.outcome != AuditOutcome::Permitted {
        return None;
    }
    row.sources.iter().find(|(key, _)| *key == source).map(|(_, count)| *count).filter(|count| *count > 0)
}
