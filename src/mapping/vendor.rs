use std::collections::BTreeMap;

use serde::Deserialize;

use crate::fhir::ResourceType;

/// How one vendor's FHIR server deviates: `mappings/ehr/{name}.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorProfile {
    /// The name that a source's `vendor` refers to.
    pub name: String,
    /// Entries to ask for on a page, when the vendor's limit is below ours.
    #[serde(default)]
    pub page_size: Option<usize>,
    /// Search parameters that must not be sent, by resource type: evaluated here instead.
    #[serde(default)]
    unsupported: BTreeMap<String, Vec<String>>,
    /// The parameter that takes the patient, by resource type, where it is not the specification's.
    #[serde(default)]
    patient_parameter: BTreeMap<String, String>,
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
            let profile: VendorProfile = toml::from_str(text).map_err(|e| malformed(e.message().to_owned()))?;
            if profile.name != *file {
                return Err(malformed("name must be the file's name".to_owned()));
            }
            let mut types = profile.unsupported.keys().chain(profile.patient_parameter.keys());
            if let Some(unknown) = types.find(|name| ResourceType::parse(name).is_none()) {
                return Err(malformed(format!("{unknown} is not a served type")));
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
}

impl VendorProfile {
    /// Whether a search parameter may be sent to this vendor.
    #[must_use]
    pub fn supports(&self, resource_type: ResourceType, parameter: &str) -> bool {
        self.unsupported.get(resource_type.as_str()).is_none_or(|names| names.iter().all(|name| name != parameter))
    }

    /// The parameter that takes the patient, `usual` unless the vendor has another.
    #[must_use]
    pub fn patient_parameter<'a>(&'a self, resource_type: ResourceType, usual: &'a str) -> &'a str {
        self.patient_parameter.get(resource_type.as_str()).map_or(usual, String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_profiles_load_and_answer() {
        let profiles = VendorProfiles::embedded().unwrap();
        let generic = profiles.by_name("generic").unwrap();
        assert!(generic.supports(ResourceType::Observation, "code"));
        assert_eq!(generic.patient_parameter(ResourceType::Task, "patient"), "patient");
        assert!(profiles.by_name("nobody").is_err());
    }

    #[test]
    fn every_file_in_the_folder_is_embedded() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/ehr");
        for file in std::fs::read_dir(folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(EMBEDDED.iter().any(|(stem, _)| format!("{stem}.toml") == name), "{name}");
        }
    }
}
