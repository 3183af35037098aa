//! The tables as they are written: `fhir-profiles/*.json`, one row per fact. `compile.rs` checks and indexes them.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::authorization::Several;
use super::parameter::{Comparator, DataType, SearchKind};
use super::requirement::{Expectation, UsCoreVersion};
use crate::fhir::ResourceType;

/// One table: an object with a row for each type.
#[derive(Debug)]
pub(super) struct Table<T> {
    /// The row `Resource`, which holds for every type; only search parameters have one.
    pub(super) common: Option<T>,
    rows: Vec<Option<T>>,
}

impl<T> Table<T> {
    /// Takes the row of a type; it can be taken once.
    pub(super) fn take(&mut self, resource_type: ResourceType) -> Option<T> {
        self.rows.get_mut(resource_type as usize).and_then(Option::take)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Rows<T> {
            type Value = Table<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with one member per resource type")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut table = Table { common: None, rows: ResourceType::ALL.iter().map(|_| None).collect() };
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    let row = map.next_value()?;
                    let place = match ResourceType::parse(&name) {
                        Some(resource_type) => table.rows.get_mut(resource_type as usize),
                        None if name == "Resource" => Some(&mut table.common),
                        None => None,
                    };
                    let place = place.ok_or_else(|| A::Error::custom(format_args!("unknown resource type {name}")))?;
                    if place.replace(row).is_some() {
                        return Err(A::Error::custom(format_args!("two rows for {name}")));
                    }
                }
                Ok(table)
            }
        }

        deserializer.deserialize_map(Rows(PhantomData))
    }
}

/// A resource type by its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypeName(pub(super) ResourceType);

impl<'de> Deserialize<'de> for TypeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        ResourceType::parse(&name)
            .map(TypeName)
            .ok_or_else(|| D::Error::custom(format_args!("unknown resource type {name}")))
    }
}

/// Resource types by their names; `["*"]` stands for every served one.
#[derive(Clone, Debug, Default)]
pub(super) struct TypeNames(pub(super) Vec<ResourceType>);

impl<'de> Deserialize<'de> for TypeNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<Cow<'de, str>>::deserialize(deserializer)?;
        if names.len() == 1 && names.iter().all(|name| name == "*") {
            return Ok(Self(ResourceType::ALL.to_vec()));
        }
        let parse = |name: &Cow<'de, str>| {
            ResourceType::parse(name).ok_or_else(|| D::Error::custom(format_args!("unknown resource type {name}")))
        };
        names.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }
}

/// A row of `authorization.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthorizationRow {
    pub(super) kind: KindName,
    #[serde(default)]
    pub(super) itself: bool,
    pub(super) paths: Option<Vec<String>>,
    pub(super) several: Option<Several>,
    pub(super) parameter: Option<String>,
    pub(super) alternative: Option<Vec<AlternativeRow>>,
    pub(super) owners: Option<Vec<OwnerRow>>,
    pub(super) targets: Option<Vec<String>>,
    pub(super) never_with: Option<TypeNames>,
    pub(super) reason: String,
}

/// The kinds, as words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum KindName {
    Subject,
    Via,
    Directory,
    Own,
    Refused,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlternativeRow {
    pub(super) path: String,
    pub(super) parameter: String,
}

/// `by` is a Reference element of the owner, or the word `attachment`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnerRow {
    #[serde(rename = "type")]
    pub(super) owner: TypeName,
    pub(super) by: String,
    pub(super) parameter: Option<String>,
}

/// A row of `search-parameters.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ParameterRow {
    pub(super) name: String,
    pub(super) kind: SearchKind,
    pub(super) paths: Vec<PathRow>,
    #[serde(default)]
    pub(super) targets: TypeNames,
    #[serde(default)]
    pub(super) components: Vec<ComponentRow>,
    #[serde(default = "yes")]
    pub(super) multiple_or: bool,
    pub(super) definition: String,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PathRow {
    pub(super) path: String,
    pub(super) datatype: DataType,
    pub(super) condition: Option<ConditionRow>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum ConditionRow {
    Target(TypeName),
    Member { name: String, value: String },
    Extension { url: String, nested: bool, value: String },
    Exists,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ComponentRow {
    pub(super) parameter: String,
    pub(super) kind: SearchKind,
    pub(super) root: Vec<PathRow>,
    pub(super) members: Vec<MemberRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MemberRow {
    pub(super) name: String,
    pub(super) datatype: DataType,
}

/// A row of `references.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReferenceRow {
    pub(super) path: String,
    pub(super) targets: TypeNames,
}

/// A row of `elements.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ElementsRow {
    pub(super) summary: Vec<String>,
    pub(super) mandatory: Vec<String>,
    pub(super) attachments: Vec<String>,
}

/// A row of `us-core.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsCoreRow {
    pub(super) profiles: Vec<ProfileRow>,
    pub(super) searches: Vec<SearchRow>,
    pub(super) parameters: Vec<StrengthRow>,
    pub(super) includes: Vec<IncludeRow>,
    pub(super) revincludes: Vec<IncludeRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileRow {
    pub(super) version: UsCoreVersion,
    pub(super) profile: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchRow {
    pub(super) version: UsCoreVersion,
    pub(super) expectation: Expectation,
    pub(super) parameters: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StrengthRow {
    pub(super) version: UsCoreVersion,
    pub(super) parameter: String,
    pub(super) comparators: Vec<Comparator>,
    pub(super) multiple_or: bool,
    pub(super) multiple_and: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IncludeRow {
    pub(super) version: UsCoreVersion,
    pub(super) expectation: Expectation,
    pub(super) value: String,
}

/// A row of `includes.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EdgesRow {
    pub(super) includes: Vec<String>,
    pub(super) revincludes: Vec<String>,
}

/// The texts of the tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sources<'a> {
    pub(super) authorization: &'a str,
    pub(super) search_parameters: &'a str,
    pub(super) references: &'a str,
    pub(super) elements: &'a str,
    pub(super) us_core: &'a str,
    pub(super) includes: &'a str,
}

/// The tables compiled into the binary.
pub(super) const EMBEDDED: Sources<'static> = Sources {
    authorization: include_str!("../../../fhir-profiles/authorization.json"),
    search_parameters: include_str!("../../../fhir-profiles/search-parameters.json"),
    references: include_str!("../../../fhir-profiles/references.json"),
    elements: include_str!("../../../fhir-profiles/elements.json"),
    us_core: include_str!("../../../fhir-profiles/us-core.json"),
    includes: include_str!("../../../fhir-profiles/includes.json"),
};
