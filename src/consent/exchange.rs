//! Grants and rules as FHIR resources, and back (portal design, 3.7): what others can read of them is said in FHIR's words,
//! after IHE's Privacy Consent on FHIR; all of it stands in one extension as well, so that what is read back decides alike.

use serde_json::{Value, json};

use super::label::Label;
use super::scope::{GrantScope, Sensitivity};
use super::standing::{Effect, RuleKind};
use super::words::Action;
use crate::base::clock::Instant;
use crate::base::id::{GrantId, PersonId};
use crate::identity::{Grant, GrantBasis, GrantState, Period};

/// All of a grant or rule, as JSON.
pub const WHOLE: &str = "https://chartgate.example/fhir/StructureDefinition/consent-rule";
const ROLE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
const ACTION: &str = "http://terminology.hl7.org/CodeSystem/consentaction";
const REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";

/// The id under which the RelatedPerson of a grant is served.
#[must_use]
pub fn related_person_id(grant: GrantId) -> String {
    format!("self.{grant}")
}

/// The grant whose RelatedPerson has this id.
#[must_use]
pub fn grant_of(related_person: &str) -> Option<GrantId> {
    related_person.strip_prefix("self.")?.parse().ok()
}

/// The role of somebody who acts by this right, where HL7's RoleCode has a word for it.
const fn role(basis: GrantBasis) -> Option<(&'static str, &'static str)> {
    match basis {
        GrantBasis::Parent => Some(("PRN", "parent")),
        GrantBasis::GuardianMinor | GrantBasis::GuardianAdult => Some(("GUARD", "guardian")),
        GrantBasis::HealthCarePowerOfAttorney => Some(("HPOWATT", "healthcare power of attorney")),
        GrantBasis::Foster => Some(("PRNFOST", "foster parent")),
        GrantBasis::Executor => Some(("EXCEST", "executor of estate")),
        GrantBasis::PatientConsent | GrantBasis::BestInterest => None,
    }
}

fn words(basis: GrantBasis) -> &'static str {
    match basis {
        GrantBasis::PatientConsent => "named by the patient",
        GrantBasis::BestInterest => "in the patient's best interest",
        other => role(other).map_or("", |(_, words)| words),
    }
}

fn period(period: Period) -> Value {
    let mut value = json!({"start": period.from.to_fhir()});
    if let (Some(until), Some(map)) = (period.until, value.as_object_mut()) {
        map.insert("end".to_owned(), json!(until.to_fhir()));
    }
    value
}

/// Who acts for whom, as RelatedPerson. `name` is what the holder is called here.
#[must_use]
pub fn related_person(grant: &Grant, person: PersonId, name: Option<&str>, is_active: bool) -> Value {
    let mut relationship = json!({"text": words(grant.basis)});
    if let (Some((code, display)), Some(map)) = (role(grant.basis), relationship.as_object_mut()) {
        map.insert("coding".to_owned(), json!([{"system": ROLE, "code": code, "display": display}]));
    }
    let mut resource = json!({
        "resourceType": "RelatedPerson",
        "id": related_person_id(grant.id),
        "active": is_active,
        "patient": {"reference": format!("Patient/{person}")},
        "relationship": [relationship],
        "period": period(grant.period),
    });
    if let (Some(name), Some(map)) = (name, resource.as_object_mut()) {
        map.insert("name".to_owned(), json!([{"text": name}]));
    }
    resource
}

/// How a grant stands, in the words of R4's Consent (portal design, 3.7).
const fn status(state: &GrantState) -> &'static str {
    match state {
        GrantState::Pending => "proposed",
        GrantState::Active => "active",
        GrantState::Suspended { .. } | GrantState::Ended { .. } => "inactive",
    }
}

/// A grant as Consent. `whole` is everything of it, in the words of whoever exports.
#[must_use]
pub fn consent_of_grant(grant: &Grant, scope: &GrantScope, person: PersonId, whole: &Value) -> Value {
    let related = json!({"reference": format!("RelatedPerson/{}", related_person_id(grant.id))});
    let performer = match grant.basis {
        GrantBasis::PatientConsent => json!({"reference": format!("Patient/{person}")}),
        _ => related.clone(),
    };
    let purpose = match grant.basis {
        GrantBasis::PatientConsent => "PATRQT",
        GrantBasis::HealthCarePowerOfAttorney => "PWATRNY",
        _ => "FAMRQT",
    };
    let mut provision = json!({
        "type": "permit",
        "period": period(grant.period),
        "actor": [{"role": {"coding": [{"system": PARTICIPATION, "code": "IRCP"}]}, "reference": related}],
        "action": actions(scope),
        "purpose": [{"system": REASON, "code": purpose}],
    });
    if let Some(map) = provision.as_object_mut() {
        if let Some(types) = &scope.types {
            let class = |kind: &String| json!({"system": "http://hl7.org/fhir/resource-types", "code": kind});
            map.insert("class".to_owned(), types.iter().map(class).collect());
        }
        if let Some(data) = &scope.data_period {
            let day = |day: Option<jiff::civil::Date>| day.map(|day| json!(day.to_string()));
            let ends = [("start", day(data.from)), ("end", day(data.until))];
            let ends = ends.into_iter().filter_map(|(name, day)| Some((name.to_owned(), day?)));
            map.insert("dataPeriod".to_owned(), Value::Object(ends.collect()));
        }
        // What is left out is a denial below what is permitted: the one nested level that the profile has.
        if let Sensitivity::AllBut(labels) = scope.sensitivity {
            let label = |label: Label| json!({"system": ACT, "code": label.as_str()});
            let labels: Vec<Value> = labels.each().map(label).collect();
            map.insert("provision".to_owned(), json!([{"type": "deny", "securityLabel": labels}]));
        }
    }
    consent(&format!("self.{}", grant.id), status(&grant.state), person, (performer, grant.created), &provision, whole)
}

/// A rule as Consent: what it denies, or lets in.
#[must_use]
pub fn consent_of_rule(
    (id, kind): (&str, &RuleKind),
    at: (Period, Instant),
    person: PersonId,
    related: Option<GrantId>,
    whole: &Value,
) -> Value {
    let (validity, created) = at;
    let permits = matches!(kind, RuleKind::Assent { .. } | RuleKind::DiminishedCapacity | RuleKind::Emancipated)
        || matches!(kind, RuleKind::Restriction { effect: Effect::Full, .. });
    let mut provision = json!({"type": if permits { "permit" } else { "deny" }, "period": period(validity)});
    if let Some(map) = provision.as_object_mut() {
        if let Some(grant) = related {
            let reference = json!({"reference": format!("RelatedPerson/{}", related_person_id(grant))});
            let role = json!({"coding": [{"system": PARTICIPATION, "code": "IRCP"}]});
            map.insert("actor".to_owned(), json!([{"role": role, "reference": reference}]));
        }
        if let RuleKind::Flag { resource_type, id, .. } = kind {
            let data = json!([{"meaning": "instance", "reference": {"identifier": {"value": format!("{resource_type}/{id}")}}}]);
            map.insert("data".to_owned(), data);
        }
    }
    let performer = json!({"reference": format!("Patient/{person}")});
    consent(&format!("self.{id}"), "active", person, (performer, created), &provision, whole)
}

fn actions(scope: &GrantScope) -> Value {
    let mut codes = vec!["access"];
    if scope.covers_action(Action::Correct) {
        codes.push("correct");
    }
    if scope.covers_action(Action::Export) || scope.covers_action(Action::ConnectApp) {
        codes.push("disclose");
    }
    codes.into_iter().map(|code| json!({"coding": [{"system": ACTION, "code": code}]})).collect()
}

fn consent(
    id: &str,
    status: &str,
    person: PersonId,
    (performer, at): (Value, Instant),
    provision: &Value,
    whole: &Value,
) -> Value {
    json!({
        "resourceType": "Consent",
        "id": id,
        "extension": [{"url": WHOLE, "valueString": whole.to_string()}],
        "status": status,
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": format!("Patient/{person}")},
        "dateTime": at.to_fhir(),
        "performer": [performer],
        // R4 ppc-1: a policy or its rule.
        "policyRule": {"coding": [{"system": ACT, "code": "OPTIN"}]},
        "provision": provision,
    })
}

/// Everything of a grant or rule, from a Consent that was written here. `None` for any other.
#[must_use]
pub fn whole(resource: &Value) -> Option<Value> {
    if resource.get("resourceType")? != "Consent" {
        return None;
    }
    let extensions = resource.get("extension")?.as_array()?;
    let ours = extensions.iter().find(|extension| extension.get("url").is_some_and(|url| url == WHOLE))?;
    serde_json::from_str(ours.get("valueString")?.as_str()?).ok()
}
