//! Ids that lead somewhere else.

use chartgate::gateway::Refusal;
use serde_json::{Value, json};

use super::hostile::{OTHER, OWN, World, ids as ids_of, observation, outcomes};

#[tokio::test]
async fn f35_an_id_of_dots_never_becomes_a_path() {
    let world = World::start().await;
    for id in [".", "..", ""] {
        for resource_type in ["Observation", "Patient", "Practitioner"] {
            let refused = world.read(resource_type, id).await.unwrap_err();
            assert_eq!(refused, Refusal::NotFound, "{resource_type}/{id:?}");
            assert_eq!(world.asked(), [""; 0], "{resource_type}/{id:?} went to the EHR");
        }
    }
    // An id may hold dots.
    let _ = world.read("Observation", "..x").await;
    assert_eq!(world.asked(), ["Observation/..x"]);
}

#[tokio::test]
async fn f01_another_patient_is_not_even_asked_for() {
    let world = World::start().await;
    assert!(world.read("Patient", OWN).await.is_ok());
    assert_eq!(world.asked(), [format!("Patient/{OWN}")]);
    for id in [OTHER, "never-issued"] {
        assert_eq!(world.read("Patient", id).await.unwrap_err(), Refusal::NotFound);
        assert_eq!(world.asked(), [""; 0], "{id}");
    }
}

#[tokio::test]
async fn f13_ids_by_the_thousand_are_refused_before_they_are_looked_up() {
    let world = World::start().await;
    let hashed = |n: usize| format!("{}.h-{n:026}", world.key);
    let list = |from: usize, many: usize| (from..from + many).map(hashed).collect::<Vec<_>>().join(",");
    let found = world.search("Observation", &[("_id", &list(0, 200))]).await;
    assert!(found.get("entry").is_none());
    let lists: Vec<String> = (0..9).map(|n| list(n * 200, 200)).collect();
    let pairs: Vec<(&str, &str)> = lists.iter().map(|list| ("performer", list.as_str())).collect();
    let refused = world.search_with("patient/*.rs", "Observation", &pairs).await.unwrap_err();
    assert!(matches!(refused, Refusal::Invalid { code: "too-costly", .. }), "{refused:?}");
    assert_eq!(world.asked(), [""; 0]);
    // A NUL has no place in an id, nor in a row of PostgreSQL.
    let odd = format!("{}.h-\0{:025}", world.key, 0);
    assert_eq!(world.read_with("patient/*.rs", "Observation", &odd).await.unwrap_err(), Refusal::NotFound);
}

#[tokio::test]
async fn u15_ids_longer_than_fhir_allows_are_served_under_an_id_that_fits_and_come_back() {
    let world = World::start().await;
    let long = |last: char| format!("{}{last}", "eK3.x-Z9".repeat(11));
    let ids = [long('a'), long('b'), "y".repeat(192)];
    world.finds("Observation", &ids.each_ref().map(|id| observation(id, &json!({}))));
    let found = world.search("Observation", &[("_total", "accurate")]).await;
    assert_eq!(found["total"], 3, "{found}");
    let served: Vec<String> = found["entry"].as_array().unwrap().iter().map(id_of).collect();
    assert!(served.iter().all(|id| id.len() <= 64), "{served:?}");
    world.asked();
    for id in &served {
        let _ = world.read_with("patient/*.rs", "Observation", id).await;
    }
    let mut asked = world.asked();
    asked.sort();
    let mut expected: Vec<String> = ids.iter().map(|id| format!("Observation/{id}")).collect();
    expected.sort();
    assert_eq!(asked, expected, "each leads back to its own");
    // Beyond that it is nonsense, and said to be left out.
    world.finds("Observation", &["y".repeat(193), "z".to_owned()].map(|id| observation(&id, &json!({}))));
    let found = world.search("Observation", &[]).await;
    assert_eq!(ids_of(&found), ["z"]);
    assert!(found.get("total").is_none() && outcomes(&found).len() == 1, "{found}");
}

fn id_of(entry: &Value) -> String {
    entry["resource"]["id"].as_str().unwrap().to_owned()
}
