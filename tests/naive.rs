//! A second reading of FHIR, to hold the product against: search, order and whose resource it is, on plain JSON trees
//! and from tables written by hand. It shares no code with `src/`, is slow, and does nothing it is not asked for.

mod compartment;
mod date;
mod number;
mod order;
mod parameters;
mod search;

pub(crate) use compartment::{Kind, Quantity, is_about, kind_of};
pub(crate) use order::compare;
pub(crate) use parameters::{ParameterKind, parameter};
pub(crate) use search::{Evaluation, matches, values_at, words};

use serde_json::Value;

/// What a literal reference points at on its own server: type and id. A version does not matter.
pub(crate) fn local(reference: &str, base: &str) -> Option<(String, String)> {
    let rest = match reference.strip_prefix(base) {
        Some(rest) => rest.strip_prefix('/')?,
        None if reference.contains(':') || reference.starts_with(['#', '/']) => return None,
        None => reference,
    };
    let parts: Vec<&str> = rest.split('/').collect();
    let (kind, id) = match parts.as_slice() {
        [kind, id] => (*kind, *id),
        [kind, id, "_history", _] => (*kind, *id),
        _ => return None,
    };
    let is_type = kind.starts_with(|c: char| c.is_ascii_uppercase()) && kind.chars().all(|c| c.is_ascii_alphabetic());
    let is_id = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    (is_type && is_id).then(|| (kind.to_owned(), id.to_owned()))
}

/// Every value at a path: steps joined by `>`, arrays flattened, `name?key=value` keeps the items that say so.
pub(crate) fn at<'v>(value: &'v Value, path: &str) -> Vec<&'v Value> {
    let mut found = vec![value];
    for step in path.split('>') {
        let (name, condition) = match step.split_once('?') {
            Some((name, condition)) => (name, condition.split_once('=')),
            None => (step, None),
        };
        found = found
            .into_iter()
            .filter_map(|value| value.get(name))
            .flat_map(|value| match value {
                Value::Array(items) => items.iter().collect(),
                other => vec![other],
            })
            .filter(|value| condition.is_none_or(|(key, wanted)| value[key] == *wanted))
            .collect();
    }
    found
}

/// Calls `f` with every string of a document and the path of keys to it.
pub(crate) fn each_string<'v>(value: &'v Value, path: &mut Vec<&'v str>, f: &mut impl FnMut(&[&'v str], &'v str)) {
    match value {
        Value::String(text) => f(path, text),
        Value::Array(items) => items.iter().for_each(|item| each_string(item, path, f)),
        Value::Object(members) => {
            for (name, member) in members {
                path.push(name);
                each_string(member, path, f);
                path.pop();
            }
        }
        _ => {}
    }
}
