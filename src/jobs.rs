//! Work that nobody waits for.

mod delivery;
mod expiry;

pub use delivery::Delivery;
pub use expiry::{Expiry, Removed};
