//! `mappings/policy/release.toml`: the policies of release by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::fhir::ResourceType;
use crate::organization::{Hold, ReleasePolicy, WithheldLabels};

/// The policy of an organization that names none.
pub const STANDARD: &str = "standard";

/// All policies of release by name.
#[derive(Clone, Debug)]
pub struct ReleasePolicies(BTreeMap<String, Arc<ReleasePolicy>>);

/// Policies that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReleasePolicyError {
    /// Not TOML of this shape.
    #[error("mappings/policy/release.toml: {0}")]
    Malformed(String),
    /// An organization names a policy that does not exist.
    #[error("no policy of release is named {0}")]
    Unknown(String),
}

const EMBEDDED: &str = include_str!("../../mappings/policy/release.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    policy: Vec<PolicyRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyRow {
    name: String,
    #[serde(default)]
    hold: Vec<HoldRow>,
    #[serde(default)]
    withhold: Vec<WithholdRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldRow {
    resource: String,
    status: Vec<String>,
    hours: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithholdRow {
    system: String,
    codes: Vec<String>,
}

impl ReleasePolicies {
    /// The policies that come with the binary.
    ///
    /// # Errors
    /// [`ReleasePolicyError::Malformed`].
    pub fn embedded() -> Result<Self, ReleasePolicyError> {
        Self::parse(EMBEDDED)
    }

    fn parse(text: &str) -> Result<Self, ReleasePolicyError> {
        let file: File =
            toml::from_str(text).map_err(|error| ReleasePolicyError::Malformed(error.message().to_owned()))?;
        let mut policies = BTreeMap::new();
        for row in file.policy {
            let policy = Arc::new(policy(&row)?);
            if policies.insert(row.name.clone(), policy).is_some() {
                return Err(ReleasePolicyError::Malformed(format!("{} stands twice", row.name)));
            }
        }
        if !policies.contains_key(STANDARD) {
            return Err(ReleasePolicyError::Malformed(format!("{STANDARD} is missing")));
        }
        Ok(Self(policies))
    }

    /// The policy with this name.
    ///
    /// # Errors
    /// [`ReleasePolicyError::Unknown`].
    pub fn by_name(&self, name: &str) -> Result<Arc<ReleasePolicy>, ReleasePolicyError> {
        self.0.get(name).cloned().ok_or_else(|| ReleasePolicyError::Unknown(name.to_owned()))
    }
}

fn policy(row: &PolicyRow) -> Result<ReleasePolicy, ReleasePolicyError> {
    let hold = |row: &HoldRow| {
        let resource_type = ResourceType::parse(&row.resource)
            .ok_or_else(|| ReleasePolicyError::Malformed(format!("{} is not a served type", row.resource)))?;
        let longest = row.hours.map(|hours| Duration::from_secs(u64::from(hours) * 3600));
        Ok(Hold { resource_type, statuses: row.status.clone(), longest })
    };
    let labels = |row: &WithholdRow| WithheldLabels { system: row.system.clone(), codes: row.codes.clone() };
    Ok(ReleasePolicy {
        holds: row.hold.iter().map(hold).collect::<Result<_, _>>()?,
        withheld: row.withhold.iter().map(labels).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_policies_hold_back_what_is_not_final_and_what_is_restricted() {
        let policies = ReleasePolicies::embedded().unwrap();
        let standard = policies.by_name(STANDARD).unwrap();
        let of = |kind| standard.holds.iter().find(|hold| hold.resource_type == kind).unwrap();
        assert_eq!(of(ResourceType::Observation).statuses, ["registered", "preliminary"]);
        assert_eq!(of(ResourceType::DiagnosticReport).statuses, ["registered", "partial", "preliminary"]);
        assert_eq!(standard.withheld[0].codes, ["R", "V"]);
        assert!(standard.holds.iter().all(|hold| hold.longest.is_none()));
        let later = policies.by_name("after-three-days").unwrap();
        assert!(later.holds.iter().all(|hold| hold.longest == Some(Duration::from_secs(259_200))));
        assert!(policies.by_name("nobody").is_err());
    }

    #[test]
    fn a_malformed_file_is_refused() {
        for text in [
            "",
            "[[policy]]\nname = \"other\"",
            "[[policy]]\nname = \"standard\"\n[[policy]]\nname = \"standard\"",
            "[[policy]]\nname = \"standard\"\n[[policy.hold]]\nresource = \"Nothing\"\nstatus = []",
            "[[policy]]\nname = \"standard\"\nsurprise = 1",
        ] {
            assert!(ReleasePolicies::parse(text).is_err(), "{text}");
        }
    }
}
