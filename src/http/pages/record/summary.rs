//! `GET /record`: the latest of what most people look for, and the way to the rest.

use askama::Template;
use axum::response::Response;
use futures_util::future::join_all;

use super::find::{Found, latest};
use super::part::{PARTS, Part};
use super::{Header, Viewed, refused};
use crate::http::pages::{render, style};

struct Section {
    part: &'static Part,
    found: Found,
}

impl Section {
    /// Whether only what is still to come is on the page.
    fn is_ahead(&self) -> bool {
        self.part.summary.is_some_and(|summary| summary.is_ahead)
    }
}

/// What the page shows.
#[derive(Template)]
#[template(path = "record.html")]
pub(super) struct SummaryTemplate {
    style: String,
    header: Header,
    /// What is missing anywhere on the page, once each.
    notes: Vec<String>,
    sections: Vec<Section>,
    others: Vec<&'static Part>,
}

impl SummaryTemplate {
    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let part = &PARTS[0];
        let found = Found { lines: vec![super::samples::line(hostile)], ..Found::default() };
        let sections = vec![Section { part, found }, Section { part, found: Found::default() }];
        let (style, header) = (hostile.to_owned(), super::samples::header(hostile));
        Self { style, header, notes: vec![hostile.to_owned()], sections, others: vec![part] }
    }
}

/// `GET /record?person=…`.
pub(in crate::http::pages) async fn get(viewed: Viewed) -> Response {
    let sections = join_all(PARTS.iter().filter_map(|part| section(&viewed, part))).await;
    let mut notes: Vec<String> = Vec::new();
    for note in sections.iter().flat_map(|section| &section.found.notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    let others = PARTS.iter().filter(|part| part.summary.is_none()).collect();
    render(&SummaryTemplate { style: style::path(), header: viewed.header, notes, sections, others })
}

fn section(viewed: &Viewed, part: &'static Part) -> Option<impl Future<Output = Section>> {
    let summary = part.summary?;
    Some(async move {
        let found = latest(&viewed.gateway, viewed.subject.clone(), part, summary).await;
        let found = found.unwrap_or_else(|refusal| Found { notes: refused(&refusal), ..Found::default() });
        Section { part, found }
    })
}
