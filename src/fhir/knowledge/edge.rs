//! The edges that `_include` and `_revinclude` may follow: `fhir-profiles/includes.json`. Each is walked as a search of
//! its own; what is not listed is refused, whoever asks.

use super::table::EdgesRow;
use super::{Knowledge, KnowledgeError, TypeFacts};
use crate::fhir::ResourceType;
use crate::fhir::search::Include;

use super::parameter::SearchKind;

/// A reference parameter of a type, followed from either end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The type that holds the reference.
    pub source: ResourceType,
    /// Its parameter.
    pub parameter: String,
}

impl Edge {
    /// The edge as FHIR writes it: `Type:parameter`.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}:{}", self.source, self.parameter)
    }
}

impl TypeFacts {
    /// Whether a search of this type may follow an `_include`.
    #[must_use]
    pub fn follows(&self, include: &Include) -> bool {
        is_listed(&self.followed, include)
    }

    /// Whether a search of this type may follow a `_revinclude`.
    #[must_use]
    pub fn follows_back(&self, include: &Include) -> bool {
        is_listed(&self.followed_back, include) && include.target.is_none_or(|target| target == self.resource_type)
    }
}

fn is_listed(edges: &[Edge], include: &Include) -> bool {
    edges.iter().any(|edge| edge.source == include.source && edge.parameter == include.parameter)
}

/// Reads the edges of one type.
pub(super) fn edges(resource_type: ResourceType, row: &EdgesRow) -> Result<(Vec<Edge>, Vec<Edge>), KnowledgeError> {
    let edge = |text: &String| {
        let (source, parameter) = text.split_once(':').unwrap_or_default();
        let fault = || KnowledgeError::Row { resource_type, what: format!("{text:?} is no edge") };
        Ok(Edge { source: ResourceType::parse(source).ok_or_else(fault)?, parameter: parameter.to_owned() })
    };
    let all = |texts: &[String]| texts.iter().map(edge).collect::<Result<Vec<_>, _>>();
    Ok((all(&row.includes)?, all(&row.revincludes)?))
}

/// Every edge is a reference parameter with targets, starts or ends at its row's type, and everything that US Core asks
/// for is listed.
pub(super) fn check(knowledge: &Knowledge) -> Result<(), KnowledgeError> {
    for facts in &knowledge.types {
        let fault = |what: String| KnowledgeError::Row { resource_type: facts.resource_type, what };
        for (edge, is_back) in
            facts.followed.iter().map(|edge| (edge, false)).chain(facts.followed_back.iter().map(|edge| (edge, true)))
        {
            let parameter = knowledge.of(edge.source).parameter(&edge.parameter);
            let is_edge = parameter.is_some_and(|parameter| {
                parameter.kind == SearchKind::Reference
                    && if is_back {
                        parameter.targets.contains(&facts.resource_type)
                    } else {
                        edge.source == facts.resource_type && !parameter.targets.is_empty()
                    }
            });
            if !is_edge {
                return Err(fault(format!("{} is no edge of it", edge.to_text())));
            }
        }
        for (required, listed) in [(&facts.includes, &facts.followed), (&facts.revincludes, &facts.followed_back)] {
            let is_missing = |value: &str| {
                let mut parts = value.split(':');
                let wanted = (parts.next().and_then(ResourceType::parse), parts.next().unwrap_or_default());
                !listed.iter().any(|edge| (Some(edge.source), edge.parameter.as_str()) == wanted)
            };
            if let Some(missing) = required.iter().find(|include| is_missing(&include.value)) {
                return Err(fault(format!("US Core includes {}, which is not listed", missing.value)));
            }
        }
    }
    Ok(())
}
