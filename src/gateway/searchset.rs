//! The searchset: order, page, total, links, and the entries as bytes.

use super::outcome::issue;
use super::released::Released;
use super::rewrite::Rewriter;
use super::subset::Subset;
use crate::fhir::ResourceType;
use crate::fhir::model::{Issue, operation_outcome};
use crate::fhir::search::SortValue;

/// A released resource with its place in the order.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) resource_type: ResourceType,
    pub(super) keys: Vec<SortValue>,
    /// The id at the gateway, which breaks ties.
    pub(super) id: String,
    pub(super) content: Content,
}

/// What an entry holds.
#[derive(Debug)]
pub(super) enum Content {
    /// A resource of a source.
    Released(Box<Released>),
    /// The merged Patient, made from released records.
    Merged(Vec<u8>),
}

/// Everything about a page but its entries.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) gateway_base: &'a str,
    pub(super) bundle_id: String,
    pub(super) last_updated: String,
    pub(super) total: Option<usize>,
    pub(super) self_link: String,
    pub(super) next_link: Option<String>,
    pub(super) issues: Vec<Issue>,
    pub(super) subset: Option<Subset>,
}

/// Puts entries into the order of their keys, ties broken by id, and drops what was found twice.
pub(super) fn order(entries: &mut Vec<Entry>) {
    entries.sort_by(|a, b| a.keys.cmp(&b.keys).then_with(|| a.id.cmp(&b.id)));
    entries.dedup_by(|a, b| a.id == b.id);
}

/// Where the page after `(keys, id)` begins.
pub(super) fn after(entries: &[Entry], keys: &[SortValue], id: &str) -> usize {
    entries.partition_point(|entry| entry.keys.as_slice().cmp(keys).then_with(|| entry.id.as_str().cmp(id)).is_le())
}

/// Writes the page: its matches, then what they include. Entries whose changes collide are left out and said to be.
pub(super) fn write(frame: &Frame<'_>, matches: &[Entry], included: &[Entry], rewriter: &mut Rewriter<'_>) -> Vec<u8> {
    let all = || matches.iter().map(|entry| (entry, "match")).chain(included.iter().map(|entry| (entry, "include")));
    let mut out = Vec::with_capacity(1_024 + all().map(|(entry, _)| entry.size()).sum::<usize>());
    write_head(frame, &mut out);
    let mut issues = frame.issues.clone();
    let mut separator: &[u8] = b",\"entry\":[";
    for (entry, mode) in all() {
        let before = out.len();
        out.extend_from_slice(separator);
        out.extend_from_slice(b"{\"fullUrl\":\"");
        out.extend_from_slice(
            format!("{}/{}/{}\",\"resource\":", frame.gateway_base, entry.resource_type, entry.id).as_bytes(),
        );
        // A part of each resource was asked of the matches alone.
        let subset = frame.subset.as_ref().filter(|_| mode == "match");
        if write_content(subset, entry, rewriter, &mut out).is_some() {
            out.extend_from_slice(b",\"search\":{\"mode\":\"");
            out.extend_from_slice(mode.as_bytes());
            out.extend_from_slice(b"\"}}");
            separator = b",";
        } else {
            out.truncate(before);
            issues.push(issue("warning", "incomplete", "A resource could not be shown safely.".to_owned()));
        }
    }
    for issue in issues {
        out.extend_from_slice(separator);
        out.extend_from_slice(b"{\"resource\":");
        out.append(&mut operation_outcome(&[issue]));
        out.extend_from_slice(b",\"search\":{\"mode\":\"outcome\"}}");
        separator = b",";
    }
    if separator == b"," {
        out.push(b']');
    }
    out.push(b'}');
    out
}

impl Entry {
    fn size(&self) -> usize {
        match &self.content {
            Content::Released(released) => released.raw().bytes.len().saturating_add(200),
            Content::Merged(bytes) => bytes.len().saturating_add(200),
        }
    }
}

fn write_content(subset: Option<&Subset>, entry: &Entry, rewriter: &mut Rewriter<'_>, out: &mut Vec<u8>) -> Option<()> {
    let Some(subset) = subset else {
        return match &entry.content {
            Content::Released(released) => rewriter.write(released, &entry.id, out).ok(),
            Content::Merged(bytes) => {
                out.extend_from_slice(bytes);
                Some(())
            }
        };
    };
    let mut whole = Vec::new();
    match &entry.content {
        Content::Released(released) => rewriter.write(released, &entry.id, &mut whole).ok()?,
        Content::Merged(bytes) => whole.extend_from_slice(bytes),
    }
    subset.write(&whole, out);
    Some(())
}

fn write_head(frame: &Frame<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(
        format!(
            r#"{{"resourceType":"Bundle","id":"{}","meta":{{"lastUpdated":"{}"}},"type":"searchset""#,
            frame.bundle_id, frame.last_updated
        )
        .as_bytes(),
    );
    if let Some(total) = frame.total {
        out.extend_from_slice(format!(",\"total\":{total}").as_bytes());
    }
    out.extend_from_slice(
        format!(r#","link":[{{"relation":"self","url":{}}}"#, json_string(&frame.self_link)).as_bytes(),
    );
    if let Some(next) = &frame.next_link {
        out.extend_from_slice(format!(r#",{{"relation":"next","url":{}}}"#, json_string(next)).as_bytes());
    }
    out.push(b']');
}

fn json_string(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}
