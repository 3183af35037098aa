//! Which resources a search selects, and in which order.

use axum::http::StatusCode;

use super::outcome::Answer;
use super::store::{Shelf, Stored};

/// A search, understood.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub(super) count: Option<usize>,
    pub(super) count_only: bool,
    pub(super) without_total: bool,
    pub(super) includes: Vec<String>,
    pub(super) revincludes: Vec<String>,
    /// The parameters that were understood, for the `self` link.
    pub(super) used: Vec<(String, String)>,
    ids: Option<Vec<String>>,
    /// For each, any of these `Type/id` must be referred to.
    references: Vec<Vec<String>>,
}

impl Selection {
    pub(super) fn parse(pairs: &[(String, String)], strict: bool, base: &str) -> Result<Self, Answer> {
        let mut selection = Self::default();
        for (name, value) in pairs {
            let bad =
                || Answer::outcome(StatusCode::BAD_REQUEST, "value", &format!("the value of {name} is malformed"));
            match name.as_str() {
                "_format" | "_pretty" => continue,
                "_count" => selection.count = Some(value.parse().map_err(|_| bad())?),
                "_summary" => selection.count_only = value == "count",
                "_total" => selection.without_total = value == "none",
                "_include" => selection.includes.push(value.clone()),
                "_revinclude" => selection.revincludes.push(value.clone()),
                "_id" => selection.ids = Some(value.split(',').map(str::to_owned).collect()),
                "patient" | "subject" => {
                    selection.references.push(value.split(',').filter_map(|text| key(text, base)).collect());
                }
                _ if strict => {
                    let diagnostics = format!("the search parameter {name} is not known");
                    return Err(Answer::outcome(StatusCode::BAD_REQUEST, "not-supported", &diagnostics));
                }
                _ => continue,
            }
            selection.used.push((name.clone(), value.clone()));
        }
        Ok(selection)
    }

    /// The matches, in the order asked for.
    pub(super) fn select<'a>(&self, shelf: &'a Shelf) -> Vec<&'a Stored> {
        let candidates: Vec<&Stored> = match (&self.ids, self.references.first()) {
            (Some(ids), _) => ids.iter().filter_map(|id| shelf.get(id)).collect(),
            (None, Some(keys)) => shelf.referring_to(keys),
            (None, None) => shelf.iter().collect(),
        };
        candidates
            .into_iter()
            .filter(|stored| self.references.iter().all(|keys| keys.iter().any(|key| stored.references.contains(key))))
            .collect()
    }
}

fn key(value: &str, base: &str) -> Option<String> {
    if value.contains('/') { super::document::local_key(value, base) } else { Some(format!("Patient/{value}")) }
}
