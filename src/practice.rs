//! Practices as the operator connects them, and people as a practice enrols them.

mod chart_check;
mod connect;
mod consent;
mod desk;
mod enrol;
mod probe;

pub use chart_check::ChartCheck;
pub use connect::{ConnectError, adopt_brand, adopt_release_policy, connect, connect_organization, connect_source};
pub use consent::{NewRule, adopt_consent_policy, lay_down, lift, limit_grant};
pub use desk::{
    AtWork, Desk, DeskError, Found, Issued, NewInvitation, NewProofing, QueuedClaim, Ruling, Seen, TaskLine, Wanted,
};
pub use enrol::{EnrolError, NewAccount, NewGrant, NewLink, account, appoint, grant, link, person};
pub use probe::{ProbeReport, SmartReport, TestReport, TypeReport, probe};
