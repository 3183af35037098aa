use std::collections::BTreeMap;

use serde_json::Value;

use super::super::value;
use super::super::when::When;
use super::{Line, Words, all, concept, concepts, notes, said, state_of, text};
use crate::http::pages::{say, say_with};

pub(super) fn line(resource: &Value, included: &BTreeMap<String, &Value>, when: &When) -> Line {
    let refills = resource.pointer("/dispenseRequest/numberOfRepeatsAllowed").filter(|count| count.is_number());
    let forbidden = resource.get("doNotPerform").and_then(Value::as_bool) == Some(true);
    let reported = resource.get("reportedBoolean").and_then(Value::as_bool) == Some(true);
    let doses: Vec<String> = all(resource, "dosageInstruction").filter_map(dose).collect();
    let by = if proposed(resource).is_some() { "Proposed by" } else { "Prescribed by" };
    Words::new(
        name(resource, included),
        "Medicine that the practice has not named",
        when.first(resource, &["/authoredOn"]),
    )
    .facts("How to take it", &doses)
    .facts("For", &concepts(resource.get("reasonCode")))
    .fact("Refills allowed", refills.map(ToString::to_string))
    .fact(by, said(resource, "/requester/display"))
    .fact("Why it stands so", concept(resource.get("statusReason")))
    .facts("Note", &notes(resource))
    .state(forbidden.then_some("Do not take: advised against"))
    .state(proposed(resource))
    .state(status(resource))
    .state(reported.then_some("Reported to the practice, not prescribed by it"))
    .0
}

/// FHIR R4 medicationrequest-intent: what is no order.
fn proposed(resource: &Value) -> Option<&'static str> {
    matches!(text(resource, "/intent"), Some("proposal" | "plan" | "option")).then_some("Proposed, not prescribed")
}

fn status(resource: &Value) -> Option<&'static str> {
    let known = [
        ("on-hold", "On hold"),
        ("cancelled", "Cancelled"),
        ("completed", "Completed"),
        ("stopped", "Stopped"),
        ("draft", "Not prescribed yet"),
    ];
    state_of(text(resource, "/status"), &["active"], &known)
}

/// The name: of the code, of the Medication that came along or is contained, or as the reference says.
fn name(resource: &Value, included: &BTreeMap<String, &Value>) -> Option<String> {
    let reference = text(resource, "/medicationReference/reference");
    let contained = reference.and_then(|reference| reference.strip_prefix('#'));
    let held = contained.and_then(|id| all(resource, "contained").find(|one| text(one, "/id") == Some(id)));
    let medication = held.or_else(|| included.get(reference?).copied());
    concept(resource.get("medicationCodeableConcept"))
        .or_else(|| concept(medication.and_then(|medication| medication.get("code"))))
        .or_else(|| said(resource, "/medicationReference/display"))
}

/// One dosage: both texts where both are there; without a text what is coded, as far as it has words.
fn dose(dose: &Value) -> Option<String> {
    let mut texts: Vec<String> = ["/text", "/patientInstruction"].iter().filter_map(|at| said(dose, at)).collect();
    texts.dedup();
    if !texts.is_empty() {
        return Some(texts.join(" "));
    }
    let amount =
        |rate: &Value| value::quantity(rate.get("doseQuantity")).or_else(|| value::range(rate.get("doseRange")));
    let mut words: Vec<String> = all(dose, "doseAndRate").filter_map(amount).collect();
    words.extend(concept(dose.pointer("/timing/code")));
    words.extend(concept(dose.get("route")));
    words.extend(
        concept(dose.get("asNeededCodeableConcept")).map(|why| say_with("record.as-needed-for", &[("why", &why)])),
    );
    words.extend(
        (dose.get("asNeededBoolean").and_then(Value::as_bool) == Some(true))
            .then(|| say("record.as-needed").to_owned()),
    );
    // How often is often said by numbers alone: half of a dosage would be worse than none.
    match words.is_empty() || dose.pointer("/timing/code").is_none() {
        true => Some(say("record.as-practice-told").to_owned()),
        false => Some(words.join(", ")),
    }
}
