//! The organization's own name, and what became part of it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{Head, Staff, StaffForm, refusal};
use crate::http::pages::{render, see_other};
use crate::practice::{Desk, Standing};

#[derive(Template)]
#[template(path = "clinic/organization.html")]
struct OrganizationTemplate {
    head: Head,
    name: String,
    former: Vec<String>,
    absorbed: Vec<String>,
}

#[cfg(test)]
pub(super) fn sample(hostile: &str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    let head = super::tests::head(hostile);
    OrganizationTemplate { head, name: text(), former: vec![text()], absorbed: vec![text()] }.render()
}

/// `GET /clinic/organization`.
pub(super) async fn get(State(desk): State<Arc<Desk>>, staff: Staff) -> Response {
    match desk.organization(&staff.at_work.member).await {
        Ok(Standing { name, former_names, absorbed }) => {
            let day = |at: crate::base::clock::Instant| at.to_fhir().chars().take(10).collect::<String>();
            let absorbed = absorbed.into_iter().map(|(name, at)| format!("{name}, {}", day(at))).collect();
            render(&OrganizationTemplate { head: staff.head(), name, former: former_names, absorbed })
        }
        Err(error) => refusal(&error),
    }
}

/// `POST /clinic/organization`.
pub(super) async fn post(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    match desk.rename(&staff.at_work.member, posted.text("name")).await {
        Ok(()) => see_other("/clinic/organization"),
        Err(error) => refusal(&error),
    }
}
