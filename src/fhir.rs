//! FHIR R4 as pure functions over bytes: types, knowledge tables, scanning, references, search, outcomes.

pub mod batch;
pub mod capability;
pub mod edits;
pub mod interaction;
pub mod knowledge;
pub mod model;
pub mod narrative;
pub mod operation;
pub mod prune;
pub mod reference;
pub mod resource_type;
pub mod scan;
pub mod search;
pub mod shape;
pub mod ucum;
pub use resource_type::ResourceType;
