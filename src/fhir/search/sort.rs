//! What a resource is sorted by, FHIR R4 search §3.1.1.5.1.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::evaluate::{Evaluation, any_element, existence, last_updated};
use super::fragment::Fragment;
use super::query::SortKey;
use super::{Decimal, date, quantity, string};
use crate::fhir::knowledge::{DataType, SearchKind};
use crate::fhir::reference::{ReferenceForm, parse_reference};
use crate::fhir::scan::RawResource;

/// A resource's place under one sort key. Smaller comes first, in either direction of the key, and a resource without
/// a value comes last in both. Ties are the caller's. The values of one key compare with each other only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SortValue {
    descending: bool,
    value: Option<SortAtom>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
enum SortAtom {
    /// Microseconds since the epoch: the earliest start of an interval, or descending its latest end.
    Time(i64),
    Number(Decimal),
    /// Folded text, URIs, ids of references.
    Text(String),
    /// System (absent first), then code.
    Token(Option<String>, String),
}

impl SortAtom {
    const fn rank(&self) -> u8 {
        match self {
            Self::Time(_) => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
            Self::Token(..) => 3,
        }
    }
}

impl Ord for SortAtom {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Time(left), Self::Time(right)) => left.cmp(right),
            (Self::Number(left), Self::Number(right)) => left.compare(*right),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Token(system, code), Self::Token(other_system, other_code)) => {
                system.cmp(other_system).then_with(|| code.cmp(other_code))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for SortAtom {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SortValue {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.value, &other.value) {
            (Some(left), Some(right)) if self.descending => right.cmp(left),
            (Some(left), Some(right)) => left.cmp(right),
            (left, right) => right.is_some().cmp(&left.is_some()),
        }
    }
}

impl PartialOrd for SortValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Shows nothing of the value: it is health data.
impl std::fmt::Debug for SortValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.value.is_some() { "sort value" } else { "no sort value" })
    }
}

/// The place of a resource under `sort`. Of several values the smallest counts, or descending the greatest.
#[must_use]
pub fn sort_key(sort: &SortKey, resource: &RawResource, cx: &Evaluation<'_>) -> SortValue {
    let mut best: Option<SortAtom> = None;
    let mut offer = |atom: SortAtom| {
        let is_better = best.as_ref().is_none_or(|best| if sort.descending { atom > *best } else { atom < *best });
        if is_better {
            best = Some(atom);
        }
    };
    let time = |interval: date::Interval| SortAtom::Time(if sort.descending { interval.end } else { interval.start });
    match (sort.parameter.as_str(), cx.knowledge.of(resource.facts.resource_type).parameter(&sort.parameter)) {
        ("_id", _) => resource.id().map(|id| SortAtom::Text(id.to_owned())).into_iter().for_each(offer),
        ("_lastUpdated", _) => last_updated(resource).map(time).into_iter().for_each(offer),
        (_, None) => {}
        (_, Some(parameter)) => match existence(parameter, resource) {
            Some(value) => offer(SortAtom::Token(None, value.to_string())),
            None => {
                any_element(&parameter.paths, resource, cx, &mut |found, datatype| {
                    match parameter.kind {
                        SearchKind::Date => date::intervals(found, datatype).map(time).into_iter().for_each(&mut offer),
                        SearchKind::Number | SearchKind::Quantity => quantity::numbers(found, datatype)
                            .and_then(|numbers| numbers.end(sort.descending))
                            .map(SortAtom::Number)
                            .into_iter()
                            .for_each(&mut offer),
                        SearchKind::String => text(found, datatype).into_iter().for_each(&mut offer),
                        SearchKind::Token => tokens(found, datatype, &mut offer),
                        SearchKind::Reference => reference(found, datatype, cx.base).into_iter().for_each(&mut offer),
                        SearchKind::Uri => {
                            found.text().map(|text| SortAtom::Text(text.into_owned())).into_iter().for_each(&mut offer);
                        }
                        SearchKind::Composite => {}
                    }
                    false
                });
            }
        },
    }
    SortValue { descending: sort.descending, value: best }
}

/// A name or address as one folded text: its parts in the order in which a search looks at them.
fn text(found: Fragment<'_>, datatype: DataType) -> Option<SortAtom> {
    let mut words = Vec::new();
    string::any_part(found, datatype, &mut |part| {
        words.push(string::fold(part));
        false
    });
    let text = words.join(" ");
    (!text.is_empty()).then_some(SortAtom::Text(text))
}

fn tokens(found: Fragment<'_>, datatype: DataType, offer: &mut impl FnMut(SortAtom)) {
    let member = |name| found.get(name).and_then(Fragment::text);
    let mut token = |system: Option<&str>, code: Option<&str>| {
        if let Some(code) = code {
            offer(SortAtom::Token(system.map(str::to_owned), code.to_lowercase()));
        }
    };
    match datatype {
        DataType::CodeableConcept => {
            for coding in found.get("coding").into_iter().flat_map(Fragment::each) {
                tokens(coding, DataType::Coding, offer);
            }
        }
        DataType::Coding => token(member("system").as_deref(), member("code").as_deref()),
        DataType::Identifier => token(member("system").as_deref(), member("value").as_deref()),
        DataType::ContactPoint => token(None, member("value").as_deref()),
        DataType::Boolean => token(None, found.boolean().map(|value| if value { "true" } else { "false" })),
        _ => token(None, found.text().as_deref().or(found.number())),
    }
}

fn reference(found: Fragment<'_>, datatype: DataType, base: Option<&str>) -> Option<SortAtom> {
    let text = if datatype == DataType::Reference { found.get("reference")?.text()? } else { found.text()? };
    Some(SortAtom::Text(match parse_reference(&text, base) {
        ReferenceForm::Local(local) => format!("{}/{}", local.type_name, local.id),
        _ => text.into_owned(),
    }))
}
