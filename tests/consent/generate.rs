//! Questions by the dice, with an eye on the edges: days around boundaries, several grants, rules that overlap.

use serde_json::{Value, json};

use super::real::TABLES;

/// A small generator that anybody can repeat (xorshift).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(super) fn of<'v, T>(&mut self, values: &'v [T]) -> &'v T {
        &values[self.below(values.len() as u64) as usize]
    }

    fn some(&mut self, values: &[&str]) -> Value {
        let count = 1 + self.below(values.len() as u64 / 2 + 1);
        (0..count).map(|_| *self.of(values)).collect::<Vec<_>>().into()
    }
}

pub(super) const DAY: i64 = 86_400_000_000;
/// 2026-05-03T00:00:00Z.
pub(super) const TODAY: i64 = 1_777_766_400_000_000;
const BASES: [&str; 8] =
    ["parent", "guardian-minor", "guardian-adult", "hcpoa", "patient-consent", "best-interest", "foster", "executor"];
const LABELS: [&str; 8] = ["HIV", "STD", "SEX", "MH", "SUD", "restricted", "parent-restricted", "minor-consented"];
const CONTENT: [&str; 5] = ["HIV", "STD", "SEX", "MH", "SUD"];
const ACTIONS: [&str; 9] =
    ["read", "message", "schedule", "renew", "pay", "correct", "export", "connect-app", "grant-others"];
const ITEMS: [(&str, &str); 18] = [
    ("Observation", "results"),
    ("Observation", "vitals"),
    ("MedicationRequest", "meds"),
    ("Encounter", "visits"),
    ("Appointment", "visits"),
    ("DocumentReference", "notes"),
    ("DocumentReference", "forms"),
    ("Communication", "messages"),
    ("Invoice", "billing"),
    ("ChargeItem", "billing"),
    ("Patient", "demographics"),
    ("Immunization", "immunizations"),
    ("AllergyIntolerance", "allergies"),
    ("Condition", "conditions"),
    ("Procedure", "care"),
    ("Provenance", "derived"),
    ("Medication", "derived"),
    ("Practitioner", "directory"),
];
const CODES: [(&str, &str); 5] = [
    ("http://loinc.org", "8867-4"),
    ("http://loinc.org", "8302-2"),
    ("http://loinc.org", "4548-4"),
    ("http://snomed.info/sct", "1"),
    ("urn:local", "x"),
];

/// Birth dates around every boundary of any policy on 2026-05-03, whole, partial and none.
pub(super) const BIRTHS: [&str; 26] = [
    "2020-01-01",
    "2015-05-03",
    "2015-05-04",
    "2015-05-02",
    "2014-05-05",
    "2014-05-04",
    "2014-05-03",
    "2014-05-02",
    "2013-05-04",
    "2013-05-03",
    "2012-05-04",
    "2012-05-03",
    "2010-05-04",
    "2010-05-03",
    "2008-05-04",
    "2008-05-03",
    "2008-05-02",
    "2008-02-29",
    "1981-07-07",
    "2014",
    "2013-05",
    "2008",
    "2008-05",
    "",
    "2014-02-30",
    "soon",
];

/// Some question.
pub(super) fn question(dice: &mut Dice) -> Value {
    let policies: Vec<&Value> = TABLES.0.values().collect();
    let policy = (*dice.of(&policies)).clone();
    let zone = *dice.of(&[-11_i64, -7, -4, 0, 5, 13]);
    // A moment of that day where the practice is: the first, the last, or one between.
    let at = *dice.of(&[0, 1, DAY / 2, DAY - 1]);
    let now = TODAY - zone * 3_600_000_000 + at;
    let own = dice.once_in(12);
    let grants: Vec<Value> =
        if own { Vec::new() } else { (0..dice.below(4)).map(|number| grant(dice, now, number)).collect() };
    let mut laid: Vec<Value> = (0..dice.below(4)).map(|_| rule(dice, now)).collect();
    let item = item(dice, now);
    if !item["suspected"].is_null() {
        laid.extend((0..dice.below(3)).map(|_| review(dice, now, &item)));
    }
    let holder_died: Vec<Value> = (0..dice.below(8) / 7).map(|_| holder_death(dice, now)).collect();
    let births: Vec<&str> = (0..*dice.of(&[0, 1, 1, 1, 1, 2])).map(|_| *dice.of(&BIRTHS)).collect();
    let action = if dice.once_in(3) { *dice.of(&ACTIONS) } else { "read" };
    json!({
        "own": own, "account": "gil", "grants": grants, "laid": laid, "holder_died": holder_died,
        "births": births, "zone": zone,
        "today": "2026-05-03", "now": now, "organization": dice.of(&["one", "two"]), "source": "aaaa", "action": action,
        "policy": policy, "lists": TABLES.1, "item": item,
    })
}

pub(super) fn item(dice: &mut Dice, now: i64) -> Value {
    let (kind, category) = *dice.of(&ITEMS);
    let labels: Vec<&str> = if dice.once_in(2) { Vec::new() } else { vec![*dice.of(&LABELS)] };
    let codes: Vec<Value> = (0..dice.below(3)).map(|_| json!(dice.of(&CODES))).collect();
    let days = *dice.of(&[None, Some(("2025-02-01", "2025-02-01")), Some(("2024-12-31", "2025-01-02"))]);
    json!({
        "type": kind, "category": category, "id": dice.of(&["1", "2"]), "labels": labels, "codes": codes,
        "first": days.map(|days| days.0), "last": days.map(|days| days.1), "reviewed": dice.once_in(2),
        "issued": if dice.once_in(2) { Value::Null } else { json!(now - dice.of(&[0, DAY, 2 * DAY, 3 * DAY])) },
        "tainted": dice.once_in(5), "suspected": suspected(dice),
    })
}

/// What its words may say.
fn suspected(dice: &mut Dice) -> Value {
    if dice.once_in(3) { json!({"labels": dice.some(&CONTENT), "words": dice.of(&["w1", "w2"])}) } else { Value::Null }
}

pub(super) fn grant(dice: &mut Dice, now: i64, number: u64) -> Value {
    let basis = if dice.once_in(2) { "parent" } else { *dice.of(&BASES) };
    let from = now - *dice.of(&[0, 1, 30 * DAY, 90 * DAY - 1, 90 * DAY, 400 * DAY, -1]);
    let ends = [None, None, Some(now), Some(now + 1), Some(now + DAY)];
    let sensitivity = match dice.below(5) {
        0 => json!({"all-but": dice.some(&CONTENT)}),
        1 => json!({"only": dice.some(&CONTENT)}),
        _ => json!("all"),
    };
    let maybe = |dice: &mut Dice, value: Value| if dice.once_in(6) { value } else { Value::Null };
    let categories = dice.some(&["results", "visits", "meds", "billing", "immunizations"]);
    let types = dice.some(&["Observation", "Encounter", "Patient", "Invoice"]);
    json!({
        "id": format!("g{number}"), "basis": basis, "from": from, "until": dice.of(&ends),
        "level": dice.of(&["view", "act", "manage"]), "actions": dice.some(&ACTIONS),
        "types": maybe(dice, types), "categories": maybe(dice, categories), "sensitivity": sensitivity,
        "organizations": maybe(dice, json!(["one"])), "without_organizations": if dice.once_in(8) { json!(["two"]) } else { json!([]) },
        "data": maybe(dice, json!({"from": "2025-01-01", "until": "2025-12-31"})),
        "review_by": *dice.of(&[None, None, None, Some(now), Some(now + 1)]),
        "springing": dice.once_in(6), "activated": *dice.of(&[None, Some(now), Some(now + 1)]),
        "guarantor": dice.once_in(4),
    })
}

/// A death of whoever asks, as it is laid down: in time, later, or lifted.
fn holder_death(dice: &mut Dice, now: i64) -> Value {
    json!({"from": now - *dice.of(&[0, DAY, -1]), "until": dice.of(&[None, None, Some(now), Some(now + 1)])})
}

/// What staff said of the words in an item, or in one that is nearly it.
pub(super) fn review(dice: &mut Dice, now: i64, item: &Value) -> Value {
    let near = |dice: &mut Dice, of: &Value, other: &str| if dice.once_in(5) { json!(other) } else { of.clone() };
    json!({
        "kind": "reviewed", "source": dice.of(&["aaaa", "aaaa", "aaaa", "bbbb"]), "type": near(dice, &item["type"], "Goal"),
        "id": near(dice, &item["id"], "3"), "words": near(dice, &item["suspected"]["words"], "w3"),
        "labels": if dice.once_in(2) { json!([]) } else { dice.some(&CONTENT) },
        "from": now - *dice.of(&[0, DAY, -1]), "until": *dice.of(&[None, None, None, Some(now), Some(now + 1)]),
    })
}

pub(super) fn rule(dice: &mut Dice, now: i64) -> Value {
    let from = now - *dice.of(&[0, DAY, 366 * DAY - 1, 366 * DAY, -1]);
    let until = *dice.of(&[None, None, None, Some(now), Some(now + 1)]);
    let mut rule = match dice.below(9) {
        0 | 1 => json!({"kind": "restriction", "effect": dice.of(&["full", "no-contact-data", "records-only", "none"]),
            "against": dice.of(&[None, Some("gil"), Some("hana")])}),
        2 => {
            json!({"kind": "flag", "source": dice.of(&["aaaa", "bbbb"]), "type": dice.of(&["Observation", "Encounter"]),
            "id": dice.of(&["1", "2"])})
        }
        3 => json!({"kind": "hold", "categories": dice.some(&["results", "vitals", "notes"]),
            "days": dice.of(&[None, Some(2)])}),
        4 | 5 => json!({"kind": "assent", "grant": dice.of(&["g0", "g1"]),
            "labels": if dice.once_in(2) { json!([]) } else { dice.some(&CONTENT) }}),
        6 => json!({"kind": "diminished-capacity"}),
        7 => json!({"kind": "emancipated"}),
        _ => json!({"kind": "deceased"}),
    };
    rule["from"] = json!(from);
    rule["until"] = json!(until);
    rule
}
