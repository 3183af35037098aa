//! The apps that can see somebody's record, and the end of that.

use futures_util::FutureExt;

use super::consent::{ConsentItem, items};
use super::rights::{active_links, person_name, reachable};
use super::{AuthorizationServer, SignedIn};
use crate::audit::ActKind;
use crate::base::clock::Instant;
use crate::base::id::{AccountId, AuthorizationId, PersonId};
use crate::identity::GrantBasis;
use crate::oauth::scope::{Scope, ScopeSet};
use crate::storage::authorizations::OpenAuthorization;
use crate::storage::{StorageError, accounts, authorizations, persons};

/// An app that somebody allowed to see a record, or to know who they are.
#[derive(Clone, Debug)]
pub struct ConnectedApp {
    /// What was allowed, by its id.
    pub id: AuthorizationId,
    /// The app's id.
    pub client: String,
    /// The app's name.
    pub name: String,
    /// Whose record it may see.
    pub person: Option<PersonId>,
    /// That person's name, where a chart tells it.
    pub person_name: Option<String>,
    /// By what right, for anybody else than the account's holder.
    pub basis: Option<GrantBasis>,
    /// Whether this account allowed it; otherwise somebody did who acts for its holder.
    pub own: bool,
    /// What it may see and do, as the consent page said it.
    pub items: Vec<ConsentItem>,
    /// The same as scopes.
    pub scopes: ScopeSet,
    /// Since when.
    pub since: Instant,
    /// When it last asked for anything, to within a minute or so.
    pub last_used: Option<Instant>,
    /// When it ends by itself, if it is not used before.
    pub until: Instant,
}

/// The right to a person, as it is reached.
type Right = (PersonId, Option<GrantBasis>);

impl AuthorizationServer {
    /// The apps that the account connected, for anybody; and those that others connected to its holder's record.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn connected_apps(&self, session: &SignedIn) -> Result<Vec<ConnectedApp>, StorageError> {
        let now = self.clock.now();
        let (own, rights) = self.rights_of(session.account).await?;
        let mut open = authorizations::open_of_account(&self.db, session.account).await?;
        for person in self.with_aliases(own).await? {
            let of_others = authorizations::open_of_person(&self.db, person).await?;
            open.extend(of_others.into_iter().filter(|found| found.account != session.account));
        }
        let mut apps = Vec::new();
        for found in open {
            let Some(until) = found.refresh_until.max(found.access_until).filter(|until| *until > now) else {
                continue;
            };
            apps.push(self.describe_app(found, until, session.account, &rights).await?);
        }
        Ok(apps)
    }

    /// Ends what an app may do. False when there is no such authorization for this account: not one of its own, and
    /// none about its holder's record.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn disconnect_app(&self, session: &SignedIn, id: AuthorizationId) -> Result<bool, StorageError> {
        let Some(found) = authorizations::get(&self.db, id).await?.filter(|found| found.revoked.is_none()) else {
            return Ok(false);
        };
        let (own, _) = self.rights_of(session.account).await?;
        let about_holder = match found.person {
            Some(person) => self.with_aliases(own).await?.contains(&person),
            None => false,
        };
        if found.account != session.account && !about_holder {
            return Ok(false);
        }
        let now = self.clock.now();
        let act = self.new_act(ActKind::Revocation).by(session.account).through(&found.client).about(found.person);
        let act = act.on("Authorization", id).by_way_of("connected-apps").under("user");
        self.act(move |tx| {
            async move {
                let ended = authorizations::revoke(tx, id, now).await?;
                Ok((ended, ended.then_some(act)))
            }
            .boxed()
        })
        .await
    }

    async fn rights_of(&self, account: AccountId) -> Result<(Option<PersonId>, Vec<Right>), StorageError> {
        let Some(account) = accounts::by_id(&self.db, account).await? else { return Ok((None, Vec::new())) };
        let reachable = reachable(&self.db, account.id, account.person, self.clock.now()).await?;
        let own = reachable.iter().find(|(_, basis, _)| basis.is_none()).map(|(person, ..)| *person);
        Ok((own, reachable.into_iter().map(|(person, basis, _)| (person, basis)).collect()))
    }

    /// The person and everybody merged into it.
    async fn with_aliases(&self, person: Option<PersonId>) -> Result<Vec<PersonId>, StorageError> {
        let Some(person) = person else { return Ok(Vec::new()) };
        let mut all = vec![person];
        all.extend(persons::aliases_of(&self.db, person).await?);
        Ok(all)
    }

    async fn describe_app(
        &self,
        found: OpenAuthorization,
        until: Instant,
        account: AccountId,
        rights: &[Right],
    ) -> Result<ConnectedApp, StorageError> {
        let person = match found.person {
            Some(person) => super::rights::current_person(&self.db, person).await?,
            None => None,
        };
        let right = rights.iter().find(|(known, _)| Some(*known) == person);
        // A record that the account has no right to any more: the app gets nothing, and its name is not told either.
        let person_name = match right {
            Some((person, _)) => person_name(&active_links(&self.db, *person).await?),
            None => None,
        };
        let has_own = found.scopes.contains(&Scope::FhirUser);
        Ok(ConnectedApp {
            id: found.id,
            client: found.client.to_string(),
            name: found.name,
            person: right.map(|(person, _)| *person),
            person_name,
            basis: right.and_then(|(_, basis)| *basis),
            own: found.account == account,
            items: items(&found.scopes, right.is_some(), has_own),
            scopes: found.scopes,
            since: found.since,
            last_used: found.last_used,
            until,
        })
    }
}
