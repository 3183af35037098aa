//! Proof Key for Code Exchange (RFC 7636), method S256 alone: SMART App Launch 2.2 forbids `plain`.

use data_encoding::BASE64URL_NOPAD;

use crate::base::hash::{equal_in_constant_time, sha256};

/// The `code_challenge` of an authorization request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge([u8; 32]);

impl Challenge {
    /// Reads a challenge: base64url of a SHA-256, 43 characters, in its one canonical spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// From stored bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `verifier` is well formed (RFC 7636 §4.1: 43 to 128 unreserved characters) and hashes to this.
    #[must_use]
    pub fn is_met_by(&self, verifier: &str) -> bool {
        let well_formed = (43..=128).contains(&verifier.len())
            && verifier.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
        well_formed && equal_in_constant_time(&sha256(verifier.as_bytes()), &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b() {
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert!(challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"));
        assert!(!challenge.is_met_by("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
    }

    #[test]
    fn o05_verifiers_outside_the_grammar_are_refused_even_when_they_hash_right() {
        for bad in ["a".repeat(42), "a".repeat(129), format!("{}+", "a".repeat(45)), String::new(), "é".repeat(30)] {
            let challenge = Challenge(sha256(bad.as_bytes()));
            assert!(!challenge.is_met_by(&bad), "{bad}");
        }
        for good in ["a".repeat(43), "a".repeat(128), format!("{}-._~", "Z9".repeat(30))] {
            assert!(Challenge(sha256(good.as_bytes())).is_met_by(&good), "{good}");
        }
    }

    #[test]
    fn challenges_have_one_form() {
        for bad in [
            "",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw",
        ] {
            assert_eq!(Challenge::parse(bad), None, "{bad}");
        }
    }
}
