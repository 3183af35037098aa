//! What certification asks of a SMART server beyond SMART App Launch itself: which scopes, which refusals, and that the
//! person decides.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    BASICS, BY_PATIENT, BY_REFERENCE, REDIRECT, Suite, VERIFIER, check_token_body, each_type, is_among, set, suite,
};
use crate::support::http::Answer;
use crate::support::world::{pairs, run};

fn standalone() -> String {
    format!("launch/patient {BASICS} {}", each_type("patient", "rs"))
}

fn ehr() -> String {
    format!("launch {BASICS} {}", each_type("user", "rs"))
}

#[test]
fn capabilities_of_standalone_and_ehr_launch() {
    run(async {
        let listed: BTreeSet<String> = serde_json::from_value(suite().await.smart["capabilities"].clone()).unwrap();
        let standalone = "launch-standalone client-public client-confidential-symmetric client-confidential-asymmetric \
            sso-openid-connect context-standalone-patient permission-offline permission-patient authorize-post \
            permission-v2 permission-v1";
        let ehr = "launch-ehr client-confidential-symmetric client-confidential-asymmetric sso-openid-connect \
            context-banner context-style context-ehr-patient permission-offline permission-user authorize-post \
            permission-v2 permission-v1 context-ehr-encounter";
        for needed in standalone.split_whitespace().chain(ehr.split_whitespace()) {
            assert!(listed.contains(needed), "{needed}");
        }
    });
}

/// `c?r?u?d?s?` in this order.
fn is_v2(actions: &str) -> bool {
    let mut rest = actions;
    for letter in ["c", "r", "u", "d", "s"] {
        rest = rest.strip_prefix(letter).unwrap_or(rest);
    }
    rest.is_empty() && !actions.is_empty()
}

fn check_scopes(granted: &BTreeSet<String>, level: &str, context: &str, is_known: impl Fn(&str) -> bool) {
    for needed in BASICS.split(' ').chain([context]) {
        assert!(granted.contains(needed), "{needed} of {granted:?}");
    }
    let mut covered = BTreeSet::new();
    for scope in granted.iter().filter(|scope| scope.contains('.')) {
        let (of, actions) = scope.split_once('.').unwrap();
        let (granted_level, kind) = of.split_once('/').unwrap();
        assert_eq!(granted_level, level, "{scope}");
        assert!(is_known(actions), "{scope}");
        covered.insert(kind);
    }
    for kind in BY_PATIENT.iter().chain(&BY_REFERENCE) {
        assert!(covered.contains("*") || covered.contains(kind), "{kind} of {granted:?}");
    }
}

#[test]
fn scopes_granted_in_version_2() {
    run(async {
        let suite = suite().await;
        let launched = suite.launch("symmetric", &standalone()).await;
        check_scopes(&launched.scopes(), "patient", "launch/patient", is_v2);
        assert!(launched.scopes().contains("patient/Patient.rs"), "{:?}", launched.scopes());
        let (launched, _) = suite.ehr_launch("symmetric", &ehr()).await;
        check_scopes(&launched.scopes(), "user", "launch", is_v2);
    });
}

#[test]
fn scopes_asked_for_in_version_1_are_granted_in_version_1() {
    run(async {
        let suite = suite().await;
        let is_v1 = |actions: &str| ["read", "*"].contains(&actions);
        let scope = format!("launch/patient {BASICS} {}", each_type("patient", "read"));
        let launched = suite.launch("symmetric", &scope).await;
        check_scopes(&launched.scopes(), "patient", "launch/patient", is_v1);
        let scope = format!("launch {BASICS} {}", each_type("user", "read"));
        let (launched, _) = suite.ehr_launch("symmetric", &scope).await;
        check_scopes(&launched.scopes(), "user", "launch", is_v1);
        full_access(suite, launched.text("access_token")).await;
    });
}

#[test]
fn no_token_is_unauthorized() {
    run(async {
        let suite = suite().await;
        let answer = suite.world.send("GET", &format!("/fhir/Patient/{}", suite.maria_id()), None, &[], "").await;
        assert_eq!(answer.status, 401);
    });
}

async fn full_access(suite: &Suite, token: &str) {
    for kind in BY_PATIENT {
        let found = suite.get(&format!("{kind}?patient={}", suite.maria_id()), token).await;
        assert_eq!((found.status, &found.json()["resourceType"]), (200, &json!("Bundle")), "{kind}");
    }
    let found = suite.get(&format!("Patient?_id={}", suite.maria_id()), token).await;
    assert_eq!(found.ids(), [suite.maria_id()]);
}

#[test]
fn standalone_patient_app_with_full_access() {
    run(async {
        let suite = suite().await;
        let launched = suite.launch("symmetric", &standalone()).await;
        assert_eq!(launched.text("patient"), suite.maria_id());
        suite.contexts_are_readable(&launched.body).await;
        full_access(suite, launched.text("access_token")).await;
        let again = suite.refresh("symmetric", launched.text("refresh_token"), None).await.json();
        assert_eq!(again["patient"], suite.maria_id());
        suite.contexts_are_readable(&again).await;
    });
}

/// The person unticks types one by one: exactly those are refused.
#[test]
fn standalone_patient_app_with_limited_access() {
    run(async {
        let suite = suite().await;
        let denied = ["AllergyIntolerance", "CareTeam", "Condition", "Encounter", "Observation", "ServiceRequest"];
        let launched = suite
            .launch_with("symmetric", &standalone(), None, |form| {
                let before = form.len();
                form.retain(|(name, value)| {
                    name != "scope" || !denied.iter().any(|kind| *value == format!("patient/{kind}.rs"))
                });
                assert_eq!(form.len(), before - denied.len(), "a box for each type");
            })
            .await;
        let token = launched.text("access_token");
        for kind in BY_PATIENT {
            let is_denied = denied.contains(&kind);
            let named = launched.scopes().iter().any(|scope| scope.starts_with(&format!("patient/{kind}.")));
            assert_eq!(named, !is_denied, "{kind} in {:?}", launched.scopes());
            let found = suite.get(&format!("{kind}?patient={}", suite.maria_id()), token).await;
            is_among(found.status, if is_denied { &[401, 403] } else { &[200] }, kind);
        }
    });
}

#[test]
fn ehr_practitioner_app() {
    run(async {
        let suite = suite().await;
        let (launched, visit) = suite.ehr_launch("symmetric", &ehr()).await;
        let again = suite.refresh("symmetric", launched.text("refresh_token"), None).await.json();
        for body in [&launched.body, &again] {
            assert_eq!((&body["patient"], &body["encounter"]), (&json!(suite.maria_id()), &json!(visit)));
            suite.contexts_are_readable(body).await;
        }
        assert!(launched.body["need_patient_banner"].is_boolean());
        let style = suite.world.send("GET", launched.text("smart_style_url"), None, &[], "").await;
        assert_eq!(style.status, 200);
        assert!(style.json().is_object());
        full_access(suite, launched.text("access_token")).await;
    });
}

#[test]
fn public_client_standalone_launch() {
    run(async {
        let suite = suite().await;
        let launched = suite.launch("public", &standalone()).await;
        check_token_body(&launched.body);
        assert_eq!(launched.text("patient"), suite.maria_id());
        suite.contexts_are_readable(&launched.body).await;
        assert!(launched.body["id_token"].is_string() && launched.body["refresh_token"].is_string());
    });
}

#[test]
fn asymmetric_client_standalone_launch() {
    run(async {
        let suite = suite().await;
        for app in ["es384", "rs384"] {
            let launched = suite.launch(app, &standalone()).await;
            check_token_body(&launched.body);
            suite.contexts_are_readable(&launched.body).await;
            let again = suite.refresh(app, launched.text("refresh_token"), None).await;
            assert_eq!(again.status, 200, "{}", again.body);
        }
    });
}

#[test]
fn ehr_launch_with_patient_scopes() {
    run(async {
        let suite = suite().await;
        let scope = format!("launch {BASICS} {}", each_type("patient", "rs"));
        let (launched, _) = suite.ehr_launch("symmetric", &scope).await;
        check_scopes(&launched.scopes(), "patient", "launch", is_v2);
        suite.contexts_are_readable(&launched.body).await;
    });
}

#[test]
fn invalid_aud_never_brings_a_code() {
    run(async {
        let suite = suite().await;
        let launch = crate::fhir::launch::parameter(&suite.opened("symmetric").await.0, "launch");
        for (scope, launch) in [(standalone(), None), (ehr(), Some(launch.as_str()))] {
            let mut request = suite.request("symmetric", &scope, launch);
            set(&mut request, "aud", &format!("{}/invalid_aud", suite.world.fhir));
            let answer = suite.authorize(&mut suite.maria.clone(), &request).await;
            let led: Option<&str> = answer.header("location");
            assert!(led.is_none_or(|url| url.starts_with(REDIRECT) && !url.contains("code=")), "{led:?}");
            assert!(led.is_some() || answer.status == 400, "{}", answer.status);
            assert!(!answer.body.contains("name=\"decision\""), "nobody is asked to allow it");
        }
    });
}

#[test]
fn invalid_token_requests() {
    run(async {
        let suite = suite().await;
        for app in ["public", "symmetric", "es384"] {
            let answer = suite.redeem(app, "BAD_CODE", Some(VERIFIER)).await;
            assert_eq!(answer.status, 400, "{app}");
            assert_eq!(answer.json()["error"], "invalid_grant");
        }
        // An id that nobody has: in the body, and beside a secret.
        let code = suite.code(&suite.request("public", &standalone(), None), |_| {}).await;
        let form = pairs(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
            ("client_id", "BAD_CLIENT_ID"),
        ]);
        let path = suite.endpoint("token_endpoint");
        is_among(suite.world.stranger().post(path, &form).await.status, &[400, 401], "unknown public client");
        let code = suite.code(&suite.request("symmetric", &standalone(), None), |_| {}).await;
        let form = pairs(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ]);
        let basic = format!("Basic {}", data_encoding::BASE64.encode(b"BAD_CLIENT_ID:secret"));
        let answer = suite.world.stranger().post_with(path, &form, &[("authorization", &basic)]).await;
        is_among(answer.status, &[400, 401], "unknown confidential client");
    });
}

#[test]
fn invalid_pkce() {
    run(async {
        let suite = suite().await;
        let request = suite.request("public", &standalone(), None);
        let challenge = request.iter().find(|(name, _)| name == "code_challenge").unwrap().1.clone();
        for verifier in [None, Some(""), Some("wrong-verifier-wrong-verifier-wrong-verifier"), Some(&challenge)] {
            let code = suite.code(&request, |_| {}).await;
            let answer = suite.redeem("public", &code, verifier).await;
            is_among(answer.status, &[400, 401], "verifier");
            assert!(answer.json().get("access_token").is_none());
        }
    });
}

#[test]
fn invalid_refresh_token() {
    run(async {
        let suite = suite().await;
        for app in ["public", "symmetric"] {
            let launched = suite.launch(app, &standalone()).await;
            let mut token = launched.text("refresh_token").to_owned();
            let last = token.pop().unwrap();
            token.push(if last == 'A' { 'B' } else { 'A' });
            for unknown in [token.as_str(), "SOME_INVALID_REFRESH_TOKEN"] {
                is_among(suite.refresh(app, unknown, None).await.status, &[400, 401], app);
            }
        }
    });
}

/// Maria disconnects the app on her page of apps: it neither reads nor refreshes.
#[test]
fn token_revocation_by_the_patient() {
    run(async {
        let suite = suite().await;
        let launched = suite.launch("rs384", &standalone()).await;
        let mut browser = suite.maria.clone();
        assert!(suite.smart["management_endpoint"].as_str().unwrap().ends_with("/apps"));
        let page = browser.get(suite.endpoint("management_endpoint")).await;
        for form in page.forms("/apps/disconnect") {
            let app = form.iter().find(|(name, _)| name == "app").unwrap().1.clone();
            let of_this = of_app(&page, &app, "Suite rs384");
            if of_this {
                assert_eq!(browser.post("/apps/disconnect", &form).await.status, 303);
            }
        }
        let read = suite.get(&format!("Patient/{}", suite.maria_id()), launched.text("access_token")).await;
        is_among(read.status, &[401, 403, 404], "read");
        let refreshed = suite.refresh("rs384", launched.text("refresh_token"), None).await;
        is_among(refreshed.status, &[400, 401], "refresh");
    });
}

/// Whether the part of the page with this form speaks of the app of this name.
fn of_app(page: &Answer, id: &str, name: &str) -> bool {
    let before = page.body.split(&format!("value=\"{id}\"")).next().unwrap();
    before.rsplit("<h2").next().unwrap().contains(name)
}

const CONDITION: &str = "http://terminology.hl7.org/CodeSystem/condition-category";
const OBSERVATION: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const US_CORE: &str = "http://hl7.org/fhir/us/core/CodeSystem";

/// The two sets of granular scopes of the certification kit.
fn granular() -> [Vec<(&'static str, String)>; 2] {
    [
        vec![
            ("Condition", format!("{CONDITION}|encounter-diagnosis")),
            ("Condition", format!("{US_CORE}/condition-category|health-concern")),
            ("Observation", format!("{OBSERVATION}|laboratory")),
            ("Observation", format!("{OBSERVATION}|social-history")),
        ],
        vec![
            ("Condition", format!("{CONDITION}|problem-list-item")),
            ("Observation", format!("{OBSERVATION}|vital-signs")),
            ("Observation", format!("{OBSERVATION}|survey")),
            ("Observation", format!("{US_CORE}/us-core-category|sdoh")),
        ],
    ]
}

/// Whether a resource is of one of these categories.
fn is_of(resource: &Value, categories: &[&str]) -> bool {
    let codings = resource["category"].as_array().into_iter().flatten().flat_map(|c| c["coding"].as_array()).flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    codings.map(|c| format!("{}|{}", text(&c["system"]), text(&c["code"]))).any(|c| categories.contains(&c.as_str()))
}

/// Every earlier search again: exactly what a granted category covers, in searches and in reads.
#[test]
fn granular_scopes() {
    run(async {
        let suite = suite().await;
        let whole = suite.launch("symmetric", &standalone()).await;
        let mut all: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for kind in ["Condition", "Observation"] {
            let path = format!("/fhir/{kind}?patient={}&_count=500", suite.maria_id());
            let pages = suite.world.pages(&path, whole.text("access_token")).await;
            all.insert(kind, pages.iter().flat_map(crate::support::world::Reply::matches).collect());
        }
        for set in granular() {
            let scopes: Vec<String> = set.iter().map(|(kind, of)| format!("patient/{kind}.rs?category={of}")).collect();
            let scope = format!("launch/patient {BASICS} patient/Patient.rs {}", scopes.join(" "));
            let launched = suite.launch("symmetric", &scope).await;
            for scope in &scopes {
                assert!(launched.scopes().contains(scope), "{scope} of {:?}", launched.scopes());
            }
            let token = launched.text("access_token");
            let mut seen = 0;
            for (kind, resources) in &all {
                let categories: Vec<&str> = set.iter().filter(|(of, _)| of == kind).map(|(_, c)| c.as_str()).collect();
                let ids = |resources: Vec<&Value>| -> BTreeSet<String> {
                    resources.iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
                };
                let granted = ids(resources.iter().filter(|r| is_of(r, &categories)).collect());
                seen += granted.len();
                let by_patient = format!("{kind}?patient={}&_count=500", suite.maria_id());
                let found: BTreeSet<String> = suite.get(&by_patient, token).await.ids().into_iter().collect();
                assert_eq!(found, granted, "{kind}");
                for category in &categories {
                    let named = url::form_urlencoded::byte_serialize(category.as_bytes()).collect::<String>();
                    let found = suite.get(&format!("{by_patient}&category={named}"), token).await;
                    let wanted = ids(resources.iter().filter(|r| is_of(r, &[category])).collect());
                    assert_eq!(found.ids().into_iter().collect::<BTreeSet<_>>(), wanted, "{category}");
                }
                let (inside, outside): (Vec<&Value>, Vec<&Value>) =
                    resources.iter().partition(|r| is_of(r, &categories));
                for (resource, status) in
                    inside.iter().take(3).map(|r| (r, 200)).chain(outside.iter().take(3).map(|r| (r, 404)))
                {
                    let read = suite.get(&format!("{kind}/{}", resource["id"].as_str().unwrap()), token).await;
                    assert_eq!(read.status, status, "{kind}");
                    assert!(status == 200 || read.json()["resourceType"] == "OperationOutcome");
                }
            }
            assert!(seen > 0, "Maria has none of {set:?}: nothing was shown");
        }
    });
}

/// The app asks for all Conditions and Observations; the person gives it parts of them.
#[test]
fn granular_scopes_chosen_by_the_person() {
    run(async {
        let suite = suite().await;
        for set in granular() {
            let scope =
                format!("launch/patient {BASICS} patient/Patient.rs patient/Condition.rs patient/Observation.rs");
            let chosen: Vec<String> = set.iter().map(|(kind, of)| format!("patient/{kind}.rs?category={of}")).collect();
            let launched = suite
                .launch_with("symmetric", &scope, None, |form| {
                    form.retain(|(name, value)| {
                        name != "scope" || !["patient/Condition.rs", "patient/Observation.rs"].contains(&value.as_str())
                    });
                    form.extend(chosen.iter().map(|scope| ("scope".to_owned(), scope.clone())));
                })
                .await;
            let granted = launched.scopes();
            assert!(chosen.iter().all(|scope| granted.contains(scope)), "{granted:?}");
            assert!(granted.contains("patient/Patient.rs"));
            for whole in ["patient/Condition.rs", "patient/Observation.rs"] {
                assert!(!granted.contains(whole), "{granted:?}");
            }
        }
    });
}
