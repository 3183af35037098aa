//! What differs per deployment, loaded from `mappings/` and validated at start.

mod vendor;

pub use vendor::{
    Features, Recognition, RequiredSearch, Support, VendorError, VendorProfile, VendorProfiles, WriteBack,
};
