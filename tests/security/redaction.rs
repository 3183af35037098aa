//! Other people inside a resource that the caller may see.

use serde_json::{Value, json};

use super::hostile::{CANARY, OTHER, OWN, World, ids, observation, outcomes};

fn masked() -> Value {
    json!({"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]})
}

async fn shown(world: &World, more: &Value) -> Value {
    world.holds(&observation("o1", more));
    let text = world.read("Observation", "o1").await.unwrap();
    assert!(!text.contains(CANARY), "{text}");
    assert!(!text.contains(OTHER), "{text}");
    assert!(!text.contains(&world.authority), "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn f28_whoever_names_another_patient_is_masked() {
    let world = World::start().await;
    let base = &world.base;
    for performer in [
        json!({"reference": format!("Patient/{OTHER}"), "display": CANARY}),
        json!({"reference": format!("{base}/Patient/{OTHER}/_history/3"), "display": CANARY}),
        json!({"display": CANARY, "reference": format!("https://elsewhere.example/fhir/Patient/{OTHER}")}),
        json!({"reference": format!("Patient?identifier={OTHER}"), "display": CANARY}),
        json!({"reference": format!("Patient/{OTHER}#x"), "display": CANARY}),
        json!({"reference": format!("patient/{OTHER}"), "display": CANARY}),
        json!({"type": "Patient", "identifier": {"value": OTHER}, "display": CANARY}),
        json!({"display": CANARY, "type": "http://hl7.org/fhir/StructureDefinition/Patient"}),
        json!({"type": "Patient", "reference": "urn:uuid:0c3c7d3a-6f0e-4a3c-9d52-000000000002", "display": CANARY}),
        json!({
            "extension": [{"url": "u", "valueReference": {"reference": format!("Patient/{OTHER}"), "display": CANARY}}],
            "reference": format!("Patient/{OTHER}"),
            "display": CANARY,
        }),
    ] {
        let narrative = json!({"status": "generated", "div": CANARY});
        let resource = shown(&world, &json!({"performer": [performer.clone()], "text": narrative})).await;
        assert_eq!(resource["performer"][0], masked(), "{performer}");
        assert_eq!(resource["text"], Value::Null, "the narrative may name them as well");
        assert_eq!(resource["subject"]["reference"], format!("Patient/{}", world.person));
    }
}

#[tokio::test]
async fn f28_the_person_and_the_staff_are_not_masked() {
    let world = World::start().await;
    let performer = json!([
        {"reference": format!("Patient/{OWN}"), "type": "Patient", "display": "Ann"},
        {"type": "Practitioner", "identifier": {"value": "npi"}, "display": "Dr. Who"},
        {"display": "Dr. Who"},
    ]);
    let text = json!({"status": "generated", "div": "<div>Patient/caregiver education</div>"});
    let resource = shown(&world, &json!({"performer": performer.clone(), "text": text.clone()})).await;
    assert_eq!(resource["performer"][0]["display"], "Ann");
    assert_eq!(resource["performer"][1], performer[1]);
    assert_eq!(resource["performer"][2], performer[2]);
    assert_eq!(resource["text"], text);
}

#[tokio::test]
async fn f28_an_element_for_patients_alone_needs_no_type() {
    let world = World::start().await;
    world.holds(&json!({
        "resourceType": "DocumentReference", "id": "d1", "status": "current",
        "subject": {"reference": format!("Patient/{OWN}")},
        "content": [{"attachment": {"title": "t"}}],
        "context": {"sourcePatientInfo": {"identifier": {"value": OTHER}, "display": CANARY}},
    }));
    let text = world.read("DocumentReference", "d1").await.unwrap();
    assert!(!text.contains(CANARY) && !text.contains(OTHER), "{text}");
}

#[tokio::test]
async fn f23_contained_resources_of_others_and_of_unknown_types_go() {
    let world = World::start().await;
    for contained in [
        json!({"resourceType": "Patient", "id": "c", "name": [{"text": CANARY}]}),
        json!({"resourceType": "Person", "id": "c", "name": [{"text": CANARY}]}),
        json!({"resourceType": "Group", "id": "c", "name": CANARY}),
        json!({"resourceType": "Basic", "id": "c", "text": {"div": CANARY}}),
        json!({"resourceType": "Observation", "id": "#c", "valueString": CANARY, "subject": {"reference": format!("Patient/{OTHER}")}}),
        json!({"resourceType": "Coverage", "id": "c", "subscriberId": CANARY, "beneficiary": {"identifier": {"value": OTHER}}}),
        json!({"resourceType": "Device", "id": "c", "note": [{"text": CANARY}], "patient": {"reference": "urn:uuid:1"}}),
    ] {
        let to_it = json!({"reference": "#c", "display": CANARY});
        let resource = shown(&world, &json!({"contained": [contained.clone()], "specimen": to_it})).await;
        assert_eq!(resource["contained"], Value::Null, "{contained}");
        assert_eq!(resource["specimen"], masked(), "{contained}");
    }
    let kept = json!({"resourceType": "Specimen", "id": "s", "subject": {"reference": format!("Patient/{OWN}")}});
    let gone = json!({"resourceType": "Basic", "id": "c"});
    let resource = shown(&world, &json!({"contained": [gone, kept], "specimen": {"reference": "#s"}})).await;
    assert_eq!(resource["contained"][0]["id"], "s");
    assert_eq!(resource["contained"].as_array().unwrap().len(), 1);
    assert_eq!(resource["specimen"], json!({"reference": "#s"}));
}

#[tokio::test]
async fn f37_an_extension_goes_whole_when_its_value_goes() {
    let world = World::start().await;
    let at_source = format!("{}/metadata", world.base);
    let resource = shown(
        &world,
        &json!({
            "extension": [
                {"url": "https://x.example/one", "valueUri": at_source},
                {"url": "https://x.example/two", "extension": [{"url": "a", "valueUrl": at_source}]},
                {"url": at_source, "valueCode": "c"},
                {"url": "https://x.example/three", "valueCode": "kept"},
            ],
            "modifierExtension": [{"url": "https://x.example/one", "valueUri": at_source}],
            "meta": {"tag": [{"system": at_source}], "source": at_source},
        }),
    )
    .await;
    assert_eq!(resource["extension"], json!([{"url": "https://x.example/three", "valueCode": "kept"}]));
    assert_eq!(resource["modifierExtension"], Value::Null);
    assert_eq!(resource["meta"], Value::Null, "nothing is left of it, and FHIR has no empty objects");
}

#[tokio::test]
async fn f10_what_is_masked_cannot_be_searched_or_sorted_by() {
    let world = World::start().await;
    let named = json!({"performer": [{"reference": format!("Patient/{OTHER}"), "identifier": {"value": "mrn-b"}}]});
    let staff = json!({"performer": [{"reference": "Practitioner/dr", "identifier": {"value": "npi"}}]});
    world.finds("Observation", &[observation("o1", &named), observation("o2", &staff)]);
    let by = async |name: &str, value: &str| ids(&world.search("Observation", &[(name, value)]).await);
    assert_eq!(by("performer", &format!("Practitioner/{}", world.id("dr"))).await, ["o2"], "the search works");
    // The bare id does not say that a Patient is meant.
    assert_eq!(by("performer", &world.id(OTHER)).await, [""; 0]);
    assert_eq!(by("performer", &format!("Patient/{}", world.id(OTHER))).await, [""; 0]);
    assert_eq!(by("performer:identifier", "npi").await, ["o2"], "the search works");
    assert_eq!(by("performer:identifier", "mrn-b").await, [""; 0]);
    assert_eq!(by("performer:missing", "true").await, ["o1"], "as it is shown");
    // Practitioner sorts behind Patient; a masked reference sorts as none.
    assert_eq!(by("_sort", "performer").await, ["o2", "o1"]);
}

#[tokio::test]
async fn f37_a_foreign_patient_in_an_address_is_held_back() {
    let world = World::start().await;
    let link = format!("Patient/{OTHER}");
    world.finds(
        "Observation",
        &[
            observation("o1", &json!({"extension": [{"url": "u", "valueUri": link}]})),
            observation("o2", &json!({"note": [{"text": "Patient/caregiver education"}]})),
        ],
    );
    let bundle = world.search("Observation", &[]).await;
    assert_eq!(ids(&bundle), ["o2"]);
    assert_eq!(outcomes(&bundle), ["A resource could not be shown safely."]);
    assert!(!bundle.to_string().contains(OTHER));
    // A narrative is given up before its resource is.
    let narrative = json!({"status": "generated", "div": format!("<a href=\"{link}\">{CANARY}</a>")});
    assert_eq!(shown(&world, &json!({"text": narrative})).await["text"], Value::Null);
}
