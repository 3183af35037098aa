//! Ids with a kind: an account's cannot stand where a client's is wanted.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::clock::Instant;
use super::random::Random;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub struct $name(Uuid);

        impl $name {
            /// The bare UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                // Only the hyphenated lower-case form: one id, one spelling.
                let uuid = Uuid::try_parse(text)?;
                if uuid.hyphenated().to_string() == text {
                    Ok(Self(uuid))
                } else {
                    Uuid::try_parse("").map(Self)
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}

macro_rules! minted {
    ($($name:ident),* $(,)?) => {$(
        impl $name {
            /// Mints one.
            #[must_use]
            pub fn mint(random: &dyn Random) -> Self {
                Self(random.uuid())
            }
        }
    )*};
}

minted!(
    AccountId,
    PersonId,
    OrganizationId,
    SourceId,
    LinkId,
    GrantId,
    AuthorizationId,
    SessionId,
    ChainId,
    MailId,
    ContactId,
    PasskeyId,
    RecoveryId,
    ConsentRuleId
);
minted!(InvitationId, ProofingId, ClaimId, StaffTaskId, ProxyRequestId, FederatedIdentityId);

ids! {
    /// A way to sign in.
    AccountId,
    /// The logical patient; `Patient/{PersonId}` at the gateway.
    PersonId,
    /// A practice or health system.
    OrganizationId,
    /// One EHR endpoint of an organization.
    SourceId,
    /// A person's chart at a source.
    LinkId,
    /// An account's right to act for another person.
    GrantId,
    /// What one user granted to one client.
    AuthorizationId,
    /// Something that is laid down about who sees a record.
    ConsentRuleId,
    /// A signed-in browser.
    SessionId,
    /// One entry of the audit trail.
    AuditEventId,
    /// The audit chain of one process.
    ChainId,
    /// Something that is sent to somebody.
    MailId,
    /// An address of an account's holder.
    ContactId,
    /// A key that somebody signs in with.
    PasskeyId,
    /// A request for the way back into an account.
    RecoveryId,
    /// An activation code.
    InvitationId,
    /// The record of somebody who was seen in person.
    ProofingId,
    /// What somebody says of themselves to be linked to a chart.
    ClaimId,
    /// Something that waits for staff.
    StaffTaskId,
    /// That somebody is to act for somebody else.
    ProxyRequestId,
    /// A sign-in elsewhere that leads to an account.
    FederatedIdentityId,
}

impl AuditEventId {
    /// Mints one that sorts by time (RFC 9562 §5.7, version 7, with microseconds as in §6.2 method 3): entries are
    /// looked up by time, and an id tells its own.
    #[must_use]
    pub fn mint_at(now: Instant, random: &dyn Random) -> Self {
        let micros = u64::try_from(now.micros()).unwrap_or(0);
        let fraction = (micros % 1_000) * 4_096 / 1_000;
        let mut bytes = random.bytes::<16>();
        let time = (micros / 1_000).to_be_bytes();
        let version_and_fraction = (0x7000 | fraction as u16).to_be_bytes();
        for (to, from) in bytes.iter_mut().zip(time.iter().skip(2).chain(&version_and_fraction)) {
            *to = *from;
        }
        if let Some(variant) = bytes.get_mut(8) {
            *variant = (*variant & 0x3f) | 0x80;
        }
        Self(Uuid::from_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;

    #[test]
    fn audit_event_ids_sort_by_time_and_are_version_7() {
        let random = SystemRandom::default();
        let at = |micros| AuditEventId::mint_at(Instant::from_micros(micros), &random);
        let ids: Vec<String> =
            [1_700_000_000_000_000, 1_700_000_000_000_001, 1_700_000_000_000_999, 1_700_000_000_001_000]
                .map(|micros| at(micros).to_string())
                .into();
        assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
        assert_eq!(at(1_700_000_000_000_000).uuid().get_version_num(), 7);
        assert_eq!(at(1_700_000_000_000_000).uuid().get_variant(), uuid::Variant::RFC4122);
        assert_ne!(at(1), at(1));
    }
}
