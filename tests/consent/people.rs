//! What people themselves see of it and do about it: who sees their record, its end, a teenager's assent, explanations.

use serde_json::{Value, json};

use chartgate::base::clock::Clock;
use chartgate::identity::GrantBasis;

use super::family::{confidential, family, grant, token};
use super::surfaces::seen_at_one;
use crate::support::http::Client as Browser;
use crate::support::world::{EVERYTHING, World, in_both_worlds, pairs, run};

in_both_worlds!(
    both_sides_see_a_grant_and_either_ends_what_is_theirs_to_end,
    who_may_act_but_not_connect_apps_connects_none,
);

async fn people(browser: &mut Browser) -> Value {
    let answer = browser.get("/api/v1/people").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

async fn end(world: &World, browser: &mut Browser, grant: &str) -> u16 {
    let own = [("origin", world.issuer.as_str()), ("sec-fetch-site", "same-origin")];
    browser.send("DELETE", &format!("/api/v1/people/{grant}"), &own, "").await.status
}

async fn both_sides_see_a_grant_and_either_ends_what_is_theirs_to_end() {
    let world = family(Vec::new()).await;
    grant(&world, "ike", "eve", GrantBasis::PatientConsent, Value::Null).await;
    grant(&world, "gil", "ana", GrantBasis::Parent, Value::Null).await;
    let court = grant(&world, "jo", "fay", GrantBasis::GuardianAdult, Value::Null).await.to_string();
    let (mut eve, mut ike) = (world.browser("eve").await, world.browser("ike").await);
    let (hers, his) = (people(&mut eve).await, people(&mut ike).await);
    assert_eq!((hers["see_mine"][0]["name"].as_str(), hers["see_mine"].as_array().unwrap().len()), (Some("ike"), 1));
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

async fn who_may_act_but_not_connect_apps_connects_none() {
    let world = family(Vec::new()).await;
    grant(&world, "ike", "eve", GrantBasis::PatientConsent, json!({"level": "act"})).await;
    grant(&world, "ike", "dee", GrantBasis::PatientConsent, json!({"level": "act", "actions": ["connect-app"]})).await;
    world.register("app").await;
    let mut ike = world.browser("ike").await;
    let page = ike.get(&world.authorize("app", EVERYTHING, &[])).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("dee-one") && !page.body.contains("eve-one"), "{}", page.body);
}

/// The names of the switcher's buttons, the one in view first.
fn switcher(page: &crate::support::http::Answer) -> Vec<(String, String)> {
    let mut found: Vec<(bool, String, String)> = page
        .body
        .split("<button type=\"submit\" name=\"person\" value=\"")
        .skip(1)
        .map(|part| {
            let (id, rest) = part.split_once('"').unwrap();
            let (head, rest) = rest.split_once('>').unwrap();
            let who = rest.split('<').next().unwrap().trim_start_matches("✓ ").to_owned();
            (!head.contains("aria-current"), id.to_owned(), who)
        })
        .collect();
    found.sort_by_key(|(is_other, ..)| *is_other);
    found.into_iter().map(|(_, id, who)| (id, who)).collect()
}

const ANA: &str = "ana-one Hale (your child)";
const BEN: &str = "ben-one Hale (your child)";

#[test]
fn a_mother_switches_between_her_children_and_i15_to_nobody_else() {
    run(async {
        let world = family(Vec::new()).await;
        for child in ["ana", "ben", "dee"] {
            grant(&world, "hana", child, GrantBasis::Parent, Value::Null).await;
        }
        grant(&world, "ike", "eve", GrantBasis::PatientConsent, Value::Null).await;
        let mut hana = world.browser("hana").await;
        for path in ["/", "/people", "/apps", "/account", "/find"] {
            let names: Vec<String> = switcher(&hana.get(path).await).into_iter().map(|(_, who)| who).collect();
            // Dee is of age: nothing of hers is seen, and she is not there.
            let (own, mut children) = (names[0].clone(), names[1..].to_vec());
            children.sort();
            assert_eq!((own.as_str(), children), ("You", vec![ANA.to_owned(), BEN.to_owned()]), "{path}");
        }
        let page = hana.get("/people").await;
        let ben = switcher(&page).into_iter().find(|(_, who)| who.starts_with("ben")).unwrap();
        let form_token = page.field("switch_token").unwrap();
        let form = |person: &str| pairs(&[("switch_token", &form_token), ("person", person)]);
        assert_eq!(hana.post("/switch", &form(&ben.0)).await.status, 303);
        assert_eq!(switcher(&hana.get("/people").await)[0], ben);
        let home = hana.get("/").await.body;
        assert!(
            home.find("<h3>ben-one").unwrap() < home.find("<h3>ana-one").unwrap(),
            "the record in view comes first"
        );
        // Nobody else's record comes into view, by form or by cookie.
        for other in ["eve", "dee"] {
            let id = world.person(other).id.to_string();
            assert_eq!(hana.post("/switch", &form(&id)).await.status, 404, "{other}");
            hana.cookies.insert("chartgate-person".to_owned(), id.clone());
            let shown = switcher(&hana.get("/people").await);
            assert!(shown.iter().all(|(known, _)| *known != id), "{other}: {shown:?}");
        }
        assert_eq!(hana.post("/switch", &pairs(&[("person", &ben.0)])).await.status, 403);
    });
}

#[test]
fn the_page_says_part_by_part_what_is_seen_in_the_readers_language() {
    run(async {
        let world = family(Vec::new()).await;
        grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
        grant(&world, "ike", "eve", GrantBasis::PatientConsent, json!({"level": "view", "categories": ["results"]}))
            .await;
        let sees = |people: &Value| people["see_mine"][0]["sees"][0]["categories"].clone();
        let (mut ben, mut eve) = (world.browser("ben").await, world.browser("eve").await);
        let (his, hers) = (sees(&people(&mut ben).await), sees(&people(&mut eve).await));
        for (category, of_ben, of_eve) in [
            ("results", "nothing", "all"),
            ("immunizations", "part", "nothing"),
            ("visits", "outline", "nothing"),
            ("billing", "outline", "nothing"),
            ("notes", "nothing", "nothing"),
        ] {
            assert_eq!((&his[category], &hers[category]), (&json!(of_ben), &json!(of_eve)), "{category}");
        }
        // To a teenager in other words, and in the language that was chosen.
        assert!(ben.get("/people").await.body.contains("Who can see my stuff"));
        assert!(eve.get("/people").await.body.contains("Who can see my record"));
        let id = world.account("ben").await;
        let spanish = chartgate::identity::Language::Spanish;
        let set = world.app.db.write(move |tx| Box::pin(chartgate::storage::accounts::set_language(tx, id, spanish)));
        set.await.unwrap();
        let page = ben.get("/people").await.body;
        assert!(page.contains("<html lang=\"es\">") && page.contains("Quién puede ver lo mío"), "{page}");
        assert!(page.contains("consultas y citas") && !page.contains("visits and appointments"), "{page}");
        // A parent's last look stands there after they looked.
        assert!(page.contains("Todavía no ha mirado"), "{page}");
        let parent = token(&world, "gil", "ben").await;
        assert_eq!(world.get("/fhir/Immunization", &parent).await.status, 200);
        let mut last = Value::Null;
        for _ in 0..100 {
            last = people(&mut ben).await["see_mine"][0]["last_look"].clone();
            if !last.is_null() {
                break;
            }
            // Entries of reads are written together, at most 50 ms later.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(last, json!(world.clock.now().to_fhir()));
    });
}

/// Who looked, as the API says it: who, by what right, and at what.
async fn looks(browser: &mut Browser, person: &str) -> (u16, Vec<Value>) {
    let answer = browser.get(&format!("/api/v1/access/history?person={person}")).await;
    let entries = if answer.status == 200 { answer.json()["entries"].as_array().unwrap().clone() } else { Vec::new() };
    (answer.status, entries)
}

#[test]
fn people_see_who_looked_and_proxies_by_role_alone() {
    run(async {
        let world = family(confidential("ben-one")).await;
        for (holder, person) in [("gil", "ana"), ("hana", "ana"), ("gil", "ben")] {
            grant(&world, holder, person, GrantBasis::Parent, Value::Null).await;
        }
        grant(&world, "ike", "eve", GrantBasis::PatientConsent, Value::Null).await;
        for (holder, person) in [("hana", "ana"), ("ike", "eve"), ("ben", "ben")] {
            let token = token(&world, holder, person).await;
            assert_eq!(world.get("/fhir/Observation", &token).await.status, 200);
        }
        let (ana, ben, eve) = (world.person("ana").id, world.person("ben").id, world.person("eve").id);
        let (mut gil, mut own) = (world.browser("gil").await, world.browser("eve").await);
        let of = |entries: &[Value], who: &str| -> Vec<Value> {
            entries.iter().filter(|e| e["who"] == who && e["kind"] == "looked").cloned().collect()
        };
        let mut found = Vec::new();
        for _ in 0..100 {
            found = of(&looks(&mut own, &eve.to_string()).await.1, "proxy");
            if !found.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((&found[0]["name"], &found[0]["basis"]), (&json!("ike"), &json!("patient-consent")));
        assert_eq!((&found[0]["resource_type"], &found[0]["app"]), (&json!("Observation"), &json!("App app")));
        // 10: Gil sees that Hana looked, by role, and not at what.
        let (status, entries) = looks(&mut gil, &ana.to_string()).await;
        let theirs = of(&entries, "proxy");
        assert_eq!((status, theirs.len()), (200, 1), "{entries:?}");
        assert_eq!((&theirs[0]["basis"], &theirs[0]["name"]), (&json!("parent"), &Value::Null));
        assert!(entries.iter().all(|e| e["resource_type"].is_null() && e["released"].is_null()), "{entries:?}");
        // I18: of a teenager, of whom he sees a part, he learns nothing by who looks; of a stranger nothing at all.
        assert_eq!(looks(&mut gil, &ben.to_string()).await.0, 404);
        assert_eq!(looks(&mut gil, &eve.to_string()).await.0, 404);
        assert_eq!(looks(&mut own, "x").await.0, 400);
        let page = own.get("/access").await.body;
        assert!(page.contains("ike (somebody who was let in)") && page.contains("(with App app)"), "{page}");
    });
}

#[test]
fn one_looks_at_ones_record_as_another_sees_it() {
    run(async {
        let world = family(confidential("ben-one")).await;
        let id = grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await.to_string();
        let (mut ben, mut gil) = (world.browser("ben").await, world.browser("gil").await);
        let mut shown = std::collections::BTreeMap::new();
        for kind in ["Immunization", "Encounter", "Observation"] {
            let page = ben.get(&format!("/people/see-as?grant={id}&kind={kind}")).await;
            assert_eq!(page.status, 200, "{}", page.body);
            let list = page.body.rsplit("<dl class=\"sees\">").next().unwrap();
            let items = list.split("<dt>").skip(1).map(|part| part.split("<dd>").nth(1).unwrap().split("</dd>").next());
            for how in items {
                *shown.entry((kind, how.unwrap().to_owned())).or_insert(0) += 1;
            }
        }
        let count = |kind: &'static str, how: &str| shown.get(&(kind, how.to_owned())).copied().unwrap_or(0);
        // Two practices with one vaccination each; what the clinic gave in confidence is two more, not seen.
        assert_eq!((count("Immunization", "seen"), count("Immunization", "not seen")), (2, 2), "{shown:?}");
        let outline = "only when, where and how much is seen, or without contact data";
        assert_eq!((count("Encounter", outline), count("Encounter", "not seen")), (2, 1), "{shown:?}");
        // One measurement of each practice; of results and of what hangs on a confidential visit nothing.
        assert_eq!((count("Observation", "seen"), count("Observation", "not seen")), (2, 8), "{shown:?}");
        assert_eq!(gil.get(&format!("/people/see-as?grant={id}&kind=Observation")).await.status, 404);
    });
}

#[test]
fn another_front_end_has_the_same_by_the_api() {
    run(async {
        let world = family(confidential("ben-one")).await;
        let id = grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await.to_string();
        let (mut ben, mut gil) = (world.browser("ben").await, world.browser("gil").await);
        let (view, assent) = (format!("/api/v1/people/{id}/view"), format!("/api/v1/people/{id}/assent"));
        let seen = async |browser: &mut Browser, kind: &str| -> Vec<String> {
            let answer = browser.get(&format!("{view}?type={kind}")).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let items = answer.json()["items"].as_array().unwrap().clone();
            assert!(items.iter().all(|item| item["reference"].as_str().unwrap().starts_with(&format!("{kind}/"))));
            let mut seen: Vec<String> = items.iter().map(|item| item["seen"].as_str().unwrap().to_owned()).collect();
            seen.sort();
            seen
        };
        assert_eq!(seen(&mut ben, "Encounter").await, ["not", "part", "part"]);
        assert_eq!(seen(&mut ben, "Immunization").await, ["not", "not", "whole", "whole"]);
        assert_eq!(ben.get(&format!("{view}?type=AuditEvent")).await.status, 400);
        assert_eq!(gil.get(&view).await.status, 404, "it is Ben's to look at");
        assert_eq!(ben.get(&view).await.json()["items"], json!([]));
        // What Ben lets him see, and takes back.
        let own = [
            ("origin", world.issuer.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/json"),
        ];
        let before = seen(&mut ben, "Observation").await;
        assert_eq!(gil.send("PUT", &assent, &own, r#"{"topics": []}"#).await.status, 404);
        assert_eq!(ben.send("PUT", &assent, &own, r#"{"topics": ["everything"]}"#).await.status, 422);
        assert_eq!(ben.send("PUT", &assent, &own, r#"{"topics": []}"#).await.status, 204);
        let after = seen(&mut ben, "Observation").await;
        let whole = |seen: &[String]| seen.iter().filter(|seen| *seen == "whole").count();
        assert_eq!((whole(&before), whole(&after)), (2, 8), "{after:?}");
        assert_eq!(ben.send("DELETE", &assent, &own, "").await.status, 204);
        assert_eq!(seen(&mut ben, "Observation").await, before);
    });
}

#[test]
fn a_minor_does_not_let_anybody_in_without_the_practice() {
    run(async {
        let world = family(Vec::new()).await;
        let mut ben = world.browser("ben").await;
        let page = ben.get("/people/invite").await;
        assert!(
            page.status == 200 && page.body.contains("Private topics stay hidden unless you tick them"),
            "{}",
            page.body
        );
        let mut form = page.form_to("/people/invite");
        form.retain(|(name, _)| !matches!(name.as_str(), "given" | "family"));
        form.extend(pairs(&[("given", "Aunt"), ("family", "May"), ("do", "hand-out")]));
        let done = ben.post("/people/invite", &form).await;
        assert!(done.status == 200 && done.body.contains("looks at it first"), "{}", done.body);
        assert!(!done.body.contains("class=\"code\""));
        assert!(ben.get("/people").await.body.contains("The practice has not decided yet."));
    });
}
