//! The client of EHRs: one [`Client`] for each source, with its credential, limits and memory of failures.
//!
//! What an EHR answers is never trusted: bodies are capped, redirects are not followed, `next` links stay on the
//! source's own origin and path, and every failure is data that the answer can name.

mod address;
mod assertion;
mod breaker;
mod client;
mod connection;
mod credential;
mod document;
mod failure;
mod history;
mod search;

pub use client::Client;
pub use connection::{Connection, ConnectionError, Credential};
pub use document::{Document, DocumentAddress, DocumentBody, FileAddress};
pub use failure::SourceFailure;
pub use search::{Gathered, Page, PageMark, Start, Walk, Walked, WalkedPage};
