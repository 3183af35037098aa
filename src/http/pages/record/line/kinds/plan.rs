//! Plans, goals and teams; insurance and bills.

use serde_json::Value;

use super::super::value;
use super::super::when::When;
use super::{Line, Words, all, concept, first_of, names, notes, said, state_of, text};
use crate::http::pages::say_with;

pub(super) fn line(resource: &Value, when: &When) -> Line {
    let title = said(resource, "/title")
        .or_else(|| said(resource, "/name"))
        .or_else(|| concept(resource.get("description").filter(|described| described.is_object())))
        .or_else(|| said(resource, "/description"))
        .or_else(|| first_of(resource.get("category")));
    let known = [
        ("completed", "Completed"),
        ("revoked", "Ended early"),
        ("cancelled", "Ended early"),
        ("rejected", "Not agreed to"),
        ("on-hold", "On hold"),
        ("suspended", "On hold"),
        ("proposed", "Proposed"),
        ("planned", "Planned"),
        ("draft", "Proposed"),
        ("inactive", "No longer active"),
    ];
    let status = text(resource, "/status").or_else(|| text(resource, "/lifecycleStatus"));
    let is_team = text(resource, "/resourceType") == Some("CareTeam");
    // A team's status is often left out: US Core only asks for it to be supported.
    let state = if is_team && status.is_none() { None } else { state_of(status, &["active", "accepted"], &known) };
    let description = said(resource, "/description").filter(|text| Some(text) != title.as_ref());
    let targets: Vec<String> = all(resource, "target").filter_map(|target| aim(target, when)).collect();
    let activities: Vec<String> =
        all(resource, "activity").filter_map(|one| concept(one.pointer("/detail/code"))).collect();
    Words::new(title, "Plan", when.first(resource, &["/period/start", "/created", "/startDate"]))
        .fact("Description", description)
        .facts("To be done", &activities)
        .facts("Aim", &targets)
        .fact("So far", concept(resource.get("achievementStatus")))
        .facts("Members", &names(resource, "participant", "/member"))
        .facts("Note", &notes(resource))
        .state(state)
        .0
}

/// What a goal aims at, and by when.
fn aim(target: &Value, when: &When) -> Option<String> {
    let measure = concept(target.get("measure"));
    let detail = value::quantity(target.get("detailQuantity"))
        .or_else(|| value::range(target.get("detailRange")))
        .or_else(|| concept(target.get("detailCodeableConcept")))
        .or_else(|| said(target, "/detailString"));
    let due = text(target, "/dueDate").map(|day| say_with("record.by", &[("day", &when.tell(day))]));
    let words: Vec<String> = [measure, detail, due].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

pub(super) fn coverage(resource: &Value, when: &When) -> Line {
    let known = [("cancelled", "Ended"), ("draft", "Not in force yet")];
    Words::new(concept(resource.get("type")), "Insurance", String::new())
        .facts("Payer", &names(resource, "payor", ""))
        .fact("Member number", said(resource, "/subscriberId"))
        .fact("In force", when.period(resource.get("period")))
        .state(state_of(text(resource, "/status"), &["active"], &known))
        .0
}

pub(super) fn invoice(resource: &Value, when: &When) -> Line {
    let amount = |name: &str| {
        let amount = resource.get(name)?;
        let value = amount.get("value").filter(|value| value.is_number())?;
        Some(format!("{value} {}", text(amount, "/currency").unwrap_or_default()).trim_end().to_owned())
    };
    let known = [("cancelled", "Cancelled"), ("draft", "Not issued yet"), ("balanced", "Settled")];
    Words::new(concept(resource.get("type")), "Bill", when.first(resource, &["/date"]))
        .fact("Amount", amount("totalGross").or_else(|| amount("totalNet")))
        .fact("From", said(resource, "/issuer/display"))
        .facts("Note", &notes(resource))
        .state(state_of(text(resource, "/status"), &["issued"], &known))
        .0
}
