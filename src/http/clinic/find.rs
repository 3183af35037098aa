//! Patients of the organization's own EHRs. By POST: names belong into no address.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::{Head, StaffForm, refusal};
use crate::http::pages::say;
use crate::http::pages::{render, render_with, told};
use crate::identity::StaffAct;
use crate::practice::{Desk, DeskError, Found, Wanted};

pub(super) struct Line {
    source: String,
    patient: String,
    name: String,
    birth_date: String,
    numbers: String,
    note: &'static str,
}

impl Line {
    fn new(found: Found) -> Self {
        let patient = found.patient;
        let note = match (patient.is_deceased, patient.is_active()) {
            (true, _) => say("desk.has-died"),
            (_, false) => say("desk.not-use-merged"),
            _ => "",
        };
        Self {
            source: found.source.to_string(),
            name: patient.display(),
            birth_date: patient.birth_date.unwrap_or_else(|| say("desk.unknown").to_owned()),
            numbers: patient.numbers.join(", "),
            patient: patient.id,
            note,
        }
    }
}

#[derive(Template)]
#[template(path = "clinic/find.html")]
struct FindTemplate {
    head: Head,
    lines: Vec<Line>,
    verifies: bool,
    freezes: bool,
    problem: Option<String>,
}

#[cfg(test)]
pub(super) fn sample(hostile: &'static str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    let line =
        Line { source: text(), patient: text(), name: text(), birth_date: text(), numbers: text(), note: hostile };
    let head = super::tests::head(hostile);
    FindTemplate { head, lines: vec![line], verifies: true, freezes: true, problem: Some(text()) }.render()
}

/// `POST /clinic/find`.
pub(super) async fn post(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let text = |name: &str| posted.text(name).to_owned();
    let wanted = Wanted { family: text("family"), birth_date: text("birth_date"), number: text("number") };
    let member = &staff.at_work.member;
    let (verifies, freezes) = (member.may(StaffAct::Verify), member.may(StaffAct::FreezeLink));
    let page = |lines, problem| FindTemplate { head: staff.head(), lines, verifies, freezes, problem };
    match desk.find(member, &wanted).await {
        Ok(found) => render(&page(found.into_iter().map(Line::new).collect(), None)),
        Err(DeskError::Refused(_, problem)) => render_with(
            StatusCode::UNPROCESSABLE_ENTITY,
            &page(Vec::new(), Some(super::sentence(&told(problem)))),
            None,
        ),
        Err(error) => refusal(&error),
    }
}
