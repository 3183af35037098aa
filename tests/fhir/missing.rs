//! `:missing` (FHIR R4 search.html §3.1.1.4.5) of every parameter that is served, on what is shown: evaluated here, as
//! EHRs that ignore it would give both answers.

use std::collections::BTreeSet;

use chartgate::config::Limits;
use chartgate::fhir::ResourceType;
use chartgate::fhir::knowledge::{Knowledge, SearchKind};

use super::oracle::Visible;
use super::record::searchable;
use crate::naive::at;
use crate::support::world::{World, pairs, run};

/// Parameters with the elements that they look at, by hand. Missing means: nothing stands at any of them.
const BY_HAND: &[(&str, &str, &[&str])] = &[
    ("Observation", "encounter", &["encounter"]),
    ("Observation", "value-quantity", &["valueQuantity"]),
    ("Observation", "date", &["effectiveDateTime", "effectivePeriod", "effectiveInstant"]),
    ("Observation", "component-code", &["component>code"]),
    ("Condition", "abatement-date", &["abatementDateTime", "abatementPeriod"]),
    ("Condition", "recorded-date", &["recordedDate"]),
    ("Encounter", "location", &["location>location"]),
    ("Encounter", "discharge-disposition", &["hospitalization>dischargeDisposition"]),
    ("MedicationRequest", "code", &["medicationCodeableConcept"]),
    ("DocumentReference", "period", &["context>period"]),
    ("Goal", "target-date", &["target>dueDate"]),
    ("Immunization", "lot-number", &["lotNumber"]),
    ("Practitioner", "name", &["name"]),
    ("Organization", "address-city", &["address>city"]),
    ("Patient", "death-date", &["deceasedDateTime"]),
    ("RelatedPerson", "birthdate", &["birthDate"]),
];

async fn ids(world: &World, resource_type: &str, query: &[(&str, &str)], token: &str) -> BTreeSet<String> {
    let mut query = pairs(query);
    query.push(("_count".to_owned(), "500".to_owned()));
    let answer = world.search(resource_type, &query, token).await;
    assert_eq!(answer.outcomes(), Vec::<String>::new(), "{resource_type} {query:?}");
    assert!(answer.link("next").is_none());
    answer.ids().into_iter().collect()
}

#[test]
fn f09_every_parameter_divides_what_is_shown_into_with_and_without_and_no_source_is_asked() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let token = world.token("maria").await;
        let knowledge = Knowledge::embedded().unwrap();
        let (mut divided, mut asked) = (0, 0);
        for resource_type in searchable() {
            let all = ids(&world, resource_type, &[], &token).await;
            for parameter in &knowledge.of(ResourceType::parse(resource_type).unwrap()).parameters {
                // R4 has it for all but combinations.
                if parameter.kind == SearchKind::Composite || all.is_empty() {
                    continue;
                }
                world.forget_upstream();
                let name = format!("{}:missing", parameter.name);
                let without = ids(&world, resource_type, &[(&name, "true")], &token).await;
                let with = ids(&world, resource_type, &[(&name, "false")], &token).await;
                assert!(without.is_disjoint(&with), "{resource_type} {name}");
                assert_eq!(without.union(&with).cloned().collect::<BTreeSet<_>>(), all, "{resource_type} {name}");
                divided += usize::from(!with.is_empty() && !without.is_empty());
                asked += 1;
                for practice in &world.practices {
                    for request in practice.requests.all() {
                        assert!(request.query.iter().all(|(name, _)| !name.contains(':')), "{:?}", request.query);
                    }
                }
            }
        }
        assert!(asked > 250 && divided > 40, "{asked} {divided}");
    });
}

#[test]
fn missing_is_what_the_second_evaluator_finds_missing() {
    run(async {
        let world = super::fixtures().await;
        let token = world.token("maria").await;
        let visible = Visible::of(world, "maria");
        for (resource_type, parameter, paths) in BY_HAND {
            for (missing, wanted) in [("true", true), ("false", false)] {
                let name = format!("{parameter}:missing");
                let shown = ids(world, resource_type, &[(&name, missing)], &token).await;
                let of_type = visible.of_type(resource_type);
                let is_missing = |resource: &serde_json::Value| paths.iter().all(|path| at(resource, path).is_empty());
                let count = match *resource_type {
                    // The person is one record, of everything that their records have.
                    "Patient" => usize::from(of_type.values().all(|resource| is_missing(resource)) == wanted),
                    _ => of_type.values().filter(|resource| is_missing(resource) == wanted).count(),
                };
                assert_eq!(shown.len(), count, "{resource_type}?{name}={missing}");
            }
        }
    });
}

#[test]
fn missing_takes_true_or_false_and_nothing_else() {
    run(async {
        let world = super::fixtures().await;
        let token = world.token("maria").await;
        for bad in ["", "yes", "TRUE", "1", "true,false", "true "] {
            let answer = world.search("Observation", &pairs(&[("encounter:missing", bad)]), &token).await;
            assert_eq!(answer.status, 400, "{bad:?}");
        }
        let answer = world.search("Observation", &pairs(&[("code-value-quantity:missing", "true")]), &token).await;
        assert!(answer.status == 400 || answer.outcomes().len() == 1, "a combination has no :missing");
    });
}
