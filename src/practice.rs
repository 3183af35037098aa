//! Practices as the operator connects them, and people as a practice enrols them.

mod chart_check;
mod connect;
mod consent;
mod desk;
mod enrol;
mod exchange;
mod mergers;
mod probe;
mod sharing_notices;
mod told;

pub use chart_check::ChartCheck;
pub use connect::{ConnectError, adopt_brand, adopt_release_policy, connect, connect_organization, connect_source};
pub use consent::{NewRule, adopt_consent_policy, lay_down, lift, limit_grant, put_label_table, remove_label_table};
pub use desk::{
    Acting, Approval, AtWork, Desk, DeskError, Exposed, Exposure, Found, Handed, Issued, LookedBy, NewInvitation,
    NewProofing, QueuedClaim, QueuedProxy, Review, Ruling, Seen, Settlement, Standing, Stopped, TaskLine, ToReview,
    Viewed, Viewer, Wanted,
};
pub use enrol::{
    EnrolError, NewAccount, NewGrant, NewLink, account, appoint, dismiss, grant, grant_until, link, person,
};
pub use exchange::{ImportError, export as export_consents, import as import_consents};
pub use mergers::{Absorbed, MergerError, Mergers, Rewritten};
pub use probe::{ProbeReport, SmartReport, TestReport, TypeReport, probe};
pub use sharing_notices::SharingNotices;
