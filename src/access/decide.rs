use std::sync::Arc;

use super::permit::{self, Permit};
use super::subject::Subject;
use crate::fhir::ResourceType;
use crate::fhir::interaction::Interaction;
use crate::fhir::knowledge::{AuthorizationKind, Knowledge};
use crate::oauth::scope::Action;

/// Why there is no permit. A function of the request and the grant alone, never of data (invariant I-14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The type is known but nothing serves it.
    #[error("{0} is not served")]
    NotServed(ResourceType),
    /// The type has no place in a Patient's compartment.
    #[error("{0} is not searched below a Patient")]
    NotInCompartment(ResourceType),
    /// No scope covers the type and the interaction.
    #[error("the granted scopes do not cover {1} of {0}")]
    Scope(ResourceType, &'static str),
    /// The token stands for no person's record.
    #[error("no person in context")]
    NoPerson,
}

impl Denial {
    /// The rule's name, for the audit trail.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::NotServed(_) => "not-served",
            Self::NotInCompartment(_) => "not-in-compartment",
            Self::Scope(..) => "scope",
            Self::NoPerson => "no-person",
        }
    }
}

/// Decides whether `subject` may do `interaction`: the type's kind, then the scope, then the person in context.
///
/// # Errors
/// [`Denial`].
pub fn decide(knowledge: &Knowledge, subject: Arc<Subject>, interaction: &Interaction) -> Result<Permit, Denial> {
    if let Interaction::Everything { .. } = interaction {
        return decide_everything(knowledge, subject);
    }
    let resource_type = interaction.resource_type();
    if !is_served(knowledge, resource_type) {
        return Err(Denial::NotServed(resource_type));
    }
    let action = match interaction {
        // SMART App Launch 2.2, scopes: `r` is read, vread and the history of an instance.
        Interaction::Read { .. }
        | Interaction::Content { .. }
        | Interaction::Vread { .. }
        | Interaction::History { .. } => Action::Read,
        Interaction::CompartmentSearch { .. } if !is_in_compartment(knowledge, resource_type) => {
            return Err(Denial::NotInCompartment(resource_type));
        }
        Interaction::Search { .. }
        | Interaction::CompartmentSearch { .. }
        | Interaction::Docref { .. }
        | Interaction::Everything { .. } => Action::Search,
    };
    let access = subject.scopes.allows(resource_type, action);
    let constraints = permit::constraints(knowledge, resource_type, access)
        .ok_or(Denial::Scope(resource_type, interaction.code()))?;
    let person = subject.person.ok_or(Denial::NoPerson)?;
    Ok(Permit::new(subject, person, resource_type, constraints))
}

/// `$everything` is every type that the grant covers: the permit is for one of them, and the others come from it by
/// [`Permit::for_search`].
fn decide_everything(knowledge: &Knowledge, subject: Arc<Subject>) -> Result<Permit, Denial> {
    let first = ResourceType::ALL
        .iter()
        .find_map(|kind| Some((*kind, permit::search_constraints(knowledge, *kind, &subject)?)));
    let (kind, constraints) = first.ok_or(Denial::Scope(ResourceType::Patient, "everything"))?;
    let person = subject.person.ok_or(Denial::NoPerson)?;
    Ok(Permit::new(subject, person, kind, constraints))
}

/// Whether some rule says who sees resources of this type.
#[must_use]
pub fn is_served(knowledge: &Knowledge, resource_type: ResourceType) -> bool {
    !matches!(knowledge.of(resource_type).authorization, AuthorizationKind::Refused)
}

/// Whether resources of this type are searched below a Patient: those that are about one, and those of R4's Patient
/// compartment that can be searched by patient.
fn is_in_compartment(knowledge: &Knowledge, resource_type: ResourceType) -> bool {
    let facts = knowledge.of(resource_type);
    match &facts.authorization {
        AuthorizationKind::Subject { itself, .. } => !itself,
        AuthorizationKind::Via { .. } => facts.parameter("patient").is_some(),
        AuthorizationKind::Directory { .. } | AuthorizationKind::Own | AuthorizationKind::Refused => false,
    }
}
