use serde_json::Value;

use super::super::when::When;
use super::{Line, Words, all, concept, concepts, said, state_of, text};

/// FHIR R4 appointmentstatus in words. A request is no appointment, and must not look like one.
const STATES: &[(&str, &str)] = &[
    ("booked", "Booked"),
    ("proposed", "Requested, not booked yet"),
    ("pending", "Requested, not booked yet"),
    ("waitlist", "On the waiting list, not booked yet"),
    ("arrived", "Arrived"),
    ("checked-in", "Checked in"),
    ("fulfilled", "Took place"),
    ("cancelled", "Cancelled"),
    ("noshow", "Missed"),
];

pub(super) fn line(resource: &Value, when: &When) -> Line {
    let title = concepts(resource.get("serviceType")).into_iter().next().or_else(|| said(resource, "/description"));
    let at = when.first(resource, &["/start", "/requestedPeriod/0/start"]);
    Words::new(title, "Appointment", at)
        .facts("With", &others(resource, |status| status != Some("declined")))
        .facts("Declined by", &others(resource, |status| status == Some("declined")))
        .fact("Until", text(resource, "/end").map(|end| when.tell(end)))
        .facts("Reason", &concepts(resource.get("reasonCode")))
        .fact("Why it was cancelled", concept(resource.get("cancelationReason")))
        .fact("What to know", said(resource, "/patientInstruction"))
        .state(state_of(text(resource, "/status"), &[], STATES))
        .0
}

/// Who and what else takes part, by the participant's own status.
fn others(resource: &Value, counts: impl Fn(Option<&str>) -> bool) -> Vec<String> {
    let is_patient = |one: &&Value| text(one, "/actor/reference").is_some_and(|to| to.starts_with("Patient/"));
    all(resource, "participant")
        .filter(|one| !is_patient(one) && counts(text(one, "/status")))
        .filter_map(|one| said(one, "/actor/display"))
        .collect()
}
