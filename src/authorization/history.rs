//! Who looked at a record, and who changed who may: for the person whose record it is, and for whoever sees all of it on
//! behalf of a small child. Others would learn from it what they are not shown (security design, I18).

use std::collections::BTreeMap;

use super::rights::{current_person, is_own};
use super::{AuthorizationServer, SignedIn};
use crate::access::OWN_PAGES;
use crate::audit::view_reason;
use crate::base::clock::Instant;
use crate::base::id::{AccountId, PersonId};
use crate::fhir::ResourceType;
use crate::identity::{GrantBasis, ViewReason, named};
use crate::oauth::client::ClientId;
use crate::storage::audit::{self, AuditOutcome, AuditRow};
use crate::storage::{StorageError, accounts, clients, grants, persons};

/// So many entries are shown.
const SHOWN: usize = 300;

named! {
    /// What somebody did with a record.
    LookKind {
        /// Looked.
        Looked = "looked",
        /// Changed who may see what, or asked for it.
        Sharing = "sharing",
        /// Connected or disconnected an app, or opened one.
        App = "app",
        /// Linked or unlinked a chart.
        Link = "link",
        /// Looked at who sees what of it.
        Sharers = "sharers",
        /// Anything else.
        Other = "other",
    }
}

/// Who did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looker {
    /// The person whose record it is.
    Subject,
    /// Whoever reads this.
    Reader,
    /// Somebody by a right: the name, for the subject alone.
    Proxy(GrantBasis, Option<String>),
    /// A service of a practice, and nobody by hand.
    Service,
    /// The staff of a practice, or of this site.
    Staff,
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Look {
    /// When.
    pub at: Instant,
    /// Who.
    pub who: Looker,
    /// Through which app; none on these pages.
    pub app: Option<String>,
    /// What was done.
    pub kind: LookKind,
    /// Which kind of information, for the subject alone.
    pub resource_type: Option<ResourceType>,
    /// How much of it was given out.
    pub released: Option<i64>,
    /// Whether it was refused.
    pub is_refused: bool,
    /// Why staff looked.
    pub reason: Option<ViewReason>,
}

impl AuthorizationServer {
    /// The newest entries about a person, for an account that may act for them: whether it may know is for the caller to
    /// see, who it is follows from the account. `None` when the person is out of its reach.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn history(&self, session: &SignedIn, person: PersonId) -> Result<Option<Vec<Look>>, StorageError> {
        let Some(reached) = self.reached(session.account, person).await? else { return Ok(None) };
        let reader = accounts::by_id(&self.db, session.account).await?.and_then(|account| account.person);
        let is_subject = is_own(&self.db, reader, reached.person).await?;
        let mut rows = audit::of_person(&self.db, reached.person, SHOWN).await?;
        for alias in persons::aliases_of(&self.db, reached.person).await? {
            rows.extend(audit::of_person(&self.db, alias, SHOWN).await?);
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.recorded));
        rows.truncate(SHOWN);
        let holders = self.holders(reached.person, is_subject).await?;
        let mut apps: BTreeMap<String, Option<String>> = BTreeMap::new();
        for client in rows.iter().filter_map(|row| row.client.as_ref()) {
            if !apps.contains_key(client) {
                apps.insert(client.clone(), self.app_name(client).await?);
            }
        }
        let subject = accounts::by_person(&self.db, reached.person).await?.map(|account| account.id);
        let look = |row: AuditRow| {
            let who = match row.account {
                // By their role: not by what they may see otherwise.
                _ if row.is_at_work() => Looker::Staff,
                None if row.client.is_some() => Looker::Service,
                Some(account) if Some(account) == subject => Looker::Subject,
                Some(account) if account == session.account => Looker::Reader,
                Some(account) => match holders.get(&account) {
                    Some((basis, name)) => Looker::Proxy(*basis, name.clone()),
                    None => Looker::Staff,
                },
                None => Looker::Staff,
            };
            Look {
                at: row.recorded,
                app: row.client.as_ref().and_then(|client| apps.get(client).cloned().flatten()),
                kind: kind(&row),
                resource_type: row.resource_type.filter(|_| is_subject),
                released: row.released.filter(|_| is_subject),
                is_refused: row.outcome == AuditOutcome::Denied,
                reason: view_reason(&row),
                who,
            }
        };
        Ok(Some(rows.into_iter().map(look).collect()))
    }

    /// By what right each account that ever had one sees the person.
    async fn holders(
        &self,
        person: PersonId,
        with_names: bool,
    ) -> Result<BTreeMap<AccountId, (GrantBasis, Option<String>)>, StorageError> {
        let mut all = grants::of_person(&self.db, person).await?;
        for alias in persons::aliases_of(&self.db, person).await? {
            all.extend(grants::of_person(&self.db, alias).await?);
        }
        let mut holders = BTreeMap::new();
        for grant in all {
            let name = match with_names {
                true => accounts::by_id(&self.db, grant.account).await?.map(|a| a.username.typed().to_owned()),
                false => None,
            };
            holders.insert(grant.account, (grant.basis, name));
        }
        Ok(holders)
    }

    async fn app_name(&self, client: &str) -> Result<Option<String>, StorageError> {
        let Some(id) = ClientId::parse(client).filter(|_| client != OWN_PAGES) else { return Ok(None) };
        let known = clients::get(&self.db, &id).await?;
        Ok(Some(known.map_or_else(|| client.to_owned(), |known| known.name)))
    }

    /// Whether a person is the account's own, merges followed; for pages that say so.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn is_own_record(&self, session: &SignedIn, person: PersonId) -> Result<bool, StorageError> {
        let own = accounts::by_id(&self.db, session.account).await?.and_then(|account| account.person);
        match current_person(&self.db, person).await? {
            Some(person) => is_own(&self.db, own, person).await,
            None => Ok(false),
        }
    }
}

fn kind(row: &AuditRow) -> LookKind {
    match row.kind.as_str() {
        "fhir" => LookKind::Looked,
        "grant" => LookKind::Sharing,
        "consent" | "token" | "revocation" | "launch" => LookKind::App,
        "link" | "source-access" | "claim" | "invitation" => LookKind::Link,
        _ if view_reason(row).is_some() => LookKind::Sharers,
        _ => LookKind::Other,
    }
}
