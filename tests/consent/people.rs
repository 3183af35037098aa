//! What people themselves see of it and do about it: who sees their record, its end, a teenager's assent, explanations.

use serde_json::{Value, json};

use chartgate::identity::GrantBasis;

use super::surfaces::{confidential, family, grant, seen_at_one, token};
use crate::support::http::Client as Browser;
use crate::support::world::{EVERYTHING, World, pairs, run};

async fn people(browser: &mut Browser) -> Value {
    let answer = browser.get("/api/v1/people").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

async fn end(world: &World, browser: &mut Browser, grant: &str) -> u16 {
    let own = [("origin", world.issuer.as_str()), ("sec-fetch-site", "same-origin")];
    browser.send("DELETE", &format!("/api/v1/people/{grant}"), &own, "").await.status
}

#[test]
fn both_sides_see_a_grant_and_either_ends_what_is_theirs_to_end() {
    run(async {
        let world = family(Vec::new()).await;
        grant(&world, "ike", "eve", GrantBasis::PatientConsent, Value::Null).await;
        grant(&world, "gil", "ana", GrantBasis::Parent, Value::Null).await;
        let court = grant(&world, "jo", "fay", GrantBasis::GuardianAdult, Value::Null).await.to_string();
        let (mut eve, mut ike) = (world.browser("eve").await, world.browser("ike").await);
        let (hers, his) = (people(&mut eve).await, people(&mut ike).await);
        assert_eq!(
            (hers["see_mine"][0]["name"].as_str(), hers["see_mine"].as_array().unwrap().len()),
            (Some("ike"), 1)
        );
        assert_eq!(hers["see_mine"][0]["grant"], his["seen_by_me"][0]["grant"]);
        assert_eq!(his["seen_by_me"][0]["name"], "eve-one Hale");
        assert!(hers["seen_by_me"].as_array().unwrap().is_empty() && his["see_mine"].as_array().unwrap().is_empty());
        // 8: one parent does not end another's, a stranger nobody's, a child not a parent's, and a court's stays.
        let (mut hana, mut ana) = (world.browser("hana").await, world.browser("ana").await);
        let parent = people(&mut ana).await["see_mine"][0]["grant"].as_str().unwrap().to_owned();
        assert_eq!(end(&world, &mut hana, &parent).await, 404);
        assert_eq!(end(&world, &mut ana, &parent).await, 404);
        assert_eq!(end(&world, &mut world.browser("fay").await, &court).await, 404);
        assert_eq!(end(&world, &mut ike, &parent).await, 404);
        // Eve ends hers, at once.
        let before = token(&world, "ike", "eve").await;
        assert_eq!(world.get("/fhir/Observation", &before).await.status, 200);
        let id = hers["see_mine"][0]["grant"].as_str().unwrap();
        assert_eq!(end(&world, &mut eve, id).await, 204);
        assert_eq!(world.get("/fhir/Observation", &before).await.status, 401);
        assert!(people(&mut eve).await["see_mine"].as_array().unwrap().is_empty());
        assert_eq!(end(&world, &mut eve, id).await, 404);
        // Jo gives hers up.
        assert_eq!(end(&world, &mut world.browser("jo").await, &court).await, 204);
    });
}

#[test]
fn a_teenager_decides_on_their_own_page_what_a_parent_sees() {
    run(async {
        let world = family(confidential("ben-one")).await;
        grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
        let parent = token(&world, "gil", "ben").await;
        let look = || seen_at_one(&world, &parent, "ben", "Observation");
        assert_eq!(look().await, ["height"]);
        let mut ben = world.browser("ben").await;
        let page = ben.get("/people").await;
        assert!(page.status == 200 && page.body.contains("Let gil see this"), "{}", page.body);
        let (grant, form_token) = (page.field("grant").unwrap(), page.field("form_token").unwrap());
        let form = |what: &str, label: Option<&str>| {
            let mut form = pairs(&[("grant", grant.as_str()), ("form_token", &form_token), ("do", what)]);
            form.extend(label.map(|label| ("label".to_owned(), label.to_owned())));
            form
        };
        assert_eq!(ben.post("/people", &pairs(&[("grant", grant.as_str()), ("do", "show")])).await.status, 403);
        assert_eq!(ben.post("/people", &form("show", None)).await.status, 303);
        assert_eq!(look().await, ["height", "lab", "misc", "old"]);
        assert_eq!(ben.post("/people", &form("show", Some("sexual-health"))).await.status, 303);
        assert_eq!(look().await, ["height", "lab", "misc", "old", "pcr"]);
        assert_eq!(ben.post("/people", &form("hide", None)).await.status, 303);
        assert_eq!(look().await, ["height"]);
        assert_eq!(ben.post("/people", &form("end", None)).await.status, 404, "that is not theirs to end");
        // A parent has no say in it.
        let mut gil = world.browser("gil").await;
        let theirs = gil.get("/people").await;
        let form_token = theirs.field("form_token").unwrap();
        let form = pairs(&[("grant", grant.as_str()), ("form_token", &form_token), ("do", "show")]);
        assert_eq!(gil.post("/people", &form).await.status, 404);
        assert_eq!(look().await, ["height"]);
    });
}

#[test]
fn whose_record_it_is_can_ask_why_somebody_sees_something() {
    run(async {
        let world = family(confidential("ben-one")).await;
        let grant = grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
        let one = &world.practice("one").source;
        let ask =
            |kind: &str, id: &str| format!("/api/v1/access/explain?grant={grant}&resource={kind}/{one}.ben-one-{id}");
        let (mut ben, mut gil) = (world.browser("ben").await, world.browser("gil").await);
        for (kind, id, rule) in [
            ("Observation", "height", Value::Null),
            ("Observation", "lab", json!("allow-list")),
            ("Observation", "weight", json!("taint")),
            ("Immunization", "hpv", json!("label")),
            ("Encounter", "visit", Value::Null),
        ] {
            let answer = ben.get(&ask(kind, id)).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let answer = answer.json();
            assert_eq!((&answer["rule"], &answer["seen"]), (&rule, &json!(rule.is_null())), "{kind} {id}");
            assert_eq!(
                (&answer["policy"]["name"], &answer["organization"]),
                (&json!("standard"), &json!("Practice one"))
            );
            assert_eq!(answer["outline"], json!(kind == "Encounter"));
        }
        // The parent finds nothing out by it, and neither does anybody by what is not there.
        assert_eq!(gil.get(&ask("Observation", "pcr")).await.status, 404);
        assert_eq!(gil.get(&ask("Observation", "height")).await.status, 404);
        assert_eq!(ben.get(&ask("Observation", "none")).await.status, 404);
        assert_eq!(ben.get("/api/v1/access/explain?grant=x&resource=y").await.status, 400);
    });
}

#[test]
fn who_may_act_but_not_connect_apps_connects_none() {
    run(async {
        let world = family(Vec::new()).await;
        grant(&world, "ike", "eve", GrantBasis::PatientConsent, json!({"level": "act"})).await;
        grant(&world, "ike", "dee", GrantBasis::PatientConsent, json!({"level": "act", "actions": ["connect-app"]}))
            .await;
        world.register("app").await;
        let mut ike = world.browser("ike").await;
        let page = ike.get(&world.authorize("app", EVERYTHING, &[])).await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.body.contains("dee-one") && !page.body.contains("eve-one"), "{}", page.body);
    });
}
