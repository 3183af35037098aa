//! The scenarios over HTTP: people of age, whom they let in, who decides for them, and how that ends.

use std::time::Duration;

use serde_json::{Value, json};

use chartgate::base::clock::Clock;
use chartgate::identity::{GrantBasis, GrantState, StatusReason};
use chartgate::practice::{self, NewGrant};
use chartgate::storage::{StorageError, grants, organizations};

use super::family::*;
use super::surfaces::{seen, seen_at_one};
use crate::support::http::Client as Browser;
use crate::support::world::{EVERYTHING, in_both_worlds};

in_both_worlds!(
    a_practice_that_the_grant_leaves_out_is_not_asked,
    a_grant_may_be_for_some_years_of_results,
    a_grant_ends_on_its_day,
    what_a_patient_leaves_out_is_not_there,
    a_visit_that_cannot_be_told_counts_as_one_that_is_hidden,
    a_hold_is_about_data_not_about_who_looks,
    a_power_of_attorney_springs_and_lapses,
    i16_a_grant_that_ends_is_dead_everywhere,
    after_a_death_nobody_reads_but_the_executor,
    an_app_for_a_proxy_stays_with_the_person,
);

async fn a_practice_that_the_grant_leaves_out_is_not_asked() {
    let world = family(Vec::new()).await;
    let organization = |name: &'static str| {
        let world = &world;
        async move {
            let all = organizations::all(&world.app.db).await.unwrap();
            all.into_iter().find(|organization| organization.name == name).unwrap().id
        }
    };
    let two = organization("Practice two").await;
    let scope = json!({"level": "manage", "organizations": [organization("Practice one").await]});
    grant(&world, "gil", "ana", GrantBasis::Parent, scope).await;
    let left_out = json!({"level": "view", "actions": ["connect-app"], "without_organizations": [two]});
    grant(&world, "ike", "eve", GrantBasis::PatientConsent, left_out).await;
    for (holder, person) in [("gil", "ana"), ("ike", "eve")] {
        let token = token(&world, holder, person).await;
        world.forget_upstream();
        let found = seen(&world, &token, person, "Observation").await;
        assert!(found.len() == 4 && found.iter().all(|id| id.contains("-one-")), "{found:?}");
        assert_eq!(world.upstream_counts()[1], 0, "the second practice is not asked");
        let patient = world.get("/fhir/Patient", &token).await.matches();
        assert!(patient.len() == 1 && patient[0]["link"].as_array().unwrap().len() == 1, "{patient:?}");
    }
}

async fn a_grant_may_be_for_some_years_of_results() {
    let world = family(Vec::new()).await;
    let scope = json!({"level": "view", "actions": ["connect-app"], "categories": ["results"], "data_period": {"from": "2024-01-01", "until": "2025-12-31"}});
    grant(&world, "hana", "dee", GrantBasis::PatientConsent, scope).await;
    let token = token(&world, "hana", "dee").await;
    assert_eq!(seen_at_one(&world, &token, "dee", "Observation").await, ["lab", "misc"]);
    for kind in ["Encounter", "MedicationRequest", "Invoice", "Immunization"] {
        assert!(seen(&world, &token, "dee", kind).await.is_empty(), "{kind}");
    }
}

async fn a_grant_ends_on_its_day() {
    let world = family(Vec::new()).await;
    let id = grant(&world, "hana", "dee", GrantBasis::PatientConsent, Value::Null).await;
    let now = world.clock.now();
    let review =
        json!({"level": "view", "actions": ["connect-app"], "review_by": now.plus(Duration::from_secs(600)).micros()});
    limit(&world, id, review).await;
    let day = now.plus(Duration::from_secs(600));
    let (account, person) = (world.account("ike").await, world.person("dee").id);
    let new = NewGrant { account, person, basis: GrantBasis::PatientConsent };
    practice::grant_until(&world.app.acts, &*RANDOM, now, new, Some(day)).await.unwrap();
    let token = token(&world, "hana", "dee").await;
    assert_eq!(seen(&world, &token, "dee", "Observation").await.len(), 8);
    let mut dee = world.browser("dee").await;
    let gone = async |dee: &mut Browser| dee.get("/api/v1/people").await.json()["gone"].clone();
    assert_eq!(gone(&mut dee).await, json!([]));
    world.clock.advance(Duration::from_secs(600));
    let after = world.get("/fhir/Observation", &token).await;
    assert!(after.status == 401 || after.matches().is_empty(), "{}", after.text);
    // What is over stands in her list with its reason; what waits for a review is not over.
    let gone = gone(&mut dee).await;
    assert_eq!(gone.as_array().unwrap().len(), 1, "{gone}");
    assert_eq!((&gone[0]["name"], &gone[0]["reason"]), (&json!("ike"), &json!("ROLE_DEACTIVATED_END_DATE_REACHED")));
    assert_eq!(gone[0]["at"], json!(day.to_fhir()));
}

async fn what_a_patient_leaves_out_is_not_there() {
    let art = json!({"resourceType": "MedicationRequest", "id": "eve-one-art", "status": "active", "intent": "order",
        "subject": of("eve-one"), "medicationCodeableConcept": concept(RXNORM, "276237")});
    let by_reference = json!({"resourceType": "MedicationRequest", "id": "eve-one-ref", "status": "active",
        "intent": "order", "subject": of("eve-one"), "medicationReference": {"reference": "Medication/truvada"}});
    let medication = json!({"resourceType": "Medication", "id": "truvada", "code": concept(RXNORM, "276237")});
    let visit = encounter("eve-one-hiv", "eve-one", concept(SCT, "86406008"));
    let tied = observation("eve-one-cd4", "eve-one", "laboratory", concept(LOINC, "2345-7"), in_visit("eve-one-hiv"));
    let world = family(vec![art, by_reference, medication, visit, tied]).await;
    let scope = json!({"level": "view", "actions": ["connect-app"], "sensitivity": {"all-but": ["HIV"]}});
    grant(&world, "ike", "eve", GrantBasis::PatientConsent, scope).await;
    let token = token(&world, "ike", "eve").await;
    assert_eq!(seen_at_one(&world, &token, "eve", "MedicationRequest").await, ["inhaler"]);
    assert_eq!(seen_at_one(&world, &token, "eve", "Observation").await, ["height", "lab", "misc", "old"]);
    assert_eq!(seen_at_one(&world, &token, "eve", "Encounter").await, ["visit"]);
    let own = world.token("eve").await;
    assert_eq!(seen_at_one(&world, &own, "eve", "MedicationRequest").await, ["art", "inhaler", "ref"]);
}

/// Portal design, 3.3 step 7: who sees some of a record because of what it says must not see what may hang on the rest.
async fn a_visit_that_cannot_be_told_counts_as_one_that_is_hidden() {
    let visit = json!({"reference": "Encounter/eve-one-visit"});
    let tied = |id: &str, more: Value| {
        observation(&format!("eve-one-{id}"), "eve-one", "laboratory", concept(LOINC, "4548-4"), more)
    };
    let more = vec![
        tied("known", json!({"encounter": visit})),
        tied("said", json!({"encounter": {"display": "the clinic"}})),
        tied("numbered", json!({"encounter": {"identifier": {"value": "7"}}})),
        tied("unknown", json!({"encounter": {"reference": "Encounter/none"}})),
        tied("urn", json!({"encounter": {"reference": "urn:uuid:9a2f0a8e-38f1-4e6c-8fd1-6a4d0a5f2a11"}})),
        tied("elsewhere", json!({"encounter": {"reference": "https://other.example/fhir/Encounter/1"}})),
        tied("malformed", json!({"encounter": {"reference": "Encounter/a b"}})),
        tied("listed", json!({"basedOn": [{"reference": "ServiceRequest/none"}]})),
        tied("half", json!({"encounter": visit, "basedOn": [{"display": "an order"}]})),
        // It explains that there is no value.
        tied("absent", json!({"encounter": {"extension": [{"url": "urn:x", "valueCode": "unknown"}]}})),
        tied("other", json!({"performer": [{"display": "somebody"}, {"reference": "Practitioner/none"}]})),
    ];
    let world = family(more).await;
    for (sensitivity, hides) in [(json!({"all-but": ["MH"]}), true), (json!("all"), false)] {
        let scope = json!({"level": "view", "actions": ["connect-app"], "sensitivity": sensitivity});
        let who = if hides { "ike" } else { "hana" };
        grant(&world, who, "eve", GrantBasis::PatientConsent, scope).await;
        let token = token(&world, who, "eve").await;
        let seen = seen_at_one(&world, &token, "eve", "Observation").await;
        for id in ["known", "absent", "other"] {
            assert!(seen.iter().any(|seen| seen == id), "{who}: {id} in {seen:?}");
        }
        for id in ["said", "numbered", "unknown", "urn", "elsewhere", "malformed", "listed", "half"] {
            assert_eq!(seen.iter().any(|seen| seen == id), !hides, "{who}: {id} in {seen:?}");
        }
    }
}

async fn a_hold_is_about_data_not_about_who_looks() {
    let reviewed = observation(
        "eve-one-seen",
        "eve-one",
        "laboratory",
        concept(LOINC, "2345-7"),
        json!({"note": [{"text": "fine"}]}),
    );
    let world = family(vec![reviewed]).await;
    grant(&world, "ike", "eve", GrantBasis::PatientConsent, Value::Null).await;
    let (own, proxy) = (world.token("eve").await, token(&world, "ike", "eve").await);
    let rule = lay_down(&world, "eve", json!({"hold": {"categories": ["results"], "days": null}})).await;
    for token in [&own, &proxy] {
        assert_eq!(seen_at_one(&world, token, "eve", "Observation").await, ["height", "seen"]);
    }
    lift(&world, rule).await;
    assert_eq!(seen_at_one(&world, &own, "eve", "Observation").await.len(), 5);
}

async fn a_power_of_attorney_springs_and_lapses() {
    let world = family(Vec::new()).await;
    let id = grant(
        &world,
        "jo",
        "fay",
        GrantBasis::HealthCarePowerOfAttorney,
        json!({"level": "manage", "springing": true}),
    )
    .await;
    let mut browser = world.browser("jo").await;
    assert!(!browser.get("/").await.body.contains("fay-one"), "not yet in effect");
    let now = world.clock.now();
    let review = now.plus(Duration::from_secs(900)).micros();
    limit(&world, id, json!({"level": "manage", "springing": true, "activated": now.micros(), "review_by": review}))
        .await;
    let token = token(&world, "jo", "fay").await;
    assert_eq!(seen(&world, &token, "fay", "Observation").await.len(), 8);
    world.clock.advance(Duration::from_secs(900));
    let after = world.get("/fhir/Observation", &token).await;
    assert!(after.status == 401 || after.matches().is_empty(), "{}", after.text);
}

/// In this process at once, in another within a second: for an app's token, on pages, and in the portal API.
async fn i16_a_grant_that_ends_is_dead_everywhere() {
    let world = family(Vec::new()).await;
    let id = grant(&world, "jo", "fay", GrantBasis::HealthCarePowerOfAttorney, Value::Null).await;
    let token = token(&world, "jo", "fay").await;
    let other = world.another_process().await;
    let address = other.strip_prefix("http://").unwrap().strip_suffix("/fhir").unwrap().parse().unwrap();
    let here = world.browser("jo").await;
    let there = Browser { address, ..here.clone() };
    let fay = world.person("fay").id;
    let pages = [format!("/record/findings?person={fay}"), format!("/api/v1/access/history?person={fay}")];
    let ask = async |fhir: &str, browser: &Browser| {
        let request = world.http.get(format!("{fhir}/Observation")).bearer_auth(&token);
        let mut statuses = vec![request.send().await.unwrap().status().as_u16()];
        for page in &pages {
            statuses.push(browser.clone().get(page).await.status);
        }
        statuses
    };
    // Until the other process has the rights of its own cache.
    tokio::time::sleep(Duration::from_millis(700)).await;
    for (fhir, browser) in [(&world.fhir, &here), (&other, &there)] {
        assert_eq!(ask(fhir, browser).await, [200, 200, 200]);
    }
    let state = GrantState::Ended { at: world.clock.now(), reason: StatusReason::PatientRequest };
    let ended: Result<(), StorageError> =
        world.app.db.write(move |tx| Box::pin(async move { grants::set_state(tx, id, &state).await })).await;
    ended.unwrap();
    let committed = std::time::Instant::now();
    assert_eq!(ask(&world.fhir, &here).await, [401, 404, 404]);
    let denied_here = committed.elapsed();
    // Asked by turns, so that each way is looked at by itself.
    let mut denied: [Option<Duration>; 3] = [None; 3];
    while denied.iter().any(Option::is_none) {
        assert!(committed.elapsed() < Duration::from_secs(3), "the other process: {denied:?}");
        let statuses = ask(&other, &there).await;
        for (denied, is_open) in denied.iter_mut().zip(statuses.iter().map(|status| *status == 200)) {
            match denied {
                Some(_) => assert!(!is_open, "denied is denied"),
                None if !is_open => *denied = Some(committed.elapsed()),
                None => {}
            }
        }
    }
    let [app, page, api] = denied.map(Option::unwrap);
    let on = world.database_url();
    let on = on.split(':').next().unwrap();
    println!(
        "from commit to denial, {on}: here {denied_here:?}; in another process app {app:?}, page {page:?}, API {api:?}"
    );
    let late = Duration::from_secs(1);
    assert!(app < late && page < late && api < late, "the other process: {app:?} {page:?} {api:?}");
}

async fn after_a_death_nobody_reads_but_the_executor() {
    let world = family(Vec::new()).await;
    grant(&world, "jo", "fay", GrantBasis::HealthCarePowerOfAttorney, Value::Null).await;
    grant(&world, "hana", "fay", GrantBasis::Executor, Value::Null).await;
    let jo = token(&world, "jo", "fay").await;
    assert_eq!(world.get("/fhir/Observation", &jo).await.status, 200);
    lay_down(&world, "fay", json!("deceased")).await;
    assert_eq!(world.get("/fhir/Observation", &jo).await.status, 401);
    let hana = token(&world, "hana", "fay").await;
    assert_eq!(seen(&world, &hana, "fay", "Observation").await.len(), 8);
}

async fn an_app_for_a_proxy_stays_with_the_person() {
    let world = family(Vec::new()).await;
    for person in ["ana", "ben"] {
        grant(&world, "gil", person, GrantBasis::Parent, Value::Null).await;
    }
    let token = token(&world, "gil", "ana").await;
    let ben = world.person("ben").id;
    assert!(world.get(&format!("/fhir/Patient?_id={ben}"), &token).await.matches().is_empty());
    assert_eq!(world.get(&format!("/fhir/Patient/{ben}"), &token).await.status, 404);
    assert!(world.get(&format!("/fhir/Observation?patient={ben}"), &token).await.matches().is_empty());
    // Who the user is: the RelatedPerson that they are to the person, which can be read with the token.
    let scope = "openid fhirUser launch/patient patient/*.rs";
    let token = world.token_for("gil", "ana", "app", scope).await;
    let info = world.get("/oauth/userinfo", &token).await.json();
    let user = info["fhirUser"].as_str().unwrap().to_owned();
    let path = user.strip_prefix(&world.issuer).unwrap_or_else(|| panic!("{user}"));
    assert!(path.starts_with("/fhir/RelatedPerson/self."), "{user}");
    let related = world.get(path, &token).await.json();
    assert_eq!(related["patient"]["reference"], format!("Patient/{}", world.person("ana").id));
    assert_eq!((&related["active"], &related["relationship"][0]["coding"][0]["code"]), (&json!(true), &json!("PRN")));
    // Ana sees it too; it is not there for another child's token, nor for somebody else's, nor without the scope.
    assert_eq!(world.get(path, &world.token("ana").await).await.status, 200);
    let hidden = world.get("/fhir/RelatedPerson/self.00000000-0000-4000-8000-000000000000", &token).await;
    for other in [world.token_for("gil", "ben", "app", EVERYTHING).await, world.token("eve").await] {
        let reply = world.get(path, &other).await;
        assert_eq!((reply.status, reply.without_request_id()), (404, hidden.without_request_id()));
    }
    let narrow = world.token_for("gil", "ana", "app", "launch/patient patient/Observation.rs").await;
    assert_eq!(world.get(path, &narrow).await.status, 403);
    // One's own record: the Patient.
    let own = world.token_for("eve", "eve", "app", scope).await;
    let info = world.get("/oauth/userinfo", &own).await.json();
    assert!(info["fhirUser"].as_str().unwrap().ends_with(&format!("/Patient/{}", world.person("eve").id)));
    // The end of the grant is the end of it all.
    practice_end(&world, "gil", "ana").await;
    assert_eq!(world.get(path, &token).await.status, 401);
    let reply = world.get(path, &world.token("ana").await).await;
    assert_eq!(reply.json()["active"], false);
    // A new grant brings no old app back: it has to be let in again.
    grant(&world, "gil", "ana", GrantBasis::Parent, Value::Null).await;
    assert_eq!(world.get(path, &token).await.status, 401);
}
