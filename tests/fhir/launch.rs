//! Apps opened from here for one person, and apps that ask to be told of a visit (SMART App Launch 2.2 §2.0.7, §3.0.3).

use std::time::Duration;

use serde_json::{Value, json};

use super::fixtures;
use crate::support::http::{Answer, Client as Browser};
use crate::support::world::{World, pairs, run};

const SCOPE: &str = "launch openid fhirUser offline_access patient/*.rs";

fn set(form: &mut Vec<(String, String)>, name: &str, value: &str) {
    form.retain(|(known, _)| known != name);
    form.push((name.to_owned(), value.to_owned()));
}

/// The values of an attribute-less `<option>` list.
fn options(page: &Answer) -> Vec<String> {
    let values = page.body.split("<option value=\"").skip(1);
    values.map(|rest| rest.split('"').next().unwrap().to_owned()).filter(|value| !value.is_empty()).collect()
}

/// Opens an app on the page for it: the address of the app's page that the browser is sent to.
pub(crate) async fn open(
    world: &World,
    browser: &mut Browser,
    person: &str,
    app: &str,
    encounter: Option<&str>,
) -> url::Url {
    let page = browser.get(&format!("/launch?person={}", world.person(person).id)).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let mut form = page.form();
    set(&mut form, "app", app);
    set(&mut form, "encounter", encounter.unwrap_or_default());
    let answer = browser.post("/launch", &form).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let target = answer.header("refresh").unwrap().strip_prefix("0; url=").unwrap().to_owned();
    url::Url::parse(&target).unwrap()
}

pub(crate) fn parameter(url: &url::Url, name: &str) -> String {
    url.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned()
}

/// Allows everything on the consent page in `page`.
async fn allow(browser: &mut Browser, page: &Answer) -> Answer {
    let mut form = page.form();
    set(&mut form, "decision", "allow");
    browser.post("/oauth/consent", &form).await
}

#[test]
fn an_app_opened_for_a_child_and_a_visit_finds_both_and_nobody_else_is_offered() {
    run(async {
        let world = fixtures().await;
        world.register("opened").await;
        let mut browser = world.browser("dana").await;
        let page = browser.get(&format!("/launch?person={}", world.person("leo").id)).await;
        let visits = options(&page);
        let at_source = |id: &str| id.split_once('.').unwrap().1.to_owned();
        let held: Vec<String> = world
            .practice("riverside")
            .resources
            .iter()
            .filter(|r| r["resourceType"] == "Encounter")
            .filter(|r| {
                let leo = &world.person("leo").links;
                leo.iter().any(|(_, patient)| r["subject"]["reference"] == format!("Patient/{patient}"))
            })
            .map(|r| r["id"].as_str().unwrap().to_owned())
            .collect();
        assert!(!held.is_empty());
        for id in &held {
            assert!(visits.iter().any(|visit| at_source(visit) == *id), "{id} is not offered in {visits:?}");
        }

        let visit = visits.first().unwrap().clone();
        let url = open(world, &mut browser, "leo", "opened", Some(&visit)).await;
        assert!(url.as_str().starts_with("https://app.test/launch?"), "{url}");
        assert_eq!(parameter(&url, "iss"), world.fhir);
        let launch = parameter(&url, "launch");

        let consent = browser.get(&world.authorize("opened", SCOPE, &[("launch", &launch)])).await;
        assert_eq!(consent.status, 200, "{}", consent.body);
        let leo = world.person("leo").id.to_string();
        let offered: Vec<_> =
            consent.inputs().into_iter().filter(|i| i.get("name").is_some_and(|n| n == "person")).collect();
        assert_eq!(offered.iter().map(|i| i["value"].as_str()).collect::<Vec<_>>(), [leo.as_str()]);
        // Another person than the one it was opened for cannot be slipped in.
        let mut form = consent.form();
        set(&mut form, "person", &world.person("dana").id.to_string());
        set(&mut form, "decision", "allow");
        assert_eq!(browser.post("/oauth/consent", &form).await.status, 422);

        let code = allow(&mut browser, &consent).await.redirected("code").unwrap();
        let answer = world.redeem("opened", &code).await;
        assert_eq!(answer["patient"], json!(leo));
        assert_eq!(answer["encounter"], json!(visit));
        assert_eq!(answer["need_patient_banner"], json!(true));
        assert!(answer["scope"].as_str().unwrap().split(' ').any(|scope| scope == "launch"));
        let token = answer["access_token"].as_str().unwrap();
        assert_eq!(world.get(&format!("/fhir/Encounter/{visit}"), token).await.status, 200);
        let style = world.http.get(answer["smart_style_url"].as_str().unwrap()).send().await.unwrap();
        assert_eq!(style.status(), 200);
        assert!(style.json::<Value>().await.unwrap()["color_background"].is_string());

        let refresh = [
            ("grant_type", "refresh_token"),
            ("client_id", "opened"),
            ("refresh_token", answer["refresh_token"].as_str().unwrap()),
        ];
        let again = browser.post("/oauth/token", &pairs(&refresh)).await.json();
        assert_eq!((&again["patient"], &again["encounter"]), (&json!(leo), &json!(visit)), "the context stays");
    });
}

#[test]
fn o30_a_launch_is_good_once_for_its_app_its_user_and_five_minutes() {
    run(async {
        let world = World::of_fixtures(chartgate::config::Limits::default()).await;
        for app in ["opened", "other"] {
            world.register(app).await;
        }
        let mut browser = world.browser("maria").await;
        let refused = async |browser: &mut Browser, app: &str, launch: &str| {
            let answer = browser.get(&world.authorize(app, SCOPE, &[("launch", launch)])).await;
            let error = answer.header("location").and_then(|_| answer.redirected("error"));
            assert_eq!(answer.header("location").and_then(|_| answer.redirected("code")), None);
            error
        };
        let invalid = Some("invalid_request".to_owned());

        let random = "cgla_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(refused(&mut browser, "opened", random).await, invalid, "never made");
        assert_eq!(refused(&mut browser, "opened", "1").await, invalid, "not one of ours");

        let launch = parameter(&open(&world, &mut browser, "maria", "opened", None).await, "launch");
        assert_eq!(refused(&mut browser, "other", &launch).await, invalid, "another app's");
        let mut carlos = world.browser("carlos").await;
        assert_eq!(refused(&mut carlos, "opened", &launch).await, invalid, "another user's");

        // Two pages of it are open: the first decision uses it up.
        let path = world.authorize("opened", SCOPE, &[("launch", &launch)]);
        let (first, second) = (browser.get(&path).await, browser.get(&path).await);
        assert!(allow(&mut browser, &first).await.redirected("code").is_some());
        let late = allow(&mut browser, &second).await;
        assert_eq!((late.redirected("error"), late.redirected("code")), (invalid.clone(), None), "used by then");
        assert_eq!(refused(&mut browser, "opened", &launch).await, invalid, "used");

        let launch = parameter(&open(&world, &mut browser, "maria", "opened", None).await, "launch");
        world.clock.advance(Duration::from_secs(299));
        assert_eq!(refused(&mut browser, "opened", &launch).await, None);
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(refused(&mut browser, "opened", &launch).await, invalid, "five minutes old");
    });
}

#[test]
fn a_launch_needs_its_scope_and_the_scope_without_a_launch_is_dropped() {
    run(async {
        let world = fixtures().await;
        world.register("opened").await;
        let mut browser = world.browser("maria").await;
        let launch = parameter(&open(world, &mut browser, "maria", "opened", None).await, "launch");
        let answer = browser.get(&world.authorize("opened", "openid patient/*.rs", &[("launch", &launch)])).await;
        assert_eq!(answer.redirected("error").as_deref(), Some("invalid_scope"));

        let consent = browser.get(&world.authorize("opened", "launch launch/patient patient/Patient.rs", &[])).await;
        let code = allow(&mut browser, &consent).await.redirected("code").unwrap();
        let answer = world.redeem("opened", &code).await;
        assert_eq!(answer["scope"], "launch/patient patient/Patient.rs");
        assert_eq!(answer.get("encounter"), None);
    });
}

#[test]
fn an_app_that_stands_alone_is_told_of_the_visit_that_was_chosen() {
    run(async {
        let world = fixtures().await;
        world.register("opened").await;
        let scope = "launch/patient launch/encounter patient/*.rs";
        let mut browser = world.browser("maria").await;
        let carlos = world.token("carlos").await;
        let foreign = world.search("Encounter", &[], &carlos).await.ids().first().cloned().unwrap();
        let question = async |browser: &mut Browser| {
            let consent = browser.get(&world.authorize("opened", scope, &[])).await;
            let mut form = consent.form();
            set(&mut form, "person", &world.person("maria").id.to_string());
            set(&mut form, "decision", "allow");
            let asked = browser.post("/oauth/consent", &form).await;
            let path = asked.location().to_owned();
            assert!(path.starts_with("/oauth/encounter?"), "{path}");
            browser.get(&path).await
        };

        let page = question(&mut browser).await;
        let visits: Vec<String> = page
            .inputs()
            .into_iter()
            .filter(|input| input.get("name").is_some_and(|name| name == "encounter") && !input["value"].is_empty())
            .map(|input| input["value"].clone())
            .collect();
        assert!(visits.len() > 3, "{visits:?}");
        let mut form = page.form();
        set(&mut form, "encounter", &foreign);
        assert_eq!(browser.post("/oauth/encounter", &form).await.status, 404, "somebody else's visit");
        set(&mut form, "encounter", &visits[1]);
        let mut stranger = world.browser("carlos").await;
        assert_ne!(stranger.post("/oauth/encounter", &form).await.status, 303, "in another browser");
        let code = browser.post("/oauth/encounter", &form).await.redirected("code").unwrap();
        let answer = world.redeem("opened", &code).await;
        assert_eq!(answer["encounter"], json!(visits[1]));
        assert!(answer["scope"].as_str().unwrap().contains("launch/encounter"));

        let page = question(&mut browser).await;
        let code = browser.post("/oauth/encounter", &page.form()).await.redirected("code").unwrap();
        let answer = world.redeem("opened", &code).await;
        assert_eq!(answer.get("encounter"), None, "none was chosen");
        assert!(!answer["scope"].as_str().unwrap().contains("launch/encounter"));
    });
}

/// A request to the API from a page of this origin.
async fn call(browser: &mut Browser, method: &str, path: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("sec-fetch-site", "same-origin")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    browser.send(method, path, &headers, &body).await
}

#[test]
fn a_front_end_opens_an_app_with_a_context_of_its_own() {
    run(async {
        let world = fixtures().await;
        world.register("opened").await;
        let maria = world.person("maria").id.to_string();
        let token = world.token("maria").await;
        let report = world.search("DiagnosticReport", &[], &token).await.ids().first().cloned().unwrap();
        let mut browser = world.browser("maria").await;
        let item = json!({"reference": format!("DiagnosticReport/{report}"), "role": "https://app.test/role"});
        let new = json!({"client_id": "opened", "person": maria, "fhirContext": [item], "intent": "show-labs",
                         "banner_shown": true});
        let opened = call(&mut browser, "POST", "/api/v1/launches", &new).await;
        assert_eq!(opened.status, 201, "{}", opened.body);
        let url = url::Url::parse(opened.json()["url"].as_str().unwrap()).unwrap();
        assert_eq!(parameter(&url, "launch"), opened.json()["launch"].as_str().unwrap());
        let path = world.authorize("opened", SCOPE, &[("launch", &parameter(&url, "launch"))]);
        let consent = browser.get(&path).await;
        let code = allow(&mut browser, &consent).await.redirected("code").unwrap();
        let answer = world.redeem("opened", &code).await;
        assert_eq!(answer["fhirContext"], json!([item]));
        assert_eq!(answer["intent"], "show-labs");
        assert_eq!(answer["need_patient_banner"], json!(false));
        assert_eq!(answer.get("encounter"), None);
    });
}

#[test]
fn w01_the_api_opens_nothing_for_other_sites_strangers_or_odd_bodies() {
    run(async {
        let world = fixtures().await;
        world.register("opened").await;
        let maria = world.person("maria").id.to_string();
        let carlos = world.token("carlos").await;
        let foreign = world.search("Encounter", &[], &carlos).await.ids().first().cloned().unwrap();
        let good = json!({"client_id": "opened", "person": maria});
        let mut browser = world.browser("maria").await;
        let json = ("content-type", "application/json");
        for (headers, status) in [
            (vec![json], 403),
            (vec![json, ("sec-fetch-site", "cross-site")], 403),
            (vec![json, ("sec-fetch-site", "same-site")], 403),
            (vec![json, ("origin", "https://evil.test")], 403),
            (vec![json, ("origin", "null")], 403),
            (vec![("content-type", "text/plain"), ("sec-fetch-site", "same-origin")], 415),
            (vec![("sec-fetch-site", "same-origin")], 415),
            (vec![json, ("origin", &world.issuer)], 201),
        ] {
            let answer = browser.send("POST", "/api/v1/launches", &headers, &good.to_string()).await;
            assert_eq!(answer.status, status, "{headers:?} {}", answer.body);
            if status != 201 {
                assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{headers:?}");
                assert_eq!(answer.json()["status"], json!(status));
            }
        }
        let with = |name: &str, value: Value| {
            let mut body = good.clone();
            body[name] = value;
            body
        };
        for (body, status) in [
            (with("person", json!(world.person("carlos").id.to_string())), 404),
            (with("person", json!("1")), 404),
            (with("client_id", json!("nobody")), 404),
            (with("encounter", json!(foreign)), 422),
            (with("encounter", json!("../Patient")), 422),
            (with("fhirContext", json!([{"reference": "Patient"}])), 422),
            (with("fhirContext", json!([{"reference": "Nonsense/1"}])), 422),
            (with("fhirContext", json!([{"reference": format!("Encounter/{foreign}")}])), 422),
            (with("fhirContext", json!([{"canonical": "https://x.test"}])), 422),
            (with("fhirContext", json!("x")), 422),
            (with("intent", json!("")), 422),
            (with("more", json!(1)), 422),
            (json!([]), 422),
        ] {
            let answer = call(&mut browser, "POST", "/api/v1/launches", &body).await;
            assert_eq!(answer.status, status, "{body} {}", answer.body);
        }
        let mut nobody = browser.clone();
        nobody.cookies.clear();
        assert_eq!(call(&mut nobody, "POST", "/api/v1/launches", &good).await.status, 401);
    });
}
