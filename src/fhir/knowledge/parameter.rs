//! Search parameters as facts: kind, concrete element paths, datatypes, conditions.

use crate::fhir::ResourceType;
use crate::fhir::shape::CaptureId;

/// One search parameter of one resource type (FHIR R4 search §3.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchParameter {
    /// The name clients send, as `clinical-status`.
    pub name: String,
    /// How values are written and compared.
    pub kind: SearchKind,
    /// The elements searched; a hit in one is a hit. For a composite: the repeating elements within which a tuple must
    /// be found together, beside the resource as a whole.
    pub paths: Vec<SearchPath>,
    /// The modifiers that may follow the name.
    pub modifiers: Vec<Modifier>,
    /// The prefixes that may precede a value; empty for unordered kinds.
    pub comparators: Vec<Comparator>,
    /// Several values, joined by commas, may be given.
    pub multiple_or: bool,
    /// The parameter may be repeated.
    pub multiple_and: bool,
    /// For references: the served types it may point to. All of them when R4 leaves it open.
    pub targets: Vec<ResourceType>,
    /// The parts of a composite, in the order of its values; otherwise empty.
    pub components: Vec<CompositeComponent>,
    /// Canonical URL of the SearchParameter that defines it.
    pub definition: String,
}

/// The kinds of search parameter that are evaluated (`special` is not).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are FHIR's own")]
pub enum SearchKind {
    Number,
    Date,
    String,
    Token,
    Reference,
    Quantity,
    Uri,
    Composite,
}

impl SearchKind {
    /// The kind as FHIR spells it (value set search-param-type).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::String => "string",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::Composite => "composite",
        }
    }
}

/// One element that a parameter reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPath {
    /// Where its values are found in the scan's facts.
    pub capture: CaptureId,
    /// What the captured value is. References are captured as the whole Reference object.
    pub datatype: DataType,
    /// What else must hold for a value to count.
    pub condition: Option<PathCondition>,
}

/// A part of a composite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompositeComponent {
    /// The part's own parameter, as `code`.
    pub parameter: String,
    /// The kind of its values.
    pub kind: SearchKind,
    /// Elements of the resource as a whole; empty if the tuple is only found within [`SearchParameter::paths`].
    pub root: Vec<SearchPath>,
    /// Members of each element captured by [`SearchParameter::paths`].
    pub members: Vec<ComponentMember>,
}

/// A member of the repeating element of a composite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentMember {
    /// The JSON member name, as `valueQuantity`.
    pub name: String,
    /// What its value is.
    pub datatype: DataType,
}

/// A condition on a captured value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathCondition {
    /// The reference must point to this type (`resolve() is …`).
    Target(ResourceType),
    /// The captured object's string member must have this value (`telecom.where(system='phone')`).
    Member {
        /// The member's name.
        name: String,
        /// Its value.
        value: String,
    },
    /// The captured object is an Extension. It counts only with this `url`; what is compared is `value`, whose datatype
    /// the path gives.
    Extension {
        /// The extension's canonical URL.
        url: String,
        /// The values stand one level deeper, in extensions of this extension.
        nested: bool,
        /// The member that holds the value, as `valueDateTime`.
        value: String,
    },
    /// The parameter's value is a boolean: `true` when one of its paths is present and not `false`, and `false` when
    /// none is (`deceased.exists() and deceased != false`). A resource without the element has the value `false`.
    Exists,
}

/// What a captured value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[expect(missing_docs, reason = "the names are FHIR's own")]
pub enum DataType {
    Address,
    Age,
    BackboneElement,
    CodeableConcept,
    Coding,
    ContactPoint,
    Duration,
    HumanName,
    Identifier,
    Money,
    Period,
    Quantity,
    Range,
    Reference,
    Timing,
    #[serde(rename = "boolean")]
    Boolean,
    #[serde(rename = "canonical")]
    Canonical,
    #[serde(rename = "code")]
    Code,
    #[serde(rename = "date")]
    Date,
    #[serde(rename = "dateTime")]
    DateTime,
    #[serde(rename = "decimal")]
    Decimal,
    #[serde(rename = "id")]
    Id,
    #[serde(rename = "instant")]
    Instant,
    #[serde(rename = "integer")]
    Integer,
    #[serde(rename = "positiveInt")]
    PositiveInt,
    #[serde(rename = "string")]
    String,
    #[serde(rename = "uri")]
    Uri,
    #[serde(rename = "url")]
    Url,
}

/// A suffix of a parameter's name (FHIR R4 search §3.1.1.5), as far as Chartgate evaluates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modifier {
    /// `:missing=true|false`.
    Missing,
    /// `:exact`, strings.
    Exact,
    /// `:contains`, strings.
    Contains,
    /// `:text`, tokens: the display text.
    Text,
    /// `:not`, tokens.
    Not,
    /// `:above`, URIs.
    Above,
    /// `:below`, URIs.
    Below,
    /// `:Patient` and the like, references; the type must be one of the parameter's targets.
    Type,
    /// `:identifier`, references.
    Identifier,
}

/// A prefix of an ordered value (FHIR R4 search §3.1.1.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are FHIR's own")]
pub enum Comparator {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

impl Comparator {
    /// All nine.
    pub const ALL: &'static [Self] =
        &[Self::Eq, Self::Ne, Self::Gt, Self::Lt, Self::Ge, Self::Le, Self::Sa, Self::Eb, Self::Ap];
}

impl SearchKind {
    /// The modifiers of the kind. Left out: `:in`, `:not-in`, `:of-type` and token `:above`/`:below`, which need a
    /// terminology server.
    #[must_use]
    pub const fn modifiers(self) -> &'static [Modifier] {
        match self {
            Self::Number | Self::Date | Self::Quantity => &[Modifier::Missing],
            Self::String => &[Modifier::Missing, Modifier::Exact, Modifier::Contains],
            Self::Token => &[Modifier::Missing, Modifier::Text, Modifier::Not],
            Self::Reference => &[Modifier::Missing, Modifier::Type, Modifier::Identifier],
            Self::Uri => &[Modifier::Missing, Modifier::Above, Modifier::Below],
            Self::Composite => &[],
        }
    }

    /// Whether values of the datatype can be compared with a parameter of this kind (FHIR R4 search §3.1.1.4).
    #[must_use]
    pub const fn compares(self, datatype: DataType) -> bool {
        use DataType as D;
        match self {
            Self::Number => matches!(datatype, D::Decimal | D::Integer | D::PositiveInt),
            Self::Date => matches!(datatype, D::Date | D::DateTime | D::Instant | D::Period | D::Timing),
            Self::String => matches!(datatype, D::String | D::HumanName | D::Address),
            Self::Token => matches!(
                datatype,
                D::CodeableConcept
                    | D::Coding
                    | D::Code
                    | D::Identifier
                    | D::ContactPoint
                    | D::Boolean
                    | D::Id
                    | D::String
            ),
            Self::Reference => matches!(datatype, D::Reference | D::Canonical),
            Self::Quantity => matches!(datatype, D::Quantity | D::Age | D::Duration | D::Money | D::Range),
            Self::Uri => matches!(datatype, D::Uri | D::Url | D::Canonical),
            Self::Composite => matches!(datatype, D::BackboneElement),
        }
    }

    /// The prefixes of the kind.
    #[must_use]
    pub const fn comparators(self) -> &'static [Comparator] {
        match self {
            Self::Number | Self::Date | Self::Quantity => Comparator::ALL,
            Self::String | Self::Token | Self::Reference | Self::Uri | Self::Composite => &[],
        }
    }
}
