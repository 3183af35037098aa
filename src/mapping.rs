//! What differs per deployment, loaded from `mappings/` and validated at start.

mod release;
mod terminology;
mod vendor;

pub use release::{ReleasePolicies, ReleasePolicyError, STANDARD as STANDARD_RELEASE_POLICY};
pub use terminology::{SourceTerms, Terminology, TerminologyError};
pub use vendor::{
    Features, Recognition, RequiredSearch, Support, VendorError, VendorProfile, VendorProfiles, WriteBack,
};
