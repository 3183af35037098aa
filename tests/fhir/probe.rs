//! `source probe` against a sandbox EHR that behaves, and against ones that do not.

use std::sync::Arc;

use chartgate::base::clock::SystemClock;
use chartgate::base::random::SystemRandom;
use chartgate::config::Limits;
use chartgate::fhir::knowledge::Knowledge;
use chartgate::mapping::VendorProfiles;
use chartgate::practice::{self, ProbeReport};
use chartgate::sandbox::{Data, Fault, FaultKind, RunningSandbox, Sandbox, SmartApp};
use chartgate::upstream::{Client, Connection, Credential, SourceFailure};

use crate::support::world::{fixtures, run};

/// What Riverside holds.
fn riverside() -> Vec<serde_json::Value> {
    let (practices, _) = fixtures();
    practices.into_iter().find(|practice| practice.key == "riverside").unwrap().resources
}

async fn sandbox() -> RunningSandbox {
    let lines: Vec<String> = riverside().iter().map(ToString::to_string).collect();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Sandbox::builder().data(Data::Ndjson(lines.join("\n"))).start().await.unwrap()
}

async fn probe(ehr: &RunningSandbox, patient: Option<&str>) -> Result<ProbeReport, SourceFailure> {
    let private = ["127.0.0.0/8".to_owned()];
    let connection = Connection::new(&ehr.base_url, &private, Credential::None).unwrap();
    let random = Arc::new(SystemRandom::default());
    let client = Arc::new(Client::new(connection, Limits::default(), Arc::new(SystemClock), random));
    let vendors = VendorProfiles::embedded().unwrap();
    practice::probe(Knowledge::embedded().unwrap(), &vendors, &client, patient).await
}

#[test]
fn an_ehr_is_described_and_tried_without_writing() {
    run(async {
        let ehr = sandbox().await;
        let report = probe(&ehr, Some("pat-1001")).await.unwrap();
        assert_eq!((report.fhir_version.as_deref(), report.profile.as_str()), (Some("4.0.1"), "generic"));
        assert!(report.smart.found && report.smart.backend_services && !report.smart.per_patient);
        let row = |name: &str| report.types.iter().find(|row| row.resource_type == name).unwrap();
        let observation = row("Observation");
        assert!(observation.interactions.iter().any(|code| code == "search-type"));
        assert!(observation.parameters.iter().any(|name| name == "category"));
        let held = riverside();
        let of = |kind: &str| {
            held.iter()
                .filter(|r| r["resourceType"] == kind)
                .filter(|r| r["subject"]["reference"].as_str().is_some_and(|text| text.ends_with("Patient/pat-1001")))
                .count()
        };
        let tested = row("Condition").test.as_ref().unwrap();
        assert_eq!((tested.outcome.as_str(), tested.resources), ("ok", of("Condition")));
        assert!(row("Practitioner").test.is_none(), "about nobody");
        assert_eq!(report.notes, Vec::<String>::new());
        assert!(ehr.requests.all().iter().all(|request| request.method == "GET"));
        let text = report.to_text();
        assert!(text.contains("vendor profile: generic") && text.contains("Observation"), "{text}");
        // Without a test patient nothing of anybody is asked.
        ehr.requests.clear();
        assert!(probe(&ehr, None).await.unwrap().types.iter().all(|row| row.test.is_none()));
        let paths: Vec<String> = ehr.requests.all().into_iter().map(|request| request.path).collect();
        assert_eq!(paths, ["/fhir/metadata", "/fhir/.well-known/smart-configuration"]);
        let app = SmartApp { client_id: "x".to_owned(), secret: None, redirect_uri: "http://x".to_owned() };
        ehr.smart.register(app);
        assert!(probe(&ehr, None).await.unwrap().smart.per_patient);
    });
}

#[test]
fn what_an_ehr_does_wrong_or_differently_is_noted() {
    run(async {
        let ehr = sandbox().await;
        ehr.faults.set(vec![
            Fault::new(FaultKind::SearchNeeds(vec!["category".to_owned(), "code".to_owned()]))
                .for_types(&["Observation"]),
            Fault::new(FaultKind::WrongPatient { disguised: false }).for_types(&["Condition"]),
            Fault::new(FaultKind::IgnoredParameters(vec!["code".to_owned()])).for_types(&["Procedure"]),
            Fault::new(FaultKind::Status(403)).for_types(&["Goal"]),
        ]);
        let report = probe(&ehr, Some("pat-1001")).await.unwrap();
        let test = |name: &str| {
            let row = report.types.iter().find(|row| row.resource_type == name).unwrap();
            row.test.clone().unwrap()
        };
        assert_eq!(test("Observation").outcome, "needs-category");
        assert!(test("Condition").of_others > 0);
        assert_eq!(test("Procedure").ignored.as_deref(), Some("code"));
        assert_eq!(test("Goal").outcome, "forbidden");
        for kind in ["Observation", "Condition", "Procedure"] {
            assert!(report.notes.iter().any(|note| note.starts_with(kind)), "{kind}: {:?}", report.notes);
        }
        let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!(json["profile"], "generic");

        // What it calls itself proposes a profile, by whole words.
        for (name, profile) in [
            ("Epic", "epic"),
            ("Cerner Millennium", "oracle-health"),
            ("HAPI FHIR Server", "hapi"),
            ("OpenEMR", "openemr"),
            ("medplum", "medplum"),
            ("athenahealth", "athenahealth"),
            ("eClinicalWorks FHIR Facade", "eclinicalworks"),
            ("Epicentre EHR", "generic"),
        ] {
            let statement = format!(
                r#"{{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","software":{{"name":"{name}"}},"rest":[]}}"#
            );
            ehr.faults.set(vec![Fault::new(FaultKind::Body(statement)).for_types(&["metadata"])]);
            let report = probe(&ehr, None).await;
            assert_eq!(report.unwrap().profile, profile, "{name}");
        }
        // What it calls itself is shown on an operator's terminal.
        let statement = r#"{"resourceType":"CapabilityStatement","fhirVersion":"4\u001b[2J","software":{"name":"E\u001b]0;x\u0007\nR"},"rest":[]}"#;
        ehr.faults.set(vec![Fault::new(FaultKind::Body(statement.to_owned())).for_types(&["metadata"])]);
        let text = probe(&ehr, None).await.unwrap().to_text();
        assert!(text.contains("calls itself") && text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        ehr.faults.set(vec![Fault::new(FaultKind::HtmlBody).for_types(&["metadata"])]);
        assert_eq!(probe(&ehr, None).await.unwrap_err(), SourceFailure::Malformed);
    });
}
