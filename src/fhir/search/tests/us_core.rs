//! Every search that US Core requires, over its reference patients, with values drawn from the data: what comes back is
//! exactly what an independent reading of the same JSON selects, and it is not nothing. Skips without the shared data.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::civil::Date;
use jiff::{ToSpan, tz::TimeZone};
use serde_json::Value as Json;

use super::model::{codes, date_matches, element_range, plain, token_matches};
use super::*;
use crate::fhir::knowledge::{DataType, Expectation, PathCondition, SearchKind, SearchParameter, TypeFacts};

struct Sample {
    tree: Json,
    scanned: RawResource,
}

fn samples() -> Option<BTreeMap<ResourceType, Vec<Sample>>> {
    let root = std::env::var_os("CHARTGATE_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
    let mut samples = BTreeMap::<ResourceType, Vec<Sample>>::new();
    for name in ["patient_85", "patient_355", "patient_907", "patient_908", "patient_client_test"] {
        let path = root.join(format!("data/inferno/uscore_bundle_{name}.json"));
        // The transactions refer to their entries by URN; a server that took them would have put Type/id in its place.
        let mut text = std::fs::read_to_string(path).ok()?;
        let transaction: Json = serde_json::from_str(&text).unwrap();
        for entry in transaction["entry"].as_array().unwrap() {
            if let Some(urn) = entry["fullUrl"].as_str().filter(|url| url.starts_with("urn:uuid:")) {
                let (kind, id) = (&entry["resource"]["resourceType"], &entry["resource"]["id"]);
                text = text.replace(urn, &format!("{}/{}", kind.as_str().unwrap(), id.as_str().unwrap()));
            }
        }
        let bundle: Json = serde_json::from_str(&text).unwrap();
        for entry in bundle["entry"].as_array().unwrap() {
            let tree = entry["resource"].clone();
            let Some(resource_type) = tree["resourceType"].as_str().and_then(ResourceType::parse) else { continue };
            let known = samples.entry(resource_type).or_default();
            if !known.iter().any(|known| known.tree["id"] == tree["id"]) {
                let scanned = resource(&tree.to_string());
                known.push(Sample { tree, scanned });
            }
        }
    }
    Some(samples)
}

fn walk<'a>(value: &'a Json, path: &str, into: &mut Vec<&'a Json>) {
    match (value, path.split_once('.').unwrap_or((path, ""))) {
        (Json::Array(items), _) => items.iter().for_each(|item| walk(item, path, into)),
        (value, ("", _)) => into.push(value),
        (value, (step, rest)) => value.get(step).into_iter().for_each(|next| walk(next, rest, into)),
    }
}

/// The elements that a parameter reads, each with its datatype.
fn elements<'a>(facts: &TypeFacts, parameter: &SearchParameter, tree: &'a Json) -> Vec<(&'a Json, DataType)> {
    let mut all = Vec::new();
    for path in &parameter.paths {
        let mut found = Vec::new();
        walk(tree, facts.shape.path(path.capture).unwrap(), &mut found);
        for element in found {
            match &path.condition {
                None => all.push((element, path.datatype)),
                Some(PathCondition::Target(target)) => {
                    let reference = element["reference"].as_str().unwrap_or_default();
                    if reference.starts_with(&format!("{target}/")) {
                        all.push((element, path.datatype));
                    }
                }
                Some(PathCondition::Member { name, value }) if element[name] == *value => {
                    all.push((element, path.datatype));
                }
                Some(PathCondition::Extension { url, nested: false, value }) if element["url"] == *url => {
                    all.extend(element.get(value).map(|element| (element, path.datatype)));
                }
                Some(PathCondition::Extension { url, nested: true, value }) if element["url"] == *url => {
                    let inner = element["extension"].as_array().unwrap();
                    all.extend(inner.iter().filter_map(|inner| inner.get(value)).map(|e| (e, path.datatype)));
                }
                Some(_) => {}
            }
        }
    }
    all
}

/// The texts of a string element, longest part of its type first.
fn texts(element: &Json, datatype: DataType) -> Vec<String> {
    let parts: &[&str] = match datatype {
        DataType::HumanName => &["family", "given", "text", "prefix", "suffix"],
        DataType::Address => &["city", "line", "state", "postalCode", "country", "district", "text"],
        _ => return element.as_str().map(str::to_owned).into_iter().collect(),
    };
    let mut found = Vec::new();
    parts.iter().for_each(|part| walk(element, part, &mut found));
    found.into_iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn moved(date: &str, days: i64) -> String {
    let date: Date = date.get(..10).unwrap_or("2000-01-01").parse().unwrap();
    let moved = date.to_zoned(TimeZone::UTC).unwrap().checked_add(days.days()).unwrap();
    moved.date().to_string()
}

/// The values by which a client would look for this element.
fn values(parameter: &SearchParameter, element: &Json, datatype: DataType, comparators: bool) -> Vec<String> {
    match parameter.kind {
        SearchKind::Token => codes(element)
            .into_iter()
            .flat_map(|(system, code)| match system.as_deref() {
                None | Some("*") => vec![code],
                Some(system) => vec![format!("{system}|{code}"), code],
            })
            .collect(),
        SearchKind::String => {
            let texts = texts(element, datatype);
            let starts = texts.iter().map(|text| text.chars().take(3).collect::<String>());
            texts.iter().cloned().chain(starts.clone().map(|start| start.to_uppercase())).collect()
        }
        // A canonical is a reference by URL.
        SearchKind::Reference if element.is_string() => {
            let url = element.as_str().unwrap_or_default();
            vec![url.to_owned(), url.split('|').next().unwrap_or_default().to_owned()]
        }
        SearchKind::Reference => {
            let reference = element["reference"].as_str().unwrap_or_default();
            let id = reference.rsplit('/').next().unwrap_or_default();
            vec![reference.to_owned(), id.to_owned(), format!("{BASE}/{reference}")]
        }
        SearchKind::Date => {
            let (point, bound) = match element {
                Json::String(text) => (Some(text.clone()), text.clone()),
                period => (None, period["start"].as_str().or(period["end"].as_str()).unwrap().to_owned()),
            };
            let mut values: Vec<_> = point.into_iter().collect();
            if bound.len() >= 10 {
                if comparators || values.is_empty() {
                    values.extend([format!("gt{}", moved(&bound, -2)), format!("ge{}", moved(&bound, -2))]);
                }
                if comparators {
                    values.extend([format!("lt{}", moved(&bound, 2)), format!("le{}", moved(&bound, 2))]);
                }
            }
            values
        }
        _ => element.as_str().map(str::to_owned).into_iter().collect(),
    }
}

/// The independent answer.
fn selects(parameter: &SearchParameter, value: &str, elements: &[(&Json, DataType)]) -> bool {
    match parameter.kind {
        SearchKind::Token if parameter.name == "_id" => {
            elements.iter().any(|(element, _)| element.as_str() == Some(value))
        }
        SearchKind::Token => {
            token_matches(value, &elements.iter().flat_map(|(element, _)| codes(element)).collect::<Vec<_>>())
        }
        SearchKind::String => elements
            .iter()
            .any(|(element, datatype)| texts(element, *datatype).iter().any(|t| plain(t).starts_with(&plain(value)))),
        SearchKind::Reference => elements.iter().any(|(element, _)| {
            if let Some(url) = element.as_str() {
                return url == value || url.split('|').next() == Some(value);
            }
            let reference = element["reference"].as_str().unwrap_or_default();
            reference == value
                || reference.rsplit('/').next() == Some(value)
                || value.strip_prefix(BASE) == Some(&format!("/{reference}"))
        }),
        SearchKind::Date => {
            elements.iter().filter_map(|(element, _)| element_range(element)).any(|range| date_matches(value, range))
        }
        _ => elements.iter().any(|(element, _)| {
            element.as_str().is_some_and(|text| text == value || text.split('|').next() == Some(value))
        }),
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace(',', "\\,").replace('$', "\\$")
}

#[test]
fn required_searches_find_exactly_what_the_data_holds() {
    let Some(samples) = samples() else {
        println!("skipped: no shared data");
        return;
    };
    let (mut searches, mut queries, mut without_data) = (0, 0, Vec::new());
    for resource_type in ResourceType::ALL {
        let facts = knowledge().of(*resource_type);
        let pool = samples.get(resource_type).map_or(&[][..], Vec::as_slice);
        for required in &facts.required_searches {
            let parameters: Vec<_> = required
                .parameters
                .iter()
                .map(|wanted| (facts.parameter(&wanted.name).unwrap(), !wanted.comparators.is_empty()))
                .collect();
            // Values per parameter, from the first resource that has all of them.
            let drawn = pool.iter().find_map(|sample| {
                let drawn: Vec<Vec<String>> = parameters
                    .iter()
                    .map(|(parameter, comparators)| {
                        elements(facts, parameter, &sample.tree)
                            .into_iter()
                            .flat_map(|(element, datatype)| values(parameter, element, datatype, *comparators))
                            .filter(|value| !value.is_empty())
                            .collect()
                    })
                    .collect();
                drawn.iter().all(|values| !values.is_empty()).then_some(drawn)
            });
            let Some(drawn) = drawn else {
                let names: Vec<_> = parameters.iter().map(|(parameter, _)| parameter.name.as_str()).collect();
                without_data.push(format!(
                    "{resource_type}?{}{}",
                    names.join("+"),
                    if required.expectation == Expectation::Shall { " (SHALL)" } else { "" }
                ));
                continue;
            };
            searches += 1;
            let most = drawn.iter().map(Vec::len).max().unwrap();
            for turn in 0..most {
                let chosen: Vec<_> =
                    parameters.iter().zip(&drawn).map(|((p, _), values)| (*p, &values[turn % values.len()])).collect();
                let pairs: Vec<_> =
                    chosen.iter().map(|(parameter, value)| (parameter.name.clone(), escaped(value))).collect();
                let query = parse(knowledge(), *resource_type, &pairs, Handling::Strict)
                    .unwrap_or_else(|e| panic!("{resource_type} {pairs:?}: {e}"));
                let mut hits = 0;
                for sample in pool {
                    let expected = chosen
                        .iter()
                        .all(|(parameter, value)| selects(parameter, value, &elements(facts, parameter, &sample.tree)));
                    let actual = matches(&query, &sample.scanned, &evaluation());
                    assert_eq!(actual, expected, "{resource_type}/{} for {pairs:?}", sample.tree["id"]);
                    hits += usize::from(actual);
                }
                assert!(hits > 0, "nothing for {resource_type} {pairs:?}");
                queries += 1;
            }
        }
    }
    println!("{searches} required searches in {queries} queries; without data: {}", without_data.join(", "));
    assert!(searches >= 60 && queries >= 200, "{searches} {queries}");
}
