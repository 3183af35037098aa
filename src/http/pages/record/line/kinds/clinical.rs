//! Problems, allergies, vaccinations, procedures, visits.

use serde_json::Value;

use super::super::when::When;
use super::super::{has_code, value};
use super::{Line, Words, all, concept, concepts, first_of, names, notes, said, sentence, state_of, text};
use crate::http::pages::{say_with, told};

/// FHIR R4 condition-ver-status and allergyintolerance-verification, by code: a practice's own text may say it otherwise.
fn verification(resource: &Value) -> Option<&'static str> {
    let is = |code| has_code(resource, "verificationStatus", code);
    if is("refuted") {
        Some("Ruled out")
    } else if is("unconfirmed") || is("provisional") || is("differential") {
        Some("Not confirmed")
    } else {
        None
    }
}

pub(super) fn allergy(resource: &Value, when: &When) -> Line {
    let reactions: Vec<String> = all(resource, "reaction").map(reaction).filter(|text| !text.is_empty()).collect();
    let kinds: Vec<String> =
        all(resource, "category").filter_map(Value::as_str).map(|kind| told(sentence(kind))).collect();
    let high = (text(resource, "/criticality") == Some("high")).then_some("High risk");
    Words::new(concept(resource.get("code")), "Allergy that the practice has not named", String::new())
        .facts("Reaction", &reactions)
        .facts("Kind", &kinds)
        .fact("State", concept(resource.get("clinicalStatus")).map(|word| told(sentence(&word))))
        .fact("Since", onset(resource, when))
        .fact("Last time", text(resource, "/lastOccurrence").map(|at| when.tell(at)))
        .fact("Recorded", text(resource, "/recordedDate").map(|at| when.tell(at)))
        .facts("Note", &notes(resource))
        .state(high)
        .state(verification(resource))
        .0
}

/// What happens: manifestations, with what to and how badly.
fn reaction(reaction: &Value) -> String {
    let mut words = concepts(reaction.get("manifestation"));
    words.extend(said(reaction, "/description"));
    words.extend(concept(reaction.get("substance")).map(|what| say_with("record.reaction-to", &[("what", &what)])));
    words.extend(text(reaction, "/severity").map(|severity| format!("({})", told(severity))));
    words.join(" ")
}

pub(super) fn condition(resource: &Value, when: &When) -> Line {
    let ended =
        text(resource, "/abatementDateTime").map(|at| when.tell(at)).or_else(|| said(resource, "/abatementString"));
    Words::new(concept(resource.get("code")), "Problem that the practice has not named", String::new())
        .fact("State", concept(resource.get("clinicalStatus")).map(|word| told(sentence(&word))))
        .fact("Severity", concept(resource.get("severity")))
        .facts("Where", &concepts(resource.get("bodySite")))
        .fact("Since", onset(resource, when))
        .fact("Until", ended)
        .fact("Recorded", text(resource, "/recordedDate").map(|at| when.tell(at)))
        .facts("Note", &notes(resource))
        .state(verification(resource))
        .0
}

fn onset(resource: &Value, when: &When) -> Option<String> {
    let at = ["/onsetDateTime", "/onsetPeriod/start"].iter().find_map(|at| text(resource, at)).map(|at| when.tell(at));
    at.or_else(|| said(resource, "/onsetString"))
        .or_else(|| value::quantity(resource.get("onsetAge")).map(|age| say_with("record.age", &[("age", &age)])))
        .or_else(|| value::range(resource.get("onsetRange")))
}

pub(super) fn immunization(resource: &Value, when: &When) -> Line {
    let known = [("not-done", "Not given")];
    let doses: Vec<String> = all(resource, "protocolApplied").filter_map(dose).collect();
    let at = when.first(resource, &["/occurrenceDateTime", "/occurrenceString"]);
    Words::new(concept(resource.get("vaccineCode")), "Vaccination", at)
        .facts("Dose", &doses)
        .fact("Why not", concept(resource.get("statusReason")))
        .fact("Lot", said(resource, "/lotNumber"))
        .facts("By", &names(resource, "performer", "/actor"))
        .facts("Note", &notes(resource))
        .state(state_of(text(resource, "/status"), &["completed"], &known))
        .0
}

fn dose(applied: &Value) -> Option<String> {
    let number = applied.get("doseNumberPositiveInt").filter(|number| number.is_number()).map(ToString::to_string);
    number.or_else(|| said(applied, "/doseNumberString"))
}

pub(super) fn visit(resource: &Value, when: &When) -> Line {
    let title = first_of(resource.get("type")).or_else(|| said(resource, "/class/display"));
    let known = [
        ("planned", "Planned"),
        ("arrived", "Under way"),
        ("triaged", "Under way"),
        ("in-progress", "Under way"),
        ("onleave", "Under way, on leave"),
        ("cancelled", "Cancelled"),
    ];
    Words::new(title, "Visit", when.first(resource, &["/period/start"]))
        .fact("Until", text(resource, "/period/end").map(|at| when.tell(at)))
        .facts("Reason", &concepts(resource.get("reasonCode")))
        .facts("With", &names(resource, "participant", "/individual"))
        .facts("Where", &names(resource, "location", "/location"))
        .fact("At", said(resource, "/serviceProvider/display"))
        .state(state_of(text(resource, "/status"), &["finished"], &known))
        .0
}

pub(super) fn procedure(resource: &Value, when: &When) -> Line {
    let known = [
        ("preparation", "Planned"),
        ("in-progress", "Under way"),
        ("on-hold", "On hold"),
        ("not-done", "Not carried out"),
        ("stopped", "Stopped"),
    ];
    let at = ["/performedDateTime", "/performedPeriod/start", "/performedString"];
    Words::new(concept(resource.get("code")), "Procedure", when.first(resource, &at))
        .facts("Where", &concepts(resource.get("bodySite")))
        .fact("Outcome", concept(resource.get("outcome")))
        .facts("Reason", &concepts(resource.get("reasonCode")))
        .fact("Why not", concept(resource.get("statusReason")))
        .facts("With", &names(resource, "performer", "/actor"))
        .facts("Note", &notes(resource))
        .state(state_of(text(resource, "/status"), &["completed"], &known))
        .0
}
