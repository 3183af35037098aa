//! Types that are visible through something else (DESIGN section 14: `via`): a Medication through the prescription that
//! names it, a Provenance through what it is about. The owners are looked up with the same permit, confined like any
//! search, and only looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::Gateway;
use super::chart::{Chart, Charts};
use super::fetch;
use super::hashed::ResolvedIds;
use super::outcome::Missing;
use super::plan::{self, Call};
use super::released::{Filter, Released, VisibleOwners};
use crate::access::{About, Permit, Referent, about, referent};
use crate::fhir::ResourceType;
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

/// Ids in one `_id` parameter: keeps URLs under 8 KB whatever the ids' length.
pub(super) const IDS_AT_ONCE: usize = 40;

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

    /// Which of the resources that `candidates` point at are visible.
    pub(super) async fn visible_targets(
        &self,
        permit: &Permit,
        chart: &Arc<Chart>,
        candidates: &[RawResource],
    ) -> (Arc<VisibleOwners>, Vec<Missing>) {
        let patients: Vec<&str> = chart.patients.iter().map(String::as_str).collect();
        let kind = &self.knowledge.of(permit.resource_type()).authorization;
        let mut by_type: BTreeMap<ResourceType, BTreeSet<String>> = BTreeMap::new();
        for raw in candidates {
            if let About::Owners(_, targets) = about(kind, raw, chart.base_url(), &patients) {
                for target in targets {
                    if let Some(resource_type) = target.resource_type {
                        by_type.entry(resource_type).or_default().insert(target.id);
                    }
                }
            }
        }
        let mut lookups = Vec::new();
        for (resource_type, ids) in by_type {
            let ids: Vec<String> = ids.into_iter().collect();
            for chunk in ids.chunks(IDS_AT_ONCE) {
                lookups.push(self.visible_of(permit, chart, resource_type, chunk.to_vec()));
            }
        }
        let mut visible = VisibleOwners::default();
        let mut missing = Vec::new();
        for (targets, failures) in join_all(lookups).await {
            visible.targets.extend(targets);
            missing.extend(failures);
        }
        (Arc::new(visible), missing)
    }

    /// Which resources of one type, given by their upstream ids, the person sees.
    async fn visible_of(
        &self,
        permit: &Permit,
        chart: &Arc<Chart>,
        resource_type: ResourceType,
        ids: Vec<String>,
    ) -> (Vec<Referent>, Vec<Missing>) {
        let named = |id: String| Referent { resource_type: Some(resource_type), id };
        let Some(permit) = permit.for_owner(self.knowledge, resource_type) else { return Default::default() };
        match &self.knowledge.of(resource_type).authorization {
            AuthorizationKind::Subject { itself: true, .. } => {
                (ids.into_iter().filter(|id| chart.is_patient(id)).map(named).collect(), Vec::new())
            }
            AuthorizationKind::Subject { .. } => {
                let (found, missing) = self.by_ids(&permit, chart, &ids).await;
                (found.iter().map(|owner| named(owner.upstream_id().to_owned())).collect(), missing)
            }
            AuthorizationKind::Via { owners, .. } if !owners.is_empty() => {
                let here = Charts { connected: vec![chart.clone()], missing: Vec::new() };
                let visibility = self.owned(&permit, &here, None).await;
                let owned = visibility.at.get(&chart.key());
                let is_owned = |id: &String| owned.is_some_and(|owners| owners.owned.contains(id));
                (ids.into_iter().filter(is_owned).map(named).collect(), visibility.missing)
            }
            // Not about anybody, or visible through its own targets: makes nothing else visible.
            _ => Default::default(),
        }
    }

    pub(super) async fn by_ids(
        &self,
        permit: &Permit,
        chart: &Arc<Chart>,
        ids: &[String],
    ) -> (Vec<Released>, Vec<Missing>) {
        self.gather_upstream(permit, chart, &[("_id".to_owned(), ids.join(","))], None).await
    }

    /// A search at one source with parameters in the source's own ids.
    async fn gather_upstream(
        &self,
        permit: &Permit,
        chart: &Arc<Chart>,
        pairs: &[(String, String)],
        owners: Option<&Arc<VisibleOwners>>,
    ) -> (Vec<Released>, Vec<Missing>) {
        match search::parse(self.knowledge, permit.resource_type(), pairs, Handling::Strict) {
            Ok(query) => {
                let charts = std::slice::from_ref(chart);
                let calls = plan::confined(self.knowledge, permit, charts, |_, _| Some(query.clone()));
                self.gather(permit, &calls, owners).await
            }
            // Not to be had is not the same as not there: the answer must say that something may be missing.
            Err(_) => (Vec::new(), vec![fetch::missing(chart, SourceFailure::Malformed)]),
        }
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
        let ids: Vec<String> = owners.owned.iter().cloned().collect();
        let owners = Arc::new(owners);
        let chunks = ids.chunks(IDS_AT_ONCE).map(async |chunk| {
            let mut pairs = local.to_pairs();
            pairs.push(("_id".to_owned(), chunk.join(",")));
            self.gather_upstream(permit, chart, &pairs, Some(&owners)).await
        });
        let (found, failures) = joined(join_all(chunks).await);
        (found, missing.into_iter().chain(failures).collect())
    }

    async fn gather_by_targets(
        &self,
        permit: &Permit,
        charts: &Charts,
        query: &Query,
        resolved: &ResolvedIds,
    ) -> (Vec<Released>, Vec<Missing>) {
        // R4's `patient` of Provenance finds only what has a Patient among its targets, so nothing confines this call but
        // the budget: what it cuts off is flagged.
        let calls = plan::search(self.translation(resolved), permit, charts, query);
        joined(join_all(calls.iter().map(|call| self.gather_targets_of(permit, call))).await)
    }

    async fn gather_targets_of(&self, permit: &Permit, call: &Call) -> (Vec<Released>, Vec<Missing>) {
        let replies = fetch::search(self.knowledge, std::slice::from_ref(call), self.limits.source_page_size).await;
        let mut all = Vec::new();
        let mut missing: Vec<Missing> = replies.iter().filter_map(fetch::SourceReply::missing).collect();
        for reply in replies {
            let chart = &reply.call.chart;
            let (owners, failures) = self.visible_targets(permit, chart, &reply.resources).await;
            missing.extend(failures);
            let filter = Filter { knowledge: self.knowledge, permit, now: self.clock.now() };
            let raw = reply.resources.into_iter();
            let released = raw.filter_map(|raw| Released::release(filter, chart, raw, Some(&owners)));
            // Only now: a search looks at what is shown, not at what was redacted.
            all.extend(released.filter(|released| self.matches(&reply.call.query, released.raw(), chart)));
        }
        (all, missing)
    }
}

fn joined(parts: Vec<(Vec<Released>, Vec<Missing>)>) -> (Vec<Released>, Vec<Missing>) {
    let (found, missing): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    (found.into_iter().flatten().collect(), missing.into_iter().flatten().collect())
}
