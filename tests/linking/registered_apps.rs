//! Whoever runs the gateway registers its apps from the console, lets them in and turns them off; nobody of a practice does.

use chartgate::oauth::client::ClientId;
use chartgate::storage::{audit, clients};
use serde_json::json;

use super::*;
use crate::support::keys::{Key, key_set};
use crate::support::world::{EVERYTHING, in_both_worlds, pairs, set};

in_both_worlds!(
    an_operator_registers_apps_and_turns_them_off,
    what_is_wrong_with_an_app_is_said_and_nothing_is_registered,
    nobody_of_a_practice_registers_apps_or_appoints_who_does,
);

const PATH: &str = "/clinic/registered-apps";

async fn operated() -> World {
    let (practices, mut persons) = crate::support::world::fixtures();
    persons.retain(|person| person.key == "maria");
    persons.extend(["operator", "boss", "clerk"].map(World::nobody));
    let world = World::start(practices, persons, chartgate::config::Limits::default()).await;
    appoint(&world, "operator", "riverside", StaffRole::Operator).await;
    appoint(&world, "boss", "riverside", StaffRole::Administrator).await;
    appoint(&world, "clerk", "riverside", StaffRole::FrontDesk).await;
    world
}

const APP: [(&str, &str); 6] = [
    ("name", "Heart diary"),
    ("id", "heart-diary"),
    ("redirect_uris", "https://diary.example/cb\nhttps://diary.example/other"),
    ("launch_uri", "https://diary.example/launch"),
    ("scope", "launch launch/patient openid fhirUser patient/Observation.rs"),
    ("proof", "secret"),
];

async fn register(operator: &mut Browser, changed: &[(&str, &str)]) -> Answer {
    let page = operator.get(PATH).await;
    let mut form = page.form_to(PATH);
    form.retain(|(name, _)| name == "form_token");
    form.extend(pairs(&APP));
    for (name, value) in changed.iter().chain(&[("do", "register")]) {
        set(&mut form, name, value);
    }
    operator.post(PATH, &form).await
}

async fn turn(operator: &mut Browser, what: &str, app: &str) -> Answer {
    let page = operator.get(PATH).await;
    let mut form = page.form_to(PATH);
    form.retain(|(name, _)| name == "form_token");
    form.extend(pairs(&[("app", app), ("do", what)]));
    operator.post(PATH, &form).await
}

async fn client(world: &World, id: &str) -> Option<chartgate::oauth::client::Client> {
    clients::get(&world.app.db, &ClientId::parse(id).unwrap()).await.unwrap()
}

async fn an_operator_registers_apps_and_turns_them_off() {
    let world = operated().await;
    let mut operator = at_work(&world, "operator").await;
    assert!(operator.get("/clinic").await.body.contains("Apps of this gateway"));
    let made = register(&mut operator, &[]).await;
    assert_eq!(made.status, 200, "{}", made.body);
    let secret = made.body.split("shown this once: <code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(!operator.get(PATH).await.body.contains(&secret), "once");
    // It is the one that was typed, and its secret is good for what secrets are for.
    let stored = client(&world, "heart-diary").await.unwrap();
    assert_eq!((stored.name.as_str(), stored.enabled, stored.redirect_uris.len()), ("Heart diary", true, 2));
    assert_eq!(stored.launch_uri.as_deref(), Some("https://diary.example/launch"));
    let ask = async |secret: &str| {
        let form = [("client_id", "heart-diary"), ("client_secret", secret), ("token", "cgat_none")];
        world.stranger().post("/oauth/introspect", &pairs(&form)).await
    };
    let answer = ask(&secret).await;
    assert_eq!((answer.status, &answer.json()["active"]), (200, &json!(false)), "{}", answer.body);
    assert_eq!(ask(&format!("{secret}x")).await.status, 401);
    // With keys of its own, for the sources of one practice: a service.
    let jwks = key_set(&[&Key::es384("one")]).to_string();
    let source = world.practice("riverside").source.clone();
    let service = [
        ("name", "Night report"),
        ("id", "night-report"),
        ("redirect_uris", ""),
        ("launch_uri", ""),
        ("scope", "system/Observation.rs"),
        ("proof", "keys"),
        ("keys", jwks.as_str()),
        ("sources", source.as_str()),
    ];
    let made = register(&mut operator, &service).await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert!(!made.body.contains("shown this once"));
    assert_eq!(client(&world, "night-report").await.unwrap().sources.len(), 1);
    // Turned off, it is dead at the next request; let in again, people go on.
    let token = world.token_for("maria", "maria", "app", EVERYTHING).await;
    assert_eq!(world.get("/fhir/Observation", &token).await.status, 200);
    assert_eq!(turn(&mut operator, "disable", "app").await.status, 303);
    assert_eq!(world.get("/fhir/Observation", &token).await.status, 401);
    assert!(operator.get(PATH).await.body.contains("Let App app in"));
    assert_eq!(turn(&mut operator, "enable", "app").await.status, 303);
    assert_eq!(world.get("/fhir/Observation", &token).await.status, 200);
    assert_eq!(turn(&mut operator, "disable", "no-such-app").await.status, 404);
    // Who did is written down.
    let account = world.account("operator").await;
    let rows = audit::recent(&world.app.db, 500).await.unwrap().into_iter().filter(|row| row.account == Some(account));
    let done: Vec<(String, String)> = rows
        .filter(|row| row.kind == "client")
        .map(|row| (row.interaction.unwrap_or_default(), row.client.unwrap_or_default()))
        .collect();
    let wanted = [("register", "heart-diary"), ("register", "night-report"), ("disable", "app"), ("enable", "app")];
    for (what, which) in wanted {
        assert!(done.contains(&(what.to_owned(), which.to_owned())), "{what} {which}: {done:?}");
    }
    assert_eq!(done.len(), wanted.len(), "{done:?}");
}

async fn what_is_wrong_with_an_app_is_said_and_nothing_is_registered() {
    let world = operated().await;
    let mut operator = at_work(&world, "operator").await;
    let before = clients::all(&world.app.db).await.unwrap().len();
    for (field, value, said) in [
        ("scope", "patient/Nothing.rs", "is not a scope"),
        ("scope", "", "at least one scope"),
        ("name", "", "the name must have"),
        ("id", "not an id", "no client id"),
        ("id", "chartgate", "reserved"),
        ("redirect_uris", "http://diary.example/cb", "redirect URI http://diary.example/cb"),
        ("redirect_uris", "", "redirect URIs"),
        ("launch_uri", "javascript:alert(1)", "launch URI"),
        ("proof", "", "say how it proves itself"),
        ("proof", "keys", "Not registered"),
        ("sources", "zzzzz", "is not the key of a source"),
        ("sources", &world.practice("riverside").source.clone(), "system/ scopes"),
    ] {
        let page = register(&mut operator, &[(field, value)]).await;
        assert_eq!(page.status, 422, "{field} {value}: {}", page.body);
        assert!(page.body.contains(said), "{field} {value}: {}", page.body);
        assert!(field == "name" || page.body.contains("value=\"Heart diary\""), "what was typed stays");
        assert_eq!(clients::all(&world.app.db).await.unwrap().len(), before, "{field} {value}");
    }
    assert_eq!(register(&mut operator, &[]).await.status, 200);
    let again = register(&mut operator, &[]).await;
    assert_eq!(again.status, 422, "the id is taken: {}", again.body);
}

async fn nobody_of_a_practice_registers_apps_or_appoints_who_does() {
    let world = operated().await;
    let mut operator = at_work(&world, "operator").await;
    let theirs = operator.get(PATH).await.form_to(PATH);
    for who in ["boss", "clerk"] {
        let mut staff = at_work(&world, who).await;
        assert_eq!(staff.get(PATH).await.status, 403, "{who}");
        assert!(!staff.get("/clinic").await.body.contains("Apps of this gateway"), "{who}");
        let own = staff.get("/clinic").await.form_to("/clinic/work/end");
        for (form, what) in [(&own, "a form of their own"), (&theirs, "the operator's")] {
            let mut form: Vec<_> = form.iter().filter(|(name, _)| name == "form_token").cloned().collect();
            form.extend(pairs(&APP));
            form.extend(pairs(&[("do", "register")]));
            assert_eq!(staff.post(PATH, &form).await.status, 403, "{who}, {what}");
        }
    }
    assert!(client(&world, "heart-diary").await.is_none());
    // An operator sees no patient and no staff.
    for path in ["/clinic/staff", "/clinic/access", "/clinic/apps", "/clinic/grants"] {
        assert_eq!(operator.get(path).await.status, 403, "{path}");
    }
    let mut boss = at_work(&world, "boss").await;
    let page = boss.get("/clinic/staff").await;
    assert!(!page.body.contains("value=\"operator\""), "{}", page.body);
    for (what, who) in [("appoint", "clerk"), ("dismiss", "operator")] {
        let form = [("username", who), ("role", "operator"), ("do", what)];
        assert_eq!(submit(&mut boss, &page, "/clinic/staff", &form).await.status, 403, "{what}");
    }
    assert_eq!(operator.get(PATH).await.status, 200);
}
