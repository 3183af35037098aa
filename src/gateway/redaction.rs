//! What of a visible resource is about somebody else (security design, section 8, step 15). Told once, before a search
//! looks at the resource: what is not shown is not searched, sorted or counted by either.

use super::chart::Chart;
use super::released::VisibleOwners;
use crate::access::{Referent, is_served};
use crate::fhir::ResourceType;
use crate::fhir::knowledge::{AuthorizationKind, Knowledge};
use crate::fhir::reference::{ReferenceForm, parse_reference, plain};
use crate::fhir::scan::{Contained, RawResource, ReferenceSpan, Span};
use crate::fhir::search::fragment::Fragment;

/// Parts of one resource that do not leave.
#[derive(Clone, Debug, Default)]
pub(super) struct Redaction {
    /// Reference objects: they name somebody else. In order, none within another.
    masked: Vec<Span>,
    /// Contained resources, likewise.
    contained: Vec<Span>,
}

/// Elements of a contained resource that say whose it is.
const SUBJECTS: [&str; 5] = ["subject", "patient", "beneficiary", "for", "sourcePatientInfo"];

impl Redaction {
    /// What has to go from `raw`, which `chart`'s person may see; `owners` are those that the caller sees, where the
    /// type is visible through owners.
    pub(super) fn of(knowledge: &Knowledge, raw: &RawResource, chart: &Chart, owners: Option<&VisibleOwners>) -> Self {
        let judge = Judge { knowledge, raw, chart, owners };
        let going: Vec<&Contained> = raw.facts.contained.iter().filter(|contained| judge.goes(contained)).collect();
        let gone_ids: Vec<&[u8]> =
            going.iter().filter_map(|contained| contained.id).map(|id| without_hash(id.of(&raw.bytes))).collect();
        let contained = disjoint(going.iter().map(|contained| contained.span).collect());
        let references = raw.facts.references.iter().filter(|reference| judge.masks(reference, &gone_ids));
        let mut masked: Vec<Span> = references.map(|reference| reference.object).collect();
        masked.extend(raw.facts.logical_patients.iter().filter(|span| !judge.is_own(**span)));
        masked.retain(|span| !encloses(&contained, *span));
        Self { masked: disjoint(masked), contained }
    }

    pub(super) fn masked(&self) -> &[Span] {
        &self.masked
    }

    pub(super) fn contained(&self) -> &[Span] {
        &self.contained
    }

    pub(super) fn is_empty(&self) -> bool {
        self.masked.is_empty() && self.contained.is_empty()
    }

    /// Whether `span` goes, with or within a part that goes.
    pub(super) fn takes(&self, span: Span) -> bool {
        encloses(&self.masked, span) || encloses(&self.contained, span)
    }

    /// Takes what goes out of the facts that searches read.
    pub(super) fn hide(&self, raw: &mut RawResource) {
        if !self.is_empty() {
            raw.facts.captures.retain(|(_, span)| !self.takes(*span));
        }
    }
}

struct Judge<'a> {
    knowledge: &'a Knowledge,
    raw: &'a RawResource,
    chart: &'a Chart,
    owners: Option<&'a VisibleOwners>,
}

impl Judge<'_> {
    /// A contained Patient is the person in context, who has a record of their own, or somebody else. What no rule is
    /// known for, and what is about somebody else, is not shown inside another resource either.
    fn goes(&self, contained: &Contained) -> bool {
        let Some(resource_type) = contained.resource_type else { return true };
        if resource_type == ResourceType::Patient || !is_served(self.knowledge, resource_type) {
            return true;
        }
        let view = Fragment::new(contained.span.of(&self.raw.bytes));
        SUBJECTS.iter().filter_map(|name| view.get(name)).flat_map(Fragment::each).any(|subject| {
            let text = subject.get("reference").and_then(Fragment::text);
            match text.as_deref().map(|text| parse_reference(text, Some(self.chart.base_url()))) {
                Some(ReferenceForm::Local(local)) => local.type_name == "Patient" && !self.chart.is_patient(local.id),
                Some(ReferenceForm::Contained(_)) => false,
                Some(_) => true,
                None => subject.get("identifier").is_some() || subject.get("display").is_some(),
            }
        })
    }

    fn masks(&self, reference: &ReferenceSpan, gone_ids: &[&[u8]]) -> bool {
        if !reference.escaped
            && let Some((kind, id)) = plain(reference.value.of(&self.raw.bytes))
        {
            // Nearly all of them: looked at once for every reference of every resource.
            if kind == b"Patient" {
                return !self.chart.is_patient_id(id);
            }
            if self.owners.is_none() {
                return false;
            }
        }
        let Some(text) = reference.text(&self.raw.bytes) else { return true };
        // Nothing stands beside it: to cut it is enough.
        let stands_alone = reference.first && !reference.following_comma;
        match parse_reference(&text, Some(self.chart.base_url())) {
            ReferenceForm::Contained(id) => !id.is_empty() && gone_ids.contains(&id.as_bytes()),
            ReferenceForm::Local(local) if local.type_name == "Patient" => !self.chart.is_patient(local.id),
            ReferenceForm::Local(local) => {
                let Some(owners) = self.owners.filter(|_| self.points_at_owner(reference)) else { return false };
                let referent = Referent { resource_type: local.resource_type(), id: local.id.to_owned() };
                // Shared reference data is about nobody: it makes nothing visible, and naming it reveals nothing.
                let kind = referent.resource_type.map(|kind| &self.knowledge.of(kind).authorization);
                !matches!(kind, Some(AuthorizationKind::Directory { .. })) && !owners.may_name(&referent)
            }
            ReferenceForm::Urn => false,
            ReferenceForm::Foreign | ReferenceForm::Conditional | ReferenceForm::Malformed => {
                !stands_alone && text.to_ascii_lowercase().contains("patient")
            }
        }
    }

    /// Whether this object is a literal reference to the person in context.
    fn is_own(&self, object: Span) -> bool {
        let reference = Fragment::new(object.of(&self.raw.bytes)).get("reference").and_then(Fragment::text);
        reference.is_some_and(|text| match parse_reference(&text, Some(self.chart.base_url())) {
            ReferenceForm::Local(local) => local.type_name == "Patient" && self.chart.is_patient(local.id),
            _ => false,
        })
    }

    /// Whether this reference is one of those that make a `via` resource visible.
    fn points_at_owner(&self, reference: &ReferenceSpan) -> bool {
        let kind = &self.knowledge.of(self.raw.facts.resource_type).authorization;
        let AuthorizationKind::Via { targets, .. } = kind else { return false };
        self.raw.facts.captures.iter().any(|(id, span)| targets.contains(id) && *span == reference.object)
    }
}

/// A source may have put the `#` into the id.
fn without_hash(id: &[u8]) -> &[u8] {
    id.strip_prefix(b"#").unwrap_or(id)
}

/// The outermost of these, in order.
fn disjoint(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut outer: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        if outer.last().is_none_or(|last| !last.encloses(span)) {
            outer.push(span);
        }
    }
    outer
}

/// Whether one of these, which are in order and apart, encloses `span`.
fn encloses(outer: &[Span], span: Span) -> bool {
    let before = outer.partition_point(|candidate| candidate.start <= span.start);
    before.checked_sub(1).and_then(|at| outer.get(at)).is_some_and(|candidate| candidate.encloses(span))
}
