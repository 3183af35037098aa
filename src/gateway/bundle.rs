//! Bundles whose entries are written one by one: histories, and what operations return.

use crate::fhir::model::{Issue, operation_outcome};

/// Everything of a Bundle but its entries.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bundle_type: &'static str,
    pub(super) bundle_id: String,
    pub(super) last_updated: String,
    pub(super) total: Option<usize>,
    pub(super) links: Vec<Link>,
}

/// `Bundle.link`.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) relation: &'static str,
    pub(super) url: String,
}

/// Writes the Bundle around entries that are JSON objects already.
pub(super) fn write(frame: &Frame, entries: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut out = format!(
        r#"{{"resourceType":"Bundle","id":"{}","meta":{{"lastUpdated":"{}"}},"type":"{}""#,
        frame.bundle_id, frame.last_updated, frame.bundle_type
    )
    .into_bytes();
    out.reserve(entries.iter().map(|entry| entry.as_ref().len().saturating_add(1)).sum());
    if let Some(total) = frame.total {
        out.extend_from_slice(format!(",\"total\":{total}").as_bytes());
    }
    let links: Vec<serde_json::Value> =
        frame.links.iter().map(|link| serde_json::json!({"relation": link.relation, "url": link.url})).collect();
    // An empty array is not FHIR JSON.
    if !links.is_empty() {
        out.extend_from_slice(format!(",\"link\":{}", serde_json::Value::from(links)).as_bytes());
    }
    let mut separator: &[u8] = b",\"entry\":[";
    for entry in entries {
        out.extend_from_slice(separator);
        out.extend_from_slice(entry.as_ref());
        separator = b",";
    }
    if separator == b"," {
        out.push(b']');
    }
    out.push(b'}');
    out
}

/// An issue as an entry of its own.
pub(super) fn outcome_entry(issue: &Issue) -> Vec<u8> {
    let mut entry = br#"{"resource":"#.to_vec();
    entry.append(&mut operation_outcome(std::slice::from_ref(issue)));
    entry.extend_from_slice(br#","search":{"mode":"outcome"}}"#);
    entry
}

/// A resource as an entry.
pub(super) fn entry(full_url: &str, resource: &[u8], mode: &str) -> Vec<u8> {
    let mut entry = format!("{{\"fullUrl\":\"{full_url}\",\"resource\":").into_bytes();
    entry.extend_from_slice(resource);
    entry.extend_from_slice(format!(",\"search\":{{\"mode\":\"{mode}\"}}}}").as_bytes());
    entry
}

/// `url` with a query of these pairs, if there are any.
pub(super) fn url(url: &str, pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return url.to_owned();
    }
    format!("{url}?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}
