//! A clinician opens an app for a patient: it sees what their practice holds, as the Practitioner they are there, for as long as
//! they are that; and the patient reads it.

use std::collections::BTreeSet;

use chartgate::base::random::SeededRandom;
use chartgate::config::Limits;
use chartgate::consent::{Category, Effect, RuleKind};
use chartgate::identity::{GrantBasis, Period, StaffRole, StatusReason};
use chartgate::practice::{self, NewRule};
use chartgate::storage::{StorageError, grants, links, staff};
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use super::{appoint, at_work, organization, submit};
use crate::support::http::{Answer, Client as Browser};
use crate::support::world::{World, fixtures, in_both_worlds, set};

in_both_worlds!(
    what_a_clinician_opens_sees_the_practice_s_own_charts_and_ends_with_the_role,
    an_app_at_work_is_opened_by_clinicians_for_their_own_patients_once,
    leaving_work_ends_what_was_opened_at_it_and_the_end_of_a_leave_does_not,
);

/// Maria's number at Riverside.
const MARIA: &str = "MRN-334600";
const SCOPE: &str =
    "launch openid fhirUser offline_access online_access patient/*.rs user/Practitioner.rs launch/encounter";

async fn world() -> World {
    let (practices, mut persons) = fixtures();
    persons.retain(|person| person.key == "maria");
    persons.extend(["doctor", "clerk", "cardiologist"].map(World::nobody));
    let world = World::start(practices, persons, Limits::default()).await;
    appoint(&world, "doctor", "riverside", StaffRole::Clinician).await;
    appoint(&world, "clerk", "riverside", StaffRole::FrontDesk).await;
    appoint(&world, "cardiologist", "lakeside", StaffRole::Clinician).await;
    world.register("app").await;
    world
}

/// The launch value that the app would get.
async fn opened(staff: &mut Browser, number: &str) -> String {
    let page = staff.get("/clinic/apps").await;
    let opening = submit(staff, &page, "/clinic/apps", &[("number", number), ("app", "app")]).await;
    assert_eq!(opening.status, 200, "{}", opening.body);
    let (_, url) = opening.header("refresh").unwrap().split_once("url=").unwrap();
    let url = url::Url::parse(url).unwrap();
    let of = |name: &str| url.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned();
    assert!(of("iss").ends_with("/fhir"));
    of("launch")
}

async fn asked(world: &World, staff: &mut Browser, client: &str, launch: &str) -> Answer {
    staff.get(&world.authorize(client, SCOPE, &[("launch", launch)])).await
}

/// What the app gets when everything is ticked.
async fn allowed(world: &World, staff: &mut Browser, launch: &str) -> Value {
    let consent = asked(world, staff, "app", launch).await;
    assert_eq!(consent.status, 200, "{}", consent.body);
    let practice = &world.practice("riverside").name;
    assert!(consent.body.contains(&format!("for a patient of {practice}")), "{}", consent.body);
    assert!(consent.body.contains("Maria Elena Alvarez") && !consent.body.contains("(you)"), "{}", consent.body);
    let mut form = consent.form();
    set(&mut form, "decision", "allow");
    let answer = staff.post("/oauth/consent", &form).await;
    let code = answer.redirected("code").unwrap_or_else(|| panic!("no code: {}", answer.location()));
    world.redeem("app", &code).await
}

fn fhir_user(answer: &Value) -> String {
    let payload = answer["id_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap();
    claims["fhirUser"].as_str().unwrap().to_owned()
}

async fn found(world: &World, token: &str, kind: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for page in world.pages(&format!("/fhir/{kind}?_count=50"), token).await {
        assert_eq!(page.status, 200, "{kind}");
        all.extend(page.ids());
    }
    all
}

async fn dismiss(world: &World, key: &str, role: StaffRole) {
    let (account, practice) = (world.account(key).await, organization(world, "riverside").await);
    let now = chartgate::base::clock::Clock::now(&*world.clock);
    let write = world.app.db.write::<_, StorageError>(move |tx| Box::pin(staff::end(tx, account, practice, role, now)));
    write.await.unwrap();
}

async fn what_a_clinician_opens_sees_the_practice_s_own_charts_and_ends_with_the_role() {
    let world = world().await;
    let hers = world.token("maria").await;
    let mut doctor = at_work(&world, "doctor").await;
    let launch = opened(&mut doctor, MARIA).await;
    let answer = allowed(&world, &mut doctor, &launch).await;
    let person = world.person("maria").id;
    assert_eq!(answer["patient"], person.to_string());
    // It goes on no longer than whoever opened it, and asks for no visit.
    assert!(answer["refresh_token"].is_null(), "{answer}");
    let granted: BTreeSet<&str> = answer["scope"].as_str().unwrap().split(' ').collect();
    for never in ["offline_access", "online_access", "launch/encounter"] {
        assert!(!granted.contains(never), "{granted:?}");
    }
    let token = answer["access_token"].as_str().unwrap().to_owned();

    // Who they are there, for the app and for nobody else.
    let user = fhir_user(&answer);
    let path = user.strip_prefix(world.fhir.as_str()).unwrap().to_owned();
    assert!(path.starts_with("/Practitioner/self."), "{user}");
    let read = world.get(&format!("/fhir{path}"), &token).await;
    assert_eq!((read.status, &read.json()["resourceType"]), (200, &Value::from("Practitioner")));
    assert_eq!(read.json()["name"][0]["text"], "doctor");
    assert_eq!(world.get(&format!("/fhir{path}"), &hers).await.status, 404);
    assert_eq!(world.get(&format!("/fhir{}0", &path[..path.len() - 1]), &token).await.status, 404);
    let mut app = world.stranger();
    let bearer = format!("Bearer {token}");
    let info = app.send("GET", "/oauth/userinfo", &[("authorization", &bearer)], "").await.json();
    assert_eq!(info["fhirUser"], user);

    world.grant("clerk", "maria", GrantBasis::PatientConsent).await;
    // The doctor may see her record at home as well: what is looked at here is looked at as staff all the same.
    world.grant("doctor", "maria", GrantBasis::PatientConsent).await;

    // What Riverside holds, all of it, and nothing of Lakeside's; nothing of what is kept here about sharing.
    let own = format!("{}.", world.practice("riverside").source);
    for kind in ["Observation", "MedicationRequest", "Condition", "Communication", "Appointment"] {
        let all = found(&world, &hers, kind).await;
        let there: BTreeSet<String> = all.iter().filter(|id| id.starts_with(&own)).cloned().collect();
        assert!(!there.is_empty() && there.len() < all.len(), "{kind}: {all:?}");
        assert_eq!(found(&world, &token, kind).await, there, "{kind}");
        let elsewhere = all.iter().find(|id| !id.starts_with(&own)).unwrap();
        assert_eq!(world.get(&format!("/fhir/{kind}/{elsewhere}"), &token).await.status, 404, "{kind}");
    }
    for kind in ["AuditEvent", "Consent", "RelatedPerson"] {
        let there = found(&world, &token, kind).await;
        assert!(there.iter().all(|id| id.starts_with(&own)), "{kind}: {there:?}");
        assert!(
            kind == "Consent" || found(&world, &hers, kind).await.iter().any(|id| id.starts_with("self.")),
            "{kind}"
        );
    }
    // What she keeps back until a clinician has looked is there for a clinician.
    let now = chartgate::base::clock::Clock::now(&*world.clock);
    let kind = RuleKind::Hold { categories: vec![Category::Results], days: None };
    let period = Period { from: now, until: None };
    let hold = NewRule { person, kind, period, evidence: "Provenance/1".to_owned(), by: None };
    let before = found(&world, &token, "Observation").await;
    practice::lay_down(&world.app.acts, &SeededRandom::new(3), now, hold).await.unwrap();
    assert_eq!(found(&world, &token, "Observation").await, before);

    // She reads that it was opened, why, and what it looked at; it is none of the apps that she or the doctor connected.
    let mut maria = world.browser("maria").await;
    let history = maria.get(&format!("/api/v1/access/history?person={person}")).await.json();
    let entries = history["entries"].as_array().unwrap();
    let of = |kind: &str| {
        entries.iter().filter(|e| e["who"] == "staff" && e["kind"] == kind && e["app"] == "App app").count()
    };
    assert!(of("looked") > 5, "{history}");
    assert!(entries.iter().any(|e| e["who"] == "staff" && e["kind"] == "app" && e["reason"] == "TREAT"), "{history}");
    for browser in [&mut maria, &mut doctor] {
        assert!(!browser.get("/apps").await.body.contains("App app (opened"), "an app of work");
    }
    assert_eq!(doctor.get("/api/v1/apps").await.json()["apps"].as_array().map(Vec::len), Some(0));

    // Whom a court keeps from her by name does not come back as a colleague; whoever is dead looks at nobody.
    let doctor_account = world.account("doctor").await;
    let kept_out = RuleKind::Restriction { against: Some(doctor_account), effect: Effect::Nothing };
    let now = chartgate::base::clock::Clock::now(&*world.clock);
    let rule = NewRule {
        person,
        kind: kept_out,
        period: Period { from: now, until: None },
        evidence: "Provenance/1".to_owned(),
        by: None,
    };
    let rule = practice::lay_down(&world.app.acts, &SeededRandom::new(14), now, rule).await.unwrap();
    assert_ne!(world.get("/fhir/Observation", &token).await.status, 200);
    let why = StatusReason::PatientRequest;
    practice::lift(&world.app.acts, &SeededRandom::new(15), now, (rule, None), why).await.unwrap();
    assert_eq!(found(&world, &token, "Observation").await, before);

    // The role ends, and the app with it, at the next request, for good.
    dismiss(&world, "doctor", StaffRole::Clinician).await;
    assert_eq!(world.get("/fhir/Observation", &token).await.status, 401);
    assert_eq!(app.send("GET", "/oauth/userinfo", &[("authorization", &bearer)], "").await.status, 401);
    world.clock.advance(std::time::Duration::from_secs(1));
    appoint(&world, "doctor", "riverside", StaffRole::Clinician).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    assert_eq!(world.get("/fhir/Observation", &token).await.status, 401);
    assert_eq!(app.send("GET", "/oauth/userinfo", &[("authorization", &bearer)], "").await.status, 401);
}

async fn an_app_at_work_is_opened_by_clinicians_for_their_own_patients_once() {
    let world = world().await;
    let mut doctor = at_work(&world, "doctor").await;
    // Others at the desk have no such page, and a patient of another practice is none here.
    let mut clerk = at_work(&world, "clerk").await;
    assert_eq!(clerk.get("/clinic/apps").await.status, 403);
    let page = doctor.get("/clinic/apps").await;
    let form: Vec<(String, String)> = page.form_to("/clinic/apps");
    let mut stolen = form.clone();
    set(&mut stolen, "number", MARIA);
    set(&mut stolen, "app", "app");
    assert_eq!(clerk.post("/clinic/apps", &stolen).await.status, 403, "another's form");
    let lent = clerk.get("/clinic").await.form_to("/clinic/work/end");
    set(&mut stolen, "form_token", &lent.iter().find(|(name, _)| name == "form_token").unwrap().1);
    assert_eq!(clerk.post("/clinic/apps", &stolen).await.status, 403, "not the clerk's to do");
    let mut cardiologist = at_work(&world, "cardiologist").await;
    let page = cardiologist.get("/clinic/apps").await;
    let refused = submit(&mut cardiologist, &page, "/clinic/apps", &[("number", MARIA), ("app", "app")]).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(!refused.body.contains("Alvarez"));
    let page = doctor.get("/clinic/apps").await;
    let none = submit(&mut doctor, &page, "/clinic/apps", &[("number", MARIA), ("app", "no-such-app")]).await;
    assert_eq!(none.status, 404);

    // A value is for whoever got it, at the app that it was made for, within five minutes, once.
    let launch = opened(&mut doctor, MARIA).await;
    let is_refused =
        |answer: &Answer| (answer.status, answer.redirected("error")) == (303, Some("invalid_request".to_owned()));
    let by_another = asked(&world, &mut cardiologist, "app", &launch).await;
    assert!(is_refused(&by_another), "{} {}", by_another.status, by_another.location());
    world.register("other").await;
    assert!(is_refused(&asked(&world, &mut doctor, "other", &launch).await));
    allowed(&world, &mut doctor, &launch).await;
    assert!(is_refused(&asked(&world, &mut doctor, "app", &launch).await), "once");
    let late = opened(&mut doctor, MARIA).await;
    world.clock.advance(std::time::Duration::from_secs(301));
    assert!(is_refused(&asked(&world, &mut doctor, "app", &late).await), "five minutes");

    // Whose chart there is linked no more is nobody's patient there.
    let launch = opened(&mut doctor, MARIA).await;
    let token = allowed(&world, &mut doctor, &launch).await["access_token"].as_str().unwrap().to_owned();
    assert_eq!(world.get("/fhir/Observation", &token).await.status, 200);
    let source = world.practice("riverside").source.parse().unwrap();
    let hers = links::active_of_person(&world.app.db, world.person("maria").id).await.unwrap();
    let link = hers.iter().find(|link| link.source == source).unwrap().id;
    let now = chartgate::base::clock::Clock::now(&*world.clock);
    let frozen = chartgate::identity::LinkState::Frozen { at: now, reason: "asked".to_owned() };
    let write = world
        .app
        .db
        .write::<_, StorageError>(move |tx| Box::pin(async move { links::set_state(tx, link, &frozen).await }));
    write.await.unwrap();
    assert_eq!(world.get("/fhir/Observation", &token).await.status, 401);

    // A role that ended before the app came back.
    let mut cardiologist = at_work(&world, "cardiologist").await;
    let number = "LKS-433220";
    let launch = opened(&mut cardiologist, number).await;
    let (account, practice) = (world.account("cardiologist").await, organization(&world, "lakeside").await);
    let role = StaffRole::Clinician;
    let write = world.app.db.write::<_, StorageError>(move |tx| Box::pin(staff::end(tx, account, practice, role, now)));
    write.await.unwrap();
    assert!(is_refused(&asked(&world, &mut cardiologist, "app", &launch).await));
}

async fn leaving_work_ends_what_was_opened_at_it_and_the_end_of_a_leave_does_not() {
    let world = world().await;
    let is_refused = |answer: &Answer| answer.status == 303 && answer.location().contains("error=");
    let mut doctor = at_work(&world, "doctor").await;
    let sees = async |token: &str| world.get("/fhir/Observation", token).await.status;
    let open = async |doctor: &mut Browser| {
        let launch = opened(doctor, MARIA).await;
        allowed(&world, doctor, &launch).await["access_token"].as_str().unwrap().to_owned()
    };
    let token = open(&mut doctor).await;
    // What they had of their own ends, and what they do at work goes on.
    world.grant("doctor", "maria", GrantBasis::PatientConsent).await;
    let leave = grants::of_person(&world.app.db, world.person("maria").id).await.unwrap().remove(0).id;
    let now = chartgate::base::clock::Clock::now(&*world.clock);
    let end = world
        .app
        .db
        .write::<_, StorageError>(move |tx| Box::pin(grants::end(tx, leave, now, StatusReason::PatientRequest)));
    end.await.unwrap();
    assert_eq!(sees(&token).await, 200);
    // Nor do others who leave.
    let mut clerk = at_work(&world, "clerk").await;
    let home = clerk.get("/clinic").await;
    submit(&mut clerk, &home, "/clinic/work/end", &[]).await;
    assert_eq!(sees(&token).await, 200);
    let waiting = opened(&mut doctor, MARIA).await;
    let home = doctor.get("/clinic").await;
    assert_eq!(submit(&mut doctor, &home, "/clinic/work/end", &[]).await.status, 303);
    assert_eq!(sees(&token).await, 401);
    // What was opened and not come for is not to be had either, in no browser of theirs.
    assert!(is_refused(&asked(&world, &mut doctor, "app", &waiting).await));
    let mut elsewhere = world.browser("doctor").await;
    assert!(is_refused(&asked(&world, &mut elsewhere, "app", &waiting).await));
    // Who works again opens it again.
    let mut doctor = at_work(&world, "doctor").await;
    assert_eq!(sees(&token).await, 401);
    let token = open(&mut doctor).await;
    assert_eq!(sees(&token).await, 200);
}
