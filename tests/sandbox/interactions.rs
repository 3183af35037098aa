//! read, vread, create, update, metadata, discovery, over real HTTP.

use serde_json::json;

use super::support::{Answer, client, get, start};

#[tokio::test]
async fn a_read_gives_the_resource_as_it_was_loaded_with_its_version() {
    let ehr = start().await;
    let answer = get(&format!("{}/Observation/a1", ehr.base_url)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/fhir+json");
    assert_eq!(answer.header("etag"), "W/\"1\"");
    assert!(answer.header("last-modified").ends_with(" GMT"));
    assert_eq!(answer.json()["meta"]["versionId"], "1");
    assert!(answer.text.contains(r#""valueQuantity":{"value":1.50}"#), "number text is kept: {}", answer.text);
}

#[tokio::test]
async fn what_is_not_there_answers_404_with_an_outcome() {
    let ehr = start().await;
    for path in ["Observation/none", "Basic/none", "Patient/a/_history/9", "nonsense", "Patient/a/b", ""] {
        let answer = get(&format!("{}/{path}", ehr.base_url)).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["resourceType"], "OperationOutcome");
        assert_eq!(answer.json()["issue"][0]["code"], "not-found");
    }
    let outside = get(&ehr.base_url.replace("/fhir", "/fhirother/Patient/a")).await;
    assert_eq!(outside.status, 404);
    let deleted = Answer::of(client().delete(format!("{}/Patient/a", ehr.base_url))).await;
    assert_eq!(deleted.status, 405);
    assert_eq!(get(&format!("{}/Patient/a", ehr.base_url)).await.status, 200);
}

#[tokio::test]
async fn a_known_version_answers_304() {
    let ehr = start().await;
    let url = format!("{}/Patient/a", ehr.base_url);
    let fresh = Answer::of(client().get(&url).header("if-none-match", "W/\"1\"")).await;
    assert_eq!((fresh.status, fresh.text.as_str()), (304, ""));
    let stale = Answer::of(client().get(&url).header("if-none-match", "W/\"0\"")).await;
    assert_eq!(stale.status, 200);
}

#[tokio::test]
async fn create_assigns_id_and_version_and_the_resource_is_found() {
    let ehr = start().await;
    let body = r#"{"resourceType":"Observation","id":"chosen","meta":{"versionId":"9"},"status":"final","code":{"text":"n"},"subject":{"reference":"Patient/c"}}"#;
    let post = |content_type: &'static str, body: &'static str| {
        client().post(format!("{}/Observation", ehr.base_url)).header("content-type", content_type).body(body)
    };
    let created = Answer::of(post("application/fhir+json", body)).await;
    assert_eq!(created.status, 201);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_ne!(id, "chosen");
    assert_eq!(created.header("location"), format!("{}/Observation/{id}/_history/1", ehr.base_url));
    assert_eq!(created.json()["meta"]["versionId"], "1");
    assert_eq!(get(&format!("{}/Observation/{id}", ehr.base_url)).await.text, created.text);
    let found = get(&format!("{}/Observation?patient=c", ehr.base_url)).await;
    assert_eq!(found.ids("match"), ["c1", &id]);

    assert_eq!(Answer::of(post("text/plain", body)).await.status, 415);
    assert_eq!(Answer::of(post("application/fhir+json", "{")).await.status, 400);
    assert_eq!(Answer::of(post("application/fhir+json", r#"{"resourceType":"Patient"}"#)).await.status, 400);
    assert_eq!(ehr.count("Observation"), 12);
}

#[tokio::test]
async fn update_makes_a_new_version_and_keeps_the_old_one() {
    let ehr = start().await;
    let url = format!("{}/Patient/a", ehr.base_url);
    let put = |url: &str, body: &serde_json::Value| {
        client().put(url).header("content-type", "application/fhir+json").body(body.to_string())
    };
    let body = json!({"resourceType": "Patient", "id": "a", "birthDate": "1999-01-01"});
    let refused = Answer::of(put(&url, &body).header("if-match", "W/\"7\"")).await;
    assert_eq!(refused.status, 412);
    let updated = Answer::of(put(&url, &body).header("if-match", "W/\"1\"")).await;
    assert_eq!((updated.status, updated.header("etag")), (200, "W/\"2\""));
    assert_eq!(get(&url).await.json()["birthDate"], "1999-01-01");
    assert_eq!(get(&format!("{url}/_history/1")).await.json()["birthDate"], "1980-05-01");
    assert_eq!(get(&format!("{url}/_history/2")).await.json()["birthDate"], "1999-01-01");

    assert_eq!(Answer::of(put(&format!("{}/Patient/other", ehr.base_url), &body)).await.status, 400);
    let new = json!({"resourceType": "Patient", "id": "new"});
    assert_eq!(Answer::of(put(&format!("{}/Patient/new", ehr.base_url), &new)).await.status, 201);
    assert_eq!(ehr.count("Patient"), 4);
}

#[tokio::test]
async fn an_update_that_moves_a_resource_moves_it_in_searches_too() {
    let ehr = start().await;
    let body = json!({"resourceType": "Observation", "id": "c1", "status": "final", "code": {"text": "x"},
        "subject": {"reference": format!("{}/Patient/b", ehr.base_url)}});
    let url = format!("{}/Observation/c1", ehr.base_url);
    let put = client().put(&url).header("content-type", "application/fhir+json").body(body.to_string());
    assert_eq!(Answer::of(put).await.status, 200);
    let search = |patient: &str| format!("{}/Observation?patient={patient}", ehr.base_url);
    assert!(get(&search("c")).await.ids("match").is_empty());
    assert_eq!(get(&search("b")).await.ids("match"), ["b1", "b2", "c1"]);
}

#[tokio::test]
async fn metadata_says_what_is_there() {
    let ehr = start().await;
    let answer = get(&format!("{}/metadata", ehr.base_url)).await;
    assert_eq!(answer.status, 200);
    let statement = answer.json();
    assert_eq!(statement["resourceType"], "CapabilityStatement");
    assert_eq!(statement["fhirVersion"], "4.0.1");
    assert_eq!(statement["implementation"]["url"], ehr.base_url);
    assert!(statement["rest"][0]["security"].is_null(), "no security without authentication");
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    for name in ["Patient", "Observation", "Practitioner"] {
        assert_eq!(resources.iter().filter(|resource| resource["type"] == name).count(), 1, "{name}");
    }
}

#[tokio::test]
async fn discovery_names_the_token_endpoint() {
    let ehr = start().await;
    let answer = get(&format!("{}/.well-known/smart-configuration", ehr.base_url)).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.json()["token_endpoint"], ehr.token_url);
}

#[tokio::test]
async fn requests_are_logged_and_counted() {
    let ehr = start().await;
    get(&format!("{}/Observation?patient=a&_count=2", ehr.base_url)).await;
    let form = client().post(format!("{}/Observation/_search?_count=1", ehr.base_url)).form(&[("patient", "b")]);
    Answer::of(form.header("authorization", "Bearer stolen").header("x-forwarded-for", "1.2.3.4")).await;
    assert_eq!((ehr.requests.fhir_count(), ehr.requests.token_count()), (2, 0));
    let all = ehr.requests.all();
    assert_eq!(all[0].parameters().collect::<Vec<_>>(), [("patient", "a"), ("_count", "2")]);
    assert_eq!((all[0].method.as_str(), all[0].path.as_str(), all[0].status), ("GET", "/fhir/Observation", 200));
    assert_eq!(all[0].authorization, chartgate::sandbox::Presented::Nothing);
    assert_eq!(all[1].parameters().collect::<Vec<_>>(), [("_count", "1"), ("patient", "b")]);
    assert_eq!(all[1].authorization, chartgate::sandbox::Presented::Unknown);
    assert_eq!(all[1].header("x-forwarded-for"), Some("1.2.3.4"));
    assert!(!format!("{all:?}").contains("stolen"));
    ehr.requests.clear();
    assert_eq!((ehr.requests.fhir_count(), ehr.requests.all().len()), (0, 0));
}

#[tokio::test]
async fn a_stopped_server_refuses_connections_and_cuts_open_ones() {
    let ehr = start().await;
    let client = client();
    let url = format!("{}/Patient/a", ehr.base_url);
    assert_eq!(Answer::of(client.get(&url)).await.status, 200);
    ehr.stop().await;
    assert!(client.get(&url).send().await.is_err(), "the kept-alive connection is gone, and so is the port");
}

#[tokio::test]
async fn an_invalid_resource_is_refused_with_its_problems() {
    let ehr = start().await;
    let post = |body: &'static str| {
        client()
            .post(format!("{}/Observation", ehr.base_url))
            .header("content-type", "application/fhir+json")
            .body(body)
    };
    let answer = Answer::of(post(r#"{"resourceType":"Observation","status":"final","code":{},"nonsense":1}"#)).await;
    assert_eq!((answer.status / 100, answer.json()["resourceType"].as_str()), (4, Some("OperationOutcome")));
    let answer = Answer::of(post(r#"{"resourceType":"Observation","status":"perhaps","code":{"text":"x"}}"#)).await;
    assert_eq!((answer.status, answer.json()["issue"][0]["severity"].as_str()), (422, Some("error")));
    assert_eq!(ehr.count("Observation"), 11);
}

#[tokio::test]
async fn an_ehr_without_versions_shows_none() {
    let ehr =
        chartgate::sandbox::Sandbox::builder().data(super::support::data()).versioned(false).start().await.unwrap();
    let answer = get(&format!("{}/Patient/a", ehr.base_url)).await;
    assert_eq!((answer.header("etag"), answer.json()["meta"]["versionId"].as_str()), ("", None));
    assert!(answer.json()["meta"]["lastUpdated"].is_string());
    let metadata = get(&format!("{}/metadata", ehr.base_url)).await.json();
    assert_eq!(metadata["rest"][0]["resource"][0]["versioning"], "no-version");
}

#[tokio::test]
async fn everything_it_says_of_itself_is_valid_fhir() {
    let ehr = start().await;
    for (path, name) in
        [("metadata", "CapabilityStatement"), ("Patient/none", "OperationOutcome"), ("Observation?_count=3", "Bundle")]
    {
        let answer = get(&format!("{}/{path}", ehr.base_url)).await;
        let checked = chartgate::fhir::model::validate(answer.text.as_bytes(), &[name]);
        assert!(checked.is_ok(), "{path}: {:?}", checked.err());
    }
}

#[tokio::test]
async fn every_search_parameter_that_metadata_lists_is_understood() {
    let ehr = chartgate::sandbox::Sandbox::builder()
        .data(super::support::data())
        .strict_parameters(true)
        .start()
        .await
        .unwrap();
    let metadata = get(&format!("{}/metadata", ehr.base_url)).await.json();
    let client = client();
    let mut tried = 0;
    for resource in metadata["rest"][0]["resource"].as_array().unwrap() {
        let name = resource["type"].as_str().unwrap();
        for parameter in resource["searchParam"].as_array().unwrap() {
            let value = match parameter["type"].as_str().unwrap() {
                "date" => "2020-01-01",
                "number" => "1",
                "quantity" => "1",
                "reference" => "Patient/a",
                "composite" => continue,
                _ => "a",
            };
            let parameter = parameter["name"].as_str().unwrap();
            let answer = Answer::of(client.get(format!("{}/{name}?{parameter}={value}", ehr.base_url))).await;
            let understood = answer.status == 200 || answer.json()["issue"][0]["code"] == "value";
            assert!(understood, "{name}?{parameter}: {}", answer.text);
            tried += 1;
        }
    }
    assert!(tried > 300, "{tried}");
}
