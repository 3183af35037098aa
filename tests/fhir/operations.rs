//! F25, F12: what is not offered is not there, at any level.

use super::fixtures;
use super::record::leaks;
use crate::support::world::run;

const OPERATIONS: [&str; 22] = [
    "$graphql",
    "$export",
    "$member-match",
    "$match",
    "$validate",
    "$convert",
    "$convert-data",
    "$meta",
    "$meta-add",
    "$meta-delete",
    "$expunge",
    "$process-message",
    "$x",
    "$everything",
    "$docref",
    "$lastn",
    "$summary",
    "$merge",
    "$closure",
    "$reindex",
    "$diff",
    "$versions",
];

#[test]
fn f25_operations_that_are_not_offered_are_not_there_at_any_level() {
    run(async {
        let world = fixtures().await;
        let token = world.token("carlos").await;
        let (own, maria) = (world.person("carlos").id, world.person("maria").id);
        let observation = world.search("Observation", &[], &token).await.ids()[0].clone();
        let body = r#"{"resourceType":"Parameters"}"#;
        let headers = [("content-type", "application/fhir+json")];
        for operation in OPERATIONS {
            let offered = match operation {
                "$everything" => Some(format!("Patient/{own}")),
                "$docref" => Some("DocumentReference".to_owned()),
                _ => None,
            };
            for at in [
                String::new(),
                "Patient".to_owned(),
                "Observation".to_owned(),
                "DocumentReference".to_owned(),
                format!("Patient/{own}"),
                format!("Patient/{maria}"),
                format!("Observation/{observation}"),
                format!("Observation/{observation}/_history/1"),
                "Claim".to_owned(),
            ] {
                if offered.as_ref() == Some(&at) {
                    continue;
                }
                let target =
                    if at.is_empty() { format!("/fhir/{operation}") } else { format!("/fhir/{at}/{operation}") };
                for (method, body) in [("GET", ""), ("POST", body), ("DELETE", "")] {
                    let answer = world.send(method, &target, Some(&token), &headers, body).await;
                    assert!([404, 405].contains(&answer.status), "{method} {target}: {}", answer.status);
                    assert_eq!(answer.json()["resourceType"], "OperationOutcome", "{method} {target}");
                    assert!(leaks(world, "carlos", &answer.text).is_empty());
                }
            }
        }
        // Nor is the history of a type or of all.
        for target in ["/fhir/_history", "/fhir/Observation/_history", "/fhir/_search", "/fhir/Patient/_search/x"] {
            assert!([404, 405].contains(&world.get(target, &token).await.status), "{target}");
        }
    });
}

#[test]
fn f12_parameters_that_could_widen_an_answer_are_refused_below_a_patient_as_well() {
    run(async {
        let world = fixtures().await;
        let token = world.token("carlos").await;
        let own = world.person("carlos").id;
        for name in [
            "_filter",
            "_query",
            "_text",
            "_content",
            "_list",
            "_in",
            "_contained",
            "_containedType",
            "_type",
            "_source",
            "_security",
            "_profile",
            "_has:Observation:patient:code",
        ] {
            for base in ["/fhir/Observation".to_owned(), format!("/fhir/Patient/{own}/Observation")] {
                for prefer in ["handling=lenient", "handling=strict"] {
                    let target = format!("{base}?{name}=x");
                    let answer = world.send("GET", &target, Some(&token), &[("prefer", prefer)], "").await;
                    assert_eq!(answer.status, 400, "{target}");
                }
            }
        }
    });
}

#[test]
fn f38_what_the_server_says_of_itself_names_no_source_and_all_that_it_offers() {
    run(async {
        let world = fixtures().await;
        let statement = world.send("GET", "/fhir/metadata", None, &[], "").await;
        assert_eq!(statement.status, 200);
        for practice in &world.practices {
            for word in [practice.authority.as_str(), practice.name.as_str(), practice.source.as_str()] {
                assert!(!statement.text.contains(word), "{word}");
            }
        }
        assert!(statement.header("server").is_none());
        let rest = &statement.json()["rest"][0];
        assert_eq!(rest["interaction"][0]["code"], "batch");
        let of = |kind: &str| {
            let resources = rest["resource"].as_array().unwrap();
            resources.iter().find(|resource| resource["type"] == kind).unwrap().clone()
        };
        assert_eq!(of("Patient")["operation"][0]["name"], "everything");
        assert_eq!(of("DocumentReference")["operation"][0]["name"], "docref");
        let codes = |kind: &str| -> Vec<String> {
            let interactions = of(kind)["interaction"].as_array().cloned().unwrap();
            interactions.iter().map(|interaction| interaction["code"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(codes("Observation"), ["read", "vread", "history-instance", "search-type"]);
        assert_eq!(codes("Binary"), ["read"]);
        assert_eq!(of("Observation")["conditionalRead"], "full-support");
    });
}
