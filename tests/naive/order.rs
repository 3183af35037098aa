//! `_sort`: of several values the smallest counts, descending the greatest; resources without a value come last both
//! ways; dates go by their start, descending by their end; strings as they are compared in a search; tokens by system
//! (none first) and code. Ties go by id.

use std::cmp::Ordering;

use serde_json::Value;

use super::parameters::{ParameterKind, parameter};
use super::{date, number, search};

/// One value to sort by; values of one parameter compare with each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i128),
    Text(String),
    Token(Option<String>, String),
}

fn keys(resource: &Value, name: &str, descending: bool) -> Vec<Key> {
    let resource_type = resource["resourceType"].as_str().unwrap();
    let parameter = parameter(resource_type, name);
    let mut keys = Vec::new();
    for found in search::values_at(resource, &parameter) {
        match parameter.kind {
            ParameterKind::Date => {
                keys.extend(date::of(found).map(|span| Key::Number(if descending { span.1 } else { span.0 })));
            }
            ParameterKind::Instant => keys.extend(date::of(found).map(|span| Key::Number(span.0))),
            ParameterKind::Quantity | ParameterKind::Number => {
                let value = found.get("value").unwrap_or(found);
                keys.extend(number::parse(&value.to_string()).map(|(value, _)| Key::Number(value)));
            }
            ParameterKind::String => {
                let words: Vec<String> = search::words(found).iter().map(|word| search::fold(word)).collect();
                keys.push(Key::Text(words.join(" ")));
            }
            ParameterKind::Token => {
                for (system, code) in search::tokens(found) {
                    keys.push(Key::Token(system.map(str::to_owned), code.to_lowercase()));
                }
            }
            ParameterKind::Uri => keys.push(Key::Text(found.as_str().unwrap().to_owned())),
            ParameterKind::Reference | ParameterKind::Composite => panic!("not sorted by {name}"),
        }
    }
    keys
}

/// The order of two resources with their ids at the gateway under `_sort`.
pub(crate) fn compare(sort: &str, left: (&str, &Value), right: (&str, &Value)) -> Ordering {
    for key in sort.split(',').filter(|key| !key.is_empty()) {
        let (descending, name) = key.strip_prefix('-').map_or((false, key), |name| (true, name));
        let best = |resource| {
            let keys = keys(resource, name, descending);
            if descending { keys.into_iter().max() } else { keys.into_iter().min() }
        };
        let order = match (best(left.1), best(right.1)) {
            (Some(left), Some(right)) if descending => right.cmp(&left),
            (Some(left), Some(right)) => left.cmp(&right),
            (None, None) => Ordering::Equal,
            (left, _) => {
                if left.is_some() {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    left.0.cmp(right.0)
}
