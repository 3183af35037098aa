//! Whose resource it is: no element but the one that says so makes it anybody's.

use chartgate::config::Limits;
use serde_json::{Map, Value, json};

use super::hostile::{CANARY, Ehr, OTHER, OWN, over_http};
use crate::support::world::{World, run};

/// An element, and the search parameter on it, if there is one.
type Place = (&'static str, &'static str);

/// Every element of FHIR R4 (4.0.1) that may refer to a Patient, of the types that are served, apart from the one that
/// says whose record the resource is kept in; with the search parameters on it. By hand, from the definitions of the
/// resources and from the search parameters with Patient among their targets. `[]` is a list.
const ELSEWHERE: &[(&str, &str, &[Place])] = &[
    ("Account", "subject[]", &[("guarantor[].party", "")]),
    ("AllergyIntolerance", "patient", &[("recorder", "recorder"), ("asserter", "asserter")]),
    (
        "Appointment",
        "participant[].actor",
        &[("supportingInformation[]", "supporting-info"), ("reasonReference[]", "reason-reference")],
    ),
    ("CarePlan", "subject", &[("author", ""), ("contributor[]", ""), ("activity[].detail.performer[]", "performer")]),
    ("CareTeam", "subject", &[("participant[].member", "participant"), ("participant[].onBehalfOf", "")]),
    ("ChargeItem", "subject", &[("performer[].actor", "performer-actor"), ("enterer", "enterer")]),
    (
        "Communication",
        "subject",
        &[
            ("recipient[]", "recipient"),
            ("sender", "sender"),
            ("basedOn[]", "based-on"),
            ("partOf[]", "part-of"),
            ("about[]", ""),
        ],
    ),
    ("Condition", "subject", &[("recorder", ""), ("asserter", "asserter"), ("evidence[].detail[]", "evidence-detail")]),
    (
        "Consent",
        "patient",
        &[
            ("performer[]", "consentor"),
            ("verification[].verifiedWith", ""),
            ("provision.actor[].reference", "actor"),
            ("provision.data[].reference", "data"),
        ],
    ),
    (
        "Coverage",
        "beneficiary",
        &[("policyHolder", "policy-holder"), ("subscriber", "subscriber"), ("payor[]", "payor")],
    ),
    ("Device", "patient", &[("owner", "organization")]),
    ("DiagnosticReport", "subject", &[("performer[]", "performer"), ("result[]", "result")]),
    (
        "DocumentReference",
        "subject",
        &[("author[]", "author"), ("context.sourcePatientInfo", ""), ("context.related[]", "related")],
    ),
    ("Encounter", "subject", &[("participant[].individual", "participant")]),
    ("Goal", "subject", &[("expressedBy", ""), ("addresses[]", "")]),
    ("Immunization", "patient", &[("performer[].actor", "performer")]),
    ("Invoice", "subject", &[("recipient", "recipient"), ("participant[].actor", "participant")]),
    ("Media", "subject", &[("operator", "operator")]),
    ("MedicationDispense", "subject", &[("performer[].actor", "performer"), ("receiver[]", "receiver")]),
    (
        "MedicationRequest",
        "subject",
        &[("requester", "requester"), ("performer", "intended-performer"), ("reportedReference", "")],
    ),
    ("MedicationStatement", "subject", &[("informationSource", "source")]),
    ("Observation", "subject", &[("focus[]", "focus"), ("performer[]", "performer")]),
    (
        "Procedure",
        "subject",
        &[("recorder", ""), ("asserter", ""), ("performer[].actor", "performer"), ("focalDevice[].manipulated", "")],
    ),
    ("QuestionnaireResponse", "subject", &[("author", "author"), ("source", "source")]),
    ("RelatedPerson", "patient", &[("extension[].valueReference", "")]),
    ("ServiceRequest", "subject", &[("requester", "requester"), ("performer[]", "performer")]),
    ("Specimen", "subject", &[("collection.collector", "collector")]),
    (
        "Task",
        "for",
        &[
            ("requester", "requester"),
            ("owner", "owner"),
            ("basedOn[]", "based-on"),
            ("focus", "focus"),
            ("restriction.recipient[]", ""),
        ],
    ),
    ("VerificationResult", "target[]", &[("primarySource[].who", "")]),
];

/// Puts a value at a path.
fn set(members: &mut Map<String, Value>, path: &str, value: Value) {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let (name, is_list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
    let mut inner = value;
    if let Some(rest) = rest {
        let mut nested = Map::new();
        set(&mut nested, rest, inner);
        inner = Value::Object(nested);
    }
    members.insert(name.to_owned(), if is_list { json!([inner]) } else { inner });
}

fn to(patient: &str) -> Value {
    json!({"reference": format!("Patient/{patient}"), "display": if patient == OTHER { CANARY } else { "Own" }})
}

/// About `subject`, with somebody at another place.
fn resource(kind: &str, id: &str, (subject_path, subject): (&str, &str), (path, other): (&str, &str)) -> Value {
    let mut members = Map::new();
    members.insert("resourceType".to_owned(), kind.into());
    members.insert("id".to_owned(), id.into());
    members.insert("status".to_owned(), "active".into());
    set(&mut members, subject_path, to(subject));
    set(&mut members, path, to(other));
    Value::Object(members)
}

async fn product() -> (World, Ehr, String, String) {
    let (product, ehr) = over_http(Limits { foreign_answers: 0, ..Limits::default() }).await;
    let token = product.token("ann").await;
    let key = product.source_key(&ehr.base).await;
    (product, ehr, token, key)
}

#[test]
fn f07_no_element_but_the_subject_makes_a_resource_the_persons() {
    run(async {
        let (product, ehr, token, key) = product().await;
        let me = product.person("ann").id;
        let (mut wrong, mut places, mut searched) = (Vec::new(), 0, 0);
        for (kind, subject, elsewhere) in ELSEWHERE {
            for (path, parameter) in *elsewhere {
                places += 1;
                // Somebody else's, with the person at the other place; and hers, with somebody else there.
                let theirs = resource(kind, "theirs", (subject, OTHER), (path, OWN));
                let own = resource(kind, "own", (subject, OWN), (path, OTHER));
                ehr.holds(&theirs);
                ehr.holds(&own);
                // It gives both, whatever it was asked.
                ehr.finds(kind, &[theirs, own]);
                let mut questions = vec![
                    (format!("/fhir/{kind}?_count=10"), true),
                    (format!("/fhir/{kind}?_count=10&_total=accurate"), true),
                    (format!("/fhir/{kind}?_id={key}.theirs,{key}.own"), true),
                    (format!("/fhir/Patient/{me}/{kind}"), true),
                    (format!("/fhir/Patient/{me}/$everything?_type={kind}"), true),
                ];
                if !parameter.is_empty() {
                    searched += 1;
                    // Nothing that is hers has her at that place.
                    questions.push((format!("/fhir/{kind}?{parameter}=Patient/{me}"), false));
                    questions.push((format!("/fhir/{kind}?{parameter}:identifier=x"), false));
                }
                for (question, finds_own) in questions {
                    let answer = product.get(&question, &token).await;
                    if answer.status == 400 && !finds_own {
                        continue;
                    }
                    let shown: Vec<String> = match answer.status {
                        200 => answer.ids().into_iter().filter(|id| *id != me.to_string()).collect(),
                        status => vec![format!("status {status}: {}", answer.text)],
                    };
                    let wanted = if finds_own { vec![format!("{key}.own")] } else { Vec::new() };
                    if shown != wanted {
                        wrong.push(format!("{kind}.{path}: {question} shows {shown:?}"));
                    }
                    if answer.text.contains(CANARY) || answer.text.contains(OTHER) {
                        wrong.push(format!("{kind}.{path}: {question} names somebody else: {}", answer.text));
                    }
                }
                let (hidden, seen) = (
                    product.get(&format!("/fhir/{kind}/{key}.theirs"), &token).await,
                    product.get(&format!("/fhir/{kind}/{key}.own"), &token).await,
                );
                if (hidden.status, seen.status) != (404, 200) {
                    wrong.push(format!("{kind}.{path}: reads {} and {}", hidden.status, seen.status));
                }
                if [hidden, seen].iter().any(|read| read.text.contains(CANARY) || read.text.contains(OTHER)) {
                    wrong.push(format!("{kind}.{path}: a read names somebody else"));
                }
            }
        }
        assert!(wrong.is_empty(), "{} of {places} places\n{}", wrong.len(), wrong.join("\n"));
        assert!(places > 60 && searched > 45, "{places} places, {searched} parameters");
    });
}

#[test]
fn f07_what_nobody_owns_is_nobodys_whoever_it_names() {
    run(async {
        let (product, ehr, token, key) = product().await;
        let me = product.person("ann").id;
        ehr.holds(&json!({"resourceType": "Observation", "id": "of-b", "status": "final", "subject": to(OTHER)}));
        ehr.holds(&json!({"resourceType": "Invoice", "id": "of-b", "status": "issued", "subject": to(OTHER)}));
        let about = |kind: &str| json!({"reference": format!("{kind}/of-b")});
        for resource in [
            json!({"resourceType": "Group", "id": "g", "actual": true, "type": "person", "member": [{"entity": to(OWN)}, {"entity": to(OTHER)}]}),
            json!({"resourceType": "Person", "id": "g", "link": [{"target": to(OWN)}, {"target": to(OTHER)}]}),
            json!({"resourceType": "AuditEvent", "id": "g", "agent": [{"who": to(OWN), "name": CANARY}], "entity": [{"what": to(OWN)}]}),
            json!({"resourceType": "Subscription", "id": "g", "criteria": format!("Observation?patient={OWN}"), "reason": CANARY}),
            json!({"resourceType": "Schedule", "id": "g", "actor": [to(OWN)], "comment": CANARY}),
            json!({"resourceType": "Slot", "id": "g", "comment": CANARY, "extension": [{"url": "u", "valueReference": to(OWN)}]}),
            json!({"resourceType": "Provenance", "id": "g", "target": [about("Observation")], "recorded": "2026-01-01T00:00:00Z",
                "agent": [{"who": to(OWN), "onBehalfOf": to(OWN)}], "entity": [{"role": "source", "what": to(OWN)}]}),
            json!({"resourceType": "PaymentNotice", "id": "g", "status": "active", "request": about("Invoice"), "response": to(OWN)}),
            json!({"resourceType": "PaymentReconciliation", "id": "g", "status": "active", "requestor": to(OWN),
                "detail": [{"request": about("Invoice"), "response": to(OWN), "submitter": to(OWN)}]}),
            json!({"resourceType": "Binary", "id": "g", "contentType": "text/plain", "securityContext": to(OWN), "data": "Q0FOQVJZ"}),
        ] {
            let kind = resource["resourceType"].as_str().unwrap().to_owned();
            ehr.holds(&resource);
            ehr.finds(&kind, &[resource]);
            for target in [
                format!("/fhir/{kind}/{key}.g"),
                format!("/fhir/{kind}"),
                format!("/fhir/{kind}?_id={key}.g"),
                format!("/fhir/Patient/{me}/{kind}"),
            ] {
                let answer = product.get(&target, &token).await;
                // What Chartgate itself knows of who looked is no source's: nothing of what is held there may be in it.
                let is_kept_here = |id: &String| kind == "AuditEvent" && id.starts_with("self.");
                let shows = answer.status == 200 && !answer.ids().iter().all(is_kept_here);
                assert!(!shows, "{target}: {}", answer.text);
                assert!([200, 400, 403, 404].contains(&answer.status), "{target}: {}", answer.status);
                assert!(!answer.text.contains(CANARY) && !answer.text.contains(OTHER), "{target}: {}", answer.text);
            }
        }
    });
}

#[test]
fn f29_a_link_between_patients_at_the_source_confers_nothing() {
    run(async {
        let (product, ehr, token, key) = product().await;
        let bobs = product.token("bob").await;
        let me = product.person("ann").id;
        let observation = |id: &str, patient: &str, text: &str| json!({"resourceType": "Observation", "id": id, "status": "final", "subject": to(patient), "valueString": text});
        let held = [observation("own", OWN, "mine"), observation("theirs", OTHER, CANARY)];
        held.iter().for_each(|resource| ehr.holds(resource));
        ehr.finds("Observation", &held);
        for kind in ["seealso", "replaced-by", "replaces", "refer"] {
            for (ours, theirs) in [(true, false), (false, true), (true, true)] {
                let patient = |id: &str, other: &str, linked: bool, name: &str| {
                    let mut patient = json!({"resourceType": "Patient", "id": id, "name": [{"family": name}]});
                    if linked {
                        patient["link"] = json!([{"other": to(other), "type": kind}]);
                    }
                    patient
                };
                let both = [patient(OWN, OTHER, ours, "Own"), patient(OTHER, OWN, theirs, CANARY)];
                both.iter().for_each(|resource| ehr.holds(resource));
                // Asked for one, it gives both.
                ehr.finds("Patient", &both);
                ehr.asked();
                for (target, wanted) in [
                    ("/fhir/Observation".to_owned(), vec![format!("{key}.own")]),
                    ("/fhir/Patient".to_owned(), vec![me.to_string()]),
                    (format!("/fhir/Patient?_id={key}.{OTHER}"), Vec::new()),
                    (format!("/fhir/Patient?name={}", CANARY.replace(' ', "%20")), Vec::new()),
                    (format!("/fhir/Patient?link=Patient/{key}.{OTHER}"), Vec::new()),
                    (format!("/fhir/Patient/{me}/Observation"), vec![format!("{key}.own")]),
                    (format!("/fhir/Observation?patient=Patient/{key}.{OTHER}"), Vec::new()),
                ] {
                    let answer = product.get(&target, &token).await;
                    if answer.status == 400 && wanted.is_empty() {
                        continue;
                    }
                    assert_eq!(answer.ids(), wanted, "{kind} {target}");
                    let said =
                        answer.text.replace(&format!("{key}.{OTHER}"), "").replace(&CANARY.replace(' ', "%20"), "");
                    let said = said.replace(&CANARY.replace(' ', "+"), "");
                    assert!(!said.contains(CANARY) && !said.contains(OTHER), "{kind} {target}: {said}");
                }
                for target in [
                    format!("/fhir/Patient/{key}.{OTHER}"),
                    format!("/fhir/Patient/{key}.{OTHER}/Observation"),
                    format!("/fhir/Patient/{key}.{OTHER}/$everything"),
                    format!("/fhir/Patient/{}", product.person("bob").id),
                    format!("/fhir/Observation/{key}.theirs"),
                ] {
                    assert_eq!(product.get(&target, &token).await.status, 404, "{kind} {target}");
                }
                for target in [
                    format!("/fhir/Patient/{me}"),
                    format!("/fhir/Patient/{key}.{OWN}"),
                    format!("/fhir/Patient/{me}/$everything"),
                ] {
                    let read = product.get(&target, &token).await;
                    assert_eq!(read.status, 200, "{kind} {target}: {}", read.text);
                    assert!(
                        !read.text.contains(CANARY) && !read.text.contains(OTHER),
                        "{kind} {target}: {}",
                        read.text
                    );
                }
                let asked = ehr.asked();
                assert!(asked.iter().all(|question| !question.contains(OTHER)), "the link was followed: {asked:?}");
                // Nor the other way round.
                let other = product.get("/fhir/Observation", &bobs).await;
                assert_eq!(other.ids(), [format!("{key}.theirs")], "{kind}");
            }
        }
    });
}
