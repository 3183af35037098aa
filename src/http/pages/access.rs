//! Who looked: the entries of the audit trail about the record in view, in words.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::people::day;
use super::words::{find, say, say_with};
use super::{Session, around, not_found, render, see_other};
use crate::authorization::{AuthorizationServer, Look, Looker, SignedIn};
use crate::base::id::PersonId;
use crate::consent::{Category, Extent};
use crate::gateway::Gateway;
use crate::http::error::page_unavailable;
use crate::storage::StorageError;

struct Row {
    at: String,
    time: String,
    who: String,
    what: String,
}

/// What the page shows.
#[derive(Template)]
#[template(path = "access.html")]
pub(super) struct AccessTemplate {
    style: String,
    rows: Vec<Row>,
    /// Whether it is one's own record.
    is_own: bool,
}

impl Row {
    fn new(look: &Look) -> Self {
        let who = match &look.who {
            Looker::Subject => say("access.subject").to_owned(),
            Looker::Reader => say("access.reader").to_owned(),
            Looker::Proxy(basis, Some(name)) => format!("{name} ({})", say(&format!("role.{}", basis.as_str()))),
            Looker::Proxy(basis, None) => say(&format!("role.{}", basis.as_str())).to_owned(),
            Looker::Service => say("access.service").to_owned(),
            Looker::Staff => say("access.staff").to_owned(),
        };
        let mut what = say(&format!("did.{}", look.kind.as_str())).to_owned();
        let kind = look.resource_type.map(Category::of_type);
        if let Some(words) = kind.and_then(|kind| find(around::language(), &format!("category.{}", kind.as_str()))) {
            what = format!("{what}: {words}");
        }
        if let Some(app) = &look.app {
            what = format!("{what} {}", say_with("access.through", &[("app", app)]));
        }
        if let Some(reason) = look.reason {
            what = format!("{what}: {}", say(&format!("view.{}", reason.as_str())));
        }
        if look.is_refused {
            what = format!("{what} – {}", say("access.refused"));
        }
        let time = look.at.to_fhir().split('T').nth(1).and_then(|time| time.get(..5)).unwrap_or_default().to_owned();
        Self { at: day(look.at), time: format!("{time} UTC"), who, what }
    }
}

impl AccessTemplate {
    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        let row = Row { at: text(), time: text(), who: text(), what: text() };
        Self { style: text(), rows: vec![row], is_own: true }
    }
}

/// What somebody may know of who looked; `None` where it is not theirs to know. Whoever sees only a part of a record would
/// learn of the rest by who looks at it.
pub(in crate::http) async fn looks(
    server: &AuthorizationServer,
    gateway: &Gateway,
    session: &SignedIn,
    person: PersonId,
) -> Result<Option<(Vec<Look>, bool)>, StorageError> {
    let is_own = server.is_own_record(session, person).await?;
    if !is_own {
        let Some(reached) = server.reached(session.account, person).await? else { return Ok(None) };
        let Some(standing) = reached.subject.standing.as_ref() else { return Ok(None) };
        let outlook = gateway.outlook(&reached.subject.links, standing);
        let is_all = |seen: &crate::gateway::Outlook| {
            seen.extents.as_ref().is_ok_and(|extents| extents.values().all(|extent| *extent == Extent::All))
        };
        if outlook.is_empty() || !outlook.iter().all(is_all) {
            return Ok(None);
        }
    }
    Ok(server.history(session, person).await?.map(|looks| (looks, is_own)))
}

/// `GET /access`: who looked at the record in view.
pub(super) async fn get(
    State(server): State<Arc<AuthorizationServer>>,
    State(gateway): State<Arc<Gateway>>,
    session: Session,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let Some(person) = around::in_view() else { return not_found() };
    match looks(&server, &gateway, signed_in, person).await {
        Ok(found) => {
            let (looks, is_own) = found.unwrap_or_default();
            let rows = looks.iter().map(Row::new).collect();
            render(&AccessTemplate { style: super::style::path(), rows, is_own })
        }
        Err(error) => page_unavailable(&error),
    }
}
