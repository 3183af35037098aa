use super::*;
use crate::fhir::knowledge::Knowledge;
use crate::fhir::search::{self, Handling};

fn profile(name: &str) -> VendorProfile {
    VendorProfiles::embedded().unwrap().by_name(name).unwrap().clone()
}

/// The names of what is sent of a query, and the values that are asked for one by one.
fn planned(name: &str, resource_type: ResourceType, pairs: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let query = search::parse(Knowledge::embedded().unwrap(), resource_type, &pairs, Handling::Strict).unwrap();
    let profile = profile(name);
    let sent = profile.sendable(resource_type, &query.criteria);
    let split = profile.required(resource_type, &sent).map(|required| required.values.clone()).unwrap_or_default();
    (sent.iter().map(|criterion| criterion.parameter.clone()).collect(), split)
}

#[test]
fn embedded_profiles_load_and_answer() {
    let generic = profile("generic");
    assert!(generic.supports(ResourceType::Observation, "code"));
    assert_eq!(generic.patient_parameter(ResourceType::Task, "patient"), "patient");
    assert!(VendorProfiles::embedded().unwrap().by_name("nobody").is_err());
}

#[test]
fn every_file_in_the_folder_is_embedded() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/ehr");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || EMBEDDED.iter().any(|(stem, _)| format!("{stem}.toml") == name), "{name}");
    }
}

/// Nothing is claimed of a vendor without saying where it was read.
#[test]
fn every_vendor_profile_names_its_origins() {
    for (file, text) in EMBEDDED.iter().filter(|(file, _)| !["generic", "plain-r4", "epic-like"].contains(file)) {
        assert!(text.contains("https://"), "{file}");
        let facts = text.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')).count();
        let origins = text.lines().filter(|line| line.starts_with("# https://")).count();
        assert!(origins >= 2 && facts >= 3, "{file}: {facts} facts, {origins} origins");
    }
}

#[test]
fn epic_is_asked_for_observations_by_category_unless_the_query_names_one_or_a_code() {
    let (sent, split) = planned("epic", ResourceType::Observation, &[("date", "ge2020")]);
    assert_eq!(sent, ["date"]);
    assert!(split.contains(&"laboratory".to_owned()) && split.contains(&"vital-signs".to_owned()));
    for pair in [("category", "laboratory"), ("code", "http://loinc.org|718-7")] {
        assert_eq!(planned("epic", ResourceType::Observation, &[pair]).1, Vec::<String>::new(), "{pair:?}");
    }
    // A modifier is evaluated here, so the search that leaves names no category.
    assert!(!planned("epic", ResourceType::Observation, &[("category:not", "laboratory")]).1.is_empty());
}

#[test]
fn epic_takes_few_parameters_for_prescriptions() {
    let (sent, _) = planned("epic", ResourceType::MedicationRequest, &[("status", "active"), ("code", "x|1")]);
    assert_eq!(sent, ["status"]);
}

#[test]
fn oracle_health_gets_no_date_or_code_that_it_would_answer_with_less() {
    let observation = |pairs: &[(&str, &str)]| planned("oracle-health", ResourceType::Observation, pairs).0;
    assert_eq!(observation(&[("date", "ge2020"), ("date", "lt2021")]), ["date", "date"]);
    assert_eq!(observation(&[("date", "ge2020"), ("date", "lt2021"), ("date", "ne2020-05")]).len(), 2);
    assert_eq!(observation(&[("date", "sa2020")]), Vec::<String>::new());
    assert_eq!(observation(&[("_lastUpdated", "ge2020")]), Vec::<String>::new());
    assert_eq!(observation(&[("code", "http://loinc.org|718-7")]), ["code"]);
    assert_eq!(observation(&[("code", "718-7")]), Vec::<String>::new());
    assert_eq!(observation(&[("code", "http://loinc.org|718-7,urn:local|1")]), Vec::<String>::new());
    let (sent, split) = planned("oracle-health", ResourceType::CarePlan, &[("_id", "1"), ("date", "ge2020")]);
    assert_eq!((sent, split), (Vec::new(), vec!["assess-plan".to_owned()]));
}

#[test]
fn a_malformed_profile_is_refused() {
    for text in [
        "name = \"x\"\n[unsupported]\nNothing = [\"code\"]",
        "name = \"x\"\nsurprise = 1",
        "name = \"x\"\n[[required]]\nresource = \"Observation\"\none_of = [\"category\"]\nparameter = \"code\"\nvalues = [\"a\"]",
        "name = \"x\"\n[[required]]\nresource = \"Observation\"\none_of = [\"category\"]\nparameter = \"category\"\nvalues = []",
        "name = \"x\"\n[features]\nsort = \"maybe\"",
    ] {
        assert!(VendorProfile::parse(text).is_err(), "{text}");
    }
    assert!(VendorProfile::parse("name = \"x\"").is_ok());
}
