//! One-time passwords of a generator (RFC 6238 over RFC 4226): six digits, thirty seconds, SHA-1, as every generator has them.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::base::clock::Instant;
use crate::base::hash::{equal_in_constant_time, hmac_sha1};
use crate::base::secret::Secret;

/// Seconds of a step.
const STEP: i64 = 30;
/// Steps on either side that a clock may be off (RFC 6238 §5.2).
const DRIFT: i64 = 1;

/// The secret that a generator shares with us.
#[derive(Clone)]
pub struct TotpSecret(Secret<[u8; 20]>);

impl TotpSecret {
    /// From its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(Secret::new(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 20] {
        self.0.expose()
    }

    /// As somebody types it into a generator.
    #[must_use]
    pub fn typed(&self) -> String {
        let text = BASE32_NOPAD.encode(self.expose());
        let groups: Vec<&str> = text.as_bytes().chunks(4).filter_map(|part| std::str::from_utf8(part).ok()).collect();
        groups.join(" ")
    }

    /// As a generator on the same device takes it.
    #[must_use]
    pub fn uri(&self, issuer: &str, account: &str) -> String {
        let text = |part: &str| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string();
        let (issuer, account, secret) = (text(issuer), text(account), BASE32_NOPAD.encode(self.expose()));
        format!("otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}")
    }

    fn password(&self, step: i64) -> String {
        let mac = hmac_sha1(self.expose(), &step.to_be_bytes());
        // RFC 4226 §5.3: the last four bits say where the number stands.
        let offset = usize::from(mac.last().copied().unwrap_or_default() & 0x0f);
        let number = mac.iter().skip(offset).take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
        format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
    }

    /// The step that a password is of, now or a moment ago or ahead.
    #[must_use]
    pub fn step_of(&self, typed: &str, now: Instant) -> Option<i64> {
        let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        let current = now.seconds().div_euclid(STEP);
        // All of them are looked at, whichever it is.
        (current - DRIFT..=current + DRIFT).fold(None, |found, step| {
            let is_it = equal_in_constant_time(self.password(step).as_bytes(), typed.as_bytes());
            if is_it { Some(step) } else { found }
        })
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    /// RFC 6238 appendix B, SHA-1, the last six of its eight digits.
    #[test]
    fn the_rfc_agrees() {
        let secret = TotpSecret::new(*b"12345678901234567890");
        for (seconds, password) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.step_of(password, at(seconds)), Some(seconds / 30), "{seconds}");
            assert_eq!(secret.step_of(password, at(seconds + 30)), Some(seconds / 30), "a slow clock");
            assert_eq!(secret.step_of(password, at(seconds - 30)), Some(seconds / 30), "a fast clock");
            assert_eq!(secret.step_of(password, at(seconds + 60)), None);
            assert_eq!(secret.step_of(password, at(seconds - 60)), None);
        }
        assert_eq!(secret.step_of("", at(59)), None);
        assert_eq!(secret.step_of("28708", at(59)), None);
    }

    #[test]
    fn generators_take_it() {
        let secret = TotpSecret::new(*b"12345678901234567890");
        assert_eq!(secret.typed(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert_eq!(
            secret.uri("My Records", "fay@example.org"),
            "otpauth://totp/My%20Records:fay%40example%2Eorg?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=My%20Records"
        );
        assert_eq!(format!("{secret:?}"), "TotpSecret(…)");
    }
}
