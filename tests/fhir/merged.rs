//! The merged Patient: what both practices say of one person, and who says what.

use serde_json::{Value, json};

use chartgate::config::Limits;

use super::fixtures;
use super::record::leaks;
use crate::naive::at;
use crate::support::world::{PersonSpec, PracticeSpec, World, pairs, run};

fn records<'w>(world: &'w World, person: &str) -> Vec<&'w Value> {
    let links = world.person(person).links.iter();
    links.map(|(practice, id)| world.practices[*practice].find("Patient", id).unwrap()).collect()
}

#[test]
fn demographics_are_the_primary_ones_and_identifiers_of_both_with_their_source() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let me = world.person("maria").id.to_string();
        let answer = world.get(&format!("/fhir/Patient/{me}"), &token).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let patient = answer.json();
        let [riverside, lakeside] = records(world, "maria")[..] else { panic!("two records") };
        assert_eq!(patient["id"], me);
        assert_eq!(patient["birthDate"], riverside["birthDate"]);
        assert_eq!(patient["gender"], riverside["gender"]);
        let values = |resource: &Value, path: &str| -> Vec<String> {
            at(resource, path).into_iter().map(|value| value.as_str().unwrap().to_owned()).collect()
        };
        for path in ["identifier>value", "telecom>value", "address>line", "name>family"] {
            let mut wanted = values(riverside, path);
            wanted.extend(values(lakeside, path));
            wanted.sort();
            let mut shown = values(&patient, path);
            shown.sort();
            wanted.dedup();
            shown.dedup();
            assert_eq!(shown, wanted, "{path}: nothing that a practice says is lost");
        }
        // The primary record's come first.
        assert_eq!(values(&patient, "identifier>value")[0], values(riverside, "identifier>value")[0]);
        assert_eq!(values(&patient, "name>family")[0], values(riverside, "name>family")[0]);
        // Each item says which source record states it.
        let sources: Vec<String> = values(&patient, "link>other>reference");
        assert_eq!(sources.len(), 2);
        for identifier in patient["identifier"].as_array().unwrap() {
            let stated: Vec<String> = values(identifier, "extension>valueReference>reference");
            let index = usize::from(at(lakeside, "identifier>value").contains(&&identifier["value"]));
            assert_eq!(stated, [sources[index].clone()], "{identifier}");
        }
        assert!(leaks(world, "maria", &answer.text).is_empty(), "{:?}", leaks(world, "maria", &answer.text));
    });
}

#[test]
fn links_lead_to_source_records_that_point_back_and_stay_what_they_are() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let me = world.person("maria").id.to_string();
        let patient = world.get(&format!("/fhir/Patient/{me}"), &token).await.json();
        for (link, held) in patient["link"].as_array().unwrap().iter().zip(records(world, "maria")) {
            assert_eq!(link["type"], "seealso");
            let reference = link["other"]["reference"].as_str().unwrap();
            let record = world.get(&format!("/fhir/{reference}"), &token).await;
            assert_eq!(record.status, 200, "{reference}");
            let shown = record.json();
            assert_eq!(format!("Patient/{}", shown["id"].as_str().unwrap()), reference);
            assert_eq!(shown["name"], held["name"]);
            assert_eq!(shown["identifier"][0]["value"], held["identifier"][0]["value"]);
            assert!(leaks(world, "maria", &record.text).is_empty(), "{:?}", leaks(world, "maria", &record.text));
            // Nobody else reads it.
            for other in ["carlos", "zoe"] {
                let hidden = world.get(&format!("/fhir/{reference}"), &world.token(other).await).await;
                assert_eq!(hidden.status, 404, "{reference} as {other}");
            }
        }
    });
}

#[test]
fn values_on_which_the_practices_differ_are_kept_with_their_source() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let me = world.person("maria").id.to_string();
        let patient = world.get(&format!("/fhir/Patient/{me}"), &token).await.json();
        let [riverside, lakeside] = records(world, "maria")[..] else { panic!("two records") };
        // By hand: elements that occur once.
        let mut differing = 0;
        for element in ["active", "gender", "birthDate", "maritalStatus", "managingOrganization"] {
            let (first, second) = (riverside.get(element), lakeside.get(element));
            if let (Some(first), Some(second)) = (first, second)
                && first != second
            {
                differing += 1;
                let said = patient["extension"].as_array().unwrap().iter().any(|extension| {
                    extension["url"].as_str().unwrap().ends_with("/differing-value")
                        && at(extension, "extension?url=element>valueString").contains(&&Value::from(element))
                });
                assert!(said, "{element} differs and only one value is shown");
            }
        }
        assert!(differing >= 1, "the fixtures differ nowhere: this test shows nothing");
    });
}

#[test]
fn f33_patient_searches_find_the_person_in_context_or_nobody() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let me = world.person("maria").id.to_string();
        let finds = async |query: &[(&str, &str)]| world.search("Patient", &pairs(query), &token).await.ids();
        let mine: &[&[(&str, &str)]] = &[
            &[],
            &[("_id", &me)],
            &[("name", "alvarez")],
            &[("name", "Ruiz")],
            &[("family", "ruiz-alv")],
            &[("given", "maria")],
            &[("birthdate", "1964-03-12")],
            &[("birthdate", "1964"), ("name", "alvarez")],
            &[("gender", "female"), ("name", "maria")],
            &[("identifier", "MRN-334600")],
            &[("identifier", "urn:oid:2.999.413.7.2|LKS-433220")],
            &[("identifier", "https://riverside-family.example/ids/mrn|MRN-334600")],
            &[("address-city", "Greenfield")],
            &[("phone", "413-555-0172")],
            &[("email", "m.ruiz@oldmail.example")],
        ];
        for query in mine {
            assert_eq!(finds(query).await, [me.as_str()], "{query:?}");
        }
        let others = world.person("carlos").id.to_string();
        let source_record = format!("{}.pat-1001", world.practice("riverside").source);
        let nobody: &[&[(&str, &str)]] = &[
            &[("_id", &others)],
            &[("_id", "pat-1001")],
            &[("_id", &source_record)],
            &[("name", "Carlos")],
            &[("name", "Medina")],
            &[("birthdate", "1961-11-02")],
            &[("identifier", "MRN-708630")],
            &[("identifier", "LKS-527098")],
            &[("gender", "male")],
            &[("phone", "413-555-0173")],
            &[("name", "maria"), ("birthdate", "1961-11-02")],
        ];
        for query in nobody {
            assert_eq!(finds(query).await, Vec::<String>::new(), "{query:?}");
        }
        let search = world.search("Patient", &[], &token).await;
        assert_eq!(search.matches()[0], world.get(&format!("/fhir/Patient/{me}"), &token).await.json());
    });
}

#[test]
fn two_charts_at_one_practice_are_one_person_too() {
    run(async {
        let observation = |id: &str, patient: &str, focus: &str| {
            json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": id},
                "subject": {"reference": format!("Patient/{patient}")}, "focus": [{"reference": format!("Patient/{focus}")}]})
        };
        let resources = vec![
            json!({"resourceType": "Patient", "id": "old", "name": [{"family": "Before"}], "gender": "female"}),
            json!({"resourceType": "Patient", "id": "new", "name": [{"family": "After"}], "birthDate": "1970"}),
            json!({"resourceType": "Patient", "id": "else", "name": [{"family": "Stranger"}]}),
            observation("a", "old", "new"),
            observation("b", "new", "else"),
            observation("c", "else", "old"),
        ];
        let practice = PracticeSpec {
            key: "one".to_owned(),
            name: "Practice One".to_owned(),
            vendor: "generic".to_owned(),
            resources,
        };
        let links = ["new", "old"].map(|patient| ("one".to_owned(), patient.to_owned())).to_vec();
        let persons = vec![PersonSpec { key: "twice".to_owned(), links }];
        let world = World::start(vec![practice], persons, Limits::default()).await;
        let token = world.token("twice").await;
        let me = world.person("twice").id.to_string();
        let found = world.search("Observation", &[], &token).await;
        let source = &world.practices[0].source;
        assert_eq!(found.ids(), [format!("{source}.a"), format!("{source}.b")]);
        assert_eq!(found.json()["total"], 2);
        let mine = Value::from(format!("Patient/{me}"));
        let shown = found.matches();
        assert!(shown.iter().all(|observation| observation["subject"]["reference"] == mine));
        assert_eq!(shown[0]["focus"][0]["reference"], mine);
        assert!(shown[1]["focus"][0].get("reference").is_none(), "a stranger is no reference");
        let by_patient = world.search("Observation", &pairs(&[("patient", &me)]), &token).await;
        assert_eq!(by_patient.ids(), found.ids());
        let patient = world.get(&format!("/fhir/Patient/{me}"), &token).await.json();
        let families: Vec<&Value> = at(&patient, "name>family");
        assert_eq!(families, ["After", "Before"]);
        assert_eq!((&patient["gender"], &patient["birthDate"]), (&json!("female"), &json!("1970")));
        assert_eq!(patient["link"].as_array().unwrap().len(), 2);
    });
}
