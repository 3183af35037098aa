//! User-access brands as an app directory reads them (SMART App Launch 2.2, User-access Brands and Endpoints).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use chartgate::config::Brand;
use chartgate::practice;

use super::fixtures;
use crate::support::world::{World, run};

fn resources<'a>(bundle: &'a Value, kind: &str) -> Vec<&'a Value> {
    let entries = bundle["entry"].as_array().unwrap().iter();
    entries.map(|entry| &entry["resource"]).filter(|resource| resource["resourceType"] == kind).collect()
}

#[test]
fn the_bundle_holds_what_directories_check() {
    run(async {
        let world = fixtures().await;
        let configuration = world.http.get(format!("{}/.well-known/smart-configuration", world.fhir));
        let configuration: Value = configuration.send().await.unwrap().json().await.unwrap();
        let url = configuration["user_access_brand_bundle"].as_str().unwrap();
        let answer = world.http.get(url).header("origin", "https://directory.test").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("access-control-allow-origin").as_deref(), Some("*"));
        assert!(header("content-type").unwrap().starts_with("application/fhir+json"));
        let tag = header("etag").unwrap();
        assert!(tag.starts_with("W/\""), "{tag}");
        let bundle: Value = answer.json().await.unwrap();
        assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("collection")));
        assert!(bundle["timestamp"].is_string());

        let again = world.http.get(url).header("if-none-match", &tag).send().await.unwrap();
        assert_eq!(again.status(), 304);
        assert_eq!(again.headers()["etag"], tag.as_str());
        assert!(again.bytes().await.unwrap().is_empty());
        let other = world.http.get(url).header("if-none-match", "W/\"other\"").send().await.unwrap();
        assert_eq!(other.status(), 200);

        let endpoints: BTreeSet<String> =
            resources(&bundle, "Endpoint").iter().map(|e| format!("Endpoint/{}", e["id"].as_str().unwrap())).collect();
        let mut referenced = BTreeSet::new();
        for organization in resources(&bundle, "Organization") {
            let own: BTreeSet<String> = organization["endpoint"]
                .as_array()
                .unwrap()
                .iter()
                .map(|reference| reference["reference"].as_str().unwrap().to_owned())
                .collect();
            assert!(!own.is_empty() && own.is_subset(&endpoints), "{organization}");
            for portal in organization["extension"].as_array().unwrap() {
                let of_portal = portal["extension"].as_array().unwrap();
                for reference in of_portal.iter().filter(|part| part["url"] == "portalEndpoint") {
                    assert!(own.contains(reference["valueReference"]["reference"].as_str().unwrap()));
                }
            }
            referenced.extend(own);
        }
        assert_eq!(referenced, endpoints, "each endpoint is somebody's");
        for endpoint in resources(&bundle, "Endpoint") {
            let address = endpoint["address"].as_str().unwrap();
            let metadata: Value =
                world.http.get(format!("{address}/metadata")).send().await.unwrap().json().await.unwrap();
            assert_eq!(metadata["resourceType"], "CapabilityStatement");
            assert!(endpoint["contact"][0]["value"].as_str().unwrap().starts_with("http"));
        }
        let identifier = &configuration["user_access_brand_identifier"];
        let has = |o: &&&Value| o["identifier"].as_array().is_some_and(|list| list.contains(identifier));
        assert_eq!(resources(&bundle, "Organization").iter().filter(has).count(), 1);
        let names: BTreeSet<&str> =
            resources(&bundle, "Organization").iter().map(|o| o["name"].as_str().unwrap()).collect();
        assert!(names.is_superset(&world.practices.iter().map(|practice| practice.name.as_str()).collect()));
    });
}

#[test]
fn a_practice_is_found_by_name_and_city_and_shows_what_it_was_given() {
    run(async {
        let world = World::of_fixtures(chartgate::config::Limits::default()).await;
        let riverside = world.practice("riverside").name.clone();
        let (clock, random) = (
            world.clock.clone() as chartgate::base::clock::SharedClock,
            std::sync::Arc::new(chartgate::base::random::SeededRandom::new(5)) as chartgate::base::random::SharedRandom,
        );
        let id = practice::connect_organization(&world.app.acts, &riverside, &[], &clock, &random).await.unwrap();
        let brand = Brand {
            alias: vec!["Old Mill Clinic".to_owned()],
            website: Some("https://www.riverside.example/home".to_owned()),
            logo: Some("https://riverside.example/logo.svg".to_owned()),
            phone: Some("+1 555 0100".to_owned()),
            line: vec!["1 River Road".to_owned()],
            city: Some("Northfield".to_owned()),
            ..Brand::default()
        };
        practice::adopt_brand(&world.app.acts, id, &brand, (&clock, &random)).await.unwrap();
        let found = async |query: &str| -> Vec<Value> {
            let answer = world.http.get(format!("{}/brands?{query}", world.issuer)).send().await.unwrap();
            let bundle: Value = answer.json().await.unwrap();
            let own = |o: &&Value| o["id"] != "gateway";
            resources(&bundle, "Organization").into_iter().filter(own).cloned().collect()
        };
        for query in ["name=old+mill", "city=northfield", "name=riverside&city=North"] {
            let practices = found(query).await;
            assert_eq!(practices.len(), 1, "{query}");
            assert_eq!(practices[0]["name"], json!(riverside), "{query}");
        }
        assert!(found("name=old+mill&city=Greenfield").await.is_empty());
        let shown = found("city=northfield").await.remove(0);
        assert_eq!(shown["alias"], json!(["Old Mill Clinic"]));
        assert_eq!(shown["address"], json!([{"line": ["1 River Road"], "city": "Northfield"}]));
        assert_eq!(shown["identifier"], json!([{"system": "urn:ietf:rfc:3986", "value": "https://riverside.example"}]));
        assert_eq!(shown["telecom"][0], json!({"system": "phone", "value": "+1 555 0100"}));
        let long = format!("{}/brands?name={}", world.issuer, "x".repeat(10_000));
        assert_eq!(world.http.get(long).send().await.unwrap().status(), 400);
    });
}
