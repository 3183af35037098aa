//! What the sandbox's tests share: a client that talks HTTP as the gateway would, and a handful of resources.

use chartgate::sandbox::{Data, RunningSandbox, Sandbox};
use serde_json::Value;

/// Three patients' worth of data: 7 observations of `a`, 2 of `b`, 1 of `c`, one without a subject.
pub(super) fn data() -> Data {
    let mut lines = vec![
        r#"{"resourceType":"Patient","id":"a","identifier":[{"system":"urn:mrn","value":"1"}],"birthDate":"1980-05-01","name":[{"family":"Weber","given":["Ann"]}]}"#.to_owned(),
        r#"{"resourceType":"Patient","id":"b","identifier":[{"system":"urn:mrn","value":"2"}],"birthDate":"1981","name":[{"family":"Çelik","given":["Bo"]}]}"#.to_owned(),
        r#"{"resourceType":"Patient","id":"c","birthDate":"1980-05-02"}"#.to_owned(),
        r#"{"resourceType":"Observation","id":"nobody","status":"final","code":{"text":"x"}}"#.to_owned(),
        r#"{"resourceType":"Provenance","id":"p","target":[{"reference":"Observation/a3"}],"recorded":"2020-01-01T00:00:00Z","agent":[{"who":{"reference":"Practitioner/d"}}]}"#.to_owned(),
        r#"{"resourceType":"Practitioner","id":"d","name":[{"family":"Dee"}]}"#.to_owned(),
    ];
    for (patient, count) in [("a", 7), ("b", 2), ("c", 1)] {
        for number in 1..=count {
            let status = if number % 2 == 0 { "final" } else { "preliminary" };
            lines.push(format!(
                r#"{{"resourceType":"Observation","id":"{patient}{number}","status":"{status}","code":{{"coding":[{{"system":"http://loinc.org","code":"1-{}"}}]}},"subject":{{"reference":"Patient/{patient}"}},"effectiveDateTime":"2020-01-{:02}","performer":[{{"reference":"Practitioner/d"}}],"valueQuantity":{{"value":{number}.50}}}}"#,
                number % 3,
                28 - number,
            ));
        }
    }
    Data::Ndjson(lines.join("\n"))
}

pub(super) async fn start() -> RunningSandbox {
    Sandbox::builder().data(data()).start().await.unwrap()
}

pub(super) fn client() -> reqwest::Client {
    // A second installation is refused; the first one serves.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // No roots: everything here is plain HTTP, and reading the machine's takes longer than most of these tests.
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The ids of the entries with this `search.mode`.
    pub(super) fn ids(&self, mode: &str) -> Vec<String> {
        ids(&self.json(), mode)
    }
}

pub(super) fn ids(bundle: &Value, mode: &str) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let wanted = entries.iter().filter(|entry| entry["search"]["mode"] == mode);
    wanted.map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect()
}

pub(super) fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array().unwrap();
    links.iter().find(|link| link["relation"] == relation).map(|link| link["url"].as_str().unwrap().to_owned())
}

pub(super) async fn get(url: &str) -> Answer {
    Answer::of(client().get(url)).await
}

/// Every page from `url` on.
pub(super) async fn pages(url: &str) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut next = Some(url.to_owned());
    while let Some(url) = next {
        let answer = get(&url).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        next = link(&answer.json(), "next");
        pages.push(answer.json());
        assert!(pages.len() < 1000, "paging does not end");
    }
    pages
}
