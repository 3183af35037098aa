//! `_include` and `_revinclude` (FHIR R4 search §3.1.1.5.4), without `:iterate`.

use std::collections::HashSet;

use super::document::local_key;
use super::ehr::Ehr;
use super::selection::Selection;
use super::store::{Shelves, Stored};
use crate::fhir::knowledge::{PathCondition, SearchKind};
use crate::fhir::search::Include;

/// What `_include` and `_revinclude` add to a page, each once, without the page's own matches.
pub(super) fn included<'a>(
    ehr: &Ehr,
    shelves: &'a Shelves,
    page: &[&'a Stored],
    selection: &Selection,
) -> Vec<&'a Stored> {
    let Selection::Known(query) = selection else { return Vec::new() };
    let mut seen: HashSet<String> = page.iter().map(|stored| stored.key()).collect();
    let mut included = Vec::new();
    let mut take = |stored: &'a Stored| {
        if seen.insert(stored.key()) {
            included.push(stored);
        }
    };
    for stored in page {
        for edge in query.includes.iter().filter(|edge| edge.source.as_str() == stored.type_name) {
            targets(ehr, stored, edge).iter().filter_map(|key| shelves.by_key(key)).for_each(&mut take);
        }
        let key = stored.key();
        for edge in &query.revincludes {
            let Some(shelf) = shelves.shelf(edge.source.as_str()) else { continue };
            let referring = shelf.referring_to(std::slice::from_ref(&key)).into_iter();
            referring.filter(|source| targets(ehr, source, edge).contains(&key)).for_each(&mut take);
        }
    }
    included
}

/// The `Type/id` that `stored` refers to by the edge's parameter, limited to the edge's target type.
fn targets(ehr: &Ehr, stored: &Stored, edge: &Include) -> Vec<String> {
    let parameter = ehr.knowledge.of(edge.source).parameter(&edge.parameter);
    let (Some(resource), Some(parameter)) = (&stored.scanned, parameter) else { return Vec::new() };
    if parameter.kind != SearchKind::Reference {
        return Vec::new();
    }
    let mut keys = Vec::new();
    for path in &parameter.paths {
        let of_type = match &path.condition {
            Some(PathCondition::Target(target)) => Some(*target),
            _ => None,
        };
        for found in resource.captured(path.capture) {
            let Some(key) = found.text_of("reference").and_then(|text| local_key(&text, &ehr.base)) else { continue };
            let is_a = |wanted: &str| key.split('/').next() == Some(wanted);
            if of_type.is_none_or(|target| is_a(target.as_str()))
                && edge.target.is_none_or(|target| is_a(target.as_str()))
            {
                keys.push(key);
            }
        }
    }
    keys
}
