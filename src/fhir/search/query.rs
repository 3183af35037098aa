//! What a search asks for, as types. Values may be health information: `Debug` shows their kind and never their text.

use std::fmt;

use thiserror::Error;

use super::date::PartialDate;
use super::decimal::Decimal;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::{Comparator, Modifier};

/// A parsed search of one resource type. All criteria must hold (AND); order carries no meaning, so they are kept in
/// the order of their canonical print and two spellings of one query are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The type that is searched.
    pub resource_type: ResourceType,
    /// The filters, all of which must hold.
    pub criteria: Vec<Criterion>,
    /// `_sort`, most significant key first.
    pub sort: Vec<SortKey>,
    /// `_count`: matches per page; 0 asks for the count alone.
    pub count: Option<usize>,
    /// `_total`.
    pub total: Option<TotalMode>,
    /// `_summary`.
    pub summary: Option<Summary>,
    /// `_elements`: top-level element names, sorted; empty means all.
    pub elements: Vec<String>,
    /// `_include`.
    pub includes: Vec<Include>,
    /// `_revinclude`.
    pub revincludes: Vec<Include>,
    /// Names (with modifier) of the parameters that lenient handling dropped.
    pub ignored: Vec<String>,
}

/// One parameter of a query: it holds when any of its values matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criterion {
    /// The parameter's name, as in the knowledge table.
    pub parameter: String,
    /// The modifier; never [`Modifier::Type`], which is folded into the values.
    pub modifier: Option<Modifier>,
    /// Alternatives (OR). Empty: the criterion can never hold (see [`Query::map_references`]).
    pub values: Vec<Value>,
}

/// One value of a criterion.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `:missing`: whether the element has to be absent.
    Missing(bool),
    /// A string parameter's text, or the text of a token's `:text`.
    String(String),
    /// A token.
    Token(TokenValue),
    /// A reference, or with `:identifier` the identifier of its target.
    Reference(ReferenceValue),
    /// A date or time with its prefix.
    Date(Comparator, PartialDate),
    /// A number with its prefix.
    Number(Comparator, Decimal),
    /// A quantity with its prefix and unit.
    Quantity(Comparator, Decimal, QuantityUnit),
    /// A URI, compared literally.
    Uri(String),
    /// The components of a composite parameter, in the parameter's order.
    Composite(Vec<Self>),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing(true) => "missing",
            Self::Missing(false) => "present",
            Self::String(_) => "string",
            Self::Token(_) => "token",
            Self::Reference(_) => "reference",
            Self::Date(..) => "date",
            Self::Number(..) => "number",
            Self::Quantity(..) => "quantity",
            Self::Uri(_) => "uri",
            Self::Composite(_) => "composite",
        })
    }
}

/// A token, FHIR R4 search §3.1.1.4.10.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenValue {
    /// `code`: this code in any system, or in none.
    Code(String),
    /// `system|code`.
    SystemAndCode {
        /// The code system or identifier namespace.
        system: String,
        /// The code or identifier value.
        code: String,
    },
    /// `|code`: this code where no system is stated.
    WithoutSystem(String),
    /// `system|`: any code of this system.
    System(String),
}

impl fmt::Debug for TokenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("token")
    }
}

/// A reference, FHIR R4 search §3.1.1.4.12.
#[derive(Clone, PartialEq, Eq)]
pub enum ReferenceValue {
    /// A resource at the server that is asked.
    Local {
        /// The target's type. `None` only for a bare id of a parameter with several target types.
        resource_type: Option<String>,
        /// The target's logical id.
        id: String,
    },
    /// An absolute URL: a resource under the base of the source when it lies there, else a foreign or canonical one.
    Url(String),
    /// `:identifier`: the business identifier of the target, as the reference states it.
    Identifier(TokenValue),
}

impl fmt::Debug for ReferenceValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reference")
    }
}

/// The unit part of a quantity value, FHIR R4 search §3.1.1.4.11.
#[derive(Clone, PartialEq, Eq)]
pub enum QuantityUnit {
    /// No unit given: any unit.
    Any,
    /// `number||code`: the coded or the displayed unit.
    CodeOrUnit(String),
    /// `number|system|code`.
    Coded {
        /// The unit system, e.g. `http://unitsofmeasure.org`.
        system: String,
        /// The unit's code, compared with case.
        code: String,
    },
}

/// One key of `_sort`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// The search parameter to sort by.
    pub parameter: String,
    /// Written with a leading `-`.
    pub descending: bool,
}

/// `_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are FHIR's own")]
pub enum TotalMode {
    None,
    Estimate,
    Accurate,
}

impl TotalMode {
    /// The mode as FHIR spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Estimate => "estimate",
            Self::Accurate => "accurate",
        }
    }
}

/// `_summary`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are FHIR's own")]
pub enum Summary {
    True,
    Text,
    Data,
    Count,
    False,
}

impl Summary {
    /// The summary mode as FHIR spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::Text => "text",
            Self::Data => "data",
            Self::Count => "count",
            Self::False => "false",
        }
    }
}

/// `_include` or `_revinclude`: one edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// The type that holds the reference.
    pub source: ResourceType,
    /// The reference parameter that is followed.
    pub parameter: String,
    /// Only targets of this type.
    pub target: Option<ResourceType>,
    /// `:iterate`.
    pub iterate: bool,
}

/// What to do with a parameter that is not known (`Prefer: handling=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// Refuse it.
    Strict,
    /// Drop it and say so.
    Lenient,
}

/// A search that cannot be run. Holds the parameter's name, never a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("search parameter {parameter}: {text}")]
pub struct SearchError {
    /// The parameter's name as the client sent it (shortened, printable); empty when the whole query is meant.
    pub parameter: String,
    /// The issue code of the OperationOutcome.
    pub code: SearchErrorCode,
    /// What is wrong, in plain words.
    pub text: &'static str,
}

/// The `OperationOutcome.issue.code` of a refused search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchErrorCode {
    /// The parameter, modifier or prefix is not served.
    NotSupported,
    /// A value does not have the form that its parameter asks for.
    Value,
    /// The query is longer than is accepted.
    TooLong,
}

impl SearchErrorCode {
    /// The code as FHIR spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSupported => "not-supported",
            Self::Value => "value",
            Self::TooLong => "too-long",
        }
    }
}

impl Query {
    /// A search of every resource of the type.
    #[must_use]
    pub const fn all(resource_type: ResourceType) -> Self {
        Self {
            resource_type,
            criteria: Vec::new(),
            sort: Vec::new(),
            count: None,
            total: None,
            summary: None,
            elements: Vec::new(),
            includes: Vec::new(),
            revincludes: Vec::new(),
            ignored: Vec::new(),
        }
    }

    /// This query with every reference value replaced. `None` means that the value can never match: it is taken out,
    /// and a criterion that is left without values stays as the constant false ([`Query::is_never`]).
    #[must_use]
    pub fn map_references(&self, f: impl Fn(&ReferenceValue) -> Option<ReferenceValue>) -> Self {
        self.map_values(|_, value| map_reference(value, &f))
    }

    /// This query with every value of `_id` replaced; `None` as in [`Query::map_references`].
    #[must_use]
    pub fn map_ids(&self, f: impl Fn(&str) -> Option<String>) -> Self {
        self.map_values(|parameter, value| match value {
            Value::Token(TokenValue::Code(id)) if parameter == "_id" => {
                f(id).map(|id| Value::Token(TokenValue::Code(id)))
            }
            other => Some(other.clone()),
        })
    }

    /// Whether some criterion has no value left, so that nothing can match.
    #[must_use]
    pub fn is_never(&self) -> bool {
        self.criteria.iter().any(|criterion| criterion.values.is_empty())
    }

    fn map_values(&self, f: impl Fn(&str, &Value) -> Option<Value>) -> Self {
        let mut mapped = self.clone();
        for criterion in &mut mapped.criteria {
            let Criterion { parameter, values, .. } = criterion;
            *values = values.iter().filter_map(|value| f(parameter, value)).collect();
        }
        mapped
    }
}

fn map_reference(value: &Value, f: &impl Fn(&ReferenceValue) -> Option<ReferenceValue>) -> Option<Value> {
    match value {
        Value::Reference(reference) => f(reference).map(Value::Reference),
        Value::Composite(components) => {
            components.iter().map(|component| map_reference(component, f)).collect::<Option<_>>().map(Value::Composite)
        }
        other => Some(other.clone()),
    }
}
