//! The specialties of those who are named in a record: asked of the source where somebody looks for whom they count, and
//! known for a while to all who look, as none of it is about a patient.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};

use super::Gateway;
use super::answer::{Answer, Refusal};
use super::chart::{Chart, Charts};
use super::fetch;
use super::view::mapped;
use crate::access::Permit;
use crate::base::source_key::SourceKey;
use crate::consent::{Labels, Lead, Reference, SPECIALISTS, SourceView, Specialties};
use crate::fhir::ResourceType;
use crate::fhir::interaction::Interaction;
use crate::fhir::scan::{self, RawResource};
use crate::upstream::{Page, SourceFailure};

/// How long a specialty counts: people change theirs seldom.
const KEPT: Duration = Duration::from_secs(300);
/// How many of one type are asked for at once, and of all for one request.
const AT_ONCE: usize = 4;
const MAX_ASKED: usize = 400;
/// How many of one source are known at most.
const MAX_KNOWN: usize = 20_000;

/// What is known of each source, by which tables.
#[derive(Clone, Debug, Default)]
pub(super) struct LearnedSpecialties(Arc<Mutex<BTreeMap<SourceKey, Learned>>>);

#[derive(Clone, Debug, Default)]
struct Learned {
    version: [u8; 32],
    specialties: Arc<Specialties>,
}

impl LearnedSpecialties {
    /// What is known by the tables of this version.
    fn at(&self, source: SourceKey, version: &[u8; 32]) -> Arc<Specialties> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = known.get(&source).filter(|known| known.version == *version);
        current.map(|known| known.specialties.clone()).unwrap_or_default()
    }

    fn put(&self, source: SourceKey, version: &[u8; 32], add: impl FnOnce(&mut Specialties)) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = known.entry(source).or_default();
        if at.version != *version {
            *at = Learned { version: *version, ..Learned::default() };
        }
        add(Arc::make_mut(&mut at.specialties));
    }
}

impl Gateway {
    /// The permit with what is known now of those who are named.
    pub(super) fn with_specialties(&self, permit: Permit) -> Permit {
        let Some(view) = permit.view().filter(|view| view.sources.values().any(SourceView::follows_specialties)) else {
            return permit;
        };
        let mut view = view.as_ref().clone();
        for (key, source) in view.sources.iter_mut().filter(|(_, source)| source.follows_specialties()) {
            source.specialties = Some(self.specialties.at(*key, source.sets.version()));
        }
        permit.through(Arc::new(view))
    }

    /// A view of one source after those whom these name were looked up.
    pub(super) async fn view_of_those_named<'r>(
        &self,
        chart: &Arc<Chart>,
        view: &SourceView,
        leads_to: impl Iterator<Item = &'r Reference>,
    ) -> SourceView {
        let mut view = view.clone();
        if !view.follows_specialties() {
            return view;
        }
        view.specialties = Some(self.specialties.at(chart.key(), view.sets.version()));
        let unknown = leads_to.filter(|to| view.specialty(to.lead()).is_none()).filter_map(|to| match to {
            Reference::To(kind, id) => Some((*kind, id.clone())),
            Reference::Nowhere => None,
        });
        let unknown: BTreeSet<_> = unknown.collect();
        if self.learn(chart, &view, unknown).await {
            view.specialties = Some(self.specialties.at(chart.key(), view.sets.version()));
        }
        view
    }

    /// Answers through a view. Where somebody is named who is not known yet, they are looked up, and the request is answered
    /// once more: what cannot be found out then is not shown.
    pub(super) async fn interact_viewed(
        &self,
        permit: Permit,
        interaction: Interaction,
    ) -> (Permit, Result<Answer, Refusal>) {
        let outcome = self.interact(&permit, interaction.clone()).await;
        if !self.learn_unknown(&permit).await {
            return (permit, outcome);
        }
        permit.withheld().forget();
        let permit = self.with_specialties(permit);
        let outcome = self.interact(&permit, interaction).await;
        (permit, outcome)
    }

    /// Looks up who was named and not known; whether anything was found out.
    pub(super) async fn learn_unknown(&self, permit: &Permit) -> bool {
        let unknown = permit.unknown().take();
        let charts = Charts::of(permit, &self.sources);
        let mut has_learned = false;
        for (key, unknown) in unknown {
            let view = permit.view().and_then(|view| view.sources.get(&key));
            if let Some((chart, view)) = charts.at(key).zip(view) {
                has_learned |= self.learn(chart, view, unknown).await;
            }
        }
        has_learned
    }

    async fn learn(&self, chart: &Arc<Chart>, view: &SourceView, unknown: BTreeSet<(ResourceType, String)>) -> bool {
        let mut by_kind: BTreeMap<ResourceType, Vec<String>> = BTreeMap::new();
        for (kind, id) in unknown.into_iter().take(MAX_ASKED) {
            by_kind.entry(kind).or_default().push(id);
        }
        let asked = by_kind.into_iter().map(|(kind, ids)| self.specialties_of(chart, view, kind, ids));
        let found: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
        let now = self.clock.now();
        let has_learned = !found.is_empty();
        if has_learned {
            self.specialties.put(chart.key(), view.sets.version(), |known| {
                known.forget(now);
                if known.count() > MAX_KNOWN {
                    *known = Specialties::default();
                }
                for (kind, id, labels) in found {
                    known.learn(kind, id, labels, now.plus(KEPT));
                }
            });
        }
        has_learned
    }

    /// Those of one type. The first is asked for alone, and after a failure nobody is: a server that cannot give its
    /// directory is not to be left alone for that with all that it has.
    async fn specialties_of(
        &self,
        chart: &Arc<Chart>,
        view: &SourceView,
        kind: ResourceType,
        ids: Vec<String>,
    ) -> Vec<(ResourceType, String, Labels)> {
        let has_failed = AtomicBool::new(false);
        let ask = async |id: String| {
            if has_failed.load(Ordering::Relaxed) {
                return None;
            }
            let labels = self.specialty_of(chart, view, kind, &id).await;
            has_failed.fetch_or(labels.is_none(), Ordering::Relaxed);
            labels.map(|labels| (kind, id, labels))
        };
        let mut ids = ids.into_iter();
        let first = match ids.next() {
            Some(id) => ask(id).await,
            None => None,
        };
        let rest: Vec<_> = stream::iter(ids.map(ask)).buffer_unordered(AT_ONCE).collect().await;
        std::iter::once(first).chain(rest).flatten().collect()
    }

    /// What is sensitive about whatever names this one; `None` where that cannot be told for now. A source that does not have
    /// or give it leaves nothing to go by: then the codes in the record itself have to say it.
    async fn specialty_of(
        &self,
        chart: &Arc<Chart>,
        view: &SourceView,
        kind: ResourceType,
        id: &str,
    ) -> Option<Labels> {
        let labels = |raw| view.describe(&mapped(chart, raw, self)).labels;
        let own = match fetch::read(self.knowledge, chart, kind, id).await {
            Ok(raw) => labels(raw),
            Err(failure) if says_nothing(failure) => Labels::NONE,
            Err(_) => return None,
        };
        let has_roles = kind == ResourceType::Practitioner
            && chart.source.vendor.supports(ResourceType::PractitionerRole, "practitioner");
        if !has_roles {
            return Some(own);
        }
        // A Practitioner says what somebody learned; their roles say where they work.
        let roles = self.roles(chart, id).await?;
        Some(roles.into_iter().map(labels).fold(own, Labels::and))
    }

    async fn roles(&self, chart: &Arc<Chart>, practitioner: &str) -> Option<Vec<RawResource>> {
        let pairs = [("practitioner".to_owned(), format!("Practitioner/{practitioner}"))];
        let read = |body: Bytes| {
            let bundle = scan::scan_bundle(body, self.knowledge).map_err(|_| SourceFailure::Malformed)?;
            Ok(Page { resources: bundle.entries.len(), next: bundle.next.clone(), content: bundle, wants_next: true })
        };
        let mut found = Vec::new();
        let errands = chart.errands(ResourceType::PractitionerRole, "");
        let gathered = errands.first()?.search(ResourceType::PractitionerRole.as_str(), &pairs, read).await;
        if gathered.failure.is_some_and(|failure| !says_nothing(failure)) {
            return None;
        }
        for entry in gathered.pages.into_iter().flat_map(|page| page.entries) {
            let raw = entry.resource;
            let names = |to: Lead<'_>| to == Lead::To(ResourceType::Practitioner, practitioner);
            let mut is_theirs = false;
            super::view::leads(&raw, chart, &mut |to| is_theirs |= names(to));
            // A source that does not filter sends those of others.
            if is_theirs && raw.facts.resource_type == ResourceType::PractitionerRole {
                found.push(raw);
            }
        }
        Some(found)
    }
}

/// Whether the source says that there is nothing, or nothing for us.
const fn says_nothing(failure: SourceFailure) -> bool {
    matches!(failure, SourceFailure::NotFound | SourceFailure::Forbidden | SourceFailure::Refused { .. })
}

/// Notes who is named and not known.
pub(super) fn note_unknown(permit: &Permit, view: &SourceView, raw: &RawResource, chart: &Chart) {
    super::view::leads(raw, chart, &mut |to| {
        if let Lead::To(kind, id) = to
            && SPECIALISTS.contains(&kind)
            && view.specialty(to).is_none()
        {
            permit.unknown().add(chart.key(), kind, id);
        }
    });
}
