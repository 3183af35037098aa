//! `_include` and `_revinclude` (FHIR R4 search.html §3.1.1.5.4): each listed edge is a search of its own, with a permit
//! of its own, at the source that holds the reference. What a source includes of its own accord passes the same filter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::Gateway;
use super::answer::Refusal;
use super::chart::{Chart, Charts};
use super::fetch;
use super::outcome::{Missing, issue};
use super::person::Merged;
use super::plan;
use super::released::{Filter, Released, VisibleOwners};
use super::rewrite::Rewriter;
use super::search::Search;
use super::searchset::{Content, Entry};
use super::via::chunks;
use crate::access::{Permit, Referent, is_served, referent};
use crate::fhir::ResourceType;
use crate::fhir::knowledge::{AuthorizationKind, EdgeElement, Knowledge, PathCondition};
use crate::fhir::model::Issue;
use crate::fhir::scan::RawResource;
use crate::fhir::search::{Criterion, Include, Query, Summary, TokenValue, Value};
use crate::organization::SourceKey;

/// What a page's edges lead to.
#[derive(Default)]
pub(super) struct Included {
    pub(super) entries: Vec<Entry>,
    pub(super) missing: Vec<Missing>,
    /// Edges that the caller's scopes do not reach.
    pub(super) issues: Vec<Issue>,
}

/// What one edge leads to at one source: the resources of one type, and the matches that lead there.
type Targets = BTreeMap<(SourceKey, ResourceType), BTreeSet<String>>;

/// Refuses edges that are not listed in `fhir-profiles/includes.json`. What could widen a result is never dropped.
///
/// # Errors
/// [`Refusal::Invalid`], naming the parameter.
pub(super) fn check(knowledge: &Knowledge, query: &Query) -> Result<(), Refusal> {
    let facts = knowledge.of(query.resource_type);
    let edges = query.includes.iter().map(|edge| (edge, facts.follows(edge), "_include"));
    let reverse = query.revincludes.iter().map(|edge| (edge, facts.follows_back(edge), "_revinclude"));
    for (edge, is_listed, name) in edges.chain(reverse) {
        let refused = |what| Refusal::Invalid {
            code: "not-supported",
            details: format!("{name} of {}:{} {what}", edge.source, edge.parameter),
        };
        if edge.iterate {
            return Err(refused("is not followed further: :iterate is not supported"));
        }
        if !is_listed {
            return Err(refused("is not supported"));
        }
        if query.summary == Some(Summary::Text) {
            return Err(refused("cannot be mixed with _summary=text"));
        }
    }
    Ok(())
}

impl Gateway {
    /// Everything that the edges of a query lead to from these matches, each once, without the matches themselves.
    /// `extras` are what sources sent along because they were asked to.
    pub(super) async fn included(
        &self,
        search: &Search<'_>,
        matches: &[Entry],
        extras: Vec<(Arc<Chart>, RawResource)>,
        rewriter: &mut Rewriter<'_>,
    ) -> Included {
        let mut included = Included::default();
        for edge in &search.query.includes {
            self.follow(search, edge, matches, &mut included, rewriter).await;
        }
        if !search.query.revincludes.is_empty() {
            self.follow_back(search, matches, extras, &mut included, rewriter).await;
        }
        let mut seen: BTreeSet<(ResourceType, String)> =
            matches.iter().map(|entry| (entry.resource_type, entry.id.clone())).collect();
        included.entries.retain(|entry| seen.insert((entry.resource_type, entry.id.clone())));
        included
    }

    /// The resources that the matches refer to.
    async fn follow(
        &self,
        search: &Search<'_>,
        edge: &Include,
        matches: &[Entry],
        included: &mut Included,
        rewriter: &mut Rewriter<'_>,
    ) {
        let targets = self.targets(edge, matches);
        let kinds: BTreeSet<ResourceType> = targets.keys().map(|(_, kind)| *kind).collect();
        // Told from the edge and not from what was found: it must not say what the matches refer to.
        let reach = self.reach(search.permit, edge);
        included.issues.extend(uncovered("_include", edge, &reach));
        let permits: BTreeMap<ResourceType, &Permit> =
            reach.iter().filter_map(|(kind, permit)| Some((*kind, permit.as_ref()?))).collect();
        let mut lookups = Vec::new();
        for ((source, kind), ids) in &targets {
            let (Some(permit), Some(chart)) = (permits.get(kind), search.charts.at(*source)) else { continue };
            let ids: Vec<String> = ids.iter().cloned().collect();
            let is_owner = self.owns(edge, *kind);
            lookups.push(async move { self.targets_at(permit, chart, ids, is_owner).await });
        }
        for (found, missing) in join_all(lookups).await {
            included.entries.extend(found.into_iter().map(|released| entry(released, rewriter)));
            included.missing.extend(missing);
        }
        if kinds.contains(&ResourceType::Patient)
            && let Some(permit) = permits.get(&ResourceType::Patient)
        {
            let Merged { joined, missing } = self.merged(permit, search.charts, rewriter).await;
            included.missing.extend(missing);
            included.entries.extend(joined.map(|joined| Entry {
                resource_type: ResourceType::Patient,
                keys: Vec::new(),
                id: permit.person().to_string(),
                content: Content::Merged(joined.bytes),
            }));
        }
    }

    /// The types that an edge can lead to, each with a permit if the caller's scopes reach it.
    fn reach(&self, permit: &Permit, edge: &Include) -> Vec<(ResourceType, Option<Permit>)> {
        let parameter = self.knowledge.of(edge.source).parameter(&edge.parameter);
        let targets = parameter.into_iter().flat_map(|parameter| parameter.targets.iter().copied());
        targets
            .filter(|kind| edge.target.is_none_or(|wanted| wanted == *kind) && is_served(self.knowledge, *kind))
            .map(|kind| (kind, permit.for_owner(self.knowledge, kind)))
            .collect()
    }

    /// Whether a visible resource that has this reference makes its target visible (a Medication).
    fn owns(&self, edge: &Include, target: ResourceType) -> bool {
        let AuthorizationKind::Via { owners, .. } = &self.knowledge.of(target).authorization else { return false };
        owners.iter().any(|owner| {
            owner.owner == edge.source
                && matches!(&owner.by, EdgeElement::Reference { parameter, .. } if *parameter == edge.parameter)
        })
    }

    /// Where the references lead, by source and type. What is masked in a match is not among them.
    fn targets(&self, edge: &Include, matches: &[Entry]) -> Targets {
        let mut targets = Targets::new();
        let Some(parameter) = self.knowledge.of(edge.source).parameter(&edge.parameter) else { return targets };
        let released = matches.iter().filter_map(|entry| match &entry.content {
            Content::Released(released) if entry.resource_type == edge.source => Some(released),
            _ => None,
        });
        for released in released {
            let (raw, chart) = (released.raw(), released.chart());
            for path in &parameter.paths {
                let only = match &path.condition {
                    None => None,
                    Some(PathCondition::Target(kind)) => Some(*kind),
                    Some(_) => continue,
                };
                for span in raw.facts.captured(path.capture) {
                    let reference = raw.facts.references.iter().find(|reference| reference.object == span);
                    let to = reference.and_then(|reference| referent(raw, chart.base_url(), reference));
                    let Some(Referent { resource_type: Some(kind), id }) = to else { continue };
                    let wanted = edge.target.is_none_or(|wanted| wanted == kind)
                        && only.is_none_or(|only| only == kind)
                        && parameter.targets.contains(&kind);
                    // A Patient that is not the person in context is nobody here.
                    if wanted && (kind != ResourceType::Patient || chart.is_patient(&id)) {
                        targets.entry((chart.key(), kind)).or_default().insert(id);
                    }
                }
            }
        }
        targets
    }

    /// Fetches targets of one type from the source that refers to them.
    async fn targets_at(
        &self,
        permit: &Permit,
        chart: &Arc<Chart>,
        ids: Vec<String>,
        is_owner: bool,
    ) -> (Vec<Released>, Vec<Missing>) {
        let owners = match &self.knowledge.of(permit.resource_type()).authorization {
            // The person is one merged record.
            AuthorizationKind::Subject { itself: true, .. } => return Default::default(),
            AuthorizationKind::Subject { .. } | AuthorizationKind::Directory { .. } => None,
            AuthorizationKind::Via { .. } if is_owner => {
                let owned = ids.iter().cloned().collect();
                Some(Arc::new(VisibleOwners { owned, ..VisibleOwners::default() }))
            }
            _ => return Default::default(),
        };
        self.by_ids(permit, chart, &ids, owners.as_ref()).await
    }

    /// The resources that refer to the matches.
    async fn follow_back(
        &self,
        search: &Search<'_>,
        matches: &[Entry],
        extras: Vec<(Arc<Chart>, RawResource)>,
        included: &mut Included,
        rewriter: &mut Rewriter<'_>,
    ) {
        let pointed = pointed_at(matches, search.charts);
        for edge in &search.query.revincludes {
            let Some(permit) = search.permit.for_owner(self.knowledge, edge.source) else {
                included.issues.extend(uncovered("_revinclude", edge, &[(edge.source, None)]));
                continue;
            };
            let lookups = pointed.iter().filter_map(|(source, referents)| {
                let chart = search.charts.at(*source)?;
                let sent = extras.iter().filter(|(from, _)| from.key() == *source).map(|(_, raw)| raw.clone());
                Some(self.referring(search, &permit, (edge, chart), referents, sent.collect()))
            });
            for (found, missing) in join_all(lookups).await {
                included.entries.extend(found.into_iter().map(|released| entry(released, rewriter)));
                included.missing.extend(missing);
            }
        }
    }

    /// What refers to these resources at one source, as far as the caller sees it.
    async fn referring(
        &self,
        search: &Search<'_>,
        permit: &Permit,
        (edge, chart): (&Include, &Arc<Chart>),
        referents: &BTreeSet<Referent>,
        sent: Vec<RawResource>,
    ) -> (Vec<Released>, Vec<Missing>) {
        let vendor = &chart.source.vendor;
        let (mut candidates, mut missing) = if vendor.sends_along(edge) {
            self.sent_along(search, edge, chart, (referents, sent)).await
        } else if vendor.supports(edge.source, &edge.parameter) {
            self.asked_for(permit, edge, chart, referents).await
        } else {
            self.fetch_upstream(permit, chart, &[]).await
        };
        let points = |raw: &RawResource| self.points_at(edge, raw, chart, referents);
        candidates.retain(|raw| raw.facts.resource_type == edge.source && points(raw));
        let owners = match &self.knowledge.of(edge.source).authorization {
            AuthorizationKind::Via { .. } => {
                let known = referents.iter().filter(|referent| self.confers(referent)).cloned().collect();
                let (owners, failures) = self.visible_targets(permit, chart, &candidates, known).await;
                missing.extend(failures);
                Some(owners)
            }
            _ => None,
        };
        let filter = Filter { knowledge: self.knowledge, permit, now: self.clock.now() };
        let released = candidates.into_iter().filter_map(|raw| Released::release(filter, chart, raw, owners.as_ref()));
        // Once more, on what is shown of it.
        let released = released.filter(|released| self.points_at(edge, released.raw(), chart, referents));
        (released.collect(), missing)
    }

    /// What the source was asked to send along with the matches. With a person, who is read and not searched, and with
    /// what is looked up for its owners, it was not asked yet.
    async fn sent_along(
        &self,
        search: &Search<'_>,
        edge: &Include,
        chart: &Arc<Chart>,
        (referents, sent): (&BTreeSet<Referent>, Vec<RawResource>),
    ) -> (Vec<RawResource>, Vec<Missing>) {
        match self.knowledge.of(search.permit.resource_type()).authorization {
            AuthorizationKind::Subject { itself: true, .. } | AuthorizationKind::Via { .. } => {
                self.sent_with(search.permit, edge, chart, referents).await
            }
            _ => (sent, Vec::new()),
        }
    }

    /// What a source sends along with resources of the permit's type that are named by their ids.
    pub(super) async fn sent_with(
        &self,
        permit: &Permit,
        edge: &Include,
        chart: &Arc<Chart>,
        referents: &BTreeSet<Referent>,
    ) -> (Vec<RawResource>, Vec<Missing>) {
        let kind = permit.resource_type();
        let ids = referents.iter().map(|referent| Value::Token(TokenValue::Code(referent.id.clone()))).collect();
        let criterion = Criterion { parameter: "_id".to_owned(), modifier: None, values: ids };
        let query = Query { criteria: vec![criterion], revincludes: vec![edge.clone()], ..Query::all(kind) };
        let here = std::slice::from_ref(chart);
        let calls = plan::confined(self.knowledge, permit, here, |_, _| Some(query.clone()));
        let (mut sent, mut missing) = (Vec::new(), Vec::new());
        for reply in fetch::search(self.knowledge, &calls, self.limits.source_page_size).await {
            missing.extend(reply.missing());
            sent.extend(reply.extras);
        }
        (sent, missing)
    }

    /// A search by the reference.
    pub(super) async fn asked_for(
        &self,
        permit: &Permit,
        edge: &Include,
        chart: &Arc<Chart>,
        referents: &BTreeSet<Referent>,
    ) -> (Vec<RawResource>, Vec<Missing>) {
        let values: Vec<String> = referents
            .iter()
            .filter_map(|referent| Some(format!("{}/{}", referent.resource_type?, referent.id)))
            .collect();
        let takes_lists = self.takes_lists(permit, chart, &edge.parameter, &values);
        let lists: Vec<String> = if takes_lists { chunks(&values).collect() } else { values };
        let lists: Vec<_> = lists.into_iter().map(|list| vec![(edge.parameter.clone(), list)]).collect();
        let asked = join_all(lists.iter().map(|pairs| self.fetch_upstream(permit, chart, pairs))).await;
        let (mut found, mut missing, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (resources, failures) in asked {
            // One with hundreds of targets is found by every part of the list.
            found.extend(resources.into_iter().filter(|raw| seen.insert(raw.id().unwrap_or_default().to_owned())));
            missing.extend(failures);
        }
        (found, missing)
    }

    /// Whether a resource refers to one of these by the edge's parameter.
    fn points_at(&self, edge: &Include, raw: &RawResource, chart: &Chart, referents: &BTreeSet<Referent>) -> bool {
        let Some(parameter) = self.knowledge.of(edge.source).parameter(&edge.parameter) else { return false };
        parameter.paths.iter().flat_map(|path| raw.facts.captured(path.capture)).any(|span| {
            let reference = raw.facts.references.iter().find(|reference| reference.object == span);
            let to = reference.and_then(|reference| referent(raw, chart.base_url(), reference));
            to.is_some_and(|to| {
                referents.contains(&to) && edge.target.is_none_or(|wanted| to.resource_type == Some(wanted))
            })
        })
    }

    /// Whether a visible resource makes others visible that are about it: shared reference data does not.
    fn confers(&self, referent: &Referent) -> bool {
        referent.resource_type.is_some_and(|kind| match &self.knowledge.of(kind).authorization {
            AuthorizationKind::Subject { .. } => true,
            AuthorizationKind::Via { owners, .. } => !owners.is_empty(),
            _ => false,
        })
    }
}

/// The matches as others at their source refer to them. The person is every one of their records.
fn pointed_at(matches: &[Entry], charts: &Charts) -> BTreeMap<SourceKey, BTreeSet<Referent>> {
    let mut pointed: BTreeMap<SourceKey, BTreeSet<Referent>> = BTreeMap::new();
    for entry in matches {
        let mut add = |chart: &Chart, id: &str| {
            let referent = Referent { resource_type: Some(entry.resource_type), id: id.to_owned() };
            pointed.entry(chart.key()).or_default().insert(referent);
        };
        match &entry.content {
            Content::Released(released) => add(released.chart(), released.upstream_id()),
            Content::Kept(_) => {}
            Content::Merged(_) => {
                for chart in &charts.connected {
                    chart.patients.iter().for_each(|patient| add(chart, patient));
                }
            }
        }
    }
    pointed
}

fn entry(released: Released, rewriter: &mut Rewriter<'_>) -> Entry {
    Entry {
        resource_type: released.raw().facts.resource_type,
        keys: Vec::new(),
        id: rewriter.gateway_id(&released),
        content: Content::Released(Box::new(released)),
    }
}

/// Says which edge the scopes do not reach: a function of the request and the grant alone.
fn uncovered(name: &str, edge: &Include, reach: &[(ResourceType, Option<Permit>)]) -> Option<Issue> {
    let kinds: Vec<&str> = reach.iter().filter(|(_, permit)| permit.is_none()).map(|(kind, _)| kind.as_str()).collect();
    (!kinds.is_empty()).then(|| {
        let edge = format!("{}:{}", edge.source, edge.parameter);
        issue("warning", "suppressed", format!("{name}={edge}: the granted scopes do not cover {}", kinds.join(", ")))
    })
}
