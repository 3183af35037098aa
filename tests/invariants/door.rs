//! The same gateway from outside: callers with tokens, who send HTTP to its port.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chartgate::app;
use chartgate::authorization::NewClient;
use chartgate::base::clock::{Clock, Instant};
use chartgate::base::id::{AccountId, AuthorizationId, LinkId, PersonId};
use chartgate::config::Config;
use chartgate::identity::{Account, AccountState, Assurance, Link, LinkMethod, LinkState, Username};
use chartgate::oauth::client::ClientId;
use chartgate::oauth::grant::{AccessToken, Authorization};
use chartgate::oauth::launch::LaunchContext;
use chartgate::oauth::scope::ScopeSet;
use chartgate::oauth::token::TokenKind;
use chartgate::storage::{StorageError, accounts, authorizations, links, persons, tokens};
use serde_json::Value;
use tokio::sync::watch;

use super::gateway::{Caller, Gateway, Pairs};
use super::role::{ROLES, Role};
use crate::support::world::http_client;

/// Scopes of which every role has some.
const ALL_SCOPES: &str = "launch/patient openid fhirUser patient/*.cruds user/*.cruds";

/// A gateway with a port, and one person whose charts are exchanged between worlds: a token for each role.
pub(super) struct Door {
    pub(super) gateway: Gateway,
    pub(super) person: PersonId,
    http: reqwest::Client,
    base: String,
    tokens: BTreeMap<&'static str, String>,
    stop: watch::Sender<bool>,
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// In order, without what names the one request.
    pub(super) headers: Vec<(String, String)>,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The body without what two answers to one request differ in.
    pub(super) fn comparable(&self) -> Value {
        comparable(self.json())
    }
}

/// A resource without the id and the sealed link of a Bundle.
pub(super) fn comparable(mut resource: Value) -> Value {
    if resource["resourceType"] == "Bundle" {
        resource["id"] = Value::Null;
        for link in resource["link"].as_array_mut().into_iter().flatten() {
            if link["relation"] == "next" {
                link["url"] = Value::Null;
            }
        }
    }
    resource
}

impl Door {
    pub(super) async fn open(change: impl FnOnce(&mut Config)) -> Self {
        let gateway = Gateway::with(change).await;
        let listeners = app::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).await.unwrap();
        let base = format!("http://{}", listeners.addresses()[0]);
        let (stop, stopping) = watch::channel(false);
        let patience = app::Patience::of(&chartgate::config::Server::default());
        tokio::spawn(app::serve(listeners, gateway.app.router.clone(), patience, stopping, Duration::from_millis(50)));
        let person = PersonId::mint(&*gateway.random);
        let mut door = Self { gateway, person, http: http_client(), base, tokens: BTreeMap::new(), stop };
        door.enrol().await;
        door
    }

    async fn enrol(&mut self) {
        let (gateway, now, person) = (&self.gateway, self.gateway.clock.now(), self.person);
        let client = ClientId::parse("app");
        let new = NewClient {
            id: client.clone(),
            name: "App".to_owned(),
            redirect_uris: vec!["https://app.test/cb".to_owned()],
            launch_uri: None,
            scopes: ScopeSet::parse(ALL_SCOPES).0,
            ..NewClient::default()
        };
        gateway.app.authorization.register_client(new).await.unwrap();
        let account = Account {
            id: AccountId::mint(&*gateway.random),
            username: Username::new("somebody").unwrap(),
            password_hash: None,
            person: Some(person),
            created: now,
            state: AccountState::Active,
        };
        let id = account.id;
        let enter = gateway.app.db.write(move |tx| {
            Box::pin(async move {
                persons::insert(tx, person, now).await?;
                accounts::insert(tx, &account).await?;
                Ok::<_, StorageError>(())
            })
        });
        enter.await.unwrap();
        for role in &ROLES {
            let token = TokenKind::Access.mint(&*gateway.random).expose().clone();
            let hash = TokenKind::Access.hash(&token).unwrap();
            let authorization = Authorization {
                staff_of: None,
                id: AuthorizationId::mint(&*gateway.random),
                client: client.clone().unwrap(),
                account: id,
                person: role.has_person.then_some(person),
                context: LaunchContext::default(),
                scopes: ScopeSet::parse(role.scopes).0,
                signed_in: now,
                session: None,
                revoked: None,
            };
            let access = AccessToken {
                authorization: authorization.id,
                refresh_hash: None,
                scopes: authorization.scopes.clone(),
                key: None,
                issued: now,
                expires: Instant::from_micros(i64::MAX),
            };
            let write = gateway.app.db.write(move |tx| {
                Box::pin(async move {
                    authorizations::insert(tx, &authorization, now).await?;
                    tokens::insert_access(tx, &hash, &access).await?;
                    Ok::<_, StorageError>(())
                })
            });
            write.await.unwrap();
            self.tokens.insert(role.name, token);
        }
    }

    /// The person has these charts from now on, and no others.
    pub(super) async fn relink(&self, charts: &[(usize, String)]) {
        let (gateway, now, person) = (&self.gateway, self.gateway.clock.now(), self.person);
        let link = |((source, patient), rank): (&(usize, String), i64)| Link {
            id: LinkId::mint(&*gateway.random),
            person,
            source: gateway.keys[*source],
            patient: patient.clone(),
            rank,
            method: LinkMethod::Operator,
            assurance: Assurance::Ial2,
            demographics: None,
            linked: now,
            state: LinkState::Active,
        };
        let new: Vec<Link> = charts.iter().zip(0..).map(link).collect();
        let write = gateway.app.db.write(move |tx| {
            Box::pin(async move {
                for old in links::active_of_person(&mut *tx, person).await? {
                    links::end(tx, old.id, now, "exchanged").await?;
                }
                for link in &new {
                    links::insert(tx, link).await?;
                }
                Ok::<_, StorageError>(())
            })
        });
        write.await.unwrap();
    }

    /// The person in this role, for the model.
    pub(super) fn caller(&self, charts: &[(usize, String)], role: Role) -> Caller {
        self.gateway.caller_for(self.person, charts, role)
    }

    /// Sends a request with the token of a role; `target` is a path below the FHIR base.
    pub(super) async fn send(&self, role: &Role, method: &str, target: &str, form: Option<&str>) -> Answer {
        let request = self.http.request(method.parse().unwrap(), format!("{}/fhir{target}", self.base));
        let mut request = request.bearer_auth(&self.tokens[role.name]).header("accept", "application/fhir+json");
        if let Some(form) = form {
            let kind =
                if form.starts_with('{') { "application/fhir+json" } else { "application/x-www-form-urlencoded" };
            request = request.header("content-type", kind).body(form.to_owned());
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let kept = response.headers().iter().filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"));
        let mut headers: Vec<(String, String)> = kept
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        headers.sort();
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub(super) async fn get(&self, role: &Role, target: &str) -> Answer {
        self.send(role, "GET", target, None).await
    }
}

/// A query as it stands in a URL or a form.
pub(super) fn encoded(pairs: &Pairs) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
