//! Vendor profiles: how an EHR product deviates from the specification, as facts in `mappings/ehr/*.toml`.

mod table;

use std::collections::BTreeMap;

use crate::fhir::ResourceType;
use crate::fhir::search::{Criterion, Include, SortKey, TokenValue, Value};

use table::{LimitRow, ProfileFile, RequiredRow};

pub use table::{Features, Recognition, Support, WriteBack};

/// How one vendor's FHIR server deviates: `mappings/ehr/{name}.toml`.
#[derive(Clone, Debug)]
pub struct VendorProfile {
    /// The name that a source's `vendor` refers to.
    pub name: String,
    /// The product's name, for people.
    pub title: String,
    /// Entries to ask for on a page, when the vendor's limit is below ours.
    pub page_size: Option<usize>,
    /// How its CapabilityStatement can be recognised.
    pub recognition: Recognition,
    /// What it can do beyond read and search.
    pub features: Features,
    /// What it takes back.
    pub write_back: WriteBack,
    /// Edges (`Provenance:target`) that are asked for with `_revinclude`.
    sends_along: Vec<String>,
    rules: Box<[TypeRules]>,
}

/// The search rules of one resource type.
#[derive(Clone, Debug, Default)]
struct TypeRules {
    /// The parameters that are understood, when the rest is known not to be.
    only: Option<Vec<String>>,
    unsupported: Vec<String>,
    patient_parameter: Option<String>,
    required: Option<RequiredSearch>,
    limits: BTreeMap<String, LimitRow>,
    /// Parameters by which it orders a whole result as FHIR R4 says, resources without a value last.
    sorts: Vec<String>,
}

/// A search that is refused unless it names one of some parameters.
#[derive(Clone, Debug)]
pub struct RequiredSearch {
    /// Any of these will do.
    pub one_of: Vec<String>,
    /// The one to add when the client named none of them.
    pub parameter: String,
    /// What to ask for, one search for each.
    pub values: Vec<String>,
    /// The vendor has nothing under any other value. Otherwise the union of these searches may lack something, and the
    /// answer says so.
    pub exhaustive: bool,
}

/// All vendor profiles by name.
#[derive(Clone, Debug)]
pub struct VendorProfiles(BTreeMap<String, VendorProfile>);

/// A profile that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VendorError {
    /// Not TOML of this shape.
    #[error("mappings/ehr/{file}.toml: {reason}")]
    Malformed {
        /// The file's stem.
        file: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A source names a profile that does not exist.
    #[error("no vendor profile is named {0}")]
    Unknown(String),
}

const EMBEDDED: &[(&str, &str)] = &[
    ("generic", include_str!("../../mappings/ehr/generic.toml")),
    ("plain-r4", include_str!("../../mappings/ehr/plain-r4.toml")),
    ("epic-like", include_str!("../../mappings/ehr/epic-like.toml")),
    ("epic", include_str!("../../mappings/ehr/epic.toml")),
    ("oracle-health", include_str!("../../mappings/ehr/oracle-health.toml")),
    ("athenahealth", include_str!("../../mappings/ehr/athenahealth.toml")),
    ("eclinicalworks", include_str!("../../mappings/ehr/eclinicalworks.toml")),
    ("openemr", include_str!("../../mappings/ehr/openemr.toml")),
    ("medplum", include_str!("../../mappings/ehr/medplum.toml")),
    ("hapi", include_str!("../../mappings/ehr/hapi.toml")),
];

impl VendorProfiles {
    /// The profiles that come with the binary.
    ///
    /// # Errors
    /// [`VendorError::Malformed`], naming the file.
    pub fn embedded() -> Result<Self, VendorError> {
        let mut profiles = BTreeMap::new();
        for (file, text) in EMBEDDED {
            let malformed = |reason: String| VendorError::Malformed { file, reason };
            let profile = VendorProfile::parse(text).map_err(malformed)?;
            if profile.name != *file {
                return Err(malformed("name must be the file's name".to_owned()));
            }
            profiles.insert((*file).to_owned(), profile);
        }
        Ok(Self(profiles))
    }

    /// The profile with this name.
    ///
    /// # Errors
    /// [`VendorError::Unknown`].
    pub fn by_name(&self, name: &str) -> Result<&VendorProfile, VendorError> {
        self.0.get(name).ok_or_else(|| VendorError::Unknown(name.to_owned()))
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &VendorProfile> {
        self.0.values()
    }
}

impl VendorProfile {
    /// Reads one file's text.
    fn parse(text: &str) -> Result<Self, String> {
        let file: ProfileFile = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let mut rules: Vec<TypeRules> = ResourceType::ALL.iter().map(|_| TypeRules::default()).collect();
        let mut of = |name: &str, set: &mut dyn FnMut(&mut TypeRules)| {
            let kind = ResourceType::parse(name).ok_or_else(|| format!("{name} is not a served type"))?;
            rules.get_mut(kind as usize).map(set).ok_or_else(|| format!("{name} has no place"))
        };
        for (name, parameters) in file.only {
            of(&name, &mut |rules| rules.only = Some(parameters.clone()))?;
        }
        for (name, parameters) in file.unsupported {
            of(&name, &mut |rules| rules.unsupported.clone_from(&parameters))?;
        }
        for (name, parameter) in file.patient_parameter {
            of(&name, &mut |rules| rules.patient_parameter = Some(parameter.clone()))?;
        }
        for (name, parameters) in file.sorts {
            of(&name, &mut |rules| rules.sorts.clone_from(&parameters))?;
        }
        for row in file.required {
            let required = required(&row)?;
            of(&row.resource, &mut |rules| rules.required = Some(required.clone()))?;
        }
        for row in file.limit {
            of(&row.resource, &mut |rules| {
                rules.limits.insert(row.parameter.clone(), row.clone());
            })?;
        }
        Ok(Self {
            title: file.title.unwrap_or_else(|| file.name.clone()),
            name: file.name,
            page_size: file.page_size,
            recognition: file.recognition,
            features: file.features,
            write_back: file.write_back,
            sends_along: file.sends_along,
            rules: rules.into_boxed_slice(),
        })
    }

    fn rules(&self, resource_type: ResourceType) -> Option<&TypeRules> {
        self.rules.get(resource_type as usize)
    }

    /// Whether a search parameter may be sent to this vendor.
    #[must_use]
    pub fn supports(&self, resource_type: ResourceType, parameter: &str) -> bool {
        self.rules(resource_type).is_none_or(|rules| {
            let names_it = |names: &Vec<String>| names.iter().any(|name| name == parameter);
            !names_it(&rules.unsupported) && rules.only.as_ref().is_none_or(names_it)
        })
    }

    /// Whether the server can order a result by all of these, so that a search sorted by them is read lazily.
    #[must_use]
    pub fn sorts_by(&self, resource_type: ResourceType, keys: &[SortKey]) -> bool {
        let known = self.rules(resource_type).map(|rules| rules.sorts.as_slice()).unwrap_or_default();
        keys.iter().all(|key| known.contains(&key.parameter))
    }

    /// Whether the resources at this end of an edge come along with a search that asks for them.
    #[must_use]
    pub fn sends_along(&self, edge: &Include) -> bool {
        let edge = (edge.source.as_str(), edge.parameter.as_str());
        self.sends_along.iter().any(|listed| listed.split_once(':') == Some(edge))
    }

    /// The criteria of a search that this vendor is sent. What is left out is evaluated here: a filter that it
    /// misunderstands or only partly honours would hide what it holds.
    #[must_use]
    pub fn sendable<'q>(&self, resource_type: ResourceType, criteria: &'q [Criterion]) -> Vec<&'q Criterion> {
        let mut sent: Vec<&Criterion> = Vec::with_capacity(criteria.len());
        for criterion in criteria {
            let is_plain = criterion.modifier.is_none() && self.supports(resource_type, &criterion.parameter);
            if is_plain && self.within_limits(resource_type, criterion, &sent) {
                sent.push(criterion);
            }
        }
        sent
    }

    fn within_limits(&self, resource_type: ResourceType, criterion: &Criterion, sent: &[&Criterion]) -> bool {
        let limit_of = |parameter: &str| self.rules(resource_type).and_then(|rules| rules.limits.get(parameter));
        let excluded =
            |by: &str, other: &str| limit_of(by).is_some_and(|limit| limit.not_with.iter().any(|name| name == other));
        let name = criterion.parameter.as_str();
        if sent.iter().any(|other| excluded(name, &other.parameter) || excluded(&other.parameter, name)) {
            return false;
        }
        let Some(limit) = limit_of(name) else { return true };
        let same = sent.iter().filter(|other| other.parameter == name).count();
        limit.times.is_none_or(|times| same < times)
            && (limit.alternatives || criterion.values.len() <= 1)
            && criterion.values.iter().all(|value| fits(limit, value))
    }

    /// What has to be added to a search that sends these criteria, or it would be refused.
    #[must_use]
    pub fn required(&self, resource_type: ResourceType, sent: &[&Criterion]) -> Option<&RequiredSearch> {
        let required = self.rules(resource_type)?.required.as_ref()?;
        let is_named = sent.iter().any(|criterion| required.one_of.contains(&criterion.parameter));
        (!is_named).then_some(required)
    }

    /// The parameter that takes the patient, `usual` unless the vendor has another.
    #[must_use]
    pub fn patient_parameter<'a>(&'a self, resource_type: ResourceType, usual: &'a str) -> &'a str {
        self.rules(resource_type).and_then(|rules| rules.patient_parameter.as_deref()).unwrap_or(usual)
    }
}

fn required(row: &RequiredRow) -> Result<RequiredSearch, String> {
    if row.values.is_empty() || !row.one_of.contains(&row.parameter) {
        return Err(format!("required search of {}: parameter must be one of one_of, with values", row.resource));
    }
    Ok(RequiredSearch {
        one_of: row.one_of.clone(),
        parameter: row.parameter.clone(),
        values: row.values.clone(),
        exhaustive: row.exhaustive,
    })
}

fn fits(limit: &LimitRow, value: &Value) -> bool {
    match value {
        Value::Date(comparator, _) | Value::Number(comparator, _) | Value::Quantity(comparator, ..) => {
            limit.comparators.as_ref().is_none_or(|known| known.iter().any(|name| name == comparator.as_str()))
        }
        Value::Token(TokenValue::SystemAndCode { system, .. }) => {
            limit.systems.as_ref().is_none_or(|known| known.contains(system))
        }
        Value::Token(_) => limit.systems.is_none(),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
