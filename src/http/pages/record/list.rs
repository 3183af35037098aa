//! `GET /record/{part}`: all of one part, page by page.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;

use super::find::{Ask, Found, find, follow};
use super::part::Part;
use super::{Header, Viewed, refused};
use crate::gateway::Refusal;
use crate::http::pages::{not_found, render_with, see_other, style};

/// What the page shows.
#[derive(Template)]
#[template(path = "record_list.html")]
pub(super) struct ListTemplate {
    style: String,
    header: Header,
    part: &'static Part,
    found: Found,
    is_later: bool,
}

impl ListTemplate {
    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        let lines = vec![super::samples::line(hostile)];
        let found = Found { lines, notes: vec![text()], next: Some(text()), withdrawn: 2 };
        let header = super::samples::header(hostile);
        Self { style: text(), header, part: &super::part::PARTS[1], found, is_later: true }
    }
}

/// `GET /record/{part}?person=…`, and with `page=…` one of the pages after the first.
pub(in crate::http::pages) async fn get(Path(part): Path<String>, viewed: Viewed) -> Response {
    let Some(part) = Part::at(&part) else { return not_found() };
    let page = viewed.asked("page");
    let found = match page {
        Some(seal) => follow(&viewed.gateway, viewed.subject.clone(), part.resource_type, seal).await,
        None => find(&viewed.gateway, viewed.subject.clone(), Ask::list(part)).await,
    };
    let (status, found) = match found {
        Ok(found) => (StatusCode::OK, found),
        // A page link that has ended, or that was somebody else's: the list begins again.
        Err(Refusal::Invalid { .. }) if page.is_some() => {
            return see_other(&format!("/record/{}?person={}", part.path, viewed.header.person));
        }
        Err(Refusal::Invalid { .. } | Refusal::NotFound) => return not_found(),
        Err(refusal) => (status_of(&refusal), Found { notes: refused(&refusal), ..Found::default() }),
    };
    let is_later = page.is_some();
    let page = ListTemplate { style: style::path(), header: viewed.header, part, found, is_later };
    render_with(status, &page, None)
}

/// The status of a page without entries.
pub(super) const fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Denied(_) => StatusCode::FORBIDDEN,
        Refusal::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}
