//! Connected apps: people see who may see what, and end it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use chartgate::config::Limits;
use chartgate::identity::GrantBasis;

use crate::support::http::Client as Browser;
use crate::support::world::{World, pairs, run};

async fn world() -> World {
    let world = World::of_fixtures(Limits::default()).await;
    world.grant("dana", "leo", GrantBasis::Parent).await;
    world
}

async fn apps(browser: &mut Browser) -> Vec<Value> {
    let answer = browser.get("/api/v1/apps").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["apps"].as_array().unwrap().clone()
}

/// Waits for what is written down beside requests.
async fn noted(browser: &mut Browser, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..200 {
        let found = apps(browser).await;
        if let Some(app) = found.iter().find(|app| wanted(app)) {
            return app.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not happen: {:?}", apps(browser).await);
}

#[test]
fn each_app_is_listed_with_its_record_its_rights_and_its_last_look() {
    run(async {
        let world = world().await;
        let mut browser = world.browser("dana").await;
        assert!(apps(&mut browser).await.is_empty());
        let scope = "launch/patient openid patient/Patient.rs patient/Observation.rs?category=laboratory";
        let token = world.token_for("dana", "leo", "charts", scope).await;
        world.token_for("dana", "dana", "steps", "launch/patient patient/Patient.rs").await;
        let listed = apps(&mut browser).await;
        let names: BTreeSet<_> = listed.iter().map(|app| app["name"].as_str().unwrap()).collect();
        assert_eq!(names, BTreeSet::from(["App charts", "App steps"]));
        let charts = listed.iter().find(|app| app["client_id"] == "charts").unwrap();
        assert_eq!(charts["person"], json!(world.person("leo").id.to_string()));
        assert_eq!((&charts["basis"], &charts["own"]), (&json!("parent"), &json!(true)));
        assert_eq!(charts["last_used"], Value::Null, "it has not looked");
        let may: Vec<&str> = charts["may"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        assert!(may.iter().any(|text| text.contains("only category: laboratory")), "{may:?}");
        assert_eq!(may.len(), 3, "{may:?}");

        let first = chartgate::base::clock::Clock::now(&*world.clock).to_fhir();
        assert_eq!(world.get("/fhir/Patient", &token).await.status, 200);
        let charts = noted(&mut browser, |app| app["client_id"] == "charts" && !app["last_used"].is_null()).await;
        assert_eq!(charts["last_used"], json!(first));
        // Within a minute nothing is written again; after it, it is.
        world.clock.advance(Duration::from_secs(61));
        let second = chartgate::base::clock::Clock::now(&*world.clock).to_fhir();
        assert_eq!(world.get("/fhir/Patient", &token).await.status, 200);
        noted(&mut browser, |app| app["last_used"] == json!(second)).await;

        let page = browser.get("/apps").await;
        assert_eq!(page.status, 200);
        for text in ["App charts", "App steps", "(your child)", "Disconnect App charts", "only category: laboratory"] {
            assert!(page.body.contains(text), "{text} in {}", page.body);
        }
    });
}

#[test]
fn o42_a_disconnected_app_is_out_at_once_and_the_others_stay() {
    run(async {
        let world = world().await;
        let scope = "launch/patient offline_access patient/Patient.rs";
        let gone = world.token_for("dana", "leo", "charts", scope).await;
        let kept = world.token_for("dana", "leo", "steps", scope).await;
        let mut browser = world.browser("dana").await;
        let of = |list: &[Value], client: &str| {
            list.iter().find(|app| app["client_id"] == client).map(|app| app["id"].as_str().unwrap().to_owned())
        };
        let listed = apps(&mut browser).await;
        let id = of(&listed, "charts").unwrap();

        // By the page, with its token; without it nothing happens.
        let page = browser.get("/apps").await;
        let form_token = page.field("form_token").unwrap();
        let bare = pairs(&[("app", id.as_str())]);
        assert_eq!(browser.post("/apps/disconnect", &bare).await.status, 403);
        assert_eq!(world.get("/fhir/Patient", &gone).await.status, 200);
        let form = pairs(&[("app", id.as_str()), ("form_token", &form_token)]);
        assert_eq!(browser.post("/apps/disconnect", &form).await.status, 303);
        assert_eq!(world.get("/fhir/Patient", &gone).await.status, 401);
        assert_eq!(world.get("/fhir/Patient", &kept).await.status, 200);
        let listed = apps(&mut browser).await;
        assert_eq!(of(&listed, "charts"), None);
        assert_eq!(browser.post("/apps/disconnect", &form).await.status, 404, "it is gone");

        // By the API.
        let path = format!("/api/v1/apps/{}", of(&listed, "steps").unwrap());
        assert_eq!(browser.send("DELETE", &path, &[], "").await.status, 403);
        let own = [("sec-fetch-site", "same-origin")];
        assert_eq!(browser.send("DELETE", &path, &own, "").await.status, 204);
        assert_eq!(world.get("/fhir/Patient", &kept).await.status, 401);
        assert!(apps(&mut browser).await.is_empty());
    });
}

#[test]
fn the_person_whose_record_it_is_sees_and_ends_what_others_connected_and_strangers_do_neither() {
    run(async {
        let world = world().await;
        let token = world.token_for("dana", "leo", "charts", "launch/patient patient/Patient.rs").await;
        let mut dana = world.browser("dana").await;
        let id = apps(&mut dana).await[0]["id"].as_str().unwrap().to_owned();
        let own = [("sec-fetch-site", "same-origin")];
        let path = format!("/api/v1/apps/{id}");

        let mut carlos = world.browser("carlos").await;
        assert!(apps(&mut carlos).await.is_empty());
        assert_eq!(carlos.send("DELETE", &path, &own, "").await.status, 404);
        assert_eq!(world.get("/fhir/Patient", &token).await.status, 200);

        let mut leo = world.browser("leo").await;
        let seen = apps(&mut leo).await;
        assert_eq!(seen.len(), 1);
        assert_eq!((&seen[0]["own"], &seen[0]["basis"]), (&json!(false), &Value::Null));
        assert!(leo.get("/apps").await.body.contains("Connected by somebody else"));
        assert_eq!(leo.send("DELETE", &path, &own, "").await.status, 204);
        assert_eq!(world.get("/fhir/Patient", &token).await.status, 401);
        assert!(apps(&mut dana).await.is_empty());
    });
}

#[test]
fn what_has_ended_is_not_listed() {
    run(async {
        let world = world().await;
        world.token_for("dana", "dana", "charts", "launch/patient patient/Patient.rs").await;
        let mut browser = world.browser("dana").await;
        assert_eq!(apps(&mut browser).await.len(), 1);
        world.clock.advance(Duration::from_secs(3_601));
        let mut browser = world.browser("dana").await;
        assert!(apps(&mut browser).await.is_empty(), "its token has ended and it has no other");
    });
}
