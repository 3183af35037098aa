//! Who acts for a patient: the registrar suspends, the privacy officer decides what comes of it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::issue::{Choice, reasons};
use super::{Head, Staff, StaffForm, refusal, sentence};
use crate::http::pages::{Posted, render, render_with, say, say_with, see_other, told};
use crate::identity::{GrantState, StaffAct, StatusReason};
use crate::practice::{Acting, Desk, DeskError, Settlement};

struct Line {
    id: String,
    name: String,
    basis: &'static str,
    since: String,
    state: String,
    may_suspend: bool,
    may_settle: bool,
}

#[derive(Template)]
#[template(path = "clinic/grants.html")]
struct GrantsTemplate {
    head: Head,
    number: String,
    patient: Option<String>,
    lines: Vec<Line>,
    reasons: Vec<Choice>,
    problem: Option<String>,
}

#[cfg(test)]
pub(super) fn sample(hostile: &'static str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    let line = Line {
        id: text(),
        name: text(),
        basis: hostile,
        since: text(),
        state: text(),
        may_suspend: true,
        may_settle: true,
    };
    GrantsTemplate {
        head: super::tests::head(hostile),
        number: text(),
        patient: Some(text()),
        lines: vec![line],
        reasons: vec![Choice { value: hostile, words: hostile }],
        problem: Some(text()),
    }
    .render()
}

impl Line {
    fn new(acting: &Acting) -> Self {
        let why = |reason: &StatusReason| say(&format!("reason.{}", reason.as_str()));
        Self {
            id: acting.grant.to_string(),
            name: acting.name.clone(),
            basis: say(&format!("basis.{}", acting.basis.as_str())),
            since: acting.from.to_fhir().chars().take(10).collect(),
            state: match &acting.state {
                GrantState::Pending => say("grants.waits").to_owned(),
                GrantState::Active => say("grants.active").to_owned(),
                GrantState::Suspended { reason, .. } => say_with("grants.suspended", &[("why", why(reason))]),
                GrantState::Ended { reason, .. } => say_with("grants.ended", &[("why", why(reason))]),
            },
            may_suspend: acting.may_suspend,
            may_settle: acting.may_settle,
        }
    }
}

fn page(staff: &Staff, posted: Option<&Posted>) -> GrantsTemplate {
    GrantsTemplate {
        head: staff.head(),
        number: posted.map(|posted| posted.text("number").to_owned()).unwrap_or_default(),
        patient: None,
        lines: Vec::new(),
        reasons: reasons(StatusReason::ends),
        problem: None,
    }
}

/// `GET /clinic/grants`.
pub(super) async fn get(staff: Staff) -> Response {
    match staff.at_work.member.may(StaffAct::SuspendGrant) {
        true => render(&page(&staff, None)),
        false => refusal(&DeskError::NotYours),
    }
}

/// `POST /clinic/grants`: by POST, as numbers of records belong into no address.
pub(super) async fn post(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let mut page = page(&staff, Some(&posted));
    match desk.acting_for(&staff.at_work.member, posted.text("number")).await {
        Ok((patient, acting)) => {
            page.patient = Some(patient);
            page.lines = acting.iter().map(Line::new).collect();
            render(&page)
        }
        Err(DeskError::Refused(_, problem)) => {
            page.problem = Some(sentence(&told(problem)));
            render_with(StatusCode::UNPROCESSABLE_ENTITY, &page, None)
        }
        Err(error) => refusal(&error),
    }
}

/// `POST /clinic/grants/suspend`.
pub(super) async fn suspend(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let Ok(id) = posted.text("grant").parse() else { return refusal(&DeskError::NotFound) };
    match desk.suspend_grant(&staff.at_work.member, id).await {
        Ok(()) => see_other("/clinic/queue"),
        Err(error) => refusal(&error),
    }
}

/// `POST /clinic/grants/settle`.
pub(super) async fn settle(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let Ok(id) = posted.text("grant").parse() else { return refusal(&DeskError::NotFound) };
    let settlement = match (posted.text("do"), StatusReason::parse(posted.text("reason"))) {
        ("resume", _) => Settlement::Resumed,
        ("end", Some(reason)) => Settlement::Ended(reason),
        _ => return refusal(&DeskError::Refused("reason", "choose why".to_owned())),
    };
    match desk.settle_grant(&staff.at_work.member, id, settlement).await {
        Ok(()) => see_other("/clinic/queue"),
        Err(error) => refusal(&error),
    }
}
