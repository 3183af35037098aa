//! Work that nobody waits for.

mod chart_check;
mod claims;
mod delivery;
mod expiry;
mod mergers;
mod recoveries;
mod sharing;
mod signing_keys;

pub use chart_check::check_charts;
pub use claims::look_at_claims;
pub use delivery::Delivery;
pub use expiry::{Expiry, Removed};
pub use mergers::bring_links;
pub use recoveries::answer_recoveries;
pub use sharing::tell_before_sharing_changes;
pub use signing_keys::keep_signing_keys;
