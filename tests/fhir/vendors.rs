//! EHRs that refuse what their vendors refuse: the gateway asks so that they answer, and what comes out is the same as
//! from an EHR that takes everything.

use std::collections::BTreeSet;

use chartgate::config::Limits;
use chartgate::sandbox::{Fault, FaultKind};
use serde_json::Value;

use super::oracle::{Decoder, Visible};
use crate::naive::{self, Evaluation};
use crate::support::world::{Reply, World, fixtures, pairs, run};

/// The world of the fixtures with both practices on one vendor's product.
async fn world_of(vendor: &str) -> World {
    let (mut practices, persons) = fixtures();
    practices.iter_mut().for_each(|practice| practice.vendor = vendor.to_owned());
    World::start(practices, persons, Limits { breaker_failures: 1_000, ..Limits::default() }).await
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn each(world: &World, faults: &[Fault]) {
    world.practices.iter().for_each(|practice| practice.faults.set(faults.to_vec()));
}

type Found = BTreeSet<(usize, String)>;

/// What a search must find, worked out from the fixtures alone: practice and id there.
fn expected(world: &World, resource_type: &str, query: &[(&str, &str)]) -> Found {
    let visible = Visible::of(world, "maria");
    let no_id = |_: &str, _: &str| None;
    let of_type = visible.of_type(resource_type);
    let found = of_type.iter().filter(|((practice, ..), resource)| {
        let base = &world.practices[*practice].base_url;
        naive::matches(resource, &pairs(query), Evaluation { base, gateway: &world.fhir, gateway_id: &no_id })
    });
    found.map(|((practice, _, id), _)| (*practice, id.clone())).collect()
}

/// What was found, each once.
async fn found(world: &World, answer: &Reply, resource_type: &str) -> Found {
    let mut decoder = Decoder::default();
    for resource in answer.matches() {
        decoder.learn(world, &resource).await;
    }
    let ids = answer.ids();
    let found: Found = ids.iter().map(|id| decoder.decode(world, resource_type, id).unwrap()).collect();
    assert_eq!(found.len(), ids.len(), "each once");
    found
}

#[test]
fn epic_refuses_observations_without_a_category_and_still_shows_all() {
    run(async {
        let world = world_of("epic").await;
        let token = world.token("maria").await;
        each(&world, &[Fault::new(FaultKind::SearchNeeds(names(&["category", "code"]))).for_types(&["Observation"])]);
        for query in [
            vec![("_count", "500")],
            vec![("_count", "500"), ("date", "ge2020")],
            vec![("_count", "500"), ("category:not", "laboratory")],
        ] {
            let answer = world.search("Observation", &pairs(&query), &token).await;
            let found = found(&world, &answer, "Observation").await;
            assert_eq!(found, expected(&world, "Observation", &query[1..]), "{query:?}");
            assert!(!found.is_empty(), "{query:?}");
            // Whether the vendor files anything under another category is not known: said, not passed over.
            let outcomes = answer.outcomes();
            assert_eq!(outcomes.len(), 2, "{outcomes:?}");
            assert!(outcomes.iter().all(|text| text.starts_with("incomplete: ") && text.contains("kind by kind")));
        }
        let query = [("_count", "500"), ("category", "laboratory")];
        let answer = world.search("Observation", &pairs(&query), &token).await;
        assert_eq!(answer.outcomes(), Vec::<String>::new(), "a search by category is whole");
        assert_eq!(found(&world, &answer, "Observation").await, expected(&world, "Observation", &query[1..]));
    });
}

#[test]
fn an_observation_of_a_category_that_was_not_asked_for_is_not_passed_over_in_silence() {
    run(async {
        let (mut practices, persons) = fixtures();
        let practice = practices.iter_mut().find(|practice| practice.key == "riverside").unwrap();
        practice.vendor = "epic".to_owned();
        let observation = practice.resources.iter().find(|r| r["resourceType"] == "Observation").unwrap().clone();
        let mut odd: Value = observation;
        odd["id"] = "odd-category".into();
        odd["category"] = serde_json::json!([{"coding": [{"system": "urn:local", "code": "house-special"}]}]);
        practice.resources.push(odd);
        let world = World::start(practices, persons, Limits::default()).await;
        let token = world.token("maria").await;
        let answer = world.search("Observation", &pairs(&[("_count", "500")]), &token).await;
        assert!(answer.outcomes().iter().any(|text| text.contains(&world.practice("riverside").name)));
        assert!(answer.json().get("total").is_none());
    });
}

#[test]
fn oracle_health_is_asked_for_care_plans_by_their_one_category_and_nothing_is_flagged() {
    run(async {
        let world = world_of("oracle-health").await;
        let token = world.token("maria").await;
        each(
            &world,
            &[
                Fault::new(FaultKind::SearchNeeds(names(&["category"]))).for_types(&["CarePlan"]),
                Fault::new(FaultKind::SearchRefuses(names(&["date", "_id", "status"]))).for_types(&["CarePlan"]),
                Fault::new(FaultKind::SearchRefuses(names(&["_id"]))).for_types(&["Condition"]),
            ],
        );
        let answer = world.search("CarePlan", &pairs(&[("_count", "500")]), &token).await;
        assert_eq!(answer.outcomes(), Vec::<String>::new());
        let with_category = expected(&world, "CarePlan", &[("category", "assess-plan")]);
        assert_eq!(found(&world, &answer, "CarePlan").await, with_category);
        assert!(!with_category.is_empty());
        let condition = world.search("Condition", &pairs(&[("_count", "1")]), &token).await.ids().remove(0);
        let one = world.search("Condition", &pairs(&[("_id", &condition)]), &token).await;
        assert_eq!((one.ids(), one.outcomes()), (vec![condition], Vec::new()));
    });
}

#[test]
fn what_eclinicalworks_does_not_declare_is_not_sent_and_still_holds() {
    run(async {
        let world = world_of("eclinicalworks").await;
        let token = world.token("maria").await;
        let undeclared = ["_lastUpdated", "recorded-date", "clinical-status", "code"];
        each(&world, &[Fault::new(FaultKind::SearchRefuses(names(&undeclared))).for_types(&["Condition"])]);
        for query in [
            vec![("clinical-status", "active")],
            vec![("_lastUpdated", "ge2020")],
            vec![("recorded-date", "ge2024")],
            vec![("category", "problem-list-item"), ("clinical-status", "active")],
        ] {
            let mut asked = vec![("_count", "500")];
            asked.extend(query.iter().copied());
            let answer = world.search("Condition", &pairs(&asked), &token).await;
            assert_eq!(answer.outcomes(), Vec::<String>::new(), "{query:?}");
            assert_eq!(found(&world, &answer, "Condition").await, expected(&world, "Condition", &query), "{query:?}");
        }
    });
}
