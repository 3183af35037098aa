//! FHIR R4 as pure functions over bytes: types, knowledge tables, scanning, references, search, outcomes.

pub mod resource_type;
pub use resource_type::ResourceType;
