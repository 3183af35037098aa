//! Whether a resource matches a query. What cannot be decided does not match.

use super::date::{self, Interval};
use super::fragment::Fragment;
use super::query::{Criterion, Query, Value};
use super::string::{self, Comparison};
use super::{composite, quantity, reference, token, uri};
use crate::base::clock::Instant;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::{DataType, Knowledge, Modifier, PathCondition, SearchParameter, SearchPath};
use crate::fhir::scan::RawResource;

/// What the evaluation of a query needs beside the resource.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation<'a> {
    /// The tables by which the resource was scanned.
    pub knowledge: &'a Knowledge,
    /// Base URL of the source that the resource is from: absolute references below it are local ones.
    pub base: Option<&'a str>,
    /// The time now, for `ap`.
    pub now: Instant,
}

/// Whether the resource is of the query's type and satisfies all of its criteria.
#[must_use]
pub fn matches(query: &Query, resource: &RawResource, cx: &Evaluation<'_>) -> bool {
    query.resource_type == resource.facts.resource_type
        && query.criteria.iter().all(|criterion| criterion_holds(criterion, resource, cx))
}

fn criterion_holds(criterion: &Criterion, resource: &RawResource, cx: &Evaluation<'_>) -> bool {
    let facts = cx.knowledge.of(resource.facts.resource_type);
    let Some(parameter) = facts.parameter(&criterion.parameter) else { return false };
    let any = |value: &Value| value_holds(value, criterion.modifier, parameter, resource, cx);
    match criterion.modifier {
        // A constant false stays false when it is negated: what was taken out of it may not be asked about at all.
        Some(Modifier::Not) => !criterion.values.is_empty() && !criterion.values.iter().any(any),
        _ => criterion.values.iter().any(any),
    }
}

fn value_holds(
    value: &Value,
    modifier: Option<Modifier>,
    parameter: &SearchParameter,
    resource: &RawResource,
    cx: &Evaluation<'_>,
) -> bool {
    match (value, parameter.name.as_str()) {
        (Value::Token(super::TokenValue::Code(id)), "_id") => return resource.id() == Some(id.as_str()),
        (Value::Date(comparator, wanted), "_lastUpdated") => {
            return last_updated(resource)
                .is_some_and(|found| date::compare(*comparator, wanted.interval(), found, cx.now));
        }
        (Value::Missing(missing), "_id") => return resource.id().is_none() == *missing,
        (Value::Missing(missing), "_lastUpdated") => return last_updated(resource).is_none() == *missing,
        _ => {}
    }
    if let Some(computed) = existence(parameter, resource) {
        return match value {
            Value::Token(wanted) => token::holds_boolean(wanted, computed),
            Value::Missing(missing) => !missing,
            _ => false,
        };
    }
    match value {
        Value::Missing(missing) => {
            *missing != any_element(&parameter.paths, resource, cx, &mut |found, _| found.has_value())
        }
        Value::Composite(parts) => composite::holds(parts, parameter, resource, cx),
        value => any_element(&parameter.paths, resource, cx, &mut |found, datatype| {
            element_holds(value, modifier, found, datatype, &parameter.targets, cx)
        }),
    }
}

/// Whether one element satisfies one value.
pub(super) fn element_holds(
    value: &Value,
    modifier: Option<Modifier>,
    found: Fragment<'_>,
    datatype: DataType,
    targets: &[ResourceType],
    cx: &Evaluation<'_>,
) -> bool {
    match value {
        Value::Token(wanted) => token::holds(wanted, found, datatype),
        Value::String(wanted) if modifier == Some(Modifier::Text) => {
            token::text_holds(found, datatype, &|text| Comparison::Prefix.holds(wanted, text))
        }
        Value::String(wanted) => {
            let comparison = match modifier {
                Some(Modifier::Exact) => Comparison::Exact,
                Some(Modifier::Contains) => Comparison::Contains,
                _ => Comparison::Prefix,
            };
            string::any_part(found, datatype, &mut |text| comparison.holds(wanted, text))
        }
        Value::Reference(wanted) => reference::holds(wanted, found, datatype, targets, cx.base),
        Value::Date(comparator, wanted) => date::intervals(found, datatype)
            .is_some_and(|found| date::compare(*comparator, wanted.interval(), found, cx.now)),
        Value::Number(comparator, wanted) => {
            quantity::numbers(found, datatype).is_some_and(|found| quantity::compare(*comparator, *wanted, found))
        }
        Value::Quantity(comparator, wanted, unit) => {
            quantity::unit_holds(unit, found, datatype)
                && quantity::numbers(found, datatype)
                    .is_some_and(|found| quantity::compare(*comparator, *wanted, found))
        }
        Value::Uri(wanted) => found.text().is_some_and(|text| uri::holds(wanted, modifier, &text, datatype)),
        Value::Missing(_) | Value::Composite(_) => false,
    }
}

/// `meta.lastUpdated` as a point in time.
pub(super) fn last_updated(resource: &RawResource) -> Option<Interval> {
    let text = std::str::from_utf8(resource.facts.last_updated?.of(&resource.bytes)).ok()?;
    date::point_of(text)
}

/// The value of a parameter that asks whether something is so (`deceased`), `None` for every other parameter.
pub(super) fn existence(parameter: &SearchParameter, resource: &RawResource) -> Option<bool> {
    let mut paths = parameter.paths.iter().filter(|path| path.condition == Some(PathCondition::Exists)).peekable();
    paths.peek()?;
    Some(paths.any(|path| resource.captured(path.capture).any(|found| found.boolean() != Some(false))))
}

/// Whether some element at the paths, whose condition holds, satisfies `f`.
pub(super) fn any_element(
    paths: &[SearchPath],
    resource: &RawResource,
    cx: &Evaluation<'_>,
    f: &mut dyn FnMut(Fragment<'_>, DataType) -> bool,
) -> bool {
    paths.iter().any(|path| {
        resource.captured(path.capture).any(|found| match &path.condition {
            None => f(found, path.datatype),
            Some(PathCondition::Target(target)) => {
                reference::points_to(found, *target, cx.base) && f(found, path.datatype)
            }
            Some(PathCondition::Member { name, value }) => {
                found.get(name).and_then(Fragment::text).is_some_and(|text| text == value.as_str())
                    && f(found, path.datatype)
            }
            Some(PathCondition::Extension { url, nested, value }) => {
                let is_it = found.get("url").and_then(Fragment::text).is_some_and(|text| text == url.as_str());
                let inner = found.get("extension").filter(|_| *nested);
                let holders = if *nested { inner } else { Some(found) };
                is_it
                    && holders
                        .into_iter()
                        .flat_map(Fragment::each)
                        .filter_map(|holder| holder.get(value))
                        .any(|found| f(found, path.datatype))
            }
            Some(PathCondition::Exists) => false,
        })
    })
}
