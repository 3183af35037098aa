//! Search parameters as the specification describes them, for what the tests ask. One line: type, name, kind, paths.

use std::sync::LazyLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParameterKind {
    Date,
    /// An `instant`: a point in time, whatever its digits.
    Instant,
    Number,
    Quantity,
    String,
    Token,
    Reference,
    Uri,
    Composite,
}

#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) kind: ParameterKind,
    pub(crate) paths: Vec<&'static str>,
    /// Of a reference: the one type that counts.
    pub(crate) target: Option<&'static str>,
    /// Of a composite, whose one path is where both stand: path and kind of each part.
    pub(crate) components: Vec<(&'static str, ParameterKind)>,
}

const TABLE: &str = "
* _lastUpdated instant meta>lastUpdated
Account patient reference subject
Account status token status
AllergyIntolerance clinical-status token clinicalStatus
AllergyIntolerance code token code reaction>substance
AllergyIntolerance date date recordedDate
AllergyIntolerance patient reference patient
Appointment actor reference participant>actor
Appointment date instant start
Appointment patient reference participant>actor
Appointment practitioner reference participant>actor
Appointment status token status
CarePlan category token category
CarePlan date date period
CarePlan patient reference subject
CarePlan status token status
CareTeam participant reference participant>member
CareTeam patient reference subject
CareTeam role token participant>role
CareTeam status token status
ChargeItem patient reference subject
Communication patient reference subject
Communication received date received
Communication recipient reference recipient
Communication sender reference sender
Communication sent date sent
Communication status token status
Condition abatement-date date abatementDateTime abatementPeriod
Condition asserted-date date extension?url=http://hl7.org/fhir/StructureDefinition/condition-assertedDate>valueDateTime
Condition category token category
Condition clinical-status token clinicalStatus
Condition code token code
Condition encounter reference encounter
Condition onset-date date onsetDateTime onsetPeriod
Condition patient reference subject
Condition recorded-date date recordedDate
Consent patient reference patient
Consent status token status
Coverage patient reference beneficiary
Coverage status token status
Device patient reference patient
Device status token status
Device type token type
DiagnosticReport category token category
DiagnosticReport code token code
DiagnosticReport date date effectiveDateTime effectivePeriod
DiagnosticReport encounter reference encounter
DiagnosticReport identifier token identifier
DiagnosticReport patient reference subject
DiagnosticReport result reference result
DiagnosticReport status token status
DocumentReference category token category
DocumentReference date date date
DocumentReference patient reference subject
DocumentReference period date context>period
DocumentReference status token status
DocumentReference type token type
Encounter class token class
Encounter date date period
Encounter discharge-disposition token hospitalization>dischargeDisposition
Encounter identifier token identifier
Encounter location reference location>location
Encounter patient reference subject
Encounter status token status
Encounter type token type
Goal description token description
Goal lifecycle-status token lifecycleStatus
Goal patient reference subject
Goal target-date date target>dueDate
Immunization date date occurrenceDateTime
Immunization patient reference patient
Immunization status token status
Immunization vaccine-code token vaccineCode
Invoice date date date
Invoice patient reference subject
Invoice status token status
Invoice totalgross quantity totalGross
Location address string address
Location address-city string address>city
Location address-postalcode string address>postalCode
Location address-state string address>state
Location name string name alias
Media patient reference subject
Medication code token code
MedicationDispense medication reference medicationReference
MedicationDispense patient reference subject
MedicationDispense status token status
MedicationDispense type token type
MedicationRequest authoredon date authoredOn
MedicationRequest code token medicationCodeableConcept
MedicationRequest encounter reference encounter
MedicationRequest intent token intent
MedicationRequest medication reference medicationReference
MedicationRequest patient reference subject
MedicationRequest requester reference requester
MedicationRequest status token status
MedicationStatement patient reference subject
Observation category token category
Observation code token code
Observation combo-code token code component>code
Observation component-code token component>code
Observation date date effectiveDateTime effectivePeriod effectiveInstant effectiveTiming
Observation encounter reference encounter
Observation focus reference focus
Observation has-member reference hasMember
Observation identifier token identifier
Observation patient reference subject
Observation performer reference performer
Observation status token status
Observation subject reference subject
Observation value-concept token valueCodeableConcept
Observation value-quantity quantity valueQuantity
Observation value-string string valueString
Organization address string address
Organization name string name alias
Patient birthdate date birthDate
Patient death-date date deceasedDateTime
Patient family string name>family
Patient gender token gender
Patient given string name>given
Patient identifier token identifier
Patient name string name
PaymentNotice request reference request
Practitioner identifier token identifier
Practitioner name string name
PractitionerRole endpoint reference endpoint
PractitionerRole practitioner reference practitioner
PractitionerRole specialty token specialty
Procedure code token code
Procedure date date performedDateTime performedPeriod
Procedure patient reference subject
Procedure status token status
Provenance patient reference target
Provenance recorded instant recorded
Provenance target reference target
QuestionnaireResponse authored date authored
QuestionnaireResponse patient reference subject
QuestionnaireResponse questionnaire reference questionnaire
QuestionnaireResponse status token status
RelatedPerson name string name
RelatedPerson patient reference patient
ServiceRequest authored date authoredOn
ServiceRequest category token category
ServiceRequest code token code
ServiceRequest encounter reference encounter
ServiceRequest patient reference subject
ServiceRequest status token status
Slot schedule reference schedule
Slot start instant start
Slot status token status
Specimen patient reference subject
Specimen type token type
Task patient reference for
Task status token status
VerificationResult target reference target
";

/// The row of a parameter.
pub(crate) fn parameter(resource_type: &str, name: &str) -> Parameter {
    if resource_type == "Observation" && name == "code-value-quantity" {
        let components = vec![("code", ParameterKind::Token), ("valueQuantity", ParameterKind::Quantity)];
        return Parameter { kind: ParameterKind::Composite, paths: vec![""], target: None, components };
    }
    if resource_type == "Observation" && name == "component-code-value-quantity" {
        let components = vec![("code", ParameterKind::Token), ("valueQuantity", ParameterKind::Quantity)];
        return Parameter { kind: ParameterKind::Composite, paths: vec!["component"], target: None, components };
    }
    static ROWS: LazyLock<Vec<Vec<&str>>> = LazyLock::new(|| {
        let rows = TABLE.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        rows.filter(|row| row.len() > 3).collect()
    });
    let row = ROWS.iter().find(|row| row[1] == name && (row[0] == resource_type || row[0] == "*"));
    let row = row.unwrap_or_else(|| panic!("the second evaluator has no row for {resource_type} {name}"));
    let kind = match row[2] {
        "date" => ParameterKind::Date,
        "instant" => ParameterKind::Instant,
        "number" => ParameterKind::Number,
        "quantity" => ParameterKind::Quantity,
        "string" => ParameterKind::String,
        "token" => ParameterKind::Token,
        "reference" => ParameterKind::Reference,
        "uri" => ParameterKind::Uri,
        other => panic!("{other}"),
    };
    let target = match name {
        "patient" => Some("Patient"),
        "practitioner" => Some("Practitioner"),
        "location" => Some("Location"),
        _ => None,
    };
    Parameter { kind, paths: row[3..].to_vec(), target, components: Vec::new() }
}
