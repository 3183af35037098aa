//! Whom an account may act for, and where the charts are.

use crate::base::clock::Instant;
use crate::base::id::{AccountId, PersonId};
use crate::identity::{GrantBasis, Link, PersonState};
use crate::storage::{Db, StorageError, consent, grants, links, persons};

/// The person that `id` stands for now, merges followed.
///
/// # Errors
/// [`StorageError`].
pub(crate) async fn current_person(db: &Db, id: PersonId) -> Result<Option<PersonId>, StorageError> {
    Ok(persons::by_id(db, id).await?.map(|person| match person.state {
        PersonState::Current => person.id,
        PersonState::MergedInto { person, .. } => person,
    }))
}

/// The links through which data of `person` flows, those of persons merged into it included.
///
/// # Errors
/// [`StorageError`].
pub(crate) async fn active_links(db: &Db, person: PersonId) -> Result<Vec<Link>, StorageError> {
    let mut found = links::active_of_person(db, person).await?;
    for alias in persons::aliases_of(db, person).await? {
        found.extend(links::active_of_person(db, alias).await?);
    }
    Ok(found)
}

/// The persons an account may act for at `now`: its own, then those of active grants, each once, with the end of the
/// right where it has one.
///
/// # Errors
/// [`StorageError`].
pub(crate) async fn reachable(
    db: &Db,
    account: AccountId,
    own: Option<PersonId>,
    now: Instant,
) -> Result<Vec<(PersonId, Option<GrantBasis>, Option<Instant>)>, StorageError> {
    let mut found: Vec<(PersonId, Option<GrantBasis>, Option<Instant>)> = Vec::new();
    if let Some(own) = own
        && let Some(person) = current_person(db, own).await?
        && consent::standing(db, account, person, true).await?.right_until(now).is_some()
    {
        found.push((person, None, None));
    }
    for grant in grants::active_for_account(db, account, now).await? {
        let Some(person) = current_person(db, grant.person).await? else { continue };
        if found.iter().any(|(known, ..)| *known == person) {
            continue;
        }
        // A grant may wait for its event, be overdue, or be overruled: then the person is not there.
        if let Some(until) = consent::standing(db, account, person, false).await?.right_until(now) {
            found.push((person, Some(grant.basis), until));
        }
    }
    Ok(found)
}

/// Whether `person`, merges followed, is the account's own.
///
/// # Errors
/// [`StorageError`].
pub(crate) async fn is_own(db: &Db, own: Option<PersonId>, person: PersonId) -> Result<bool, StorageError> {
    match own {
        Some(own) => Ok(current_person(db, own).await? == Some(person)),
        None => Ok(false),
    }
}

/// The name of a person, as the first of `links` that has one wrote it.
#[must_use]
pub fn person_name(links: &[Link]) -> Option<String> {
    links.iter().filter_map(|link| link.demographics.as_ref()).find_map(|known| {
        let parts: Vec<&str> =
            known.given.iter().map(String::as_str).chain([known.family.as_str()]).filter(|p| !p.is_empty()).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    })
}
