//! Words in a record that may say something sensitive: a clinician or the privacy officer says what they are about.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::{Head, Staff, StaffForm, refusal, sentence};
use crate::consent::{Label, Labels};
use crate::gateway::{Doubtful, Gateway};
use crate::http::pages::{Posted, render, render_with, say, say_with, told};
use crate::identity::StaffAct;
use crate::practice::{Desk, DeskError, Review, ToReview};

struct Topic {
    label: &'static str,
    words: &'static str,
    /// Whether it is chosen before anybody chose: until staff looked, all that the words may say.
    is_chosen: bool,
}

struct Line {
    /// In the page.
    number: usize,
    source: String,
    resource_type: &'static str,
    id: String,
    words: String,
    /// What stands there, each with the words that were found in it.
    passages: Vec<(String, String)>,
    topics: Vec<Topic>,
    /// What was said of it, if somebody looked.
    said: Option<String>,
}

#[derive(Template)]
#[template(path = "clinic/reviews.html")]
struct ReviewsTemplate {
    head: Head,
    number: String,
    patient: Option<String>,
    lines: Vec<Line>,
    is_partial: bool,
    problem: Option<String>,
}

#[cfg(test)]
pub(super) fn sample(hostile: &'static str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    let topic = Topic { label: hostile, words: hostile, is_chosen: true };
    let line = Line {
        number: 1,
        source: text(),
        resource_type: hostile,
        id: text(),
        words: text(),
        passages: vec![(text(), text())],
        topics: vec![topic],
        said: Some(text()),
    };
    let head = super::tests::head(hostile);
    let (patient, lines, problem) = (Some(text()), vec![line], Some(text()));
    ReviewsTemplate { head, number: text(), patient, lines, is_partial: true, problem }.render()
}

impl Line {
    fn new((number, item): (usize, &Doubtful), looked: &ToReview) -> Self {
        let said = looked.said_of(item);
        let all = item.labels.and(said.unwrap_or_default());
        let chosen = said.unwrap_or(item.labels);
        let topic = |label: Label| Topic { label: label.as_str(), words: name(label), is_chosen: chosen.has(label) };
        Self {
            number,
            source: item.source.to_string(),
            resource_type: item.resource_type.as_str(),
            id: item.id.clone(),
            words: item.suspicion.words.clone(),
            passages: item.passages.iter().map(|found| (found.text.clone(), found.words.join(", "))).collect(),
            topics: all.each().filter(|label| label.is_content()).map(topic).collect(),
            said: said.map(|labels| match labels.each().map(name).collect::<Vec<_>>() {
                none if none.is_empty() => say("reviews.nothing").to_owned(),
                topics => say_with("reviews.about", &[("topics", &topics.join(", "))]),
            }),
        }
    }
}

fn name(label: Label) -> &'static str {
    say(&format!("label.{}", label.as_str()))
}

fn page(staff: &Staff, posted: Option<&Posted>) -> ReviewsTemplate {
    ReviewsTemplate {
        head: staff.head(),
        number: posted.map(|posted| posted.text("number").to_owned()).unwrap_or_default(),
        patient: None,
        lines: Vec::new(),
        is_partial: false,
        problem: None,
    }
}

/// `GET /clinic/reviews`.
pub(super) async fn get(staff: Staff) -> Response {
    match staff.at_work.member.may(StaffAct::ReviewWords) {
        true => render(&page(&staff, None)),
        false => refusal(&DeskError::NotYours),
    }
}

/// `POST /clinic/reviews`: by POST, as numbers of records belong into no address.
pub(super) async fn post(
    State(desk): State<Arc<Desk>>,
    State(gateway): State<Arc<Gateway>>,
    StaffForm { staff, posted }: StaffForm,
) -> Response {
    match desk.to_review(&staff.at_work.member, posted.text("number")).await {
        Ok(looked) => shown(&desk, &gateway, page(&staff, Some(&posted)), &staff, &looked).await,
        Err(error) => refused(page(&staff, Some(&posted)), error),
    }
}

/// `POST /clinic/reviews/say`.
pub(super) async fn say_what(
    State(desk): State<Arc<Desk>>,
    State(gateway): State<Arc<Gateway>>,
    StaffForm { staff, posted }: StaffForm,
) -> Response {
    let (member, number) = (&staff.at_work.member, posted.text("number"));
    let Some(review) = review(&posted) else { return refusal(&DeskError::NotFound) };
    if let Err(error) = desk.review(member, number, review).await {
        return refused(page(&staff, Some(&posted)), error);
    }
    match desk.to_review(member, number).await {
        Ok(looked) => shown(&desk, &gateway, page(&staff, Some(&posted)), &staff, &looked).await,
        Err(error) => refused(page(&staff, Some(&posted)), error),
    }
}

fn review(posted: &Posted) -> Option<Review> {
    let labels: Option<Labels> = posted.all("label").map(Label::parse).collect();
    Some(Review {
        source: posted.text("source").parse().ok()?,
        resource_type: posted.text("type").to_owned(),
        id: posted.text("id").to_owned(),
        words: posted.text("words").to_owned(),
        labels: labels?,
    })
}

fn refused(mut page: ReviewsTemplate, error: DeskError) -> Response {
    let DeskError::Refused(_, problem) = error else { return refusal(&error) };
    page.problem = Some(sentence(&told(problem)));
    render_with(StatusCode::UNPROCESSABLE_ENTITY, &page, None)
}

async fn shown(
    desk: &Desk,
    gateway: &Gateway,
    mut page: ReviewsTemplate,
    staff: &Staff,
    looked: &ToReview,
) -> Response {
    let found = match gateway.doubtful(looked.subject.clone()).await {
        Ok(found) => found,
        Err(_) => return refusal(&DeskError::NotFound),
    };
    let waits = found.items.iter().any(|item| looked.said_of(item).is_none());
    if !waits
        && !found.is_partial
        && let Err(error) = desk.all_reviewed(&staff.at_work.member, looked).await
    {
        return refusal(&error);
    }
    page.patient = Some(looked.patient.clone());
    page.is_partial = found.is_partial;
    let mut lines: Vec<Line> = found.items.iter().enumerate().map(|item| Line::new(item, looked)).collect();
    // What waits comes first.
    lines.sort_by_key(|line| line.said.is_some());
    page.lines = lines;
    render(&page)
}
