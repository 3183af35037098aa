//! Whose resource it is, by a list written from the meaning of the elements: the one the record is kept about. Who
//! asserted, performed, paid or wrote is never enough.

use serde_json::Value;

use super::{at, local};

/// How a type is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The element that says whose it is. All of its values must be the patient.
    Subject(&'static str),
    /// The same, where one of several values is enough.
    AnySubject(&'static str),
    /// Visible through what it points at (all of them, or any).
    Through(&'static str, Quantity),
    /// Visible through what points at it.
    PointedAt,
    /// Shared reference data; with a reference to a person it is dropped.
    Directory,
    /// Never from a source.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    Any,
    All,
}

/// The list. A type that is not in it stops every test that meets it.
pub(crate) fn kind_of(resource_type: &str) -> Kind {
    match resource_type {
        "Account"
        | "CarePlan"
        | "CareTeam"
        | "ChargeItem"
        | "Communication"
        | "Condition"
        | "DiagnosticReport"
        | "DocumentReference"
        | "Encounter"
        | "Goal"
        | "Invoice"
        | "Media"
        | "MedicationDispense"
        | "MedicationRequest"
        | "MedicationStatement"
        | "Observation"
        | "Procedure"
        | "QuestionnaireResponse"
        | "ServiceRequest"
        | "Specimen" => Kind::Subject("subject"),
        "AllergyIntolerance" | "Consent" | "Device" | "Immunization" | "RelatedPerson" => Kind::Subject("patient"),
        "Coverage" => Kind::Subject("beneficiary"),
        "Task" => Kind::Subject("for"),
        "VerificationResult" => Kind::Subject("target"),
        "Appointment" => Kind::AnySubject("participant>actor"),
        "Patient" => Kind::Subject("id"),
        "Provenance" => Kind::Through("target", Quantity::Any),
        "PaymentNotice" => Kind::Through("request", Quantity::All),
        "PaymentReconciliation" => Kind::Through("detail>request", Quantity::All),
        "Medication" | "Binary" => Kind::PointedAt,
        "Endpoint" | "HealthcareService" | "Location" | "Organization" | "Practitioner" | "PractitionerRole"
        | "Schedule" | "Slot" => Kind::Directory,
        "AuditEvent" | "Group" | "Person" | "Subscription" => Kind::Never,
        other => panic!("nobody wrote down whose a {other} is"),
    }
}

/// Whether a resource of a subject type is about one of `patients`, ids at the server with this base.
pub(crate) fn is_about(resource: &Value, patients: &[&str], base: &str) -> bool {
    let resource_type = resource["resourceType"].as_str().unwrap();
    if resource_type == "Patient" {
        return patients.contains(&resource["id"].as_str().unwrap());
    }
    let is_patient = |reference: &&Value| {
        let target = reference["reference"].as_str().and_then(|text| local(text, base));
        target.is_some_and(|(kind, id)| kind == "Patient" && patients.contains(&id.as_str()))
    };
    match kind_of(resource_type) {
        Kind::Subject(path) => {
            let found = at(resource, path);
            if found.is_empty() && resource_type == "Communication" {
                // A message about nobody belongs to who sent it and who got it.
                let parties = at(resource, "sender").into_iter().chain(at(resource, "recipient"));
                return parties.into_iter().any(|party| is_patient(&party));
            }
            !found.is_empty() && found.iter().all(is_patient)
        }
        Kind::AnySubject(path) => at(resource, path).iter().any(is_patient),
        other => panic!("{resource_type} has no subject but is {other:?}"),
    }
}
