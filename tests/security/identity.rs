//! Ids that lead somewhere else.

use chartgate::gateway::Refusal;

use super::hostile::{OTHER, OWN, World};

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
