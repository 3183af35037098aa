//! The scenarios over HTTP: what is hidden leaves no trace, and what becomes sensitive is hidden within seconds.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use chartgate::base::clock::Clock;
use chartgate::identity::GrantBasis;
use chartgate::practice;
use chartgate::storage::{StorageError, audit};

use super::family::*;
use super::surfaces::comparable;
use crate::support::http::Client as Browser;
use crate::support::world::{World, in_both_worlds};

in_both_worlds!(f11_i18_hidden_things_leave_no_trace, what_becomes_sensitive_is_hidden_within_seconds,);

/// A parent of a teenager: two worlds that differ in confidential care alone give the same answers.
async fn f11_i18_hidden_things_leave_no_trace() {
    let (with, without) = (family(confidential("ben-one")).await, family(Vec::new()).await);
    for world in [&with, &without] {
        grant(world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
    }
    let (a, b) = (token(&with, "gil", "ben").await, token(&without, "gil", "ben").await);
    let mut targets: Vec<String> = Vec::new();
    for query in [
        "Observation",
        "Observation?code=http://loinc.org|21613-5",
        "Observation?_summary=count",
        "Observation?_total=accurate",
        "Observation?_count=0",
        "Observation?_sort=-date&_count=1",
        "Observation?_lastUpdated=gt2020-01-01",
        "Observation?category=laboratory",
        "Observation?category=vital-signs",
        "Observation?_include=Observation:encounter",
        "Observation?_revinclude=Provenance:target",
        "Observation?encounter=Encounter/none",
        "Encounter",
        "Encounter?_count=1",
        "Encounter?date=2025-06-01",
        "MedicationRequest",
        "MedicationRequest?code=http://www.nlm.nih.gov/research/umls/rxnorm|831533",
        "Condition",
        "DocumentReference",
        "Immunization",
        "Immunization?_count=1",
        "Appointment?_sort=date&_count=1",
        "Provenance",
        "Invoice",
        "Patient",
        "Practitioner",
        "Communication",
        "DiagnosticReport",
    ] {
        targets.push(query.to_owned());
    }
    let hidden = confidential("ben-one");
    for resource in &hidden {
        let (kind, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        for more in ["", "/_history", "/_history/1"] {
            targets.push(format!("{kind}/KEY.{id}{more}"));
        }
    }
    targets.extend(["Patient/PERSON", "Patient/PERSON/$everything", "Patient/PERSON/Observation"].map(str::to_owned));
    let mut compared = 0;
    for target in &targets {
        let ask = |world: &World| {
            let (key, person) = (&world.practice("one").source, world.person("ben").id.to_string());
            format!("/fhir/{}", target.replace("KEY", key).replace("PERSON", &person))
        };
        let (left, right) = (with.get(&ask(&with), &a).await, without.get(&ask(&without), &b).await);
        assert_eq!(comparable(&with, &left), comparable(&without, &right), "{target}");
        for secret in ["pcr", "clinic", "2080A0000X", "831533", "21613-5\"", "240589008"] {
            assert!(
                target.contains("21613")
                    || target.contains("831533")
                    || target.contains("KEY")
                    || !left.text.contains(secret),
                "{target}: {secret}"
            );
        }
        compared += 1;
    }
    assert!(compared > 50);
    // The teenager sees that there was something to hide.
    let own = with.token("ben").await;
    assert_eq!(with.get("/fhir/Observation?code=http://loinc.org|21613-5", &own).await.ids().len(), 1);
}

/// A table that makes one code sensitive.
pub(super) const TABLE: &str = "origin = \"x\"\nsystems = [\"http://www.nlm.nih.gov/research/umls/rxnorm\"]\n[[set]]\nlabel = \"MH\"\ncodes = [\"999001\"]";

/// Scenario 67. Old items, and what hangs on them, by every way; nothing that was decided before is served after.
async fn what_becomes_sensitive_is_hidden_within_seconds() {
    let drug = json!({"resourceType": "MedicationRequest", "id": "eve-one-drug", "status": "active", "intent": "order",
        "medicationCodeableConcept": concept(RXNORM, "999001"), "subject": of("eve-one"), "authoredOn": "2019-01-01"});
    let handed = json!({"resourceType": "MedicationDispense", "id": "eve-one-handed", "status": "completed",
        "medicationCodeableConcept": {"text": "Tablets"}, "subject": of("eve-one"),
        "authorizingPrescription": [{"reference": "MedicationRequest/eve-one-drug"}]});
    let world = family(vec![drug, handed]).await;
    let scope = json!({"level": "view", "actions": ["connect-app"], "sensitivity": {"all-but": ["MH"]}});
    let granted = grant(&world, "ike", "eve", GrantBasis::PatientConsent, scope).await;
    let (ike, eve) = (token(&world, "ike", "eve").await, world.token("eve").await);
    let one = world.practice("one").source.clone();
    let (drug, handed) = (
        format!("/fhir/MedicationRequest/{one}.eve-one-drug"),
        format!("/fhir/MedicationDispense/{one}.eve-one-handed"),
    );
    let search = "/fhir/MedicationRequest?_total=accurate";
    let before = world.get(search, &ike).await.json()["total"].as_u64().unwrap();
    let tag = world.get(&drug, &ike).await.header("etag").unwrap().to_owned();
    assert_eq!(world.get(&handed, &ike).await.status, 200);
    let mut browser = world.browser("eve").await;
    let explained = format!("/api/v1/access/explain?grant={granted}&resource=MedicationRequest/{one}.eve-one-drug");
    let version = async |browser: &mut Browser| browser.get(&explained).await.json()["label_tables"].clone();
    let old = version(&mut browser).await;
    assert!(old.as_str().is_some_and(|old| old.len() == 12), "{old}");

    let (acts, now) = (&world.app.acts, world.clock.now());
    let began = std::time::Instant::now();
    practice::put_label_table(acts, &*RANDOM, now, "own".to_owned(), TABLE.to_owned()).await.unwrap();
    while world.get(&drug, &ike).await.status != 404 {
        assert!(began.elapsed() < Duration::from_secs(5), "portal design, 3.8 scenario 67");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("hidden after {:?}", began.elapsed());
    // From here on, by whatever way, at once.
    assert_eq!(world.get(&handed, &ike).await.status, 404, "what hangs on it");
    assert_eq!(world.get(search, &ike).await.json()["total"].as_u64(), Some(before - 1));
    assert!(world.get("/fhir/MedicationRequest?code=999001", &ike).await.matches().is_empty());
    let kept = world.send("GET", &drug, Some(&ike), &[("if-none-match", &tag)], "").await;
    assert_eq!(kept.status, 404, "no leave to go on with what was answered before");
    let everything = world.get(&format!("/fhir/Patient/{}/$everything", world.person("eve").id), &ike).await;
    assert!(everything.status == 200 && !everything.text.contains("eve-one-drug"), "{}", everything.text);
    assert_eq!(world.get(&drug, &eve).await.status, 200, "her own");
    let new = version(&mut browser).await;
    assert_ne!(new, old);
    let holder = world.account("ike").await;
    let looked_at = async || {
        let rows = audit::recent(&world.app.db, 1_000).await.unwrap().into_iter();
        rows.filter(|row| row.account == Some(holder)).filter_map(|row| row.object).collect::<BTreeSet<_>>()
    };
    for version in [old, new] {
        let name = format!("LabelTables/{}", version.as_str().unwrap());
        // Reads are written down a moment after they were answered.
        while !looked_at().await.contains(&name) {
            assert!(began.elapsed() < Duration::from_secs(20), "{name}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    practice::remove_label_table(acts, &*RANDOM, now, "own".to_owned()).await.unwrap();
    let missing = practice::remove_label_table(acts, &*RANDOM, now, "own".to_owned()).await;
    assert!(matches!(missing, Err(StorageError::NotFound { .. })));
    let began = std::time::Instant::now();
    while world.get(&drug, &ike).await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
