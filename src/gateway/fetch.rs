//! Runs the calls of a plan at the same time. What goes wrong at one source is data, not an error of the whole.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;

use super::chart::Chart;
use super::outcome::Missing;
use super::plan::Call;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::Knowledge;
use crate::fhir::scan::{self, RawResource, ScannedBundle, SearchMode};
use crate::fhir::search::fragment::Fragment;
use crate::upstream::{Page, SourceFailure};

/// What one call brought. Nothing in it has been authorised yet.
#[derive(Debug)]
pub(super) struct SourceReply<'c> {
    pub(super) call: &'c Call,
    pub(super) resources: Vec<RawResource>,
    /// What came along with the matches.
    pub(super) extras: Vec<RawResource>,
    pub(super) failure: Option<SourceFailure>,
}

impl SourceReply<'_> {
    pub(super) fn missing(&self) -> Option<Missing> {
        self.failure.map(|failure| missing(&self.call.chart, failure))
    }
}

pub(super) fn missing(chart: &Chart, failure: SourceFailure) -> Missing {
    Missing { source: Some(chart.key()), organization: chart.source.organization.clone(), failure }
}

/// Searches all sources of a plan.
pub(super) async fn search<'c>(knowledge: &Knowledge, calls: &'c [Call], page_size: usize) -> Vec<SourceReply<'c>> {
    join_all(calls.iter().map(|call| search_one(knowledge, call, page_size))).await
}

async fn search_one<'c>(knowledge: &Knowledge, call: &'c Call, page_size: usize) -> SourceReply<'c> {
    let read = |body: Bytes| {
        let bundle = scan::scan_bundle(body, knowledge).map_err(|_| SourceFailure::Malformed)?;
        Ok(Page { resources: bundle.entries.len(), next: bundle.next.clone(), content: bundle, wants_next: true })
    };
    let gathered = call.errand().search(call.resource_type().as_str(), &call.pairs(page_size), read).await;
    let mut failure = gathered.failure.or_else(|| shortfall(&gathered.pages));
    let entries = gathered.pages.into_iter().flat_map(|page| page.entries);
    let (matches, others): (Vec<_>, Vec<_>) = entries.partition(|entry| entry.mode == SearchMode::Match);
    let matches = matches.into_iter().map(|entry| entry.resource);
    let (resources, nameless): (Vec<_>, Vec<_>) = matches.partition(|resource| resource.facts.id.is_some());
    if !nameless.is_empty() {
        // Without an id they cannot be told apart or read again.
        failure = failure.or(Some(SourceFailure::Malformed));
    }
    failure = failure.or(call.is_partial.then_some(SourceFailure::ByKindOnly));
    SourceReply { call, resources, extras: others.into_iter().map(|entry| entry.resource).collect(), failure }
}

/// A source that says how many there are and gives fewer, without a link to the rest, has left some out. Entries that
/// could not be read are left out as well.
fn shortfall(pages: &[ScannedBundle]) -> Option<SourceFailure> {
    let announced = pages.iter().filter_map(|page| page.total).max().unwrap_or(0);
    let matches = pages.iter().flat_map(|page| &page.entries).filter(|entry| entry.mode == SearchMode::Match).count();
    let refused: u32 = pages.iter().map(|page| page.refused).sum();
    if refused > 0 {
        return Some(SourceFailure::Malformed);
    }
    (u64::try_from(matches).unwrap_or(u64::MAX) < announced).then_some(SourceFailure::Incomplete)
}

/// Reads one resource from the source it is said to live at. The answer must be that very resource.
pub(super) async fn read(
    knowledge: &Knowledge,
    chart: &Arc<Chart>,
    resource_type: ResourceType,
    upstream_id: &str,
) -> Result<RawResource, SourceFailure> {
    let read = |body: Bytes| {
        let raw = scan::scan_resource(body, knowledge).map_err(|_| SourceFailure::Malformed)?;
        if is(&raw, resource_type, upstream_id) { Ok(raw) } else { Err(SourceFailure::Malformed) }
    };
    let mut failure = SourceFailure::NotFound;
    for errand in chart.errands(resource_type, upstream_id) {
        match errand.read(resource_type.as_str(), upstream_id, read).await {
            Ok(raw) => return Ok(raw),
            Err(other) => failure = telling(failure, other),
        }
    }
    Err(failure)
}

/// Which failure is said where several were asked, each link with a credential of its own: one that leaves it open whether
/// there is something says more than one that does not.
pub(super) const fn telling(before: SourceFailure, failure: SourceFailure) -> SourceFailure {
    match (before, failure) {
        (_, SourceFailure::NotFound) => before,
        (SourceFailure::NotFound, _) => failure,
        (_, SourceFailure::Forbidden | SourceFailure::Refused { .. }) => before,
        _ => failure,
    }
}

/// Reads one version. The answer must be that very version of that very resource.
pub(super) async fn vread(
    knowledge: &Knowledge,
    chart: &Arc<Chart>,
    resource_type: ResourceType,
    upstream_id: &str,
    version: &str,
) -> Result<RawResource, SourceFailure> {
    let read = |body: Bytes| {
        let raw = scan::scan_resource(body, knowledge).map_err(|_| SourceFailure::Malformed)?;
        let is_version = raw.facts.version_id.is_some_and(|span| span.of(&raw.bytes) == version.as_bytes());
        if is_version && is(&raw, resource_type, upstream_id) { Ok(raw) } else { Err(SourceFailure::Malformed) }
    };
    let mut failure = SourceFailure::NotFound;
    for errand in chart.errands(resource_type, upstream_id) {
        match errand.vread((resource_type.as_str(), upstream_id), version, read).await {
            Ok(raw) => return Ok(raw),
            Err(other) => failure = telling(failure, other),
        }
    }
    Err(failure)
}

/// Reads all versions that the source has of one resource. What else it sends along is left out.
pub(super) async fn history(
    knowledge: &Knowledge,
    chart: &Arc<Chart>,
    resource_type: ResourceType,
    upstream_id: &str,
    page_size: usize,
) -> Result<Vec<RawResource>, SourceFailure> {
    let read = |body: Bytes| {
        let bundle = scan::scan_bundle(body.clone(), knowledge).map_err(|_| SourceFailure::Malformed)?;
        if bundle.refused > deletions(&body) {
            return Err(SourceFailure::Malformed);
        }
        Ok(Page { resources: bundle.entries.len(), next: bundle.next.clone(), content: bundle, wants_next: true })
    };
    let count = [("_count".to_owned(), page_size.to_string())];
    let mut failure = SourceFailure::NotFound;
    for errand in chart.errands(resource_type, upstream_id) {
        let gathered = errand.history((resource_type.as_str(), upstream_id), &count, read).await;
        if let Some(other) = gathered.failure {
            failure = telling(failure, other);
            continue;
        }
        let entries = gathered.pages.into_iter().flat_map(|page| page.entries).map(|entry| entry.resource);
        return Ok(entries.filter(|raw| is(raw, resource_type, upstream_id)).collect());
    }
    Err(failure)
}

/// Entries of a history that say that the resource was deleted: they hold none.
fn deletions(body: &[u8]) -> u32 {
    let entries = Fragment::new(body).get("entry").into_iter().flat_map(Fragment::items);
    let is_deletion = |entry: &Fragment<'_>| {
        let method = entry.get("request").and_then(|request| request.text_of("method"));
        entry.get("resource").is_none() && method.as_deref() == Some("DELETE")
    };
    u32::try_from(entries.filter(is_deletion).count()).unwrap_or(u32::MAX)
}

fn is(raw: &RawResource, resource_type: ResourceType, upstream_id: &str) -> bool {
    raw.facts.resource_type == resource_type
        && raw.facts.id.is_some_and(|span| span.of(&raw.bytes) == upstream_id.as_bytes())
}
