//! vread and history: versions are shown to whoever sees them and the current one.

use serde_json::{Value, json};

use chartgate::config::Limits;

use crate::support::world::{PersonSpec, PracticeSpec, World, pairs, run};

const NOBODY: &str = "Bob Canary Roe";

fn observation(id: &str, subject: &str, text: &str) -> Value {
    json!({
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": text},
        "subject": {"reference": format!("Patient/{subject}")},
    })
}

async fn world() -> World {
    let patient = |id: &str| json!({"resourceType": "Patient", "id": id, "name": [{"family": id}]});
    let resources = vec![
        patient("a"),
        patient("b"),
        observation("steady", "a", "first"),
        observation("came", "b", NOBODY),
        observation("went", "a", "mine"),
        observation("back", "a", "mine first"),
        observation("other", "b", NOBODY),
        json!({"resourceType": "Practitioner", "id": "doc", "name": [{"family": "House"}]}),
    ];
    let practice =
        PracticeSpec { key: "x".to_owned(), name: "Practice X".to_owned(), vendor: "generic".to_owned(), resources };
    let person = PersonSpec { key: "ann".to_owned(), links: vec![("x".to_owned(), "a".to_owned())] };
    let world = World::start(vec![practice], vec![person], Limits::default()).await;
    put(&world, &observation("steady", "a", "second")).await;
    put(&world, &observation("steady", "a", "third")).await;
    put(&world, &observation("came", "a", "mine now")).await;
    put(&world, &observation("went", "b", NOBODY)).await;
    put(&world, &observation("back", "b", NOBODY)).await;
    put(&world, &observation("back", "a", "mine again")).await;
    world
}

/// Makes another version at the EHR.
async fn put(world: &World, resource: &Value) {
    let url = format!(
        "{}/{}/{}",
        world.practices[0].base_url,
        resource["resourceType"].as_str().unwrap(),
        resource["id"].as_str().unwrap()
    );
    world.clock.advance(std::time::Duration::from_secs(60));
    let request = world.http.put(url).header("content-type", "application/fhir+json").body(resource.to_string());
    assert_eq!(request.send().await.unwrap().status(), 200);
}

fn texts(history: &Value) -> Vec<(String, String)> {
    let entries = history["entry"].as_array().cloned().unwrap_or_default();
    let text = |entry: &Value| {
        let resource = &entry["resource"];
        (
            resource["meta"]["versionId"].as_str().unwrap().to_owned(),
            resource["code"]["text"].as_str().unwrap().to_owned(),
        )
    };
    entries.iter().map(text).collect()
}

#[test]
fn f01_a_version_is_shown_if_it_and_the_current_one_are_the_persons() {
    run(async {
        let world = world().await;
        let token = world.token("ann").await;
        let key = &world.practices[0].source;
        let owned = |versions: &[(&str, &str)]| -> Vec<(String, String)> {
            versions.iter().map(|(version, text)| ((*version).to_owned(), (*text).to_owned())).collect()
        };
        for (id, shown) in [
            ("steady", Some(owned(&[("3", "third"), ("2", "second"), ("1", "first")]))),
            ("came", Some(owned(&[("2", "mine now")]))),
            ("back", Some(owned(&[("3", "mine again"), ("1", "mine first")]))),
            ("went", None),
            ("other", None),
            ("never", None),
        ] {
            let at = format!("/fhir/Observation/{key}.{id}");
            let history = world.get(&format!("{at}/_history"), &token).await;
            assert!(!history.text.contains(NOBODY), "{id}");
            match &shown {
                Some(versions) => {
                    assert_eq!(history.status, 200, "{}", history.text);
                    assert_eq!(texts(&history.json()), *versions, "{id}");
                    assert_eq!(history.json()["total"], versions.len());
                }
                None => assert_eq!(history.status, 404, "{id}"),
            }
            let unknown = world.get(&format!("/fhir/Observation/{key}.never/_history/1"), &token).await;
            assert_eq!(unknown.status, 404);
            for version in ["1", "2", "3", "4", "x", "0", "-1"] {
                let answer = world.get(&format!("{at}/_history/{version}"), &token).await;
                let text = shown.iter().flatten().find(|(shown, _)| shown == version).map(|(_, text)| text);
                match text {
                    Some(text) => {
                        assert_eq!(answer.json()["code"]["text"].as_str(), Some(text.as_str()), "{id} {version}");
                        assert_eq!(answer.json()["meta"]["versionId"], version);
                        let tag = answer.header("etag").unwrap();
                        assert!(tag.starts_with(&format!("W/\"{version}.")), "{tag}");
                        let entries = history.json()["entry"].as_array().cloned().unwrap();
                        let entry = entries.iter().find(|e| e["resource"]["meta"]["versionId"] == version).unwrap();
                        assert_eq!(entry["resource"], answer.json());
                        assert_eq!(entry["response"]["etag"], tag);
                    }
                    None => assert_eq!(answer.without_request_id(), unknown.without_request_id(), "{id} {version}"),
                }
            }
        }
    });
}

#[test]
fn a_history_is_paged_and_limited_by_time_and_its_links_are_the_callers() {
    run(async {
        let world = world().await;
        let token = world.token("ann").await;
        let key = &world.practices[0].source;
        let at = format!("/fhir/Observation/{key}.steady/_history");
        let pages = world.pages(&format!("{at}?_count=1"), &token).await;
        let versions: Vec<String> =
            pages.iter().flat_map(|page| texts(&page.json())).map(|(version, _)| version).collect();
        assert_eq!(versions, ["3", "2", "1"]);
        let next = pages[0].link("next").unwrap();
        assert!(!next.contains("steady/_history?_page=2") && next.starts_with(&world.fhir));
        let sealed = next.split("_page=").nth(1).unwrap();
        // Of another resource, of a search, changed: none works.
        for target in [
            format!("/fhir/Observation/{key}.back/_history?_page={sealed}"),
            format!("/fhir/Observation?_page={sealed}"),
            format!("{at}?_page=x{sealed}"),
        ] {
            assert_eq!(world.get(&target, &token).await.status, 400, "{target}");
        }
        let narrower = world.token_for("ann", "ann", "app-2", "launch/patient patient/Observation.r").await;
        assert_eq!(world.get(&next, &narrower).await.status, 400);
        world.clock.advance(std::time::Duration::from_secs(601));
        assert_eq!(world.get(&next, &token).await.status, 400);
        let second = &pages[1].json()["entry"][0]["resource"]["meta"]["lastUpdated"];
        let since = world.get(&format!("{at}?_since={}", second.as_str().unwrap()), &token).await;
        assert_eq!(texts(&since.json()).len(), 2);
        assert_eq!(world.get(&format!("{at}?_since=lately"), &token).await.status, 400);
        assert_eq!(world.get(&format!("{at}?_at=2026"), &token).await.status, 400);
    });
}

#[test]
fn reads_not_searches_are_what_versions_need_and_reference_data_has_them_too() {
    run(async {
        let world = world().await;
        let key = &world.practices[0].source;
        let search_only = world.token_for("ann", "ann", "app-s", "launch/patient patient/Observation.s").await;
        for path in ["", "/_history", "/_history/1"] {
            let answer = world.get(&format!("/fhir/Observation/{key}.steady{path}"), &search_only).await;
            assert_eq!(answer.status, 403, "{path}");
        }
        let token = world.token("ann").await;
        let doctor = world.get(&format!("/fhir/Practitioner/{key}.doc/_history/1"), &token).await;
        assert_eq!(doctor.json()["id"], format!("{key}.doc"));
        // The person's own chart has versions, the merged record none.
        assert_eq!(world.get(&format!("/fhir/Patient/{key}.a/_history"), &token).await.status, 200);
        assert_eq!(world.get(&format!("/fhir/Patient/{key}.b/_history"), &token).await.status, 404);
        let me = world.person("ann").id;
        let merged = world.get(&format!("/fhir/Patient/{me}"), &token).await.json();
        let version = merged["meta"]["versionId"].as_str().unwrap();
        for path in ["_history".to_owned(), "_history/1".to_owned(), format!("_history/{version}")] {
            assert_eq!(world.get(&format!("/fhir/Patient/{me}/{path}"), &token).await.status, 404, "{path}");
        }
    });
}

#[test]
fn a_granular_scope_holds_for_every_version() {
    run(async {
        let mut vital = observation("steady", "a", "now vital");
        vital["category"] = json!([{"coding": [{"system": "urn:c", "code": "vital"}]}]);
        let world = world().await;
        put(&world, &vital).await;
        let key = &world.practices[0].source;
        let scope = "launch/patient patient/Observation.rs?category=urn:c|vital";
        let token = world.token_for("ann", "ann", "app-v", scope).await;
        let history = world.get(&format!("/fhir/Observation/{key}.steady/_history"), &token).await;
        assert_eq!(texts(&history.json()), [("4".to_owned(), "now vital".to_owned())]);
        assert_eq!(world.get(&format!("/fhir/Observation/{key}.steady/_history/3"), &token).await.status, 404);
        assert_eq!(world.search("Observation", &pairs(&[]), &token).await.ids().len(), 1);
    });
}
