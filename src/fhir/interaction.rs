//! FHIR R4 http.html §3.1.0: method and path become an interaction, or a reason why not.

use super::ResourceType;
use super::search::Handling;

/// What a client asks of the FHIR surface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interaction {
    /// `GET /{type}/{id}`.
    Read {
        /// The type.
        resource_type: ResourceType,
        /// The logical id as the client wrote it.
        id: String,
    },
    /// `GET /{type}?…` or `POST /{type}/_search`.
    Search {
        /// The type.
        resource_type: ResourceType,
        /// Decoded names and values in order.
        parameters: Vec<(String, String)>,
        /// What to do about parameters that are not supported.
        handling: Handling,
    },
}

impl Interaction {
    /// FHIR's code of the interaction.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "read",
            Self::Search { .. } => "search-type",
        }
    }

    /// The type it is about.
    #[must_use]
    pub const fn resource_type(&self) -> ResourceType {
        match self {
            Self::Read { resource_type, .. } | Self::Search { resource_type, .. } => *resource_type,
        }
    }
}

/// Whether `id` fits FHIR's id grammar: 1 to 64 of letters, digits, `-` and `.`.
#[must_use]
pub fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// What to do about search parameters that are not supported: `Prefer: handling=…` (FHIR R4 search.html §3.1.1.1).
#[must_use]
pub fn handling(prefer: Option<&str>) -> Handling {
    let mut parts = prefer.into_iter().flat_map(|text| text.split([',', ';']));
    if parts.any(|part| part.trim().eq_ignore_ascii_case("handling=strict")) {
        Handling::Strict
    } else {
        Handling::Lenient
    }
}
