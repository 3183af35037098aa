//! What a proxy sees of each source, made before anything is asked: the decision for the whole request, and an index of
//! what others may refer to. Nobody else has a view, and nothing is looked up for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::future::join_all;
use memchr::memmem::Finder;
use moka::sync::Cache;

use super::Gateway;
use super::chart::{Chart, Charts};
use super::fetch;
use super::outcome::Missing;
use super::released::{Filter, Released};
use crate::access::Permit;
use crate::base::hash::sha256_of_parts;
use crate::base::source_key::SourceKey;
use crate::consent::{
    Action, Asking, Assurance, BirthDate, Item, Lead, Lens, Reference, Rule, SPECIALISTS, SourceView, TaintIndex,
    Verdict, View,
};
use crate::fhir::ResourceType;
use crate::fhir::reference::{ReferenceForm, is_source_id, parse_reference};
use crate::fhir::scan::{self, RawResource};
use crate::fhir::search::fragment::Fragment;
use crate::identity::Link;

/// Types that taint what refers to them when they are withheld.
const TAINTING: [ResourceType; 9] = [
    ResourceType::Appointment,
    ResourceType::Condition,
    ResourceType::DiagnosticReport,
    ResourceType::DocumentReference,
    ResourceType::Encounter,
    ResourceType::MedicationRequest,
    ResourceType::Observation,
    ResourceType::Procedure,
    ResourceType::ServiceRequest,
];
/// Medications that are looked up for one index.
const MAX_MEDICATIONS: usize = 200;
/// How long an index is used: what an EHR labels anew shows within it.
const KEPT: Duration = Duration::from_secs(5);

/// Indexes by what they hang on.
#[derive(Clone, Debug)]
pub(super) struct TaintIndexes(Cache<[u8; 32], Arc<TaintIndex>>);

impl Default for TaintIndexes {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(1_000).time_to_live(KEPT).build())
    }
}

impl Gateway {
    /// The permit with its view, where the caller needs one.
    pub(super) async fn viewed(&self, permit: Permit) -> Permit {
        let Some(view) = self.view(&permit) else { return permit };
        let permit = permit.through(Arc::new(view.clone()));
        let charts = Charts::of(&permit, &self.sources);
        let indexes = join_all(charts.connected.iter().map(|chart| self.taint_at(&permit, chart))).await;
        let mut view = view;
        for (chart, index) in charts.connected.iter().zip(indexes) {
            if let Some(source) = view.sources.get_mut(&chart.key()) {
                source.index = index;
            }
        }
        self.with_specialties(permit.through(Arc::new(view)))
    }

    /// The decisions at all sources, without what hangs on references.
    fn view(&self, permit: &Permit) -> Option<View> {
        let standing = permit.standing().filter(|_| permit.needs_view())?;
        let now = self.clock.now();
        let mut view = View::default();
        for (key, source) in &*self.sources.all() {
            let links = permit.links();
            if links.iter().all(|link| link.source != *key) {
                continue;
            }
            // Tokens that a patient gave this server are not for staff, who have the EHR itself.
            if standing.staff_of.is_some() && source.smart.is_some() {
                continue;
            }
            // Without rules nobody but the person sees anything.
            let Some(rules) = &source.consent else { continue };
            let births = births(links, *key);
            let asking = Asking {
                standing,
                policy: &rules.policy,
                zone: &rules.zone,
                organization: source.source.organization,
                source: *key,
                births: &births,
                action: Action::Read,
                assurance: Assurance::Aal1,
                now,
            };
            if let Ok(lens) = Lens::of(&asking) {
                let (sets, contacts) = (rules.sets.clone(), rules.contacts.clone());
                view.sources.insert(*key, SourceView { lens, sets, contacts, index: None, specialties: None });
            }
        }
        Some(view)
    }

    /// The index of one chart, kept for a moment when it is whole.
    async fn taint_at(&self, permit: &Permit, chart: &Arc<Chart>) -> Option<Arc<TaintIndex>> {
        let view = permit.view()?.sources.get(&chart.key())?;
        if !view.lens.follows_taint() {
            return None;
        }
        let key = chart.key().to_string();
        let (fingerprint, patients) = (view.lens.fingerprint(), chart.patients.join(" "));
        let key = sha256_of_parts([key.as_bytes(), &fingerprint, view.sets.version(), patients.as_bytes()]);
        if let Some(kept) = self.taint.0.get(&key) {
            return Some(kept);
        }
        let index = Arc::new(Box::pin(self.taint_index(permit, chart, view)).await);
        if index.is_whole() {
            self.taint.0.insert(key, index.clone());
        }
        Some(index)
    }

    async fn taint_index(&self, permit: &Permit, chart: &Arc<Chart>, view: &SourceView) -> TaintIndex {
        let lookups = TAINTING.map(|kind| async move {
            let (found, missing) = self.fetch_upstream(&permit.for_lookup(kind), chart, &[]).await;
            (kind, found, missing)
        });
        let mut found: Vec<(Item, Vec<Reference>)> = Vec::new();
        let mut failed = BTreeSet::new();
        let filter = Filter { knowledge: self.knowledge, permit, now: self.clock.now() };
        for (kind, resources, missing) in join_all(lookups).await {
            if missing.iter().any(is_gap) {
                failed.insert(kind);
            }
            found.extend(resources.into_iter().filter_map(|raw| Released::consider(filter, chart, raw, view)));
        }
        let medications = self.medications(chart, &found, view, &mut failed).await;
        found.extend(medications);
        let view = self.view_of_those_named(chart, view, found.iter().flat_map(|(_, leads_to)| leads_to)).await;
        let found: Vec<_> =
            found.into_iter().map(|(item, leads_to)| (view.labelled(item, &leads_to), leads_to)).collect();
        let waits = |(item, _): &(Item, _)| view.lens.judge(item) == Verdict::Withheld(Rule::Review);
        if found.iter().any(waits) {
            permit.doubts().add(chart.key());
        }
        TaintIndex::of(&view.lens, &found, failed)
    }

    /// The medications that are referred to: what is sensitive about a prescription may stand there alone.
    async fn medications(
        &self,
        chart: &Arc<Chart>,
        found: &[(Item, Vec<Reference>)],
        view: &SourceView,
        failed: &mut BTreeSet<ResourceType>,
    ) -> Vec<(Item, Vec<Reference>)> {
        let ids: BTreeSet<&str> = found
            .iter()
            .flat_map(|(_, leads_to)| leads_to)
            .filter_map(|to| match to {
                Reference::To(ResourceType::Medication, id) => Some(id.as_str()),
                _ => None,
            })
            .collect();
        if ids.len() > MAX_MEDICATIONS {
            failed.insert(ResourceType::Medication);
        }
        let reads = ids
            .into_iter()
            .take(MAX_MEDICATIONS)
            .map(|id| fetch::read(self.knowledge, chart, ResourceType::Medication, id));
        let read = join_all(reads).await.into_iter().flatten();
        read.map(|raw| (view.describe_by_id(&mapped(chart, raw, self)), Vec::new())).collect()
    }
}

pub(super) fn mapped(chart: &Chart, raw: RawResource, gateway: &Gateway) -> RawResource {
    let added = chart.source.terms.added_to(&raw.bytes);
    added.and_then(|bytes| scan::scan_resource(bytes, gateway.knowledge).ok()).unwrap_or(raw)
}

/// Whether something of the type may have been left out. A source that does not have the type leaves nothing out.
pub(super) fn is_gap(missing: &Missing) -> bool {
    missing.is_outage() || !matches!(missing.failure, crate::upstream::SourceFailure::NotFound)
}

/// When the person was born: as each chart at this source has it, and where charts elsewhere disagree, those too. A chart
/// that does not say may mean any day.
pub(super) fn births(links: &[Link], key: SourceKey) -> Vec<BirthDate> {
    let mut births: BTreeMap<String, BirthDate> = BTreeMap::new();
    for link in links.iter().filter(|link| link.state.is_active()) {
        let known = link.demographics.as_ref().map(|known| known.birth_date.as_str());
        if let Some(text) = known.or((link.source == key).then_some("")) {
            births.insert(text.to_owned(), BirthDate::parse(text));
        }
    }
    births.into_values().collect()
}

/// Where a resource leads, as far as that may taint it.
pub(super) fn leads_to(raw: &RawResource, chart: &Chart) -> Vec<Reference> {
    let mut found = Vec::new();
    leads(raw, chart, &mut |to| found.push(to.into()));
    found
}

/// Goes over the same without keeping it.
pub(super) fn leads(raw: &RawResource, chart: &Chart, visit: &mut dyn FnMut(Lead<'_>)) {
    for reference in &raw.facts.references {
        let value = reference.value.of(&raw.bytes);
        match if reference.escaped { Usual::No } else { usual(value) } {
            Usual::Harmless => continue,
            Usual::Lead(kind, id) => {
                visit(Lead::To(kind, id));
                continue;
            }
            Usual::No => {}
        }
        let Some(text) = scan::unescape(value) else { continue };
        match parse_reference(&text, Some(chart.base_url())) {
            ReferenceForm::Local(local) => {
                let kind = local.resource_type();
                let says_something = |kind: &ResourceType| {
                    *kind == ResourceType::Medication || TAINTING.contains(kind) || SPECIALISTS.contains(kind)
                };
                if let Some(kind) = kind.filter(says_something) {
                    visit(Lead::To(kind, local.id));
                }
            }
            ReferenceForm::Contained(_) => {}
            ReferenceForm::Urn => visit(Lead::Nowhere),
            // Out of the source: perhaps to something that taints.
            ReferenceForm::Foreign | ReferenceForm::Conditional | ReferenceForm::Malformed => {
                if TAINTING.iter().any(|kind| text.contains(kind.as_str())) {
                    visit(Lead::Nowhere);
                }
            }
        }
    }
    for member in &raw.facts.members {
        if is_tie(member.key.of(&raw.bytes)) && ties_loosely(raw, member.value) {
            visit(Lead::Nowhere);
        }
    }
}

/// What most references say, told in one look.
enum Usual<'a> {
    /// `Patient/id`.
    Harmless,
    /// `Type/id` of a visit, or of those who had to do with it.
    Lead(ResourceType, &'a str),
    /// Something else, which is read as the specification has it.
    No,
}

fn usual(reference: &[u8]) -> Usual<'_> {
    // Whole words are compared at once: every reference of every resource comes by here.
    let (kind, id) = if let Some(id) = reference.strip_prefix(b"Patient/") {
        return if is_source_id(id) { Usual::Harmless } else { Usual::No };
    } else if let Some(id) = reference.strip_prefix(b"Encounter/") {
        (ResourceType::Encounter, id)
    } else if let Some(id) = reference.strip_prefix(b"Practitioner/") {
        (ResourceType::Practitioner, id)
    } else if let Some(id) = reference.strip_prefix(b"Organization/") {
        (ResourceType::Organization, id)
    } else if let Some(id) = reference.strip_prefix(b"PractitionerRole/") {
        (ResourceType::PractitionerRole, id)
    } else if let Some(id) = reference.strip_prefix(b"Location/") {
        (ResourceType::Location, id)
    } else {
        return Usual::No;
    };
    if !is_source_id(id) {
        return Usual::No;
    }
    std::str::from_utf8(id).map_or(Usual::No, |id| Usual::Lead(kind, id))
}

/// Elements that tie something to a visit or an order.
const fn is_tie(key: &[u8]) -> bool {
    matches!(key, b"encounter" | b"basedOn" | b"request" | b"context" | b"authorizingPrescription")
}

/// Whether such an element, or an item of its list, has no literal reference: it leads nowhere.
fn ties_loosely(raw: &RawResource, value: scan::Span) -> bool {
    static REFERENCE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"reference\""));
    let tie = Fragment::new(value.of(&raw.bytes));
    if tie.bytes().first() == Some(&b'[') {
        return tie.items().any(|tie| tie.has_value() && REFERENCE.find(tie.bytes()).is_none());
    }
    !raw.facts.references.iter().any(|reference| value.encloses(reference.object)) && tie.has_value()
}
