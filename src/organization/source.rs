use std::path::PathBuf;

use crate::base::clock::Instant;
use crate::base::id::{OrganizationId, SourceId};
use crate::config::{SourceAuthentication, SourceView};

use super::SourceKey;

/// One EHR FHIR endpoint of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its id.
    pub id: SourceId,
    /// The name of its id space: the first part of every id that is served from it.
    pub key: SourceKey,
    /// Whose it is.
    pub organization: OrganizationId,
    /// The name people know.
    pub name: String,
    /// The FHIR base URL, without a trailing slash. May change; the key does not.
    pub base_url: String,
    /// The vendor profile in `mappings/ehr/`.
    pub vendor: String,
    /// How the gateway proves itself; names files that hold secrets, never a secret.
    pub authentication: SourceAuthentication,
    /// Whose view the EHR gives.
    pub view: SourceView,
    /// Private address ranges (CIDR) it may live in; none means public addresses only.
    pub private_addresses: Vec<String>,
    /// The file with the certificate authorities that alone are trusted for it; none means those of the system.
    pub ca_file: Option<PathBuf>,
    /// When it was connected.
    pub created: Instant,
    /// Whether it is asked.
    pub state: SourceState,
}

impl SourceState {
    /// Whether it is asked.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Active)
    }
}

/// Whether a source is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// It is.
    Active,
    /// It is not any more. Its key stays taken.
    Retired {
        /// Since when.
        at: Instant,
    },
}
