//! What Chartgate itself knows of a person, as FHIR: who acts for them, what was agreed, who looked. The person finds all of
//! it, whoever acts for them what is about themselves, and nobody else anything.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use chartgate::base::id::GrantId;
use chartgate::identity::GrantBasis;
use chartgate::storage::organizations;

use super::family::{family, grant, lay_down, token};
use crate::support::world::{EVERYTHING, Reply, World, run};

const KINDS: [&str; 3] = ["RelatedPerson", "Consent", "AuditEvent"];

fn own_id(grant: GrantId) -> String {
    format!("self.{grant}")
}

fn ids(resources: &[Value]) -> BTreeSet<String> {
    resources.iter().map(|resource| resource["id"].as_str().unwrap().to_owned()).collect()
}

/// What a search finds, by every way that there is to search; all of them must agree.
async fn found(world: &World, token: &str, person: &str, kind: &str, query: &str) -> Vec<Value> {
    let and = if query.is_empty() { "?" } else { "&" };
    let answer = world.get(&format!("/fhir/{kind}?{query}"), token).await;
    let all = answer.matches();
    assert_eq!(answer.json()["total"], all.len(), "{kind}?{query}");
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(ids(&world.search_by_post(kind, &pairs, token).await.matches()), ids(&all), "{kind}?{query} by POST");
    let pages = world.pages(&format!("/fhir/{kind}?{query}{and}_count=1"), token).await;
    let paged: Vec<Value> = pages.iter().flat_map(Reply::matches).collect();
    assert_eq!((ids(&paged), paged.len()), (ids(&all), all.len()), "{kind}?{query} page by page");
    if kind != "AuditEvent" {
        let below = format!("/fhir/Patient/{}/{kind}?{query}", world.person(person).id);
        assert_eq!(ids(&world.get(&below, token).await.matches()), ids(&all), "{kind}?{query} below the Patient");
    }
    for resource in &all {
        let read = world.get(&format!("/fhir/{kind}/{}", resource["id"].as_str().unwrap()), token).await;
        assert_eq!((read.status, &read.json()), (200, resource), "a read is what the search shows");
        assert!(read.header("etag").is_some());
    }
    all
}

/// Written to where `scripts/validate-fixtures` has them judged by validators of others.
fn for_validators(kind: &str, resources: &[Value]) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fhir/own");
    std::fs::create_dir_all(&folder).unwrap();
    let lines = resources.iter().map(|resource| format!("{resource}\n"));
    std::fs::write(folder.join(format!("{kind}.ndjson")), lines.collect::<String>()).unwrap();
}

/// Entries of what is looked at stand within 50 ms, on a busy machine later.
async fn looked_at(world: &World, token: &str, at_least: usize) -> Vec<Value> {
    for _ in 0..200 {
        let all = world.get("/fhir/AuditEvent?type=rest&_count=200", token).await.matches();
        if all.len() >= at_least {
            return all;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("what was looked at is not in the list");
}

/// A teenager whose father sees more than the list, and whose mother a court bars from some of it.
struct Family {
    world: World,
    gil: GrantId,
    hana: GrantId,
}

async fn of_ben() -> Family {
    let world = family(Vec::new()).await;
    let gil = grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
    let hana = grant(&world, "hana", "ben", GrantBasis::Parent, Value::Null).await;
    lay_down(&world, "ben", json!({"assent": {"grant": gil, "labels": ["MH"]}})).await;
    let against = world.account("hana").await;
    lay_down(&world, "ben", json!({"restriction": {"against": against, "effect": "records-only"}})).await;
    lay_down(&world, "ben", json!({"hold": {"categories": ["results"], "days": null}})).await;
    // What staff note is no consent.
    let flag = json!({"source": world.practice("one").source, "resource_type": "Observation", "id": "ben-one-lab"});
    lay_down(&world, "ben", json!({"flag": flag})).await;
    Family { world, gil, hana }
}

#[test]
fn a_person_finds_who_acts_for_them_what_was_agreed_and_who_looked() {
    run(async {
        let Family { world, gil, hana } = of_ben().await;
        let (ben, father) = (world.token("ben").await, token(&world, "gil", "ben").await);
        let patient = format!("Patient/{}", world.person("ben").id);

        let related = found(&world, &ben, "ben", "RelatedPerson", "").await;
        assert_eq!(ids(&related), BTreeSet::from([own_id(gil), own_id(hana)]));
        for one in &related {
            assert_eq!((&one["active"], &one["patient"]["reference"]), (&json!(true), &json!(patient)));
        }
        let consents = found(&world, &ben, "ben", "Consent", "").await;
        assert_eq!(consents.len(), 5, "two grants, an assent, an order, a hold: {consents:?}");
        for one in &consents {
            assert_eq!((&one["status"], &one["patient"]["reference"]), (&json!("active"), &json!(patient)));
            assert!(one.get("extension").is_none(), "what is for another instance is for exports: {one}");
        }

        // Parameters of the search, over what practices hold and what is kept here alike.
        for (kind, query, expected) in [
            ("RelatedPerson", format!("patient={patient}"), 2),
            ("RelatedPerson", "patient=Patient/somebody-else".to_owned(), 0),
            ("RelatedPerson", "name=gil".to_owned(), 1),
            ("RelatedPerson", format!("_id={},{}", own_id(gil), own_id(hana)), 2),
            ("RelatedPerson", "active=false".to_owned(), 0),
            ("Consent", "status=active".to_owned(), 5),
            ("Consent", "status=inactive".to_owned(), 0),
            ("Consent", "category=http://loinc.org|59284-0".to_owned(), 5),
            ("Consent", format!("actor=RelatedPerson/{}", own_id(gil)), 2),
            ("Consent", format!("actor=RelatedPerson/{}", own_id(hana)), 2),
            ("Consent", "date=lt2020-01-01".to_owned(), 0),
        ] {
            assert_eq!(found(&world, &ben, "ben", kind, &query).await.len(), expected, "{kind}?{query}");
        }
        assert_eq!(world.get("/fhir/Consent?_summary=count", &ben).await.json()["total"], 5);

        // Who looked: the father through an app, Ben himself; nothing of it names what was found.
        for _ in 0..2 {
            assert_eq!(world.get("/fhir/Observation?code=http://loinc.org|21613-5", &father).await.status, 200);
        }
        let eve = world.token("eve").await;
        world.get(&format!("/fhir/{patient}"), &eve).await;
        let looked = looked_at(&world, &ben, 10).await;
        let by = |who: &str| -> Vec<&Value> {
            looked.iter().filter(|event| event["agent"][0]["who"]["reference"] == *who).collect()
        };
        let his = by(&format!("RelatedPerson/{}", own_id(gil)));
        assert_eq!(his.len(), 2, "{his:?}");
        for event in &his {
            assert_eq!((&event["agent"][0]["name"], &event["agent"][1]["name"]), (&json!("gil"), &json!("App app")));
            assert_eq!(event["subtype"][0]["code"], "search-type");
            assert_eq!(event["entity"][1]["type"]["code"], "Observation");
        }
        assert!(by(&patient).len() >= 8, "Ben's own");
        assert!(!looked.iter().any(|event| event.to_string().contains("21613")), "values are nobody's");
        // One of them, page by page and by its parameters. What is asked about the list is not in the list.
        let events =
            found(&world, &ben, "ben", "AuditEvent", &format!("type=rest&agent=RelatedPerson/{}", own_id(gil))).await;
        assert_eq!(ids(&events), his.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect());
        let mine = found(&world, &ben, "ben", "AuditEvent", &format!("patient={patient}&subtype=read&outcome=0")).await;
        assert!(!mine.is_empty() && mine.iter().all(|event| event["action"] == "R"), "{mine:?}");
        assert!(found(&world, &ben, "ben", "AuditEvent", "date=lt2020-01-01").await.is_empty());
        let acts = world.get("/fhir/AuditEvent?_sort=-date&_count=200", &ben).await.matches();
        let dates: Vec<&str> = acts.iter().map(|event| event["recorded"].as_str().unwrap()).collect();
        assert!(dates.is_sorted_by(|a, b| a >= b), "{dates:?}");
        assert!(acts.iter().any(|event| event["type"]["code"] != "rest"), "grants and rules are in it as well");

        // Nothing of it in what gathers the record, and no versions.
        let everything = world.get(&format!("/fhir/{patient}/$everything"), &ben).await;
        assert!(everything.status == 200 && !everything.text.contains("self."), "{}", everything.text);
        for kind in KINDS {
            let id = world.get(&format!("/fhir/{kind}?_count=1"), &ben).await.ids()[0].clone();
            assert_eq!(world.get(&format!("/fhir/{kind}/{id}/_history"), &ben).await.status, 404, "{kind}");
        }
        for (kind, resources) in [("RelatedPerson", &related), ("Consent", &consents), ("AuditEvent", &acts)] {
            for_validators(kind, resources);
        }
    });
}

#[test]
fn whoever_acts_for_somebody_finds_themselves_and_no_other() {
    run(async {
        let Family { world, gil, hana } = of_ben().await;
        let father = token(&world, "gil", "ben").await;
        // So that there is something to find.
        let ben = world.token("ben").await;
        assert_eq!(world.get("/fhir/Observation", &ben).await.status, 200);
        looked_at(&world, &ben, 1).await;
        for kind in ["RelatedPerson", "Consent"] {
            let mine = found(&world, &father, "ben", kind, "").await;
            assert_eq!(ids(&mine), BTreeSet::from([own_id(gil)]), "{kind}");
            for_validators(&format!("{kind}-of-holder"), &mine);
        }
        assert!(found(&world, &father, "ben", "AuditEvent", "").await.is_empty());
        let consents: Vec<String> = ids(&world.get("/fhir/Consent", &ben).await.matches()).into_iter().collect();
        let events = world.get("/fhir/AuditEvent?_count=5", &ben).await.ids();
        let others = [(String::from("RelatedPerson"), own_id(hana))]
            .into_iter()
            .chain(consents.into_iter().filter(|id| *id != own_id(gil)).map(|id| ("Consent".to_owned(), id)))
            .chain(events.into_iter().map(|id| ("AuditEvent".to_owned(), id)));
        let eve = world.token("eve").await;
        let mut asked = 0;
        for (kind, id) in others {
            // Neither by reading, nor by searching for it; and to a stranger not even one's own.
            for (id, token) in [(&id, &father), (&id, &eve), (&own_id(gil), &eve)] {
                let hidden = world.get(&format!("/fhir/{kind}/self.00000000-0000-4000-8000-000000000000"), token).await;
                let reply = world.get(&format!("/fhir/{kind}/{id}"), token).await;
                assert_eq!((reply.status, reply.without_request_id()), (404, hidden.without_request_id()), "{kind}");
                assert!(world.get(&format!("/fhir/{kind}?_id={id}"), token).await.matches().is_empty(), "{kind}");
            }
            asked += 1;
        }
        assert!(asked > 6);
        for kind in KINDS {
            let query = format!("patient=Patient/{}", world.person("ben").id);
            assert!(world.get(&format!("/fhir/{kind}?{query}"), &eve).await.matches().is_empty(), "{kind}");
        }
        for query in [format!("RelatedPerson?_id={}", own_id(hana)), "RelatedPerson?name=hana".to_owned()] {
            let text = world.get(&format!("/fhir/{query}"), &father).await;
            assert!(text.matches().is_empty());
        }
    });
}

#[test]
fn a_holders_consent_does_not_tell_what_was_left_out() {
    run(async {
        let world = family(Vec::new()).await;
        let all = organizations::all(&world.app.db).await.unwrap();
        let two = all.iter().find(|organization| organization.name == "Practice two").unwrap().id;
        let scope = json!({"level": "view", "actions": ["connect-app"], "sensitivity": {"all-but": ["HIV"]},
            "without_organizations": [two]});
        let less = grant(&world, "hana", "eve", GrantBasis::PatientConsent, scope).await;
        let all = grant(&world, "ike", "eve", GrantBasis::PatientConsent, Value::Null).await;
        let mut shown = Vec::new();
        for (holder, grant) in [("hana", less), ("ike", all)] {
            let token = token(&world, holder, "eve").await;
            let [consent] = &world.get("/fhir/Consent", &token).await.matches()[..] else { panic!("one of each") };
            shown.push(consent.to_string().replace(&grant.to_string(), "grant"));
        }
        assert_eq!(shown[0], shown[1]);
        let eve = world.token("eve").await;
        let whole = world.get(&format!("/fhir/Consent/{}", own_id(less)), &eve).await.json();
        assert_eq!(whole["provision"]["provision"][0]["securityLabel"][0]["code"], "HIV");
        // Nor does the page, or what stands behind it.
        let left_out = "Not all private topics";
        for (who, list, tells) in
            [("hana", "seen_by_me", false), ("ike", "seen_by_me", false), ("eve", "see_mine", true)]
        {
            let mut browser = world.browser(who).await;
            let told = browser.get("/api/v1/people").await.json()[list].to_string();
            assert_eq!(told.contains("HIV") && told.contains(&two.to_string()), tells, "{who}: {told}");
            assert_eq!(told.contains("HIV") || told.contains(&two.to_string()), tells, "{who}: {told}");
            let page = browser.get("/people").await.body;
            assert_eq!(page.contains(left_out), tells, "{who}");
            // Of a practice that was left out, whom it was kept from is not told at all.
            assert_eq!((told.contains("Practice two"), page.contains("Practice two")), (who != "hana", who != "hana"));
        }
    });
}

#[test]
fn scopes_and_the_capability_statement_speak_of_them() {
    run(async {
        let Family { world, gil, .. } = of_ben().await;
        let none = world.token_for("ben", "ben", "app", "launch/patient patient/Observation.rs").await;
        let to_read = world.token_for("ben", "ben", "app", "launch/patient patient/RelatedPerson.r").await;
        let some = "launch/patient patient/RelatedPerson.rs?active=true patient/AuditEvent.s";
        let sifted = world.token_for("ben", "ben", "app", some).await;
        for kind in KINDS {
            assert_eq!(world.get(&format!("/fhir/{kind}"), &none).await.status, 403, "{kind}");
            assert_eq!(world.get(&format!("/fhir/{kind}/{}", own_id(gil)), &none).await.status, 403, "{kind}");
        }
        let path = format!("/fhir/RelatedPerson/{}", own_id(gil));
        assert_eq!(world.get(&path, &to_read).await.status, 200);
        assert_eq!(world.get("/fhir/RelatedPerson", &to_read).await.status, 403);
        assert_eq!(world.get("/fhir/AuditEvent", &sifted).await.status, 200);
        // What is kept here alone is no part of what gathers the record: whoever may see nothing else may not gather it.
        let kept = world.token_for("ben", "ben", "app", "launch/patient patient/AuditEvent.rs").await;
        let gather = format!("/fhir/Patient/{}/$everything", world.person("ben").id);
        assert_eq!(world.get(&gather, &kept).await.status, 403);
        assert_eq!(world.get("/fhir/AuditEvent", &kept).await.status, 200);
        // Named, it is said where it is to be found, and not that it was not granted.
        let named = format!("{gather}?_type=AuditEvent,Encounter,Consent");
        let both =
            world.token_for("ben", "ben", "app", "launch/patient patient/AuditEvent.rs patient/Consent.rs").await;
        let told = world.get(&named, &both).await.outcomes();
        let of = |code: &str| told.iter().filter(|text| text.starts_with(code)).cloned().collect::<Vec<_>>();
        let (elsewhere, denied) = (of("not-supported"), of("forbidden"));
        assert!(elsewhere.len() == 1 && elsewhere[0].ends_with("search for it: AuditEvent"), "{told:?}");
        assert!(denied.len() == 1 && denied[0].ends_with("this app: Encounter"), "{told:?}");
        // A practice may hold consents of its own.
        let consents = world.token_for("ben", "ben", "app", "launch/patient patient/Consent.rs").await;
        let gathered = world.get(&gather, &consents).await;
        assert!(gathered.status == 200 && !gathered.text.contains("self."), "{}", gathered.text);
        let statement = world.send("GET", "/fhir/metadata", None, &[], "").await.json();
        let types: Vec<&Value> = statement["rest"][0]["resource"].as_array().unwrap().iter().collect();
        for kind in KINDS {
            let entry = types.iter().find(|entry| entry["type"] == kind).unwrap_or_else(|| panic!("{kind}"));
            let codes: Vec<&str> =
                entry["interaction"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
            assert!(codes.contains(&"read") && codes.contains(&"search-type"), "{kind}: {codes:?}");
        }
        assert!(!types.iter().any(|entry| ["Person", "Subscription"].contains(&entry["type"].as_str().unwrap())));
        // A grant that has ended is still told of, as one that has ended.
        let everything = world.token_for("ben", "ben", "app", EVERYTHING).await;
        super::family::practice_end(&world, "gil", "ben").await;
        let ended = world.get(&path, &everything).await.json();
        assert_eq!(ended["active"], false);
        let consent = world.get(&format!("/fhir/Consent/{}", own_id(gil)), &everything).await.json();
        assert_eq!(consent["status"], "inactive");
    });
}
