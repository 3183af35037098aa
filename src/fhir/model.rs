//! The door to the typed R4 model of `crates/fhir-model`: the check of what others send, and the resources that
//! Chartgate writes itself. Nothing else in this crate names the model (`tests/architecture.rs`).

pub use fhir_model::{
    CapabilityInput, Checked, Interaction as InteractionCapability, Issue, MAX_BYTES, MAX_DEPTH, ModelError, OauthUris,
    Operation, Problem, ProblemCode, ResourceCapability, SearchParamCapability, capability_statement,
    operation_outcome, validate,
};
