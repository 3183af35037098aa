//! What the scenarios ask of the decision, made of a plain question.

use serde_json::{Value, json};

use super::generate::{DAY, TODAY};
use super::real::TABLES;

pub(super) const ANA: &str = "2018-01-15";
pub(super) const BEN: &str = "2012-01-15";
pub(super) const CY: &str = "2008-05-04";
pub(super) const DEE: &str = "2008-05-03";
pub(super) const EVE: &str = "1981-03-03";
pub(super) const FAY: &str = "1944-02-01";

/// A parent asks for a laboratory result of 2025 at the first practice, on 3 May 2026 at noon in New York.
pub(super) fn base(born: &str) -> Value {
    json!({
        "own": false, "account": "gil", "grants": [grant("parent")], "laid": [],
        "holder_died": [], "births": [born], "zone": -4,
        "today": "2026-05-03", "now": TODAY + 16 * 3_600_000_000, "organization": "one", "source": "aaaa",
        "action": "read", "policy": TABLES.0["standard"], "lists": TABLES.1, "item": item("Observation", "results"),
    })
}

pub(super) fn grant(basis: &str) -> Value {
    let level = if basis == "patient-consent" { "view" } else { "manage" };
    json!({"id": "g0", "basis": basis, "from": TODAY - 30 * DAY, "until": null, "level": level, "actions": [],
        "types": null, "categories": null, "sensitivity": "all", "organizations": null, "without_organizations": [],
        "data": null, "review_by": null, "springing": false, "activated": null, "guarantor": false})
}

pub(super) fn item(kind: &str, category: &str) -> Value {
    json!({"type": kind, "category": category, "id": "1", "labels": [], "codes": [["http://loinc.org", "4548-4"]],
        "first": "2025-06-01", "last": "2025-06-01", "reviewed": true, "issued": null, "tainted": false,
        "suspected": null})
}

/// The value with some of its members changed; `a/b` reaches inside.
pub(super) fn with(mut value: Value, changes: &[(&str, Value)]) -> Value {
    for (path, change) in changes {
        let place = value.pointer_mut(&format!("/{path}")).unwrap_or_else(|| panic!("no {path}"));
        *place = change.clone();
    }
    value
}

pub(super) fn labelled(question: Value, label: &str) -> Value {
    with(question, &[("item/labels", json!([label]))])
}

pub(super) fn of(question: Value, kind: &str, category: &str) -> Value {
    with(question, &[("item", item(kind, category))])
}

pub(super) fn laid(question: Value, mut rule: Value) -> Value {
    rule["from"] = json!(TODAY - DAY);
    rule["until"] = json!(null);
    with(question, &[("laid", json!([rule]))])
}

pub(super) fn by(question: Value, basis: &str) -> Value {
    with(question, &[("grants", json!([grant(basis)]))])
}

pub(super) fn acting(question: Value, action: &str) -> Value {
    with(question, &[("action", json!(action))])
}
