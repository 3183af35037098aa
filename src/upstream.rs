//! The client of EHRs: one [`Client`] for each source, with its credential, limits and memory of how it does, and one
//! [`Errand`] for what one request wants of it.
//!
//! A question goes through: what is kept ([`Cache`]), the same question under way (`flight`), the source's own wish to be
//! left alone (`retry_after`), the breaker, a place among those under way, the time its answers usually need
//! (`patience`), and the one retry that its budget may have (`retry_budget`). In that order, in `errand` and `fetch`.
//!
//! What an EHR answers is never trusted: bodies are capped, redirects are not followed, `next` links stay on the
//! source's own origin and path, and every failure is data that the answer can name.

mod address;
mod allowance;
mod assertion;
mod body;
mod breaker;
mod cache;
mod client;
mod connection;
mod credential;
mod document;
mod errand;
mod failure;
mod failure_counts;
mod fetch;
mod flight;
mod history;
mod key_set;
mod patience;
mod probe;
mod quarantine;
mod refusals;
mod retry_after;
mod retry_budget;
mod search;
mod smart;

pub use breaker::BreakerState;
pub use cache::Cache;
pub use client::Client;
pub(crate) use connection::Endpoint;
pub use connection::{Connection, ConnectionError, Credential};
pub(crate) use credential::TokenEndpoint;
pub use credential::{ClientProof, PatientCredential, TOKEN_PATIENCE};
pub use document::{Document, DocumentAddress, DocumentBody, FileAddress};
pub use errand::Errand;
pub use failure::SourceFailure;
pub use failure_counts::FailureCounts;
pub use key_set::{FetchedKeySet, KeySetFetcher};
pub use probe::{Capabilities, SmartConfiguration, TypeCapabilities};
pub use refusals::Refusals;
pub use search::{Gathered, Page, PageMark, Start, Walk, Walked, WalkedPage};
pub use smart::{ExpectedIssuer, Launch, SmartApp, SmartTokens, TokenRefusal};
