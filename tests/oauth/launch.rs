//! Whole launches, driven as a browser would.

use serde_json::json;

use super::world::{REDIRECT, World, allow, authorize_path, pairs, scopes, set, with};
use chartgate::fhir::ResourceType;
use chartgate::oauth::scope::{Action, ScopeAccess};

#[tokio::test(flavor = "multi_thread")]
async fn a_public_client_gets_a_record() {
    let world = World::new().await;
    world.client("app", false).await;
    let request = world.request("app");
    let mut browser = world.browser();

    let sign_in = browser.get(&authorize_path(&request)).await;
    assert_eq!(sign_in.status, 200);
    let consent = world.sign_in(&mut browser, &sign_in).await;
    assert!(consent.body.contains("App &#60;app&#62;"), "{}", consent.body);
    assert!(consent.body.contains("Ann O&#39;Neil &#60;b&#62; (you)") && consent.body.contains("(your child)"));
    assert!(consent.body.contains("Allergies and intolerances"));
    let answer = allow(&mut browser, &consent).await;
    assert_eq!(answer.status, 303);
    assert!(answer.location().starts_with(REDIRECT));
    assert_eq!(answer.redirected("state").as_deref(), Some("s t&ü"));
    assert_eq!(answer.redirected("iss").as_deref(), Some(world.issuer.as_str()));
    let code = answer.redirected("code").unwrap();
    // One client puts the code into a form without encoding it.
    assert!(code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~')), "{code}");

    let answer = world.token(&world.redemption("app", &code)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.header("content-type").unwrap().starts_with("application/json"));
    assert!(answer.header("cache-control").unwrap().contains("no-store"));
    assert!(answer.header("pragma").unwrap().contains("no-cache"));
    assert_eq!(answer.headers("access-control-allow-origin"), ["*"]);
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"].as_u64(), Some(3_600));
    assert_eq!(body["patient"], json!(world.ann_person.to_string()));
    assert_eq!(body["need_patient_banner"], json!(true));
    assert_eq!(scopes(body["scope"].as_str().unwrap()), scopes(super::world::SCOPE));
    assert!(body["refresh_token"].is_string());

    let subject = world.server.authenticate(body["access_token"].as_str().unwrap()).await.unwrap();
    assert_eq!((subject.account(), subject.person), (Some(world.ann), Some(world.ann_person)));
    assert_eq!(subject.links.iter().map(|link| link.patient.as_str()).collect::<Vec<_>>(), ["a1"]);
    assert_eq!(subject.scopes.allows(ResourceType::Condition, Action::Search), ScopeAccess::Unconstrained);
    assert_eq!(subject.scopes.allows(ResourceType::Condition, Action::Update), ScopeAccess::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_token_holds_for_another_implementation() {
    let world = World::new().await;
    world.client("app", false).await;
    let body = world.launch("app").await;
    let jwks = world.browser().get("/.well-known/jwks.json").await.json();
    let token = body["id_token"].as_str().unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let jwk = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == json!(header.kid)).unwrap();
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(jwk.clone()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_audience(&["app"]);
    validation.set_issuer(&[&world.issuer]);
    // The world's clock stands still in 2026-03.
    validation.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    let claims = jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).unwrap().claims;
    let now = chartgate::base::clock::Clock::now(&*world.clock).seconds();
    assert_eq!(claims["iat"].as_i64(), Some(now));
    assert_eq!(claims["exp"].as_i64(), Some(now + 300));
    assert_eq!(claims["auth_time"].as_i64(), Some(now));
    assert_eq!(claims["nonce"], "n-1");
    assert_eq!(claims["fhirUser"], json!(format!("{}/Patient/{}", world.fhir, world.ann_person)));
    let subject = claims["sub"].as_str().unwrap();
    assert!((1..=255).contains(&subject.len()) && subject != world.ann.to_string());

    let mut browser = world.browser();
    let bearer = format!("Bearer {}", body["access_token"].as_str().unwrap());
    let info = browser.send("GET", "/oauth/userinfo", &[("authorization", &bearer)], "").await.json();
    assert_eq!((&info["sub"], &info["fhirUser"]), (&claims["sub"], &claims["fhirUser"]));
    assert_eq!(info.get("preferred_username"), None, "profile was not asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confidential_client_gets_a_record_with_basic_and_with_post() {
    let world = World::new().await;
    let secret = world.client("clinic-app", true).await.secret.unwrap();
    let basic = format!("Basic {}", data_encoding::BASE64.encode(format!("clinic-app:{}", secret.expose()).as_bytes()));
    for with_id in [true, false] {
        let code = world.code(&world.request("clinic-app")).await;
        let mut form = world.redemption("clinic-app", &code);
        set(&mut form, "client_id", with_id.then_some("clinic-app"));
        let answer = world.browser().post_with("/oauth/token", &form, &[("authorization", &basic)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(world.works(&answer.json()["access_token"]).await);
        let refresh = answer.json()["refresh_token"].as_str().unwrap().to_owned();
        for _ in 0..2 {
            let form = with(&world.refresh("clinic-app", &refresh), "client_secret", Some(secret.expose()));
            let again = world.token(&form).await;
            assert_eq!(again.status, 200, "{}", again.body);
            assert_eq!(again.json().get("refresh_token"), None, "a confidential client keeps the one it has");
            assert_eq!(again.json()["patient"], json!(world.ann_person.to_string()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_posted_from_the_apps_site_goes_on_as_a_get() {
    let world = World::new().await;
    world.client("app", false).await;
    let mut browser = world.browser();
    let headers = [("origin", "https://app.test"), ("sec-fetch-site", "cross-site")];
    let posted = browser.post_with("/oauth/authorize", &world.request("app"), &headers).await;
    assert_eq!(posted.status, 303, "{}", posted.body);
    assert!(posted.location().starts_with("/oauth/authorize?"), "{}", posted.location());
    let path = posted.location().to_owned();
    let page = browser.get(&path).await;
    let consent = world.sign_in(&mut browser, &page).await;
    let answer = allow(&mut browser, &consent).await;
    assert!(answer.redirected("code").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_chooses_the_child_and_a_stranger_cannot_be_chosen() {
    let world = World::new().await;
    world.client("app", false).await;
    let mut browser = world.browser();
    let page = world.consent(&mut browser, &world.request("app")).await;
    let mut form = with(&page.form(), "decision", Some("allow"));
    for bad in [Some(world.bob_person.to_string()), Some("x".to_owned()), Some(String::new()), None] {
        let answer = browser.post("/oauth/consent", &with(&form, "person", bad.as_deref())).await;
        assert_eq!(answer.status, 422, "{bad:?}");
        assert!(answer.body.contains("Please choose whose record"));
    }
    set(&mut form, "person", Some(&world.child.to_string()));
    let code = browser.post("/oauth/consent", &form).await.redirected("code").unwrap();
    let body = world.token(&world.redemption("app", &code)).await.json();
    assert_eq!(body["patient"], json!(world.child.to_string()));
    let subject = world.server.authenticate(body["access_token"].as_str().unwrap()).await.unwrap();
    assert_eq!(subject.links.iter().map(|link| link.patient.as_str()).collect::<Vec<_>>(), ["c1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn o29_what_is_unticked_is_not_granted() {
    let world = World::new().await;
    world.client("app", false).await;
    let all = "launch/patient openid fhirUser offline_access patient/*.rs";
    for (requested, unticked, granted) in [
        (all, vec!["offline_access"], "launch/patient openid fhirUser patient/*.rs"),
        (all, vec!["openid"], "launch/patient offline_access patient/*.rs"),
        (
            "patient/Condition.rs patient/Observation.rs patient/Patient.read",
            vec!["patient/Condition.rs"],
            "patient/Observation.rs patient/Patient.read",
        ),
        // One box for all that is asked of a type, however often it is asked.
        (
            "patient/Condition.read patient/Condition.rs user/Condition.rs patient/Observation.rs",
            vec!["patient/Condition.read", "patient/Condition.rs", "user/Condition.rs"],
            "patient/Observation.rs",
        ),
        (
            "patient/Observation.rs?category=laboratory patient/Observation.rs",
            vec!["patient/Observation.rs"],
            "patient/Observation.rs?category=laboratory",
        ),
    ] {
        let request = with(&world.request("app"), "scope", Some(requested));
        let mut browser = world.browser();
        let page = world.consent(&mut browser, &request).await;
        let mut form = with(&page.form(), "decision", Some("allow"));
        form.retain(|(name, value)| name != "scope" || !unticked.contains(&value.as_str()));
        let code = browser.post("/oauth/consent", &form).await.redirected("code").unwrap();
        let body = world.token(&world.redemption("app", &code)).await.json();
        assert_eq!(scopes(body["scope"].as_str().unwrap()), scopes(granted), "{requested}");
        assert_eq!(body.get("refresh_token").is_some(), granted.contains("offline_access"));
        assert_eq!(body.get("id_token").is_some(), granted.contains("openid"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o29_each_type_of_a_wildcard_can_be_unticked() {
    let world = World::new().await;
    world.client("app", false).await;
    for (requested, suffix) in [("patient/*.rs", "rs"), ("patient/*.read", "read")] {
        let request = with(&world.request("app"), "scope", Some(requested));
        let mut browser = world.browser();
        let page = world.consent(&mut browser, &request).await;
        for denied in ResourceType::ALL {
            let value = format!("patient/{denied}.{suffix}");
            let mut form = with(&page.form(), "decision", Some("allow"));
            let before = form.len();
            form.retain(|(name, v)| name != "scope" || *v != value);
            assert_eq!(form.len(), before - 1, "a box for {value}");
            let code = browser.post("/oauth/consent", &form).await.redirected("code").unwrap();
            let body = world.token(&world.redemption("app", &code)).await.json();
            let granted = scopes(body["scope"].as_str().unwrap());
            for resource_type in ResourceType::ALL {
                let allowed = granted.allows(*resource_type, Action::Search) != ScopeAccess::Denied;
                assert_eq!(allowed, resource_type != denied, "{resource_type} without {denied}");
            }
        }
    }
}

/// The granular scopes that US Core 6.1.0 has people choose from.
const PARTS: [&str; 8] = [
    "Condition.rs?category=http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item",
    "Condition.rs?category=http://terminology.hl7.org/CodeSystem/condition-category|encounter-diagnosis",
    "Condition.rs?category=http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern",
    "Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
    "Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs",
    "Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|social-history",
    "Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|survey",
    "Observation.rs?category=http://hl7.org/fhir/us/core/CodeSystem/us-core-category|sdoh",
];

#[tokio::test(flavor = "multi_thread")]
async fn o29_parts_of_conditions_and_observations_can_be_chosen_one_by_one() {
    let world = World::new().await;
    world.client("app", false).await;
    for requested in ["patient/Condition.rs patient/Observation.rs patient/Patient.rs", "patient/*.rs"] {
        let request = with(&world.request("app"), "scope", Some(requested));
        let mut browser = world.browser();
        let page = world.consent(&mut browser, &request).await;
        let part = |text: &str| format!("patient/{text}");
        for text in PARTS {
            let offered = page.inputs().into_iter().find(|input| input.get("value") == Some(&part(text)));
            assert!(offered.is_some_and(|input| !input.contains_key("checked")), "{text} is offered, not ticked");
        }
        let granted = async |browser: &mut crate::support::http::Client, whole: bool, chosen: &[&str]| {
            let mut form = with(&page.form(), "decision", Some("allow"));
            form.retain(|(name, value)| {
                name != "scope"
                    || whole
                    || !["patient/Condition.rs", "patient/Observation.rs"].contains(&value.as_str())
            });
            form.extend(chosen.iter().map(|text| ("scope".to_owned(), part(text))));
            let code = browser.post("/oauth/consent", &form).await.redirected("code").unwrap();
            let body = world.token(&world.redemption("app", &code)).await.json();
            scopes(body["scope"].as_str().unwrap())
        };
        let some = granted(&mut browser, false, &[PARTS[0], PARTS[3], PARTS[4]]).await;
        let limits = |texts: &[&str]| {
            let value = |text: &&str| vec![("category".to_owned(), text.split_once("category=").unwrap().1.to_owned())];
            ScopeAccess::Constrained(texts.iter().map(value).collect())
        };
        assert_eq!(some.allows(ResourceType::Condition, Action::Read), limits(&[PARTS[0]]));
        assert_eq!(some.allows(ResourceType::Observation, Action::Search), limits(&[PARTS[3], PARTS[4]]));
        assert_eq!(some.allows(ResourceType::Patient, Action::Read), ScopeAccess::Unconstrained);
        let one = granted(&mut browser, false, &[PARTS[7]]).await;
        assert_eq!(one.allows(ResourceType::Condition, Action::Read), ScopeAccess::Denied);
        assert_eq!(one.allows(ResourceType::Observation, Action::Read), limits(&[PARTS[7]]));
        // The whole covers its parts: nothing is said twice.
        assert_eq!(granted(&mut browser, true, &PARTS).await, scopes(requested));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_offered_cannot_be_ticked() {
    let world = World::new().await;
    world.client("app", false).await;
    let request = with(&world.request("app"), "scope", Some("patient/Observation.rs"));
    let mut browser = world.browser();
    let page = world.consent(&mut browser, &request).await;
    let mut form = with(&page.form(), "decision", Some("allow"));
    for forged in ["patient/Condition.rs", "patient/*.rs", "offline_access", "openid", "launch/patient"] {
        form.push(("scope".to_owned(), forged.to_owned()));
    }
    let code = browser.post("/oauth/consent", &form).await.redirected("code").unwrap();
    let body = world.token(&world.redemption("app", &code)).await.json();
    assert_eq!(body["scope"], "patient/Observation.rs");
}

#[tokio::test(flavor = "multi_thread")]
async fn deny_and_nothing_ticked_give_nothing() {
    let world = World::new().await;
    world.client("app", false).await;
    let mut browser = world.browser();
    let page = world.consent(&mut browser, &world.request("app")).await;
    for decision in [Some("deny"), Some("Allow"), None] {
        let answer = browser.post("/oauth/consent", &with(&page.form(), "decision", decision)).await;
        assert_eq!(answer.redirected("error").as_deref(), Some("access_denied"));
        assert_eq!(answer.redirected("iss").as_deref(), Some(world.issuer.as_str()));
        assert_eq!(answer.redirected("code"), None);
    }
    let mut form = with(&page.form(), "decision", Some("allow"));
    form.retain(|(name, value)| name != "scope" || value == "offline_access");
    let answer = browser.post("/oauth/consent", &form).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("Nothing to share is ticked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn o31_context_comes_from_the_choice_alone() {
    let world = World::new().await;
    world.client("app", false).await;
    let stranger = world.bob_person.to_string();
    let forged = [("patient", stranger.as_str()), ("encounter", "e"), ("fhirUser", "Patient/x"), ("sub", "x")];
    let mut request = world.request("app");
    request.extend(pairs(&forged));
    let code = world.code(&request).await;
    let mut form = world.redemption("app", &code);
    form.extend(pairs(&forged));
    form.push(("scope".to_owned(), "patient/*.cruds".to_owned()));
    let body = world.token(&form).await.json();
    assert_eq!(body["patient"], json!(world.ann_person.to_string()));
    assert_eq!(body.get("encounter"), None);
    assert_eq!(scopes(body["scope"].as_str().unwrap()), scopes(super::world::SCOPE));
}

#[tokio::test(flavor = "multi_thread")]
async fn prompt_and_max_age_are_kept() {
    let world = World::new().await;
    world.client("app", false).await;
    let request = world.request("app");
    let mut browser = world.browser();
    let silent = authorize_path(&with(&request, "prompt", Some("none")));
    assert_eq!(browser.get(&silent).await.redirected("error").as_deref(), Some("login_required"));
    world.consent(&mut browser, &request).await;
    assert_eq!(browser.get(&silent).await.redirected("error").as_deref(), Some("consent_required"));

    world.advance(std::time::Duration::from_secs(30));
    let asks = |page: &crate::support::http::Answer| page.body.contains("name=\"password\"");
    let page = browser.get(&authorize_path(&with(&request, "max_age", Some("60")))).await;
    assert!(!asks(&page));
    let page = browser.get(&authorize_path(&with(&request, "max_age", Some("29")))).await;
    assert!(asks(&page));
    let page = browser.get(&authorize_path(&with(&request, "prompt", Some("login")))).await;
    assert!(asks(&page));
    let consent = world.sign_in(&mut browser, &page).await;
    assert!(consent.body.contains("name=\"decision\""));
    // OpenID Connect Core §3.1.2.1: the name that the app proposes stands there, as text.
    let proposed = with(&request, "login_hint", Some("ann \"<b>"));
    let page = world.browser().get(&authorize_path(&proposed)).await;
    assert_eq!(page.field("username").as_deref(), Some("ann \"<b>"));
    assert!(!page.body.contains("<b>"), "{}", page.body);
}
