//! Tests of search: a hand-written table of cases, a naive second evaluator, random queries, and US Core's searches
//! over its reference data.

mod fuzz;
mod limits;
mod model;
mod order;
mod table;
mod us_core;

use bytes::Bytes;

use super::*;
use crate::base::clock::Instant;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::Knowledge;
use crate::fhir::scan::{RawResource, scan_resource};

/// Base URL of the source in these tests.
const BASE: &str = "https://ehr.example/fhir";

fn knowledge() -> &'static Knowledge {
    Knowledge::embedded().unwrap()
}

/// 2026-01-01T00:00:00Z.
fn evaluation() -> Evaluation<'static> {
    Evaluation { knowledge: knowledge(), base: Some(BASE), now: Instant::from_micros(1_767_225_600_000_000) }
}

fn resource(json: &str) -> RawResource {
    scan_resource(Bytes::copy_from_slice(json.as_bytes()), knowledge()).unwrap_or_else(|e| panic!("{e}: {json}"))
}

/// `a=b&c=d` as pairs; nothing is percent-decoded.
fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn query(resource_type: ResourceType, text: &str) -> Result<Query, SearchError> {
    parse(knowledge(), resource_type, &pairs(text), Handling::Strict)
}

fn found(json: &str, text: &str) -> bool {
    let resource = resource(json);
    let query = query(resource.facts.resource_type, text).unwrap_or_else(|e| panic!("{e} in {text}"));
    matches(&query, &resource, &evaluation())
}
