//! The typed FHIR R4 model: the structural check of what others send, and the resources Chartgate itself writes.
//!
//! fhirbolt is named here and nowhere else. Its parser is generic and large, so that every crate that calls it
//! compiles it anew (minutes), and it has faults that a peer could use: it panics on an empty array, never ends on
//! an unknown array in its lenient modes, changes values silently. So it is only ever called in strict mode, for the
//! `Resource` enum, with a document that [`validate()`] has read itself first, and what it understood is compared with
//! what was sent. No function here is generic, and none of fhirbolt's types leave.

mod capability;
mod elements;
mod json;
mod outcome;
mod primitive;
mod problem;
mod rules;
mod same;
mod validate;

pub use capability::{
    CapabilityInput, Interaction, OauthUris, Operation, ResourceCapability, SearchParamCapability, capability_statement,
};
pub use outcome::{Issue, operation_outcome};
pub use problem::{ModelError, Problem, ProblemCode};
pub use validate::{Checked, MAX_BYTES, MAX_DEPTH, validate};
