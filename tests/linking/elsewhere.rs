//! Sign-in at somebody else's: a provider that behaves, and all the ways in which one does not.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use chartgate::base::random::SystemRandom;
use chartgate::config::{AppProof, IdentityProvider};
use chartgate::oauth::jwt::SigningKey;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::*;
use crate::support::world::run;

const CLIENT: &str = "gateway";

/// A provider: what it answers to the next code is set by the test.
struct Provider {
    issuer: String,
    answering: Arc<Answering>,
}

struct Answering {
    issuer: String,
    key: SigningKey,
    /// What the token endpoint gives for a code.
    token: Mutex<Option<String>>,
    /// The form that came last.
    form: Mutex<String>,
}

async fn provider() -> Provider {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let (key, _) = SigningKey::generate(&SystemRandom::default()).unwrap();
    let answering =
        Arc::new(Answering { issuer: issuer.clone(), key, token: Mutex::default(), form: Mutex::default() });
    let discovery = async |State(op): State<Arc<Answering>>| {
        axum::Json(json!({
            "issuer": op.issuer, "authorization_endpoint": format!("{}/authorize", op.issuer),
            "token_endpoint": format!("{}/token", op.issuer), "jwks_uri": format!("{}/jwks", op.issuer),
            "authorization_response_iss_parameter_supported": true,
        }))
    };
    let jwks = async |State(op): State<Arc<Answering>>| {
        // RFC 7517 §8.5.2: a media type of its own.
        let body = json!({"keys": [op.key.jwk(), {"kty": "oct", "k": "AAAA", "kid": "shared"}]});
        ([("content-type", "application/jwk-set+json; charset=utf-8")], body.to_string())
    };
    let token = async |State(op): State<Arc<Answering>>, form: String| {
        *op.form.lock().unwrap() = form;
        let token = op.token.lock().unwrap().clone();
        axum::Json(json!({"access_token": "a", "token_type": "Bearer", "id_token": token}))
    };
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/jwks", get(jwks))
        .route("/token", post(token))
        .with_state(answering.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Provider { issuer, answering }
}

/// Where a browser was sent.
struct Sent {
    state: String,
    nonce: String,
    query: std::collections::BTreeMap<String, String>,
}

fn sent(url: &str) -> Sent {
    let url = url::Url::parse(url).unwrap();
    let query: std::collections::BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    Sent { state: query["state"].clone(), nonce: query["nonce"].clone(), query }
}

impl Provider {
    fn claims(&self, world: &World, nonce: &str, subject: &str) -> Value {
        let now = chartgate::base::clock::Clock::now(&*world.clock).seconds();
        json!({
            "iss": self.issuer, "sub": subject, "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": nonce,
            "auth_time": now, "email": "daniel@example.org", "email_verified": true,
        })
    }

    fn gives(&self, token: String) {
        *self.answering.token.lock().unwrap() = Some(token);
    }

    fn signs(&self, claims: &Value) {
        self.gives(self.answering.key.sign(claims).unwrap());
    }

    /// A whole sign-in of `subject`, from a page of ours on.
    async fn through(&self, world: &World, browser: &mut Browser, path: &str, subject: &str) -> Answer {
        let there = browser.get(path).await;
        assert_eq!(there.status, 303, "{path} {}", there.body);
        let sent = sent(there.location());
        self.signs(&self.claims(world, &sent.nonce, subject));
        self.back(browser, &sent.state).await
    }

    async fn back(&self, browser: &mut Browser, state: &str) -> Answer {
        let issuer: String = url::form_urlencoded::byte_serialize(self.issuer.as_bytes()).collect();
        browser.get(&format!("/sign-in/with/op/callback?code=c&state={state}&iss={issuer}")).await
    }
}

async fn world_with(provider: &Provider, other: Option<&Provider>) -> World {
    let (practices, _) = fixtures();
    let staff = ["clerk", "registrar", "support", "boss", "other", "officer"];
    let persons = staff.map(|key| PersonSpec { key: key.to_owned(), links: Vec::new() }).to_vec();
    let entry = |key: &str, provider: &Provider| IdentityProvider {
        key: key.to_owned(),
        name: format!("Provider {key}"),
        issuer: provider.issuer.clone(),
        client_id: CLIENT.to_owned(),
        proof: AppProof::None,
        scope: "openid profile".to_owned(),
        // The other one proves nobody's identity.
        ial2_acr: Some("urn:test:ial2".to_owned()).filter(|_| key == "op").into_iter().collect(),
        private_addresses: vec!["127.0.0.0/8".to_owned()],
    };
    let mut entries = vec![entry("op", provider)];
    entries.extend(other.map(|other| entry("other", other)));
    let world = World::configured(practices, persons, |config| config.identity_providers = entries).await;
    for (key, role) in [("clerk", StaffRole::FrontDesk), ("registrar", StaffRole::ProxyRegistrar)] {
        appoint(&world, key, "riverside", role).await;
    }
    world
}

/// Connects `subject` to the account of whoever is signed in there.
async fn connect(provider: &Provider, world: &World, browser: &mut Browser, subject: &str) -> Answer {
    let page = browser.get("/account/identities").await;
    assert_eq!(page.status, 200, "{} {:?}", page.body, page.header("location"));
    let there = submit(browser, &page, "/account/identities/connect", &[]).await;
    let link = there.body.split("href=\"").find(|part| part.starts_with(&provider.issuer));
    let link = link.unwrap_or_else(|| panic!("no way there: {}", there.body));
    let sent = sent(&link.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&"));
    provider.signs(&provider.claims(world, &sent.nonce, subject));
    provider.back(browser, &sent.state).await
}

#[test]
fn i10_an_account_is_found_by_issuer_and_subject_and_never_by_an_address() {
    run(async {
        let (provider, other) = (provider().await, provider().await);
        let world = world_with(&provider, Some(&other)).await;
        // 1: a local account with that verified address, then a sign-in elsewhere with the same one.
        let mut daniel = daniel(&world, "daniel@example.org").await;
        let mail = world.mails().await.into_iter().rfind(|mail| mail.to == "daniel@example.org").unwrap();
        let page =
            daniel.get(&format!("/account/contact/confirm?token={}", mail.token("/account/contact/confirm"))).await;
        assert_eq!(submit(&mut daniel, &page, "/account/contact/confirm", &[]).await.status, 303);
        let mut thief = stranger(&world);
        let unknown = provider.through(&world, &mut thief, "/sign-in/with/op", "thief").await;
        assert!(unknown.body.contains("No account is connected"), "{}", unknown.body);
        assert_eq!(thief.get("/account").await.location(), "/sign-in");
        // 2: the answer is the same for an address that nobody has.
        let there = thief.get("/sign-in/with/op").await;
        let asked = sent(there.location());
        let mut claims = provider.claims(&world, &asked.nonce, "somebody");
        claims["email"] = json!("nobody@example.org");
        provider.signs(&claims);
        assert_eq!(provider.back(&mut thief, &asked.state).await.body, unknown.body);
        // 3: connected from inside, it leads in; and only whom it names.
        let done = connect(&provider, &world, &mut daniel, "daniel").await;
        assert_eq!((done.status, done.location()), (303, "/account/identities"), "{}", done.body);
        let mut again = stranger(&world);
        let arrived = provider.through(&world, &mut again, "/sign-in/with/op?next=/account", "daniel").await;
        assert_eq!((arrived.status, arrived.location()), (303, "/account"), "{}", arrived.body);
        assert!(again.get("/").await.body.contains("Riverside Family Practice"));
        // 4: the same subject at another issuer is somebody else.
        let there = again.get("/sign-in/with/other").await;
        let asked = sent(there.location());
        other.signs(&other.claims(&world, &asked.nonce, "daniel"));
        let issuer: String = url::form_urlencoded::byte_serialize(other.issuer.as_bytes()).collect();
        let mut elsewhere = again.clone();
        let back =
            elsewhere.get(&format!("/sign-in/with/other/callback?code=c&state={}&iss={issuer}", asked.state)).await;
        assert!(back.body.contains("No account is connected"), "{}", back.body);
        // 5: it cannot be connected to a second account, and the first keeps it.
        let mut boss = world.browser("boss").await;
        let taken = connect(&provider, &world, &mut boss, "daniel").await;
        assert!(taken.status == 422 && taken.body.contains("connected to another account"), "{}", taken.body);
        // 6: an account that began elsewhere is not joined by who later has its address with a password.
        let code = own_code(&world, "MRN-334600").await;
        let mut maria = stranger(&world);
        answer(&mut maria, &code, "1964-03-12", "Alvarez").await;
        let arrived = provider.through(&world, &mut maria, "/sign-in/with/op?for=account", "maria").await;
        assert_eq!((arrived.status, arrived.location()), (303, "/invite/confirm"), "{}", arrived.body);
        let confirm = maria.get("/invite/confirm").await;
        assert_eq!(submit(&mut maria, &confirm, "/invite/confirm", &[("answer", "yes")]).await.location(), "/");
        let mut same = stranger(&world);
        provider.through(&world, &mut same, "/sign-in/with/op", "maria").await;
        assert!(same.get("/").await.body.contains("Riverside Family Practice"));
        // Without a code nobody opens an account.
        let mut nobody = stranger(&world);
        let refused = provider.through(&world, &mut nobody, "/sign-in/with/op?for=account", "nobody").await;
        assert_eq!(refused.status, 422, "{}", refused.body);

        // The last way in stays; another one may go.
        world.clock.advance(std::time::Duration::from_secs(1));
        let mut maria = stranger(&world);
        provider.through(&world, &mut maria, "/sign-in/with/op", "maria").await;
        let page = maria.get("/account/identities").await;
        let last = submit(&mut maria, &page, "/account/identities/disconnect", &[]).await;
        assert!(last.body.contains("last way to sign in"), "{}", last.body);
        let page = daniel.get("/account/identities").await;
        let gone = submit(&mut daniel, &page, "/account/identities/disconnect", &[]).await;
        assert_eq!(gone.location(), "/account/identities", "{}", gone.body);
        let mut again = stranger(&world);
        let arrived = provider.through(&world, &mut again, "/sign-in/with/op", "daniel").await;
        assert!(arrived.body.contains("No account is connected"));
    });
}

#[test]
fn o44_a_token_that_is_not_for_this_request_signs_nobody_in() {
    run(async {
        let provider = provider().await;
        let (stray, _) = SigningKey::generate(&SystemRandom::default()).unwrap();
        let world = world_with(&provider, None).await;
        let mut boss = world.browser("boss").await;
        assert_eq!(connect(&provider, &world, &mut boss, "boss").await.location(), "/account/identities");
        let now = chartgate::base::clock::Clock::now(&*world.clock).seconds();
        let hs256 = {
            // The public key as a shared secret (RFC 8725 §3.1).
            let public = provider.answering.key.jwk()["n"].as_str().unwrap().to_owned();
            move |claims: &Value| {
                let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
                let text = format!("{}.{}", encode(&json!({"alg": "HS256", "typ": "JWT"})), encode(claims));
                let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public.as_bytes());
                let tag = aws_lc_rs::hmac::sign(&key, text.as_bytes());
                format!("{text}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
            }
        };
        let none = |claims: &Value| {
            let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
            format!("{}.{}.", encode(&json!({"alg": "none"})), encode(claims))
        };
        type Change = (&'static str, Value);
        let other_tenant = provider.issuer.replace("http://", "http://tenant.");
        let changes: [Change; 17] = [
            ("nonce", json!("another")),
            ("nonce", Value::Null),
            ("iss", json!("https://other.example")),
            ("iss", json!(format!("{}/", provider.issuer))),
            ("iss", json!(other_tenant)),
            ("iss", json!(format!("{}/{{tenantid}}", provider.issuer))),
            ("iss", Value::Null),
            ("aud", json!("another-client")),
            ("aud", json!([CLIENT, "another-client"])),
            ("aud", json!([])),
            ("azp", json!("another-client")),
            ("exp", json!(now - 61)),
            ("iat", json!(now + 3_600)),
            ("iat", json!(now - 3_600)),
            ("nbf", json!(now + 3_600)),
            ("sub", json!("")),
            ("sub", json!("x".repeat(256))),
        ];
        let mut browser = stranger(&world);
        let mut attempt = async |make: &dyn Fn(&Value) -> String, change: Option<&Change>| {
            // A wait that the throttle may have made passes; tokens are made for this moment.
            let there = browser.get("/sign-in/with/op").await;
            assert_eq!(there.status, 303, "{}", there.body);
            let asked = sent(there.location());
            let mut claims = provider.claims(&world, &asked.nonce, "boss");
            if let Some((name, value)) = change {
                claims[*name] = value.clone();
            }
            provider.gives(make(&claims));
            let back = provider.back(&mut browser, &asked.state).await;
            let is_in = browser.get("/account").await.status == 200;
            browser.cookies.remove("chartgate-session");
            (back.status, is_in)
        };
        let signed = |claims: &Value| provider.answering.key.sign(claims).unwrap();
        for change in &changes {
            assert_eq!(attempt(&signed, Some(change)).await, (422, false), "{change:?}");
        }
        let both = ("aud", json!([CLIENT, "another-client"]));
        assert_eq!(
            attempt(
                &|claims| {
                    let mut claims = claims.clone();
                    claims["azp"] = json!(CLIENT);
                    signed(&claims)
                },
                Some(&both)
            )
            .await,
            (303, true),
            "others may be meant too, if it was us who asked"
        );
        assert_eq!(attempt(&none, None).await, (422, false), "alg none");
        assert_eq!(attempt(&hs256, None).await, (422, false), "a shared secret");
        assert_eq!(attempt(&|claims| stray.sign(claims).unwrap(), None).await, (422, false), "another's key");
        let cut = |claims: &Value| signed(claims).rsplit_once('.').unwrap().0.to_owned() + ".AAAA";
        assert_eq!(attempt(&cut, None).await, (422, false), "no signature");
        assert_eq!(attempt(&|_| "x".to_owned(), None).await, (422, false), "no token");
        assert_eq!(attempt(&signed, None).await, (303, true), "the one that it should be");
    });
}

#[test]
fn an_answer_counts_once_in_its_own_browser_from_its_own_provider_and_in_time() {
    run(async {
        let (provider, other) = (provider().await, provider().await);
        let world = world_with(&provider, Some(&other)).await;
        let mut boss = world.browser("boss").await;
        connect(&provider, &world, &mut boss, "boss").await;
        let mut browser = stranger(&world);
        let begin = async |browser: &mut Browser| {
            let there = browser.get("/sign-in/with/op").await;
            let asked = sent(there.location());
            assert_eq!(asked.query["code_challenge_method"], "S256");
            assert_eq!(asked.query["redirect_uri"], format!("{}/sign-in/with/op/callback", world.issuer));
            assert_eq!(asked.query["scope"], "openid profile");
            provider.signs(&provider.claims(&world, &asked.nonce, "boss"));
            asked
        };
        let asked = begin(&mut browser).await;
        // Login CSRF: another browser's state; it is not even used up.
        assert_eq!(provider.back(&mut stranger(&world), &asked.state).await.status, 422);
        // Mix-up: the answer comes to another provider's redirect URI, or says to be another's, or does not say.
        let issuer = |provider: &Provider| -> String {
            url::form_urlencoded::byte_serialize(provider.issuer.as_bytes()).collect()
        };
        let path = format!("/sign-in/with/other/callback?code=c&state={}&iss={}", asked.state, issuer(&other));
        assert_eq!(browser.get(&path).await.status, 422);
        assert_eq!(provider.back(&mut browser, &asked.state).await.status, 303);
        assert!(provider.answering.form.lock().unwrap().contains("code_verifier="), "PKCE");
        assert_eq!(provider.back(&mut browser, &asked.state).await.status, 422, "once");
        for end in ["", &format!("&iss={}", issuer(&other)), "&iss=&iss="] {
            browser.cookies.remove("chartgate-session");
            let asked = begin(&mut browser).await;
            let path = format!("/sign-in/with/op/callback?code=c&state={}{end}", asked.state);
            assert_eq!(browser.get(&path).await.status, 422, "{end}");
            assert_eq!(browser.get("/account").await.location(), "/sign-in");
        }
        let asked = begin(&mut browser).await;
        let refused = format!("/sign-in/with/op/callback?error=access_denied&state={}", asked.state);
        assert_eq!(browser.get(&refused).await.status, 422);
        let asked = begin(&mut browser).await;
        world.clock.advance(std::time::Duration::from_secs(601));
        assert_eq!(provider.back(&mut browser, &asked.state).await.status, 422, "too late");

        // What was shown there long ago proves nothing now: what would hurt asks once more.
        let there = browser.get("/sign-in/with/op").await;
        let asked = sent(there.location());
        let mut claims = provider.claims(&world, &asked.nonce, "boss");
        claims["auth_time"] = json!(claims["auth_time"].as_i64().unwrap() - 3_600);
        provider.signs(&claims);
        assert_eq!(provider.back(&mut browser, &asked.state).await.status, 303);
        assert_eq!(browser.get("/account").await.status, 200);
        assert_eq!(browser.get("/account/password").await.location(), "/account/prove?next=password");
        let prove = browser.get("/account/prove?next=password").await;
        assert!(prove.body.contains("/sign-in/with/op?again=yes"), "{}", prove.body);
        let there = browser.get("/sign-in/with/op?again=yes&next=/account").await;
        let asked = sent(there.location());
        assert_eq!((asked.query["prompt"].as_str(), asked.query["max_age"].as_str()), ("login", "0"));
        provider.signs(&{
            let mut claims = provider.claims(&world, &asked.nonce, "boss");
            claims["auth_time"] = json!(claims["auth_time"].as_i64().unwrap() - 3_600);
            claims
        });
        assert_eq!(provider.back(&mut browser, &asked.state).await.status, 422, "not shown again");
        provider.through(&world, &mut browser, "/sign-in/with/op?again=yes&next=/account", "boss").await;
        assert_eq!(browser.get("/account/password").await.status, 200);
    });
}

/// The way to the provider, from the page of a practice: begun by its form, gone on by a link.
async fn prove(provider: &Provider, browser: &mut Browser, organization: &str) -> Sent {
    let page = browser.get(&format!("/claim?organization={organization}")).await;
    let there = submit(browser, &page, "/claim/elsewhere", &[("provider", "op")]).await;
    let link = there.body.split("href=\"").find(|part| part.starts_with(&provider.issuer));
    let link = link.unwrap_or_else(|| panic!("no way there: {} {}", there.status, there.body));
    sent(&link.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&"))
}

impl Provider {
    /// Says of `subject` that they are proofed, as changed.
    fn proofs(&self, world: &World, asked: &Sent, subject: &str, change: &[(&str, Value)]) {
        let mut claims = self.claims(world, &asked.nonce, subject);
        for (name, value) in [
            ("acr", json!("urn:test:ial2")),
            ("given_name", json!("Daniel")),
            ("family_name", json!("Okafor")),
            ("birthdate", json!("1991-04-14")),
            ("phone_number", json!("+1 (413) 555-0129")),
            ("phone_number_verified", json!(true)),
        ] {
            claims[name] = value;
        }
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        self.signs(&claims);
    }
}

/// Everything from the practice's page to the person's yes.
async fn proofed(
    (provider, world): (&Provider, &World),
    browser: &mut Browser,
    subject: &str,
    change: &[(&str, Value)],
) -> Answer {
    let organization = organization(world, "riverside").await.to_string();
    let asked = prove(provider, browser, &organization).await;
    provider.proofs(world, &asked, subject, change);
    let back = provider.back(browser, &asked.state).await;
    if back.status != 303 {
        return back;
    }
    assert_eq!(back.location(), "/claim/proved");
    let question = browser.get("/claim/proved").await;
    assert!(question.body.contains("Provider op says that you are"), "{}", question.body);
    submit(browser, &question, "/claim/proved", &[]).await
}

#[test]
fn o44_somebody_proofed_elsewhere_is_linked_if_names_birth_date_and_a_contact_agree() {
    run(async {
        let provider = provider().await;
        let world = world_with(&provider, None).await;
        let both = (&provider, &world);
        let mut boss = world.browser("boss").await;
        // Not proofed, or not by a name of IAL2: nothing.
        let unsure = proofed(both, &mut boss, "whoever", &[("acr", json!("urn:test:ial1"))]).await;
        assert!(unsure.status == 422 && unsure.body.contains("surely enough"), "{}", unsure.body);
        assert_eq!(boss.get("/claim/proved").await.location(), "/find");
        assert!(waiting(&world).await.is_empty());
        // Names, date or contact differ, or the contact is not verified: staff look.
        for change in [
            vec![("family_name", json!("Okafo"))],
            vec![("birthdate", json!("1991-04-15"))],
            vec![("phone_number", json!("+14135550128")), ("email", json!("x@example.org"))],
            vec![("phone_number_verified", json!(false)), ("email_verified", json!(false))],
        ] {
            let queued = proofed(both, &mut boss, "whoever", &change).await;
            assert!(queued.body.contains("Your practice looks at it"), "{change:?} {}", queued.body);
            assert!(!boss.get("/").await.body.contains("Riverside"), "{change:?}");
        }
        let page = at_work(&world, "clerk").await.get("/clinic/queue").await;
        assert!(page.body.contains("born 1991-04-14, proved elsewhere"), "{}", page.body);
        let done = proofed(both, &mut boss, "whoever", &[]).await;
        assert_eq!((done.status, done.location()), (303, "/"), "{}", done.body);
        assert!(boss.get("/").await.body.contains("Riverside Family Practice"));
        let token = world.token("boss").await;
        assert!(!world.get("/fhir/Condition", &token).await.ids().is_empty(), "a full link");
        // The chart is taken: whoever else proves the same goes to staff.
        world.clock.advance(hours(25));
        let mut support = world.browser("support").await;
        assert!(proofed(both, &mut support, "another", &[]).await.body.contains("Your practice looks at it"));
        let organization = organization(&world, "riverside").await;
        let queued = chartgate::storage::claims::queued(&world.app.db, organization).await.unwrap();
        assert_eq!(queued.last().unwrap().reasons, ["taken"], "{queued:?}");
    });
}

#[test]
fn i10_a_proof_is_asked_for_by_a_form_anew_and_counts_in_its_session_after_a_yes() {
    run(async {
        let (provider, other) = (provider().await, provider().await);
        let world = world_with(&provider, Some(&other)).await;
        let organization = organization(&world, "riverside").await.to_string();
        let mut boss = world.browser("boss").await;

        // By an address alone nobody is sent to prove anything: it is a sign-in, and of nobody known.
        let path = format!("/sign-in/with/op?for=proof&organization={organization}");
        let there = boss.get(&path).await;
        let asked = sent(there.location());
        provider.proofs(&world, &asked, "whoever", &[]);
        let back = provider.back(&mut boss, &asked.state).await;
        assert!(back.body.contains("No account is connected"), "{}", back.body);
        assert_eq!(boss.get("/claim/proved").await.location(), "/find");

        // Nor by a form of another page, by nobody, or where the provider proves nobody's identity.
        let forged = |token: &str| {
            let pairs = [("form_token", token), ("organization", organization.as_str()), ("provider", "op")];
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
        };
        assert_eq!(boss.post("/claim/elsewhere", &forged("x")).await.status, 403);
        let mut nobody = stranger(&world);
        assert_eq!(nobody.post("/claim/elsewhere", &forged("x")).await.location(), "/sign-in");
        let page = boss.get(&format!("/claim?organization={organization}")).await;
        assert!(page.body.contains("Provider op") && !page.body.contains("Provider other"), "{}", page.body);
        let unable = submit(&mut boss, &page, "/claim/elsewhere", &[("provider", "other")]).await;
        assert_eq!(unable.status, 404, "{}", unable.body);

        // They show there anew who they are, and are asked for the proof; an old sign-in there is not one.
        let asked = prove(&provider, &mut boss, &organization).await;
        assert_eq!((asked.query["prompt"].as_str(), asked.query["max_age"].as_str()), ("login", "0"));
        assert_eq!(asked.query["acr_values"], "urn:test:ial2");
        let long_ago = provider.claims(&world, "", "")["auth_time"].as_i64().unwrap() - 3_600;
        provider.proofs(&world, &asked, "whoever", &[("auth_time", json!(long_ago))]);
        assert_eq!(provider.back(&mut boss, &asked.state).await.status, 422);

        // Whoever sits there shows first who they are here, within five minutes.
        world.clock.advance(std::time::Duration::from_secs(301));
        let page = boss.get(&format!("/claim?organization={organization}")).await;
        let prove_first = submit(&mut boss, &page, "/claim/elsewhere", &[("provider", "op")]).await;
        assert_eq!(prove_first.location(), "/account/prove?next=find");

        // Nothing is used before the yes, and a proof belongs to the session that asked for it.
        let mut boss = world.browser("boss").await;
        let asked = prove(&provider, &mut boss, &organization).await;
        provider.proofs(&world, &asked, "whoever", &[]);
        assert_eq!(provider.back(&mut boss, &asked.state).await.location(), "/claim/proved");
        assert!(!boss.get("/").await.body.contains("Riverside"));
        let question = boss.get("/claim/proved").await;
        for said in ["Daniel Okafor", "1991-04-14", "413", "daniel@example.org", "Riverside Family Practice"] {
            assert!(question.body.contains(said), "{said} in {}", question.body);
        }
        let form = question.form_to("/claim/proved");
        let mut elsewhere = world.browser("boss").await;
        assert_eq!(elsewhere.get("/claim/proved").await.location(), "/find", "another session of the same account");
        for (mut browser, name) in [(elsewhere, "session"), (world.browser("support").await, "account")] {
            let own = browser.get(&format!("/claim?organization={organization}")).await;
            let token = own.form_to("/claim")[0].1.clone();
            let mut form = form.clone();
            form.retain(|(name, _)| name != "form_token");
            form.push(("form_token".to_owned(), token));
            assert_eq!(browser.post("/claim/proved", &form).await.status, 422, "another {name}'s");
        }
        let done = submit(&mut boss, &question, "/claim/proved", &[]).await;
        assert_eq!((done.status, done.location()), (303, "/"), "{}", done.body);
        assert_eq!(submit(&mut boss, &question, "/claim/proved", &[]).await.status, 422, "once");

        // Too late is too late.
        let mut support = world.browser("support").await;
        let asked = prove(&provider, &mut support, &organization).await;
        provider.proofs(&world, &asked, "late", &[]);
        provider.back(&mut support, &asked.state).await;
        let question = support.get("/claim/proved").await;
        world.clock.advance(std::time::Duration::from_secs(601));
        assert_eq!(submit(&mut support, &question, "/claim/proved", &[]).await.status, 422);
        assert!(waiting(&world).await.is_empty(), "nothing came of all that");
    });
}

#[test]
fn i10_a_sign_in_of_another_account_proves_and_connects_nothing() {
    run(async {
        let provider = provider().await;
        let world = world_with(&provider, None).await;
        let both = (&provider, &world);
        let mut support = world.browser("support").await;
        assert_eq!(connect(&provider, &world, &mut support, "theirs").await.location(), "/account/identities");
        let mut boss = world.browser("boss").await;
        let taken = proofed(both, &mut boss, "theirs", &[]).await;
        assert!(taken.status == 422 && taken.body.contains("connected to another account"), "{}", taken.body);
        assert_eq!(boss.get("/claim/proved").await.location(), "/find");
        assert!(waiting(&world).await.is_empty() && !boss.get("/").await.body.contains("Riverside"));

        // Connected by somebody else while the question waits: as well.
        let organization = organization(&world, "riverside").await.to_string();
        let asked = prove(&provider, &mut boss, &organization).await;
        provider.proofs(&world, &asked, "later", &[]);
        provider.back(&mut boss, &asked.state).await;
        let question = boss.get("/claim/proved").await;
        assert_eq!(connect(&provider, &world, &mut support, "later").await.location(), "/account/identities");
        let taken = submit(&mut boss, &question, "/claim/proved", &[]).await;
        assert!(taken.status == 422 && taken.body.contains("connected to another account"), "{}", taken.body);
        assert!(waiting(&world).await.is_empty() && !boss.get("/").await.body.contains("Riverside"));

        // To connect one, too, they show there anew who they are.
        let page = boss.get("/account/identities").await;
        let there = submit(&mut boss, &page, "/account/identities/connect", &[]).await;
        assert!(there.body.contains("prompt=login") && there.body.contains("max_age=0"), "{}", there.body);
        // One's own is fine.
        assert_eq!(connect(&provider, &world, &mut boss, "own").await.location(), "/account/identities");
        assert_eq!(proofed(both, &mut boss, "own", &[]).await.location(), "/");
    });
}

#[test]
fn i06_what_is_proved_elsewhere_has_the_limits_of_every_claim() {
    run(async {
        let provider = provider().await;
        let world = world_with(&provider, None).await;
        let organization = organization(&world, "riverside").await;
        let proved = |organization, family: &str| chartgate::accounts::ProvedElsewhere {
            id: String::new(),
            provider: String::new(),
            organization,
            practice: None,
            demographics: chartgate::identity::Demographics {
                family: family.to_owned(),
                given: vec!["Nobody".to_owned()],
                birth_date: "1970-01-01".to_owned(),
            },
            contacts: Vec::new(),
        };
        let queued = async |who: &str, address: &str, about: &str| {
            let account = world.account(who).await;
            let before = chartgate::storage::claims::queued(&world.app.db, organization).await.unwrap().len();
            let address = address.parse().ok();
            let answer = world.app.claims.proofed(account, address, proved(organization, about)).await.unwrap();
            assert_eq!(answer, chartgate::accounts::ClaimAnswer::Queued, "the answer is the same");
            chartgate::storage::claims::queued(&world.app.db, organization).await.unwrap().len() - before
        };
        // Five about one human, whoever says it; that they have no number makes no two of them one.
        for (at, who) in ["boss", "clerk", "support", "officer", "registrar", "other"].into_iter().enumerate() {
            assert_eq!(queued(who, &format!("10.0.{at}.1"), "Same").await, usize::from(at < 5), "{who}");
        }
        assert_eq!(queued("other", "10.0.9.1", "Somebody").await, 1);
        // Five of one network,
        world.clock.advance(hours(25));
        for (at, who) in ["boss", "clerk", "support", "officer", "registrar", "other"].into_iter().enumerate() {
            assert_eq!(queued(who, "10.1.0.1", &format!("Other{at}")).await, usize::from(at < 5), "{who}");
        }
        // and five of one account.
        world.clock.advance(hours(25));
        for at in 0..6 {
            assert_eq!(queued("boss", &format!("10.2.{at}.1"), &format!("More{at}")).await, usize::from(at < 5));
        }

        // A practice that is not there is a field to look at again, here as elsewhere.
        let nowhere = chartgate::base::id::OrganizationId::mint(&chartgate::base::random::SeededRandom::new(3));
        let account = world.account("clerk").await;
        let refused = world.app.claims.proofed(account, None, proved(nowhere, "Nowhere")).await.unwrap_err();
        assert!(matches!(refused, chartgate::accounts::ClaimError::Refused("organization", _)), "{refused:?}");
        let mut other = world.browser("other").await;
        let asked = prove(&provider, &mut other, &nowhere.to_string()).await;
        provider.proofs(&world, &asked, "whoever", &[]);
        assert_eq!(provider.back(&mut other, &asked.state).await.location(), "/claim/proved");
        let question = other.get("/claim/proved").await;
        let answer = submit(&mut other, &question, "/claim/proved", &[]).await;
        assert!(answer.status == 422 && answer.body.contains("choose a practice from the list"), "{}", answer.body);
    });
}

#[test]
fn no_sign_in_elsewhere_outlives_a_recovery_and_what_else_lets_somebody_in_is_listed() {
    run(async {
        let provider = provider().await;
        let world = world_with(&provider, None).await;
        let mut daniel = super::tightened::daniel_with_mail(&world).await;
        assert_eq!(connect(&provider, &world, &mut daniel, "thief").await.location(), "/account/identities");
        let listed = daniel.get("/account/sessions").await;
        assert!(listed.body.contains("Sign-in with Provider op") && !listed.body.contains("You got back into"));
        let username = chartgate::identity::Username::new("daniel@example.org").unwrap();
        let account = chartgate::storage::accounts::by_username(&world.app.db, &username).await.unwrap().unwrap().id;
        let key = chartgate::storage::passkeys::StoredPasskey {
            id: chartgate::base::id::PasskeyId::mint(&chartgate::base::random::SeededRandom::new(8)),
            account,
            credential: vec![1; 32],
            public_key: vec![2; 32],
            sign_count: 0,
            name: "Firefox on a stolen telephone".to_owned(),
            backed_up: false,
            created: chartgate::base::clock::Clock::now(&*world.clock),
            last_used: None,
        };
        let made =
            world.app.db.write(move |tx| Box::pin(async move { chartgate::storage::passkeys::insert(tx, &key).await }));
        assert!(made.await.unwrap());

        let slip = own_code(&world, "MRN-994045").await;
        let mut browser = super::tightened::returning(&world, "daniel@example.org").await;
        let page = browser.get("/recover/finish").await;
        let fields = [("code", slip.as_str()), ("new_password", "a quiet lake in spring rain")];
        let done = submit(&mut browser, &page, "/recover/finish", &fields).await;
        assert_eq!((done.status, done.location()), (303, "/account/sessions"), "{}", done.body);

        let mut thief = stranger(&world);
        let arrived = provider.through(&world, &mut thief, "/sign-in/with/op", "thief").await;
        assert!(arrived.body.contains("No account is connected"), "{}", arrived.body);
        let told = world.mails().await.into_iter().find(|mail| mail.subject == "Your account was recovered").unwrap();
        assert!(told.text.contains("/account/sessions") && told.text.contains("remove what you do not know"));
        let listed = browser.get("/account/sessions").await;
        assert!(listed.body.contains("You got back into") && !listed.body.contains("Sign-in with"), "{}", listed.body);
        assert!(listed.body.contains("Firefox on a stolen telephone"), "{}", listed.body);
        let removed = submit(&mut browser, &listed, "/account/passkeys/remove", &[]).await;
        assert_eq!((removed.status, removed.location()), (303, "/account/passkeys"), "{}", removed.body);
        assert!(!browser.get("/account/sessions").await.body.contains("stolen telephone"));
    });
}
