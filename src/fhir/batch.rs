//! Batch Bundles (FHIR R4 http.html §3.1.0.11): what is asked in one, and the Bundle that answers it. A transaction is
//! none: all or nothing cannot be promised over several sources.

use serde_json::{Map, Value};

/// Entries that one batch may hold.
pub const MAX_ENTRIES: usize = 100;

/// `Bundle.entry.request` of one entry, as the client wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryRequest {
    /// The HTTP method.
    pub method: String,
    /// The URL, which has to be relative to the FHIR base.
    pub url: String,
    /// For a conditional read.
    pub if_none_match: Option<String>,
    /// For a conditional read.
    pub if_modified_since: Option<String>,
}

/// A body that is no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Not JSON.
    #[error("the body is not JSON")]
    NotJson,
    /// Not a Bundle.
    #[error("the body is not a Bundle")]
    NotABundle,
    /// A Bundle of type transaction.
    #[error("transactions are not supported; a Bundle of type batch is")]
    Transaction,
    /// A Bundle of another type.
    #[error("the Bundle is not of type batch")]
    NotABatch,
    /// More entries than one request may hold.
    #[error("a batch may have at most {MAX_ENTRIES} entries")]
    TooMany,
}

/// Reads a batch. An entry without a request comes out with empty method and URL.
///
/// # Errors
/// [`BatchError`].
pub fn parse(body: &[u8]) -> Result<Vec<EntryRequest>, BatchError> {
    let bundle: Value = serde_json::from_slice(body).map_err(|_| BatchError::NotJson)?;
    if bundle.get("resourceType").and_then(Value::as_str) != Some("Bundle") {
        return Err(BatchError::NotABundle);
    }
    match bundle.get("type").and_then(Value::as_str) {
        Some("batch") => {}
        Some("transaction") => return Err(BatchError::Transaction),
        _ => return Err(BatchError::NotABatch),
    }
    let entries = match bundle.get("entry") {
        None => &[],
        Some(Value::Array(entries)) => entries.as_slice(),
        Some(_) => return Err(BatchError::NotABundle),
    };
    if entries.len() > MAX_ENTRIES {
        return Err(BatchError::TooMany);
    }
    Ok(entries.iter().map(request).collect())
}

fn request(entry: &Value) -> EntryRequest {
    let text = |name: &str| entry.get("request")?.get(name)?.as_str().map(str::to_owned);
    EntryRequest {
        method: text("method").unwrap_or_default(),
        url: text("url").unwrap_or_default(),
        if_none_match: text("ifNoneMatch"),
        if_modified_since: text("ifModifiedSince"),
    }
}

/// The path and query that an entry's URL stands for below the base: relative, without a fragment, not climbing out.
#[must_use]
pub fn relative(url: &str) -> Option<&str> {
    let path = url.split('?').next().unwrap_or_default();
    let has_scheme = path.split('/').next().unwrap_or_default().contains(':');
    let climbs = path.split('/').any(|segment| segment == ".." || segment == ".");
    let is_fine = !url.is_empty()
        && !url.starts_with('/')
        && !has_scheme
        && !climbs
        && !url.contains('#')
        && url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    is_fine.then_some(url)
}

/// One entry of the answer.
#[derive(Clone, Debug, Default)]
pub struct EntryResponse {
    /// Status code and reason.
    pub status: String,
    /// The entity tag.
    pub etag: Option<String>,
    /// FHIR JSON: a resource, or the OperationOutcome of a failure. Empty for none.
    pub body: Vec<u8>,
    /// Whether the body says why there is no resource.
    pub failed: bool,
}

/// The Bundle that answers a batch, its entries in the order of the requests.
#[must_use]
pub fn response(entries: &[EntryResponse]) -> Vec<u8> {
    let mut out = br#"{"resourceType":"Bundle","type":"batch-response""#.to_vec();
    let mut separator: &[u8] = b",\"entry\":[";
    for entry in entries {
        out.extend_from_slice(separator);
        separator = b",";
        let mut response = Map::new();
        response.insert("status".to_owned(), entry.status.as_str().into());
        if let Some(etag) = &entry.etag {
            response.insert("etag".to_owned(), etag.as_str().into());
        }
        let response = Value::Object(response).to_string();
        out.push(b'{');
        match (entry.body.is_empty(), entry.failed) {
            (true, _) => out.extend_from_slice(format!("\"response\":{response}").as_bytes()),
            (false, false) => {
                out.extend_from_slice(b"\"resource\":");
                out.extend_from_slice(&entry.body);
                out.extend_from_slice(format!(",\"response\":{response}").as_bytes());
            }
            (false, true) => {
                let open = response.strip_suffix('}').unwrap_or_default();
                out.extend_from_slice(format!("\"response\":{open},\"outcome\":").as_bytes());
                out.extend_from_slice(&entry.body);
                out.push(b'}');
            }
        }
        out.push(b'}');
    }
    if separator == b"," {
        out.push(b']');
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_batch_of_bounded_size_is_read() {
        for (body, error) in [
            ("", BatchError::NotJson),
            ("{", BatchError::NotJson),
            ("[]", BatchError::NotABundle),
            (r#"{"resourceType":"Patient","type":"batch"}"#, BatchError::NotABundle),
            (r#"{"resourceType":"Bundle","type":"transaction","entry":[]}"#, BatchError::Transaction),
            (r#"{"resourceType":"Bundle","type":"collection"}"#, BatchError::NotABatch),
            (r#"{"resourceType":"Bundle"}"#, BatchError::NotABatch),
            (r#"{"resourceType":"Bundle","type":"batch","entry":{}}"#, BatchError::NotABundle),
        ] {
            assert_eq!(parse(body.as_bytes()), Err(error), "{body}");
        }
        let of = |entries: usize| {
            let entries = vec!["{}"; entries].join(",");
            parse(format!(r#"{{"resourceType":"Bundle","type":"batch","entry":[{entries}]}}"#).as_bytes())
        };
        assert_eq!(of(0).unwrap().len(), 0);
        assert_eq!(of(100).unwrap().len(), 100);
        assert_eq!(of(101), Err(BatchError::TooMany));
        let deep =
            format!(r#"{{"resourceType":"Bundle","type":"batch","entry":{}{}}}"#, "[".repeat(9999), "]".repeat(9999));
        assert_eq!(parse(deep.as_bytes()), Err(BatchError::NotJson));
    }

    #[test]
    fn f24_only_urls_below_the_base_are_relative() {
        for good in ["Patient/1", "Observation?code=http://loinc.org|1-1", "Patient/1/_history/2", "metadata"] {
            assert_eq!(relative(good), Some(good));
        }
        for bad in [
            "",
            "/Patient/1",
            "//evil.test/Patient/1",
            "https://evil.test/fhir/Patient/1",
            "urn:uuid:1",
            "Patient/A/../B",
            "../admin",
            "Patient/./1",
            "Patient/1#x",
            "Patient/a b",
            "Patient\\1",
            "Pätient/1",
            "Patient/1\r\nx: y",
        ] {
            assert_eq!(relative(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_answer_keeps_order_and_says_why_an_entry_failed() {
        let entries = [
            EntryResponse {
                status: "200 OK".to_owned(),
                etag: Some("W/\"1\"".to_owned()),
                body: br#"{"resourceType":"Patient"}"#.to_vec(),
                failed: false,
            },
            EntryResponse {
                status: "404 Not Found".to_owned(),
                body: br#"{"resourceType":"OperationOutcome"}"#.to_vec(),
                failed: true,
                etag: None,
            },
            EntryResponse { status: "304 Not Modified".to_owned(), ..EntryResponse::default() },
        ];
        let bundle: Value = serde_json::from_slice(&response(&entries)).unwrap();
        assert_eq!(
            bundle,
            serde_json::json!({"resourceType": "Bundle", "type": "batch-response", "entry": [
                {"resource": {"resourceType": "Patient"}, "response": {"status": "200 OK", "etag": "W/\"1\""}},
                {"response": {"status": "404 Not Found", "outcome": {"resourceType": "OperationOutcome"}}},
                {"response": {"status": "304 Not Modified"}},
            ]})
        );
        assert!(serde_json::from_slice::<Value>(&response(&[])).unwrap().get("entry").is_none());
    }
}
