//! People connect their own charts: the gateway is an app at the EHR's authorization server, and sees there what the person
//! sees. The faults are those that the SMART Launcher simulates.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chartgate::base::clock::{Clock, SharedClock};
use chartgate::base::id::LinkId;
use chartgate::base::random::{SeededRandom, SharedRandom};
use chartgate::config::{self, AppProof, Config, Limits, SecretMethod, SourceAuthentication, SourceEntry, SourceView};
use chartgate::identity::{GrantBasis, LinkState};
use chartgate::practice::{self, NewLink};
use chartgate::sandbox::{Fault, FaultKind, Presented, SimulatedError, SmartApp};
use chartgate::storage::audit::{self, AuditOutcome};
use chartgate::storage::{accounts, grants, links, source_tokens};

use crate::support::http::{Answer, Client as Browser};
use crate::support::world::{PersonSpec, Practice, Reply, World, fixtures, pairs, run};

const CLIENT: &str = "gateway-app";

/// The world of the fixtures, in which people connect their charts at Riverside themselves.
async fn world(proof: AppProof) -> World {
    let (_, persons) = fixtures();
    world_of(proof, persons, |_| {}).await
}

async fn world_of(proof: AppProof, persons: Vec<PersonSpec>, change: impl FnOnce(&mut Config)) -> World {
    let (practices, _) = fixtures();
    let world = World::configured(practices, persons, |config| {
        config.limits = Limits { breaker_failures: 1_000, ..Limits::default() };
        change(config);
    });
    let world = world.await;
    let riverside = world.practice("riverside");
    let secret = match &proof {
        AppProof::Secret { secret_file, .. } => Some(std::fs::read_to_string(secret_file).unwrap()),
        _ => None,
    };
    let redirect_uri = format!("{}/connect/callback/{}", world.issuer, riverside.source);
    riverside.smart.register(SmartApp { client_id: CLIENT.to_owned(), secret, redirect_uri });
    let entry = SourceEntry {
        organization: "riverside".to_owned(),
        name: format!("{} EHR", riverside.name),
        base_url: riverside.base_url.clone(),
        vendor: "plain-r4".to_owned(),
        authentication: SourceAuthentication::PerPatient {
            client_id: CLIENT.to_owned(),
            proof,
            scope: "launch/patient patient/*.rs offline_access".to_owned(),
        },
        view: SourceView::Patient,
        private_addresses: vec!["127.0.0.0/8".to_owned()],
        ca_file: None,
    };
    let clock: SharedClock = world.clock.clone();
    let random: SharedRandom = Arc::new(SeededRandom::new(77));
    let acts = &world.app.acts;
    let organization = practice::connect_organization(acts, &riverside.name, &[], &clock, &random).await.unwrap();
    practice::connect_source(acts, organization, &entry, &clock, &random).await.unwrap();
    // Until the running gateway has noticed.
    until(async || {
        let token = world.token("dana").await;
        let answer = world.search("Condition", &[], &token).await;
        answer.status == 503 && answer.text.contains("connected again")
    })
    .await;
    world
}

/// Waits for what happens beside requests.
async fn until(happened: impl AsyncFn() -> bool) {
    for _ in 0..1_200 {
        if happened().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not happen");
}

fn person(key: &str, patients: &[&str]) -> PersonSpec {
    let links = patients.iter().map(|patient| ("riverside".to_owned(), (*patient).to_owned())).collect();
    PersonSpec { key: key.to_owned(), links }
}

/// Where the first page offers to do something with a chart at Riverside.
async fn offers(browser: &mut Browser, what: &str) -> Vec<String> {
    let home = browser.get("/").await.body;
    let start = format!("href=\"/{what}?");
    home.split(&start).skip(1).map(|rest| format!("/{what}?{}", rest.split('"').next().unwrap())).collect()
}

/// Where the first page offers to connect Riverside.
async fn offer(browser: &mut Browser) -> Option<String> {
    offers(browser, "connect").await.into_iter().next()
}

/// From the first page to the EHR's sign-in.
async fn leave(browser: &mut Browser, offer: &str) -> String {
    let page = browser.get(offer).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let leave = browser.post("/connect", &page.form()).await;
    assert_eq!(leave.status, 200, "{}", leave.body);
    // A redirect would be held against form-action by the browser, wherever the EHR sends it on to.
    assert!(leave.header("content-security-policy").unwrap().ends_with("form-action 'self'"));
    assert_eq!(leave.header("referrer-policy"), Some("no-referrer"));
    leave.header("refresh").unwrap().strip_prefix("0; url=").unwrap().to_owned()
}

/// To the EHR, which answers for `patient`, and to the door of the callback.
async fn sign_in_at_ehr(world: &World, browser: &mut Browser, offer: &str, patient: &str) -> String {
    world.practice("riverside").smart.sign_in_as(patient);
    let back = world.http.get(leave(browser, offer).await).send().await.unwrap();
    let location = back.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    let location = location.unwrap_or_else(|| panic!("the EHR answered {}", back.status()));
    location.strip_prefix(&world.issuer).expect("back to the gateway").to_owned()
}

async fn connect(world: &World, browser: &mut Browser, patient: &str) -> Answer {
    let offer = offer(browser).await.expect("something to connect");
    let callback = sign_in_at_ehr(world, browser, &offer, patient).await;
    browser.get(&callback).await
}

async fn disconnect(browser: &mut Browser, offer: &str) -> Answer {
    let page = browser.get(offer).await;
    assert_eq!(page.status, 200, "{}", page.body);
    browser.post("/disconnect", &page.form()).await
}

/// The Conditions that are shown, and what is said beside them.
async fn conditions(world: &World, person: &str) -> (usize, Vec<String>) {
    let token = world.token(person).await;
    shown(&world.search("Condition", &pairs(&[("_count", "500")]), &token).await)
}

fn shown(answer: &Reply) -> (usize, Vec<String>) {
    if answer.status == 503 {
        let issues = answer.json()["issue"].as_array().unwrap().clone();
        let said = issues.iter().map(|i| format!("{}: {}", i["code"].as_str().unwrap(), i["details"]["text"]));
        return (0, said.collect());
    }
    (answer.ids().len(), answer.outcomes())
}

/// The link to a chart at Riverside.
async fn link_to(world: &World, person: &str, patient: &str) -> LinkId {
    let found = links::active_of_person(&world.app.db, world.person(person).id).await.unwrap();
    found.into_iter().find(|link| link.patient == patient).unwrap().id
}

/// What is recorded of sign-ins at EHRs: step, whether it was allowed, and the rule; sorted.
async fn recorded(world: &World) -> Vec<(String, bool, Option<String>)> {
    let mut rows = audit::recent(&world.app.db, 1_000).await.unwrap();
    rows.retain(|row| row.kind == "source-access");
    for row in &rows {
        assert!(row.account.is_some() && row.person.is_some(), "{row:?}");
        assert!(row.object.as_deref().unwrap().starts_with("Link/"), "{row:?}");
    }
    let step =
        |row: audit::AuditRow| (row.interaction.unwrap_or_default(), row.outcome == AuditOutcome::Permitted, row.rule);
    let mut steps: Vec<_> = rows.into_iter().map(step).collect();
    steps.sort();
    steps
}

/// How many Conditions of a patient a practice holds.
fn held(practice: &Practice, patient: &str) -> usize {
    let reference = format!("Patient/{patient}");
    let about =
        |r: &&serde_json::Value| r["subject"]["reference"].as_str().is_some_and(|text| text.ends_with(&reference));
    practice.resources.iter().filter(|r| r["resourceType"] == "Condition").filter(about).count()
}

#[test]
fn a_chart_is_shown_after_its_person_signed_in_at_the_ehr_and_with_their_token() {
    run(async {
        let world = world(AppProof::None).await;
        let riverside = world.practice("riverside");
        let elsewhere = conditions(&world, "maria").await;
        assert_eq!(elsewhere.1.len(), 1, "{elsewhere:?}");
        assert!(elsewhere.1[0].starts_with("security: ") && elsewhere.1[0].contains(&riverside.name), "{elsewhere:?}");
        let mut browser = world.browser("maria").await;
        assert!(browser.get("/").await.body.contains("not connected yet"));
        riverside.requests.clear();

        let done = connect(&world, &mut browser, "pat-1001").await;
        assert_eq!((done.status, done.location()), (303, "/"), "{}", done.body);
        assert_eq!(offer(&mut browser).await, None, "nothing is left to do");
        let (shown, outcomes) = conditions(&world, "maria").await;
        assert_eq!(outcomes, Vec::<String>::new());
        assert_eq!(shown, elsewhere.0 + held(riverside, "pat-1001"));
        let fhir: Vec<_> = riverside.requests.all().into_iter().filter(|r| r.path.contains("/Condition")).collect();
        assert!(!fhir.is_empty() && fhir.iter().all(|r| r.authorization == Presented::TokenOf(CLIENT.to_owned())));

        // Nobody else's requests go out with it.
        assert_eq!(conditions(&world, "dana").await.0, 0);
        assert!(conditions(&world, "dana").await.1[0].starts_with("security: "));
        assert_eq!(recorded(&world).await, [("connect".to_owned(), true, None)]);
    });
}

#[test]
fn u25_another_patient_at_the_ehr_connects_nothing() {
    run(async {
        let world = world(AppProof::None).await;
        let mut browser = world.browser("dana").await;
        let refused = connect(&world, &mut browser, "pat-1001").await;
        assert_eq!(refused.status, 403);
        assert!(refused.body.contains("another patient"), "{}", refused.body);
        assert_eq!(conditions(&world, "dana").await.0, 0);
        // The token is for Dana's chart, the answer names somebody else: what it says counts.
        let smart = &world.practice("riverside").smart;
        smart.misname(Some("pat-1001"));
        assert_eq!(connect(&world, &mut browser, "pat-1003").await.status, 403);
        smart.misname(None);
        assert_eq!(connect(&world, &mut browser, "pat-1003").await.status, 303);
        assert!(conditions(&world, "dana").await.1.is_empty());
        // Once more, as somebody else: what works stays as it is.
        let link = link_to(&world, "dana", "pat-1003").await;
        let again = sign_in_at_ehr(&world, &mut browser, &format!("/connect?link={link}"), "pat-1001").await;
        assert_eq!(browser.get(&again).await.status, 403);
        assert!(conditions(&world, "dana").await.1.is_empty());
        // Later the server names somebody else in a refresh: not asked again with that.
        smart.misname(Some("pat-1001"));
        world.clock.advance(Duration::from_secs(301));
        assert!(conditions(&world, "dana").await.1[0].starts_with("security: "));
        assert!(browser.get("/").await.body.contains("needs reconnecting"));
        let rule = |step: &str, rule: &str| (step.to_owned(), false, Some(rule.to_owned()));
        let expected = [
            rule("connect", "other-patient"),
            rule("connect", "other-patient"),
            rule("connect", "other-patient"),
            ("connect".to_owned(), true, None),
            rule("refresh", "other-patient"),
        ];
        assert_eq!(recorded(&world).await, expected);
        // What was refused here is not left lying about there.
        assert_eq!((smart.tokens_of("pat-1001").len(), smart.tokens_of("pat-1003").len()), (0, 0));
    });
}

#[test]
fn an_answer_counts_once_in_the_browser_that_asked_and_not_for_ever() {
    run(async {
        let world = world(AppProof::None).await;
        let (mut dana, mut maria) = (world.browser("dana").await, world.browser("maria").await);
        let offer_to_dana = offer(&mut dana).await.unwrap();
        let offer_to_maria = offer(&mut maria).await.unwrap();
        let callback = sign_in_at_ehr(&world, &mut dana, &offer_to_dana, "pat-1003").await;
        assert_eq!(maria.get(&callback).await.status, 400, "another session");
        assert_eq!(dana.get(&callback).await.status, 400, "and it is used up by that");
        let mut again = world.browser("dana").await;
        let callback = sign_in_at_ehr(&world, &mut dana, &offer_to_dana, "pat-1003").await;
        assert_eq!(again.get(&callback).await.status, 400, "another session of the same account");
        let callback = sign_in_at_ehr(&world, &mut dana, &offer_to_dana, "pat-1003").await;
        assert_eq!(
            Browser::new(world.issuer.trim_start_matches("http://").parse().unwrap()).get(&callback).await.location(),
            "/sign-in"
        );
        assert_eq!(dana.get(&callback).await.status, 303);
        assert_eq!(dana.get(&callback).await.status, 400, "twice");
        let path = callback.split('?').next().unwrap();
        for forged in [path.to_owned(), format!("{path}?code=x"), format!("{path}?code=x&state=y")] {
            assert_eq!(dana.get(&forged).await.status, 400, "{forged}");
        }
        let late = sign_in_at_ehr(&world, &mut maria, &offer_to_maria, "pat-1001").await;
        world.clock.advance(Duration::from_secs(600));
        assert_eq!(maria.get(&late).await.status, 400, "too late");
        assert_eq!(dana.get(&offer_to_maria).await.status, 404, "somebody else's link");
        let own = offers(&mut dana, "disconnect").await.remove(0);
        let (form, link) = (dana.get(&own).await.form(), offer_to_maria.clone());
        for path in ["/connect", "/disconnect"] {
            let mut form = form.clone();
            form.retain(|(name, _)| name != "link");
            form.push(("link".to_owned(), link.split('=').nth(1).unwrap().to_owned()));
            let status = dana.post(path, &form).await.status;
            assert!(matches!(status, 403 | 404), "{path}: {status}");
        }
    });
}

/// RFC 9700 §4.4, RFC 9207: an authorization server that a person went to cannot have another's answer used as its own.
#[test]
fn o12_answers_of_another_server_are_not_used() {
    run(async {
        let world = world(AppProof::None).await;
        let smart = &world.practice("riverside").smart;
        let mut maria = world.browser("maria").await;
        let offered = offer(&mut maria).await.unwrap();
        let other = world.practice("lakeside").source.clone();
        let changes: [&dyn Fn(&str) -> String; 5] = [
            &|callback| callback.replace("iss=http", "iss=https"),
            &|callback| callback.replace("&iss=", "&issuer="),
            &|callback| callback.replace("&state=", "%2F&state="),
            &|callback| callback.replace(&world.practice("riverside").source, &other),
            &|callback| callback.replace("code=", "error=access_denied&cod="),
        ];
        for (number, change) in changes.iter().enumerate() {
            let callback = sign_in_at_ehr(&world, &mut maria, &offered, "pat-1001").await;
            let changed = change(&callback);
            assert_ne!(changed, callback);
            assert_eq!(maria.get(&changed).await.status, 403, "{number}");
            assert_eq!(maria.get(&callback).await.status, 400, "{number}: not once more");
        }
        assert_eq!(smart.tokens_of("pat-1001"), Vec::<String>::new(), "no code was redeemed");
        assert_eq!(recorded(&world).await.len(), 5);
        assert!(
            recorded(&world)
                .await
                .iter()
                .all(|(step, done, rule)| { step == "connect" && !done && rule.as_deref() == Some("refused") })
        );
    });
}

#[test]
fn a_token_is_refreshed_once_however_many_ask_and_rotated_ones_are_kept() {
    run(async {
        let world = Arc::new(world(AppProof::None).await);
        let smart = world.practice("riverside").smart.clone();
        let mut browser = world.browser("dana").await;
        connect(&world, &mut browser, "pat-1003").await;
        let whole = conditions(&world, "dana").await;
        // R14: a minute before it ends, and not sooner.
        world.clock.advance(Duration::from_secs(239));
        assert_eq!((conditions(&world, "dana").await, smart.refreshes()), (whole.clone(), 0));
        for round in 1..=3_u64 {
            world.clock.advance(Duration::from_secs(if round == 1 { 1 } else { 300 }));
            let many: Vec<_> = (0..16)
                .map(|_| {
                    let world = world.clone();
                    tokio::spawn(async move { conditions(&world, "dana").await })
                })
                .collect();
            for one in many {
                assert_eq!(one.await.unwrap(), whole);
            }
            assert_eq!(smart.refreshes(), round, "once for each expiry");
        }
        // A server that gives no new refresh token lets the old one be used again.
        smart.rotate_refresh_tokens(false);
        world.clock.advance(Duration::from_secs(300));
        assert_eq!(conditions(&world, "dana").await, whole);
        world.clock.advance(Duration::from_secs(300));
        assert_eq!(conditions(&world, "dana").await, whole);
        assert_eq!(smart.refreshes(), 5);
    });
}

#[test]
fn the_launchers_faults_are_survived_or_said() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let secret_file = folder.path().join("secret");
        std::fs::write(&secret_file, "s3cret & more").unwrap();
        let world = world(AppProof::Secret { secret_file: secret_file.clone(), method: SecretMethod::Basic }).await;
        let smart = world.practice("riverside").smart.clone();
        let mut browser = world.browser("dana").await;
        // At sign-in: nothing is connected, and the person reads why.
        smart.simulate(Some(SimulatedError::AuthInvalidScope), None);
        let refused = connect(&world, &mut browser, "pat-1003").await;
        assert_eq!(refused.status, 403);
        assert!(refused.body.contains("did not agree") && !refused.body.contains("simulated"), "{}", refused.body);
        for fault in [SimulatedError::AuthInvalidClientSecret, SimulatedError::TokenInvalidToken] {
            smart.simulate(Some(fault), None);
            assert_eq!(connect(&world, &mut browser, "pat-1003").await.status, 403, "{fault:?}");
        }
        for fault in [SimulatedError::AuthInvalidClientId, SimulatedError::AuthInvalidRedirectUri] {
            smart.simulate(Some(fault), None);
            let offered = offer(&mut browser).await.unwrap();
            let at_ehr = world.http.get(leave(&mut browser, &offered).await).send().await.unwrap();
            assert_eq!(at_ehr.status(), 400, "{fault:?}: the EHR keeps the browser");
        }
        smart.simulate(None, None);
        assert_eq!(connect(&world, &mut browser, "pat-1003").await.status, 303);
        let whole = conditions(&world, "dana").await;
        assert!(whole.0 > 0 && whole.1.is_empty(), "{whole:?}");

        // In use: one refused request is mended by a refresh.
        for fault in [SimulatedError::RequestExpiredToken, SimulatedError::RequestInvalidToken] {
            let before = smart.refreshes();
            smart.simulate(Some(fault), Some(1));
            assert_eq!(conditions(&world, "dana").await, whole, "{fault:?}");
            assert_eq!(smart.refreshes(), before + 1, "{fault:?}");
        }
        // Refused for good: said, and no token is asked for again and again.
        smart.simulate(Some(SimulatedError::RequestInvalidToken), None);
        let before = smart.refreshes();
        for _ in 0..10 {
            let (shown, said) = conditions(&world, "dana").await;
            assert_eq!((shown, said.len()), (0, 1));
        }
        assert_eq!(smart.refreshes(), before + 1, "R14: three in a minute, with the two above");
        assert_eq!(offers(&mut browser, "connect").await, Vec::<String>::new(), "not the person's to mend");
        // The gateway's own credential is refused: not the person's fault, and nothing is lost by it.
        world.clock.advance(Duration::from_secs(300));
        smart.simulate(Some(SimulatedError::AuthInvalidClientSecret), None);
        assert_eq!(conditions(&world, "dana").await.0, 0);
        assert_eq!(offer(&mut browser).await, None, "the person need not do anything");
        smart.simulate(None, None);
        assert_eq!(conditions(&world, "dana").await, whole);

        // The refresh token is dead: the person is asked to connect again, in the answer and on the first page.
        world.clock.advance(Duration::from_secs(300));
        smart.simulate(Some(SimulatedError::TokenExpiredRefreshToken), Some(1));
        let (_, said) = conditions(&world, "dana").await;
        assert!(
            said.len() == 1 && said[0].starts_with("security: ") && said[0].contains("connected again"),
            "{said:?}"
        );
        assert!(browser.get("/").await.body.contains("needs reconnecting"));
        let before = smart.refreshes();
        conditions(&world, "dana").await;
        assert_eq!(smart.refreshes(), before, "a dead token is not tried again");
        assert_eq!(connect(&world, &mut browser, "pat-1003").await.status, 303);
        assert_eq!(conditions(&world, "dana").await, whole);
    });
}

#[test]
fn s02_tokens_are_sealed_and_good_for_their_own_link_only() {
    run(async {
        let world = world(AppProof::None).await;
        let mut browser = world.browser("dana").await;
        connect(&world, &mut browser, "pat-1003").await;
        let db = &world.app.db;
        let danas = source_tokens::usable(db, link_to(&world, "dana", "pat-1003").await).await.unwrap().unwrap().tokens;
        let given = world.practice("riverside").smart.tokens_of("pat-1003");
        let on_disk = world.database_bytes();
        assert_eq!(given.len(), 2);
        for token in &given {
            assert!(memchr::memmem::find(&on_disk, token.as_bytes()).is_none(), "a token stands in the database");
        }
        assert!(
            memchr::memmem::find(&on_disk, &danas.access).is_some(),
            "the bytes that were looked at hold it sealed"
        );
        // Somebody who can write to the database puts them where they do not belong.
        let link = link_to(&world, "maria", "pat-1001").await;
        let moved = source_tokens::StoredTokens { link, ..danas };
        db.write(move |tx| Box::pin(async move { source_tokens::put(tx, &moved).await })).await.unwrap();
        world.practice("riverside").requests.clear();
        let (_, said) = conditions(&world, "maria").await;
        assert!(said.len() == 1 && said[0].starts_with("security: "), "{said:?}");
        let asked = world.practice("riverside").requests.all();
        assert!(asked.is_empty(), "nothing was asked with them: {}", asked.len());
        let stored = source_tokens::by_link(db, link).await.unwrap().unwrap();
        assert!(world.clock.now() < stored.expires, "they were not taken for expired");
    });
}

/// U27, U28: two people of one source ask the very same URL, at the same time and again later, with answers kept.
#[test]
fn u27_u28_what_was_fetched_with_ones_token_serves_nobody_else() {
    run(async {
        let (_, persons) = fixtures();
        let keep = |config: &mut Config| {
            config.cache = config::Cache { bytes: 1 << 24, fresh_seconds: 600, ..config::Cache::default() };
        };
        let world = Arc::new(world_of(AppProof::None, persons, keep).await);
        let riverside = world.practice("riverside");
        for (who, patient) in [("dana", "pat-1003"), ("maria", "pat-1001")] {
            let mut browser = world.browser(who).await;
            assert_eq!(connect(&world, &mut browser, patient).await.status, 303);
        }
        let tokens = [world.token("dana").await, world.token("maria").await];
        // What is kept is dropped once more when the database is found to be where this process left it.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        riverside.requests.clear();
        riverside.faults.set(vec![Fault::new(FaultKind::Delay(150))]);
        let search = |token: String| {
            let world = world.clone();
            tokio::spawn(async move { world.search("Practitioner", &[], &token).await.ids() })
        };
        let asked: Vec<_> = tokens.iter().cycle().take(6).map(|token| search(token.clone())).collect();
        let mut found = Vec::new();
        for one in asked {
            found.push(one.await.unwrap());
        }
        assert!(!found[0].is_empty());
        search(tokens[0].clone()).await.unwrap();
        search(tokens[1].clone()).await.unwrap();
        let sent = riverside.requests.all();
        let urls: BTreeSet<_> = sent.iter().map(|request| (request.path.clone(), request.query.clone())).collect();
        assert_eq!(urls.len(), 1, "the same question: {urls:?}");
        let mut by: Vec<_> = sent.iter().map(|request| request.patient.clone().unwrap()).collect();
        by.sort();
        assert_eq!(by, ["pat-1001", "pat-1003"], "each asked once, with their own token");
    });
}

#[test]
fn f26_of_several_charts_at_one_practice_each_is_asked_with_its_own_token() {
    run(async {
        let persons = vec![person("dana", &["pat-1003", "pat-1004"]), person("maria", &["pat-1001"])];
        let world = world_of(AppProof::None, persons, |_| {}).await;
        let riverside = world.practice("riverside");
        let mut browser = world.browser("dana").await;
        let offered = offers(&mut browser, "connect").await;
        assert_eq!(offered.len(), 2, "each chart for itself");
        let second = link_to(&world, "dana", "pat-1004").await;
        let (second, first): (Vec<_>, Vec<_>) = offered.into_iter().partition(|o| o.contains(&second.to_string()));
        let callback = sign_in_at_ehr(&world, &mut browser, &second[0], "pat-1004").await;
        assert_eq!(browser.get(&callback).await.status, 303);
        let (shown, said) = conditions(&world, "dana").await;
        assert_eq!(shown, held(riverside, "pat-1004"), "one is shown, and the other is said to be missing");
        assert_eq!(said.len(), 1);
        let callback = sign_in_at_ehr(&world, &mut browser, &first[0], "pat-1003").await;
        assert_eq!(browser.get(&callback).await.status, 303);
        let whole = conditions(&world, "dana").await;
        assert_eq!(whole, (held(riverside, "pat-1003") + held(riverside, "pat-1004"), vec![]));

        // What only the second one's token opens, in every way that there is.
        riverside.requests.clear();
        let token = world.token("dana").await;
        let of_second = |kind: &str| {
            let about = |r: &&serde_json::Value| {
                r["subject"]["reference"].as_str().is_some_and(|text| text.ends_with("Patient/pat-1004"))
            };
            let found = riverside.resources.iter().filter(|r| r["resourceType"] == kind).find(about).unwrap();
            format!("/fhir/{kind}/{}.{}", riverside.source, found["id"].as_str().unwrap())
        };
        let condition = of_second("Condition");
        assert_eq!(world.get(&condition, &token).await.status, 200);
        let history = world.get(&format!("{condition}/_history"), &token).await;
        assert_eq!(history.status, 200, "{}", history.text);
        let before = history.json()["entry"][0]["resource"]["meta"]["versionId"].as_str().unwrap().to_owned();
        // Changed since, so that the version is not the one that a read brings.
        let id = condition.rsplit_once('.').unwrap().1;
        let mut changed = riverside.find("Condition", id).unwrap().clone();
        changed.as_object_mut().unwrap().remove("recorder");
        let mut done = false;
        for token in riverside.smart.tokens_of("pat-1004") {
            let put = world.http.put(format!("{}/Condition/{id}", riverside.base_url)).bearer_auth(token);
            let put = put.header("content-type", "application/fhir+json").body(changed.to_string());
            done |= put.send().await.unwrap().status().is_success();
        }
        assert!(done, "the EHR has another version");
        let version = before.as_str();
        riverside.requests.clear();
        let vread = world.get(&format!("{condition}/_history/{version}"), &token).await;
        assert_eq!(vread.status, 200, "{}", vread.text);
        assert!(riverside.requests.all().iter().any(|request| request.path.contains("/_history/")));
        let document = world.get(&of_second("DocumentReference"), &token).await.json();
        let url = document["content"][0]["attachment"]["url"].as_str().unwrap().to_owned();
        let binary_path = url.strip_prefix(&world.issuer).unwrap().to_owned();
        let binary = world.get(&binary_path, &token).await;
        assert_eq!(binary.status, 200, "{}", binary.text);
        // Patients are read with their own, at once.
        riverside.requests.clear();
        assert_eq!(world.get(&format!("/fhir/Patient/{}.pat-1004", riverside.source), &token).await.status, 200);
        let sent = riverside.requests.all();
        assert!(sent.iter().all(|request| request.patient.as_deref() == Some("pat-1004") && request.status == 200));
        // Nobody else gets there by the same addresses.
        let maria = world.token("maria").await;
        let mut browser = world.browser("maria").await;
        assert_eq!(connect(&world, &mut browser, "pat-1001").await.status, 303);
        for target in [&condition, &format!("{condition}/_history"), &binary_path] {
            assert_eq!(world.get(target, &maria).await.status, 404, "{target}");
        }
    });
}

#[test]
fn a_disconnected_chart_is_not_asked_any_more_and_the_ehr_is_told() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let secret_file = folder.path().join("secret");
        std::fs::write(&secret_file, "s3cret & more").unwrap();
        let (_, persons) = fixtures();
        let keep = |config: &mut Config| {
            config.cache =
                config::Cache { bytes: 1 << 24, fresh_seconds: 600, stale_seconds: 600, ..config::Cache::default() };
        };
        let proof = AppProof::Secret { secret_file, method: SecretMethod::Basic };
        let world = world_of(proof, persons, keep).await;
        let riverside = world.practice("riverside");
        let mut browser = world.browser("dana").await;
        assert_eq!(connect(&world, &mut browser, "pat-1003").await.status, 303);
        let whole = conditions(&world, "dana").await;
        assert!(whole.0 > 0);
        let other = world.another_process().await;
        let token = world.token("dana").await;
        let there = async || {
            let url = format!("{other}/Condition?_count=500");
            let answer = world.http.get(url).bearer_auth(&token).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        assert_eq!(there().await.0, 200);
        for path in ["/connect", "/disconnect"] {
            let forged = browser.post(path, &[("link".to_owned(), "x".to_owned())]).await;
            assert_eq!(forged.status, 403, "{path}: only from its own page");
        }
        let offered = offers(&mut browser, "disconnect").await;
        let page = browser.get(&offered[0]).await;
        assert!(page.body.contains("forgets the permission"), "{}", page.body);

        assert_eq!(disconnect(&mut browser, &offered[0]).await.status, 303);
        riverside.requests.clear();
        let (shown, said) = conditions(&world, "dana").await;
        assert!(shown == 0 && said.len() == 1 && said[0].starts_with("security: "), "{said:?}");
        // Another process knows it as soon as it knows of any change of rights.
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        let (status, text) = there().await;
        assert!(status == 503 && text.contains("connected again"), "{status} {text}");
        assert!(riverside.requests.all().is_empty());
        assert_eq!(
            source_tokens::by_link(&world.app.db, link_to(&world, "dana", "pat-1003").await).await.unwrap(),
            None
        );
        until(async || riverside.smart.revocations() == 1).await;
        assert!(riverside.smart.tokens_of("pat-1003").is_empty());
        assert!(browser.get("/").await.body.contains("not connected yet"));
        assert_eq!(browser.get(&offered[0]).await.status, 404, "nothing is left to disconnect");
        let steps: Vec<_> = recorded(&world).await.into_iter().map(|(step, done, _)| (step, done)).collect();
        assert_eq!(steps, [("connect".to_owned(), true), ("disconnect".to_owned(), true)]);
        assert_eq!(connect(&world, &mut browser, "pat-1003").await.status, 303);
        assert_eq!(conditions(&world, "dana").await, whole);
    });
}

#[test]
fn r14_several_processes_refresh_once_and_one_that_asks_and_leaves_loses_nothing() {
    run(async {
        let (_, persons) = fixtures();
        let world = world_of(AppProof::None, persons, |config| config.limits.source_deadline_ms = 2_000).await;
        let smart = world.practice("riverside").smart.clone();
        let mut browser = world.browser("dana").await;
        connect(&world, &mut browser, "pat-1003").await;
        let whole = conditions(&world, "dana").await;
        let token = world.token("dana").await;
        let bases = [world.fhir.clone(), world.another_process().await];
        let ask = |base: &str| {
            let request = world.http.get(format!("{base}/Condition?_count=500")).bearer_auth(&token);
            tokio::spawn(async move {
                let answer = request.send().await.unwrap();
                (answer.status().as_u16(), answer.text().await.unwrap())
            })
        };
        for round in 1..=3_u64 {
            world.clock.advance(Duration::from_secs(300));
            let many: Vec<_> = bases.iter().cycle().take(16).map(|base| ask(base)).collect();
            for one in many {
                let (status, text) = one.await.unwrap();
                assert_eq!(status, 200, "{text}");
                assert!(!text.contains("\"mode\":\"outcome\""), "{text}");
            }
            assert_eq!(smart.refreshes(), round, "once for each expiry, in all processes together");
        }
        // The token endpoint takes longer than anybody waits: the answer is kept all the same, and nothing asked twice.
        let slow = Fault::new(FaultKind::Delay(4_000)).for_types(&["token"]);
        world.practice("riverside").faults.set(vec![slow]);
        world.clock.advance(Duration::from_secs(300));
        assert_eq!(conditions(&world, "dana").await.0, 0);
        until(async || conditions(&world, "dana").await == whole).await;
        assert_eq!(smart.refreshes(), 4);
    });
}

#[test]
fn what_is_disconnected_during_a_refresh_stays_so() {
    // The EHR refreshes after it was told of the end, and before it.
    for slow in [FaultKind::Delay(1_200), FaultKind::SlowTrickle { bytes: 20, milliseconds: 100 }] {
        run(async {
            let world = Arc::new(world(AppProof::None).await);
            let riverside = world.practice("riverside");
            let mut browser = world.browser("dana").await;
            connect(&world, &mut browser, "pat-1003").await;
            let offered = offers(&mut browser, "disconnect").await;
            let is_trickle = matches!(slow, FaultKind::SlowTrickle { .. });
            riverside.faults.set(vec![Fault::new(slow).for_types(&["token"])]);
            world.clock.advance(Duration::from_secs(300));
            riverside.requests.clear();
            let asking = world.clone();
            let asked = tokio::spawn(async move { conditions(&asking, "dana").await });
            let begun = async || {
                if is_trickle { riverside.smart.refreshes() > 0 } else { riverside.requests.token_count() > 0 }
            };
            until(begun).await;
            assert_eq!(disconnect(&mut browser, &offered[0]).await.status, 303);
            let (shown, said) = asked.await.unwrap();
            assert!(shown == 0 && said[0].starts_with("security: "), "{said:?}");
            // Nothing that is good is left at the EHR.
            until(async || riverside.smart.tokens_of("pat-1003").is_empty()).await;
            let link = link_to(&world, "dana", "pat-1003").await;
            assert_eq!(source_tokens::by_link(&world.app.db, link).await.unwrap(), None);
            let fhir: Vec<_> = riverside.requests.all().into_iter().filter(|r| r.path.contains("/fhir")).collect();
            assert!(fhir.is_empty(), "{fhir:?}");
        });
    }
}

#[test]
fn a_chart_that_became_somebody_elses_is_not_opened_with_the_token_of_before() {
    run(async {
        let world = world(AppProof::None).await;
        let riverside = world.practice("riverside");
        let mut browser = world.browser("dana").await;
        connect(&world, &mut browser, "pat-1003").await;
        assert!(conditions(&world, "dana").await.0 > 0);
        // Linked to the wrong person: taken from Dana, given to Maria.
        let (db, wrong) = (&world.app.db, link_to(&world, "dana", "pat-1003").await);
        let ended = LinkState::Ended { at: world.clock.now(), reason: "not-me".to_owned() };
        db.write(move |tx| Box::pin(async move { links::set_state(tx, wrong, &ended).await })).await.unwrap();
        let source = riverside.source.parse().unwrap();
        let new = NewLink {
            person: world.person("maria").id,
            source,
            patient: "pat-1003".to_owned(),
            rank: 5,
            demographics: None,
        };
        practice::link(&world.app.acts, &SeededRandom::new(78), world.clock.now(), new).await.unwrap();
        riverside.requests.clear();
        for who in ["maria", "dana"] {
            conditions(&world, who).await;
            assert!(riverside.requests.all().is_empty(), "{who}");
        }
        assert_eq!(source_tokens::by_link(db, wrong).await.unwrap(), None);
    });
}

#[test]
fn a_proxy_connects_what_is_not_connected_and_changes_nothing_of_others() {
    run(async {
        let world = world(AppProof::None).await;
        let smart = world.practice("riverside").smart.clone();
        world.grant("maria", "dana", GrantBasis::PatientConsent).await;
        let (mut maria, mut dana) = (world.browser("maria").await, world.browser("dana").await);
        let link = link_to(&world, "dana", "pat-1003").await;
        let (to_connect, to_disconnect) = (format!("/connect?link={link}"), format!("/disconnect?link={link}"));
        let connect_it = async |browser: &mut Browser| {
            let callback = sign_in_at_ehr(&world, browser, &to_connect, "pat-1003").await;
            browser.get(&callback).await.status
        };
        // Nothing is connected: the proxy may.
        assert_eq!(connect_it(&mut maria).await, 303);
        assert!(offers(&mut maria, "disconnect").await.contains(&to_disconnect));
        // Dana's own sign-in takes its place, and then the proxy's does not take its.
        assert_eq!(connect_it(&mut dana).await, 303);
        assert_eq!(maria.get(&to_connect).await.status, 403);
        assert!(!offers(&mut maria, "disconnect").await.contains(&to_disconnect));
        assert_eq!(maria.get(&to_disconnect).await.status, 403);
        let offered = offer(&mut maria).await.unwrap();
        let form = maria.get(&offered).await.form();
        let own = form.iter().map(|(n, v)| (n.clone(), if n == "link" { link.to_string() } else { v.clone() }));
        let away = maria.post("/connect", &own.collect::<Vec<_>>()).await;
        let back = world.http.get(&away.header("refresh").unwrap()["0; url=".len()..]).send().await.unwrap();
        let back = back.headers()["location"].to_str().unwrap().strip_prefix(&world.issuer).unwrap().to_owned();
        assert_eq!(maria.get(&back).await.status, 403, "not by the direct way either");
        let account = source_tokens::by_link(&world.app.db, link).await.unwrap().unwrap().account;
        let marias = accounts::by_person(&world.app.db, world.person("maria").id).await.unwrap().unwrap();
        assert_ne!(account, marias.id);
        until(async || smart.tokens_of("pat-1003").len() == 2).await;
        assert_eq!(smart.revocations(), 2, "what was replaced, and what was not taken, was given back");
        assert!(conditions(&world, "dana").await.0 > 0);

        // The proxy's own sign-in ends with the grant.
        assert_eq!(disconnect(&mut dana, &to_disconnect).await.status, 303);
        assert_eq!(connect_it(&mut maria).await, 303);
        assert!(conditions(&world, "dana").await.0 > 0);
        let (db, at) = (&world.app.db, world.clock.now());
        let grant = grants::of_person(db, world.person("dana").id).await.unwrap()[0].id;
        db.write(move |tx| {
            Box::pin(async move { grants::end(tx, grant, at, chartgate::identity::StatusReason::PatientRequest).await })
        })
        .await
        .unwrap();
        assert_eq!(source_tokens::by_link(db, link).await.unwrap(), None);
        assert_eq!(conditions(&world, "dana").await.0, 0);
        assert_eq!(maria.get(&to_connect).await.status, 404);
    });
}

#[test]
fn i16_the_sign_in_of_a_proxy_whose_time_is_over_is_not_renewed() {
    run(async {
        let world = world(AppProof::None).await;
        let smart = world.practice("riverside").smart.clone();
        world.grant("maria", "dana", GrantBasis::PatientConsent).await;
        let mut maria = world.browser("maria").await;
        let link = link_to(&world, "dana", "pat-1003").await;
        let callback = sign_in_at_ehr(&world, &mut maria, &format!("/connect?link={link}"), "pat-1003").await;
        assert_eq!(maria.get(&callback).await.status, 303);
        let whole = conditions(&world, "dana").await;
        assert!(whole.0 > 0);
        let (db, now) = (&world.app.db, world.clock.now());
        let grant = grants::of_person(db, world.person("dana").id).await.unwrap()[0].clone();
        let state = chartgate::identity::GrantState::Suspended {
            at: now,
            reason: chartgate::identity::StatusReason::SuspendedPendingReview,
            by: None,
        };
        db.write(move |tx| Box::pin(async move { grants::set_state(tx, grant.id, &state).await })).await.unwrap();
        world.clock.advance(Duration::from_secs(300));
        let before = smart.refreshes();
        let (shown, said) = conditions(&world, "dana").await;
        assert!(shown == 0 && said[0].starts_with("security: "), "{said:?}");
        assert_eq!(smart.refreshes(), before);
        let steps = recorded(&world).await;
        assert!(steps.contains(&("refresh".to_owned(), false, Some("no-right".to_owned()))), "{steps:?}");
    });
}

#[test]
fn r14_a_late_refusal_does_not_take_the_token_that_came_since() {
    run(async {
        let world = Arc::new(world(AppProof::None).await);
        let riverside = world.practice("riverside");
        let mut browser = world.browser("dana").await;
        connect(&world, &mut browser, "pat-1003").await;
        let whole = conditions(&world, "dana").await;
        let token = world.token("dana").await;
        riverside.faults.set(vec![Fault::new(FaultKind::Delay(700)).for_types(&["Goal"])]);
        riverside.smart.simulate(Some(SimulatedError::RequestInvalidToken), Some(2));
        riverside.requests.clear();
        let (asking, with) = (world.clone(), token.clone());
        let late = tokio::spawn(async move { asking.search("Goal", &[], &with).await });
        until(async || riverside.requests.all().iter().any(|request| request.path.ends_with("/Goal"))).await;
        assert_eq!(conditions(&world, "dana").await, whole);
        assert_eq!(riverside.smart.refreshes(), 1, "the refused one is replaced");
        assert_eq!(late.await.unwrap().outcomes(), Vec::<String>::new());
        assert_eq!(conditions(&world, "dana").await, whole);
        assert_eq!(riverside.smart.refreshes(), 1);
    });
}
