//! The pages of a record are one more surface: proxies find there what REST gives them, and no trace of the rest.

use chartgate::identity::GrantBasis;
use serde_json::Value;

use super::family::{confidential, family, grant, token};
use super::surfaces::seen_at_one;
use crate::fhir::record_pages::{pages, shown};
use crate::support::world::{World, run};

const PARTS: [(&str, &str); 7] = [
    ("results", "Observation"),
    ("vitals", "Observation"),
    ("medications", "MedicationRequest"),
    ("immunizations", "Immunization"),
    ("visits", "Encounter"),
    ("appointments", "Appointment"),
    ("conditions", "Condition"),
];

/// Every page that the father of a teenager can reach of the record, without what differs between two installations.
async fn read(world: &World) -> Vec<String> {
    let mut browser = world.browser("gil").await;
    let mut read = vec![browser.get(&format!("/record?person={}", world.person("ben").id)).await.body];
    for (part, _) in PARTS {
        read.extend(pages(world, &mut browser, "ben", part).await.into_iter().map(|page| page.body));
    }
    let same = |text: String| {
        // A token of the reader's session is another one in each installation.
        let (before, token) = text.split_once("name=\"switch_token\" value=\"").unwrap();
        let text = format!("{before}{}", token.split_once('"').unwrap().1);
        let text = world.practices.iter().fold(text, |text, practice| text.replace(&practice.source, "source"));
        world.persons.values().fold(text, |text, person| text.replace(&person.id.to_string(), "person"))
    };
    read.into_iter().map(same).collect()
}

#[test]
fn a_page_shows_proxies_what_rest_does() {
    run(async {
        let world = family(confidential("ben-one")).await;
        grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
        let token = token(&world, "gil", "ben").await;
        let mut browser = world.browser("gil").await;
        let mut by_page = Vec::new();
        for part in ["results", "vitals"] {
            by_page.extend(shown(&pages(&world, &mut browser, "ben", part).await, part));
        }
        let mut by_page: Vec<String> =
            by_page.iter().filter_map(|id| id.split_once(".ben-one-")).map(|(_, id)| id.to_owned()).collect();
        by_page.sort();
        let by_rest = seen_at_one(&world, &token, "ben", "Observation").await;
        assert_eq!(by_page, by_rest);
        assert!(!by_rest.contains(&"pcr".to_owned()));
    });
}

#[test]
fn what_is_hidden_from_a_father_leaves_no_trace_in_any_page() {
    run(async {
        let (without, with) = (family(Vec::new()).await, family(confidential("ben-one")).await);
        for world in [&without, &with] {
            grant(world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
        }
        let (without, with) = (read(&without).await, read(&with).await);
        assert_eq!(without.len(), with.len());
        for (without, with) in without.iter().zip(&with) {
            assert_eq!(without, with);
        }
    });
}
