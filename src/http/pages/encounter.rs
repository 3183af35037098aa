//! The page on which a visit is chosen for an app that asked to be told of one.

use askama::Template;
use axum::response::Response;

use super::visits::Visit;
use super::{Form, Session, render};

/// What the page shows.
#[derive(Template)]
#[template(path = "encounter.html")]
pub(super) struct EncounterTemplate {
    style: String,
    form_token: String,
    request: String,
    app: String,
    visits: Vec<Visit>,
    missing: bool,
}

impl EncounterTemplate {
    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        Self {
            style: text(),
            form_token: text(),
            request: text(),
            app: text(),
            visits: vec![Visit { id: text(), text: text() }],
            missing: true,
        }
    }
}

/// The page; `visits` is `None` when no practice could be asked.
#[must_use]
pub fn encounter_page(session: &Session, app: String, request: String, visits: Option<Vec<Visit>>) -> Response {
    let owner = session.signed_in().map(|signed_in| signed_in.hash).unwrap_or_default();
    render(&EncounterTemplate {
        style: super::style::path(),
        form_token: session.pages.form_token(Form::Encounter, &owner),
        request,
        app,
        missing: visits.is_none(),
        visits: visits.unwrap_or_default(),
    })
}
