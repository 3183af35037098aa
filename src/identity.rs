//! Who people are: accounts, persons, links to charts, grants to act for another.

mod account;
mod activation_code;
mod claim;
mod contact;
mod grant;
mod invitation;
mod language;
mod link;
mod masking;
pub mod matching;
mod password;
mod person;
mod proofing;
mod proxy_request;
mod staff;
mod status_reason;
mod totp;
mod username;
mod verification;
mod view_reason;
mod webauthn;

pub use account::{Account, AccountState};
pub use activation_code::{ActivationCode, ActivationCodeError};
pub use claim::{Claim, ClaimState, MOST_WRONG_CODES, Said};
pub use contact::{Contact, ContactError, ContactKind};
pub use grant::{Grant, GrantBasis, GrantState, Period};
pub use invitation::{
    Channel, Invitation, InvitationState, MOST_WRONG_ANSWERS, ProxyDraft, RENEWALS, RENEWALS_IN_A_DAY,
};
pub use language::Language;
pub use link::{Assurance, Demographics, Link, LinkMethod, LinkState};
pub use masking::{initials, mask_contact};
pub use password::{PasswordProblem, check_password, normal_password};
pub use person::{Person, PersonState};
pub use proofing::{Document, PROOFING_HOLDS, Proofing};
pub use proxy_request::{ProxyRequest, RequestOrigin, RequestState, takes_two};
pub use staff::{StaffAct, StaffMember, StaffRole, practitioner_id};
pub use status_reason::StatusReason;
pub use totp::TotpSecret;
pub use username::{Username, UsernameError};
pub use verification::Verification;
pub use view_reason::ViewReason;
pub use webauthn::{NewPasskey, NotAnswered, RelyingParty, UsedPasskey};

/// A text enum that is stored by name: one spelling each way, and anything else is refused.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name it is stored and exported by.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value of that name, if there is one.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
pub(crate) use named;
