//! Decimal numbers as FHIR writes them. The number of digits is part of the value (FHIR R4 search §3.1.1.4.6), so
//! nothing passes through binary floating point.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Digits that a number may have; FHIR asks for 18.
const MAX_DIGITS: usize = 30;
/// Largest decimal exponent either way; far beyond anything measured.
const MAX_EXPONENT: i32 = 400;

/// `mantissa × 10^exponent`, with the digits as written: `100`, `100.00` and `1e2` are different values that compare
/// as equal.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Decimal {
    mantissa: i128,
    exponent: i32,
}

impl From<Decimal> for String {
    fn from(decimal: Decimal) -> Self {
        decimal.to_string()
    }
}

impl TryFrom<String> for Decimal {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a decimal number")
    }
}

impl Decimal {
    /// Reads a JSON number (a leading `+` and zeros are accepted, as search values have them). `None` when it is no
    /// number, or longer than 30 digits, or its exponent is beyond ±400.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (number, power) = match unsigned.split_once(['e', 'E']) {
            Some((number, power)) => (number, power.parse::<i32>().ok().filter(|p| p.abs() <= MAX_EXPONENT)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((_, "")) => return None,
            Some((whole, fraction)) => (whole, fraction),
            None => (number, ""),
        };
        if whole.is_empty() || whole.len() + fraction.len() > MAX_DIGITS {
            return None;
        }
        let mut mantissa = 0_i128;
        for digit in whole.bytes().chain(fraction.bytes()) {
            if !digit.is_ascii_digit() {
                return None;
            }
            mantissa = mantissa * 10 + i128::from(digit - b'0');
        }
        let exponent = Some(power - i32::try_from(fraction.len()).ok()?).filter(|e| e.abs() <= MAX_EXPONENT)?;
        Some(Self { mantissa: if negative { -mantissa } else { mantissa }, exponent })
    }

    /// The interval `[low, high)` of numbers that round to this one at its precision. `100` is 99.5 to 100.5, `100.00`
    /// is 99.995 to 100.005, and `1e2` is 95 to 105: that last is the example in the specification.
    #[must_use]
    pub fn implicit_range(self) -> (Self, Self) {
        let (factor, shift) = if self.exponent > 0 { (100, 2) } else { (10, 1) };
        let at = |offset: i128| Self { mantissa: self.mantissa * factor + offset, exponent: self.exponent - shift };
        (at(-5), at(5))
    }

    /// The interval of numbers that are approximately this one: 10% either way, FHIR's recommendation.
    #[must_use]
    pub fn approximate_range(self) -> (Self, Self) {
        let tenth = self.mantissa.abs();
        let at = |offset: i128| Self { mantissa: self.mantissa * 10 + offset, exponent: self.exponent - 1 };
        (at(-tenth), at(tenth))
    }

    /// Which number is greater, whatever the digits as written.
    #[must_use]
    pub fn compare(self, other: Self) -> Ordering {
        match (self.mantissa.signum(), other.mantissa.signum()) {
            (0, 0) => return Ordering::Equal,
            (left, right) if left != right => return left.cmp(&right),
            _ => {}
        }
        let magnitude = self.compare_magnitude(other);
        if self.mantissa < 0 { magnitude.reverse() } else { magnitude }
    }

    /// Both sides non-zero. Numbers whose leading digits stand at the same power of ten are padded to equally many
    /// digits, at most 33, which an `i128` holds.
    fn compare_magnitude(self, other: Self) -> Ordering {
        let digits = |number: Self| i32::try_from(number.mantissa.unsigned_abs().ilog10()).unwrap_or(i32::MAX);
        let (left_digits, right_digits) = (digits(self), digits(other));
        let leading = (left_digits + self.exponent).cmp(&(right_digits + other.exponent));
        if leading != Ordering::Equal {
            return leading;
        }
        let padded = |number: Self, by: i32| {
            let factor = u32::try_from(by.max(0)).ok().and_then(|by| 10_u128.checked_pow(by)).unwrap_or(1);
            number.mantissa.unsigned_abs().saturating_mul(factor)
        };
        padded(self, right_digits - left_digits).cmp(&padded(other, left_digits - right_digits))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa.unsigned_abs().to_string();
        if self.mantissa < 0 {
            f.write_str("-")?;
        }
        let places = usize::try_from(-self.exponent).unwrap_or(0);
        if self.exponent > 0 || places > MAX_DIGITS {
            return write!(f, "{digits}e{}", self.exponent);
        }
        let padded = format!("{digits:0>width$}", width = places + 1);
        match padded.split_at_checked(padded.len() - places) {
            Some((whole, fraction)) if !fraction.is_empty() => write!(f, "{whole}.{fraction}"),
            _ => f.write_str(&padded),
        }
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("decimal")
    }
}
