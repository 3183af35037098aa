//! Types that are visible through something else (DESIGN section 14: `via`): a Medication through the prescription that
//! names it, a Provenance through what it is about. The owners are looked up with the same permit, confined like any
//! search, and only looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;

use super::Gateway;
use super::chart::{Chart, Charts};
use super::fetch;
use super::hashed::ResolvedIds;
use super::outcome::Missing;
use super::plan::{self, Call};
use super::released::{Filter, Released, VisibleOwners};
use crate::access::{Permit, referent};
use crate::fhir::knowledge::{AuthorizationKind, EdgeElement, OwnerEdge};
use crate::fhir::scan::RawResource;
use crate::fhir::search::{self, Handling, Query};
use crate::organization::SourceKey;
use crate::upstream::SourceFailure;

/// What is visible at each source, and which sources could not be asked about it.
#[derive(Debug, Default)]
pub(super) struct Visibility {
    pub(super) at: BTreeMap<SourceKey, Arc<VisibleOwners>>,
    pub(super) missing: Vec<Missing>,
}

/// Characters of ids in one parameter: keeps URLs under 8 KB, with every `/` and `,` of them encoded.
const MAX_LIST: usize = 4_000;
/// Ids in one parameter: fewer than a page of any source has room for.
const IDS_AT_ONCE: usize = 100;

impl Gateway {
    /// Which resources of the permit's type visible owners point at. `only` narrows the owners to those of one
    /// resource, given by its upstream id.
    pub(super) async fn owned(&self, permit: &Permit, charts: &Charts, only: Option<&str>) -> Visibility {
        let at_each =
            charts.connected.iter().map(async |chart| (chart.key(), self.owned_at(permit, chart, only).await));
        let mut visibility = Visibility::default();
        for (key, (owned, missing)) in join_all(at_each).await {
            visibility.at.insert(key, Arc::new(owned));
            visibility.missing.extend(missing);
        }
        visibility
    }

    /// The same at one source.
    async fn owned_at(&self, permit: &Permit, chart: &Arc<Chart>, only: Option<&str>) -> (VisibleOwners, Vec<Missing>) {
        let mut visible = VisibleOwners::default();
        let mut missing = Vec::new();
        let AuthorizationKind::Via { owners, .. } = &self.knowledge.of(permit.resource_type()).authorization else {
            return (visible, missing);
        };
        let through = owners.iter().map(|edge| self.owned_through(permit, chart, edge, only));
        for (owned, failures) in join_all(through).await {
            visible.owned.extend(owned);
            missing.extend(failures);
        }
        (visible, missing)
    }

    async fn owned_through(
        &self,
        permit: &Permit,
        chart: &Arc<Chart>,
        edge: &OwnerEdge,
        only: Option<&str>,
    ) -> (Vec<String>, Vec<Missing>) {
        let EdgeElement::Reference { capture, parameter, .. } = &edge.by else { return Default::default() };
        let Some(permit_for_owner) = permit.for_owner(self.knowledge, edge.owner) else { return Default::default() };
        let only = only.map(|id| (parameter.clone(), format!("{}/{id}", permit.resource_type())));
        let pairs: Vec<(String, String)> = only.into_iter().collect();
        let (found, missing) = self.gather_upstream(&permit_for_owner, chart, &pairs, None).await;
        let mut owned = Vec::new();
        for owner in found {
            let raw = owner.raw();
            owned.extend(raw.facts.captured(*capture).filter_map(|span| {
                let reference = raw.facts.references.iter().find(|reference| reference.object == span)?;
                let to = referent(raw, chart.base_url(), reference)?;
                (to.resource_type == Some(permit.resource_type())).then_some(to.id)
            }));
        }
        (owned, missing)
    }

    /// Resources that are named by their ids: in lists, or one by one where the source has no search by id.
    pub(super) async fn by_ids(
        &self,
        permit: &Permit,
        chart: &Arc<Chart>,
        ids: &[String],
        owners: Option<&Arc<VisibleOwners>>,
    ) -> (Vec<Released>, Vec<Missing>) {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        if self.takes_lists(permit, chart, "_id", ids) {
            let lists: Vec<_> = chunks(ids).map(|list| vec![("_id".to_owned(), list)]).collect();
            let asked = lists.iter().map(|pairs| self.gather_upstream(permit, chart, pairs, owners));
            for (released, failures) in join_all(asked).await {
                found.extend(released);
                missing.extend(failures);
            }
            return (found, missing);
        }
        let filter = Filter { knowledge: self.knowledge, permit, now: self.clock.now() };
        let reads = ids.iter().map(|id| fetch::read(self.knowledge, chart, permit.resource_type(), id));
        for read in join_all(reads).await {
            match read {
                Ok(raw) => found.extend(Released::release(filter, chart, raw, owners)),
                // A reference may lead nowhere.
                Err(SourceFailure::NotFound | SourceFailure::Forbidden) => {}
                Err(failure) => missing.push(fetch::missing(chart, failure)),
            }
        }
        (found, missing)
    }

    /// Whether the source can be searched by a list of these.
    pub(super) fn takes_lists(&self, permit: &Permit, chart: &Chart, parameter: &str, values: &[String]) -> bool {
        let pairs: Vec<_> = chunks(values).take(1).map(|list| (parameter.to_owned(), list)).collect();
        let kind = permit.resource_type();
        search::parse(self.knowledge, kind, &pairs, Handling::Strict)
            .is_ok_and(|query| chart.source.sendable(kind, &query.criteria).len() == query.criteria.len())
    }

    /// A search at one source with parameters in the source's own ids.
    async fn gather_upstream(
        &self,
        permit: &Permit,
        chart: &Arc<Chart>,
        pairs: &[(String, String)],
        owners: Option<&Arc<VisibleOwners>>,
    ) -> (Vec<Released>, Vec<Missing>) {
        match self.upstream_calls(permit, chart, pairs) {
            Ok(calls) => self.gather(permit, &calls, owners).await,
            Err(missing) => (Vec::new(), vec![missing]),
        }
    }

    /// The same, before anything is authorised.
    pub(super) async fn fetch_upstream(
        &self,
        permit: &Permit,
        chart: &Arc<Chart>,
        pairs: &[(String, String)],
    ) -> (Vec<RawResource>, Vec<Missing>) {
        let calls = match self.upstream_calls(permit, chart, pairs) {
            Ok(calls) => calls,
            Err(missing) => return (Vec::new(), vec![missing]),
        };
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for reply in fetch::search(self.knowledge, &calls, self.limits.source_page_size).await {
            missing.extend(reply.missing());
            found.extend(reply.resources);
        }
        (found, missing)
    }

    fn upstream_calls(
        &self,
        permit: &Permit,
        chart: &Arc<Chart>,
        pairs: &[(String, String)],
    ) -> Result<Vec<Call>, Missing> {
        // Not to be had is not the same as not there: the answer must say that something may be missing.
        let query = search::parse(self.knowledge, permit.resource_type(), pairs, Handling::Strict)
            .map_err(|_| fetch::missing(chart, SourceFailure::Malformed))?;
        Ok(plan::confined(self.knowledge, permit, std::slice::from_ref(chart), |_, _| Some(query.clone())))
    }

    /// A search for a type that is visible through others.
    pub(super) async fn gather_via(
        &self,
        permit: &Permit,
        charts: &Charts,
        query: &Query,
        resolved: &ResolvedIds,
    ) -> (Vec<Released>, Vec<Missing>) {
        let AuthorizationKind::Via { owners, .. } = &self.knowledge.of(permit.resource_type()).authorization else {
            return (Vec::new(), Vec::new());
        };
        if owners.is_empty() {
            return self.gather_by_targets(permit, charts, query, resolved).await;
        }
        // Each source by itself from first to last: one that hangs takes nothing of the others' time.
        let at_each = charts.connected.iter().map(|chart| self.gather_owned(permit, chart, query, resolved));
        joined(join_all(at_each).await)
    }

    async fn gather_owned(
        &self,
        permit: &Permit,
        chart: &Arc<Chart>,
        query: &Query,
        resolved: &ResolvedIds,
    ) -> (Vec<Released>, Vec<Missing>) {
        let (owners, missing) = self.owned_at(permit, chart, None).await;
        let patient = chart.patients.first().map(String::as_str).unwrap_or_default();
        let Some(local) = self.translation(resolved).at_source(query, chart, patient) else {
            return (Vec::new(), missing);
        };
        let local = Query { includes: Vec::new(), revincludes: Vec::new(), ..local };
        let ids: Vec<String> = owners.owned.iter().cloned().collect();
        let owners = Arc::new(owners);
        let lists = chunks(&ids).map(async |list| {
            let mut pairs = local.to_pairs();
            pairs.push(("_id".to_owned(), list));
            self.gather_upstream(permit, chart, &pairs, Some(&owners)).await
        });
        let (found, failures) = joined(join_all(lists).await);
        (found, missing.into_iter().chain(failures).collect())
    }
}

/// Ids as the lists that one parameter each can take.
pub(super) fn chunks(ids: &[String]) -> impl Iterator<Item = String> {
    let mut rest = ids;
    std::iter::from_fn(move || {
        let mut length = 0_usize;
        let fits = rest.iter().take(IDS_AT_ONCE).take_while(|id| {
            length = length.saturating_add(id.len()).saturating_add(5);
            length <= MAX_LIST
        });
        // One that is longer than a list can be is asked for by itself.
        let (list, later) = rest.split_at_checked(fits.count().max(1))?;
        rest = later;
        Some(list.join(","))
    })
}

fn joined(parts: Vec<(Vec<Released>, Vec<Missing>)>) -> (Vec<Released>, Vec<Missing>) {
    let (found, missing): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    (found.into_iter().flatten().collect(), missing.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_ids_hold_each_once_and_stay_short() {
        for (length, many) in [(1, 1), (1, 1_000), (36, 471), (64, 471), (5_000, 3), (36, 0)] {
            let ids: Vec<String> = (0..many).map(|n| format!("{n:0length$}")).collect();
            let lists: Vec<String> = chunks(&ids).collect();
            assert_eq!(lists.join(",").split(',').filter(|id| !id.is_empty()).collect::<Vec<_>>(), ids);
            assert!(lists.iter().all(|list| list.len() <= MAX_LIST.max(length)), "{length}");
        }
    }
}
