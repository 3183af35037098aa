//! Work that nobody waits for.

mod expiry;

pub use expiry::{Expiry, Removed};
