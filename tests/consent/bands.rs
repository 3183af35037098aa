//! What those who act for a minor see: policy by policy, the day before, of and after each boundary, by category and label,
//! from a list of rules that was written by hand. `bands_table.txt` is for reading; `CHARTGATE_BLESS=1` writes it anew.

use std::fmt::Write as _;

use jiff::civil::{Date, date};
use serde_json::{Value, json};

use super::generate::{DAY, TODAY};
use super::model;
use super::real::{TABLES, asked};

/// A policy, where a band begins (years, days after the birthday), and what it shows.
pub(super) type Rule = (&'static str, i16, i64, Shows);

#[derive(Clone, Copy)]
pub(super) enum Shows {
    All,
    Unlabelled,
    /// Whole, and as outlines; nothing labelled. Bills as outlines whatever they are about, unless somebody keeps the bill.
    Listed(&'static [&'static str], &'static [&'static str]),
    Nothing,
}
use Shows::{All, Listed, Nothing, Unlabelled};

/// By hand, from the words of each policy.
pub(super) const RULES: [Rule; 19] = [
    ("standard", 0, 0, All),
    (
        "standard",
        12,
        0,
        Listed(&["immunizations", "allergies", "vitals", "forms", "demographics"], &["visits", "billing"]),
    ),
    ("standard", 18, 0, Nothing),
    ("us-ca", 0, 0, All),
    ("us-ca", 12, 0, Listed(&["demographics"], &["billing"])),
    ("us-ca", 18, 0, Nothing),
    ("us-ny", 0, 0, All),
    ("us-ny", 12, -1, Listed(&["immunizations", "allergies", "forms", "demographics"], &[])),
    ("us-ny", 18, 0, Nothing),
    ("us-wa", 0, 0, All),
    ("us-wa", 13, 0, Unlabelled),
    (
        "us-wa",
        14,
        0,
        Listed(&["immunizations", "allergies", "vitals", "meds", "forms", "demographics"], &["visits", "billing"]),
    ),
    ("us-wa", 18, 0, Nothing),
    ("us-tx", 0, 0, All),
    ("us-tx", 13, 0, Unlabelled),
    ("us-tx", 18, 0, Nothing),
    ("gb-eng", 0, 0, All),
    ("gb-eng", 11, 0, Listed(&["immunizations", "allergies", "forms", "demographics"], &[])),
    ("gb-eng", 16, 0, Nothing),
];

/// One item of each category, coded so that a list that names its category takes it.
pub(super) const ITEMS: [(&str, &str, &str, &str); 13] = [
    ("results", "Observation", "http://loinc.org", "4548-4"),
    ("vitals", "Observation", "http://loinc.org", "8302-2"),
    ("meds", "MedicationRequest", "http://www.nlm.nih.gov/research/umls/rxnorm", "435"),
    ("visits", "Encounter", "http://nucc.org/provider-taxonomy", "208000000X"),
    ("notes", "DocumentReference", "http://loinc.org", "11506-3"),
    ("forms", "DocumentReference", "https://chartgate.example/fhir/CodeSystem/document", "form"),
    ("messages", "Communication", "urn:x", "x"),
    ("billing", "Invoice", "urn:x", "x"),
    ("demographics", "Patient", "urn:x", "x"),
    ("immunizations", "Immunization", "http://hl7.org/fhir/sid/cvx", "03"),
    ("allergies", "AllergyIntolerance", "http://snomed.info/sct", "91935009"),
    ("conditions", "Condition", "http://snomed.info/sct", "195967001"),
    ("care", "Procedure", "http://snomed.info/sct", "80146002"),
];
const LABELS: [Option<&str>; 4] = [None, Some("STD"), Some("parent-restricted"), Some("restricted")];
const TODAY_DATE: Date = date(2026, 5, 3);

pub(super) fn expected(shows: Shows, category: &str, label: Option<&str>) -> &'static str {
    let is_kept = matches!(label, Some("parent-restricted" | "restricted"));
    match shows {
        Nothing => "no",
        _ if is_kept => "no",
        Unlabelled | Listed(..) if label.is_some() && category != "billing" => "no",
        Unlabelled if label.is_some() => "no",
        All | Unlabelled => "whole",
        Listed(_, outlines) if outlines.contains(&category) => "outline",
        Listed(whole, _) if whole.contains(&category) && label.is_none() => "whole",
        Listed(..) => "no",
    }
}

pub(super) fn question(
    policy: &str,
    role: &str,
    born: Date,
    item: (&str, &str, &str, &str),
    label: Option<&str>,
) -> Value {
    let (category, kind, system, code) = item;
    json!({
        "own": false, "account": "gil", "laid": [], "holder_died": [], "births": [born.to_string()], "zone": -4, "today": "2026-05-03",
        "now": TODAY + 4 * 3_600_000_000, "organization": "one", "source": "aaaa", "action": "read",
        "policy": TABLES.0[policy], "lists": TABLES.1,
        "grants": [{"id": "g0", "basis": role, "from": TODAY - 30 * DAY, "until": null, "level": "manage", "actions": [],
            "types": null, "categories": null, "sensitivity": "all", "organizations": null, "without_organizations": [],
            "data": null, "review_by": null, "springing": false, "activated": null, "guarantor": false}],
        "item": {"type": kind, "category": category, "id": "1", "labels": label.iter().collect::<Vec<_>>(),
            "codes": [[system, code]], "first": "2025-06-01", "last": "2025-06-01", "reviewed": true, "issued": null,
            "tainted": false},
    })
}

/// The birth date of somebody for whom the boundary is `days` ago today.
fn born(years: i16, offset: i64, days: i64) -> Date {
    let birthday = TODAY_DATE.checked_sub(jiff::Span::new().days(offset + days)).unwrap();
    birthday.with().year(birthday.year() - years).build().unwrap()
}

pub(super) fn seen(question: &Value) -> &'static str {
    let answer = asked(question).answer();
    assert_eq!(answer, model::answer(question), "the model: {question}");
    match (answer["see"] == true, answer["outline"] == true) {
        (false, _) => "no",
        (true, true) => "outline",
        (true, false) => "whole",
    }
}

#[test]
fn i17_every_policy_shows_what_its_rules_say_around_every_boundary() {
    let mut table = String::new();
    for (index, (policy, years, offset, shows)) in RULES.iter().enumerate() {
        let before = RULES[..index].last().filter(|(of, ..)| of == policy).map(|(.., shows)| *shows);
        for (when, days) in [("the day before", -1), ("the day", 0), ("the day after", 1)] {
            let Some(shows) = (if days < 0 { before } else { Some(*shows) }) else { continue };
            let born = born(*years, *offset, days);
            for label in LABELS {
                let line: Vec<String> = ITEMS
                    .iter()
                    .map(|item| {
                        let expected = expected(shows, item.0, label);
                        for role in ["parent", "guardian-minor", "foster"] {
                            let question = question(policy, role, born, *item, label);
                            assert_eq!(seen(&question), expected, "{policy} {role} born {born} {item:?} {label:?}");
                        }
                        format!("{}={expected}", item.0)
                    })
                    .filter(|entry| !entry.ends_with("=no"))
                    .collect();
                let label = label.unwrap_or("no label");
                let shown = if line.is_empty() { "nothing".to_owned() } else { line.join(" ") };
                writeln!(table, "{policy} | {when} of {years} | born {born} | {label} | {shown}").unwrap();
            }
        }
    }
    read_or_bless("bands_table.txt", &table);
}

/// The table that people read is the one that was found.
pub(super) fn read_or_bless(name: &str, table: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/consent").join(name);
    if std::env::var_os("CHARTGATE_BLESS").is_some() {
        std::fs::write(&path, table).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), table, "what is read is what is true");
}

/// Nobody who acts for an adult is bound by age, and nobody but parents and the like by what clinicians keep from them.
#[test]
fn other_bases_do_not_hang_on_age() {
    for policy in TABLES.0.keys() {
        for basis in ["guardian-adult", "hcpoa"] {
            for years in [5, 13, 40] {
                let question = question(policy, basis, born(years, 0, 0), ITEMS[0], Some("parent-restricted"));
                assert_eq!(seen(&question), "whole", "{policy} {basis} {years}");
            }
        }
    }
}
