//! The scenarios over HTTP that hang on a day or an event: birthdays and midnights, ages that are not plain, a review that is
//! due, and what becomes of a leave when whoever holds it goes or dies.

use std::time::Duration;

use serde_json::{Value, json};

use chartgate::base::clock::Clock;
use chartgate::consent::RuleKind;
use chartgate::identity::{GrantBasis, GrantState, Period, StatusReason};
use chartgate::practice::{self, NewRule};
use chartgate::storage::{grants, organizations, staff_tasks};

use super::family::*;
use super::surfaces::{seen, seen_at_one};
use crate::support::http::Client as Browser;
use crate::support::world::{EVERYTHING, World, in_both_worlds, pairs};

in_both_worlds!(
    s28_a_birthday_begins_at_the_midnight_of_each_practice,
    s29_born_on_29_february_they_are_of_age_on_1_march,
    s30_of_a_year_alone_every_age_that_it_may_mean_has_its_say,
    s45_when_somebody_leaves_an_agency_nobody_else_has_their_leave,
    s46_best_interest_ends_on_the_ninety_first_day,
    s48_when_a_proxy_dies_what_they_may_do_is_suspended,
    s48_a_death_laid_down_from_later_on_holds_from_then,
    s54_an_emancipated_minor_decides_alone,
);

/// A clinician lets somebody look; that they may use an app is said by itself.
fn with_app() -> Value {
    json!({"level": "view", "actions": ["connect-app"]})
}

const SECOND: Duration = Duration::from_secs(1);

/// Moves the clock to a moment, as RFC 3339 has it.
fn until(world: &World, moment: &str) {
    let at: jiff::Timestamp = moment.parse().unwrap();
    let micros = at.as_microsecond() - world.clock.now().micros();
    world.clock.advance(Duration::from_micros(u64::try_from(micros).expect("it is later than now")));
}

/// What the holder of a new token finds of laboratory results and vital signs, at both practices.
async fn observations(world: &World, holder: &str, person: &str, client: &str) -> Vec<String> {
    let token = world.token_for(holder, person, client, EVERYTHING).await;
    seen(world, &token, person, "Observation").await.into_iter().collect()
}

/// Whether somebody who signs in now comes to the record on pages, and is told of it.
async fn opens(world: &World, holder: &str, person: &str) -> bool {
    let mut browser = world.browser(holder).await;
    let id = world.person(person).id;
    let page = browser.get(&format!("/record/findings?person={id}")).await.status;
    let history = browser.get(&format!("/api/v1/access/history?person={id}")).await.status;
    assert_eq!(page, history, "{holder} {person}");
    assert!([200, 404].contains(&page), "{page}");
    page == 200
}

/// Gil asks from wherever he is: the day is the practice's.
async fn s28_a_birthday_begins_at_the_midnight_of_each_practice() {
    let world = household(&[("max", ["2014-09-16", "2014-09-16"])], Vec::new()).await;
    choose(&world, "one", "standard", "America/New_York").await;
    choose(&world, "two", "standard", "Pacific/Auckland").await;
    grant(&world, "gil", "max", GrantBasis::Parent, Value::Null).await;
    let all = ["max-one-height", "max-one-lab", "max-one-misc", "max-one-old", "max-two-height"];
    // In Auckland it is the 16th already.
    assert_eq!(observations(&world, "gil", "max", "before").await, all);
    until(&world, "2026-09-16T03:59:59Z");
    let token = world.token_for("gil", "max", "late", EVERYTHING).await;
    assert_eq!(seen(&world, &token, "max", "Observation").await.into_iter().collect::<Vec<_>>(), all);
    world.clock.advance(SECOND);
    // With the same token, at once.
    assert_eq!(seen(&world, &token, "max", "Observation").await.len(), 2);
    assert_eq!(seen_at_one(&world, &token, "max", "Observation").await, ["height"]);
}

async fn s29_born_on_29_february_they_are_of_age_on_1_march() {
    let world = household(&[("max", ["2012-02-29", "2012-02-29"])], Vec::new()).await;
    for practice in ["one", "two"] {
        choose(&world, practice, "standard", "America/New_York").await;
    }
    grant(&world, "hana", "max", GrantBasis::Parent, Value::Null).await;
    // 2030 has no 29 February.
    until(&world, "2030-03-01T04:59:59Z");
    let token = world.token_for("hana", "max", "late", EVERYTHING).await;
    assert_eq!(seen_at_one(&world, &token, "max", "Observation").await, ["height"], "the last second of 28 February");
    world.clock.advance(SECOND);
    assert!(seen(&world, &token, "max", "Observation").await.is_empty(), "of age on 1 March");
}

async fn s30_of_a_year_alone_every_age_that_it_may_mean_has_its_say() {
    let born = [("teen", ["2012", "2012"]), ("twelve", ["2014", "2014-10"]), ("grown", ["2008", "2008-10"])];
    let world = household(&born, Vec::new()).await;
    let (listed, all) = (vec!["height"], vec!["height", "lab", "misc", "old"]);
    for (person, at_one) in [("teen", listed.clone()), ("twelve", listed), ("grown", Vec::new())] {
        grant(&world, "gil", person, GrantBasis::Parent, Value::Null).await;
        let token = token(&world, "gil", person).await;
        assert_eq!(seen_at_one(&world, &token, person, "Observation").await, at_one, "{person}");
        let own = world.token(person).await;
        assert_eq!(seen_at_one(&world, &own, person, "Observation").await, all, "{person}: their own");
    }
}

async fn s45_when_somebody_leaves_an_agency_nobody_else_has_their_leave() {
    let world = family(Vec::new()).await;
    for person in ["ana", "ben"] {
        grant(&world, "kit", person, GrantBasis::Foster, Value::Null).await;
    }
    let kit = token(&world, "kit", "ana").await;
    assert_eq!(seen(&world, &kit, "ana", "Observation").await.len(), 8);
    // The agency says so: every leave that Kit held ends.
    for person in ["ana", "ben"] {
        end_for(&world, "kit", person, StatusReason::InactiveRole).await;
    }
    assert_eq!(world.get("/fhir/Observation", &kit).await.status, 401);
    for person in ["ana", "ben"] {
        assert!(!opens(&world, "kit", person).await, "{person}");
        // It was for one person by name: whoever comes next has none by it.
        assert!(!opens(&world, "lou", person).await, "{person}");
    }
    let mut lou = world.browser("lou").await;
    assert_eq!(lou.get("/api/v1/people").await.json()["seen_by_me"], json!([]));
    // A leave of their own, after a proof of their own, is for whom it names.
    grant(&world, "lou", "ana", GrantBasis::Foster, Value::Null).await;
    assert_eq!(observations(&world, "lou", "ana", "app").await.len(), 8);
    assert!(!opens(&world, "lou", "ben").await && !opens(&world, "kit", "ana").await);
}

async fn s46_best_interest_ends_on_the_ninety_first_day() {
    let world = family(Vec::new()).await;
    grant(&world, "jo", "fay", GrantBasis::BestInterest, with_app()).await;
    world.clock.advance(DAY * 90 - SECOND * 60);
    let token = world.token_for("jo", "fay", "late", EVERYTHING).await;
    assert_eq!(seen(&world, &token, "fay", "Observation").await.len(), 8, "on the ninetieth day");
    assert!(opens(&world, "jo", "fay").await);
    world.clock.advance(SECOND * 60);
    let after = world.get("/fhir/Observation", &token).await;
    assert!(after.status == 401 || after.matches().is_empty(), "{}", after.text);
    assert!(!opens(&world, "jo", "fay").await);
    // It waits for somebody to look at it, and staff know.
    let mut fay = world.browser("fay").await;
    assert_eq!(fay.get("/api/v1/people").await.json()["gone"], json!([]));
    world.app.sharing_notices.look().await.unwrap();
    let rows = organizations::all(&world.app.db).await.unwrap();
    for organization in rows.iter().filter(|organization| organization.name.starts_with("Practice")) {
        let open = staff_tasks::open(&world.app.db, organization.id).await.unwrap();
        let kinds: Vec<&str> = open.iter().map(|task| task.kind.as_str()).collect();
        assert_eq!(kinds, ["review-overdue"], "{}", organization.name);
    }
}

async fn s48_when_a_proxy_dies_what_they_may_do_is_suspended() {
    let world = family(Vec::new()).await;
    grant(&world, "jo", "fay", GrantBasis::HealthCarePowerOfAttorney, Value::Null).await;
    let ended = grant(&world, "jo", "eve", GrantBasis::PatientConsent, Value::Null).await;
    grant(&world, "hana", "fay", GrantBasis::BestInterest, with_app()).await;
    end_for(&world, "jo", "eve", StatusReason::PatientRequest).await;
    let (jo, hana) = (token(&world, "jo", "fay").await, token(&world, "hana", "fay").await);
    assert_eq!(seen(&world, &jo, "fay", "Observation").await.len(), 8);
    let rule = lay_down(&world, "jo", json!("deceased")).await;
    assert_eq!(world.get("/fhir/Observation", &jo).await.status, 401, "at once");
    assert!(!opens(&world, "jo", "fay").await);
    assert_eq!(seen(&world, &hana, "fay", "Observation").await.len(), 8, "others go on");
    // She reads why; it is not over, and whoever held it is not told more.
    let mut fay = world.browser("fay").await;
    let line = async |browser: &mut Browser| {
        let people: Value = browser.get("/api/v1/people").await.json();
        people["see_mine"].as_array().unwrap().iter().find(|line| line["name"] == "jo").unwrap().clone()
    };
    let hers = line(&mut fay).await;
    assert_eq!((&hers["suspended"], &hers["in_effect"]), (&json!("ROLE_DEACTIVATED_PROXY_DECEASED"), &json!(false)));
    assert!(fay.get("/people").await.body.contains("The person who had access has died."));
    // What comes afterwards is held as well, and two records of it hold until both are lifted.
    grant(&world, "jo", "dee", GrantBasis::PatientConsent, Value::Null).await;
    assert!(!opens(&world, "jo", "dee").await);
    let again = lay_down(&world, "jo", json!("deceased")).await;
    lift(&world, rule).await;
    assert!(!opens(&world, "jo", "fay").await && !opens(&world, "jo", "dee").await);
    // It was a mistake: what it held works again, and what had ended stays over.
    lift(&world, again).await;
    assert!(opens(&world, "jo", "fay").await && opens(&world, "jo", "dee").await && !opens(&world, "jo", "eve").await);
    assert_eq!(line(&mut fay).await["suspended"], Value::Null);
    let state = grants::by_id(&world.app.db, ended).await.unwrap().unwrap().state;
    assert!(matches!(state, GrantState::Ended { reason: StatusReason::PatientRequest, .. }));
}

/// Rule: a death that is laid down from a later moment on holds from that moment, for a token that was there before too.
async fn s48_a_death_laid_down_from_later_on_holds_from_then() {
    let world = family(Vec::new()).await;
    grant(&world, "jo", "fay", GrantBasis::HealthCarePowerOfAttorney, Value::Null).await;
    let jo = token(&world, "jo", "fay").await;
    let from = world.clock.now().plus(Duration::from_secs(120));
    let new = NewRule {
        person: world.person("jo").id,
        kind: RuleKind::Deceased,
        period: Period { from, until: None },
        evidence: "Provenance/1".to_owned(),
        by: None,
    };
    practice::lay_down(&world.app.acts, &*RANDOM, world.clock.now(), new).await.unwrap();
    world.clock.advance(Duration::from_secs(119));
    assert_eq!(seen(&world, &jo, "fay", "Observation").await.len(), 8);
    assert!(opens(&world, "jo", "fay").await);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.get("/fhir/Observation", &jo).await.status, 401);
    assert!(!opens(&world, "jo", "fay").await);
}

async fn s54_an_emancipated_minor_decides_alone() {
    let world = family(confidential("ben-one")).await;
    grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
    let gil = token(&world, "gil", "ben").await;
    assert_eq!(seen_at_one(&world, &gil, "ben", "Observation").await, ["height"]);
    let rule = lay_down(&world, "ben", json!("emancipated")).await;
    for kind in ["Observation", "Immunization", "Encounter", "Invoice", "Patient"] {
        assert!(seen(&world, &gil, "ben", kind).await.is_empty(), "{kind}");
    }
    let ben = world.person("ben").id;
    assert_eq!(world.get(&format!("/fhir/Patient/{ben}"), &gil).await.status, 404);
    assert_eq!(seen_at_one(&world, &world.token("ben").await, "ben", "Observation").await.len(), 6);
    // Whom he lets in is his own to say, like anybody's of age: all that he ticks, without a list of his age.
    grant(&world, "ike", "ben", GrantBasis::PatientConsent, Value::Null).await;
    let ike = token(&world, "ike", "ben").await;
    assert_eq!(seen_at_one(&world, &ike, "ben", "Observation").await.len(), 6);
    let mut browser = world.browser("ben").await;
    let answer = invites(&mut browser).await;
    assert!(answer.contains("Give this code to them"), "no practice has a say in it: {answer}");
    lift(&world, rule).await;
    assert!(!invites(&mut browser).await.contains("Give this code to them"));
    assert_eq!(seen_at_one(&world, &gil, "ben", "Observation").await, ["height"]);
    assert_eq!(seen_at_one(&world, &ike, "ben", "Observation").await, ["height", "lab", "misc", "old"]);
}

/// Lets somebody in who is named, and says what the page answers.
async fn invites(browser: &mut Browser) -> String {
    let mut form = browser.get("/people/invite").await.form_to("/people/invite");
    form.retain(|(name, _)| name == "form_token");
    let fields = [("given", "Sam"), ("family", "Cole"), ("category", "results"), ("do", "hand-out")];
    form.extend(pairs(&fields));
    browser.post("/people/invite", &form).await.body
}
