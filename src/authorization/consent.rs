//! What the consent page asks, and what follows from the answer.

use std::collections::BTreeSet;

use super::AuthorizationServer;
use super::authorize::Decision;
use super::rights::{active_links, current_person, person_name, reachable};
use crate::base::id::{AccountId, OrganizationId, PersonId};
use crate::consent::Action;
use crate::fhir::ResourceType;
use crate::identity::GrantBasis;
use crate::oauth::client::Client;
use crate::oauth::request::AuthorizationRequest;
use crate::oauth::scope::{Actions, ResourceScope, Scope, ScopeSet};
use crate::smart::words::{Heading, parts, plain_words};
use crate::storage::{StorageError, accounts, consent as consents, organizations, sources};

/// A person whose record could be shared.
#[derive(Clone, Debug)]
pub struct ConsentPerson {
    /// The value of the choice.
    pub person: PersonId,
    /// The name, where a chart tells it.
    pub name: Option<String>,
    /// By what right, for anybody else than the account's holder.
    pub basis: Option<GrantBasis>,
    /// Whether it is chosen.
    pub chosen: bool,
}

/// One box to tick.
#[derive(Clone, Debug)]
pub struct ConsentItem {
    /// The value of the box: the first of the scopes that it stands for.
    pub value: String,
    /// What it is about, in plain words.
    pub text: &'static str,
    /// Where it is listed; `None` for what is not data.
    pub heading: Option<Heading>,
    /// Whether it lets the app change something, not only see it.
    pub writes: bool,
    /// Search parameter and value that limit it, where something does.
    pub limits: Vec<(String, String)>,
    /// Whether it is a part of the box before it: what is left when that one is unticked.
    pub is_part: bool,
    /// Whether it is ticked.
    pub ticked: bool,
    scopes: Vec<Scope>,
}

/// What staff read who open an app for a patient.
#[derive(Clone, Debug)]
pub struct AtWork {
    /// The practice's name.
    pub practice: String,
    /// For so many minutes the app sees the record.
    pub minutes: u64,
}

/// What the consent page shows.
#[derive(Clone, Debug)]
pub struct ConsentPage {
    /// The app's name.
    pub app: String,
    /// Whether it registered itself and nobody here has looked at it.
    pub is_unchecked: bool,
    /// Whether staff opened it at work, for one of their practice's patients.
    pub at_work: Option<AtWork>,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// The sealed request.
    pub request: String,
    /// The persons to choose from.
    pub persons: Vec<ConsentPerson>,
    /// The boxes.
    pub items: Vec<ConsentItem>,
    /// Whether the app is told which record was chosen (`launch/patient`).
    pub tells_person: bool,
    /// What was wrong with the last answer.
    pub problem: Option<Problem>,
}

/// Why a decision cannot be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No person was chosen, or one that the account may not act for.
    Person,
    /// Nothing was ticked.
    Nothing,
}

impl AuthorizationServer {
    pub(super) async fn consent_persons(&self, account: AccountId) -> Result<Vec<ConsentPerson>, StorageError> {
        let Some(account) = accounts::by_id(&self.db, account).await? else { return Ok(Vec::new()) };
        let mut persons = Vec::new();
        for (person, basis, _) in reachable(&self.db, account.id, account.person, self.clock.now()).await? {
            // A proxy lets an app in if the grant says so.
            if basis.is_some() && !self.may_connect(account.id, person).await? {
                continue;
            }
            let name = person_name(&active_links(&self.db, person).await?);
            let chosen = persons.is_empty();
            persons.push(ConsentPerson { person, name, basis, chosen });
        }
        Ok(persons)
    }
}

impl AuthorizationServer {
    /// The patient that an app was opened for at a practice, as their chart there names them, and the practice's name.
    pub(super) async fn consent_patient(
        &self,
        person: PersonId,
        practice: OrganizationId,
    ) -> Result<(Vec<ConsentPerson>, String), StorageError> {
        let person = current_person(&self.db, person).await?.unwrap_or(person);
        let own: BTreeSet<_> = sources::all(&self.db)
            .await?
            .into_iter()
            .filter(|source| source.organization == practice)
            .map(|source| source.key)
            .collect();
        let mut links = active_links(&self.db, person).await?;
        links.retain(|link| own.contains(&link.source));
        let patient = ConsentPerson { person, name: person_name(&links), basis: None, chosen: true };
        let name = organizations::by_id(&self.db, practice).await?.map(|organization| organization.name);
        Ok((if links.is_empty() { Vec::new() } else { vec![patient] }, name.unwrap_or_default()))
    }

    /// Whether a grant of the account in force lets apps in for this person.
    async fn may_connect(&self, account: AccountId, person: PersonId) -> Result<bool, StorageError> {
        let (standing, now) = (consents::standing(&self.db, account, person, false).await?, self.clock.now());
        let mut in_force = standing.rights.iter().filter(|right| standing.lets_act(right, now).is_ok());
        Ok(in_force.any(|right| right.scope.covers_action(Action::ConnectApp)))
    }
}

pub(super) fn page(
    request: &AuthorizationRequest,
    client: &Client,
    persons: Vec<ConsentPerson>,
    sealed: String,
) -> ConsentPage {
    let has_own = persons.iter().any(|person| person.basis.is_none());
    ConsentPage {
        app: client.name.clone(),
        is_unchecked: false,
        at_work: None,
        redirect_uri: request.redirect_uri.clone(),
        request: sealed,
        items: with_parts(items(&request.scopes, !persons.is_empty(), has_own)),
        persons,
        tells_person: request.scopes.contains(&Scope::LaunchPatient) || request.scopes.contains(&Scope::Launch),
        problem: None,
    }
}

/// One box for each kind of data and each limit on it, whatever the number of scopes that ask for it, so that unticking
/// it takes all of them away. `*` becomes a box for every type.
pub(super) fn items(scopes: &ScopeSet, has_person: bool, has_own_person: bool) -> Vec<ConsentItem> {
    let mut items = Vec::new();
    for scope in scopes.iter() {
        let text = match scope {
            Scope::OpenId => "Know that it is you who signed in, each time",
            Scope::Profile => "Know your username",
            Scope::FhirUser if has_own_person => "Know which record is your own",
            Scope::OfflineAccess => {
                "Keep this access until you disconnect the app, also when you are away and not signed in"
            }
            Scope::OnlineAccess => "Keep this access as long as you stay signed in here",
            Scope::LaunchEncounter if has_person => "Know which visit you choose on the next page",
            Scope::FhirUser | Scope::Launch | Scope::LaunchPatient | Scope::LaunchEncounter | Scope::Resource(_) => {
                continue;
            }
        };
        items.push(ConsentItem {
            value: scope.to_string(),
            text,
            heading: None,
            writes: false,
            limits: Vec::new(),
            is_part: false,
            ticked: true,
            scopes: vec![scope.clone()],
        });
    }
    if !has_person {
        return items;
    }
    for scope in expanded(scopes) {
        let Some(resource_type) = scope.resource_type() else { continue };
        let (heading, text) = plain_words(resource_type);
        let writes = !Actions::READ.covers(scope.actions());
        let same =
            |item: &&mut ConsentItem| item.text == text && item.heading.is_some() && item.limits == scope.constraint();
        match items.iter_mut().find(same) {
            Some(item) => {
                item.writes |= writes;
                item.scopes.push(Scope::Resource(scope));
            }
            None => items.push(ConsentItem {
                value: scope.to_string(),
                text,
                heading: Some(heading),
                writes,
                limits: scope.constraint().to_vec(),
                is_part: false,
                ticked: true,
                scopes: vec![Scope::Resource(scope)],
            }),
        }
    }
    items
}

/// Behind each box of a whole type that has parts, a box for each of them, not ticked: the whole is what was asked for.
fn with_parts(items: Vec<ConsentItem>) -> Vec<ConsentItem> {
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        let whole: Vec<&ResourceScope> = item
            .scopes
            .iter()
            .filter_map(|scope| match scope {
                Scope::Resource(scope) if item.limits.is_empty() => Some(scope),
                _ => None,
            })
            .collect();
        let of_type = whole.first().and_then(|scope| scope.resource_type()).map_or(&[][..], parts);
        let mut behind = Vec::new();
        for part in of_type {
            let limited = |scope: &&ResourceScope| scope.limited_to("category", part.category).map(Scope::Resource);
            let scopes: Vec<Scope> = whole.iter().filter_map(limited).collect();
            let Some(first) = scopes.first() else { continue };
            behind.push(ConsentItem {
                value: first.to_string(),
                text: part.text,
                limits: Vec::new(),
                is_part: true,
                ticked: false,
                scopes,
                ..item.clone()
            });
        }
        out.push(item);
        out.append(&mut behind);
    }
    out
}

/// The scopes on data, each for one type.
fn expanded(scopes: &ScopeSet) -> BTreeSet<ResourceScope> {
    let mut out = BTreeSet::new();
    for scope in scopes.resources() {
        match scope.resource_type() {
            Some(_) => {
                out.insert(scope.clone());
            }
            None => out.extend(ResourceType::ALL.iter().map(|t| scope.for_type(*t))),
        }
    }
    out
}

impl ConsentPage {
    /// The person and the scopes that a decision grants, out of what was `requested`. What is not ticked is not
    /// granted, and a value that no box had grants nothing.
    pub(super) fn granted(
        &self,
        requested: &ScopeSet,
        decision: &Decision,
    ) -> Result<(Option<PersonId>, ScopeSet), Problem> {
        let mut granted: BTreeSet<Scope> = BTreeSet::new();
        let mut whole = false;
        for item in &self.items {
            let ticked = decision.scopes.contains(&item.value);
            // A part of what is granted whole says nothing more.
            if ticked && !(item.is_part && whole) {
                granted.extend(item.scopes.iter().cloned());
            }
            if !item.is_part {
                whole = ticked;
            }
        }
        // fhirUser is a claim of the id_token (SMART App Launch 2.2 §2.0.12).
        if !granted.contains(&Scope::OpenId) {
            granted.remove(&Scope::FhirUser);
        }
        let lasting =
            |scope: &Scope| matches!(scope, Scope::OfflineAccess | Scope::OnlineAccess | Scope::LaunchEncounter);
        if granted.iter().all(lasting) {
            return Err(Problem::Nothing);
        }
        for wildcard in requested.resources().filter(|scope| scope.resource_type().is_none()) {
            collapse(&mut granted, wildcard, requested);
        }
        if self.persons.is_empty() {
            return Ok((None, granted.into_iter().collect()));
        }
        let chosen = decision.person.as_deref().unwrap_or_default();
        let person = self.persons.iter().find(|p| p.person.to_string() == chosen).ok_or(Problem::Person)?.person;
        // To choose the person was to say yes to telling the app.
        for told in [Scope::Launch, Scope::LaunchPatient] {
            if requested.contains(&told) {
                granted.insert(told);
            }
        }
        Ok((Some(person), granted.into_iter().collect()))
    }

    /// Shows the answer that was given, with what was wrong.
    pub(super) fn show_again(&mut self, decision: &Decision, problem: Problem) {
        self.problem = Some(problem);
        for item in &mut self.items {
            item.ticked = decision.scopes.contains(&item.value);
        }
        for person in &mut self.persons {
            person.chosen = decision.person.as_deref() == Some(person.person.to_string().as_str());
        }
    }
}

/// When every box of a `*` is ticked, the `*` itself is granted, as it was asked for.
fn collapse(granted: &mut BTreeSet<Scope>, wildcard: &ResourceScope, requested: &ScopeSet) {
    let parts: Vec<Scope> = ResourceType::ALL.iter().map(|t| Scope::Resource(wildcard.for_type(*t))).collect();
    if parts.iter().all(|part| granted.contains(part)) {
        for part in parts.iter().filter(|part| !requested.contains(part)) {
            granted.remove(part);
        }
        granted.insert(Scope::Resource(wildcard.clone()));
    }
}
