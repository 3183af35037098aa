//! Every resource type of FHIR R4, by every interaction: what is not served is not there, for whoever asks.

use std::collections::{BTreeMap, BTreeSet};

use chartgate::config::Limits;
use chartgate::fhir::ResourceType;
use futures_util::future::join_all;

use crate::naive::{Kind, kind_of};
use crate::support::world::{World, run};

/// FHIR R4 (4.0.1) resource types, abstract ones apart; by hand from the index of the specification.
const R4: &str = "Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent \
    Basic Binary BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement CarePlan CareTeam CatalogEntry \
    ChargeItem ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication CommunicationRequest \
    CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage CoverageEligibilityRequest \
    CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest DeviceUseStatement \
    DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest \
    EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit \
    FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse HealthcareService ImagingStudy Immunization \
    ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide InsurancePlan Invoice Library Linkage List \
    Location Measure MeasureReport Media Medication MedicationAdministration MedicationDispense MedicationKnowledge \
    MedicationRequest MedicationStatement MedicinalProduct MedicinalProductAuthorization \
    MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction \
    MedicinalProductManufactured MedicinalProductPackaged MedicinalProductPharmaceutical \
    MedicinalProductUndesirableEffect MessageDefinition MessageHeader MolecularSequence NamingSystem NutritionOrder \
    Observation ObservationDefinition OperationDefinition OperationOutcome Organization OrganizationAffiliation \
    Parameters Patient PaymentNotice PaymentReconciliation Person PlanDefinition Practitioner PractitionerRole Procedure \
    Provenance Questionnaire QuestionnaireResponse RelatedPerson RequestGroup ResearchDefinition \
    ResearchElementDefinition ResearchStudy ResearchSubject RiskAssessment RiskEvidenceSynthesis Schedule \
    SearchParameter ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition StructureMap Subscription \
    Substance SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation \
    SubstanceSourceMaterial SubstanceSpecification SupplyDelivery SupplyRequest Task TerminologyCapabilities TestReport \
    TestScript ValueSet VerificationResult VisionPrescription";

/// Every interaction of the FHIR RESTful API, on this type; `{p}` is the person.
const INTERACTIONS: &[(&str, &str)] = &[
    ("GET", "{t}/x"),
    ("HEAD", "{t}/x"),
    ("GET", "{t}/x/_history"),
    ("GET", "{t}/x/_history/1"),
    ("GET", "{t}"),
    ("GET", "{t}?patient={p}"),
    ("GET", "{t}?_id=x"),
    ("POST", "{t}/_search"),
    ("GET", "Patient/{p}/{t}"),
    ("POST", "Patient/{p}/{t}/_search"),
    ("GET", "{t}/x/$everything"),
    ("GET", "{t}/x/$meta"),
    ("GET", "{t}/$validate"),
    ("GET", "{t}/_history"),
];
const WRITES: &[(&str, &str)] =
    &[("POST", "{t}"), ("PUT", "{t}/x"), ("PATCH", "{t}/x"), ("DELETE", "{t}/x"), ("DELETE", "{t}?_id=x")];

fn is_write(method: &str, path: &str) -> bool {
    WRITES.contains(&(method, path))
}

#[test]
fn f27_a_type_without_a_rule_is_not_there_by_any_interaction_and_scope() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let me = world.person("maria").id.to_string();
        let scopes = ["launch/patient patient/*.rs", "launch/patient user/*.rs", "launch/patient patient/*.read"];
        let mut tokens = Vec::new();
        for scope in scopes {
            tokens.push(world.token_for("maria", "maria", "app", scope).await);
        }
        world.forget_upstream();
        let all: BTreeSet<&str> = R4.split_whitespace().collect();
        assert_eq!(all.len(), 146);
        let served: BTreeSet<&str> = ResourceType::ALL.iter().map(|kind| kind.as_str()).collect();
        assert!(served.is_subset(&all), "{:?}", served.difference(&all).collect::<Vec<_>>());
        let odd = [
            "DomainResource",
            "Resource",
            "SubscriptionStatus",
            "patient",
            "PATIENT",
            "Observations",
            "metadataX",
            "Nope",
        ];
        let (mut asked, mut answers) = (0, BTreeMap::new());
        for kind in all.difference(&served).chain(&odd) {
            for token in &tokens {
                let targets: Vec<(&str, &str, String)> = INTERACTIONS
                    .iter()
                    .chain(WRITES)
                    .map(|(method, path)| (*method, *path, path.replace("{t}", kind).replace("{p}", &me)))
                    .collect();
                let sent = targets.iter().map(async |(method, path, target)| {
                    let headers = [("content-type", "application/fhir+json")];
                    let (headers, body) = if is_write(method, path) { (&headers[..], "{}") } else { (&[][..], "") };
                    world.send(method, &format!("/fhir/{target}"), Some(token), headers, body).await
                });
                for ((method, path, target), answer) in targets.iter().zip(join_all(sent).await) {
                    asked += 1;
                    let wanted: &[u16] = if is_write(method, path) { &[405] } else { &[404, 405] };
                    assert!(wanted.contains(&answer.status), "{method} {target}: {} {}", answer.status, answer.text);
                    // The same for every type: which of them another server would know is not told.
                    let said = answers.entry((*method, *path)).or_insert_with(|| answer.without_request_id());
                    assert_eq!(*said, answer.without_request_id(), "{method} {target}");
                }
            }
        }
        assert_eq!(world.upstream_counts(), [0, 0], "an EHR was asked for a type that nobody decides about");
        assert!(asked > 5_000, "{asked}");
    });
}

#[test]
fn f27_types_that_tell_of_others_give_nothing_and_ask_nobody() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let me = world.person("maria").id;
        for scope in ["launch/patient patient/*.rs", "launch/patient user/*.rs"] {
            let token = world.token_for("maria", "maria", "app", scope).await;
            world.forget_upstream();
            for kind in ResourceType::ALL.iter().map(|kind| kind.as_str()).filter(|kind| kind_of(kind) == Kind::Never) {
                for path in [
                    kind.to_owned(),
                    format!("{kind}?patient=Patient/{me}"),
                    format!("{kind}?_id=x"),
                    format!("{kind}?_summary=count"),
                    format!("{kind}/x"),
                    format!("{kind}/x/_history"),
                    format!("{kind}/{}.x", world.practice("riverside").source),
                    format!("Patient/{me}/{kind}"),
                ] {
                    let answer = world.get(&format!("/fhir/{path}"), &token).await;
                    // Who looked is told from Chartgate's own log, which no EHR has a part in.
                    let is_kept_here = |id: &String| kind == "AuditEvent" && id.starts_with("self.");
                    let empty = answer.status == 200
                        && (answer.json().get("entry").is_none() || answer.ids().iter().all(is_kept_here));
                    assert!(
                        empty || [400, 403, 404].contains(&answer.status),
                        "{path}: {} {}",
                        answer.status,
                        answer.text
                    );
                }
            }
            // Reference data leads to nobody's records.
            for path in [
                "Practitioner?_revinclude=Encounter:practitioner",
                "Practitioner?_revinclude=Observation:performer",
                "Practitioner?_has:Encounter:practitioner:status=finished",
                "Organization?_revinclude=Patient:organization",
                "Location?_revinclude=Encounter:location",
                "Location?_revinclude=*",
                "Device?patient:missing=true&_include=Device:patient",
                "HealthcareService?_revinclude=Appointment:actor",
                "Schedule?_revinclude=Slot:schedule",
            ] {
                assert_eq!(world.get(&format!("/fhir/{path}"), &token).await.status, 400, "{path}");
            }
            assert_eq!(world.upstream_counts(), [0, 0], "{scope}");
            // A device of nobody is nobody's.
            let devices = world.get("/fhir/Device?patient:missing=true", &token).await;
            assert!(devices.status == 400 || devices.ids().is_empty(), "{}", devices.text);
            let everybody = world.get("/fhir/Practitioner?_count=500", &token).await;
            assert!(!everybody.ids().is_empty() && everybody.entries("include").is_empty());
        }
    });
}
