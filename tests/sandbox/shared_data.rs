//! Data that other projects made, when the folder is there, and our own fixtures.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chartgate::sandbox::{Data, Sandbox};
use serde_json::Value;

use super::support::{get, ids, pages};

/// `../shared/data`, or `CHARTGATE_SHARED/data`; `None`, said aloud, when neither is there.
fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("CHARTGATE_SHARED").map_or(beside, PathBuf::from).join("data");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn the_inferno_patients_are_whole() {
    let Some(data) = shared() else { return };
    for (patient, entries) in [("85", 267), ("355", 473)] {
        let file = data.join(format!("inferno/uscore_bundle_patient_{patient}.json"));
        let ehr = Sandbox::builder().data(file.as_path()).start().await.unwrap();
        assert_eq!(ehr.total(), entries, "patient {patient}: the number of entries that MANIFEST.md gives");
        let observations = pages(&format!("{}/Observation?patient={patient}&_count=40", ehr.base_url)).await;
        let found: Vec<String> = observations.iter().flat_map(|page| ids(page, "match")).collect();
        assert_eq!(found.len(), ehr.count("Observation"), "all observations are this patient's");
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len());
        assert!(!observations.iter().any(|page| page.to_string().contains("\"reference\":\"urn:uuid:")));
    }
}

#[tokio::test]
async fn everything_loads_in_one_folder() {
    let Some(data) = shared() else { return };
    let ehr = Sandbox::builder().data(data.as_path()).start().await.unwrap();
    let skipped: Vec<_> = ehr.report.skipped.iter().filter_map(|path| path.file_name()).collect();
    assert_eq!(skipped, ["g10_confidential_client.json"], "the one JSON file that is no resource");
    assert_eq!(ehr.count("Bundle"), 4, "the US Core examples of Bundle are kept as resources");
    assert!(ehr.count("Patient") >= 22 + 8, "{}", ehr.count("Patient"));
    for name in ["List", "Questionnaire", "SearchParameter", "Linkage"] {
        assert!(ehr.count(name) > 0, "{name}");
    }
    let list = get(&format!("{}/List?_count=2", ehr.base_url)).await;
    assert_eq!((list.ids("match").len(), list.json()["total"].as_u64()), (2, Some(ehr.count("List") as u64)));
}

#[tokio::test]
async fn each_synthea_file_has_the_resources_of_its_manifest_row() {
    let Some(data) = shared() else { return };
    let manifest = std::fs::read_to_string(data.join("MANIFEST.md")).unwrap();
    let mut checked = 0;
    for row in manifest.lines().filter(|line| line.contains(".ndjson | ")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let path = data.join("synthea-r4").join(cells[1]);
        let Ok(count) = cells[cells.len() - 2].parse::<usize>() else { continue };
        if !path.is_file() {
            continue;
        }
        let ehr = Sandbox::builder().data(path.as_path()).start().await.unwrap();
        assert_eq!(ehr.total(), count, "{row}");
        checked += 1;
    }
    assert!(checked >= 22, "{checked} rows checked");
}

#[tokio::test]
async fn searches_over_synthea_agree_with_a_filter_written_here() {
    let Some(data) = shared() else { return };
    let (one, two) = (data.join("synthea-r4/00-family-child.ndjson"), data.join("synthea-r4/03-family-adult.ndjson"));
    let all: Vec<Value> = lines(&one).into_iter().chain(lines(&two)).collect();
    let of = |name: &str| all.iter().filter(|one| one["resourceType"] == name).cloned().collect::<Vec<Value>>();
    let patients: Vec<String> = of("Patient").iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    let ehr = Sandbox::builder().data(one.as_path()).data(two.as_path()).start().await.unwrap();
    let about = |resource: &Value, patient: &str| {
        ["subject", "patient"].iter().any(|name| resource[*name]["reference"] == format!("Patient/{patient}"))
    };
    for patient in &patients {
        let mut searches: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut expect = |query: String, name: &str, holds: &dyn Fn(&Value) -> bool| {
            let mine = of(name).into_iter().filter(|one| about(one, patient) && holds(one));
            let mut found: Vec<String> = mine.map(|one| one["id"].as_str().unwrap().to_owned()).collect();
            found.sort_unstable();
            searches.insert(format!("{name}?patient={patient}{query}"), found);
        };
        for name in ["Observation", "Condition", "Encounter", "Procedure", "MedicationRequest", "Immunization"] {
            expect(String::new(), name, &|_| true);
        }
        for code in ["8302-2", "29463-7", "72166-2"] {
            let coded =
                |one: &Value| one["code"]["coding"].as_array().unwrap().iter().any(|coding| coding["code"] == code);
            expect(format!("&code={code}"), "Observation", &coded);
            expect(format!("&code=http://loinc.org|{code}"), "Observation", &coded);
            expect(format!("&code=urn:other|{code}"), "Observation", &|_| false);
            expect(format!("&code:not={code}"), "Observation", &|one| !coded(one));
        }
        let category = |one: &Value| one["category"][0]["coding"][0]["code"] == "vital-signs";
        expect("&category=vital-signs".to_owned(), "Observation", &category);
        // Whole years compare as text: every date begins with its year.
        for year in ["2016", "2017", "2018", "2019"] {
            let taken = |one: &Value| one["effectiveDateTime"].as_str().unwrap()[..4].to_owned();
            expect(format!("&date={year}"), "Observation", &|one| taken(one) == year);
            expect(format!("&date=ge{year}"), "Observation", &|one| taken(one).as_str() >= year);
            expect(format!("&date=lt{year}"), "Observation", &|one| taken(one).as_str() < year);
        }
        expect("&status=active,stopped".to_owned(), "MedicationRequest", &|one| {
            one["status"] == "active" || one["status"] == "stopped"
        });
        for (query, expected) in searches {
            let pages = pages(&format!("{}/{query}&_count=13", ehr.base_url)).await;
            let mut found: Vec<String> = pages.iter().flat_map(|page| ids(page, "match")).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{query}");
        }
    }
}

#[tokio::test]
async fn our_own_fixtures_load_and_every_line_is_served() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for practice in ["family-practice", "cardiology-clinic"] {
        let folder = fixtures.join(practice);
        let ehr = Sandbox::builder().data(Data::from(folder.as_path())).start().await.unwrap();
        let mut resources = 0;
        for file in std::fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "ndjson") {
                let lines = lines(&path);
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                assert_eq!(ehr.count(&name), lines.len(), "{}", path.display());
                resources += lines.len();
            }
        }
        assert!(resources > 500, "{resources}");
        assert_eq!((ehr.total(), ehr.report.skipped.len()), (resources, 0));
        let body = get(&format!("{}/Patient?_count=200", ehr.base_url)).await.text;
        assert!(!body.contains("{{base}}"));
    }
}
