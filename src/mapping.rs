//! What differs per deployment, loaded from `mappings/` and validated at start.

mod vendor;

pub use vendor::{VendorError, VendorProfile, VendorProfiles};
