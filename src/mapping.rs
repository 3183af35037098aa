//! What differs per deployment, loaded from `mappings/` and validated at start.

mod age_bands;
pub mod contacts;
mod release;
pub mod sensitivity;
mod terminology;
mod vendor;

pub use age_bands::{
    ConsentPolicies, ConsentPolicyError, STANDARD as STANDARD_CONSENT_POLICY, STANDARD_ZONE, time_zone,
};
pub use release::{ReleasePolicies, ReleasePolicyError, STANDARD as STANDARD_RELEASE_POLICY};
pub use terminology::{SourceTerms, Terminology, TerminologyError};
pub use vendor::{
    Features, Recognition, RequiredSearch, Support, VendorError, VendorProfile, VendorProfiles, WriteBack,
};
