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
    /// `GET /{type}/{id}/_history/{version}` (FHIR R4 http.html §3.1.0.2).
    Vread {
        /// The type.
        resource_type: ResourceType,
        /// The logical id as the client wrote it.
        id: String,
        /// The version id as the client wrote it.
        version: String,
    },
    /// `GET /{type}/{id}/_history` (FHIR R4 http.html §3.1.0.9).
    History {
        /// The type.
        resource_type: ResourceType,
        /// The logical id as the client wrote it.
        id: String,
        /// Decoded names and values in order.
        parameters: Vec<(String, String)>,
    },
    /// `GET /Patient/{id}/{type}?…` or `POST /Patient/{id}/{type}/_search` (FHIR R4 http.html §3.1.0.10.1).
    CompartmentSearch {
        /// The Patient's logical id as the client wrote it.
        patient: String,
        /// The type that is searched.
        resource_type: ResourceType,
        /// Decoded names and values in order.
        parameters: Vec<(String, String)>,
        /// What to do about parameters that are not supported.
        handling: Handling,
    },
    /// What a Binary holds: `GET /Binary/{id}` with an `Accept` that is not FHIR's (FHIR R4 binary.html §2.39.4).
    Content {
        /// The logical id as the client wrote it.
        id: String,
    },
    /// `GET /Patient/{id}/$everything`.
    Everything {
        /// The Patient's logical id as the client wrote it.
        id: String,
        /// Decoded names and values in order.
        parameters: Vec<(String, String)>,
    },
    /// `DocumentReference/$docref` by GET or POST (US Core).
    Docref {
        /// Decoded names and values in order.
        parameters: Vec<(String, String)>,
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
            Self::Read { .. } | Self::Content { .. } => "read",
            Self::Everything { .. } | Self::Docref { .. } => "operation",
            Self::Vread { .. } => "vread",
            Self::History { .. } => "history-instance",
            Self::CompartmentSearch { .. } => "search-compartment",
            Self::Search { .. } => "search-type",
        }
    }

    /// The type it is about.
    #[must_use]
    pub const fn resource_type(&self) -> ResourceType {
        match self {
            Self::Read { resource_type, .. }
            | Self::Vread { resource_type, .. }
            | Self::History { resource_type, .. }
            | Self::CompartmentSearch { resource_type, .. }
            | Self::Search { resource_type, .. } => *resource_type,
            Self::Content { .. } => ResourceType::Binary,
            Self::Everything { .. } => ResourceType::Patient,
            Self::Docref { .. } => ResourceType::DocumentReference,
        }
    }

    /// Names and values of the query, where the interaction has them.
    #[must_use]
    pub fn parameters(&self) -> &[(String, String)] {
        match self {
            Self::Read { .. } | Self::Vread { .. } | Self::Content { .. } => &[],
            Self::History { parameters, .. }
            | Self::Everything { parameters, .. }
            | Self::Docref { parameters }
            | Self::CompartmentSearch { parameters, .. }
            | Self::Search { parameters, .. } => parameters,
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
