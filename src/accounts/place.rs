//! Where a chart belongs when somebody has shown that it is theirs: found before the write, and held to in it.

use crate::authorization::{active_links, current_person};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, LinkId, PersonId};
use crate::base::random::Random;
use crate::identity::matching::same_name;
use crate::identity::{Assurance, Demographics, Link, LinkMethod, LinkState};
use crate::organization::SourceKey;
use crate::storage::{Db, StorageError, Taken, Tx, accounts, links, persons};

/// What a chart is to an account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Whose record the chart is or will be.
    pub(crate) person: PersonId,
    /// Whether the person is new.
    pub(super) is_new: bool,
    /// The link that there is.
    pub(super) link: Option<LinkId>,
    /// Whether the account gets this person as its own.
    pub(super) becomes_own: bool,
    /// A person with this chart who turned out to be the account's own.
    pub(super) merges: Option<PersonId>,
}

impl Place {
    /// A person whom nobody knows yet.
    pub(super) fn new_person(random: &dyn Random, becomes_own: bool) -> Self {
        Self { person: PersonId::mint(random), is_new: true, link: None, becomes_own, merges: None }
    }

    /// A person who is known, with the link where there is one.
    pub(super) const fn known(person: PersonId, link: Option<LinkId>) -> Self {
        Self { person, is_new: false, link, becomes_own: false, merges: None }
    }

    /// Whether a link that there is, of somebody whom others looked after, becomes the account's own.
    pub(crate) const fn takes_over(&self) -> bool {
        self.link.is_some() && (self.becomes_own || self.merges.is_some())
    }

    /// The link to make; none where there is one.
    pub(crate) fn new_link(
        &self,
        random: &dyn Random,
        (source, patient, demographics): (SourceKey, String, Demographics),
        (method, assurance): (LinkMethod, Assurance),
        now: Instant,
    ) -> Option<Link> {
        self.link.is_none().then(|| Link {
            id: LinkId::mint(random),
            person: self.person,
            source,
            patient,
            // Behind the charts that there are: the first one stays the primary one.
            rank: if self.is_new { 0 } else { now.seconds() },
            method,
            assurance,
            demographics: Some(demographics),
            linked: now,
            state: LinkState::Active,
        })
    }

    /// Puts the chart there, and says by which link.
    ///
    /// # Errors
    /// [`StorageError::AlreadyTaken`] or `NotFound` when somebody was quicker.
    pub(crate) async fn put(
        &self,
        tx: &mut Tx,
        link: Option<Link>,
        account: AccountId,
        now: Instant,
    ) -> Result<LinkId, StorageError> {
        if self.is_new {
            persons::insert(tx, self.person, now).await?;
        }
        if self.becomes_own {
            accounts::set_person(tx, account, self.person).await?;
        }
        if let Some(link) = &link {
            // Staff may have stopped it since it was looked at.
            if links::frozen_at(&mut *tx, (link.source, &link.patient)).await?.is_some() {
                return Err(StorageError::AlreadyTaken(Taken::Chart));
            }
            links::insert(tx, link).await?;
        }
        if let Some(alias) = self.merges {
            persons::merge(tx, alias, self.person, now).await?;
        }
        link.map(|link| link.id).or(self.link).ok_or(StorageError::NotFound { table: "links" })
    }
}

/// The place of a chart that somebody says is their own. `None` when it is somebody else's already, does not fit the
/// record that the account has, or was linked by a link that is frozen, whoever's that is: then staff must look.
///
/// # Errors
/// [`StorageError`].
pub(crate) async fn own_place(
    db: &Db,
    random: &dyn Random,
    account: AccountId,
    (source, patient): (SourceKey, &str),
    about: &Demographics,
) -> Result<Option<Place>, StorageError> {
    let own = match accounts::by_id(db, account).await?.and_then(|account| account.person) {
        Some(own) => current_person(db, own).await?,
        None => None,
    };
    if let Some(own) = own {
        let others = active_links(db, own).await?;
        let mut known = others.iter().filter_map(|link| link.demographics.as_ref());
        // Whoever already has a record here, and is somebody else by it, is at the wrong chart.
        if known.any(|known| !is_one_human(known, about)) {
            return Ok(None);
        }
    }
    if links::frozen_at(db, (source, patient)).await?.is_some() {
        return Ok(None);
    }
    let Some(link) = links::active_at(db, source, patient).await? else {
        return Ok(Some(own.map_or_else(|| Place::new_person(random, true), |own| Place::known(own, None))));
    };
    let linked = current_person(db, link.person).await?.unwrap_or(link.person);
    let has_holder = accounts::by_person(db, linked).await?.is_some();
    Ok(match own {
        Some(own) if own == linked => Some(Place::known(own, Some(link.id))),
        _ if has_holder => None,
        // A child whom others looked after has an account now.
        None => Some(Place { becomes_own: true, ..Place::known(linked, Some(link.id)) }),
        Some(own) => Some(Place { merges: Some(linked), ..Place::known(own, Some(link.id)) }),
    })
}

/// Whether two charts can be one human's. Family names change; birth dates and first given names do not.
pub(crate) fn is_one_human(a: &Demographics, b: &Demographics) -> bool {
    let first = |known: &Demographics| known.given.first().cloned().unwrap_or_default();
    let same_given = first(a).is_empty() || first(b).is_empty() || same_name(&first(a), &first(b));
    a.birth_date == b.birth_date && same_given
}
