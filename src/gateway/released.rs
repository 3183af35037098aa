//! The filter: nothing gets past it without a permit that covers it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::chart::Chart;
use super::redaction::Redaction;
use super::specialty::note_unknown;
use super::view::{leads, leads_to};
use crate::access::{About, Permit, Referent, about};
use crate::base::clock::Instant;
use crate::consent::{Item, Reference, Rule, Shown, SourceView, Verdict, redacted};
use crate::fhir::knowledge::{Knowledge, Several};
use crate::fhir::scan::{self, RawResource};

/// A resource that its caller may see. [`Released::release`] is the only maker, and it takes a permit; everything
/// that writes an answer takes this.
#[derive(Clone, Debug)]
pub(super) struct Released {
    chart: Arc<Chart>,
    raw: RawResource,
    redaction: Redaction,
}

/// Which resources at one source the caller sees, as far as they were asked about: what `via` types rest on.
#[derive(Clone, Debug, Default)]
pub(super) struct VisibleOwners {
    /// Owners that this type may point at.
    pub(super) targets: BTreeSet<Referent>,
    /// Upstream ids of this type that visible owners point at.
    pub(super) owned: BTreeSet<String>,
}

/// What the filter needs to know besides permit and resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter<'a> {
    pub(super) knowledge: &'a Knowledge,
    pub(super) permit: &'a Permit,
    pub(super) now: Instant,
}

impl Released {
    /// Lets `raw` through if it is of the permit's type, is about the permit's person, and satisfies the permit's
    /// granular scopes, and its terms of release do not hold it back. The source is not trusted to have honoured what it
    /// was asked.
    pub(super) fn release(
        filter: Filter<'_>,
        chart: &Arc<Chart>,
        mut raw: RawResource,
        owners: Option<&Arc<VisibleOwners>>,
    ) -> Option<Self> {
        let Filter { knowledge, permit, now } = filter;
        if raw.facts.resource_type != permit.resource_type() || chart.person != permit.person() {
            return None;
        }
        if !crate::access::shows(chart.assurance, permit.resource_type()) {
            return None;
        }
        raw = with_terms(raw, chart, knowledge);
        let kind = &knowledge.of(raw.facts.resource_type).authorization;
        let visible = match about(kind, &raw, chart.base_url(), &chart.patients) {
            About::Person | About::Nobody => true,
            About::Owners(several, targets) => owners.is_some_and(|owners| owners.show(&raw, several, &targets, chart)),
            other => {
                permit.withheld().add(chart.key(), other == About::Other);
                false
            }
        };
        if !visible || chart.source.release.as_ref().is_some_and(|terms| terms.withholds(&raw, now)) {
            return None;
        }
        raw = seen(filter, chart, raw)?;
        let redaction = Redaction::of(knowledge, &raw, chart, owners.map(Arc::as_ref));
        redaction.hide(&mut raw);
        if !permit.satisfies_constraints(knowledge, &raw, chart.base_url(), now) {
            return None;
        }
        Some(Self { chart: chart.clone(), raw, redaction })
    }

    /// What of a resource is looked at to decide about others that refer to it. Nothing of it is released.
    pub(super) fn consider(
        filter: Filter<'_>,
        chart: &Arc<Chart>,
        raw: RawResource,
        view: &SourceView,
    ) -> Option<(Item, Vec<Reference>)> {
        let Filter { knowledge, now, .. } = filter;
        let raw = with_terms(raw, chart, knowledge);
        let kind = &knowledge.of(raw.facts.resource_type).authorization;
        let is_own = matches!(about(kind, &raw, chart.base_url(), &chart.patients), About::Person);
        // What the person may not see yet is not there for others either.
        if !is_own || chart.source.release.as_ref().is_some_and(|terms| terms.withholds(&raw, now)) {
            return None;
        }
        Some((view.describe_by_id(&raw), leads_to(&raw, chart)))
    }

    pub(super) const fn chart(&self) -> &Arc<Chart> {
        &self.chart
    }

    pub(super) const fn raw(&self) -> &RawResource {
        &self.raw
    }

    /// The upstream id; empty for a resource without one, which cannot be addressed.
    pub(super) fn upstream_id(&self) -> &str {
        let bytes = self.raw.facts.id.map(|span| span.of(&self.raw.bytes)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// What of it is about somebody else.
    pub(super) const fn redaction(&self) -> &Redaction {
        &self.redaction
    }
}

/// With what its codes mean elsewhere, before anything is decided by codes (DESIGN section 3: map codes → label → decide →
/// evaluate).
fn with_terms(raw: RawResource, chart: &Chart, knowledge: &Knowledge) -> RawResource {
    let mapped = chart.source.terms.added_to(&raw.bytes);
    mapped.and_then(|mapped| scan::scan_resource(mapped, knowledge).ok()).unwrap_or(raw)
}

/// What the caller sees of a resource of the person's, if anything.
fn seen(filter: Filter<'_>, chart: &Chart, raw: RawResource) -> Option<RawResource> {
    if !filter.permit.needs_view() {
        return Some(raw);
    }
    let view = filter.permit.view()?.sources.get(&chart.key())?;
    match view.judge(view.describe(&raw), |visit| leads(&raw, chart, visit)) {
        Verdict::Withheld(Rule::Undecidable) => {
            note_unknown(filter.permit, view, &raw, chart);
            None
        }
        Verdict::Withheld(Rule::Review) => {
            filter.permit.doubts().add(chart.key());
            None
        }
        Verdict::Withheld(_) => None,
        Verdict::Shown(shown) if shown == Shown::default() => Some(raw),
        Verdict::Shown(shown) => match redacted(&raw, shown, &view.contacts).ok()? {
            None => Some(raw),
            Some(bytes) => scan::scan_resource(bytes.into(), filter.knowledge).ok(),
        },
    }
}

impl VisibleOwners {
    /// Whether a reference to an owner may stay.
    pub(super) fn may_name(&self, referent: &Referent) -> bool {
        self.targets.contains(referent)
    }

    fn show(&self, raw: &RawResource, several: Several, targets: &[Referent], chart: &Chart) -> bool {
        let id = raw.facts.id.map(|span| span.of(&raw.bytes)).unwrap_or_default();
        if self.owned.iter().any(|owned| owned.as_bytes() == id) {
            return true;
        }
        let mut visible = targets.iter().map(|target| {
            self.targets.contains(target)
                || (target.resource_type == Some(crate::fhir::ResourceType::Patient) && chart.is_patient(&target.id))
        });
        match several {
            Several::Any => visible.any(|shown| shown),
            Several::All => !targets.is_empty() && visible.all(|shown| shown),
        }
    }
}
