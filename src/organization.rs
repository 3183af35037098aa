//! Practices and their EHR endpoints.

pub mod brands;
mod merger;
mod release;
mod source;

use crate::base::clock::Instant;
use crate::base::id::OrganizationId;
use crate::config::Brand;

pub use crate::base::source_key::{SourceKey, SourceKeyError};
pub use merger::{Mapping, MappingError};
pub use release::{Hold, ReleasePolicy, WithheldLabels};
pub use source::{Source, SourceState};

/// A practice or health system. Outlives its EHR and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// The name people know.
    pub name: String,
    /// Other names people search for.
    pub alias: Vec<String>,
    /// Names it had.
    pub former_names: Vec<String>,
    /// The policy of release in `mappings/policy/release.toml`, for its sources with `view = system`.
    pub release_policy: String,
    /// How it shows itself to people who look for it.
    pub brand: Brand,
    /// When it was entered.
    pub created: Instant,
    /// When its name or its brand was last changed.
    pub changed: Option<Instant>,
    /// Whether it is open.
    pub state: OrganizationState,
}

/// Whether an organization is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganizationState {
    /// It is.
    Active,
    /// It became part of another.
    Absorbed {
        /// When.
        at: Instant,
        /// By which.
        by: OrganizationId,
    },
    /// It is not.
    Closed {
        /// Since when.
        at: Instant,
    },
}
