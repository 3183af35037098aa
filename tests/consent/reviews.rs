//! What people wrote may say something sensitive without a code for it: it is kept from those from whom the label would keep
//! it until staff have looked (portal design, 3.5 v).

use std::time::Duration;

use serde_json::{Value, json};

use chartgate::identity::{GrantBasis, StaffRole};
use chartgate::storage::staff_tasks;

use super::family::*;
use super::surfaces::seen_at_one;
use crate::linking::{appoint, at_work, organization, submit};
use crate::support::http::{Answer, Client as Browser};
use crate::support::world::{World, in_both_worlds};

in_both_worlds!(
    words_keep_items_from_whom_the_label_would_until_staff_have_looked,
    words_that_changed_are_looked_at_anew,
    who_acts_for_the_patient_or_works_elsewhere_says_nothing_of_words,
    a_teenager_s_parents_do_not_read_what_somebody_noted,
);

const NUMBER: &str = "MRN-eve-one";

fn noted() -> Vec<Value> {
    let lab = |name: &str, code: Value, more: Value| {
        observation(&format!("eve-one-{name}"), "eve-one", "laboratory", code, more)
    };
    let mut talk = encounter("eve-one-talk", "eve-one", concept(NUCC, "208000000X"));
    merge(&mut talk, json!({"reasonCode": [{"text": "Consejería sobre VIH"}]}));
    vec![
        lab("local", json!({"coding": [{"system": "urn:lab", "code": "4711"}], "text": "HIV 1/2 Ab"}), json!({})),
        lab("noted", concept(LOINC, "718-7"), json!({"note": [{"text": "Wants this with the hiv test."}]})),
        // Its code says it already: nobody has to look.
        lab("coded", json!({"coding": [{"system": LOINC, "code": "20447-9"}], "text": "HIV RNA"}), json!({})),
        lab("hives", json!({"text": "Hives score"}), json!({})),
        talk,
        lab("tied", concept(LOINC, "2345-7"), in_visit("eve-one-talk")),
        json!({"resourceType": "Medication", "id": "eve-drug", "code": {"text": "Truvada 200/300"}}),
        json!({"resourceType": "MedicationRequest", "id": "eve-one-drug", "status": "active", "intent": "order",
            "subject": of("eve-one"), "medicationReference": {"reference": "Medication/eve-drug"},
            "authoredOn": "2025-06-01"}),
    ]
}

/// Eve with what was noted of her. Jo sees all but HIV, Ike all but mental health; Kit is a clinician of the first practice, Lou
/// at its front desk, Hana a clinician of the second.
async fn clinic() -> World {
    let world = family(noted()).await;
    let but = |topic: &str| json!({"level": "view", "actions": ["connect-app"], "sensitivity": {"all-but": [topic]}});
    grant(&world, "jo", "eve", GrantBasis::GuardianAdult, but("HIV")).await;
    grant(&world, "ike", "eve", GrantBasis::GuardianAdult, but("MH")).await;
    appoint(&world, "kit", "one", StaffRole::Clinician).await;
    appoint(&world, "lou", "one", StaffRole::FrontDesk).await;
    appoint(&world, "hana", "two", StaffRole::Clinician).await;
    world
}

async fn tests_seen(world: &World, token: &str) -> Vec<String> {
    let mut found = seen_at_one(world, token, "eve", "Observation").await;
    found.retain(|id| ["local", "noted", "coded", "hives", "tied"].contains(&id.as_str()));
    found.sort();
    found
}

async fn drugs(world: &World, token: &str) -> Vec<String> {
    let mut found = seen_at_one(world, token, "eve", "MedicationRequest").await;
    found.sort();
    found
}

/// What waits for staff of a practice; what is written behind an answer is waited for.
async fn waiting(world: &World, practice: &str, expected: &[&str]) {
    let organization = organization(world, practice).await;
    let mut kinds = Vec::new();
    for _ in 0..200 {
        let open = staff_tasks::open(&world.app.db, organization).await.unwrap();
        kinds = open.iter().map(|task| task.kind.as_str()).collect();
        if kinds == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(kinds, expected, "{practice}");
}

async fn listed(staff: &mut Browser) -> Answer {
    let form = staff.get("/clinic/reviews").await;
    assert_eq!(form.status, 200, "{}", form.body);
    submit(staff, &form, "/clinic/reviews", &[("number", NUMBER)]).await
}

/// The form about one item, as it stands on the page, without the boxes that are ticked.
fn form_about(page: &Answer, item: &str) -> Vec<(String, String)> {
    let part = page.body.split("<li>").find(|part| part.contains(&format!("name=\"id\" value=\"{item}\"")));
    let part = part.unwrap_or_else(|| panic!("{item} is not listed: {}", page.body));
    let named = |name: &str| {
        let value = part.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap().split('"').next().unwrap();
        (name.to_owned(), value.to_owned())
    };
    ["form_token", "number", "source", "type", "id", "words"].map(named).to_vec()
}

async fn say(staff: &mut Browser, page: &Answer, item: &str, labels: &[&str]) -> Answer {
    let mut form = form_about(page, item);
    form.extend(labels.iter().map(|label| ("label".to_owned(), (*label).to_owned())));
    staff.post("/clinic/reviews/say", &form).await
}

async fn words_keep_items_from_whom_the_label_would_until_staff_have_looked() {
    let world = clinic().await;
    let (jo, ike) = (token(&world, "jo", "eve").await, token(&world, "ike", "eve").await);
    waiting(&world, "one", &[]).await;
    assert_eq!(tests_seen(&world, &jo).await, ["hives"]);
    assert_eq!(drugs(&world, &jo).await, ["inhaler"]);
    // To whom the topic is open, and to her, words are words.
    let all = ["coded", "hives", "local", "noted", "tied"];
    for token in [&ike, &world.token("eve").await] {
        assert_eq!(tests_seen(&world, token).await, all);
        assert_eq!(drugs(&world, token).await, ["drug", "inhaler"]);
    }
    let source = world.practice("one").source.clone();
    let rule = async |name: &str| {
        let mut eve = world.browser("eve").await;
        let people = eve.get("/api/v1/people").await.json();
        let lines = people["see_mine"].as_array().unwrap().clone();
        let grant = lines.iter().find(|line| line["name"] == "jo").unwrap()["grant"].clone();
        let item = format!("Observation/{source}.eve-one-{name}");
        let asked = format!("/api/v1/access/explain?grant={}&resource={item}", grant.as_str().unwrap());
        eve.get(&asked).await.json()["rule"].clone()
    };
    for (name, expected) in [("local", "review"), ("noted", "review"), ("coded", "label"), ("tied", "taint")] {
        assert_eq!(rule(name).await, expected, "{name}");
    }
    // Staff of the practice that has it know, once, and nobody else's.
    waiting(&world, "one", &["words-to-review"]).await;
    waiting(&world, "two", &[]).await;
    let mut kit = at_work(&world, "kit").await;
    let queue = kit.get("/clinic/queue").await;
    assert!(queue.body.contains("/clinic/reviews") && queue.body.contains("Hale"), "{}", queue.body);
    let page = listed(&mut kit).await;
    for text in ["HIV 1/2 Ab", "Wants this with the hiv test.", "Consejería sobre VIH", "Truvada 200/300"] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(!page.body.contains("HIV RNA") && !page.body.contains("Hives score"), "{}", page.body);
    assert_eq!(page.body.matches("Nobody has looked at it yet.").count(), 4);
    // What they say counts at the next request.
    say(&mut kit, &page, "eve-one-local", &["HIV"]).await;
    assert_eq!(tests_seen(&world, &jo).await, ["hives"]);
    assert_eq!(rule("local").await, "label");
    say(&mut kit, &page, "eve-one-noted", &[]).await;
    assert_eq!(tests_seen(&world, &jo).await, ["hives", "noted"]);
    say(&mut kit, &page, "eve-one-talk", &[]).await;
    assert_eq!(tests_seen(&world, &jo).await, ["hives", "noted", "tied"]);
    waiting(&world, "one", &["words-to-review"]).await;
    let done = say(&mut kit, &page, "eve-drug", &["MH"]).await;
    assert_eq!(done.body.matches("Somebody looked: it is about nothing private.").count(), 2, "{}", done.body);
    assert!(
        done.body.contains("it is about mental health.") && done.body.contains("it is about HIV."),
        "{}",
        done.body
    );
    waiting(&world, "one", &[]).await;
    assert_eq!(drugs(&world, &jo).await, ["drug", "inhaler"]);
    assert_eq!(drugs(&world, &ike).await, ["inhaler"], "what it was said to be about");
    // They thought again: what was said before does not count any more.
    say(&mut kit, &done, "eve-drug", &[]).await;
    assert_eq!(drugs(&world, &ike).await, ["drug", "inhaler"]);
    let still = say(&mut kit, &done, "eve-one-noted", &["HIV", "STD"]).await;
    assert!(still.body.contains("it is about HIV, sexually transmitted disease."), "{}", still.body);
    assert_eq!(tests_seen(&world, &jo).await, ["hives", "tied"]);
    // She reads that staff looked.
    let history = format!("/api/v1/access/history?person={}", world.person("eve").id);
    let history = world.browser("eve").await.get(&history).await.json();
    let entries = history["entries"].as_array().unwrap();
    assert!(entries.iter().any(|entry| entry["who"] == "staff"), "{history}");
}

async fn words_that_changed_are_looked_at_anew() {
    let world = clinic().await;
    let jo = token(&world, "jo", "eve").await;
    assert_eq!(tests_seen(&world, &jo).await, ["hives"]);
    let mut kit = at_work(&world, "kit").await;
    let page = listed(&mut kit).await;
    for item in ["eve-one-local", "eve-one-noted", "eve-one-talk", "eve-drug"] {
        say(&mut kit, &page, item, &[]).await;
    }
    waiting(&world, "one", &[]).await;
    assert_eq!(tests_seen(&world, &jo).await, ["hives", "local", "noted", "tied"]);
    let put = async |text: &str| {
        let practice = world.practice("one");
        let mut changed = practice.find("Observation", "eve-one-noted").unwrap().clone();
        changed["note"] = json!([{"text": text}]);
        let url = format!("{}/Observation/eve-one-noted", practice.base_url);
        let sent = world.http.put(url).header("content-type", "application/fhir+json").body(changed.to_string());
        assert!(sent.send().await.unwrap().status().is_success());
    };
    // The same word in another sentence is what they looked at; another word is not.
    put("The HIV test was taken.").await;
    assert_eq!(tests_seen(&world, &jo).await, ["hives", "local", "noted", "tied"]);
    waiting(&world, "one", &[]).await;
    put("The HIV test was taken, CD4 ordered.").await;
    tokio::time::sleep(Duration::from_millis(5_500)).await;
    assert_eq!(tests_seen(&world, &jo).await, ["hives", "local", "tied"]);
    waiting(&world, "one", &["words-to-review"]).await;
    let page = listed(&mut kit).await;
    assert_eq!(page.body.matches("Nobody has looked at it yet.").count(), 1, "{}", page.body);
    assert!(page.body.contains("CD4 ordered"), "{}", page.body);
}

async fn who_acts_for_the_patient_or_works_elsewhere_says_nothing_of_words() {
    let world = clinic().await;
    let mut kit = at_work(&world, "kit").await;
    let page = listed(&mut kit).await;
    let form = form_about(&page, "eve-one-local");
    let jo = token(&world, "jo", "eve").await;
    let unseen = async || assert_eq!(tests_seen(&world, &jo).await, ["hives"]);
    // The front desk has no such page.
    let mut lou = at_work(&world, "lou").await;
    assert_eq!(lou.get("/clinic/reviews").await.status, 403);
    let own = lou.get("/clinic/queue").await.form_to("/clinic/work/end");
    let token = own.into_iter().find(|(name, _)| name == "form_token").unwrap();
    let with_token = |token: &(String, String)| {
        let rest = form.iter().filter(|(name, _)| name != "form_token").cloned();
        rest.chain([token.clone()]).collect::<Vec<_>>()
    };
    for path in ["/clinic/reviews", "/clinic/reviews/say"] {
        assert_eq!(lou.post(path, &with_token(&token)).await.status, 403, "{path}");
    }
    unseen().await;
    // Another practice has other records, and nothing to say of this one's.
    let mut hana = at_work(&world, "hana").await;
    let own_form = hana.get("/clinic/reviews").await;
    let token = own_form.form_to("/clinic/reviews").into_iter().find(|(name, _)| name == "form_token").unwrap();
    assert_eq!(hana.post("/clinic/reviews/say", &with_token(&token)).await.status, 422);
    let elsewhere: Vec<_> = with_token(&token)
        .into_iter()
        .map(|(name, value)| if name == "number" { (name, "MRN-eve-two".to_owned()) } else { (name, value) })
        .collect();
    assert_eq!(hana.post("/clinic/reviews/say", &elsewhere).await.status, 404);
    let theirs = hana.post("/clinic/reviews", &elsewhere).await;
    assert!(theirs.status == 200 && !theirs.body.contains("HIV"), "{}", theirs.body);
    unseen().await;
    // A word that is no label changes nothing.
    let mut unknown = form.clone();
    unknown.push(("label".to_owned(), "NOTHING".to_owned()));
    assert_eq!(kit.post("/clinic/reviews/say", &unknown).await.status, 404);
    unseen().await;
    // Whoever acts for the patient does not say what they themselves see.
    grant(&world, "kit", "eve", GrantBasis::GuardianAdult, json!({"level": "view"})).await;
    for path in ["/clinic/reviews", "/clinic/reviews/say"] {
        let refused = kit.post(path, &form).await;
        assert_eq!(refused.status, 422, "{path}");
        assert!(refused.body.contains("Somebody else of the staff must look"), "{}", refused.body);
    }
    unseen().await;
}

async fn a_teenager_s_parents_do_not_read_what_somebody_noted() {
    let shot = |name: &str, note: &str| {
        json!({"resourceType": "Immunization", "id": format!("ben-one-{name}"), "status": "completed",
            "patient": of("ben-one"), "vaccineCode": concept("http://hl7.org/fhir/sid/cvx", "03"),
            "occurrenceDateTime": "2025-06-01", "note": [{"text": note}]})
    };
    let world =
        family(vec![shot("quiet", "left arm"), shot("told", "came for birth control, mother not to know")]).await;
    grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
    let (gil, ben) = (token(&world, "gil", "ben").await, world.token("ben").await);
    let shots = async |token: &str| {
        let mut found = seen_at_one(&world, token, "ben", "Immunization").await;
        found.retain(|id| ["quiet", "told"].contains(&id.as_str()));
        found.sort();
        found
    };
    assert_eq!(shots(&gil).await, ["quiet"]);
    assert_eq!(shots(&ben).await, ["quiet", "told"]);
    waiting(&world, "one", &["words-to-review"]).await;
    // Of a small child nothing is kept from parents, and nobody has to look.
    let world = family(vec![json!({"resourceType": "Immunization", "id": "ana-one-told", "status": "completed",
        "patient": of("ana-one"), "vaccineCode": concept("http://hl7.org/fhir/sid/cvx", "03"),
        "occurrenceDateTime": "2025-06-01", "note": [{"text": "anxiety before the needle"}]})])
    .await;
    grant(&world, "gil", "ana", GrantBasis::Parent, Value::Null).await;
    let gil = token(&world, "gil", "ana").await;
    assert!(seen_at_one(&world, &gil, "ana", "Immunization").await.contains(&"told".to_owned()));
    waiting(&world, "one", &[]).await;
}
