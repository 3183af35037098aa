//! Facts written down from memory of the specification, so that a fault of the deriving script cannot agree with itself.

use chartgate::fhir::ResourceType;
use chartgate::fhir::knowledge::{
    AuthorizationKind, Comparator, DataType, EdgeElement, Expectation, Knowledge, Modifier, PathCondition, SearchKind,
    Several, UsCoreVersion,
};

use super::{facts, reads};

type Paths = &'static [(&'static str, DataType)];

#[rustfmt::skip]
const PARAMETERS: &[(ResourceType, &str, SearchKind, Paths)] = {
    use DataType as D;
    use ResourceType as R;
    use SearchKind as K;
    &[
        (R::Patient, "_id", K::Token, &[("id", D::Id)]),
        (R::Slot, "_lastUpdated", K::Date, &[("meta.lastUpdated", D::Instant)]),
        (R::Binary, "_tag", K::Token, &[("meta.tag", D::Coding)]),
        (R::Patient, "birthdate", K::Date, &[("birthDate", D::Date)]),
        (R::Patient, "death-date", K::Date, &[("deceasedDateTime", D::DateTime)]),
        (R::Patient, "family", K::String, &[("name.family", D::String)]),
        (R::Patient, "name", K::String, &[("name", D::HumanName)]),
        (R::Patient, "gender", K::Token, &[("gender", D::Code)]),
        (R::Patient, "address-postalcode", K::String, &[("address.postalCode", D::String)]),
        (R::Patient, "general-practitioner", K::Reference, &[("generalPractitioner", D::Reference)]),
        (R::Patient, "link", K::Reference, &[("link.other", D::Reference)]),
        (R::AllergyIntolerance, "clinical-status", K::Token, &[("clinicalStatus", D::CodeableConcept)]),
        (R::AllergyIntolerance, "code", K::Token, &[("code", D::CodeableConcept), ("reaction.substance", D::CodeableConcept)]),
        (R::Appointment, "date", K::Date, &[("start", D::Instant)]),
        (R::Appointment, "patient", K::Reference, &[("participant.actor", D::Reference)]),
        (R::Appointment, "part-status", K::Token, &[("participant.status", D::Code)]),
        (R::CarePlan, "date", K::Date, &[("period", D::Period)]),
        (R::CareTeam, "role", K::Token, &[("participant.role", D::CodeableConcept)]),
        (R::Communication, "received", K::Date, &[("received", D::DateTime)]),
        (R::Condition, "onset-date", K::Date, &[("onsetDateTime", D::DateTime), ("onsetPeriod", D::Period)]),
        (R::Condition, "abatement-age", K::Quantity, &[("abatementAge", D::Age), ("abatementRange", D::Range)]),
        (R::Condition, "onset-info", K::String, &[("onsetString", D::String)]),
        (R::Coverage, "patient", K::Reference, &[("beneficiary", D::Reference)]),
        (R::Device, "type", K::Token, &[("type", D::CodeableConcept)]),
        (R::DiagnosticReport, "date", K::Date, &[("effectiveDateTime", D::DateTime), ("effectivePeriod", D::Period)]),
        (R::DiagnosticReport, "result", K::Reference, &[("result", D::Reference)]),
        (R::DocumentReference, "period", K::Date, &[("context.period", D::Period)]),
        (R::DocumentReference, "format", K::Token, &[("content.format", D::Coding)]),
        (R::Encounter, "class", K::Token, &[("class", D::Coding)]),
        (R::Encounter, "length", K::Quantity, &[("length", D::Duration)]),
        (R::Encounter, "discharge-disposition", K::Token, &[("hospitalization.dischargeDisposition", D::CodeableConcept)]),
        (R::Encounter, "location", K::Reference, &[("location.location", D::Reference)]),
        (R::Goal, "target-date", K::Date, &[("target.dueDate", D::Date)]),
        (R::Immunization, "date", K::Date, &[("occurrenceDateTime", D::DateTime)]),
        (R::Invoice, "totalnet", K::Quantity, &[("totalNet", D::Money)]),
        (R::Location, "address-city", K::String, &[("address.city", D::String)]),
        (R::MedicationRequest, "code", K::Token, &[("medicationCodeableConcept", D::CodeableConcept)]),
        (R::MedicationRequest, "medication", K::Reference, &[("medicationReference", D::Reference)]),
        (R::MedicationRequest, "authoredon", K::Date, &[("authoredOn", D::DateTime)]),
        (R::Observation, "patient", K::Reference, &[("subject", D::Reference)]),
        (R::Observation, "value-quantity", K::Quantity, &[("valueQuantity", D::Quantity)]),
        (R::Observation, "combo-code", K::Token, &[("code", D::CodeableConcept), ("component.code", D::CodeableConcept)]),
        (R::PractitionerRole, "specialty", K::Token, &[("specialty", D::CodeableConcept)]),
        (R::Procedure, "date", K::Date, &[("performedDateTime", D::DateTime), ("performedPeriod", D::Period)]),
        (R::Provenance, "target", K::Reference, &[("target", D::Reference)]),
        (R::QuestionnaireResponse, "questionnaire", K::Reference, &[("questionnaire", D::Canonical)]),
        (R::ServiceRequest, "authored", K::Date, &[("authoredOn", D::DateTime)]),
        (R::Slot, "schedule", K::Reference, &[("schedule", D::Reference)]),
        (R::Task, "patient", K::Reference, &[("for", D::Reference)]),
        (R::Task, "business-status", K::Token, &[("businessStatus", D::CodeableConcept)]),
        (R::ChargeItem, "factor-override", K::Number, &[("factorOverride", D::Decimal)]),
        (R::Subscription, "url", K::Uri, &[("channel.endpoint", D::Url)]),
    ]
};

#[test]
fn parameters_read_what_the_specification_says() {
    for (resource_type, name, kind, paths) in PARAMETERS {
        let facts = facts(*resource_type);
        let parameter = facts.parameter(name).unwrap_or_else(|| panic!("{resource_type} has no {name}"));
        let found: Vec<_> =
            parameter.paths.iter().map(|path| (facts.path(path.capture).unwrap(), path.datatype)).collect();
        assert_eq!((parameter.kind, found), (*kind, paths.to_vec()), "{resource_type} {name}");
    }
}

#[test]
fn choices_of_every_date_form_are_read() {
    let facts = facts(ResourceType::Observation);
    let mut paths = reads(facts, facts.parameter("date").unwrap());
    paths.sort();
    assert_eq!(paths, ["effectiveDateTime", "effectiveInstant", "effectivePeriod", "effectiveTiming"]);
}

#[test]
fn conditions_are_kept() {
    let condition = |resource_type, name: &str| {
        let parameter = facts(resource_type).parameter(name).unwrap();
        parameter.paths.iter().map(|path| path.condition.clone().unwrap()).collect::<Vec<_>>()
    };
    let member = |value: &str| PathCondition::Member { name: "system".to_owned(), value: value.to_owned() };
    assert_eq!(condition(ResourceType::Patient, "phone"), [member("phone")]);
    assert_eq!(condition(ResourceType::RelatedPerson, "email"), [member("email")]);
    assert_eq!(condition(ResourceType::Patient, "deceased"), [PathCondition::Exists, PathCondition::Exists]);
    for resource_type in [ResourceType::Observation, ResourceType::Appointment, ResourceType::Task] {
        assert_eq!(condition(resource_type, "patient"), [PathCondition::Target(ResourceType::Patient)]);
    }
    assert_eq!(
        condition(ResourceType::Condition, "asserted-date"),
        [PathCondition::Extension {
            url: "http://hl7.org/fhir/StructureDefinition/condition-assertedDate".to_owned(),
            nested: false,
            value: "valueDateTime".to_owned(),
        }]
    );
    assert_eq!(
        condition(ResourceType::Patient, "race"),
        [PathCondition::Extension {
            url: "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race".to_owned(),
            nested: true,
            value: "valueCoding".to_owned(),
        }]
    );
}

#[test]
fn modifiers_and_comparators_follow_the_kind() {
    use Modifier as M;
    let modifiers = |resource_type, name: &str| facts(resource_type).parameter(name).unwrap().modifiers.clone();
    assert_eq!(modifiers(ResourceType::Patient, "_id"), [M::Missing]);
    assert_eq!(modifiers(ResourceType::Patient, "family"), [M::Missing, M::Exact, M::Contains]);
    assert_eq!(modifiers(ResourceType::Observation, "code"), [M::Missing, M::Text, M::Not]);
    assert_eq!(modifiers(ResourceType::Observation, "status"), [M::Missing, M::Not]);
    assert_eq!(modifiers(ResourceType::Observation, "subject"), [M::Missing, M::Type, M::Identifier]);
    assert_eq!(modifiers(ResourceType::QuestionnaireResponse, "questionnaire"), [M::Missing]);
    assert_eq!(modifiers(ResourceType::ServiceRequest, "instantiates-uri"), [M::Missing, M::Above, M::Below]);
    let comparators = |resource_type, name: &str| facts(resource_type).parameter(name).unwrap().comparators.clone();
    assert_eq!(comparators(ResourceType::Observation, "date"), Comparator::ALL);
    assert_eq!(comparators(ResourceType::Observation, "value-quantity"), Comparator::ALL);
    assert_eq!(comparators(ResourceType::Observation, "code"), []);
}

#[test]
fn composites_pair_values_of_one_component() {
    let observation = facts(ResourceType::Observation);
    let root = observation.parameter("code-value-quantity").unwrap();
    assert_eq!((root.kind, root.paths.len(), root.multiple_or), (SearchKind::Composite, 0, false));
    let parts: Vec<_> = root
        .components
        .iter()
        .map(|part| (part.kind, observation.path(part.root[0].capture).unwrap(), part.members.len()))
        .collect();
    assert_eq!(parts, [(SearchKind::Token, "code", 0), (SearchKind::Quantity, "valueQuantity", 0)]);

    let combo = observation.parameter("combo-code-value-quantity").unwrap();
    assert_eq!(reads(observation, combo), ["component"]);
    let parts: Vec<_> = combo.components.iter().map(|part| (part.root.len(), part.members[0].name.as_str())).collect();
    assert_eq!(parts, [(1, "code"), (1, "valueQuantity")]);

    // R4: "combination of relation and relatesTo".
    let documents = facts(ResourceType::DocumentReference);
    let relationship = documents.parameter("relationship").unwrap();
    assert_eq!(reads(documents, relationship), ["relatesTo"]);
    let parts: Vec<_> = relationship
        .components
        .iter()
        .map(|part| (part.parameter.as_str(), part.kind, part.members[0].name.as_str()))
        .collect();
    assert_eq!(parts, [("relation", SearchKind::Token, "code"), ("relatesto", SearchKind::Reference, "target")]);
}

/// What a leak would look like: each of these parameters must not exist at all.
#[test]
fn parameters_that_widen_or_probe_are_unknown() {
    for &resource_type in ResourceType::ALL {
        for name in [
            "_has",
            "_list",
            "_query",
            "_text",
            "_content",
            "_filter",
            "_in",
            "_type",
            "_source",
            "_security",
            "_profile",
            "_contained",
            "_containedType",
        ] {
            assert!(facts(resource_type).parameter(name).is_none(), "{resource_type} {name}");
        }
        for name in ["_id", "_lastUpdated", "_tag"] {
            assert!(facts(resource_type).parameter(name).is_some(), "{resource_type} {name}");
        }
    }
    assert!(facts(ResourceType::DocumentReference).parameter("location").is_none());
    assert!(facts(ResourceType::Location).parameter("near").is_none());
}

/// The whole authorisation table once more, as a rule list: whose record, and by which element.
#[test]
fn every_type_is_seen_by_those_it_is_about() {
    use ResourceType as R;
    let by_element = |resource_type| match resource_type {
        R::AllergyIntolerance | R::Consent | R::Device | R::Immunization | R::RelatedPerson => "patient",
        R::Appointment => "participant.actor",
        R::Coverage => "beneficiary",
        R::Task => "for",
        R::VerificationResult => "target",
        _ => "subject",
    };
    for &resource_type in R::ALL {
        let facts = facts(resource_type);
        match (resource_type, &facts.authorization) {
            (R::Group | R::Person | R::Subscription, kind) => assert_eq!(kind, &AuthorizationKind::Refused),
            (R::AuditEvent, kind) => assert_eq!(kind, &AuthorizationKind::Own),
            (
                R::Organization | R::Practitioner | R::PractitionerRole | R::HealthcareService | R::Endpoint,
                AuthorizationKind::Directory { never_with },
            ) => assert_eq!(never_with, &[], "{resource_type}"),
            (R::Location | R::Schedule | R::Slot, AuthorizationKind::Directory { never_with }) => {
                assert_eq!(never_with, &[R::Patient, R::RelatedPerson, R::Person], "{resource_type}");
            }
            (
                R::Medication | R::Binary | R::Provenance | R::PaymentNotice | R::PaymentReconciliation,
                AuthorizationKind::Via { .. },
            ) => {}
            (R::Patient, AuthorizationKind::Subject { itself, paths, parameter, .. }) => {
                assert_eq!((*itself, paths.as_slice(), parameter.as_str()), (true, [].as_slice(), "_id"));
            }
            (_, AuthorizationKind::Subject { itself, paths, several, parameter, alternative }) => {
                let paths: Vec<_> = paths.iter().map(|&path| facts.path(path).unwrap()).collect();
                assert_eq!(paths, [by_element(resource_type)], "{resource_type}");
                let (wanted, many) = match resource_type {
                    R::VerificationResult => ("target", Several::All),
                    R::Appointment => ("patient", Several::Any),
                    _ => ("patient", Several::All),
                };
                assert_eq!((*itself, parameter.as_str(), *several), (false, wanted, many), "{resource_type}");
                assert_eq!(alternative.is_some(), resource_type == R::Communication, "{resource_type}");
            }
            (_, kind) => panic!("{resource_type} is {kind:?}"),
        }
    }
}

#[test]
fn a_message_about_nobody_belongs_to_its_sender_and_recipients() {
    let facts = facts(ResourceType::Communication);
    let AuthorizationKind::Subject { alternative: Some(alternative), .. } = &facts.authorization else { panic!() };
    let paths: Vec<_> = alternative.paths.iter().map(|&path| facts.path(path).unwrap()).collect();
    assert_eq!(paths, ["sender", "recipient"]);
    assert_eq!(alternative.parameters, ["sender", "recipient"]);
}

#[test]
fn owned_types_are_reached_through_their_owners() {
    use ResourceType as R;
    let via = |resource_type| match &facts(resource_type).authorization {
        AuthorizationKind::Via { owners, targets, several, parameter, .. } => {
            let targets: Vec<_> = targets.iter().map(|&path| facts(resource_type).path(path).unwrap()).collect();
            (owners.clone(), targets, *several, parameter.clone())
        }
        kind => panic!("{kind:?}"),
    };
    let (owners, targets, _, _) = via(R::Medication);
    assert_eq!(targets, [""; 0]);
    let owners: Vec<_> = owners
        .iter()
        .map(|edge| match &edge.by {
            EdgeElement::Reference { path, capture, parameter } => {
                assert_eq!(facts(edge.owner).path(*capture), Some(path.as_str()));
                (edge.owner, path.as_str(), parameter.as_str())
            }
            EdgeElement::Attachment => panic!(),
        })
        .collect();
    assert_eq!(
        owners,
        [R::MedicationDispense, R::MedicationRequest, R::MedicationStatement].map(|owner| (
            owner,
            "medicationReference",
            "medication"
        ))
    );
    let (owners, targets, _, _) = via(R::Binary);
    assert_eq!(targets, [""; 0]);
    assert!(owners.iter().all(|edge| edge.by == EdgeElement::Attachment));
    // Person, whose photo is an attachment as well, is Chartgate's own and has no upstream attachment to follow.
    let holders: Vec<_> = owners.iter().map(|edge| edge.owner).collect();
    assert!(holders.contains(&R::DocumentReference) && holders.contains(&R::DiagnosticReport));
    assert!(holders.contains(&R::Media) && !holders.contains(&R::Person));
    let parameter = |name: &str| Some(name.to_owned());
    assert_eq!(via(R::Provenance), (vec![], vec!["target"], Several::Any, parameter("target")));
    assert_eq!(via(R::PaymentNotice), (vec![], vec!["request"], Several::All, parameter("request")));
    assert_eq!(via(R::PaymentReconciliation), (vec![], vec!["detail.request"], Several::All, None));
}

/// Elements that name a person and must never decide whose a resource is.
#[test]
fn being_named_is_not_enough() {
    use ResourceType as R;
    for (resource_type, named) in [
        (R::Observation, "performer"),
        (R::Observation, "focus"),
        (R::AllergyIntolerance, "asserter"),
        (R::AllergyIntolerance, "recorder"),
        (R::Condition, "asserter"),
        (R::CareTeam, "participant.member"),
        (R::Coverage, "subscriber"),
        (R::Coverage, "policyHolder"),
        (R::Coverage, "payor"),
        (R::DocumentReference, "author"),
        (R::MedicationDispense, "receiver"),
        (R::Invoice, "recipient"),
        (R::QuestionnaireResponse, "source"),
        (R::QuestionnaireResponse, "author"),
        (R::Encounter, "participant.individual"),
        (R::Task, "owner"),
        (R::Task, "requester"),
        (R::ServiceRequest, "performer"),
    ] {
        let facts = facts(resource_type);
        assert!(
            facts.references.iter().any(|element| element.path == named),
            "{resource_type}.{named} is no Reference"
        );
        let AuthorizationKind::Subject { paths, .. } = &facts.authorization else { panic!("{resource_type}") };
        assert!(paths.iter().all(|&path| facts.path(path) != Some(named)), "{resource_type}.{named}");
    }
}

#[test]
fn elements_are_known() {
    use ResourceType as R;
    assert_eq!(facts(R::DocumentReference).attachments, ["content.attachment.url"]);
    assert_eq!(facts(R::DiagnosticReport).attachments, ["presentedForm.url"]);
    assert_eq!(facts(R::Media).attachments, ["content.url"]);
    assert_eq!(facts(R::Communication).attachments, ["payload.contentAttachment.url"]);
    let nested = "item.item.answer.item.answer.valueAttachment.url".to_owned();
    assert!(facts(R::QuestionnaireResponse).attachments.contains(&nested));
    let observation = facts(R::Observation);
    for name in ["status", "code", "modifierExtension", "implicitRules"] {
        assert!(observation.mandatory.iter().any(|mandatory| mandatory == name), "{name}");
    }
    assert!(!observation.mandatory.iter().any(|name| name == "subject" || name == "valueQuantity"));
    for name in ["id", "meta", "code", "subject", "effectiveDateTime", "valueQuantity"] {
        assert!(observation.summary.iter().any(|summary| summary == name), "{name}");
    }
    assert!(!observation.summary.iter().any(|name| name == "text" || name == "note"));
    let target = |path: &str| observation.references.iter().find(|element| element.path == path).unwrap();
    assert_eq!(target("encounter").targets, [R::Encounter]);
    assert_eq!(target("focus").targets, R::ALL);
    assert_eq!(
        target("note.authorReference").targets,
        [R::Organization, R::Patient, R::Practitioner, R::RelatedPerson]
    );
}

#[test]
fn us_core_requires_what_it_is_known_to_require() {
    use Expectation::{Shall, Should};
    use ResourceType as R;
    use UsCoreVersion::{V6_1_0, V7_0_0};
    for (resource_type, names, version, expectation) in [
        (R::Patient, &["birthdate", "name"][..], V6_1_0, Shall),
        (R::Patient, &["_id"], V6_1_0, Shall),
        (R::Observation, &["patient", "category", "date"], V6_1_0, Shall),
        (R::Observation, &["patient", "code", "date"], V6_1_0, Should),
        (R::Observation, &["patient", "category", "_lastUpdated"], V7_0_0, Should),
        (R::MedicationRequest, &["patient", "intent", "status"], V6_1_0, Shall),
        (R::Encounter, &["date", "patient"], V6_1_0, Shall),
        (R::Condition, &["patient", "asserted-date"], V6_1_0, Should),
        (R::Goal, &["patient", "target-date"], V7_0_0, Should),
        (R::CareTeam, &["patient", "status"], V6_1_0, Shall),
    ] {
        let found = facts(resource_type).required_searches.iter().find(|search| {
            let mut own: Vec<_> = search.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
            let mut wanted = names.to_vec();
            own.sort_unstable();
            wanted.sort_unstable();
            search.version == version && own == wanted
        });
        let found = found.unwrap_or_else(|| panic!("{resource_type} {names:?}"));
        assert_eq!(found.expectation, expectation, "{resource_type} {names:?}");
        if let Some(date) = found.parameters.iter().find(|parameter| parameter.name == "date") {
            use Comparator as C;
            assert_eq!(date.comparators, [C::Gt, C::Ge, C::Lt, C::Le]);
        }
    }
    let medication = &facts(R::MedicationRequest).includes;
    assert!(medication.iter().any(|include| include.value == "MedicationRequest:medication"));
    assert!(facts(R::Observation).revincludes.iter().any(|include| include.value == "Provenance:target"));
    let profile = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient";
    assert_eq!(facts(R::Patient).profiles, [profile]);
    assert!(Knowledge::embedded().is_ok());
}
