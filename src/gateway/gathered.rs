//! A page of a search, gathered: every source's answer fetched whole within the budgets, then evaluated, ordered,
//! counted and cut here.

use std::sync::Arc;

use super::Gateway;
use super::answer::Refusal;
use super::chart::Chart;
use super::fetch;
use super::outcome::Missing;
use super::own;
use super::page_link::Place;
use super::plan::{self, Call};
use super::released::{Filter, Released, VisibleOwners};
use super::rewrite::Rewriter;
use super::search::{Cut, Search};
use super::searchset::{self, Content, Entry};
use crate::access::Permit;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::AuthorizationKind;
use crate::fhir::scan::RawResource;
use crate::fhir::search::{Summary, TotalMode};

/// Everything that matches, before it is ordered and paged.
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    pub(super) missing: Vec<Missing>,
    /// What sources sent along with their matches.
    pub(super) extras: Vec<(Arc<Chart>, RawResource)>,
}

impl Gateway {
    /// One page, and where the next one begins; `None` when `place` is of another kind.
    pub(super) async fn gathered_page(
        &self,
        search: &Search<'_>,
        place: Option<&Place>,
        size: usize,
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Cut>, Refusal> {
        let after = match place {
            None => None,
            Some(Place::After { keys, id }) => Some((keys, id)),
            Some(Place::Streams { .. }) => return Ok(None),
        };
        let Found { mut entries, missing, extras } = self.find(search, rewriter).await?;
        searchset::order(&mut entries);
        let query = search.query;
        let total = (query.total != Some(TotalMode::None)).then_some(entries.len());
        let start = after.map_or(0, |(keys, id)| searchset::after(&entries, keys, id));
        let count_only = query.summary == Some(Summary::Count) || query.count == Some(0);
        let mut shown = entries.split_off(start.min(entries.len()));
        let has_more = shown.len() > size;
        shown.truncate(if count_only { 0 } else { size });
        let place = |last: &Entry| Place::After { keys: last.keys.clone(), id: last.id.clone() };
        let next = shown.last().filter(|_| has_more).map(place);
        Ok(Some(Cut { entries: shown, missing, total, next, extras }))
    }

    async fn find(&self, search: &Search<'_>, rewriter: &mut Rewriter<'_>) -> Result<Found, Refusal> {
        let Search { permit, charts, query, resolved, with_kept } = *search;
        let mut extras = Vec::new();
        let (released, missing) = match &self.knowledge.of(permit.resource_type()).authorization {
            AuthorizationKind::Subject { itself: true, .. } => {
                return Ok(self.find_person(permit, charts, query, rewriter).await);
            }
            AuthorizationKind::Via { .. } if permit.resource_type() == ResourceType::Binary => {
                let details = "Binary is read by its id, not searched".to_owned();
                return Err(Refusal::Invalid { code: "not-supported", details });
            }
            AuthorizationKind::Via { .. } => Box::pin(self.gather_via(permit, charts, query, resolved)).await,
            _ => {
                let calls = plan::search(self.translation(resolved), permit, charts, query);
                self.gather_along(permit, &calls, None, &mut extras).await
            }
        };
        let mut entries: Vec<Entry> = released
            .into_iter()
            .map(|released| Entry {
                resource_type: permit.resource_type(),
                keys: self.keys(query, released.raw(), Some(released.chart())),
                id: rewriter.gateway_id(&released),
                content: Content::Released(Box::new(released)),
            })
            .collect();
        if with_kept && own::is_kept(permit.resource_type()) {
            entries.extend(Box::pin(self.find_own(permit, query)).await?);
        }
        Ok(Found { entries, missing, extras })
    }

    /// Fetches, filters and evaluates.
    pub(super) async fn gather(
        &self,
        permit: &Permit,
        calls: &[Call],
        owners: Option<&Arc<VisibleOwners>>,
    ) -> (Vec<Released>, Vec<Missing>) {
        self.gather_along(permit, calls, owners, &mut Vec::new()).await
    }

    /// The same, with what the sources sent along: of that nothing is filtered.
    pub(super) async fn gather_along(
        &self,
        permit: &Permit,
        calls: &[Call],
        owners: Option<&Arc<VisibleOwners>>,
        extras: &mut Vec<(Arc<Chart>, RawResource)>,
    ) -> (Vec<Released>, Vec<Missing>) {
        let replies = fetch::search(self.knowledge, calls, self.limits.source_page_size).await;
        let filter = Filter { knowledge: self.knowledge, permit, now: self.clock.now() };
        let mut released = Vec::new();
        let mut missing = Vec::new();
        for reply in replies {
            missing.extend(reply.missing());
            let chart = &reply.call.chart;
            extras.extend(reply.extras.into_iter().map(|raw| (chart.clone(), raw)));
            let visible = reply.resources.into_iter().filter_map(|raw| Released::release(filter, chart, raw, owners));
            released.extend(visible.filter(|released| self.matches(&reply.call.query, released.raw(), chart)));
        }
        (released, missing)
    }
}
