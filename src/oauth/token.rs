//! Opaque tokens: 256 random bits behind a prefix that tells people and scanners what they found.

use data_encoding::BASE64URL_NOPAD;

use crate::base::hash::{hmac_sha256, sha256};
use crate::base::random::Random;
use crate::base::secret::Secret;

/// What a token is for. Each kind is kept in a table of its own, so that none passes for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Bearer tokens for the FHIR API.
    Access,
    /// Refresh tokens.
    Refresh,
    /// Authorization codes.
    Code,
    /// Client secrets.
    ClientSecret,
    /// Session cookies.
    Session,
    /// Launch values that an app is opened with.
    Launch,
    /// Access tokens of backend services.
    System,
    /// Registration access tokens (RFC 7592).
    Registration,
}

impl TokenKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Access => "cgat_",
            Self::Refresh => "cgrt_",
            Self::Code => "cgac_",
            Self::ClientSecret => "cgcs_",
            Self::Session => "cgss_",
            Self::Launch => "cgla_",
            Self::System => "cgst_",
            Self::Registration => "cgra_",
        }
    }

    /// Mints one.
    #[must_use]
    pub fn mint(self, random: &dyn Random) -> Secret<String> {
        Secret::new(format!("{}{}", self.prefix(), random.token()))
    }

    /// The SHA-256 under which `token` is stored; `None` when it cannot be one of this kind.
    #[must_use]
    pub fn hash(self, token: &str) -> Option<[u8; 32]> {
        let bits = token.strip_prefix(self.prefix())?;
        let good = bits.len() == 43 && bits.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        good.then(|| sha256(token.as_bytes()))
    }
}

/// The refresh token that follows `token`: derived from it with a key, so that a client whose answer was lost gets the
/// same one again and no second lineage begins.
#[must_use]
pub fn refresh_successor(key: &Secret<[u8; 32]>, token: &str) -> Secret<String> {
    let bits = hmac_sha256(key.expose(), &[token.as_bytes()]);
    Secret::new(format!("{}{}", TokenKind::Refresh.prefix(), BASE64URL_NOPAD.encode(&bits)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SeededRandom;

    #[test]
    fn o43_no_kind_of_token_reads_as_another() {
        let random = SeededRandom::new(1);
        let kinds = [
            TokenKind::Access,
            TokenKind::Refresh,
            TokenKind::Code,
            TokenKind::ClientSecret,
            TokenKind::Session,
            TokenKind::Launch,
            TokenKind::System,
            TokenKind::Registration,
        ];
        for made in kinds {
            let token = made.mint(&random);
            for read in kinds {
                assert_eq!(read.hash(token.expose()).is_some(), made == read, "{made:?} as {read:?}");
            }
        }
    }

    #[test]
    fn a_successor_is_a_refresh_token_that_only_the_key_can_tell() {
        let (key, other) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let first = refresh_successor(&key, "cgrt_x");
        assert!(TokenKind::Refresh.hash(first.expose()).is_some());
        assert_eq!(first.expose(), refresh_successor(&key, "cgrt_x").expose());
        assert_ne!(first.expose(), refresh_successor(&other, "cgrt_x").expose());
        assert_ne!(first.expose(), refresh_successor(&key, first.expose()).expose());
    }
}
