//! What the walk notes of one resource until it is whole.

use super::{CaptureId, CodingSpan, Contained, Facts, Member, ReferenceSpan, Span, StringSpan};
use crate::fhir::ResourceType;

/// The most references, contained resources and captured values that one resource may have. They are compared with
/// each other: without a bound, one resource of a hostile source would keep a processor busy for minutes.
pub(super) const MAX_PARTS: usize = 10_000;

/// The facts of a resource while it is walked.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) id: Option<Span>,
    pub(super) version_id: Option<Span>,
    pub(super) last_updated: Option<Span>,
    pub(super) members: Vec<Member>,
    pub(super) captures: Vec<(CaptureId, Span)>,
    pub(super) references: Vec<ReferenceSpan>,
    pub(super) codings: Vec<CodingSpan>,
    pub(super) logical_patients: Vec<Span>,
    pub(super) attachment_urls: Vec<StringSpan>,
    pub(super) narratives: Vec<Span>,
    pub(super) contained: Vec<Contained>,
    pub(super) has_security: bool,
    pub(super) numbered_escape: bool,
}

impl Draft {
    pub(super) fn is_full(&self) -> bool {
        [self.captures.len(), self.references.len(), self.logical_patients.len(), self.contained.len()]
            .into_iter()
            .chain([self.attachment_urls.len()])
            .any(|parts| parts >= MAX_PARTS)
    }

    /// Room for a usual resource, so that the lists do not grow step by step.
    pub(super) fn roomy() -> Self {
        Self {
            members: Vec::with_capacity(24),
            captures: Vec::with_capacity(24),
            references: Vec::with_capacity(8),
            codings: Vec::with_capacity(8),
            ..Self::default()
        }
    }

    pub(super) fn into_facts(self, resource_type: ResourceType) -> Box<Facts> {
        Box::new(Facts {
            resource_type,
            id: self.id,
            version_id: self.version_id,
            last_updated: self.last_updated,
            members: self.members,
            captures: self.captures,
            references: self.references,
            codings: self.codings,
            logical_patients: self.logical_patients,
            attachment_urls: self.attachment_urls,
            narratives: self.narratives,
            contained: self.contained,
            has_security: self.has_security,
            numbered_escape: self.numbered_escape,
        })
    }
}
