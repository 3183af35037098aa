//! From decoded name-value pairs to a [`Query`]. This is the one parser: GET, POST `_search`, batch entries, scope
//! constraints and page links all come through here.

mod control;
mod value;

pub use control::MAX_COUNT;

use super::query::{Criterion, Handling, Query, SearchError, SearchErrorCode};
use crate::fhir::ResourceType;
use crate::fhir::knowledge::{Knowledge, Modifier, SearchKind, SearchParameter, TypeFacts};
use value::Refusal;

/// Parameters that a query may have.
pub const MAX_PARAMETERS: usize = 200;
/// Bytes of all names and values together.
pub const MAX_BYTES: usize = 64 * 1024;
/// Values of one parameter, joined by commas.
pub const MAX_VALUES: usize = 200;

/// Refused whatever the handling: each of these could widen a result, or tell about what is not shown.
const REFUSED: &[&str] = &[
    "_has",
    "_filter",
    "_query",
    "_text",
    "_content",
    "_list",
    "_in",
    "_contained",
    "_containedType",
    "_source",
    "_security",
    "_profile",
    "_type",
];

/// Reads the parameters of a search of `resource_type`. Names and values are percent-decoded already. `_include` and
/// `_revinclude` come out as data; whether an edge may be followed is the caller's decision.
///
/// # Errors
/// `NotSupported` for what is never served, and under strict handling for every unknown parameter; `Value` for a value
/// that does not fit a known parameter, whatever the handling; `TooLong` beyond the limits above.
pub fn parse(
    knowledge: &Knowledge,
    resource_type: ResourceType,
    pairs: &[(String, String)],
    handling: Handling,
) -> Result<Query, SearchError> {
    let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    if pairs.len() > MAX_PARAMETERS || bytes > MAX_BYTES {
        return Err(SearchError {
            parameter: String::new(),
            code: SearchErrorCode::TooLong,
            text: "the search has more than 200 parameters or 65,536 bytes",
        });
    }
    let mut query = Query::all(resource_type);
    let facts = knowledge.of(resource_type);
    for (name, value) in pairs {
        let parsed = if control::is_control(base_name(name)) {
            control::read(knowledge, &mut query, name, value)
        } else {
            criterion(facts, name, value).map(|criterion| query.criteria.push(criterion))
        };
        match parsed {
            Ok(()) => {}
            Err(Refusal::Unknown(_)) if handling == Handling::Lenient => query.ignored.push(printable(name)),
            Err(refusal) => return Err(refusal.into_error(printable(name))),
        }
    }
    query.canonicalise();
    Ok(query)
}

/// The name before the first `:` or `.`: a qualified name is recognised by it, never by string equality.
fn base_name(name: &str) -> &str {
    name.split([':', '.']).next().unwrap_or_default()
}

fn criterion(facts: &TypeFacts, name: &str, value: &str) -> Result<Criterion, Refusal> {
    let base = base_name(name);
    if REFUSED.contains(&base) {
        return Err(Refusal::NotSupported("this parameter is not served"));
    }
    if name.contains('.') {
        return Err(Refusal::NotSupported("chained parameters are not served"));
    }
    let parameter = facts.parameter(base).ok_or(Refusal::Unknown("this parameter is not known for this type"))?;
    let suffix = name.split_once(':').map(|(_, suffix)| suffix);
    let (modifier, target) = match suffix {
        Some(suffix) => modifier(parameter, suffix)?,
        None => (None, None),
    };
    Ok(Criterion {
        parameter: parameter.name.clone(),
        modifier,
        values: value::values(facts, parameter, modifier, target, value)?,
    })
}

/// The modifier, or the target type that stands in its place.
fn modifier(parameter: &SearchParameter, suffix: &str) -> Result<(Option<Modifier>, Option<ResourceType>), Refusal> {
    const TEXT: &str = "this modifier is not served for this parameter";
    let target = ResourceType::parse(suffix);
    let modifier = match target {
        Some(_) => Some(Modifier::Type),
        None => Modifier::parse(suffix).filter(|modifier| *modifier != Modifier::Type),
    };
    let allowed = modifier.filter(|modifier| parameter.modifiers.contains(modifier));
    match (allowed, target) {
        (Some(_), Some(target)) if parameter.targets.contains(&target) => Ok((None, Some(target))),
        (Some(modifier), None) => Ok((Some(modifier), None)),
        // Dropping these would change whose record is asked for.
        _ if parameter.name == "_id" || parameter.kind == SearchKind::Reference => Err(Refusal::NotSupported(TEXT)),
        _ => Err(Refusal::Unknown(TEXT)),
    }
}

/// A client's parameter name as it may be shown back: short, and nothing but printable ASCII.
fn printable(name: &str) -> String {
    name.chars().take(64).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}
