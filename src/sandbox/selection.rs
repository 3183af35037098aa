//! Which resources a search selects, and in which order: the shared evaluator over an index.

use axum::http::StatusCode;

use super::document::local_key;
use super::ehr::Ehr;
use super::outcome::Answer;
use super::store::{Shelf, Stored};
use crate::fhir::ResourceType;
use crate::fhir::knowledge::Knowledge;
use crate::fhir::search::{
    self, Criterion, Evaluation, Handling, Query, ReferenceValue, SortValue, Summary, TokenValue, TotalMode, Value,
};

/// A search, understood.
#[derive(Debug)]
pub(super) enum Selection {
    /// Of a type that the knowledge tables have.
    Known(Box<Query>),
    /// Of another type: only `_id` and paging are understood.
    Other { ids: Option<Vec<String>>, count: Option<usize>, count_only: bool, without_total: bool },
}

impl Selection {
    pub(super) fn parse(ehr: &Ehr, type_name: &str, pairs: &[(String, String)]) -> Result<Self, Answer> {
        let strict = ehr.settings.strict_parameters;
        let Some(resource_type) = ResourceType::parse(type_name) else { return Self::other(pairs, strict) };
        let handling = if strict { Handling::Strict } else { Handling::Lenient };
        let mut query = search::parse(ehr.knowledge, resource_type, pairs, handling)
            .map_err(|error| Answer::outcome(StatusCode::BAD_REQUEST, error.code.as_str(), &error.to_string()))?;
        // Whole resources are served whatever these ask for; the `self` link does not claim otherwise.
        query.elements.clear();
        query.summary = query.summary.filter(|summary| *summary == Summary::Count);
        Ok(Self::Known(Box::new(query)))
    }

    fn other(pairs: &[(String, String)], strict: bool) -> Result<Self, Answer> {
        let (mut ids, mut count, mut count_only, mut without_total) = (None, None, false, false);
        for (name, value) in pairs {
            let refused = |code, what| Answer::outcome(StatusCode::BAD_REQUEST, code, &format!("{name} {what}"));
            match name.as_str() {
                "_id" => ids = Some(value.split(',').map(str::to_owned).collect()),
                "_count" => count = Some(value.parse().map_err(|_| refused("value", "is not a number"))?),
                "_summary" => count_only = value == "count",
                "_total" => without_total = value == "none",
                "_format" | "_pretty" => {}
                _ if strict => return Err(refused("not-supported", "is not known for this type")),
                _ => {}
            }
        }
        Ok(Self::Other { ids, count, count_only, without_total })
    }

    /// Entries on a page, as asked for.
    pub(super) fn count(&self) -> Option<usize> {
        match self {
            Self::Known(query) => query.count,
            Self::Other { count, .. } => *count,
        }
    }

    pub(super) fn count_only(&self) -> bool {
        match self {
            Self::Known(query) => query.summary == Some(Summary::Count),
            Self::Other { count_only, .. } => *count_only,
        }
    }

    pub(super) fn without_total(&self) -> bool {
        match self {
            Self::Known(query) => query.total == Some(TotalMode::None),
            Self::Other { without_total, .. } => *without_total,
        }
    }

    /// The parameters that are acted on, for the `self` link.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        match self {
            Self::Known(query) => query.to_pairs(),
            Self::Other { ids, count, count_only, without_total } => {
                let ids = ids.as_ref().map(|ids| ("_id", ids.join(",")));
                let count = count.map(|count| ("_count", count.to_string()));
                let summary = count_only.then(|| ("_summary", "count".to_owned()));
                let total = without_total.then(|| ("_total", "none".to_owned()));
                let all = [ids, count, summary, total].into_iter().flatten();
                all.map(|(name, value)| (name.to_owned(), value)).collect()
            }
        }
    }

    /// The matches in the order asked for, else in order of arrival.
    pub(super) fn select<'a>(&self, ehr: &Ehr, shelf: &'a Shelf) -> Vec<&'a Stored> {
        match self {
            Self::Known(query) => select(ehr, query, shelf),
            Self::Other { ids: Some(ids), .. } => by_ids(shelf, ids.iter().map(String::as_str)),
            Self::Other { ids: None, .. } => shelf.iter().collect(),
        }
    }
}

fn select<'a>(ehr: &Ehr, query: &Query, shelf: &'a Shelf) -> Vec<&'a Stored> {
    let cx = Evaluation { knowledge: ehr.knowledge, base: Some(&ehr.base), now: ehr.clock.now() };
    let mut matches = candidates(ehr.knowledge, query, shelf, &ehr.base);
    matches.retain(|stored| stored.scanned.as_ref().is_some_and(|resource| search::matches(query, resource, &cx)));
    if query.sort.is_empty() {
        return matches;
    }
    let mut keyed: Vec<(Vec<SortValue>, &Stored)> = matches
        .into_iter()
        .map(|stored| {
            let resource = stored.scanned.iter();
            let keys = resource.flat_map(|one| query.sort.iter().map(|key| search::sort_key(key, one, &cx))).collect();
            (keys, stored)
        })
        .collect();
    // Stable: ties stay in order of arrival, on every page alike.
    keyed.sort_by(|(left, _), (right, _)| left.cmp(right));
    keyed.into_iter().map(|(_, stored)| stored).collect()
}

/// A superset of the matches in order of arrival, by the narrowest index that a criterion allows.
fn candidates<'a>(knowledge: &Knowledge, query: &Query, shelf: &'a Shelf, base: &str) -> Vec<&'a Stored> {
    let narrowed = query.criteria.iter().filter_map(|criterion| {
        if criterion.parameter == "_id" {
            let ids = criterion.values.iter().map(|value| match value {
                Value::Token(TokenValue::Code(id)) => Some(id.as_str()),
                _ => None,
            });
            return ids.collect::<Option<Vec<&str>>>().map(|ids| by_ids(shelf, ids.into_iter()));
        }
        referred_to(knowledge, query.resource_type, criterion, base).map(|keys| shelf.referring_to(&keys))
    });
    narrowed.min_by_key(Vec::len).unwrap_or_else(|| shelf.iter().collect())
}

fn by_ids<'a, 'i>(shelf: &'a Shelf, ids: impl Iterator<Item = &'i str>) -> Vec<&'a Stored> {
    let mut found: Vec<&Stored> = ids.filter_map(|id| shelf.get(id)).collect();
    found.sort_by_key(|stored| stored.sequence);
    found.dedup_by_key(|stored| stored.sequence);
    found
}

/// The `Type/id` of which a match must refer to at least one; `None` when the criterion does not say that.
fn referred_to(
    knowledge: &Knowledge,
    resource_type: ResourceType,
    criterion: &Criterion,
    base: &str,
) -> Option<Vec<String>> {
    if criterion.modifier.is_some() {
        return None;
    }
    let mut keys = Vec::new();
    for value in &criterion.values {
        match value {
            Value::Reference(ReferenceValue::Local { resource_type: Some(target), id }) => {
                keys.push(format!("{target}/{id}"));
            }
            Value::Reference(ReferenceValue::Local { resource_type: None, id }) => {
                let parameter = knowledge.of(resource_type).parameter(&criterion.parameter)?;
                keys.extend(parameter.targets.iter().map(|target| format!("{target}/{id}")));
            }
            Value::Reference(ReferenceValue::Url(url)) => keys.push(local_key(url, base)?),
            _ => return None,
        }
    }
    Some(keys)
}
