//! What a request asks for, by method and path (FHIR R4 `http`).

use axum::http::Method;
use axum::http::StatusCode;

use super::document::{is_id, is_type_name};
use super::faults;
use super::outcome::Answer;

/// The interactions that the sandbox knows, in the specification's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Interaction {
    Capabilities,
    SmartConfiguration,
    Read { type_name: String, id: String },
    Vread { type_name: String, id: String, version: String },
    History { type_name: String, id: String },
    SearchType { type_name: String, posted: bool },
    Create { type_name: String },
    Update { type_name: String, id: String },
}

impl Interaction {
    /// `path` is relative to the FHIR base, without a leading slash.
    pub(super) fn of(method: &Method, path: &str) -> Result<Self, Answer> {
        let parts: Vec<&str> = path.split('/').collect();
        let interaction = match (method, parts.as_slice()) {
            (&Method::GET, ["metadata"]) => Some(Self::Capabilities),
            (&Method::GET, [".well-known", "smart-configuration"]) => Some(Self::SmartConfiguration),
            (&Method::GET, [name]) => searchable(name).map(|type_name| Self::SearchType { type_name, posted: false }),
            (&Method::POST, [name, "_search"]) => {
                searchable(name).map(|type_name| Self::SearchType { type_name, posted: true })
            }
            (&Method::POST, [name]) => searchable(name).map(|type_name| Self::Create { type_name }),
            (&Method::GET, [name, id]) => named(name, id).map(|(type_name, id)| Self::Read { type_name, id }),
            (&Method::PUT, [name, id]) => named(name, id).map(|(type_name, id)| Self::Update { type_name, id }),
            (&Method::GET, [name, id, "_history", version]) => {
                named(name, id).map(|(type_name, id)| Self::Vread { type_name, id, version: (*version).to_owned() })
            }
            (&Method::GET, [name, id, "_history"]) => {
                named(name, id).map(|(type_name, id)| Self::History { type_name, id })
            }
            _ => None,
        };
        interaction.ok_or_else(|| {
            if matches!(*method, Method::GET | Method::POST | Method::PUT) {
                Answer::outcome(StatusCode::NOT_FOUND, "not-found", "no such endpoint")
            } else {
                Answer::outcome(StatusCode::METHOD_NOT_ALLOWED, "not-supported", "method not supported")
            }
        })
    }

    /// The name by which [`super::Fault::types`] means it.
    pub(super) fn fault_target(&self) -> &str {
        match self {
            Self::Capabilities | Self::SmartConfiguration => faults::METADATA,
            Self::Read { type_name, .. }
            | Self::Vread { type_name, .. }
            | Self::History { type_name, .. }
            | Self::SearchType { type_name, .. }
            | Self::Create { type_name }
            | Self::Update { type_name, .. } => type_name,
        }
    }

    /// `metadata` and discovery are open (SMART App Launch 2.2 §8, FHIR R4 `http` §capabilities).
    pub(super) const fn is_open(&self) -> bool {
        matches!(self, Self::Capabilities | Self::SmartConfiguration)
    }
}

fn searchable(name: &str) -> Option<String> {
    is_type_name(name).then(|| name.to_owned())
}

fn named(name: &str, id: &str) -> Option<(String, String)> {
    (is_type_name(name) && is_id(id)).then(|| (name.to_owned(), id.to_owned()))
}
