//! The authorization endpoint against bad requests.

use super::world::{REDIRECT, World, allow, authorize_path, set, with};

fn mutations() -> Vec<String> {
    let mut all: Vec<String> = [
        "https://app.test/cb/",
        "https://app.test/cb/../x",
        "https://app.test/x/../cb",
        "https://app.test/./cb",
        "https://app.test/cb?x=1",
        "https://app.test/cb?",
        "https://app.test/cb#f",
        "https://app.test/cb#",
        "HTTPS://APP.TEST/cb",
        "https://APP.test/cb",
        "https://app.test/CB",
        "http://app.test/cb",
        "//cb",
        "//app.test/cb",
        "/cb",
        "cb",
        "https://app.test@evil.test/cb",
        "https://app.test:x@evil.test/cb",
        "https://app.test.evil.test/cb",
        "https://evilapp.test/cb",
        "https://app.test/%63b",
        "https://app.test/cb%00",
        "https://app.test/cb%2f",
        "https://app.test:443/cb",
        "https://app.test:8443/cb",
        "https://app.test./cb",
        "https://app.test/cb\t",
        "https://app.test/c\nb",
        "https://app.test/cb ",
        " https://app.test/cb",
        "https://app.test\\cb",
        "https:/app.test/cb",
        "https:app.test/cb",
        "https://app.test",
        "https://app.test/",
        "https://app.test/cb;x",
        "https://app.test/cb/x",
        "https://app.test/c",
        "https://127.0.0.1/cb",
        "https://evil.test/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://app.test/other",
        "https://app.test/other?k=v&x",
        "https://app.test/cb\u{200b}",
        "https://app.test/cb,https://evil.test/cb",
        "*",
    ]
    .iter()
    .map(|uri| (*uri).to_owned())
    .collect();
    all.push(format!("{REDIRECT}{}", "a".repeat(3_000)));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn o01_o39_only_the_registered_redirect_uri_gets_an_answer() {
    let world = World::new().await;
    world.client("app", false).await;
    let mutations = mutations();
    assert!(mutations.len() >= 40);
    for uri in mutations {
        for (name, value) in [("state", Some("s")), ("scope", Some("nonsense")), ("prompt", Some("none"))] {
            let request = with(&with(&world.request("app"), "redirect_uri", Some(&uri)), name, value);
            let answer = world.browser().get(&authorize_path(&request)).await;
            assert_eq!((answer.status, answer.header("location")), (400, None), "{uri}");
            let answer = world.browser().post("/oauth/authorize", &request).await;
            assert_eq!((answer.status, answer.header("location")), (400, None), "{uri}");
        }
    }
    for (name, value) in
        [("redirect_uri", None), ("client_id", None), ("client_id", Some("nobody")), ("client_id", Some("a b"))]
    {
        let request = with(&world.request("app"), name, value);
        let answer = world.browser().get(&authorize_path(&request)).await;
        assert_eq!((answer.status, answer.header("location")), (400, None), "{name}={value:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o02_no_parameter_comes_twice() {
    let world = World::new().await;
    world.client("app", false).await;
    let request = world.request("app");
    for (name, value) in &request {
        let mut doubled = request.clone();
        doubled.push((name.clone(), value.clone()));
        let answer = world.browser().get(&authorize_path(&doubled)).await;
        assert_eq!((answer.status, answer.header("location")), (400, None), "{name} twice in the query");
        let answer = world.browser().post("/oauth/authorize", &doubled).await;
        assert_eq!((answer.status, answer.header("location")), (400, None), "{name} twice in the body");
        let path = authorize_path(&[(name.clone(), value.clone())]);
        let answer = world.browser().post(&path, &request).await;
        assert_eq!((answer.status, answer.header("location")), (400, None), "{name} in query and body");
    }
    let mut form = world.redemption("app", "x");
    form.push(("code".to_owned(), "y".to_owned()));
    let answer = world.token(&form).await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_request")));
}

/// What is wrong with a request whose redirect URI is good goes there, with `state` and `iss`.
async fn refused(world: &World, name: &str, value: Option<&str>, error: &str) {
    let request = with(&world.request("app"), name, value);
    for post in [false, true] {
        let answer = match post {
            false => world.browser().get(&authorize_path(&request)).await,
            true => world.browser().post("/oauth/authorize", &request).await,
        };
        assert_eq!(answer.status, 303, "{name}={value:?}: {}", answer.body);
        assert!(answer.location().starts_with(REDIRECT));
        assert_eq!(answer.redirected("error").as_deref(), Some(error), "{name}={value:?}");
        assert_eq!(answer.redirected("iss").as_deref(), Some(world.issuer.as_str()), "o13: {name}={value:?}");
        let state = if name == "state" { None } else { Some("s t&ü") };
        assert_eq!(answer.redirected("state").as_deref(), state, "{name}={value:?}");
        assert_eq!(answer.redirected("code"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o05_pkce_is_required() {
    let world = World::new().await;
    world.client("app", false).await;
    refused(&world, "code_challenge", None, "invalid_request").await;
    refused(&world, "code_challenge", Some("tooshort"), "invalid_request").await;
    refused(&world, "code_challenge_method", None, "invalid_request").await;
    refused(&world, "code_challenge_method", Some("plain"), "invalid_request").await;
    refused(&world, "code_challenge_method", Some("s256"), "invalid_request").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o11_the_audience_is_this_server() {
    let world = World::new().await;
    world.client("app", false).await;
    refused(&world, "aud", None, "invalid_request").await;
    refused(&world, "aud", Some("https://other.test/fhir"), "invalid_request").await;
    refused(&world, "aud", Some(&format!("{}/invalid_aud", world.fhir)), "invalid_request").await;
    refused(&world, "aud", Some(&format!("{}//", world.fhir)), "invalid_request").await;
    refused(&world, "aud", Some(&world.issuer), "invalid_request").await;
    let request = with(&world.request("app"), "aud", Some(&format!("{}/", world.fhir)));
    assert!(world.code(&request).await.starts_with("cgac_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn o15_codes_are_the_only_response() {
    let world = World::new().await;
    world.client("app", false).await;
    for bad in ["token", "id_token token", "code token", "code id_token", "none", "CODE"] {
        refused(&world, "response_type", Some(bad), "unsupported_response_type").await;
    }
    refused(&world, "response_type", None, "invalid_request").await;
    refused(&world, "response_mode", Some("fragment"), "invalid_request").await;
    refused(&world, "state", None, "invalid_request").await;
    refused(&world, "request", Some("x"), "request_not_supported").await;
    refused(&world, "request_uri", Some("https://app.test/r"), "request_uri_not_supported").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o30_a_launch_that_is_unknown_is_refused() {
    let world = World::new().await;
    world.client("app", false).await;
    refused(&world, "launch", Some("x"), "invalid_request").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o27_scopes_that_are_none_are_dropped_and_the_answer_says_what_is_left() {
    let world = World::new().await;
    world.client("app", false).await;
    refused(&world, "scope", None, "invalid_scope").await;
    refused(&world, "scope", Some("patient/Observation.rsdu system/*.rs nonsense"), "invalid_scope").await;
    let mixed = "patient/Observation.rs patient/Observation.rsdu patient/Patient.read system/*.rs launch \
        patient/Condition.rs?subject.name=x patient/Condition.rs?_has:x=y";
    let code = world.code(&with(&world.request("app"), "scope", Some(mixed))).await;
    let body = world.token(&world.redemption("app", &code)).await.json();
    assert_eq!(body["scope"], "patient/Observation.rs patient/Patient.read");

    let huge: String = (0..6_000).map(|_| "patient/Observation.rs ").collect();
    let answer = world.browser().post("/oauth/authorize", &with(&world.request("app"), "scope", Some(&huge))).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn o14_a_request_belongs_to_the_browser_that_began_it() {
    let world = World::new().await;
    world.client("app", false).await;
    let mut victim = world.browser();
    world.consent(&mut victim, &world.request("app")).await;
    let mut attacker = world.browser();
    let page = world.consent(&mut attacker, &world.request("app")).await;
    let sealed = page.field("request").unwrap();
    let answer = victim.get(&format!("/oauth/consent?request={sealed}")).await;
    assert_eq!(answer.status, 400);
    assert!(!answer.body.contains("decision"));
    for bad in ["", "x", &sealed[1..], &format!("{sealed}A")] {
        assert_eq!(attacker.get(&format!("/oauth/consent?request={bad}")).await.status, 400, "{bad}");
    }
    world.advance(std::time::Duration::from_secs(899));
    assert_eq!(attacker.get(&format!("/oauth/consent?request={sealed}")).await.status, 200);
    world.advance(std::time::Duration::from_secs(1));
    assert_eq!(attacker.get(&format!("/oauth/consent?request={sealed}")).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn o14_a_sign_in_does_not_carry_a_foreign_request_on() {
    let world = World::new().await;
    world.client("app", false).await;
    let page = world.browser().get(&authorize_path(&world.request("app"))).await;
    let foreign = page.field("request").unwrap();
    let mut victim = world.browser();
    let page = victim.get("/sign-in").await;
    let mut form = page.form();
    set(&mut form, "username", Some("ann"));
    set(&mut form, "password", Some(super::world::PASSWORD));
    set(&mut form, "request", Some(&foreign));
    assert_eq!(victim.post("/sign-in", &form).await.location(), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn w01_forms_of_other_sites_change_nothing() {
    let world = World::new().await;
    world.client("app", false).await;
    let mut browser = world.browser();
    let page = world.consent(&mut browser, &world.request("app")).await;
    let form = with(&page.form(), "decision", Some("allow"));
    for headers in [
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
        vec![("origin", "https://evil.test")],
        vec![("origin", "null")],
    ] {
        let answer = browser.post_with("/oauth/consent", &form, &headers).await;
        assert_eq!((answer.status, answer.header("location")), (403, None), "{headers:?}");
    }
    for token in [None, Some(""), Some("x")] {
        let answer = browser.post("/oauth/consent", &with(&form, "form_token", token)).await;
        assert_eq!((answer.status, answer.header("location")), (403, None), "{token:?}");
    }
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    let answer = browser.send("POST", "/oauth/consent", &[("content-type", "text/plain")], &body).await;
    assert_eq!((answer.status, answer.header("location")), (400, None));
    let other = {
        let mut other = world.browser();
        world.consent(&mut other, &world.request("app")).await
    };
    let foreign = other.field("form_token");
    assert_eq!(browser.post("/oauth/consent", &with(&form, "form_token", foreign.as_deref())).await.status, 403);
    let same = [("sec-fetch-site", "same-origin"), ("origin", "null")];
    assert_eq!(browser.post_with("/oauth/consent", &form, &same).await.status, 303);
    let home = browser.get("/").await;
    assert_eq!(browser.post("/sign-out", &with(&home.form(), "form_token", None)).await.status, 403);
    let sign_in = world.browser().get("/sign-in").await;
    let mut form = sign_in.form();
    set(&mut form, "username", Some("ann"));
    set(&mut form, "password", Some(super::world::PASSWORD));
    assert_eq!(world.browser().post("/sign-in", &form).await.status, 403, "without the browser's cookie");
}

#[tokio::test(flavor = "multi_thread")]
async fn o36_o37_o38_headers_of_pages() {
    let world = World::new().await;
    world.client("app", false).await;
    let mut browser = world.browser();
    let sign_in = browser.get(&authorize_path(&world.request("app"))).await;
    let consent = world.sign_in(&mut browser, &sign_in).await;
    let home = browser.get("/").await;
    let bad = browser.get("/oauth/authorize").await;
    let answer = allow(&mut browser, &consent).await;
    for page in [&sign_in, &consent, &home, &bad, &answer] {
        let policy = page.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(policy.contains(part), "{part} in {policy}");
        }
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("access-control-allow-origin"), None);
        assert!(page.status != 307 && page.status != 302, "o38: credentials must not be sent on");
    }
    assert!(consent.header("content-security-policy").unwrap().ends_with("form-action 'self' https://app.test"));
    assert!(sign_in.header("content-security-policy").unwrap().ends_with("form-action 'self'"));
    for origin in ["https://evil.test", "null"] {
        let mut other = world.browser();
        let path = authorize_path(&world.request("app"));
        let answer = other.send("GET", &path, &[("origin", origin)], "").await;
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let answer = other.send("OPTIONS", &path, &[("origin", origin)], "").await;
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let mut routes = vec!["/oauth/token", "/.well-known/jwks.json", "/fhir/.well-known/smart-configuration"];
        routes.push("/oauth/userinfo");
        for route in routes {
            let answer = other.send("OPTIONS", route, &[("origin", origin)], "").await;
            assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some("*")), "{route}");
            assert_eq!(answer.header("access-control-allow-credentials"), None, "{route}");
            assert!(answer.header("access-control-allow-headers").unwrap().contains("authorization"));
        }
        let answer = other.post_with("/oauth/token", &[], &[("origin", origin)]).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (400, Some("*")));
        let answer = other.post_with("/oauth/introspect", &[], &[("origin", origin)]).await;
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_request_leaves_no_row() {
    let world = World::new().await;
    world.client("app", false).await;
    let before = world.database.db.writes();
    for _ in 0..3 {
        let mut browser = world.browser();
        browser.get(&authorize_path(&world.request("app"))).await;
        browser.post("/oauth/authorize", &world.request("app")).await;
    }
    assert_eq!(world.database.db.writes(), before);
}
