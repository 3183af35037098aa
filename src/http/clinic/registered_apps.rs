//! The apps and services of the gateway, for whoever runs it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::services::not_done;
use super::{Head, Staff, StaffForm};
use crate::authorization::{AuthorizationServer, NewClient, NewProof, RegistrationError, ServiceError};
use crate::http::pages::{Posted, render, see_other, told};
use crate::http::pages::{say, say_with};
use crate::oauth::client::{Client, ClientAuthentication, ClientId, ClientKeys, Requirements};
use crate::oauth::jwk::KeySet;
use crate::oauth::scope::ScopeSet;

/// What an app can ask for that nobody limited.
const USUAL: &str = "openid fhirUser profile launch launch/patient launch/encounter offline_access online_access \
                     patient/*.rs user/*.rs";

struct Line {
    id: String,
    name: String,
    proof: &'static str,
    scopes: String,
    redirect_uris: Vec<String>,
    enabled: bool,
    registered_itself: bool,
}

/// What was typed, and what is wrong with it.
#[derive(Default)]
struct Typed {
    name: String,
    id: String,
    redirect_uris: String,
    launch_uri: String,
    scope: String,
    proof: String,
    keys: String,
    sources: String,
    problem: String,
}

impl Typed {
    fn new(posted: &Posted, problem: String) -> Self {
        let text = |name: &str| posted.text(name).to_owned();
        Self {
            name: text("name"),
            id: text("id"),
            redirect_uris: text("redirect_uris"),
            launch_uri: text("launch_uri"),
            scope: text("scope"),
            proof: text("proof"),
            keys: text("keys"),
            sources: text("sources"),
            problem,
        }
    }
}

/// A client just registered: its secret is shown this once.
struct Made {
    id: String,
    name: String,
    secret: Option<String>,
}

#[derive(Template)]
#[template(path = "clinic/registered_apps.html")]
struct RegisteredAppsTemplate {
    head: Head,
    lines: Vec<Line>,
    typed: Typed,
    made: Option<Made>,
}

#[cfg(test)]
pub(super) fn sample(hostile: &'static str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    let line = |enabled| Line {
        id: text(),
        name: text(),
        proof: hostile,
        scopes: text(),
        redirect_uris: vec![text()],
        enabled,
        registered_itself: true,
    };
    let typed = Typed {
        name: text(),
        id: text(),
        redirect_uris: text(),
        launch_uri: text(),
        scope: text(),
        proof: text(),
        keys: text(),
        sources: text(),
        problem: text(),
    };
    let made = Some(Made { id: text(), name: text(), secret: Some(text()) });
    let head = super::tests::head(hostile);
    RegisteredAppsTemplate { head, lines: vec![line(true), line(false)], typed, made }.render()
}

/// `GET /clinic/registered-apps`.
pub(super) async fn get(State(server): State<Arc<AuthorizationServer>>, staff: Staff) -> Response {
    page(&server, &staff, Typed { scope: USUAL.to_owned(), ..Typed::default() }, None).await
}

async fn page(server: &AuthorizationServer, staff: &Staff, typed: Typed, made: Option<Made>) -> Response {
    let apps = match server.registered_apps(&staff.at_work.member).await {
        Ok(apps) => apps,
        Err(error) => return not_done(error),
    };
    let status = if typed.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let lines = apps.into_iter().map(line).collect();
    (status, render(&RegisteredAppsTemplate { head: staff.head(), lines, typed, made })).into_response()
}

fn line(client: Client) -> Line {
    Line {
        id: client.id.to_string(),
        name: client.name,
        proof: match client.authentication {
            ClientAuthentication::None => say("clients.nothing-public-app"),
            ClientAuthentication::Secret(_) => say("clients.secret"),
            ClientAuthentication::Keys(_) => say("clients.keys"),
        },
        scopes: client.scopes.to_string(),
        redirect_uris: client.redirect_uris,
        enabled: client.enabled,
        registered_itself: client.registration.is_some(),
    }
}

/// `POST /clinic/registered-apps`: one registered, let in or turned off.
pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    StaffForm { staff, posted }: StaffForm,
) -> Response {
    let id = ClientId::parse(posted.text("app"));
    let done = match (posted.text("do"), id) {
        ("register", _) => return register(&server, &staff, &posted).await,
        ("enable", Some(id)) => server.enable_app(&staff.at_work.member, &id, true).await,
        ("disable", Some(id)) => server.enable_app(&staff.at_work.member, &id, false).await,
        _ => Err(ServiceError::NotFound),
    };
    match done {
        Ok(()) => see_other("/clinic/registered-apps"),
        Err(error) => not_done(error),
    }
}

async fn register(server: &AuthorizationServer, staff: &Staff, posted: &Posted) -> Response {
    let new = match read(posted) {
        Ok(new) => new,
        Err(problem) => return page(server, staff, Typed::new(posted, problem), None).await,
    };
    match server.register_app(&staff.at_work.member, new).await {
        Ok(made) => {
            let secret = made.secret.as_ref().map(|secret| secret.expose().clone());
            let made = Made { id: made.client.id.to_string(), name: made.client.name, secret };
            let typed = Typed { scope: USUAL.to_owned(), ..Typed::default() };
            page(server, staff, typed, Some(made)).await
        }
        Err(ServiceError::Refused(error)) if !is_storage(&error) => {
            page(server, staff, Typed::new(posted, told(error)), None).await
        }
        Err(error) => not_done(error),
    }
}

/// Whether the database is to blame, and not what was typed: a taken id is.
const fn is_storage(error: &RegistrationError) -> bool {
    matches!(error, RegistrationError::Storage(error) if !matches!(error, crate::storage::StorageError::AlreadyTaken(_)))
}

/// What the form says, or what is wrong with it.
fn read(posted: &Posted) -> Result<NewClient, String> {
    let text = |name: &str| posted.text(name).trim().to_owned();
    let optional = |name: &str| Some(text(name)).filter(|text| !text.is_empty());
    let (scopes, unknown) = ScopeSet::parse(&text("scope"));
    if let Some(unknown) = unknown.first() {
        return Err(say_with("clients.not-scope", &[("unknown", unknown)]));
    }
    let keys = text("keys");
    let proof = match text("proof").as_str() {
        "none" => NewProof::None,
        "secret" => NewProof::Secret,
        "keys" if keys.starts_with('{') => {
            let keys = KeySet::parse(keys.as_bytes()).map_err(told)?;
            NewProof::Keys(ClientKeys::Inline(keys))
        }
        "keys" => NewProof::Keys(ClientKeys::Uri(keys)),
        _ => return Err(say("clients.say-how-proves").to_owned()),
    };
    let source = |key: &str| key.parse().map_err(|_| say_with("clients.not-key-source", &[("key", key)]));
    Ok(NewClient {
        id: match optional("id") {
            Some(id) => Some(ClientId::parse(&id).ok_or(say("clients.no-client-id"))?),
            None => None,
        },
        name: text("name"),
        redirect_uris: text("redirect_uris").split_whitespace().map(str::to_owned).collect(),
        launch_uri: optional("launch_uri"),
        scopes,
        proof,
        native: posted.text("native") == "yes",
        sources: text("sources").split_whitespace().map(source).collect::<Result<_, _>>()?,
        requirements: Requirements {
            pushed_requests: posted.text("require_par") == "yes",
            bound_tokens: posted.text("require_dpop") == "yes",
        },
    })
}
