use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::{Head, Staff, StaffForm, refusal};
use crate::authorization::{AuthorizationServer, NewService, RegistrationError, ServiceError};
use crate::http::pages::{Posted, render, see_other, told};
use crate::http::pages::{say, say_with};
use crate::oauth::client::{Client, ClientId, ClientKeys};
use crate::oauth::jwk::KeySet;
use crate::oauth::scope::ScopeSet;
use crate::practice::DeskError;

struct Line {
    id: String,
    name: String,
    scopes: String,
    enabled: bool,
}

/// What was typed, and what is wrong with it.
#[derive(Default)]
struct Typed {
    name: String,
    keys: String,
    scope: String,
    problem: String,
    /// The field that the problem is with.
    field: &'static str,
}

#[derive(Template)]
#[template(path = "clinic/services.html")]
struct ServicesTemplate {
    head: Head,
    lines: Vec<Line>,
    typed: Typed,
}

#[cfg(test)]
pub(super) fn sample(hostile: &'static str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    let lines = vec![Line { id: text(), name: text(), scopes: text(), enabled: true }];
    let typed = Typed { name: text(), keys: text(), scope: text(), problem: text(), field: "keys" };
    ServicesTemplate { head: super::tests::head(hostile), lines, typed }.render()
}

/// `GET /clinic/services`.
pub(super) async fn get(State(server): State<Arc<AuthorizationServer>>, staff: Staff) -> Response {
    let scope = "system/Patient.rs system/Observation.rs".to_owned();
    page(&server, &staff, Typed { scope, ..Typed::default() }).await
}

async fn page(server: &AuthorizationServer, staff: &Staff, typed: Typed) -> Response {
    let services = match server.services(&staff.at_work.member).await {
        Ok(services) => services,
        Err(error) => return not_done(error),
    };
    let line = |client: Client| Line {
        id: client.id.to_string(),
        name: client.name,
        scopes: client.scopes.to_string(),
        enabled: client.enabled,
    };
    let is_refused = !typed.problem.is_empty();
    let lines = services.into_iter().map(line).collect();
    let page = render(&ServicesTemplate { head: staff.head(), lines, typed });
    if is_refused { (StatusCode::UNPROCESSABLE_ENTITY, page).into_response() } else { page }
}

/// `POST /clinic/services`: a service registered, or turned off.
pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    StaffForm { staff, posted }: StaffForm,
) -> Response {
    let member = &staff.at_work.member;
    let done = match posted.text("do") {
        "register" => match read(&posted) {
            Ok(new) => server.register_service(member, new).await.map(drop),
            Err(typed) => return page(&server, &staff, typed).await,
        },
        "disable" => match ClientId::parse(posted.text("service")) {
            Some(id) => server.disable_service(member, &id).await,
            None => Err(ServiceError::NotFound),
        },
        _ => Err(ServiceError::NotFound),
    };
    match done {
        Ok(()) => see_other("/clinic/services"),
        Err(ServiceError::Refused(error)) if !matches!(error, RegistrationError::Storage(_)) => {
            page(&server, &staff, wrong(&posted, field_of(&error), told(&error))).await
        }
        Err(error) => not_done(error),
    }
}

/// The keys are a key set itself, or its address.
fn read(posted: &Posted) -> Result<NewService, Typed> {
    let keys = posted.text("keys").trim();
    let keys = match keys.starts_with('{') {
        true => KeySet::parse(keys.as_bytes())
            .map(ClientKeys::Inline)
            .map_err(|error| wrong(posted, "keys", told(error)))?,
        false => ClientKeys::Uri(keys.to_owned()),
    };
    let (scopes, unknown) = ScopeSet::parse(posted.text("scope"));
    if let Some(unknown) = unknown.first() {
        return Err(wrong(posted, "scope", say_with("clients.not-scope", &[("unknown", unknown)])));
    }
    if scopes.of_system().is_empty() {
        return Err(wrong(posted, "scope", say("clients.name-at-least").to_owned()));
    }
    Ok(NewService { name: posted.text("name").to_owned(), keys, scopes })
}

fn wrong(posted: &Posted, field: &'static str, problem: String) -> Typed {
    let text = |name: &str| posted.text(name).to_owned();
    Typed { name: text("name"), keys: text("keys"), scope: text("scope"), problem, field }
}

const fn field_of(error: &RegistrationError) -> &'static str {
    match error {
        RegistrationError::Name => "name",
        RegistrationError::KeySetUri(_) => "keys",
        _ => "scope",
    }
}

pub(super) fn not_done(error: ServiceError) -> Response {
    refusal(&match error {
        ServiceError::NotYours => DeskError::NotYours,
        ServiceError::NotFound => DeskError::NotFound,
        ServiceError::Storage(error) | ServiceError::Refused(RegistrationError::Storage(error)) => {
            DeskError::Storage(error)
        }
        ServiceError::Refused(error) => DeskError::Refused("service", error.to_string()),
    })
}
