//! Scopes: what was read prints to a form that reads the same; what both sets allow, neither set exceeds; to take a
//! scope away never allows more (invariant I-3).

use crate::fhir::ResourceType;
use crate::oauth::scope::{Action, Scope, ScopeAccess, ScopeSet};

const ACTIONS: [Action; 5] = [Action::Create, Action::Read, Action::Update, Action::Delete, Action::Search];
const TYPES: [ResourceType; 4] =
    [ResourceType::Observation, ResourceType::Condition, ResourceType::Patient, ResourceType::Practitioner];

/// Whether `less` allows nothing that `more` does not.
fn within(less: &ScopeAccess, more: &ScopeAccess) -> bool {
    match (less, more) {
        (ScopeAccess::Denied, _) | (_, ScopeAccess::Unconstrained) => true,
        (ScopeAccess::Constrained(less), ScopeAccess::Constrained(more)) => {
            // A list that repeats a wider one and adds to it is narrower.
            less.iter().all(|list| more.iter().any(|wider| wider.iter().all(|pair| list.contains(pair))))
        }
        _ => false,
    }
}

fn assert_within(less: &ScopeSet, more: &ScopeSet, what: &str) {
    for resource_type in TYPES {
        for action in ACTIONS {
            let (less, more) = (less.allows(resource_type, action), more.allows(resource_type, action));
            assert!(within(&less, &more), "{what}: {less:?} against {more:?}");
        }
    }
}

pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (first, second) = text.split_once('\n').unwrap_or((&text, "patient/*.rs"));
    let (set, dropped) = ScopeSet::parse(first);
    assert!(dropped.iter().all(|word| first.contains(word.as_str())), "dropped what was not there");
    let printed = set.to_string();
    let (again, lost) = ScopeSet::parse(&printed);
    assert!(again == set && lost.is_empty(), "{printed:?} reads as {again:?}, without {lost:?}");
    assert_eq!(again.to_string(), printed);
    assert!(set.covers(&set), "{printed} covers itself");
    let (other, _) = ScopeSet::parse(second);
    let both = set.intersection(&other);
    assert_eq!(
        ScopeSet::parse(&both.to_string()),
        (both.clone(), Vec::new()),
        "the intersection is lost when it is stored"
    );
    assert_within(&both, &set, "the intersection exceeds the first set");
    assert_within(&both, &other, "the intersection exceeds the second set");
    if set.covers(&other) {
        assert_within(&other, &set, "a covered set exceeds what covers it");
    }
    let scopes: Vec<Scope> = set.iter().cloned().collect();
    for scope in scopes.into_iter().take(8) {
        let mut without = set.clone();
        without.remove(&scope);
        assert_within(&without, &set, "with a scope less");
    }
}
