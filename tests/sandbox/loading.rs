//! The forms of data, references within and between them, and errors that leave nothing half-loaded.

use chartgate::base::clock::{Instant, TestClock};
use chartgate::sandbox::{Data, Sandbox, SandboxError};
use std::path::Path;
use std::sync::Arc;

use super::support::get;

async fn refusal(data: Data) -> String {
    match Sandbox::builder().data(data).start().await {
        Err(SandboxError::Load(error)) => error.to_string(),
        other => panic!("not a load error: {other:?}"),
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn a_folder_is_loaded_at_any_depth_and_what_is_no_resource_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "a.ndjson",
        "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n\n{\"resourceType\":\"Patient\",\"id\":\"2\"}\n",
    );
    write(folder.path(), "deep/er/b.json", "{\"resourceType\":\"Basic\",\"id\":\"3\"}");
    write(folder.path(), "deep/client.json", "{\"client_id\":\"x\"}");
    write(folder.path(), "README.md", "not data");
    let ehr = Sandbox::builder().data(folder.path()).start().await.unwrap();
    assert_eq!((ehr.count("Patient"), ehr.count("Basic"), ehr.report.resources), (2, 1, 3));
    assert_eq!(ehr.report.skipped, [folder.path().join("deep/client.json")]);
    assert_eq!(get(&format!("{}/Basic/3", ehr.base_url)).await.status, 200);
    assert_eq!(get(&format!("{}/Basic?_id=3", ehr.base_url)).await.ids("match"), ["3"]);
}

#[tokio::test]
async fn bad_json_is_named_by_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.ndjson", "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n{\"resourceType\":\n");
    let error = refusal(Data::from(folder.path())).await;
    assert!(error.contains("a.ndjson, line 2: not JSON at line 1"), "{error}");
    write(folder.path(), "a.ndjson", "{\"resourceType\":\"Patient\",\"id\":\"_\"}");
    assert!(refusal(Data::from(folder.path())).await.contains("\"_\" is not a FHIR id"));
    let missing = refusal(Data::Path(folder.path().join("none.json"))).await;
    assert!(missing.contains("none.json: cannot be read"), "{missing}");
    let entry = r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient"}},{"resource":{}}]}"#;
    assert!(refusal(Data::Json(entry.to_owned())).await.contains("entry 2: no resourceType"));
    write(folder.path(), "named.json", "{}");
    assert!(refusal(Data::Path(folder.path().join("named.json"))).await.contains("no resourceType"));
}

#[tokio::test]
async fn a_transaction_has_its_references_resolved() {
    let bundle = r#"{"resourceType":"Bundle","type":"transaction","entry":[
      {"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"Observation","status":"final",
        "identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:00000000-0000-4000-8000-000000000002"}],
        "subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000002"},
        "performer":[{"reference":"Practitioner?identifier=http://npi|7"},{"reference":"Practitioner?identifier=http://npi|8"},
          {"reference":"http://elsewhere.example/fhir/Organization/o"}]},
        "request":{"method":"POST","url":"Observation"}},
      {"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000002","resource":{"resourceType":"Patient","id":"ignored"},
        "request":{"method":"PUT","url":"Patient/wanted"}},
      {"fullUrl":"http://elsewhere.example/fhir/Organization/o","resource":{"resourceType":"Organization","id":"o"},
        "request":{"method":"POST","url":"Organization"}},
      {"resource":{"resourceType":"Practitioner","id":"seven","identifier":[{"system":"http://npi","value":"9"},{"system":"http://npi","value":"7"}]}},
      {"resource":{"resourceType":"Practitioner","id":"eight","identifier":[{"system":"http://npi","value":"8"}]}},
      {"resource":{"resourceType":"Practitioner","id":"also-eight","identifier":[{"system":"http://npi","value":"8"}]}}
    ]}"#;
    let ehr = Sandbox::builder().data(Data::Json(bundle.to_owned())).start().await.unwrap();
    let id = "00000000-0000-4000-8000-000000000001";
    let observation = get(&format!("{}/Observation/{id}", ehr.base_url)).await.json();
    assert_eq!(observation["subject"]["reference"], "Patient/wanted");
    assert_eq!(observation["identifier"][0]["value"], "urn:uuid:00000000-0000-4000-8000-000000000002");
    assert_eq!(observation["performer"][0]["reference"], "Practitioner/seven");
    assert_eq!(observation["performer"][1]["reference"], "Practitioner?identifier=http://npi|8", "not unique: left");
    assert_eq!(observation["performer"][2]["reference"], "Organization/o");
    assert_eq!(ehr.report.unresolved, ["Practitioner?identifier=http://npi|8"]);
    assert_eq!(get(&format!("{}/Patient/wanted", ehr.base_url)).await.json()["id"], "wanted");
    assert_eq!(get(&format!("{}/Observation?patient=wanted", ehr.base_url)).await.ids("match"), [id]);
}

#[tokio::test]
async fn a_conditional_create_uses_what_is_there() {
    let bundle = r#"{"resourceType":"Bundle","type":"transaction","entry":[
      {"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"Practitioner","id":"second",
        "identifier":[{"system":"s","value":"1"}]},
        "request":{"method":"POST","url":"Practitioner","ifNoneExist":"identifier=s|1"}},
      {"resource":{"resourceType":"Basic","id":"b","subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"}}}]}"#;
    let first = r#"{"resourceType":"Practitioner","id":"first","identifier":[{"system":"s","value":"1"}]}"#;
    let data = |text: &str| Data::Json(text.to_owned());
    let ehr = Sandbox::builder().data(data(first)).data(data(bundle)).start().await.unwrap();
    assert_eq!(ehr.count("Practitioner"), 1);
    let basic = get(&format!("{}/Basic/b", ehr.base_url)).await.json();
    assert_eq!(basic["subject"]["reference"], "Practitioner/first");
    let unclear = refusal(data(&bundle.replace("identifier=s|1", "name=x"))).await;
    assert!(unclear.contains("the condition \"name=x\" cannot be decided"), "{unclear}");
}

#[tokio::test]
async fn bundles_on_lines_and_documents_are_resources_and_parcels_are_unpacked() {
    let parcel = r#"{"resourceType":"Bundle","id":"p","type":"searchset","entry":[{"resource":{"resourceType":"Patient","id":"1"},"search":{"mode":"match"}},{"resource":{"resourceType":"OperationOutcome","issue":[]},"search":{"mode":"outcome"}}]}"#;
    let document = r#"{"resourceType":"Bundle","id":"d","type":"document","entry":[{"resource":{"resourceType":"Patient","id":"2"}}]}"#;
    let ehr = Sandbox::builder()
        .data(Data::Json(parcel.to_owned()))
        .data(Data::Json(document.to_owned()))
        .data(Data::Ndjson(parcel.replace("\"p\"", "\"line\"")))
        .start()
        .await
        .unwrap();
    assert_eq!((ehr.count("Patient"), ehr.count("Bundle"), ehr.count("OperationOutcome")), (1, 2, 0));
}

#[tokio::test]
async fn the_base_placeholder_becomes_the_servers_own_base() {
    let text = r#"{"resourceType":"DocumentReference","id":"d","status":"current","subject":{"reference":"{{base}}/Patient/a"},"content":[{"attachment":{"url":"{{base}}/Binary/b"}}]}"#;
    let ehr = Sandbox::builder().base_path("/r4/api").data(Data::Json(text.to_owned())).start().await.unwrap();
    assert!(ehr.base_url.ends_with("/r4/api"));
    let document = get(&format!("{}/DocumentReference/d", ehr.base_url)).await.json();
    assert_eq!(document["content"][0]["attachment"]["url"], format!("{}/Binary/b", ehr.base_url));
    assert_eq!(get(&format!("{}/DocumentReference?patient=a", ehr.base_url)).await.ids("match"), ["d"]);
}

#[tokio::test]
async fn loaded_meta_is_kept_and_missing_meta_comes_from_the_clock() {
    let lines = "{\"resourceType\":\"Basic\",\"id\":\"dated\",\"meta\":{\"versionId\":\"4\",\"lastUpdated\":\"2019-03-04T05:06:07.000Z\"}}\n\
        {\"resourceType\":\"Basic\",\"id\":\"undated\"}\n{\"resourceType\":\"Basic\"}";
    let clock = Arc::new(TestClock::at(Instant::from_micros(1_600_000_000_000_000)));
    let start = || Sandbox::builder().clock(clock.clone()).data(Data::Ndjson(lines.to_owned())).start();
    let ehr = start().await.unwrap();
    let dated = get(&format!("{}/Basic/dated", ehr.base_url)).await;
    assert_eq!((dated.header("etag"), dated.header("last-modified")), ("W/\"4\"", "Mon, 04 Mar 2019 05:06:07 GMT"));
    let undated = get(&format!("{}/Basic/undated", ehr.base_url)).await.json();
    assert_eq!(undated["meta"]["lastUpdated"], "2020-09-13T12:26:40.000Z");
    let again = start().await.unwrap();
    let ids = |ehr: &chartgate::sandbox::RunningSandbox| format!("{}/Basic", ehr.base_url);
    assert_eq!(get(&ids(&ehr)).await.ids("match"), get(&ids(&again)).await.ids("match"), "made-up ids are stable");
}
