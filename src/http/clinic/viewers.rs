//! Who sees what of a patient's record, and by which rule: for the privacy officer.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::issue::{Choice, basis_words};
use super::{Head, Staff, StaffForm, refusal, sentence};
use crate::fhir::ResourceType;
use crate::gateway::{Gateway, Refusal};
use crate::http::pages::{Posted, Practice, render, render_with, say, say_with, told};
use crate::identity::{GrantBasis, StaffAct, ViewReason};
use crate::practice::{Desk, DeskError, Viewed, Viewer};

struct Line {
    name: String,
    basis: &'static str,
    state: &'static str,
    practices: Vec<Practice>,
    /// What is decided about the item that was asked for.
    item: Option<String>,
}

#[derive(Template)]
#[template(path = "clinic/viewers.html")]
struct ViewersTemplate {
    head: Head,
    number: String,
    item: String,
    /// By what right somebody may be let in, and which was chosen.
    rights: Vec<(Choice, bool)>,
    /// Why staff may look, and which was chosen.
    reasons: Vec<(Choice, bool)>,
    patient: Option<String>,
    lines: Vec<Line>,
    problem: Option<String>,
}

#[cfg(test)]
pub(super) fn sample(hostile: &'static str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    let practices = vec![Practice::sample(hostile)];
    let line = Line { name: text(), basis: hostile, state: hostile, practices, item: Some(text()) };
    ViewersTemplate {
        head: super::tests::head(hostile),
        number: text(),
        item: text(),
        rights: vec![(Choice { value: hostile, words: hostile }, true)],
        reasons: vec![(Choice { value: hostile, words: hostile }, false)],
        patient: Some(text()),
        lines: vec![line],
        problem: Some(text()),
    }
    .render()
}

fn page(staff: &Staff, posted: Option<&Posted>) -> ViewersTemplate {
    let text = |name: &str| posted.map(|posted| posted.text(name).to_owned()).unwrap_or_default();
    ViewersTemplate {
        head: staff.head(),
        number: text("number"),
        item: text("item"),
        rights: rights(&text("new")),
        reasons: reasons(&text("reason")),
        patient: None,
        lines: Vec::new(),
        problem: None,
    }
}

fn rights(chosen: &str) -> Vec<(Choice, bool)> {
    let choice =
        |basis: &GrantBasis| (Choice { value: basis.as_str(), words: basis_words(*basis) }, basis.as_str() == chosen);
    GrantBasis::ALL.iter().map(choice).collect()
}

fn reasons(chosen: &str) -> Vec<(Choice, bool)> {
    let choice = |reason: &ViewReason| {
        let words = say(&format!("view.{}", reason.as_str()));
        (Choice { value: reason.as_str(), words }, reason.as_str() == chosen)
    };
    let all = ViewReason::ALL.iter().filter(|reason| **reason != ViewReason::Treatment);
    all.map(choice).collect()
}

/// `GET /clinic/access`.
pub(super) async fn get(staff: Staff) -> Response {
    match staff.at_work.member.may(StaffAct::ExplainAccess) {
        true => render(&page(&staff, None)),
        false => refusal(&DeskError::NotYours),
    }
}

/// `POST /clinic/access`: by POST, as numbers of records belong into no address.
pub(super) async fn post(
    State(desk): State<Arc<Desk>>,
    State(gateway): State<Arc<Gateway>>,
    StaffForm { staff, posted }: StaffForm,
) -> Response {
    let mut page = page(&staff, Some(&posted));
    let (new, reason) = (GrantBasis::parse(posted.text("new")), ViewReason::parse(posted.text("reason")));
    match desk.viewers(&staff.at_work.member, posted.text("number"), new, reason).await {
        Ok(viewed) => {
            page.patient = Some(viewed.patient.clone());
            for viewer in &viewed.viewers {
                page.lines.push(line(&gateway, &viewed, viewer, posted.text("item")).await);
            }
            render(&page)
        }
        Err(DeskError::Refused(_, problem)) => {
            page.problem = Some(sentence(&told(problem)));
            render_with(StatusCode::UNPROCESSABLE_ENTITY, &page, None)
        }
        Err(error) => refusal(&error),
    }
}

async fn line(gateway: &Gateway, viewed: &Viewed, viewer: &Viewer, item: &str) -> Line {
    let outlook = gateway.outlook(&viewed.subject.links, &viewer.standing);
    let asked = item.trim().split_once('/').and_then(|(kind, id)| Some((ResourceType::parse(kind)?, id.to_owned())));
    let item = match asked {
        Some(asked) => Some(explained(gateway, viewed, viewer, asked).await),
        None => None,
    };
    Line {
        // Beside the names that people chose for themselves, the one of nobody in particular.
        name: if viewer.state == "not let in" { told(&viewer.name) } else { viewer.name.clone() },
        basis: basis_words(viewer.basis),
        state: viewer.state,
        practices: outlook.iter().map(Practice::new).collect(),
        item,
    }
}

/// The rule by which the item is seen or not, with the policy that says so.
async fn explained(gateway: &Gateway, viewed: &Viewed, viewer: &Viewer, asked: (ResourceType, String)) -> String {
    match gateway.explain(viewed.subject.clone(), viewer.standing.clone(), asked).await {
        Ok(found) => {
            let verdict = match found.withheld {
                Some(rule) => {
                    let words = say(&format!("rule.{}", rule.as_str()));
                    say_with("viewers.not-seen", &[("rule", rule.as_str()), ("words", words)])
                }
                None if found.is_outline => say("viewers.seen-as-an").to_owned(),
                None if found.hides_contacts => say("viewers.seen-without-contact").to_owned(),
                None => say("see-as.whole").to_owned(),
            };
            let policy = found.policy.map(|(name, version, legal)| {
                say_with("viewers.policy", &[("name", &name), ("version", &version.to_string()), ("legal", &legal)])
            });
            let tables = found.label_tables.map(|version| say_with("viewers.tables", &[("version", &version)]));
            format!("{verdict}{}{}", policy.unwrap_or_default(), tables.unwrap_or_default())
        }
        Err(Refusal::NotFound | Refusal::Denied(_) | Refusal::Invalid { .. }) => {
            say("viewers.there-no-such").to_owned()
        }
        Err(_) => say("viewers.cannot-be-told").to_owned(),
    }
}
