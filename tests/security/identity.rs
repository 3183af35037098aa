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
