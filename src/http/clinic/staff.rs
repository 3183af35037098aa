use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{Head, Staff, StaffForm, refusal};
use crate::http::pages::{render, see_other};
use crate::identity::StaffRole;
use crate::practice::{Desk, DeskError};

struct Line {
    username: String,
    role: &'static str,
}

#[derive(Template)]
#[template(path = "clinic/staff.html")]
struct StaffTemplate {
    head: Head,
    lines: Vec<Line>,
    roles: Vec<&'static str>,
}

#[cfg(test)]
pub(super) fn sample(hostile: &'static str) -> Result<String, askama::Error> {
    let lines = vec![Line { username: hostile.to_owned(), role: hostile }];
    StaffTemplate { head: super::tests::head(hostile), lines, roles: vec![hostile] }.render()
}

/// `GET /clinic/staff`.
pub(super) async fn get(State(desk): State<Arc<Desk>>, staff: Staff) -> Response {
    match desk.staff(&staff.at_work.member).await {
        Ok(all) => render(&StaffTemplate {
            head: staff.head(),
            lines: all.into_iter().filter(|(_, role)| is_given_here(role)).map(line).collect(),
            roles: StaffRole::ALL.iter().filter(|role| is_given_here(role)).map(|role| role.as_str()).collect(),
        }),
        Err(error) => refusal(&error),
    }
}

fn line((username, role): (String, StaffRole)) -> Line {
    Line { username, role: role.as_str() }
}

/// Who runs the gateway is no practice's to say.
fn is_given_here(role: &StaffRole) -> bool {
    *role != StaffRole::Operator
}

/// `POST /clinic/staff`: a role given or taken away.
pub(super) async fn post(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let Some(role) = StaffRole::parse(posted.text("role")) else { return refusal(&DeskError::NotFound) };
    let member = &staff.at_work.member;
    let done = match posted.text("do") {
        "dismiss" => desk.dismiss(member, posted.text("username"), role).await,
        _ => desk.appoint(member, posted.text("username"), role).await,
    };
    match done {
        Ok(()) => see_other("/clinic/staff"),
        Err(error) => refusal(&error),
    }
}
