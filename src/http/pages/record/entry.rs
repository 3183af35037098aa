//! `GET /record/{part}/{id}`: one entry, and for a value the earlier and later ones of its kind.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;

use super::find::{Ask, Found, find};
use super::line::Line;
use super::list::status_of;
use super::part::Part;
use super::{Header, Viewed, refused};
use crate::gateway::Refusal;
use crate::http::pages::say;
use crate::http::pages::{ErrorPage, not_found, render, render_with, style};

/// What the page shows.
#[derive(Template)]
#[template(path = "record_entry.html")]
pub(super) struct EntryTemplate {
    style: String,
    header: Header,
    part: &'static Part,
    line: Line,
    notes: Vec<String>,
    /// All values of its kind, the latest first; none where there is nothing to compare.
    trend: Option<Found>,
}

impl EntryTemplate {
    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let line = || super::samples::line(hostile);
        let trend = Found { lines: vec![line()], notes: vec![hostile.to_owned()], ..Found::default() };
        let header = super::samples::header(hostile);
        let (style, notes) = (hostile.to_owned(), vec![hostile.to_owned()]);
        Self { style, header, part: &super::part::PARTS[1], line: line(), notes, trend: Some(trend) }
    }
}

/// `GET /record/{part}/{id}?person=…`.
pub(in crate::http::pages) async fn get(Path((part, id)): Path<(String, String)>, viewed: Viewed) -> Response {
    let Some(part) = Part::at(&part) else { return not_found() };
    if !crate::fhir::interaction::is_id(&id) {
        return not_found();
    }
    let found = match one(&viewed, part, &id).await {
        Ok(found) => found,
        Err(Refusal::Invalid { .. } | Refusal::NotFound) => return not_found(),
        Err(refusal) => {
            let page = ErrorPage::new(say("record.not-shown"), &refused(&refusal).join(" "));
            return render_with(status_of(&refusal), &page, None);
        }
    };
    let Found { lines, notes, withdrawn, .. } = found;
    let Some(line) = lines.into_iter().next() else { return missing(&notes, withdrawn) };
    let trend = trend(&viewed, part, &line).await;
    render(&EntryTemplate { style: style::path(), header: viewed.header, part, line, notes, trend })
}

/// Why there is no entry: it was taken back, its practice did not answer, or there is none.
fn missing(notes: &[String], withdrawn: usize) -> Response {
    if withdrawn > 0 {
        let page = ErrorPage::new(say("record.entry-was-taken"), say("record.practice-says-was"));
        return render_with(StatusCode::GONE, &page, None);
    }
    if notes.is_empty() {
        return not_found();
    }
    let page = ErrorPage::new(say("record.not-shown"), &notes.join(" "));
    render_with(StatusCode::SERVICE_UNAVAILABLE, &page, None)
}

async fn one(viewed: &Viewed, part: &'static Part, id: &str) -> Result<Found, Refusal> {
    let is_order = |name: &str| name == "_sort";
    let mut parameters: Vec<(&str, &str)> =
        part.parameters.iter().copied().filter(|(name, _)| !is_order(name)).collect();
    parameters.push(("_id", id));
    let ask = Ask { resource_type: part.resource_type, parameters: &parameters, count: "1" };
    find(&viewed.gateway, viewed.subject.clone(), ask).await
}

/// Values with the same codes, whichever practice measured them. Units stand beside each: nothing is converted.
async fn trend(viewed: &Viewed, part: &'static Part, line: &Line) -> Option<Found> {
    if !part.has_trend() || line.codes.is_empty() {
        return None;
    }
    let codes = line.codes.join(",");
    let parameters = [("_sort", "-date"), ("code", codes.as_str())];
    let ask = Ask { resource_type: part.resource_type, parameters: &parameters, count: "100" };
    match find(&viewed.gateway, viewed.subject.clone(), ask).await {
        Ok(found) => Some(found),
        Err(refusal) => Some(Found { notes: refused(&refusal), ..Found::default() }),
    }
}
