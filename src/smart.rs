//! SMART App Launch as pure rules: discovery documents.

pub mod discovery;
pub mod words;
