//! Whether a resource matches a search.

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::parameters::{Parameter, ParameterKind, parameter};
use super::{at, date, local, number};

/// What a search is evaluated with.
#[derive(Clone, Copy)]
pub(crate) struct Evaluation<'a> {
    /// Base URL of the server that holds the resource.
    pub(crate) base: &'a str,
    /// Base URL of the gateway.
    pub(crate) gateway: &'a str,
    /// The id at the gateway of a resource of this type and id at that server.
    pub(crate) gateway_id: &'a dyn Fn(&str, &str) -> Option<String>,
}

/// Whether all parameters hold.
pub(crate) fn matches(resource: &Value, pairs: &[(String, String)], cx: Evaluation<'_>) -> bool {
    pairs.iter().filter(|(name, _)| !is_control(name)).all(|(name, value)| holds(resource, name, value, cx))
}

fn is_control(name: &str) -> bool {
    ["_sort", "_count", "_total", "_summary", "_elements", "_format", "_pretty"].contains(&name)
}

fn holds(resource: &Value, name: &str, text: &str, cx: Evaluation<'_>) -> bool {
    let resource_type = resource["resourceType"].as_str().unwrap();
    let (name, modifier) = name.split_once(':').map_or((name, ""), |(name, modifier)| (name, modifier));
    if name == "_id" {
        let id = (cx.gateway_id)(resource_type, resource["id"].as_str().unwrap());
        return split(text, ',').iter().any(|wanted| Some(wanted) == id.as_ref());
    }
    let parameter = parameter(resource_type, name);
    let mut values = split(text, ',').into_iter();
    match modifier {
        "missing" => values_at(resource, &parameter).is_empty() == (text == "true"),
        "not" => !values.any(|value| value_holds(resource, &parameter, "", &value, cx)),
        _ => values.any(|value| value_holds(resource, &parameter, modifier, &value, cx)),
    }
}

/// The elements that a parameter looks at.
pub(crate) fn values_at<'v>(resource: &'v Value, parameter: &Parameter) -> Vec<&'v Value> {
    parameter.paths.iter().flat_map(|path| at(resource, path)).collect()
}

fn value_holds(resource: &Value, parameter: &Parameter, modifier: &str, value: &str, cx: Evaluation<'_>) -> bool {
    if parameter.kind == ParameterKind::Composite {
        let parts = split(value, '$');
        return at(resource, parameter.paths[0])
            .into_iter()
            .chain(parameter.paths[0].is_empty().then_some(resource))
            .any(|element| {
                parameter.components.iter().zip(&parts).all(|((path, kind), part)| {
                    let part_of = Parameter { kind: *kind, paths: vec![path], target: None, components: Vec::new() };
                    value_holds(element, &part_of, "", part, cx)
                })
            });
    }
    values_at(resource, parameter).into_iter().any(|found| match parameter.kind {
        ParameterKind::Date => {
            let (prefix, rest) = prefix(value);
            date::of(found).is_some_and(|found| date::holds(prefix, date::span(rest).unwrap(), found))
        }
        ParameterKind::Instant => {
            let (prefix, rest) = prefix(value);
            let found = date::of(found).map(|span| (span.0, span.0 + 1));
            found.is_some_and(|found| date::holds(prefix, date::span(rest).unwrap(), found))
        }
        ParameterKind::Number => {
            let (prefix, rest) = prefix(value);
            number::parse(&found.to_string())
                .is_some_and(|(n, _)| number::holds(prefix, number::parse(rest).unwrap(), n))
        }
        ParameterKind::Quantity => quantity(value, found),
        ParameterKind::String => words(found).iter().any(|word| match modifier {
            "exact" => word == &unescape(value),
            "contains" => fold(word).contains(&fold(&unescape(value))),
            _ => fold(word).starts_with(&fold(&unescape(value))),
        }),
        ParameterKind::Token if modifier == "text" => {
            let displays = at(found, "coding>display").into_iter().chain(at(found, "text"));
            displays.filter_map(Value::as_str).any(|text| fold(text).starts_with(&fold(value)))
        }
        ParameterKind::Token => token(value, found),
        ParameterKind::Uri => found == &Value::String(unescape(value)),
        ParameterKind::Reference => reference(&unescape(value), modifier, found, parameter.target, cx),
        ParameterKind::Composite => false,
    })
}

fn prefix(value: &str) -> (&str, &str) {
    match value.get(..2) {
        Some(prefix @ ("eq" | "ne" | "gt" | "lt" | "ge" | "le" | "sa" | "eb")) => (prefix, &value[2..]),
        _ => ("eq", value),
    }
}

fn quantity(value: &str, found: &Value) -> bool {
    let parts = split(value, '|');
    let (prefix, wanted) = prefix(&parts[0]);
    let Some((amount, _)) = found.get("value").and_then(|value| number::parse(&value.to_string())) else {
        return false;
    };
    if found.get("comparator").is_some() {
        panic!("no fixture has a comparator");
    }
    let unit = match parts.get(2) {
        None => true,
        Some(code) if parts[1].is_empty() => found["code"] == **code || found["unit"] == **code,
        Some(code) => found["system"] == *parts[1] && found["code"] == **code,
    };
    unit && number::holds(prefix, number::parse(wanted).unwrap(), amount)
}

/// System and code of everything in an element that a token can name.
pub(crate) fn tokens(found: &Value) -> Vec<(Option<&str>, String)> {
    match found {
        Value::String(code) => vec![(None, code.clone())],
        Value::Bool(value) => vec![(None, value.to_string())],
        Value::Number(value) => vec![(None, value.to_string())],
        Value::Object(_) => match found.get("coding") {
            Some(Value::Array(codings)) => codings.iter().flat_map(tokens).collect(),
            _ => {
                let code = found["code"].as_str().or(found["value"].as_str());
                let is_contact = matches!(
                    found["system"].as_str(),
                    Some("phone" | "email" | "fax" | "sms" | "url" | "pager" | "other")
                );
                let system = found["system"].as_str().filter(|_| !is_contact);
                code.map(|code| (system, code.to_owned())).into_iter().collect()
            }
        },
        _ => Vec::new(),
    }
}

fn token(value: &str, found: &Value) -> bool {
    let parts = split(value, '|');
    // A `code` carries no system: those of its own bindings fit it, those of terminologies do not.
    let bare = found.is_string();
    let fits_bare = |system: &str| {
        bare && (system.starts_with("http://hl7.org/fhir/")
            || system.starts_with("http://terminology.hl7.org/CodeSystem/"))
    };
    tokens(found).into_iter().any(|(system, code)| match parts.as_slice() {
        [wanted] => code.eq_ignore_ascii_case(wanted),
        [wanted, any] if any.is_empty() => system == Some(wanted) || fits_bare(wanted),
        [none, wanted] if none.is_empty() => system.is_none() && code.eq_ignore_ascii_case(wanted),
        [wanted, wanted_code] => {
            (system == Some(wanted) || fits_bare(wanted)) && code.eq_ignore_ascii_case(wanted_code)
        }
        _ => panic!("{value} is no token"),
    })
}

fn reference(value: &str, modifier: &str, found: &Value, target: Option<&str>, cx: Evaluation<'_>) -> bool {
    let text = found["reference"].as_str().or(found.as_str());
    let Some((found_type, found_id)) = text.and_then(|text| local(text, cx.base)) else { return text == Some(value) };
    if target.is_some_and(|target| target != found_type) {
        return false;
    }
    let Some(at_gateway) = (cx.gateway_id)(&found_type, &found_id) else { return false };
    let value = value.strip_prefix(cx.gateway).map_or(value, |rest| rest.trim_start_matches('/'));
    match value.split_once('/') {
        Some((wanted_type, id)) => wanted_type == found_type && id == at_gateway,
        None => value == at_gateway && (modifier.is_empty() || modifier == found_type),
    }
}

/// The words of a string element, a name or an address.
pub(crate) fn words(found: &Value) -> Vec<String> {
    if let Some(text) = found.as_str() {
        return vec![text.to_owned()];
    }
    let is_name = found.get("family").is_some() || found.get("given").is_some();
    let parts: &[&str] = if is_name {
        &["family", "given", "prefix", "suffix", "text"]
    } else {
        &["line", "city", "district", "state", "postalCode", "country", "text"]
    };
    parts.iter().flat_map(|part| at(found, part)).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Without accents, case, punctuation and double spaces.
pub(crate) fn fold(text: &str) -> String {
    let plain: String = text.nfd().filter(|c| !unicode_normalization::char::is_combining_mark(*c)).collect();
    let kept: String =
        plain.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation() && !"‘’“”–—".contains(*c)).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The pieces between separators that are not escaped, with the escapes of `,` taken out when it is split at.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let last = pieces.last_mut().unwrap();
        match c {
            '\\' => match chars.next() {
                // Inner separators are still escaped when an outer one is split at.
                Some(next) if next == separator || separator != ',' => last.push(next),
                Some(next) => last.extend(['\\', next]),
                None => last.push('\\'),
            },
            c if c == separator => pieces.push(String::new()),
            c => last.push(c),
        }
    }
    pieces
}

fn unescape(text: &str) -> String {
    split(text, '\0').concat()
}
