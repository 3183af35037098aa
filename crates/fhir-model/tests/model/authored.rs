//! The resources written here, read back by serde_json, and by this crate's own check.

use fhir_model::{
    CapabilityInput, Interaction, Issue, OauthUris, Operation, Problem, ProblemCode, ResourceCapability,
    SearchParamCapability, capability_statement, operation_outcome, validate,
};
use serde_json::{Value, json};

fn read(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn an_outcome_says_what_it_was_given() {
    let issue = Issue {
        severity: "warning",
        code: "incomplete",
        details_text: "One practice did not answer \"in time\"".to_owned(),
        diagnostics: Some("deadline".to_owned()),
        expression: vec!["Bundle.entry[3]".to_owned()],
    };
    let problem =
        Problem { expression: "Patient.id".to_owned(), code: ProblemCode::TooLong, details: "too long".to_owned() };
    let bytes = operation_outcome(&[issue, problem.into()]);
    let expected = json!({
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "warning",
                "code": "incomplete",
                "details": {"text": "One practice did not answer \"in time\""},
                "diagnostics": "deadline",
                "expression": ["Bundle.entry[3]"],
            },
            {"severity": "error", "code": "too-long", "details": {"text": "too long"}, "expression": ["Patient.id"]},
        ],
    });
    assert_eq!(read(&bytes), expected);
    assert!(validate(&bytes, &["OperationOutcome"]).is_ok());
}

#[test]
fn an_outcome_always_has_an_issue_and_no_empty_text() {
    assert_eq!(read(&operation_outcome(&[]))["issue"][0]["code"], "exception");
    let bare = Issue {
        severity: "error",
        code: "not-found",
        details_text: String::new(),
        diagnostics: Some(String::new()),
        expression: vec![String::new()],
    };
    assert_eq!(
        read(&operation_outcome(&[bare])),
        json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found"}]})
    );
}

fn input() -> CapabilityInput {
    CapabilityInput {
        date: "2026-01-02".to_owned(),
        software_name: "Chartgate".to_owned(),
        software_version: "0.1.0".to_owned(),
        implementation_url: "https://gate.example/fhir".to_owned(),
        implementation_description: "Records of two practices".to_owned(),
        format: vec!["json".to_owned(), "application/fhir+json".to_owned()],
        instantiates: vec!["http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server|6.1.0".to_owned()],
        implementation_guide: vec![],
        oauth: Some(OauthUris {
            authorize: "https://gate.example/oauth/authorize".to_owned(),
            token: "https://gate.example/oauth/token".to_owned(),
            revoke: Some("https://gate.example/oauth/revoke".to_owned()),
            ..OauthUris::default()
        }),
        interactions: vec!["batch".to_owned()],
        operations: vec![],
        resources: vec![ResourceCapability {
            resource_type: "Observation".to_owned(),
            supported_profiles: vec!["http://hl7.org/fhir/us/core/StructureDefinition/us-core-bmi|6.1.0".to_owned()],
            interactions: vec![
                Interaction { code: "read", documentation: None },
                Interaction { code: "search-type", documentation: Some("One person at a time".to_owned()) },
            ],
            versioning: Some("versioned"),
            read_history: Some(false),
            update_create: Some(false),
            conditional_create: Some(false),
            conditional_read: Some("not-match"),
            search_includes: vec!["Observation:patient".to_owned()],
            search_rev_includes: vec!["Provenance:target".to_owned()],
            search_params: vec![SearchParamCapability {
                name: "date".to_owned(),
                kind: "date".to_owned(),
                definition: Some("http://hl7.org/fhir/SearchParameter/clinical-date".to_owned()),
                documentation: Some("eq, ne, gt, ge, lt, le".to_owned()),
            }],
            operations: vec![Operation {
                name: "lastn".to_owned(),
                definition: "http://hl7.org/fhir/OperationDefinition/Observation-lastn".to_owned(),
            }],
        }],
    }
}

#[test]
fn a_capability_statement_says_what_it_was_given() {
    let bytes = capability_statement(&input()).unwrap();
    let expected = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-02",
        "kind": "instance",
        "instantiates": ["http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server|6.1.0"],
        "software": {"name": "Chartgate", "version": "0.1.0"},
        "implementation": {"description": "Records of two practices", "url": "https://gate.example/fhir"},
        "fhirVersion": "4.0.1",
        "format": ["json", "application/fhir+json"],
        "rest": [{
            "mode": "server",
            "security": {
                "extension": [{
                    "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                    "extension": [
                        {"url": "authorize", "valueUri": "https://gate.example/oauth/authorize"},
                        {"url": "token", "valueUri": "https://gate.example/oauth/token"},
                        {"url": "revoke", "valueUri": "https://gate.example/oauth/revoke"},
                    ],
                }],
                "cors": true,
                "service": [{
                    "coding": [{
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }],
                    "text": "OAuth2 using SMART-on-FHIR profile (see http://docs.smarthealthit.org)",
                }],
            },
            "resource": [{
                "type": "Observation",
                "supportedProfile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-bmi|6.1.0"],
                "interaction": [
                    {"code": "read"},
                    {"code": "search-type", "documentation": "One person at a time"},
                ],
                "versioning": "versioned",
                "readHistory": false,
                "updateCreate": false,
                "conditionalCreate": false,
                "conditionalRead": "not-match",
                "searchInclude": ["Observation:patient"],
                "searchRevInclude": ["Provenance:target"],
                "searchParam": [{
                    "name": "date",
                    "definition": "http://hl7.org/fhir/SearchParameter/clinical-date",
                    "type": "date",
                    "documentation": "eq, ne, gt, ge, lt, le",
                }],
                "operation": [{
                    "name": "lastn",
                    "definition": "http://hl7.org/fhir/OperationDefinition/Observation-lastn",
                }],
            }],
            "interaction": [{"code": "batch"}],
        }],
    });
    assert_eq!(read(&bytes), expected);
    assert_eq!(validate(&bytes, &["CapabilityStatement"]).map(|checked| checked.id), Ok(None));
}

#[test]
fn without_oauth_no_smart_service_is_announced() {
    let bytes = capability_statement(&CapabilityInput { oauth: None, ..input() }).unwrap();
    assert_eq!(read(&bytes)["rest"][0]["security"], json!({"cors": true}));
}
