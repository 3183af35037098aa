use std::collections::BTreeMap;

use super::fixtures::{self, Fixtures};
use super::smart_app;
use super::state::{self, State};
use super::{CliError, Ehr};
use crate::app::{App, Parts};
use crate::authorization::{NewClient, NewProof};
use crate::base::hash::base32;
use crate::base::id::PersonId;
use crate::base::secret::Secret;
use crate::identity::{Demographics, GrantBasis};
use crate::oauth::client::ClientId;
use crate::oauth::scope::ScopeSet;
use crate::organization::SourceKey;
use crate::practice::{self, NewAccount, NewGrant, NewLink};
use crate::storage::sources;

/// What the demo's apps may be granted.
const SCOPES: &str =
    "openid fhirUser profile launch/patient offline_access online_access patient/*.rs patient/*.read user/*.rs";

/// Charts that nobody linked yet: one for a person who has the other practice already, and those of whoever says that they
/// are theirs.
const LATER: [(&str, &str); 3] =
    [("carlos-alvarez", "lakeside"), ("priya-raman", "lakeside"), ("ruth-abernathy", "riverside")];

/// Where the demo's apps may receive answers: on loopback, at any port (RFC 8252 §7.3).
const REDIRECTS: [&str; 3] = ["http://127.0.0.1/callback", "http://127.0.0.1/", "http://127.0.0.1/index.html"];

/// Enters the people of the fixtures, with their charts and accounts, and registers the apps: once.
pub(super) async fn enrol(
    app: &App,
    parts: &Parts,
    fixtures: &Fixtures,
    ehrs: &[Ehr],
    state: &mut State,
) -> Result<(), CliError> {
    if state.accounts.is_empty() {
        let persons = enter_persons(app, parts, fixtures, ehrs).await?;
        state.accounts = make_accounts(app, parts, fixtures, &persons).await?;
    }
    if state.clients.is_empty() {
        state.clients = vec![
            register(app, smart_app::CLIENT_ID, "Demo health app", false).await?,
            register(app, "demo-server-app", "Demo health app with a server", true).await?,
        ];
    }
    Ok(())
}

async fn enter_persons(
    app: &App,
    parts: &Parts,
    fixtures: &Fixtures,
    ehrs: &[Ehr],
) -> Result<BTreeMap<String, PersonId>, CliError> {
    let stored = sources::all(&app.db).await?;
    let keys: BTreeMap<&str, SourceKey> = ehrs
        .iter()
        .filter_map(|ehr| {
            let source = stored.iter().find(|source| source.base_url == ehr.running.base_url)?;
            Some((ehr.practice.key.as_str(), source.key))
        })
        .collect();
    let mut persons = BTreeMap::new();
    for person in &fixtures.persons {
        let id = practice::person(&app.acts, &*parts.random, parts.clock.now()).await?;
        let is_linked = |link: &&fixtures::Link| !LATER.contains(&(person.key.as_str(), link.organization.as_str()));
        for (link, rank) in person.links.iter().filter(is_linked).zip(0..) {
            let source = *keys
                .get(link.organization.as_str())
                .ok_or_else(|| format!("demo.toml: no organization has the key {}", link.organization))?;
            let demographics = Some(demographics(person));
            let new = NewLink { person: id, source, patient: link.patient.clone(), rank, demographics };
            practice::link(&app.acts, &*parts.random, parts.clock.now(), new).await?;
        }
        persons.insert(person.key.clone(), id);
    }
    Ok(persons)
}

/// The name as pages show it: the last word is the family name.
fn demographics(person: &fixtures::Person) -> Demographics {
    let (given, family) = person.name.rsplit_once(' ').unwrap_or(("", &person.name));
    Demographics {
        family: family.to_owned(),
        given: given.split_whitespace().map(str::to_owned).collect(),
        birth_date: person.birth_date.clone(),
    }
}

async fn make_accounts(
    app: &App,
    parts: &Parts,
    fixtures: &Fixtures,
    persons: &BTreeMap<String, PersonId>,
) -> Result<Vec<state::Account>, CliError> {
    let id_of = |key: &str| persons.get(key).copied().ok_or_else(|| format!("demo.toml: nobody has the key {key}"));
    let (acts, random, now) = (&app.acts, &*parts.random, parts.clock.now());
    let mut accounts = Vec::new();
    for entry in &fixtures.accounts {
        let own = entry.person.as_deref().map(id_of).transpose()?;
        let password = Secret::new(base32(&random.bytes::<10>()));
        let new = NewAccount { username: &entry.username, password: &password, person: own };
        let account = practice::account(acts, &app.accounts, random, now, new).await?;
        let mut acts_for = Vec::new();
        for grant in &entry.grants {
            let person = id_of(&grant.person)?;
            let basis = match grant.basis.as_str() {
                "guardian" => GrantBasis::GuardianAdult,
                other => GrantBasis::parse(other).ok_or_else(|| format!("demo.toml: {other} is not a basis"))?,
            };
            practice::grant(acts, random, now, NewGrant { account, person, basis }).await?;
            acts_for.push(person.to_string());
        }
        let name = entry
            .person
            .as_ref()
            .and_then(|key| fixtures.persons.iter().find(|person| person.key == *key))
            .map_or_else(|| entry.username.clone(), |person| person.name.clone());
        let opens = own.map(|person| person.to_string()).or_else(|| acts_for.first().cloned());
        accounts.push(state::Account {
            username: entry.username.clone(),
            password: password.expose().clone(),
            role: entry.role.clone(),
            name,
            person_id: opens.unwrap_or_default(),
            acts_for,
        });
    }
    Ok(accounts)
}

async fn register(app: &App, id: &str, name: &str, confidential: bool) -> Result<state::Client, CliError> {
    let (scopes, _) = ScopeSet::parse(SCOPES);
    let new = NewClient {
        id: ClientId::parse(id),
        name: name.to_owned(),
        redirect_uris: REDIRECTS.map(str::to_owned).to_vec(),
        launch_uri: None,
        scopes,
        proof: if confidential { NewProof::Secret } else { NewProof::None },
        native: true,
        ..NewClient::default()
    };
    let registered = app.authorization.register_client(new).await?;
    Ok(state::Client {
        client_id: registered.client.id.to_string(),
        kind: if confidential { "confidential-symmetric" } else { "public" }.to_owned(),
        redirect_uris: registered.client.redirect_uris,
        secret: registered.secret.map(|secret| secret.expose().clone()),
    })
}
