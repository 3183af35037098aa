//! Work that nobody waits for.

mod delivery;
mod expiry;
mod recoveries;

pub use delivery::Delivery;
pub use expiry::{Expiry, Removed};
pub use recoveries::answer_recoveries;
