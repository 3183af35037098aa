//! `_include` and `_revinclude` (FHIR R4 search §3.1.1.5.4 ff.).

use std::collections::HashSet;

use serde_json::Value;

use super::document::{Document, local_key};
use super::selection::Selection;
use super::store::{Shelves, Stored};

/// What `_include` and `_revinclude` add to a page, each once, without the page's own matches.
pub(super) fn included<'a>(
    shelves: &'a Shelves,
    page: &[&'a Stored],
    selection: &Selection,
    base: &str,
) -> Vec<&'a Stored> {
    let mut seen: HashSet<String> = page.iter().map(|stored| stored.key()).collect();
    let mut included = Vec::new();
    let mut take = |stored: &'a Stored| {
        if seen.insert(stored.key()) {
            included.push(stored);
        }
    };
    for stored in page {
        for element in selection.includes.iter().filter_map(|text| text.split(':').nth(1)) {
            element_references(stored, element, base).iter().filter_map(|key| shelves.by_key(key)).for_each(&mut take);
        }
        for source in selection.revincludes.iter().filter_map(|text| text.split(':').next()) {
            let referring = shelves.shelf(source).map(|shelf| shelf.referring_to(&[stored.key()])).unwrap_or_default();
            referring.into_iter().for_each(&mut take);
        }
    }
    included
}

/// The references in the top-level element of this name, or of this name followed by `Reference`.
fn element_references(stored: &Stored, element: &str, base: &str) -> Vec<String> {
    let Ok(document) = Document::parse(&stored.bytes) else { return Vec::new() };
    let value = document.body.get(element).or_else(|| document.body.get(&format!("{element}Reference")));
    let many = match value {
        Some(Value::Array(many)) => many.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    many.iter()
        .filter_map(|value| value.get("reference").and_then(Value::as_str))
        .filter_map(|text| local_key(text, base))
        .collect()
}
