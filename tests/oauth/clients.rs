//! Client authentication, revocation, introspection, registration.

use data_encoding::BASE64;

use chartgate::authorization::{NewClient, RegistrationError};

use super::world::{World, pairs, scopes, with};

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{id}:{secret}").as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn o17_clients_prove_themselves_in_their_own_way() {
    let world = World::new().await;
    world.client("app", false).await;
    let secret = world.client("clinic-app", true).await.secret.unwrap();
    let secret = secret.expose().as_str();
    let mut browser = world.browser();
    let public = world.refresh("app", "cgrt_x");
    let confidential = world.refresh("clinic-app", "cgrt_x");
    let good = basic("clinic-app", secret);
    let wrong = basic("clinic-app", "cgcs_wrong");
    let impostor = basic("app", secret);
    let posted = with(&confidential, "client_secret", Some(secret));
    let assertion = with(&confidential, "client_assertion", Some("x"));
    for (form, header, error) in [
        (&public, None, "invalid_grant"),
        (&confidential, Some(good.as_str()), "invalid_grant"),
        (&posted, None, "invalid_grant"),
        (&confidential, None, "invalid_client"),
        (&confidential, Some(wrong.as_str()), "invalid_client"),
        (&with(&confidential, "client_secret", Some("wrong")), None, "invalid_client"),
        (&with(&public, "client_secret", Some("x")), None, "invalid_client"),
        (&public, Some(impostor.as_str()), "invalid_client"),
        (&assertion, None, "invalid_client"),
        (&posted, Some(good.as_str()), "invalid_request"),
        (&public, Some(good.as_str()), "invalid_request"),
    ] {
        let headers: Vec<(&str, &str)> = header.map(|header| ("authorization", header)).into_iter().collect();
        let answer = browser.post_with("/oauth/token", form, &headers).await;
        assert_eq!(answer.json()["error"], error, "{form:?} {header:?}");
        assert_eq!(answer.status, if error == "invalid_client" { 401 } else { 400 });
        assert_eq!(answer.header("www-authenticate").is_some(), error == "invalid_client");
    }
    let path = format!("/oauth/token?client_secret={secret}");
    assert_eq!(browser.post(&path, &confidential).await.json()["error"], "invalid_client", "a secret in the URL");
}

#[tokio::test(flavor = "multi_thread")]
async fn o42_revocation_is_felt_at_once() {
    let world = World::new().await;
    world.client("app", false).await;
    world.client("other", false).await;
    let first = world.launch("app").await;
    world.settle().await;
    let revoke =
        |client: &str, token: &serde_json::Value| pairs(&[("client_id", client), ("token", token.as_str().unwrap())]);
    let mut browser = world.browser();
    for form in [revoke("other", &first["access_token"]), revoke("other", &first["refresh_token"])] {
        assert_eq!(browser.post("/oauth/revoke", &form).await.status, 200);
        assert!(world.works(&first["access_token"]).await, "another client's word counts for nothing");
    }
    assert_eq!(browser.post("/oauth/revoke", &revoke("app", &first["access_token"])).await.status, 200);
    assert!(!world.works(&first["access_token"]).await);
    let refresh = world.refresh("app", first["refresh_token"].as_str().unwrap());
    let second = world.token(&refresh).await.json();
    assert!(world.works(&second["access_token"]).await);
    assert_eq!(browser.post("/oauth/revoke", &revoke("app", &second["refresh_token"])).await.status, 200);
    assert!(!world.works(&second["access_token"]).await);
    let refresh = world.refresh("app", second["refresh_token"].as_str().unwrap());
    assert_eq!(world.token(&refresh).await.json()["error"], "invalid_grant");
    assert_eq!(browser.post("/oauth/revoke", &pairs(&[("client_id", "app")])).await.status, 400);
    assert_eq!(browser.post("/oauth/revoke", &pairs(&[("client_id", "app"), ("token", "x")])).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn o41_introspection_tells_clients_about_their_own_tokens_alone() {
    let world = World::new().await;
    world.client("app", false).await;
    let secret = world.client("clinic-app", true).await.secret.unwrap();
    let foreign = world.launch("app").await;
    let code = world.code(&world.request("clinic-app")).await;
    let form = with(&world.redemption("clinic-app", &code), "client_secret", Some(secret.expose()));
    let own = world.token(&form).await.json();
    let mut browser = world.browser();
    let ask = async |browser: &mut crate::support::http::Client, token: &str| {
        let form = pairs(&[("token", token), ("client_id", "clinic-app"), ("client_secret", secret.expose())]);
        browser.post("/oauth/introspect", &form).await
    };
    for name in ["access_token", "refresh_token"] {
        let answer = ask(&mut browser, own[name].as_str().unwrap()).await.json();
        assert_eq!(answer["active"], true, "{name}");
        assert_eq!(answer["client_id"], "clinic-app");
        assert_eq!(scopes(answer["scope"].as_str().unwrap()), scopes(own["scope"].as_str().unwrap()));
        assert_eq!(answer["patient"], own["patient"]);
        assert_eq!(answer["iss"], world.issuer);
        assert!(answer["exp"].is_number());
    }
    let revoked = own["access_token"].as_str().unwrap().to_owned();
    let form = pairs(&[("token", &revoked), ("client_id", "clinic-app"), ("client_secret", secret.expose())]);
    browser.post("/oauth/revoke", &form).await;
    let mut bodies = Vec::new();
    for token in
        [&revoked, "random", foreign["access_token"].as_str().unwrap(), foreign["refresh_token"].as_str().unwrap()]
    {
        let answer = ask(&mut browser, token).await;
        assert_eq!(answer.status, 200);
        bodies.push(answer.body);
    }
    world.advance(std::time::Duration::from_secs(3_600));
    bodies.push(ask(&mut browser, own["access_token"].as_str().unwrap()).await.body);
    assert!(bodies.iter().all(|body| body == "{\"active\":false}"), "{bodies:?}");
    let public = pairs(&[("token", "x"), ("client_id", "app")]);
    assert_eq!(browser.post("/oauth/introspect", &public).await.status, 401);
    assert_eq!(browser.post("/oauth/introspect", &pairs(&[("token", "x")])).await.status, 401);
}

/// Rule: beside whoever asks, a look at a token is one statement; what else a token hangs on comes with it or is known.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_looked_at_in_one_statement_beside_the_client() {
    let world = World::new().await;
    let secret = world.client("clinic-app", true).await.secret.unwrap();
    let code = world.code(&world.request("clinic-app")).await;
    let form = with(&world.redemption("clinic-app", &code), "client_secret", Some(secret.expose()));
    let own = world.token(&form).await.json();
    for name in ["access_token", "refresh_token"] {
        let token = own[name].as_str().unwrap();
        let form = pairs(&[("token", token), ("client_id", "clinic-app"), ("client_secret", secret.expose())]);
        let mut least = u64::MAX;
        // What runs beside it now and then is not in the least of them.
        for _ in 0..6 {
            let before = world.database.db.statements();
            let told = world.browser().post("/oauth/introspect", &form).await.json();
            least = least.min(world.database.db.statements() - before);
            assert_eq!(told["active"], true, "{name}");
            assert!(told["fhirUser"].as_str().unwrap().contains("/Patient/"), "{told}");
        }
        assert_eq!(least, 2, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o04_o35_what_cannot_be_registered() {
    let world = World::new().await;
    let new = NewClient {
        id: None,
        name: "Good app".to_owned(),
        redirect_uris: vec!["https://app.test/cb".to_owned()],
        launch_uri: None,
        scopes: scopes("patient/*.rs"),
        ..NewClient::default()
    };
    for name in ["", "   ", "a\u{202e}b", "a\u{200b}b", "a\nb", &"x".repeat(101)] {
        let bad = NewClient { name: name.to_owned(), ..new.clone() };
        assert!(matches!(world.server.register_client(bad).await, Err(RegistrationError::Name)), "{name:?}");
    }
    for uri in ["http://app.test/cb", "javascript:alert(1)", "https://u@app.test/", "https://app.test/#f"] {
        let bad = NewClient { redirect_uris: vec![uri.to_owned()], ..new.clone() };
        let answer = world.server.register_client(bad).await;
        assert!(matches!(answer, Err(RegistrationError::RedirectUri { .. })), "{uri}");
    }
    let bad = NewClient { redirect_uris: Vec::new(), ..new.clone() };
    assert!(matches!(world.server.register_client(bad).await, Err(RegistrationError::RedirectUris)));
    let first = world.server.register_client(new.clone()).await.unwrap();
    assert!(first.secret.is_none());
    let again = NewClient { id: Some(first.client.id.clone()), ..new };
    assert!(matches!(world.server.register_client(again).await, Err(RegistrationError::Storage(_))));
}
