//! Apps opened from here (SMART App Launch 2.2 §2.0.7), and the visit that an app which stands alone is told of.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::authorize::{AuthorizeAnswer, AuthorizeError, LOST, SignedIn, fresh};
use super::rights::{active_links, reachable};
use super::seal::Binding;
use super::{AuthorizationServer, person_name};
use crate::access::{Behalf, OWN_PAGES, Subject};
use crate::audit::{AT_WORK, Act, ActKind};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, AuthorizationId, OrganizationId, PersonId};
use crate::base::random::Random;
use crate::consent::Standing;
use crate::identity::{GrantBasis, Link, StaffMember, ViewReason};
use crate::oauth::client::{Client, ClientId};
use crate::oauth::launch::{Launch, LaunchContext};
use crate::oauth::request::with_parameters;
use crate::oauth::scope::{Scope, ScopeSet};
use crate::oauth::token::TokenKind;
use crate::storage::{StorageError, accounts, clients, consent, launches};

/// Time from opening an app to the end of its sign-in (security design, O30).
const LAUNCH_LIFETIME: Duration = Duration::from_secs(300);

/// Why an app is not opened.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is no such app, or it cannot be opened from here.
    #[error("there is no such app to open")]
    NoApp,
    /// The account has no right to this person.
    #[error("there is no such person")]
    NoPerson,
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// An app that can be opened from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchableApp {
    /// Its id.
    pub client: ClientId,
    /// Its name.
    pub name: String,
}

/// An app just opened.
pub struct OpenedApp {
    /// Its name.
    pub name: String,
    /// Where the browser goes: the app's own page with `iss` and `launch`.
    pub url: String,
    /// The launch value by itself.
    pub launch: String,
    /// Seconds until it ends.
    pub expires_in: u64,
}

// The URL and the value open a record for whoever is signed in.
impl std::fmt::Debug for OpenedApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenedApp").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A person for whom one can act here.
#[derive(Clone, Debug)]
pub struct Reached {
    /// The person, merges followed.
    pub person: PersonId,
    /// The name, where a chart tells it.
    pub name: Option<String>,
    /// What our own pages may read of the record.
    pub subject: Arc<Subject>,
}

impl AuthorizationServer {
    /// The apps that can be opened from here, by name; `at_work` without those that nobody looked at.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn launchable_apps(&self, at_work: bool) -> Result<Vec<LaunchableApp>, StorageError> {
        let mut apps: Vec<LaunchableApp> = clients::all(&self.db)
            .await?
            .into_iter()
            .filter(is_launchable)
            .filter(|client| !(at_work && self.is_unchecked(client)))
            .map(|client| LaunchableApp { client: client.id, name: client.name })
            .collect();
        apps.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.client.cmp(&b.client)));
        Ok(apps)
    }

    /// Opens an app for a person: its page's URL with a value that works once, for the one who opened it.
    ///
    /// # Errors
    /// [`LaunchError`].
    pub async fn open_app(
        &self,
        account: AccountId,
        client: &ClientId,
        person: PersonId,
        context: LaunchContext,
    ) -> Result<OpenedApp, LaunchError> {
        let client = clients::get(&self.db, client).await?.filter(is_launchable).ok_or(LaunchError::NoApp)?;
        let person = self.reached(account, person).await?.ok_or(LaunchError::NoPerson)?.person;
        let act = self.new_act(ActKind::Launch).by(account).through(&client.id).about(Some(person));
        self.open(client, (account, person, None), context, act).await
    }

    /// Opens an app for a patient of a practice, for one of its clinicians. That the patient is one of theirs is for the caller
    /// to see. An app that registered itself and that nobody looked at is none to open.
    ///
    /// # Errors
    /// [`LaunchError`].
    pub async fn open_app_at_work(
        &self,
        member: &StaffMember,
        client: &ClientId,
        person: PersonId,
    ) -> Result<OpenedApp, LaunchError> {
        let found = clients::get(&self.db, client).await?.filter(is_launchable);
        let client = found.filter(|client| !self.is_unchecked(client)).ok_or(LaunchError::NoApp)?;
        let act = self.new_act(ActKind::Launch).by(member.account).through(&client.id).about(Some(person));
        let act = act.by_way_of(AT_WORK).under(ViewReason::Treatment.as_str());
        self.open(client, (member.account, person, Some(member.organization)), LaunchContext::default(), act).await
    }

    async fn open(
        &self,
        client: Client,
        (account, person, staff_of): (AccountId, PersonId, Option<OrganizationId>),
        context: LaunchContext,
        act: Act,
    ) -> Result<OpenedApp, LaunchError> {
        let launch_uri = client.launch_uri.ok_or(LaunchError::NoApp)?;
        let value = TokenKind::Launch.mint(&*self.random);
        let hash = crate::base::hash::sha256(value.expose().as_bytes());
        let expires = self.clock.now().plus(LAUNCH_LIFETIME);
        let launch = Launch { client: client.id.clone(), account, person, staff_of, context, expires, used: None };
        self.act(move |tx| {
            async move {
                launches::insert(tx, &hash, &launch).await?;
                Ok(((), Some(act)))
            }
            .boxed()
        })
        .await?;
        let pairs = [("iss", self.endpoints.fhir_base()), ("launch", value.expose().as_str())];
        Ok(OpenedApp {
            name: client.name,
            url: with_parameters(&launch_uri, &pairs),
            launch: value.expose().clone(),
            expires_in: LAUNCH_LIFETIME.as_secs(),
        })
    }

    /// The person, if the account may act for it, and what our own pages may then read.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn reached(&self, account: AccountId, person: PersonId) -> Result<Option<Reached>, StorageError> {
        let Some(account) = accounts::by_id(&self.db, account).await?.filter(crate::identity::Account::is_active)
        else {
            return Ok(None);
        };
        let now = self.clock.now();
        let Some(person) = super::rights::current_person(&self.db, person).await? else { return Ok(None) };
        let reachable = reachable(&self.db, account.id, account.person, now).await?;
        let Some((_, _, until)) = reachable.into_iter().find(|(known, ..)| *known == person) else { return Ok(None) };
        let links = active_links(&self.db, person).await?;
        let is_own = super::rights::is_own(&self.db, account.person, person).await?;
        let standing = consent::standing(&self.db, account.id, person, is_own).await?;
        let Some(client) = ClientId::parse(OWN_PAGES) else { return Ok(None) };
        let subject = Arc::new(Subject {
            // No app, so there is no authorization: an id that nothing has, always the same one, so that page links
            // of one page work on the next.
            behalf: Behalf::User { account: account.id, authorization: AuthorizationId::from(account.id.uuid()) },
            client,
            person: Some(person),
            scopes: ScopeSet::parse("patient/*.rs").0,
            links,
            standing: Some(standing),
            key: None,
            token_hash: self.random.bytes(),
            expires_at: until.unwrap_or_else(|| now.plus(LAUNCH_LIFETIME)),
        });
        Ok(Some(Reached { person, name: person_name(&subject.links), subject }))
    }

    /// Everybody whose record the account may look at, its own first, with the right by which.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn in_reach(&self, account: AccountId) -> Result<Vec<(Reached, Option<GrantBasis>)>, StorageError> {
        let own = accounts::by_id(&self.db, account).await?.and_then(|account| account.person);
        let mut found = Vec::new();
        for (person, basis, _) in reachable(&self.db, account, own, self.clock.now()).await? {
            if let Some(reached) = self.reached(account, person).await? {
                found.push((reached, basis));
            }
        }
        Ok(found)
    }

    /// Whose visits there are to choose from in this request, once the person is chosen.
    ///
    /// # Errors
    /// [`AuthorizeError`].
    pub async fn encounter_question(
        &self,
        sealed: &str,
        browser: &str,
        session: &SignedIn,
    ) -> Result<(String, Reached), AuthorizeError> {
        let request = self.unseal(sealed, Binding::Browser(browser)).ok_or(LOST)?;
        let client = self.enabled_client(&request.client).await?;
        let person = request.decided.ok_or(LOST)?;
        let reached = self.reached(session.account, person).await?.ok_or(LOST)?;
        Ok((client.name, reached))
    }

    /// Ends a request with the visit that was chosen, or with none: then the app is told of none. The caller has seen
    /// that the person's record has this Encounter.
    ///
    /// # Errors
    /// [`AuthorizeError`].
    pub async fn choose_encounter(
        &self,
        sealed: &str,
        browser: &str,
        session: &SignedIn,
        encounter: Option<String>,
    ) -> Result<AuthorizeAnswer, AuthorizeError> {
        let mut request = self.unseal(sealed, Binding::Browser(browser)).ok_or(LOST)?;
        let client = self.enabled_client(&request.client).await?;
        let person = request.decided.ok_or(LOST)?;
        if !fresh(&request, session) {
            return self.proceed(request, client, browser, Some(session)).await;
        }
        self.reached(session.account, person).await?.ok_or(LOST)?;
        let launch = match self.launch_of(&request, session).await? {
            Ok(launch) => launch,
            Err(redirect) => return Ok(AuthorizeAnswer::Redirect(redirect)),
        };
        let mut context = launch.filter(|launch| launch.staff_of.is_none()).map(|l| l.context).unwrap_or_default();
        if encounter.is_none() {
            request.scopes.remove(&Scope::LaunchEncounter);
        }
        context.encounter = encounter;
        Ok(AuthorizeAnswer::Redirect(self.grant(request, &client, session, (context, None)).await?))
    }
}

/// What a page of ours reads a record as: all types, as the person themselves sees these charts.
pub(crate) fn page_subject(
    (account, person): (AccountId, PersonId),
    links: Vec<Link>,
    random: &dyn Random,
    now: Instant,
) -> Option<Subject> {
    Some(Subject {
        behalf: Behalf::User { account, authorization: AuthorizationId::mint(random) },
        client: ClientId::parse(OWN_PAGES)?,
        person: Some(person),
        scopes: ScopeSet::parse("patient/*.rs").0,
        links,
        standing: Some(Standing::own(account)),
        key: None,
        token_hash: random.bytes(),
        expires_at: now.plus(LAUNCH_LIFETIME),
    })
}

fn is_launchable(client: &Client) -> bool {
    client.enabled && client.launch_uri.is_some() && client.scopes.contains(&Scope::Launch)
}
