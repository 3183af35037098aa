//! Charts that are merged, given to somebody else, or end: what is shown, what is frozen, who is told.

use serde_json::{Value, json};

use super::*;
use crate::support::world::{World, run};

/// Changes a Patient in Riverside's EHR.
async fn change(world: &World, id: &str, change: impl FnOnce(&mut Value)) {
    let practice = world.practice("riverside");
    let mut patient = practice.find("Patient", id).unwrap().clone();
    change(&mut patient);
    put(world, id, &patient).await;
}

async fn put(world: &World, id: &str, patient: &Value) {
    let url = format!("{}/Patient/{id}", world.practice("riverside").base_url);
    let sent =
        world.http.put(url).header("content-type", "application/fhir+json").body(patient.to_string()).send().await;
    assert!(sent.unwrap().status().is_success());
}

/// Somebody linked by a code; then the chart changes, and links are looked at.
async fn after(change_chart: impl AsyncFnOnce(&World)) -> (World, Browser) {
    let world = world().await;
    let browser = daniel(&world, "daniel").await;
    change_chart(&world).await;
    world.clock.advance(hours(7));
    assert!(world.app.chart_check.run_once().await.unwrap() > 0);
    (world, browser)
}

async fn sees_riverside(browser: &mut Browser, world: &World) -> bool {
    let page = browser.get("/sign-in").await;
    let page = submit(browser, &page, "/sign-in", &[("username", "daniel"), ("password", PASSWORD)]).await;
    assert_eq!(page.status, 303, "{}", world.issuer);
    browser.get("/").await.body.contains("Riverside Family Practice")
}

#[test]
fn a_chart_that_stays_as_it_is_stays_linked() {
    run(async {
        let (world, mut browser) = after(async |world| {
            // A new address and a married name change nothing about who it is.
            change(world, DANIEL, |patient| {
                patient.as_object_mut().unwrap().remove("telecom");
                patient["name"][0]["family"] = json!("Okafor-Bell");
            })
            .await;
        })
        .await;
        assert!(sees_riverside(&mut browser, &world).await);
        assert!(waiting(&world).await.is_empty());
        assert_eq!(world.app.chart_check.run_once().await.unwrap(), 0, "once in six hours is enough");
    });
}

#[test]
fn i20_an_id_that_became_somebody_else_is_frozen_at_once() {
    run(async {
        let (world, mut browser) = after(async |world| {
            change(world, DANIEL, |patient| {
                patient["name"] = json!([{"family": "Vance", "given": ["Tom"]}]);
                patient["birthDate"] = json!("1970-01-02");
            })
            .await;
        })
        .await;
        assert!(!sees_riverside(&mut browser, &world).await);
        assert_eq!(waiting(&world).await, ["The chart is about somebody else than when it was linked."]);
    });
}

#[test]
fn i20_a_merge_into_the_same_human_is_followed() {
    run(async {
        let (world, mut browser) = after(async |world| {
            let mut survivor = world.practice("riverside").find("Patient", DANIEL).unwrap().clone();
            survivor["id"] = json!("pat-2010");
            put(world, "pat-2010", &survivor).await;
            change(world, DANIEL, |patient| {
                patient["active"] = json!(false);
                patient["link"] = json!([{"type": "replaced-by", "other": {"reference": "Patient/pat-2010"}}]);
            })
            .await;
        })
        .await;
        assert!(sees_riverside(&mut browser, &world).await);
        assert!(waiting(&world).await.is_empty());
        let source = world.practice("riverside").source.parse().unwrap();
        let db = &world.app.db;
        let moved = chartgate::storage::links::active_at(db, source, "pat-2010").await.unwrap();
        assert!(moved.is_some());
        assert!(chartgate::storage::links::active_at(db, source, DANIEL).await.unwrap().is_none());
    });
}

#[test]
fn i20_a_merge_into_somebody_else_is_frozen() {
    run(async {
        let (world, mut browser) = after(async |world| {
            // Amara Okafor: the family name agrees, nothing else does.
            change(world, DANIEL, |patient| {
                patient["active"] = json!(false);
                patient["link"] = json!([{"type": "replaced-by", "other": {"reference": "Patient/pat-1009"}}]);
            })
            .await;
        })
        .await;
        assert!(!sees_riverside(&mut browser, &world).await);
        assert_eq!(waiting(&world).await, ["The chart was merged into one that does not fit."]);
    });
}

#[test]
fn i20_records_that_replace_each_other_in_a_circle_are_frozen() {
    run(async {
        let (world, mut browser) = after(async |world| {
            let mut other = world.practice("riverside").find("Patient", DANIEL).unwrap().clone();
            other["id"] = json!("pat-2010");
            other["active"] = json!(false);
            other["link"] = json!([{"type": "replaced-by", "other": {"reference": format!("Patient/{DANIEL}")}}]);
            put(world, "pat-2010", &other).await;
            change(world, DANIEL, |patient| {
                patient["active"] = json!(false);
                patient["link"] = json!([{"type": "replaced-by", "other": {"reference": "Patient/pat-2010"}}]);
            })
            .await;
        })
        .await;
        assert!(!sees_riverside(&mut browser, &world).await);
        assert_eq!(waiting(&world).await, ["The chart was merged into one that does not fit."]);
    });
}

#[test]
fn the_record_of_somebody_who_died_is_closed() {
    run(async {
        let (world, mut browser) = after(async |world| {
            change(world, DANIEL, |patient| patient["deceasedDateTime"] = json!("2026-09-15")).await;
        })
        .await;
        assert!(!sees_riverside(&mut browser, &world).await);
        assert_eq!(waiting(&world).await, ["The chart says that the patient died."]);
    });
}

#[test]
fn an_ehr_that_does_not_answer_freezes_nobody() {
    run(async {
        let (world, mut browser) = after(async |world| world.practice("riverside").stop().await).await;
        assert!(sees_riverside(&mut browser, &world).await);
        assert!(waiting(&world).await.is_empty());
    });
}
