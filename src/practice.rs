//! Practices as the operator connects them, and people as a practice enrols them.

mod connect;
mod enrol;
mod probe;

pub use connect::{ConnectError, adopt_brand, adopt_release_policy, connect, connect_organization, connect_source};
pub use enrol::{EnrolError, NewAccount, NewGrant, NewLink, account, grant, link, person};
pub use probe::{ProbeReport, SmartReport, TestReport, TypeReport, probe};
