//! search-type by GET and POST (FHIR R4 `http` §search).

use std::collections::HashSet;

use axum::http::StatusCode;

use super::ehr::Call;
use super::outcome::Answer;
use super::paging::{self, Cursor};
use super::read::is_of_others;
use super::searchset::Searchset;
use super::selection::Selection;
use super::store::{Shelf, Stored};

/// How many foreign resources the wrong-patient fault mixes in.
const MIXED_IN: usize = 3;

pub(super) fn search_type(call: &Call<'_>, type_name: &str) -> Result<Answer, Answer> {
    let ehr = call.ehr;
    check_vendor_rules(call)?;
    let asked: Vec<(String, String)> = call
        .pairs
        .iter()
        .filter(|(name, _)| name != paging::PARAMETER && !call.hit.ignores(name.split(':').next().unwrap_or_default()))
        .cloned()
        .collect();
    let selection = Selection::parse(ehr, type_name, &asked)?;
    let shelves = ehr.store.read();
    let empty = Shelf::default();
    let shelf = shelves.shelf(type_name).unwrap_or(&empty);
    let cursor = cursor(call, shelves.arrived())?;

    let mut matches = selection.select(ehr, shelf);
    matches.retain(|stored| stored.sequence < cursor.arrived);
    if let Some(patient) = &call.patient {
        matches.retain(|stored| !is_of_others(stored, &[patient.as_str()]));
    }
    let total = matches.len();
    let page_size = selection.count().unwrap_or(ehr.settings.page_size).min(ehr.settings.page_size.max(LARGEST_PAGE));
    let count_only = selection.count_only() || page_size == 0;
    let mut page: Vec<&Stored> =
        if count_only { Vec::new() } else { matches.iter().skip(cursor.offset).take(page_size).copied().collect() };
    let rest = Cursor { offset: cursor.offset + page.len(), page: cursor.page + 1, ..cursor };
    let more = !count_only && rest.offset < total;
    let includes = if count_only { Vec::new() } else { super::include::included(ehr, &shelves, &page, &selection) };
    if call.hit.wrong_patient().is_some() && !count_only {
        mix_in_others(shelf, call, &matches, &mut page);
    }
    let used = selection.pairs();
    let self_link = link(&ehr.base, type_name, &used, cursor_of(call));
    let next_link = next_link(call, &self_link, more.then(|| link(&ehr.base, type_name, &used, Some(&rest.print()))));
    let searchset = Searchset {
        base: &ehr.base,
        total: (!selection.without_total()).then_some(total),
        self_link,
        next_link,
        matches: page,
        includes,
    };
    Ok(Answer::fhir(StatusCode::OK, searchset.to_bytes()))
}

/// What the vendor that is played refuses (FHIR R4 search §3.1.1: a server may refuse what is too costly).
fn check_vendor_rules(call: &Call<'_>) -> Result<(), Answer> {
    let names: Vec<&str> = call.pairs.iter().map(|(name, _)| name.split(':').next().unwrap_or_default()).collect();
    if names.contains(&paging::PARAMETER) {
        return Ok(());
    }
    if call.hit.needed().any(|needed| !names.iter().any(|name| needed.iter().any(|one| one == name))) {
        return Err(Answer::outcome(StatusCode::BAD_REQUEST, "required", "a parameter is missing"));
    }
    if names.iter().any(|name| call.hit.refuses(name)) {
        return Err(Answer::outcome(StatusCode::BAD_REQUEST, "not-supported", "a parameter is not supported"));
    }
    Ok(())
}

/// `_count` above this is cut to it, unless the server's own page size is larger.
const LARGEST_PAGE: usize = 1000;

fn cursor_of<'a>(call: &'a Call<'_>) -> Option<&'a str> {
    call.pairs.iter().find(|(name, _)| name == paging::PARAMETER).map(|(_, text)| text.as_str())
}

/// Where the page begins; the first page sees everything that is here now.
fn cursor(call: &Call<'_>, arrived: u64) -> Result<Cursor, Answer> {
    match cursor_of(call) {
        None => Ok(Cursor { offset: 0, arrived, page: 1 }),
        Some(text) => Cursor::parse(text)
            .ok_or_else(|| Answer::outcome(StatusCode::BAD_REQUEST, "value", "the page link is malformed")),
    }
}

fn link(base: &str, type_name: &str, pairs: &[(String, String)], cursor: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    if let Some(cursor) = cursor {
        query.append_pair(paging::PARAMETER, cursor);
    }
    let query = query.finish();
    if query.is_empty() { format!("{base}/{type_name}") } else { format!("{base}/{type_name}?{query}") }
}

/// The `next` link with its faults.
fn next_link(call: &Call<'_>, self_link: &str, honest: Option<String>) -> Option<String> {
    if call.hit.looping_next() {
        return Some(self_link.to_owned());
    }
    if call.hit.missing_next() {
        return None;
    }
    match (honest, call.hit.foreign_next()) {
        (Some(next), Some(origin)) => {
            Some(format!("{origin}{}", next.strip_prefix(&call.ehr.settings.origin).unwrap_or_default()))
        }
        (next, _) => next,
    }
}

/// Puts resources of patients that none of the matches is about among the page.
fn mix_in_others<'a>(shelf: &'a Shelf, call: &Call<'_>, matches: &[&'a Stored], page: &mut Vec<&'a Stored>) {
    let asked_for = call.pairs.iter().filter_map(|(_, value)| {
        let key = value.rsplit_once("Patient/").map_or(value.as_str(), |(_, id)| id);
        (!key.is_empty()).then_some(key)
    });
    let mut patients: HashSet<&str> = matches.iter().flat_map(|stored| stored.patients()).collect();
    patients.extend(asked_for);
    let patients: Vec<&str> = patients.into_iter().collect();
    let others: Vec<&Stored> = shelf.iter().filter(|stored| is_of_others(stored, &patients)).take(MIXED_IN).collect();
    let middle = page.len() / 2;
    page.splice(middle..middle, others);
}
