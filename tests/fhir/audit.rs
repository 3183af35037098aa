//! Every request leaves exactly one row: who, what, whom, and the names of parameters. Never a value.

use std::time::Duration;

use chartgate::config::Limits;
use chartgate::storage::audit::{self, AuditOutcome, AuditRow};

use crate::support::world::{World, pairs, run};

/// Type, interaction, outcome, names of parameters, resources given out.
type Wanted<'a> = (&'a str, &'a str, AuditOutcome, Vec<&'a str>, Option<i64>);

/// The rows of FHIR requests, once there are as many as expected and no more come.
async fn rows(world: &World, expected: usize) -> Vec<AuditRow> {
    let now = async || {
        let mut rows = audit::recent(&world.app.db, 1_000).await.unwrap();
        rows.retain(|row| row.kind == "fhir");
        rows
    };
    for _ in 0..100 {
        if now().await.len() >= expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Long enough for a row too many to come.
    tokio::time::sleep(Duration::from_millis(200)).await;
    now().await
}

#[test]
fn i13_requests_and_rows_match_one_to_one_with_names_and_no_values() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let maria = world.token("maria").await;
        let narrow = world.token_for("maria", "maria", "app-2", "launch/patient patient/Goal.rs").await;
        let me = world.person("maria").id;
        let other = world.person("carlos").id;
        assert_eq!(rows(&world, 0).await.len(), 0);
        let found = world.search("Condition", &pairs(&[("_count", "3")]), &maria).await;
        let id = found.ids()[0].clone();
        let next = found.link("next").unwrap();
        let mut wanted: Vec<Wanted<'_>> =
            vec![("Condition", "search-type", AuditOutcome::Permitted, vec!["_count"], Some(3))];
        world.get(&format!("/fhir/Condition/{id}"), &maria).await;
        wanted.push(("Condition", "read", AuditOutcome::Permitted, vec![], Some(1)));
        world.get("/fhir/Condition/aaaa.canary-id", &maria).await;
        wanted.push(("Condition", "read", AuditOutcome::Denied, vec![], None));
        world.get(&format!("/fhir/Patient/{other}"), &maria).await;
        wanted.push(("Patient", "read", AuditOutcome::Denied, vec![], None));
        world.search("Observation", &pairs(&[("code", "canary-code"), ("category", "canary")]), &maria).await;
        wanted.push(("Observation", "search-type", AuditOutcome::Permitted, vec!["code", "category"], Some(0)));
        world.search_by_post("Observation", &pairs(&[("date", "ge2026"), ("_count", "0")]), &maria).await;
        wanted.push(("Observation", "search-type", AuditOutcome::Permitted, vec!["date", "_count"], Some(0)));
        world.get(&next, &maria).await;
        wanted.push(("Condition", "search-type", AuditOutcome::Permitted, vec!["_page"], Some(3)));
        world.get("/fhir/Observation?_has:canary=canary", &maria).await;
        wanted.push(("Observation", "search-type", AuditOutcome::Denied, vec!["_has:canary"], None));
        world.get("/fhir/Observation", &narrow).await;
        wanted.push(("Observation", "search-type", AuditOutcome::Denied, vec![], None));
        world.get(&format!("/fhir/Patient/{me}"), &maria).await.json();
        wanted.push(("Patient", "read", AuditOutcome::Permitted, vec![], Some(1)));
        world.practice("riverside").stop().await;
        world.practice("lakeside").stop().await;
        world.get("/fhir/Goal", &narrow).await;
        wanted.push(("Goal", "search-type", AuditOutcome::Failed, vec![], None));

        let rows = rows(&world, wanted.len()).await;
        assert_eq!(rows.len(), wanted.len(), "{rows:#?}");
        // Rows of one instant have no order among them: each is found once.
        let mut left = rows.clone();
        for (kind, interaction, outcome, parameters, released) in wanted {
            let at = left.iter().position(|row| {
                row.resource_type.map(|kind| kind.as_str()) == Some(kind)
                    && row.interaction.as_deref() == Some(interaction)
                    && row.outcome == outcome
                    && row.parameters == parameters
                    && row.released == released
            });
            let at = at.unwrap_or_else(|| {
                panic!("no row {kind} {interaction} {outcome:?} {parameters:?} {released:?} in {left:#?}")
            });
            let row = left.remove(at);
            assert_eq!(row.person, Some(me), "whose record was asked for, whatever the id that was named");
            assert!(row.account.is_some() && row.client.is_some());
        }
        let text = format!("{rows:?}");
        for value in
            ["canary-code", "canary-id", "ge2026", &id, &other.to_string(), next.split_once("_page=").unwrap().1]
        {
            assert!(!text.contains(value), "a value stands in the audit trail: {value}");
        }
    });
}

#[test]
fn requests_without_a_live_token_leave_no_row_about_anybody() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let me = world.person("maria").id;
        for token in [None, Some("dead")] {
            assert_eq!(world.send("GET", &format!("/fhir/Patient/{me}"), token, &[], "").await.status, 401);
        }
        let rows = rows(&world, 0).await;
        assert!(rows.iter().all(|row| row.person.is_none()), "{rows:?}");
    });
}

/// A false alarm is an alarm that nobody listens to.
#[test]
fn u12_healthy_sources_raise_no_alarm_for_any_type() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let maria = world.token("maria").await;
        let mut searches = 0;
        for kind in chartgate::fhir::ResourceType::ALL {
            let status = world.search(kind.as_str(), &[], &maria).await.status;
            searches += usize::from(matches!(status, 200 | 400 | 403));
        }
        let rows = rows(&world, searches).await;
        assert!(rows.iter().filter(|row| row.released > Some(0)).count() > 10, "{rows:#?}");
        for row in rows {
            assert_eq!(row.withheld, None, "{row:#?}");
        }
    });
}
