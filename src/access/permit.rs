use std::sync::Arc;

use super::subject::Subject;
use crate::base::clock::Instant;
use crate::base::id::PersonId;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::Knowledge;
use crate::fhir::scan::RawResource;
use crate::fhir::search::{self, Evaluation, Query};
use crate::identity::Link;

/// Leave to read one resource type of one person's record. Only [`super::decide`] makes one; nothing is fetched and
/// nothing is released without.
#[derive(Clone, Debug)]
pub struct Permit {
    subject: Arc<Subject>,
    person: PersonId,
    resource_type: ResourceType,
    /// Granular scopes: a resource must match one of them. None means that the scope has no constraint.
    constraints: Option<Arc<[Query]>>,
}

impl Permit {
    pub(super) fn new(
        subject: Arc<Subject>,
        person: PersonId,
        resource_type: ResourceType,
        constraints: Option<Arc<[Query]>>,
    ) -> Self {
        Self { subject, person, resource_type, constraints }
    }

    /// Whose record it is.
    #[must_use]
    pub const fn person(&self) -> PersonId {
        self.person
    }

    /// The type it is for.
    #[must_use]
    pub const fn resource_type(&self) -> ResourceType {
        self.resource_type
    }

    /// Who asks.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The person's charts, the primary one first.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.subject.links
    }

    /// The same person and caller, for a type whose visible resources own what is asked for (`via`). What it lets
    /// through is looked at, never shown: the scope of `owner` does not matter.
    #[must_use]
    pub fn for_owner(&self, owner: ResourceType) -> Self {
        Self { subject: self.subject.clone(), person: self.person, resource_type: owner, constraints: None }
    }

    /// Whether the granular scopes let this resource through (SMART App Launch 2.2, Scopes: finer-grained constraints).
    #[must_use]
    pub fn satisfies_constraints(
        &self,
        knowledge: &Knowledge,
        resource: &RawResource,
        base: &str,
        now: Instant,
    ) -> bool {
        let Some(constraints) = &self.constraints else { return true };
        let evaluation = Evaluation { knowledge, base: Some(base), now };
        constraints.iter().any(|constraint| search::matches(constraint, resource, &evaluation))
    }
}
