//! The searchset: the order of its entries, where a page begins, and its entries as bytes.

use super::bundle::{self, Bundle, Frame};
use super::outcome::issue;
use super::released::Released;
use super::rewrite::Rewriter;
use super::subset::Subset;
use crate::fhir::ResourceType;
use crate::fhir::model::Issue;
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
    /// What Chartgate itself keeps of the person.
    Kept(Vec<u8>),
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

/// What a page shows.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) matches: &'a [Entry],
    pub(super) included: &'a [Entry],
    pub(super) issues: Vec<Issue>,
    /// The part of each match that was asked for.
    pub(super) subset: Option<Subset>,
}

/// Writes the page: its matches, then what they include, then its issues. Entries whose changes collide are left out and
/// said to be.
pub(super) fn write(frame: &Frame, page: Page<'_>, rewriter: &mut Rewriter<'_>) -> Vec<u8> {
    let Page { matches, included, mut issues, subset } = page;
    let included = included.iter().map(|entry| (entry, "include", None));
    let all = || matches.iter().map(|entry| (entry, "match", subset.as_ref())).chain(included.clone());
    let mut bundle = Bundle::open(frame, all().map(|(entry, ..)| entry.size()).sum());
    for (entry, mode, subset) in all() {
        let written = bundle.add(|out| {
            let full_url = [rewriter.gateway_base, "/", entry.resource_type.as_str(), "/", &entry.id];
            bundle::write_entry(out, &full_url, mode, |out| write_content(subset, entry, rewriter, out))
        });
        if written.is_none() {
            issues.push(issue("warning", "incomplete", "A resource could not be shown safely.".to_owned()));
        }
    }
    issues.iter().for_each(|issue| bundle.add_issue(issue));
    bundle.close()
}

impl Entry {
    fn size(&self) -> usize {
        match &self.content {
            Content::Released(released) => released.raw().bytes.len().saturating_add(200),
            Content::Merged(bytes) | Content::Kept(bytes) => bytes.len().saturating_add(200),
        }
    }
}

fn write_content(subset: Option<&Subset>, entry: &Entry, rewriter: &mut Rewriter<'_>, out: &mut Vec<u8>) -> Option<()> {
    let Some(subset) = subset else {
        return match &entry.content {
            Content::Released(released) => rewriter.write(released, &entry.id, out).ok(),
            Content::Merged(bytes) | Content::Kept(bytes) => {
                out.extend_from_slice(bytes);
                Some(())
            }
        };
    };
    let mut whole = Vec::new();
    match &entry.content {
        Content::Released(released) => rewriter.write(released, &entry.id, &mut whole).ok()?,
        Content::Merged(bytes) | Content::Kept(bytes) => whole.extend_from_slice(bytes),
    }
    subset.write(&whole, out);
    Some(())
}
