//! A page of a search, read lazily: no more of each source's answer than the page needs. For searches of which nothing
//! is sifted, sorted or counted here (DESIGN section 6, "Paging strategies").
//!
//! Without an order the sources follow each other, so that a source's page is fetched once and given whole; with one
//! that all sources keep, their pages are merged. Either way the first page asks every source, and names those that do
//! not answer.

use futures_util::future::join_all;

use super::Gateway;
use super::chart::Charts;
use super::outcome::Missing;
use super::own;
use super::page_link::Place;
use super::plan;
use super::released::Filter;
use super::rewrite::Rewriter;
use super::search::{Cut, Search};
use super::searchset::{Content, Entry};
use super::stream::{Progress, Reading, Stream, Waiting};
use crate::access::Permit;
use crate::fhir::knowledge::AuthorizationKind;
use crate::fhir::search::{Query, SortValue, Summary, TotalMode};

/// Rounds of fetching for one page.
const ROUNDS: usize = 4;
/// And for a page that is merged: each round brings one page of each source that ran out.
const MERGE_ROUNDS: usize = 12;

impl Gateway {
    /// Whether a search is read lazily: told from the request, the grant and the connected sources, never from data, so
    /// that neither the form of an answer nor its `total` tells of what is hidden.
    pub(super) fn is_lazy(&self, permit: &Permit, charts: &Charts, query: &Query) -> bool {
        // What is kept here is joined with what the sources hold.
        if own::is_kept(permit.resource_type()) {
            return false;
        }
        let is_one_stream = match &self.knowledge.of(permit.resource_type()).authorization {
            // What several calls at one source can find is joined first.
            AuthorizationKind::Subject { itself: false, alternative: None, .. } => {
                charts.connected.iter().all(|chart| chart.patients.len() == 1)
            }
            AuthorizationKind::Directory { .. } => true,
            _ => false,
        };
        // So is what has to be asked for kind by kind.
        let is_whole = charts.connected.iter().all(|chart| {
            let sent = chart.source.sendable(query.resource_type, &query.criteria);
            chart.source.vendor.required(query.resource_type, &sent).is_none()
        });
        let wants_count = matches!(query.total, Some(TotalMode::Accurate | TotalMode::Estimate))
            || query.summary == Some(Summary::Count)
            || query.count == Some(0);
        let kind = permit.resource_type();
        let is_ordered = charts.connected.iter().all(|chart| chart.source.vendor.sorts_by(kind, &query.sort));
        is_one_stream && is_whole && !permit.is_constrained() && !permit.needs_view() && is_ordered && !wants_count
    }

    /// One page, and where the next one begins.
    pub(super) async fn lazy_page(
        &self,
        search: &Search<'_>,
        place: Option<&Place>,
        size: usize,
        rewriter: &mut Rewriter<'_>,
    ) -> Option<Cut> {
        let calls = plan::search(self.translation(search.resolved), search.permit, search.charts, search.query);
        let mut streams: Vec<Stream> = match place {
            None => calls.into_iter().map(Stream::new).collect(),
            Some(Place::Streams { live, .. }) => {
                let resume = |call: plan::Call| {
                    let source = call.chart.key().to_string();
                    let progress = live.iter().find(|progress| progress.source == source)?;
                    Some(Stream::resumed(call, progress.clone()))
                };
                calls.into_iter().filter_map(resume).collect()
            }
            Some(Place::After { .. }) => return None,
        };
        let reading = Reading {
            filter: Filter { knowledge: self.knowledge, permit: search.permit, now: self.clock.now() },
            sort: &search.query.sort,
            page_size: size,
            largest_page: self.limits.source_page_size,
        };
        let is_merged = !search.query.sort.is_empty();
        if place.is_none() {
            // One page of each source: enough for a short record, and to know who does not answer.
            join_all(streams.iter_mut().zip(0..).map(|(stream, at)| {
                let wanted = if is_merged {
                    1
                } else if at == 0 {
                    size
                } else {
                    0
                };
                stream.refill(reading, wanted)
            }))
            .await;
        }
        let mut entries = Vec::with_capacity(size.min(1_000));
        let mut last = match place {
            Some(Place::Streams { last, .. }) => last.clone(),
            _ => Vec::new(),
        };
        let rounds = if is_merged { MERGE_ROUNDS } else { ROUNDS };
        for round in 0..=rounds {
            let lacking = size.saturating_sub(entries.len());
            let taken = if is_merged { merge(&mut streams, lacking, &mut last) } else { drain(&mut streams, lacking) };
            entries.extend(taken.into_iter().map(|next| entry(next, rewriter)));
            let lacking = size.saturating_sub(entries.len());
            let is_over = round == rounds || streams.iter().any(Stream::is_stalled);
            if lacking == 0 || is_over || !streams.iter().any(Stream::is_hungry) {
                break;
            }
            let at_hand: usize = streams.iter().map(Stream::at_hand).sum();
            let can_help =
                |stream: &&mut Stream| stream.is_hungry() || (!is_merged && at_hand < lacking && stream.has_beyond());
            // Mostly the first has enough; if it had not, all others are asked at once.
            let asked = if round == 0 && place.is_some() && !is_merged { 1 } else { usize::MAX };
            let refills = streams.iter_mut().filter(can_help).take(asked).zip(0..).map(|(stream, at)| {
                let wanted = if at == 0 && !is_merged { lacking } else { stream.at_hand().saturating_add(1) };
                stream.refill(reading, wanted)
            });
            join_all(refills).await;
        }
        let missing: Vec<Missing> = streams.iter().filter_map(Stream::missing).collect();
        let live: Vec<Progress> =
            streams.iter().filter(|stream| stream.is_live()).filter_map(Stream::progress).collect();
        let next = (!live.is_empty()).then_some(Place::Streams { live, last });
        let extras = streams.into_iter().flat_map(Stream::into_extras).collect();
        Some(Cut { entries, missing, total: None, next, extras })
    }
}

/// One source after the other, in the same order on every page, as far as it is known what comes next.
fn drain(streams: &mut [Stream], size: usize) -> Vec<Waiting> {
    let mut taken = Vec::new();
    for stream in streams {
        while taken.len() < size
            && let Some(next) = stream.pop()
        {
            taken.push(next);
        }
        if taken.len() >= size || stream.is_hungry() || stream.is_stalled() {
            break;
        }
    }
    taken
}

/// The smallest of what comes next, as long as that is known of every source. `last` is the key of the last one given.
fn merge(streams: &mut [Stream], size: usize, last: &mut Vec<SortValue>) -> Vec<Waiting> {
    let mut taken = Vec::new();
    while taken.len() < size && !streams.iter().any(Stream::is_hungry) {
        let heads = streams.iter_mut().filter(|stream| stream.head().is_some());
        // Of equal ones the first: a tie goes to the source that comes first on every page.
        let Some(first) = heads.min_by(|a, b| a.head().map(|next| &next.keys).cmp(&b.head().map(|next| &next.keys)))
        else {
            break;
        };
        let Some(next) = first.pop() else { break };
        if next.keys < *last {
            first.loses_order();
        }
        last.clone_from(&next.keys);
        taken.push(next);
    }
    taken
}

fn entry(next: Waiting, rewriter: &mut Rewriter<'_>) -> Entry {
    let Waiting { released, keys, .. } = next;
    Entry {
        resource_type: released.raw().facts.resource_type,
        keys,
        id: rewriter.gateway_id(&released),
        content: Content::Released(Box::new(released)),
    }
}
