//! Security design, I15: whose record a tab shows is what its address and its session say, whatever another tab of the same
//! browser has chosen since; and a token for one child is for no other.

use serde_json::Value;

use chartgate::identity::GrantBasis;

use super::family::{confidential, family, grant};
use super::surfaces::seen;
use crate::support::http::Client as Browser;
use crate::support::world::{EVERYTHING, World, in_both_worlds, pairs, set};

in_both_worlds!(
    i15_two_tabs_with_different_persons_do_not_mix,
    i15_a_token_for_one_child_is_for_no_other_by_whatever_parameter,
);

async fn parents() -> World {
    let world = family([confidential("ana-one"), confidential("ben-one")].concat()).await;
    for person in ["ana", "ben"] {
        grant(&world, "gil", person, GrantBasis::Parent, Value::Null).await;
    }
    world
}

/// Chooses whose record the browser's pages are about: all its tabs share what it keeps.
async fn switch(world: &World, browser: &mut Browser, person: &str) {
    let token = browser.get("/people").await.field("switch_token").unwrap();
    let form = pairs(&[("switch_token", &token), ("person", &world.person(person).id.to_string())]);
    assert_eq!(browser.post("/switch", &form).await.status, 303);
}

async fn i15_two_tabs_with_different_persons_do_not_mix() {
    let world = parents().await;
    world.register("app").await;
    let (ana, ben) = (world.person("ana").id.to_string(), world.person("ben").id.to_string());
    let key = world.practice("one").source.clone();
    // One browser, two tabs: the first stays at Ana's record while the second goes to Ben's.
    let mut browser = world.browser("gil").await;
    switch(&world, &mut browser, "ana").await;
    let first = browser.get(&format!("/record/findings?person={ana}")).await;
    switch(&world, &mut browser, "ben").await;
    let second = browser.get(&format!("/record/findings?person={ben}")).await;
    let again = browser.get(&format!("/record/findings?person={ana}")).await;
    for (page, own, other) in
        [(&first, "ana-one-", "ben-one-"), (&again, "ana-one-", "ben-one-"), (&second, "ben-one-", "ana-one-")]
    {
        assert!(page.status == 200 && page.body.contains(own), "{}", page.body);
        assert!(!page.body.contains(other), "{own}: {}", page.body);
    }
    assert!(
        first.body.contains("ana-one-pcr") && !second.body.contains("ben-one-pcr"),
        "each by the rules of their age"
    );
    // An item of one under the other's name is not there, as one that never was.
    for (item, person) in [("ben-one-height", &ana), ("ana-one-height", &ben), ("ben-one-pcr", &ana), ("none", &ana)] {
        let page = browser.get(&format!("/record/findings/{key}.{item}?person={person}")).await;
        assert_eq!(page.status, 404, "{item}");
    }
    let stranger = world.person("eve").id;
    assert_eq!(
        browser.get(&format!("/record/findings?person={stranger}")).await.status,
        404,
        "switched in the address"
    );
    // An app is let in for Ana in the first tab while the second lets it in for Ben, which is sent first.
    let asked = world.authorize("app", EVERYTHING, &[]);
    let (mut one, mut two) = (browser.get(&asked).await.form(), browser.get(&asked).await.form());
    for (form, person) in [(&mut one, &ana), (&mut two, &ben)] {
        set(form, "person", person);
        set(form, "decision", "allow");
    }
    let mut codes = Vec::new();
    for form in [&two, &one] {
        let allowed = browser.post("/oauth/consent", form).await;
        codes.push(allowed.redirected("code").unwrap_or_else(|| panic!("no code: {}", allowed.body)));
    }
    for (code, person) in codes.iter().zip(["ben", "ana"]) {
        let answer = world.redeem("app", code).await;
        assert_eq!(answer["patient"], world.person(person).id.to_string(), "the person of its own tab");
        let token = answer["access_token"].as_str().unwrap();
        let found = world.get("/fhir/Observation", token).await.ids();
        assert!(!found.is_empty() && found.iter().all(|id| id.contains(&format!(".{person}-"))), "{person}: {found:?}");
    }
}

async fn i15_a_token_for_one_child_is_for_no_other_by_whatever_parameter() {
    let world = parents().await;
    let token = world.token_for("gil", "ana", "app", EVERYTHING).await;
    let (ana, ben) = (world.person("ana").id, world.person("ben").id);
    let key = &world.practice("one").source;
    assert_eq!(seen(&world, &token, "ana", "Observation").await.len(), 10);
    for search in [
        format!("Observation?patient={ben}"),
        format!("Observation?subject=Patient/{ben}"),
        format!("Observation?subject:Patient={ben}"),
        format!("Observation?patient=Patient/{key}.ben-one"),
        "Observation?patient.name=ben-one".to_owned(),
        format!("Observation?patient={ben}&patient={ana}"),
        format!("Patient?_id={ben}"),
        format!("Patient?_id={key}.ben-one"),
    ] {
        let reply = world.get(&format!("/fhir/{search}"), &token).await;
        let is_refused = [400, 403, 404].contains(&reply.status);
        assert!(is_refused || reply.matches().is_empty(), "{search}: {}", reply.text);
        assert!(!reply.text.contains("ben-one-height"), "{search}");
    }
    let either = world.get(&format!("/fhir/Observation?patient={ana},{ben}"), &token).await;
    assert!(either.status != 200 || either.ids().iter().all(|id| id.contains(".ana-")), "{}", either.text);
    for path in [
        format!("Patient/{ben}"),
        format!("Patient/{key}.ben-one"),
        format!("Patient/{ben}/$everything"),
        format!("Patient/{ben}/Observation"),
        format!("Observation/{key}.ben-one-height"),
        format!("Observation/{key}.ben-one-height/_history"),
    ] {
        let reply = world.get(&format!("/fhir/{path}"), &token).await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.text);
    }
}
