//! The structural check of a resource that somebody wants stored.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fhirbolt::model::r4::Resource;
use fhirbolt::serde::{DeserializationConfig, DeserializationMode};

use crate::json::{self, Json};
use crate::problem::{Location, Problem, ProblemCode};
use crate::{rules, same};

/// The largest document that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The most arrays and objects that stand inside one another.
pub const MAX_DEPTH: usize = 64;

/// A resource that passed: one well-formed R4 resource of an allowed type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The resource type, one of those allowed.
    pub resource_type: String,
    /// The logical id, when the resource has one.
    pub id: Option<String>,
}

/// Checks that `bytes` are one FHIR R4 resource in JSON of a type in `allowed`.
///
/// Checked are: size, UTF-8, JSON, nesting, repeated members, FHIR's rules for JSON (nothing empty, no stray null),
/// the forms of ids, dates, integers, codes and the other primitive types, required bindings, unknown and missing
/// elements, cardinality of one or many, JSON types. Not checked are slices, profiles, invariants, references.
///
/// Takes up to some milliseconds of processor time for the largest documents: call it off the runtime's workers.
///
/// # Errors
/// The problems found, at least one; those of an earlier step hide those of a later one.
pub fn validate(bytes: &[u8], allowed: &[&str]) -> Result<Checked, Vec<Problem>> {
    let only = |problem| vec![problem];
    let nowhere = Location::default();
    if bytes.len() > MAX_BYTES {
        return Err(only(nowhere.problem(ProblemCode::TooLong, "more than 1 MiB")));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| only(nowhere.problem(ProblemCode::Structure, "the text is not UTF-8")))?;
    let document = json::read(text, MAX_DEPTH).map_err(only)?;
    let resource_type = resource_type_of(&document, allowed).map_err(only)?;

    let problems = rules::problems_of(resource_type, &document);
    if !problems.is_empty() {
        return Err(problems);
    }
    let understood = understand(bytes, resource_type, &document).map_err(only)?;
    let understood = std::str::from_utf8(&understood).ok().and_then(|text| json::read(text, usize::MAX).ok());
    let Some(understood) = understood else {
        return Err(only(refused_unexpectedly(resource_type)));
    };
    match same::difference(resource_type, &document, &understood) {
        Some(problem) => Err(only(problem)),
        None => Ok(Checked {
            resource_type: resource_type.to_owned(),
            id: document.get("id").and_then(Json::as_str).map(str::to_owned),
        }),
    }
}

fn resource_type_of<'d>(document: &'d Json<'_>, allowed: &[&str]) -> Result<&'d str, Problem> {
    let mut location = Location::default();
    let Json::Object(_) = document else {
        return Err(location.problem(ProblemCode::Structure, "a resource is a JSON object"));
    };
    let Some(resource_type) = document.get("resourceType") else {
        return Err(location.problem(ProblemCode::Required, "resourceType is missing"));
    };
    location.enter_member("resourceType");
    let Some(resource_type) = resource_type.as_str() else {
        return Err(location.problem(ProblemCode::Structure, "must be a string"));
    };
    if !allowed.contains(&resource_type) {
        return Err(location.problem(ProblemCode::NotSupported, "a resource type that is not accepted here"));
    }
    Ok(resource_type)
}

/// Lets the model read the resource strictly and write down what it understood.
fn understand(bytes: &[u8], resource_type: &str, document: &Json<'_>) -> Result<Vec<u8>, Problem> {
    let strict = DeserializationConfig { mode: DeserializationMode::Strict };
    // The model panics on documents that `rules` refuses; should it know more of them, one request fails, no more.
    let answer = catch_unwind(AssertUnwindSafe(|| {
        let resource: Resource = fhirbolt::json::from_slice(bytes, Some(strict))?;
        fhirbolt::json::to_vec(&resource, None)
    }));
    match answer {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(refusal)) => Err(explain(&refusal.to_string(), resource_type, document)),
        Err(_panic) => Err(refused_unexpectedly(resource_type)),
    }
}

fn refused_unexpectedly(resource_type: &str) -> Problem {
    let mut location = Location::default();
    location.set_root(resource_type);
    location.problem(ProblemCode::Invalid, "the resource could not be read")
}

/// The model's refusal in our words. Its own text is never passed on: it repeats values.
fn explain(refusal: &str, resource_type: &str, document: &Json<'_>) -> Problem {
    let mut location = Location::default();
    location.set_root(resource_type);
    let quoted = |prefix: &str| refusal.strip_prefix(prefix)?.split('`').next();
    // Both names are elements: a member name passed `rules`, a missing field is the model's own.
    if let Some(name) = quoted("unknown field `") {
        let places = places_of(name, resource_type, document);
        let details = format!("FHIR R4 has no element {name} here");
        return match places.as_slice() {
            [place] => Problem { expression: place.clone(), code: ProblemCode::Structure, details },
            _ => location.problem(ProblemCode::Structure, details),
        };
    }
    if let Some(name) = quoted("missing field `") {
        return location.problem(ProblemCode::Required, format!("the required element {name} is missing"));
    }
    if let Some(name) = quoted("duplicate field `") {
        return location.problem(ProblemCode::Structure, format!("more than one value for {name}"));
    }
    if refusal.contains("expected valid resourceType") {
        return location.problem(ProblemCode::NotSupported, "a resource inside has a type that FHIR R4 does not have");
    }
    location.problem(ProblemCode::Structure, "an element has the wrong JSON type")
}

/// Where a member of that name stands, as FHIRPath.
fn places_of(name: &str, resource_type: &str, document: &Json<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![(resource_type.to_owned(), document)];
    while let Some((path, value)) = open.pop() {
        match value {
            Json::Object(members) => {
                for (key, member) in members {
                    let place = format!("{path}.{}", key.trim_start_matches('_'));
                    if key.trim_start_matches('_') == name.trim_start_matches('_') && !found.contains(&place) {
                        found.push(place.clone());
                    }
                    open.push((place, member));
                }
            }
            Json::Array(items) => {
                open.extend(items.iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)));
            }
            _ => {}
        }
    }
    found
}
