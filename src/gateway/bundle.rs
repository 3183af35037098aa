//! Bundles: everything around their entries, and the entries one after the other as bytes.

use crate::fhir::model::{Issue, operation_outcome};
use crate::fhir::scan::quoted;

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

/// A Bundle under construction.
#[derive(Debug)]
pub(super) struct Bundle {
    bytes: Vec<u8>,
    has_entries: bool,
}

impl Bundle {
    /// Begins it, with room for entries of so many bytes.
    pub(super) fn open(frame: &Frame, room: usize) -> Self {
        let mut bytes = Vec::with_capacity(room.saturating_add(1_024));
        let Frame { bundle_type, bundle_id, last_updated, total, links } = frame;
        bytes.extend_from_slice(br#"{"resourceType":"Bundle","id":""#);
        bytes.extend_from_slice(bundle_id.as_bytes());
        bytes.extend_from_slice(br#"","meta":{"lastUpdated":""#);
        bytes.extend_from_slice(last_updated.as_bytes());
        bytes.extend_from_slice(br#""},"type":""#);
        bytes.extend_from_slice(bundle_type.as_bytes());
        bytes.push(b'"');
        if let Some(total) = total {
            bytes.extend_from_slice(format!(",\"total\":{total}").as_bytes());
        }
        // An empty array is not FHIR JSON.
        let mut separator = ",\"link\":[";
        for Link { relation, url } in links {
            let url = quoted(url);
            bytes.extend_from_slice(format!(r#"{separator}{{"relation":"{relation}","url":{url}}}"#).as_bytes());
            separator = ",";
        }
        if !links.is_empty() {
            bytes.push(b']');
        }
        Self { bytes, has_entries: false }
    }

    /// Adds the entry that `write` appends; when it cannot be written, nothing of it stays.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<()> {
        let before = self.bytes.len();
        let separator: &[u8] = if self.has_entries { b"," } else { b",\"entry\":[" };
        self.bytes.extend_from_slice(separator);
        let written = write(&mut self.bytes);
        if written.is_some() {
            self.has_entries = true;
        } else {
            self.bytes.truncate(before);
        }
        written
    }

    /// Adds an issue as an entry of its own.
    pub(super) fn add_issue(&mut self, issue: &Issue) {
        let _added = self.add(|bytes| {
            bytes.extend_from_slice(br#"{"resource":"#);
            bytes.append(&mut operation_outcome(std::slice::from_ref(issue)));
            bytes.extend_from_slice(br#","search":{"mode":"outcome"}}"#);
            Some(())
        });
    }

    pub(super) fn close(mut self) -> Vec<u8> {
        let end: &[u8] = if self.has_entries { b"]}" } else { b"}" };
        self.bytes.extend_from_slice(end);
        self.bytes
    }
}

/// Writes the Bundle around entries that are JSON objects already, and the issues behind them.
pub(super) fn write(frame: &Frame, entries: &[impl AsRef<[u8]>], issues: &[Issue]) -> Vec<u8> {
    let room = entries.iter().map(|entry| entry.as_ref().len().saturating_add(1)).sum();
    let mut bundle = Bundle::open(frame, room);
    for entry in entries {
        let _added = bundle.add(|bytes| {
            bytes.extend_from_slice(entry.as_ref());
            Some(())
        });
    }
    issues.iter().for_each(|issue| bundle.add_issue(issue));
    bundle.close()
}

/// Appends an entry of a searchset: the resource that `write` appends, and where it is served.
pub(super) fn write_entry(
    out: &mut Vec<u8>,
    full_url: &[&str],
    mode: &str,
    write: impl FnOnce(&mut Vec<u8>) -> Option<()>,
) -> Option<()> {
    out.extend_from_slice(b"{\"fullUrl\":\"");
    full_url.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    out.extend_from_slice(b"\",\"resource\":");
    write(out)?;
    out.extend_from_slice(b",\"search\":{\"mode\":\"");
    out.extend_from_slice(mode.as_bytes());
    out.extend_from_slice(b"\"}}");
    Some(())
}

/// `url` with a query of these pairs, if there are any.
pub(super) fn url(url: &str, pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return url.to_owned();
    }
    format!("{url}?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}
