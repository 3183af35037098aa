use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::doubts::Doubts;
use super::subject::Subject;
use super::unknown::Unknown;
use super::withheld::Withheld;
use crate::base::clock::Instant;
use crate::base::id::PersonId;
use crate::consent::{Standing, View};
use crate::fhir::ResourceType;
use crate::fhir::knowledge::{AuthorizationKind, Knowledge};
use crate::fhir::scan::RawResource;
use crate::fhir::search::{self, Evaluation, Handling, Query};
use crate::identity::Link;
use crate::oauth::scope::{Action, ScopeAccess};

/// Leave to read one resource type of one person's record. Only [`super::decide`] makes one; nothing is fetched and
/// nothing is released without.
#[derive(Clone, Debug)]
pub struct Permit {
    subject: Arc<Subject>,
    person: PersonId,
    resource_type: ResourceType,
    /// Granular scopes: a resource must match one of them. None means that the scope has no constraint.
    constraints: Option<Arc<[Query]>>,
    /// What a proxy sees; whoever needs one and has none sees nothing.
    view: Option<Arc<View>>,
    /// Of the whole answer: permits for owners share it.
    withheld: Arc<Withheld>,
    /// Calls to sources for it; shared likewise.
    calls: Arc<AtomicU32>,
    /// Who has to be looked up for it; shared likewise.
    unknown: Arc<Unknown>,
    doubts: Arc<Doubts>,
}

impl Permit {
    pub(super) fn new(
        subject: Arc<Subject>,
        person: PersonId,
        resource_type: ResourceType,
        constraints: Option<Arc<[Query]>>,
    ) -> Self {
        Self {
            subject,
            person,
            resource_type,
            constraints,
            view: None,
            withheld: Arc::default(),
            calls: Arc::default(),
            unknown: Arc::default(),
            doubts: Arc::default(),
        }
    }

    /// What was kept from the answer that this permit is for.
    #[must_use]
    pub const fn withheld(&self) -> &Arc<Withheld> {
        &self.withheld
    }

    /// How many calls to sources the answer that this permit is for has caused so far.
    #[must_use]
    pub const fn calls(&self) -> &Arc<AtomicU32> {
        &self.calls
    }

    /// Who is named in what was asked for and is not known.
    #[must_use]
    pub const fn unknown(&self) -> &Arc<Unknown> {
        &self.unknown
    }

    /// Where words keep something from the caller.
    #[must_use]
    pub const fn doubts(&self) -> &Arc<Doubts> {
        &self.doubts
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

    /// What the caller's right to the record hangs on.
    #[must_use]
    pub fn standing(&self) -> Option<&Standing> {
        self.subject.standing.as_ref()
    }

    /// Whether what is released has to be looked at through a view: all but one's own record, of which nothing waits.
    /// A backend service is no person's proxy.
    #[must_use]
    pub fn needs_view(&self) -> bool {
        !self.subject.is_system() && self.subject.standing.as_ref().is_none_or(|standing| !standing.is_plain())
    }

    /// What the caller sees.
    #[must_use]
    pub const fn view(&self) -> Option<&Arc<View>> {
        self.view.as_ref()
    }

    /// The same permit, through this view.
    #[must_use]
    pub fn through(self, view: Arc<View>) -> Self {
        Self { view: Some(view), ..self }
    }

    /// Leave to look things of another type up, whatever the scopes: for what is decided about others. Nothing is released
    /// by it that the scopes do not cover, as it satisfies no constraint.
    #[must_use]
    pub(crate) fn for_lookup(&self, kind: ResourceType) -> Self {
        Self { constraints: Some([].into()), resource_type: kind, ..self.clone() }
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

    /// The same person and caller, for a type whose visible resources own what is asked for (`via`). An owner is
    /// visible to a caller whose scopes cover it, granular ones included: without them what it owns would tell of it.
    #[must_use]
    pub fn for_owner(&self, knowledge: &Knowledge, owner: ResourceType) -> Option<Self> {
        let read = constraints(knowledge, owner, self.subject.scopes.allows(owner, Action::Read));
        let search = constraints(knowledge, owner, self.subject.scopes.allows(owner, Action::Search));
        let constraints = match (read, search) {
            (None, None) => return None,
            (Some(Some(read)), Some(Some(search))) => Some(read.iter().chain(search.iter()).cloned().collect()),
            (Some(None), _) | (_, Some(None)) => None,
            (Some(some), None) | (None, Some(some)) => some,
        };
        Some(Self { resource_type: owner, constraints, ..self.clone() })
    }

    /// Whether granular scopes sift resources one by one.
    #[must_use]
    pub const fn is_constrained(&self) -> bool {
        self.constraints.is_some()
    }

    /// The same person and caller, for another type that the scopes let search.
    #[must_use]
    pub fn for_search(&self, knowledge: &Knowledge, kind: ResourceType) -> Option<Self> {
        let constraints = search_constraints(knowledge, kind, &self.subject)?;
        Some(Self { constraints, resource_type: kind, ..self.clone() })
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

/// The constraints of a search for a type, `None` when it may not be searched. The person's own record is one resource:
/// to read it is enough. A Binary is not searched, and what sources never hold is no part of what they are asked for.
#[expect(clippy::option_option, reason = "denied, unconstrained and constrained are three answers")]
pub(super) fn search_constraints(
    knowledge: &Knowledge,
    kind: ResourceType,
    subject: &Subject,
) -> Option<Option<Arc<[Query]>>> {
    let is_kept_here = knowledge.of(kind).authorization == AuthorizationKind::Own;
    if kind == ResourceType::Binary || is_kept_here || !super::is_served(knowledge, kind) {
        return None;
    }
    let by = |action| constraints(knowledge, kind, subject.scopes.allows(kind, action));
    by(Action::Search).or_else(|| by(Action::Read).filter(|_| kind == ResourceType::Patient))
}

/// The granular scopes in `access` as queries: `None` when nothing is allowed, `Some(None)` when everything is. A scope
/// that is not understood lets nothing through.
#[expect(clippy::option_option, reason = "denied, unconstrained and constrained are three answers")]
pub(super) fn constraints(
    knowledge: &Knowledge,
    resource_type: ResourceType,
    access: ScopeAccess,
) -> Option<Option<Arc<[Query]>>> {
    let parse = |pairs: &Vec<(String, String)>| search::parse(knowledge, resource_type, pairs, Handling::Strict).ok();
    match access {
        ScopeAccess::Denied => None,
        ScopeAccess::Unconstrained => Some(None),
        ScopeAccess::Constrained(alternatives) => Some(Some(alternatives.iter().filter_map(parse).collect())),
    }
}
