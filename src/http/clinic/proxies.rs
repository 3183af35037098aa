//! Who asks to act for whom: the registrar's queue.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::issue::{Choice, reasons, seen, slip};
use super::{Head, Staff, StaffForm, refusal, sentence};
use crate::http::pages::{render, render_with, say, say_with, see_other, told};
use crate::identity::{Document, GrantBasis, RequestOrigin, StatusReason};
use crate::practice::{Approval, Desk, DeskError, Handed, QueuedProxy};

struct Line {
    id: String,
    patient: String,
    proxy: String,
    basis: &'static str,
    origin: &'static str,
    document: String,
    since: String,
    needs_number: bool,
    needs_paper: bool,
    needs_second: bool,
    is_mine: bool,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "clinic/proxies.html")]
struct ProxiesTemplate {
    head: Head,
    lines: Vec<Line>,
    documents: Vec<Choice>,
    reasons: Vec<Choice>,
}

#[cfg(test)]
pub(super) fn sample(hostile: &'static str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    let line = |id: &str, is_first: bool| Line {
        id: format!("{id}{hostile}"),
        patient: text(),
        proxy: text(),
        basis: hostile,
        origin: hostile,
        document: text(),
        since: text(),
        needs_number: is_first,
        needs_paper: is_first,
        needs_second: !is_first,
        is_mine: false,
        problem: Some(text()),
    };
    let lines = vec![line("a", true), line("b", false), Line { is_mine: true, ..line("c", false) }];
    let documents = vec![Choice { value: hostile, words: hostile }];
    let reasons = vec![Choice { value: hostile, words: hostile }];
    ProxiesTemplate { head: super::tests::head(hostile), lines, documents, reasons }.render()
}

impl Line {
    fn new(queued: QueuedProxy) -> Self {
        let QueuedProxy { request, needs_second, is_mine } = queued;
        let said = &request.said;
        let born = |name: String, day: Option<&str>| match day {
            Some(day) => say_with("proxies.born", &[("name", name.as_str()), ("day", day)]),
            None => name,
        };
        let proxy = format!("{} {}", request.draft.given, request.draft.family);
        Self {
            id: request.id.to_string(),
            patient: born(format!("{} {}", said.given.join(" "), said.family), Some(&said.birth_date)),
            proxy: born(proxy, request.draft.birth_date.as_deref()),
            basis: GrantBasis::parse(&request.draft.basis)
                .map_or("", |basis| say(&format!("basis.{}", basis.as_str()))),
            origin: match request.origin {
                RequestOrigin::Patient => say("proxies.by-patient"),
                RequestOrigin::Document => say("proxies.by-document"),
                RequestOrigin::Desk => say("proxies.by-desk"),
            },
            document: request.document.clone().unwrap_or_default(),
            since: request.asked.to_fhir().chars().take(10).collect(),
            needs_number: request.chart.is_none(),
            needs_paper: request.proofing.is_none(),
            needs_second,
            is_mine,
            problem: None,
        }
    }
}

/// `GET /clinic/proxies`.
pub(super) async fn get(State(desk): State<Arc<Desk>>, staff: Staff) -> Response {
    match page(&desk, &staff).await {
        Ok(page) => render(&page),
        Err(error) => refusal(&error),
    }
}

async fn page(desk: &Desk, staff: &Staff) -> Result<ProxiesTemplate, DeskError> {
    let queued = desk.proxy_requests(&staff.at_work.member).await?;
    let lines = queued.into_iter().map(Line::new).collect();
    let reasons = reasons(StatusReason::refuses);
    let paper = |paper: &Document| Choice { value: paper.as_str(), words: say(&format!("paper.{}", paper.as_str())) };
    let documents = Document::ALL.iter().map(paper).collect();
    Ok(ProxiesTemplate { head: staff.head(), lines, documents, reasons })
}

/// `POST /clinic/proxies/decide`.
pub(super) async fn decide(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let Ok(id) = posted.text("id").parse() else { return refusal(&DeskError::NotFound) };
    let member = &staff.at_work.member;
    let done = if posted.text("answer") == "approve" {
        let approval = Approval {
            number: posted.text("number").to_owned(),
            seen: seen(&posted).ok(),
            silent: posted.filled("silent"),
        };
        desk.approve_proxy(member, id, approval).await
    } else {
        desk.refuse_proxy(member, id, (posted.text("reason"), posted.text("note"))).await.map(|()| Handed::Waits)
    };
    match done {
        Ok(Handed::Code(issued)) => slip(&staff, &issued),
        Ok(Handed::Waits) => see_other("/clinic/proxies"),
        Err(DeskError::Refused(_, problem)) => again(&desk, &staff, posted.text("id"), &problem).await,
        Err(error) => refusal(&error),
    }
}

/// The queue, with what was wrong where it was.
async fn again(desk: &Desk, staff: &Staff, id: &str, problem: &str) -> Response {
    match page(desk, staff).await {
        Ok(mut page) => {
            for line in page.lines.iter_mut().filter(|line| line.id == id) {
                line.problem = Some(sentence(&told(problem)));
            }
            render_with(StatusCode::UNPROCESSABLE_ENTITY, &page, None)
        }
        Err(error) => refusal(&error),
    }
}
