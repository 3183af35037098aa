//! An EHR that misbehaves.
