//! Sign-in, sessions and their cookies.

use std::time::Duration;

use super::world::{PASSWORD, World, set};
use crate::support::http::{Answer, Client};

async fn try_to_sign_in(browser: &mut Client, username: &str, password: &str) -> Answer {
    let page = browser.get("/sign-in").await;
    let mut form = page.form();
    set(&mut form, "username", Some(username));
    set(&mut form, "password", Some(password));
    browser.post("/sign-in", &form).await
}

#[tokio::test(flavor = "multi_thread")]
async fn w02_a_session_has_a_new_id_and_a_guarded_cookie() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.cookies.insert("chartgate-session".to_owned(), "cgss_fixed-by-somebody-else".to_owned());
    let answer = try_to_sign_in(&mut browser, " ANN ", PASSWORD).await;
    assert_eq!((answer.status, answer.location()), (303, "/"));
    let cookie = answer.headers("set-cookie").into_iter().find(|c| c.starts_with("chartgate-session=")).unwrap();
    for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    assert!(!cookie.contains("Secure"), "the demo on loopback alone goes without");
    let first = browser.cookies["chartgate-session"].clone();
    assert!(first.len() > 43 && first != "cgss_fixed-by-somebody-else");
    let home = browser.get("/").await;
    assert!(home.body.contains("Hello, ann") && home.body.contains("Riverside Clinic — Ärzte"), "{}", home.body);
    assert!(home.body.contains("Cleo O&#39;Neil &#60;b&#62; (your child)"));

    // A second sign-in in the same browser ends the first session.
    let mut old = browser.clone();
    let page = world.browser().get("/sign-in").await;
    assert_eq!(page.status, 200);
    let page = browser.get("/sign-in").await;
    assert_eq!(page.location(), "/", "already signed in");
    browser.cookies.remove("chartgate-browser");
    let mut fresh = world.browser();
    let page = fresh.get("/sign-in").await;
    fresh.cookies.insert("chartgate-session".to_owned(), first.clone());
    let mut form = page.form();
    set(&mut form, "username", Some("ann"));
    set(&mut form, "password", Some(PASSWORD));
    assert_eq!(fresh.post("/sign-in", &form).await.status, 303);
    assert_ne!(fresh.cookies["chartgate-session"], first);
    assert_eq!(old.get("/").await.location(), "/sign-in");
}

/// A name that nobody has is answered from the row next to it: its password opens nothing there, and no try counts for it.
#[tokio::test(flavor = "multi_thread")]
async fn i11_a_name_beside_another_opens_nothing_and_costs_it_nothing() {
    let world = World::new().await;
    for number in 0..60 {
        for beside in ["ann!", "anm", "a", "zzz"] {
            // Every wait is over.
            world.advance(std::time::Duration::from_secs(3_601));
            let name = format!("{beside}{}", if number % 2 == 0 { "" } else { "x" });
            assert_eq!(try_to_sign_in(&mut world.browser(), &name, PASSWORD).await.status, 422, "{name}");
        }
    }
    world.advance(std::time::Duration::from_secs(3_601));
    let answer = try_to_sign_in(&mut world.browser(), "ann", PASSWORD).await;
    assert_eq!((answer.status, answer.location()), (303, "/"), "fifty wrong passwords of her own would have closed it");
}

#[tokio::test(flavor = "multi_thread")]
async fn w02_outside_the_demo_cookies_are_secure_and_bound_to_the_host() {
    use chartgate::base::{keys::MasterKey, random::SeededRandom};
    use chartgate::http::pages::Pages;
    let mut config = chartgate::config::Config::default();
    for (demo, url, secure) in [
        (false, "https://gw.test", true),
        (true, "https://gw.test", true),
        (false, "http://localhost:8080", true),
        (true, "http://gw.test", true),
        (true, "http://localhost:8080", false),
        (true, "http://[::1]:8080", false),
    ] {
        config.demo = demo;
        config.server.public_url = url.to_owned();
        let pages = Pages::new(&config, &MasterKey::new([1; 32]), std::sync::Arc::new(SeededRandom::new(1)));
        let cookie = pages.session_cookie("v");
        assert_eq!(cookie.starts_with("__Host-chartgate-session=v; "), secure, "{demo} {url} {cookie}");
        assert_eq!(cookie.contains("; Secure"), secure, "{demo} {url} {cookie}");
        assert!(!cookie.contains("Domain"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn w06_sessions_end_when_idle_at_the_latest_and_when_told() {
    sessions_end(World::new().await).await;
}

pub(crate) async fn sessions_end(world: World) {
    let mut browser = world.browser();
    try_to_sign_in(&mut browser, "ann", PASSWORD).await;
    for _ in 0..3 {
        world.advance(Duration::from_secs(1_700));
        assert_eq!(browser.get("/").await.status, 200, "a used session goes on");
    }
    world.advance(Duration::from_secs(1_800));
    assert_eq!(browser.get("/").await.status, 303, "an idle one does not");

    try_to_sign_in(&mut browser, "ann", PASSWORD).await;
    for step in 0..43_200 / 1_200 {
        assert_eq!(browser.get("/").await.status, 200, "{step}");
        world.advance(Duration::from_secs(1_200));
    }
    assert_eq!(browser.get("/").await.status, 303, "12 hours, whatever happens");

    try_to_sign_in(&mut browser, "ann", PASSWORD).await;
    let stolen = browser.clone();
    let home = browser.get("/").await;
    let answer = browser.post("/sign-out", &home.form()).await;
    assert_eq!(answer.location(), "/sign-in");
    assert!(!browser.cookies.contains_key("chartgate-session"));
    assert_eq!(stolen.clone().get("/").await.status, 303, "the cookie's copy is dead too");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_names_and_wrong_passwords_look_the_same() {
    let world = World::new().await;
    let mut pages = Vec::new();
    for (username, password) in [("ann", "wrong"), ("nobody", "wrong"), ("nobody", PASSWORD), ("ann", "")] {
        let mut browser = world.browser();
        browser.cookies.insert("chartgate-browser".to_owned(), "x".repeat(43));
        let answer = try_to_sign_in(&mut browser, username, password).await;
        assert_eq!(answer.status, 422, "{username}");
        assert!(!browser.cookies.contains_key("chartgate-session"));
        pages.push(answer.body.replace(&format!("value=\"{username}\""), "value=\"\""));
    }
    assert!(pages.iter().all(|page| *page == pages[0]), "{pages:#?}");
    assert!(pages[0].contains("aria-describedby=\"problem\"") && pages[0].contains("role=\"alert\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down_also_in_parallel() {
    let world = World::new().await;
    let tries = (0..12).map(|_| async { try_to_sign_in(&mut world.browser(), "ann", "wrong").await.status });
    let answers = futures_util::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|status| **status == 422).count(), 5, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 429).count(), 7, "{answers:?}");
    let answer = try_to_sign_in(&mut world.browser(), "ann", PASSWORD).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("30")));
    world.advance(Duration::from_secs(30));
    assert_eq!(try_to_sign_in(&mut world.browser(), "ann", PASSWORD).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_style_sheet_is_ours_and_named_by_its_content() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get("/sign-in").await;
    let path = page.body.split("href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(path.starts_with("/static/chartgate."), "{path}");
    let style = browser.get(&path).await;
    assert_eq!(style.status, 200);
    assert!(style.header("content-type").unwrap().starts_with("text/css"));
    assert!(style.header("cache-control").unwrap().contains("immutable"));
    assert!(!style.body.contains("http") && !style.body.contains("@import"));
    assert_eq!(browser.get("/static/chartgate.css").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_other_parameters_is_renewed_when_its_password_is_shown() {
    use argon2::password_hash::PasswordHasher as _;
    use chartgate::base::hash::hmac_sha256;
    use chartgate::base::keys::{KeyUse, MasterKey};
    use chartgate::base::secret::Secret;
    use chartgate::storage::{StorageError, accounts};

    let world = World::new().await;
    let db = &world.database.db;
    let pepper = MasterKey::new([7; 32]).derive(KeyUse::PasswordPepper);
    let peppered = hmac_sha256(pepper.expose(), &[PASSWORD.as_bytes()]);
    let params = argon2::Params::new(8 * 1_024, 1, 1, Some(32)).unwrap();
    let weak = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let old = weak.hash_password_with_salt(&peppered, &[3; 16]).unwrap().to_string();
    assert!(old.starts_with("$argon2id$v=19$m=8192,t=1,p=1$"));
    let (ann, hash) = (world.ann, Secret::new(old.clone()));
    let set =
        db.write::<_, StorageError>(move |tx| Box::pin(async move { accounts::set_password(tx, ann, &hash).await }));
    set.await.unwrap();
    let stored = async || accounts::by_id(db, ann).await.unwrap().unwrap().password_hash.unwrap().expose().clone();

    assert_eq!(try_to_sign_in(&mut world.browser(), "ann", "wrong").await.status, 422);
    assert_eq!(stored().await, old, "a wrong password renews nothing");
    assert_eq!(try_to_sign_in(&mut world.browser(), "ann", PASSWORD).await.status, 303);
    let renewed = stored().await;
    assert!(renewed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{renewed}");
    assert_eq!(try_to_sign_in(&mut world.browser(), "ann", PASSWORD).await.status, 303);
    assert_eq!(stored().await, renewed, "once is enough");
    assert_eq!(try_to_sign_in(&mut world.browser(), "ann", "wrong").await.status, 422);
}
