//! Types that point at what makes them visible (Provenance, PaymentNotice): found by what they are about, and shown with
//! those of their targets that the caller sees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;

use super::Gateway;
use super::chart::{Chart, Charts};
use super::fetch;
use super::hashed::ResolvedIds;
use super::outcome::Missing;
use super::plan;
use super::released::{Filter, Released, VisibleOwners};
use crate::access::{About, Permit, Referent, about};
use crate::fhir::ResourceType;
use crate::fhir::knowledge::AuthorizationKind;
use crate::fhir::scan::RawResource;
use crate::fhir::search::{Include, Query};
use crate::upstream::SourceFailure;

/// Ids that are looked up at one source to see what a request's resources are about.
const MAX_TARGETS: usize = 4_000;

/// What a source has of a type, before anything is authorised, and which of its targets are known to be visible.
#[derive(Default)]
struct Candidates {
    resources: Vec<RawResource>,
    known: BTreeSet<Referent>,
    missing: Vec<Missing>,
}

impl Gateway {
    /// Which of the resources that `candidates` point at are visible; `known` are, and make others visible.
    pub(super) async fn visible_targets(
        &self,
        permit: &Permit,
        chart: &Arc<Chart>,
        candidates: &[RawResource],
        known: BTreeSet<Referent>,
    ) -> (Arc<VisibleOwners>, Vec<Missing>) {
        let kind = &self.knowledge.of(permit.resource_type()).authorization;
        let mut by_type: BTreeMap<ResourceType, BTreeSet<String>> = BTreeMap::new();
        for raw in candidates {
            if let About::Owners(_, targets) = about(kind, raw, chart.base_url(), &chart.patients) {
                for target in targets.into_iter().filter(|target| !known.contains(target)) {
                    if let Some(resource_type) = target.resource_type {
                        by_type.entry(resource_type).or_default().insert(target.id);
                    }
                }
            }
        }
        let mut visible = VisibleOwners { targets: known, ..VisibleOwners::default() };
        let mut missing = Vec::new();
        let mut left = MAX_TARGETS;
        let mut lookups = Vec::new();
        for (resource_type, ids) in by_type {
            let ids: Vec<String> = ids.into_iter().take(left).collect();
            left = left.saturating_sub(ids.len());
            lookups.push(self.visible_of(permit, chart, resource_type, ids));
        }
        if left == 0 {
            missing.push(fetch::missing(chart, SourceFailure::OverBudget));
        }
        for (targets, failures) in join_all(lookups).await {
            visible.targets.extend(targets);
            missing.extend(failures);
        }
        (Arc::new(visible), missing)
    }

    /// What points at its owners is looked at in two steps: it is asked for, and then what it points at. Where there is
    /// nothing to look at, as nobody has it, the second step is made all the same, for what is not there either: otherwise
    /// its time would tell that there is something (security design, F32). `ids` are those that were asked for.
    pub(super) async fn ask_in_vain(&self, permit: &Permit, chart: &Arc<Chart>, ids: &[String]) {
        let targets = match &self.knowledge.of(permit.resource_type()).authorization {
            AuthorizationKind::Via { owners, parameter, .. } if owners.is_empty() => parameter
                .as_ref()
                .and_then(|name| self.knowledge.of(permit.resource_type()).parameter(name))
                .map_or(ResourceType::ALL, |parameter| &parameter.targets),
            _ => return,
        };
        let is_looked_up = |kind: &ResourceType| {
            matches!(self.knowledge.of(*kind).authorization, AuthorizationKind::Subject { itself: false, .. })
        };
        // What most of them are about comes first: the source's own time for it is another with each type.
        let usual = targets.iter().filter(|kind| **kind == ResourceType::Observation);
        let mut kinds = usual.chain(targets.iter()).filter(|kind| is_looked_up(kind));
        if let Some(permit) = kinds.find_map(|kind| permit.for_owner(self.knowledge, *kind)) {
            self.by_ids(&permit, chart, ids, None).await;
        }
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
                let (found, missing) = self.by_ids(&permit, chart, &ids, None).await;
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

    /// A search for a type that points at its owners.
    pub(super) async fn gather_by_targets(
        &self,
        permit: &Permit,
        charts: &Charts,
        query: &Query,
        resolved: &ResolvedIds,
    ) -> (Vec<Released>, Vec<Missing>) {
        let translation = self.translation(resolved);
        let searches = charts.connected.iter().filter_map(|chart| {
            let patient = chart.patients.first()?;
            let query = translation.at_source(query, chart, patient)?;
            Some(async move {
                let candidates = self.candidates(permit, chart, &query).await;
                self.released_by_targets(permit, chart, &query, candidates).await
            })
        });
        let (mut all, mut missing) = (Vec::new(), Vec::new());
        for (released, failures) in join_all(searches).await {
            all.extend(released);
            missing.extend(failures);
        }
        (all, missing)
    }

    async fn released_by_targets(
        &self,
        permit: &Permit,
        chart: &Arc<Chart>,
        query: &Query,
        candidates: Candidates,
    ) -> (Vec<Released>, Vec<Missing>) {
        let Candidates { resources, known, mut missing } = candidates;
        let asked = permit.calls().load(Ordering::Relaxed);
        let (owners, failures) = self.visible_targets(permit, chart, &resources, known).await;
        if permit.calls().load(Ordering::Relaxed) == asked
            && let Some((_, ids)) = query.to_pairs().iter().find(|(name, _)| name == "_id")
        {
            let ids: Vec<String> = ids.split(',').map(str::to_owned).collect();
            self.ask_in_vain(permit, chart, &ids).await;
        }
        missing.extend(failures);
        let filter = Filter { knowledge: self.knowledge, permit, now: self.clock.now() };
        let raw = resources.into_iter();
        let released = raw.filter_map(|raw| Released::release(filter, chart, raw, Some(&owners)));
        // Only now: a search looks at what is shown, not at what was redacted.
        let matching = released.filter(|released| self.matches(query, released.raw(), chart));
        (matching.collect(), missing)
    }

    /// What may match at one source. R4's `patient` of Provenance finds only what has a Patient among its targets: so
    /// it is asked for by its targets, those in the query or else everything that the caller sees there. Where the source
    /// can do neither, nothing confines the call but the budget, and what that cuts off is flagged.
    async fn candidates(&self, permit: &Permit, chart: &Arc<Chart>, query: &Query) -> Candidates {
        let kind = permit.resource_type();
        let vendor = &chart.source.vendor;
        let parameter = match &self.knowledge.of(kind).authorization {
            AuthorizationKind::Via { parameter: Some(parameter), .. } => parameter,
            _ => return self.unconfined(permit, chart, query).await,
        };
        let edge = Include { source: kind, parameter: parameter.clone(), target: None, iterate: false };
        let is_searched = vendor.supports(kind, parameter);
        let narrows = |name: &str| {
            query.criteria.iter().any(|criterion| criterion.parameter == name && criterion.modifier.is_none())
        };
        if (is_searched && narrows(parameter)) || (narrows("_id") && vendor.supports(kind, "_id")) {
            return self.unconfined(permit, chart, query).await;
        }
        if !is_searched && !vendor.sends_along(&edge) {
            return self.unconfined(permit, chart, query).await;
        }
        self.about_everything(permit, chart, &edge).await
    }

    /// One search with nothing but the query.
    async fn unconfined(&self, permit: &Permit, chart: &Arc<Chart>, query: &Query) -> Candidates {
        let here = std::slice::from_ref(chart);
        let calls = plan::confined(self.knowledge, permit, here, |_, _| Some(query.clone()));
        let mut candidates = Candidates::default();
        for reply in fetch::search(self.knowledge, &calls, self.limits.source_page_size).await {
            candidates.missing.extend(reply.missing());
            candidates.resources.extend(reply.resources);
        }
        candidates
    }

    /// Everything at one source that is about something the caller sees there.
    async fn about_everything(&self, permit: &Permit, chart: &Arc<Chart>, edge: &Include) -> Candidates {
        let parameter = self.knowledge.of(edge.source).parameter(&edge.parameter);
        let kinds = parameter.into_iter().flat_map(|parameter| parameter.targets.iter());
        let permits: Vec<Permit> = kinds.filter_map(|kind| permit.for_owner(self.knowledge, *kind)).collect();
        let walks = permits.iter().map(|permit| self.about_type(permit, chart, edge));
        let mut all = Candidates::default();
        let mut seen = BTreeSet::new();
        for walked in join_all(walks).await {
            let Candidates { resources, known, missing } = walked;
            let resources = resources.into_iter().filter(|raw| raw.facts.resource_type == edge.source);
            all.resources.extend(resources.filter(|raw| seen.insert(raw.id().unwrap_or_default().to_owned())));
            all.known.extend(known);
            all.missing.extend(missing);
        }
        if !chart.source.vendor.sends_along(edge) {
            let (found, failures) = self.asked_for(permit, edge, chart, &all.known).await;
            all.resources = found;
            all.missing.extend(failures);
        }
        all
    }

    /// What the caller sees of one type at one source, with what comes along with it.
    async fn about_type(&self, permit: &Permit, chart: &Arc<Chart>, edge: &Include) -> Candidates {
        let kind = permit.resource_type();
        let named = |id: &str| Referent { resource_type: Some(kind), id: id.to_owned() };
        let mut candidates = Candidates::default();
        match &self.knowledge.of(kind).authorization {
            AuthorizationKind::Subject { itself: true, .. } => {
                candidates.known = chart.patients.iter().map(|patient| named(patient)).collect();
            }
            AuthorizationKind::Subject { .. } => {
                let query = Query { revincludes: vec![edge.clone()], ..Query::all(kind) };
                let here = std::slice::from_ref(chart);
                let calls = plan::confined(self.knowledge, permit, here, |_, _| Some(query.clone()));
                let mut extras = Vec::new();
                let (released, missing) = self.gather_along(permit, &calls, None, &mut extras).await;
                candidates.known = released.iter().map(|released| named(released.upstream_id())).collect();
                candidates.resources = extras.into_iter().map(|(_, raw)| raw).collect();
                candidates.missing = missing;
                return candidates;
            }
            AuthorizationKind::Via { owners, .. } if !owners.is_empty() => {
                let here = Charts { connected: vec![chart.clone()], missing: Vec::new() };
                let visibility = self.owned(permit, &here, None).await;
                let owned = visibility.at.get(&chart.key()).map(|owners| owners.owned.iter());
                candidates.known = owned.into_iter().flatten().map(|id| named(id)).collect();
                candidates.missing = visibility.missing;
            }
            // About nobody, or visible through its own targets: makes nothing else visible.
            _ => return candidates,
        }
        if chart.source.vendor.sends_along(edge) && !candidates.known.is_empty() {
            let (sent, missing) = self.sent_with(permit, edge, chart, &candidates.known).await;
            candidates.resources = sent;
            candidates.missing.extend(missing);
        }
        candidates
    }
}
