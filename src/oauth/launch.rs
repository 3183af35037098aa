//! What an app finds in context besides the person (SMART App Launch 2.2 §2.0.14, §3.0.3).

use serde::{Deserialize, Serialize};

use super::client::ClientId;
use crate::base::clock::Instant;
use crate::base::id::{AccountId, OrganizationId, PersonId};

/// What goes with a token beside the person in context.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchContext {
    /// The logical id of the Encounter, as this server spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encounter: Option<String>,
    /// Further resources (`fhirContext`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fhir_context: Vec<ContextItem>,
    /// What the app was opened for, in a word that the app knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// Whoever opened the app shows around it whose record it is.
    #[serde(default)]
    pub banner_shown: bool,
}

/// One item of `fhirContext`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextItem {
    /// `{type}/{id}`, relative to the FHIR base URL.
    pub reference: String,
    /// The resource's type.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// What it is in context for, a URI; without one, `launch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// An app that is being opened from here for one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The app; nobody else may use it.
    pub client: ClientId,
    /// Who opened it, and must be signed in when the app comes back.
    pub account: AccountId,
    /// Whose record it was opened for.
    pub person: PersonId,
    /// Of which practice the opener is staff, if they opened it as that.
    pub staff_of: Option<OrganizationId>,
    /// What else is in context.
    pub context: LaunchContext,
    /// When it ends.
    pub expires: Instant,
    /// When it was used.
    pub used: Option<Instant>,
}

impl Launch {
    /// Whether `client` may use it at `now`.
    #[must_use]
    pub fn is_good_for(&self, client: &ClientId, now: Instant) -> bool {
        self.client == *client && self.used.is_none() && now < self.expires
    }
}
