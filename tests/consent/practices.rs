//! Two practices with policies of their own over one person, over HTTP: which rules each source is decided by is found out by
//! the gateway, not by whoever asks. What is expected is what the rules of `bands` say; `practices_table.txt` is what was found.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::civil::{Date, date};
use serde_json::{Value, json};

use chartgate::config::Limits;
use chartgate::identity::GrantBasis;

use super::ages::least;
use super::bands::{ITEMS, read_or_bless};
use super::family::{choose, concept, grant, of, patient};
use crate::support::world::{EVERYTHING, PersonSpec, PracticeSpec, World, in_both_worlds};

in_both_worlds!(each_of_two_practices_decides_by_its_own_policy_over_http);

/// Pairs that show something else at every age between the first boundary and the last, and each the other way round.
const PAIRS: [(&str, &str); 6] = [
    ("standard", "us-wa"),
    ("us-wa", "standard"),
    ("us-ca", "us-tx"),
    ("us-tx", "us-ca"),
    ("us-ny", "gb-eng"),
    ("gb-eng", "us-ny"),
];

/// The day of the test, at both practices.
const TODAY: Date = date(2026, 9, 15);

/// When the charts of the two practices say that somebody was born.
const BORN: [(&str, [&str; 2]); 8] = [
    ("a", ["2013-09-15", "2013-09-15"]),
    ("b", ["2013-09-16", "2013-09-16"]),
    ("c", ["2012-09-15", "2012-09-15"]),
    ("d", ["2010-09-15", "2010-09-15"]),
    ("e", ["2008-09-15", "2008-09-15"]),
    // Each practice knows something else: what disagrees counts everywhere.
    ("f", ["2013-09-15", "2018-01-01"]),
    ("g", ["2018-01-01", "2013-09-15"]),
    // Twelve or thirteen: only the year is known. (Ids that begin with h- are shown as hashes, so that nobody here is "h".)
    ("y", ["2013", "2013"]),
];

/// One item of each category that has words in it which an outline leaves out.
fn items(patient_id: &str, born: &str) -> Vec<Value> {
    let mut all = vec![patient(patient_id, born)];
    for (category, kind, system, code) in ITEMS.iter().filter(|(category, ..)| *category != "demographics") {
        let mut item = json!({"resourceType": kind, "id": format!("{patient_id}-{category}"), "status": "final",
            "note": [{"text": "said in whole"}], "description": "said in whole"});
        let whose = if ["Immunization", "AllergyIntolerance"].contains(kind) { "patient" } else { "subject" };
        item[whose] = of(patient_id);
        match *kind {
            "Immunization" => item["vaccineCode"] = concept(system, code),
            "MedicationRequest" => item["medicationCodeableConcept"] = concept(system, code),
            "Encounter" => {
                item["serviceType"] = concept(system, code);
                item["reasonCode"] = json!([{"text": "said in whole"}]);
            }
            "DocumentReference" if *category == "forms" => {
                item["category"] = json!([concept(system, code)]);
                item["type"] = concept(system, code);
            }
            "DocumentReference" => item["type"] = concept(system, code),
            "Observation" => {
                let part = if *category == "vitals" { "vital-signs" } else { "laboratory" };
                item["category"] = json!([concept("http://terminology.hl7.org/CodeSystem/observation-category", part)]);
                item["code"] = concept(system, code);
            }
            _ => item["code"] = concept(system, code),
        }
        all.push(item);
    }
    all
}

/// What is found of each category at one practice.
async fn found(world: &World, token: &str, person: &str, practice: &str) -> BTreeMap<&'static str, &'static str> {
    let key = &world.practice(practice).source;
    // By searches: whoever reads much that is not there is taken for somebody who guesses.
    let mut by_kind: BTreeMap<&str, String> = BTreeMap::new();
    for (_, kind, ..) in ITEMS {
        if !by_kind.contains_key(kind) {
            let reply = world.get(&format!("/fhir/{kind}?_count=100"), token).await;
            assert_eq!(reply.status, 200, "{kind}: {}", reply.text);
            by_kind.insert(kind, reply.text);
        }
    }
    let mut found = BTreeMap::new();
    for (category, kind, ..) in ITEMS {
        let bundle: Value = serde_json::from_str(&by_kind[kind]).unwrap();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let seen = match category {
            // The person is put together of the charts that are shown; each is linked from it.
            "demographics" if by_kind[kind].contains(&format!("{key}.{person}-{practice}")) => "whole",
            "demographics" => "no",
            _ => {
                let id = format!("{key}.{person}-{practice}-{category}");
                let item = entries.iter().find(|entry| entry["resource"]["id"] == id.as_str());
                item.map_or("no", |item| if item.to_string().contains("said in whole") { "whole" } else { "outline" })
            }
        };
        found.insert(category, seen);
    }
    found
}

async fn each_of_two_practices_decides_by_its_own_policy_over_http() {
    let practice = |key: &str, at: usize| PracticeSpec {
        key: key.to_owned(),
        name: format!("Practice {key}"),
        vendor: "plain-r4".to_owned(),
        resources: BORN.iter().flat_map(|(name, born)| items(&format!("{name}-{key}"), born[at])).collect(),
    };
    let linked = BORN.iter().map(|(name, _)| PersonSpec {
        key: (*name).to_owned(),
        links: ["one", "two"].map(|practice| (practice.to_owned(), format!("{name}-{practice}"))).into(),
    });
    let persons = linked.chain([World::nobody("gil")]).collect();
    let world = World::start(vec![practice("one", 0), practice("two", 1)], persons, Limits::default()).await;
    for (name, _) in BORN {
        grant(&world, "gil", name, GrantBasis::Parent, Value::Null).await;
    }
    let mut table = String::new();
    for (one, two) in PAIRS {
        choose(&world, "one", one, "America/New_York").await;
        choose(&world, "two", two, "America/New_York").await;
        // Were the policies crossed, this many people would be seen otherwise: a pair that shows none of it proves nothing.
        let mut crossed = 0;
        for (person, born) in BORN {
            // What one person asks of sources within a minute has an end.
            world.clock.advance(Duration::from_secs(61));
            let token = world.token_for("gil", person, "app", EVERYTHING).await;
            let expected = |policy: &str| -> BTreeMap<&str, &str> {
                ITEMS.iter().map(|(category, ..)| (*category, least(policy, &born, TODAY, category, None))).collect()
            };
            crossed += usize::from(expected(one) != expected(two));
            for (practice, policy, other) in [("one", one, two), ("two", two, one)] {
                let found = found(&world, &token, person, practice).await;
                assert_eq!(
                    found,
                    expected(policy),
                    "{person} {born:?} at {practice} by {policy}, the other by {other}"
                );
                let shown =
                    ITEMS.iter().map(|(category, ..)| (category, found[category])).filter(|(_, seen)| *seen != "no");
                let shown: Vec<String> = shown.map(|(category, seen)| format!("{category}={seen}")).collect();
                let shown = if shown.is_empty() { "nothing".to_owned() } else { shown.join(" ") };
                writeln!(table, "{born:?} | {practice}: {policy}, the other: {other} | {shown}").unwrap();
            }
        }
        assert!(crossed >= 1, "{one} and {two} show everybody alike");
    }
    read_or_bless("practices_table.txt", &table);
}
