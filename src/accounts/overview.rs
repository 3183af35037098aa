//! What an account can reach: its persons and where their charts are.

use super::Accounts;
use crate::base::clock::Instant;
use crate::base::id::{AccountId, PersonId};
use crate::identity::{GrantBasis, Link, PersonState};
use crate::storage::{Db, StorageError, accounts, grants, links, organizations, persons, sources};

/// A person that an account may act for.
#[derive(Clone, Debug)]
pub struct PersonOverview {
    /// The person as it stands now, merges followed.
    pub person: PersonId,
    /// The name, as the first chart wrote it when it was linked.
    pub name: Option<String>,
    /// By what right, for anybody else than the account's holder.
    pub basis: Option<GrantBasis>,
    /// The practices with a chart of the person, by name.
    pub sources: Vec<String>,
}

/// What an account can reach.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The name it signs in with.
    pub username: String,
    /// The holder first, then everybody by whose grant the account may act.
    pub persons: Vec<PersonOverview>,
}

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
    {
        found.push((person, None, None));
    }
    for grant in grants::active_for_account(db, account, now).await? {
        let Some(person) = current_person(db, grant.person).await? else { continue };
        match found.iter_mut().find(|(known, ..)| *known == person) {
            None => found.push((person, Some(grant.basis), grant.period.until)),
            // Two grants for one person: the right lasts as long as the longer of them.
            Some((_, Some(_), until)) => *until = until.zip(grant.period.until).map(|(a, b)| a.max(b)),
            Some((_, None, _)) => {}
        }
    }
    Ok(found)
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

impl Accounts {
    /// What an account can reach; `None` when it is not open.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn overview(&self, account: AccountId) -> Result<Option<Overview>, StorageError> {
        let Some(account) = accounts::by_id(&self.db, account).await?.filter(|a| a.is_active()) else {
            return Ok(None);
        };
        let reachable = reachable(&self.db, account.id, account.person, self.clock.now()).await?;
        let mut persons = Vec::with_capacity(reachable.len());
        for (person, basis, _) in reachable {
            let links = active_links(&self.db, person).await?;
            let mut names = Vec::new();
            for link in &links {
                let Some(source) = sources::by_key(&self.db, link.source).await? else { continue };
                let organization = organizations::by_id(&self.db, source.organization).await?;
                let name = organization.map_or(source.name, |organization| organization.name);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            persons.push(PersonOverview { person, name: person_name(&links), basis, sources: names });
        }
        Ok(Some(Overview { username: account.username.typed().to_owned(), persons }))
    }
}
