//! Clients that prove themselves with keys: `private_key_jwt`, and everything that only looks like it.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::response::IntoResponse;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use chartgate::authorization::{ClientEndpoint, ClientRequest};
use chartgate::oauth::assertion::ASSERTION_TYPE;
use chartgate::oauth::client::ClientKeys;

use super::world::{World, pairs, set, with};
use crate::support::http::Answer;
use crate::support::keys::{Key, inline, key_set};

/// A token request that a proven client is refused with `invalid_grant`.
fn asked(assertion: &str) -> Vec<(String, String)> {
    pairs(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", "cgrt_nothing"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ])
}

async fn error(world: &World, form: &[(String, String)]) -> String {
    let answer = world.token(form).await;
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert_eq!(answer.status, if error == "invalid_client" { 401 } else { 400 }, "{}", answer.body);
    error
}

/// Whether the assertion proves its client.
async fn proves(world: &World, assertion: &str) -> bool {
    match error(world, &asked(assertion)).await.as_str() {
        "invalid_grant" => true,
        "invalid_client" => false,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_prove_themselves_with_rs384_and_es384_at_every_endpoint() {
    let world = World::new().await;
    let (rsa, ec) = (Key::rs384("rsa"), Key::es384("ec"));
    world.key_client("clinic", inline(&[&rsa, &ec])).await;
    for key in [&rsa, &ec] {
        assert!(proves(&world, &key.sign(&key.header(), &world.claims("clinic"))).await);
        // Real libraries leave `typ` out, and name the issuer.
        let mut header = key.header();
        header.as_object_mut().unwrap().remove("typ");
        let mut claims = world.claims("clinic");
        claims["aud"] = json!(world.issuer);
        assert!(proves(&world, &key.sign(&header, &claims)).await);
        claims = world.claims("clinic");
        claims["aud"] = json!([claims["aud"]]);
        assert!(proves(&world, &key.sign(&key.header(), &claims)).await);
    }
    for (path, more, status) in [
        ("/oauth/introspect", ("token", "x"), 200),
        ("/oauth/revoke", ("token", "x"), 200),
        ("/oauth/par", ("response_type", "code"), 400),
    ] {
        for aud in [format!("{}{path}", world.issuer), format!("{}/oauth/token", world.issuer), world.issuer.clone()] {
            let mut claims = world.claims("clinic");
            claims["aud"] = json!(aud);
            let mut form = asked(&ec.sign(&ec.header(), &claims));
            set(&mut form, "grant_type", None);
            set(&mut form, "refresh_token", None);
            set(&mut form, more.0, Some(more.1));
            let answer = world.browser().post(path, &form).await;
            assert_eq!(answer.status, status, "{path} {aud} {}", answer.body);
            assert!(!answer.body.contains("invalid_client"), "{path}");
            // Used up there as well.
            let again = world.browser().post(path, &form).await;
            assert_eq!(again.json()["error"], "invalid_client", "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o17_a_client_with_a_key_proves_itself_with_nothing_else() {
    let world = World::new().await;
    let key = Key::es384("ec");
    world.key_client("clinic", inline(&[&key])).await;
    let secret = world.client("app", true).await.secret.unwrap().expose().clone();
    let good = || key.sign(&key.header(), &world.claims("clinic"));
    let plain = world.refresh("clinic", "cgrt_x");
    let basic = format!("Basic {}", BASE64.encode(format!("clinic:{secret}").as_bytes()));
    let foreign = key.sign(&key.header(), &world.claims("app"));
    for (form, header, wanted) in [
        (plain.clone(), None, "invalid_client"),
        (with(&plain, "client_secret", Some(&secret)), None, "invalid_client"),
        (plain.clone(), Some(basic.as_str()), "invalid_client"),
        // Both at once.
        (with(&asked(&good()), "client_secret", Some("x")), None, "invalid_request"),
        (asked(&good()), Some(basic.as_str()), "invalid_request"),
        // A client that has a secret has no key, whoever signs.
        (asked(&foreign), None, "invalid_client"),
        (with(&asked(&good()), "client_id", Some("app")), None, "invalid_request"),
        (with(&asked(&good()), "client_assertion_type", Some("x")), None, "invalid_client"),
        (with(&asked(&good()), "client_assertion_type", None), None, "invalid_client"),
        (with(&asked(&good()), "client_assertion", None), None, "invalid_client"),
        (with(&asked(&good()), "client_id", Some("clinic")), None, "invalid_grant"),
    ] {
        let headers: Vec<(&str, &str)> = header.map(|header| ("authorization", header)).into_iter().collect();
        let answer = world.browser().post_with("/oauth/token", &form, &headers).await;
        assert_eq!(answer.json()["error"], wanted, "{form:?} {header:?}");
    }
    // A secret in the URL counts for nothing.
    let app = world.refresh("app", "cgrt_x");
    let answer = world.browser().post(&format!("/oauth/token?client_secret={secret}"), &app).await;
    assert_eq!(answer.json()["error"], "invalid_client");
}

#[tokio::test(flavor = "multi_thread")]
async fn o18_an_assertion_works_once_also_after_a_restart() {
    an_assertion_works_once(World::new().await).await;
}

pub(crate) async fn an_assertion_works_once(world: World) {
    let key = Key::es384("ec");
    world.key_client("clinic", inline(&[&key])).await;
    world.key_client("other", inline(&[&key])).await;
    let mut claims = world.claims("clinic");
    let first = key.sign(&key.header(), &claims);
    assert!(proves(&world, &first).await);
    assert!(!proves(&world, &first).await);
    // The same id in another assertion, with another end.
    claims["exp"] = json!(claims["exp"].as_i64().unwrap() - 7);
    let second = key.sign(&key.header(), &claims);
    assert!(!proves(&world, &second).await);
    // What is left of a process that was killed is the database.
    let restarted = world.another_process().await;
    for (text, wanted) in [(&first, "invalid_client"), (&second, "invalid_client")] {
        let request = ClientRequest {
            endpoint: ClientEndpoint::Token,
            authorization: None,
            proofs: Vec::new(),
            address: None,
            form: asked(text),
        };
        assert!(restarted.token(request).await.unwrap_err().to_string().starts_with(wanted));
    }
    // An id belongs to the client that chose it.
    let mut claims = claims.clone();
    claims["iss"] = json!("other");
    claims["sub"] = json!("other");
    assert!(proves(&world, &key.sign(&key.header(), &claims)).await);
    // Of many at once one is the first.
    let third = key.sign(&key.header(), &world.claims("clinic"));
    let all = futures_util::future::join_all((0..16).map(|_| proves(&world, &third))).await;
    assert_eq!(all.into_iter().filter(|proven| *proven).count(), 1);
}

/// A server that counts who connects, and answers with what it is given.
struct Outside {
    origin: String,
    asked: Arc<AtomicUsize>,
    answer: Arc<Mutex<(u16, &'static str, String)>>,
}

impl Outside {
    async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (asked, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new((200, "", String::new()))));
        let (count, said) = (asked.clone(), answer.clone());
        let router = Router::new().fallback(move || {
            count.fetch_add(1, Ordering::SeqCst);
            let (status, cache_control, body) = said.lock().unwrap().clone();
            let status = http::StatusCode::from_u16(status).unwrap();
            async move { (status, [("cache-control", cache_control), ("location", "/elsewhere")], body).into_response() }
        });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { origin, asked, answer }
    }

    fn says(&self, status: u16, cache_control: &'static str, body: &(impl ToString + ?Sized)) {
        *self.answer.lock().unwrap() = (status, cache_control, body.to_string());
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

/// A header with one member set, or taken out.
fn changed(header: &Value, name: &str, value: Value) -> Value {
    let mut header = header.clone();
    match value {
        Value::Null => drop(header.as_object_mut().unwrap().remove(name)),
        value => header[name] = value,
    }
    header
}

#[tokio::test(flavor = "multi_thread")]
async fn o19_no_forged_assertion_proves_anybody_and_nothing_is_fetched_for_one() {
    let world = World::new().await;
    let (ec, rsa, stranger) = (Key::es384("ec"), Key::rs384("rsa"), Key::es384("ec"));
    let outside = Outside::new().await;
    outside.says(200, "", &key_set(&[&stranger]));
    world.key_client("clinic", inline(&[&ec, &rsa])).await;
    let claims = || world.claims("clinic");
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let mut forged: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, text: String| forged.push((name.to_owned(), text));
    // The header says another algorithm than the key has.
    for alg in
        ["none", "None", "HS256", "HS384", "RS256", "RS512", "PS384", "ES256", "ES512", "EdDSA", "RS384", "", "es384"]
    {
        add(&format!("alg {alg}"), ec.sign(&changed(&ec.header(), "alg", json!(alg)), &claims()));
        add(
            &format!("alg {alg} for rsa"),
            match alg {
                "RS384" => rsa.sign(&changed(&rsa.header(), "alg", json!("ES384")), &claims()),
                alg => rsa.sign(&changed(&rsa.header(), "alg", json!(alg)), &claims()),
            },
        );
        add(
            &format!("{alg} unsigned"),
            format!("{}.{}.", encode(&json!({"alg": alg, "kid": "ec"})), encode(&claims())),
        );
    }
    // A shared secret made of what is public.
    for (name, secret) in
        [("jwk", ec.jwk().to_string()), ("n", rsa.public()["n"].to_string()), ("x", ec.public()["x"].to_string())]
    {
        let header = json!({"alg": "HS256", "kid": "ec", "typ": "JWT"});
        let signed = format!("{}.{}", encode(&header), encode(&claims()));
        let key = EncodingKey::from_secret(secret.as_bytes());
        let mac = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
        add(&format!("HMAC with {name}"), format!("{signed}.{mac}"));
    }
    // Keys that the header brings, or says where to get.
    let own = ec.header();
    for (name, value) in [
        ("jwk", stranger.public()),
        ("jku", json!(format!("{}/jwks.json", outside.origin))),
        ("x5u", json!(format!("{}/x5u", outside.origin))),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["b64"])),
    ] {
        add(&format!("{name} of a stranger"), stranger.sign(&changed(&own, name, value.clone()), &claims()));
        add(&format!("{name} of the client"), ec.sign(&changed(&own, name, value), &claims()));
    }
    // Names of keys are names.
    for kid in ["../../etc/passwd", "' OR 1=1--", "/dev/null", "%00", "http://127.0.0.1/", "", "EC", "rsa"] {
        add(&format!("kid {kid}"), ec.sign(&changed(&own, "kid", json!(kid)), &claims()));
    }
    for (name, value) in [
        ("kid", Value::Null),
        ("kid", json!(17)),
        ("alg", Value::Null),
        ("typ", json!("at+jwt")),
        ("typ", json!("dpop+jwt")),
    ] {
        add(&format!("{name} {value}"), ec.sign(&changed(&own, name, value), &claims()));
    }
    add("a stranger's signature", stranger.sign(&own, &claims()));
    // Signatures that are none.
    let good = ec.sign(&own, &claims());
    let (signed, _) = good.rsplit_once('.').unwrap();
    for (name, bytes) in [
        ("zero", vec![0_u8; 96]),
        ("one", vec![1; 96]),
        ("ff", vec![0xff; 96]),
        ("short", vec![1; 64]),
        ("empty", vec![]),
    ] {
        add(&format!("signature {name}"), format!("{signed}.{}", BASE64URL_NOPAD.encode(&bytes)));
    }
    // Other spellings of a good one. Each has an id of its own, so that none is refused as a replay.
    let fresh = || ec.sign(&own, &claims());
    add("padded", format!("{}==", fresh()));
    add("four parts", format!("{}.x", fresh()));
    add("two parts", fresh().rsplit_once('.').unwrap().0.to_owned());
    add("white space", format!(" {}", fresh()));
    add("line feed", format!("{}\n", fresh()));
    add("swapped", {
        let text = fresh();
        let mut parts: Vec<&str> = text.split('.').collect();
        parts.swap(0, 1);
        parts.join(".")
    });
    let head = own.to_string();
    add("alg twice", ec.sign_text(&head.replace("\"typ\"", "\"alg\":\"none\",\"typ\""), &claims().to_string()));
    let text = claims().to_string();
    add("sub twice", ec.sign_text(&head, &text.replace("\"aud\"", "\"sub\":\"other\",\"aud\"")));
    add("trailing bytes", ec.sign_text(&head, &format!("{text} x")));
    add("no claims", ec.sign_text(&head, "{}"));
    add("claims are a list", ec.sign_text(&head, "[]"));
    add("not JSON", ec.sign_text("x", "y"));
    add(
        "long",
        ec.sign(&own, &{
            let mut claims = claims();
            claims["x"] = json!("y".repeat(20_000));
            claims
        }),
    );
    for nonsense in ["", ".", "..", "...", "x.y.z", "é.é.é"] {
        add("nonsense", nonsense.to_owned());
    }
    assert!(forged.len() >= 60, "{}", forged.len());
    for (name, text) in &forged {
        let began = Instant::now();
        assert!(!proves(&world, text).await, "{name}: {text}");
        assert!(began.elapsed() < Duration::from_millis(500), "{name}: {:?}", began.elapsed());
    }
    assert_eq!(outside.asked(), 0, "no header makes anybody fetch anything");
    assert!(proves(&world, &good).await, "what was forged was a good one");
    println!("{} forged assertions refused", forged.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn o20_the_claims_of_an_assertion_hold_or_it_proves_nobody() {
    let world = World::new().await;
    let key = Key::es384("ec");
    world.key_client("clinic", inline(&[&key])).await;
    let now = i64::try_from(sample_now(&world)).unwrap();
    let token = format!("{}/oauth/token", world.issuer);
    for (name, value, good) in [
        ("aud", json!("https://other.test/oauth/token"), false),
        ("aud", json!(format!("{token}/")), false),
        ("aud", json!(format!("{}/oauth/revoke", world.issuer)), false),
        ("aud", json!([token, "https://other.test"]), false),
        ("aud", json!(["https://other.test", token]), false),
        ("aud", json!([]), false),
        ("aud", json!({}), false),
        ("aud", Value::Null, false),
        ("aud", json!([token]), true),
        ("exp", json!(now), false),
        ("exp", json!(now + 1), true),
        ("exp", json!(now + 300), true),
        ("exp", json!(now + 311), false),
        ("exp", json!(now + 86_400), false),
        ("exp", json!(now as f64 + 60.5), true),
        ("exp", json!((now + 60).to_string()), false),
        ("exp", Value::Null, false),
        ("iat", json!(now + 61), false),
        ("iat", json!(now + 9), true),
        ("iat", json!("soon"), false),
        ("iat", Value::Null, true),
        ("nbf", json!(now + 9), true),
        ("nbf", json!(now + 11), false),
        ("jti", Value::Null, false),
        ("jti", json!(""), false),
        ("jti", json!("x".repeat(257)), false),
        ("jti", json!("x\0y"), true),
        ("sub", json!("other"), false),
        ("sub", Value::Null, false),
        ("iss", json!("other"), false),
        ("iss", json!("nobody-here"), false),
        ("iss", Value::Null, false),
    ] {
        let claims = changed(&world.claims("clinic"), name, value.clone());
        assert_eq!(proves(&world, &key.sign(&key.header(), &claims)).await, good, "{name}={value}");
    }
}

fn sample_now(world: &World) -> u64 {
    world.claims("x")["iat"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_at_an_address_are_kept_and_looked_at_again_when_one_is_new() {
    let world = World::new().await;
    let outside = Outside::new().await;
    let (old, new) = (Key::es384("old"), Key::es384("new"));
    let uri = format!("{}/jwks.json", outside.origin);
    world.key_client("clinic", ClientKeys::Uri(uri.clone())).await;
    let proven = async |key: &Key| proves(&world, &key.sign(&key.header(), &world.claims("clinic"))).await;
    outside.says(200, "", &key_set(&[&old]));
    assert!(proven(&old).await && proven(&old).await);
    assert_eq!(outside.asked(), 1, "kept");
    // A key that is not there does not make us ask again and again.
    for _ in 0..5 {
        assert!(!proven(&new).await);
    }
    assert_eq!(outside.asked(), 0, "it was asked just now");
    outside.says(200, "", &key_set(&[&old, &new]));
    world.advance(Duration::from_secs(30));
    assert!(proven(&new).await && proven(&old).await);
    assert_eq!(outside.asked(), 1, "the client has rotated");
    // `jku` may say what is registered, and nothing else.
    let named = changed(&new.header(), "jku", json!(uri));
    assert!(proves(&world, &new.sign(&named, &world.claims("clinic"))).await);
    // A key that was taken back is gone when the set is looked at again.
    outside.says(200, "max-age=60", &key_set(&[&new]));
    world.advance(Duration::from_secs(601));
    assert!(proven(&new).await && !proven(&old).await);
    outside.asked();
    outside.says(200, "no-store", &key_set(&[&new]));
    world.advance(Duration::from_secs(59));
    assert!(proven(&new).await);
    assert_eq!(outside.asked(), 0, "as long as it says");
    world.advance(Duration::from_secs(1));
    assert!(proven(&new).await);
    assert_eq!(outside.asked(), 1);
    // While the address does not answer the keys that are known do, for a while.
    outside.says(500, "", "");
    world.advance(Duration::from_secs(300));
    assert!(proven(&new).await);
    world.advance(Duration::from_secs(400));
    assert!(!proven(&new).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn o19_an_address_that_holds_no_usable_key_set_proves_nobody() {
    let world = World::new().await;
    let key = Key::es384("ec");
    let mut private = key.jwk();
    private["d"] = json!("AA");
    let twice = json!({"keys": [key.jwk(), key.jwk()]});
    let big = format!("{}{}", key_set(&[&key]), " ".repeat(70_000));
    let set = key_set(&[&key]).to_string();
    for (number, (status, body)) in [
        (404, set.clone()),
        (500, set.clone()),
        (302, set.clone()),
        (200, "<html>".to_owned()),
        (200, "{}".to_owned()),
        (200, json!({"keys": []}).to_string()),
        (200, json!({"keys": [private]}).to_string()),
        (200, twice.to_string()),
        (200, key_set(&[&Key::es384("another")]).to_string()),
        (200, big),
    ]
    .into_iter()
    .enumerate()
    {
        let outside = Outside::new().await;
        outside.says(status, "", &body);
        let id = format!("clinic-{number}");
        world.key_client(&id, ClientKeys::Uri(format!("{}/jwks.json", outside.origin))).await;
        assert!(!proves(&world, &key.sign(&key.header(), &world.claims(&id))).await, "{status} {body:.60}");
        assert!(outside.asked() <= 1);
        outside.says(200, "", &set);
        world.advance(Duration::from_secs(30));
        assert!(proves(&world, &key.sign(&key.header(), &world.claims(&id))).await, "{status} {body:.60}");
    }
    // Nobody there at all, for as long as anybody waits.
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let uri = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    world.key_client("silent", ClientKeys::Uri(uri)).await;
    let began = Instant::now();
    assert!(!proves(&world, &key.sign(&key.header(), &world.claims("silent"))).await);
    assert!(began.elapsed() < Duration::from_secs(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn u26_a_key_set_is_small_seldom_asked_for_and_kept_an_hour_at_most() {
    let world = World::new().await;
    let (key, unknown) = (Key::es384("ec"), Key::es384("never"));
    let outside = Outside::new().await;
    world.key_client("clinic", ClientKeys::Uri(format!("{}/jwks.json", outside.origin))).await;
    let proven = async |key: &Key| proves(&world, &key.sign(&key.header(), &world.claims("clinic"))).await;
    let of = |many: usize| {
        let others = (1..many).map(|number| changed(&Key::es384("ec").jwk(), "kid", json!(format!("other-{number}"))));
        json!({"keys": others.chain([key.jwk()]).collect::<Vec<Value>>()})
    };
    outside.says(200, "", &of(51));
    assert!(!proven(&key).await, "more keys than one client has");
    outside.says(200, "max-age=1000000000", &of(50));
    world.advance(Duration::from_secs(60));
    assert!(proven(&key).await);
    assert_eq!(outside.asked(), 2);
    // Whoever names keys that are not there makes us ask no more often.
    world.advance(Duration::from_secs(60));
    for _ in 0..20 {
        assert!(!proven(&unknown).await);
    }
    assert_eq!(outside.asked(), 1);
    // Taken back: whatever was said, an hour later it counts no more.
    outside.says(200, "max-age=1000000000", &key_set(&[&unknown]));
    world.advance(Duration::from_secs(3_599));
    assert!(proven(&key).await);
    assert_eq!(outside.asked(), 0);
    world.advance(Duration::from_secs(1));
    assert!(!proven(&key).await);
    assert_eq!(outside.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_assertions_of_one_client_wait_and_nobody_elses() {
    let world = World::new().await;
    let key = Key::es384("ec");
    world.key_client("clinic", inline(&[&key])).await;
    world.key_client("other", inline(&[&key])).await;
    let mut said: Vec<Answer> = Vec::new();
    for _ in 0..203 {
        // Expired: what is counted is the asking.
        let claims = changed(&world.claims("clinic"), "exp", json!(1));
        said.push(world.token(&asked(&key.sign(&key.header(), &claims))).await);
    }
    let braked: Vec<&Answer> = said.iter().filter(|answer| answer.status == 503).collect();
    assert_eq!(braked.len(), 3);
    assert!(braked[0].header("retry-after").is_some());
    assert!(proves(&world, &key.sign(&key.header(), &world.claims("other"))).await);
    world.advance(Duration::from_secs(1));
    assert!(proves(&world, &key.sign(&key.header(), &world.claims("clinic"))).await);
}
