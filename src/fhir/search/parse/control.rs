//! The parameters that shape an answer and do not filter it (FHIR R4 search §3.1.1.5).

use super::super::query::{Include, Query, SortKey, Summary, TotalMode};
use super::base_name;
use super::value::Refusal;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::{Knowledge, SearchKind};

/// Largest page that is given; a larger `_count` means this one.
pub const MAX_COUNT: usize = 1000;
const MAX_SORT_KEYS: usize = 4;
const MAX_ELEMENTS: usize = 100;

const CONTROLS: &[&str] =
    &["_sort", "_count", "_total", "_summary", "_elements", "_format", "_pretty", "_include", "_revinclude"];

/// Forms of `_format` that mean JSON. A plus sign may arrive as the blank that it decodes to.
const JSON: &[&str] = &["json", "application/json", "text/json", "application/fhir+json", "application/fhir json"];

pub(super) fn is_control(base: &str) -> bool {
    CONTROLS.contains(&base)
}

pub(super) fn read(knowledge: &Knowledge, query: &mut Query, name: &str, value: &str) -> Result<(), Refusal> {
    let base = base_name(name);
    let suffix = name.get(base.len()..).unwrap_or_default();
    match (base, suffix) {
        ("_include", "" | ":iterate") => {
            let edge = include(knowledge, value, !suffix.is_empty())?;
            if edge.source != query.resource_type && !edge.iterate {
                return Err(Refusal::Value("an include starts from the type that is searched"));
            }
            query.includes.push(edge);
            Ok(())
        }
        ("_revinclude", "" | ":iterate") => {
            let edge = include(knowledge, value, !suffix.is_empty())?;
            query.revincludes.push(edge);
            Ok(())
        }
        (_, ":" | ".") => Err(Refusal::Value("a modifier is empty")),
        (_, suffix) if !suffix.is_empty() => Err(Refusal::NotSupported("this parameter takes no such modifier")),
        ("_sort", _) => sort(knowledge, query, value),
        ("_count", _) => once(&mut query.count, count(value)),
        ("_total", _) => once(
            &mut query.total,
            [TotalMode::None, TotalMode::Estimate, TotalMode::Accurate].into_iter().find(|mode| mode.as_str() == value),
        ),
        ("_summary", _) => once(
            &mut query.summary,
            [Summary::True, Summary::Text, Summary::Data, Summary::Count, Summary::False]
                .into_iter()
                .find(|mode| mode.as_str() == value),
        ),
        ("_elements", _) => elements(query, value),
        ("_format", _) => {
            let form = value.split(';').next().unwrap_or_default().trim();
            if JSON.contains(&form) { Ok(()) } else { Err(Refusal::NotSupported("only JSON is served")) }
        }
        _ => Ok(()),
    }
}

/// Sets a parameter that may be given once.
fn once<T>(slot: &mut Option<T>, value: Option<T>) -> Result<(), Refusal> {
    let value = value.ok_or(Refusal::Value("not a value of this parameter"))?;
    if slot.replace(value).is_some() {
        return Err(Refusal::Value("this parameter is given twice"));
    }
    Ok(())
}

fn count(value: &str) -> Option<usize> {
    if value.is_empty() || value.len() > 9 || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    value.parse::<usize>().ok().map(|count| count.min(MAX_COUNT))
}

fn sort(knowledge: &Knowledge, query: &mut Query, value: &str) -> Result<(), Refusal> {
    if !query.sort.is_empty() {
        return Err(Refusal::Value("this parameter is given twice"));
    }
    let facts = knowledge.of(query.resource_type);
    let keys = value.split(',').map(|key| {
        let (descending, name) = match key.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, key),
        };
        if name.is_empty() {
            return Err(Refusal::Value("a sort key is empty"));
        }
        let parameter = facts.parameter(name).filter(|parameter| parameter.kind != SearchKind::Composite);
        let parameter = parameter.ok_or(Refusal::Unknown("this type cannot be sorted by this key"))?;
        Ok(SortKey { parameter: parameter.name.clone(), descending })
    });
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    if keys.len() > MAX_SORT_KEYS {
        return Err(Refusal::NotSupported("more than four sort keys are not served"));
    }
    query.sort = keys;
    Ok(())
}

fn elements(query: &mut Query, value: &str) -> Result<(), Refusal> {
    for element in value.split(',') {
        let plausible = (1..=64).contains(&element.len()) && element.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plausible || query.elements.len() >= MAX_ELEMENTS {
            return Err(Refusal::Value("not a list of top-level element names"));
        }
        query.elements.push(element.to_owned());
    }
    Ok(())
}

/// `Type:parameter` or `Type:parameter:Target`. Wildcards are never served: each edge has to be named.
fn include(knowledge: &Knowledge, value: &str, iterate: bool) -> Result<Include, Refusal> {
    const TEXT: &str = "this include is not served";
    let mut parts = value.split(':');
    let source = parts.next().and_then(ResourceType::parse).ok_or(Refusal::NotSupported(TEXT))?;
    let name = parts.next().ok_or(Refusal::Value("an include names a type and a parameter"))?;
    let parameter = knowledge
        .of(source)
        .parameter(name)
        .filter(|parameter| parameter.kind == SearchKind::Reference)
        .ok_or(Refusal::NotSupported(TEXT))?;
    let target = match parts.next() {
        Some(target) => Some(
            ResourceType::parse(target)
                .filter(|target| parameter.targets.contains(target))
                .ok_or(Refusal::NotSupported(TEXT))?,
        ),
        None => None,
    };
    if parts.next().is_some() {
        return Err(Refusal::Value("an include has a part too many"));
    }
    Ok(Include { source, parameter: parameter.name.clone(), target, iterate })
}
