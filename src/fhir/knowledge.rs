//! What Chartgate knows of FHIR R4 and US Core, as data: `fhir-profiles/*.json`, compiled once per process.
//!
//! Every [`ResourceType`] has a row in every table, or nothing starts: a type without a filter rule is never served.

mod authorization;
mod compile;
mod edge;
mod parameter;
mod requirement;
mod rule;
mod table;

pub use authorization::{AlternativeSubject, AuthorizationKind, EdgeElement, OwnerEdge, Several};
pub use edge::Edge;
pub use parameter::{
    Comparator, ComponentMember, CompositeComponent, DataType, Modifier, PathCondition, SearchKind, SearchParameter,
    SearchPath,
};
pub use requirement::{Expectation, RequiredInclude, RequiredParameter, RequiredSearch, UsCoreVersion};

use std::sync::LazyLock;

use crate::fhir::ResourceType;
use crate::fhir::shape::{CaptureId, Shape, Shapes};

/// The tables, indexed by type.
#[derive(Debug)]
pub struct Knowledge {
    types: Vec<TypeFacts>,
    /// Handed out for a type without a row, which loading refuses.
    nothing: TypeFacts,
}

/// All facts about one resource type.
#[derive(Debug)]
pub struct TypeFacts {
    /// The type.
    pub resource_type: ResourceType,
    /// Who may see such a resource.
    pub authorization: AuthorizationKind,
    /// Search parameters, the common ones (`_id`, `_lastUpdated`, `_tag`) included.
    pub parameters: Vec<SearchParameter>,
    /// Every element of type Reference.
    pub references: Vec<ReferenceElement>,
    /// Element paths of every `Attachment.url`.
    pub attachments: Vec<String>,
    /// Searches that US Core requires.
    pub required_searches: Vec<RequiredSearch>,
    /// `_include` values that US Core names for searches of this type.
    pub includes: Vec<RequiredInclude>,
    /// `_revinclude` values that US Core names for searches of this type.
    pub revincludes: Vec<RequiredInclude>,
    /// Edges that `_include` may follow from this type.
    pub followed: Vec<Edge>,
    /// Edges that `_revinclude` may follow to this type.
    pub followed_back: Vec<Edge>,
    /// Top-level members of the `_summary=true` view; choice types written out.
    pub summary: Vec<String>,
    /// Top-level members with a minimum of 1, or modifier elements: `_elements` never removes them.
    pub mandatory: Vec<String>,
    /// Canonical URLs of the US Core 6.1.0 profiles of this type.
    pub profiles: Vec<String>,
    /// What the scanner captures.
    pub shape: Shape,
}

/// An element of type Reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceElement {
    /// Element path, as `participant.actor`.
    pub path: String,
    /// The served types it may point to. All of them when R4 leaves it open.
    pub targets: Vec<ResourceType>,
}

/// Why the tables cannot be used. Nothing starts without them.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// The table is no JSON, or not of the form that `fhir-profiles/README.md` gives; an unknown or doubled type.
    #[error("{table} cannot be read: {source}")]
    Unreadable {
        /// The table's file name.
        table: &'static str,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A served type has no row.
    #[error("{table} has no row for {resource_type}")]
    Missing {
        /// The table's file name.
        table: &'static str,
        /// The type without a row.
        resource_type: ResourceType,
    },
    /// A row contradicts itself or another table.
    #[error("the facts about {resource_type} do not hold together: {what}")]
    Row {
        /// The type the row is about.
        resource_type: ResourceType,
        /// What is wrong.
        what: String,
    },
}

static EMBEDDED: LazyLock<Result<Knowledge, KnowledgeError>> = LazyLock::new(|| compile::compile(table::EMBEDDED));

impl Knowledge {
    /// The tables that are compiled into this binary.
    ///
    /// # Errors
    /// The reason for which they are refused; the process must not start.
    pub fn embedded() -> Result<&'static Self, &'static KnowledgeError> {
        EMBEDDED.as_ref()
    }

    /// The facts about a type.
    #[must_use]
    pub fn of(&self, resource_type: ResourceType) -> &TypeFacts {
        self.types.get(resource_type as usize).unwrap_or(&self.nothing)
    }
}

impl Shapes for Knowledge {
    fn shape(&self, resource_type: ResourceType) -> &Shape {
        &self.of(resource_type).shape
    }
}

impl TypeFacts {
    /// The search parameter with this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&SearchParameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// The element path that a capture of this type stands for.
    #[must_use]
    pub fn path(&self, capture: CaptureId) -> Option<&str> {
        self.shape.path(capture)
    }

    /// The facts about a type of which nothing is known: never served, nothing to search.
    fn refused(resource_type: ResourceType) -> Self {
        Self {
            resource_type,
            authorization: AuthorizationKind::Refused,
            parameters: Vec::new(),
            references: Vec::new(),
            attachments: Vec::new(),
            required_searches: Vec::new(),
            includes: Vec::new(),
            revincludes: Vec::new(),
            followed: Vec::new(),
            followed_back: Vec::new(),
            summary: Vec::new(),
            mandatory: Vec::new(),
            profiles: Vec::new(),
            shape: Shape::builder().build(),
        }
    }
}

#[cfg(test)]
mod tests;
