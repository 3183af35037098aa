//! What templates can say: none of it can hold a word from a record.

use std::fmt;

use crate::base::clock::Instant;
use crate::base::secret::Secret;
use crate::identity::ActivationCode;

/// The length of 256 bits in base64url, as `Random::token` makes them: nothing that somebody wrote looks like it.
const TOKEN: usize = 43;

/// This installation, as every template names it.
#[derive(Clone, Debug)]
pub struct Site {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) help: String,
}

/// An address at this site: a path of ours, and at most one opaque value.
#[derive(Clone)]
pub struct Link {
    text: Secret<String>,
}

impl Site {
    /// A page of ours.
    #[must_use]
    pub fn link(&self, path: &'static str) -> Link {
        Link { text: Secret::new(format!("{}{path}", self.url)) }
    }

    /// A page of ours with the value that lets whoever has it do one thing, as `?token=…`. A value that
    /// `Random::token` did not make is left out.
    #[must_use]
    pub fn link_with(&self, path: &'static str, token: &Secret<String>) -> Link {
        let text = token.expose();
        let is_opaque = text.len() == TOKEN && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let query = if is_opaque { format!("?token={text}") } else { String::new() };
        Link { text: Secret::new(format!("{}{path}{query}", self.url)) }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.expose())
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(…)")
    }
}

/// A code that somebody types: six digits that are made here, and cannot be anything else.
#[derive(Clone)]
pub struct OneTimeCode(Secret<String>);

impl OneTimeCode {
    /// Six digits, from anything that is random.
    #[must_use]
    pub fn six_digits(bytes: [u8; 8]) -> Self {
        Self(Secret::new(format!("{:06}", u64::from_be_bytes(bytes) % 1_000_000)))
    }

    /// The code.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Display for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.expose())
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(…)")
    }
}

/// An activation code, as it is printed.
#[derive(Clone)]
pub struct InvitationCode(Secret<String>);

impl InvitationCode {
    /// The code as people type it.
    #[must_use]
    pub fn new(code: &ActivationCode) -> Self {
        Self(Secret::new(code.printed()))
    }
}

impl fmt::Display for InvitationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.expose())
    }
}

impl fmt::Debug for InvitationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationCode(…)")
    }
}

/// A length of time, in minutes.
#[derive(Clone, Copy, Debug)]
pub struct Minutes(pub u32);

impl fmt::Display for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A day in the calendar of UTC, in words of a language.
#[derive(Clone, Copy, Debug)]
pub struct Day(pub Instant);

const ENGLISH_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const SPANISH_MONTHS: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];

/// A month in Spanish, from 1.
#[must_use]
pub fn spanish_month(month: i8) -> &'static str {
    named(SPANISH_MONTHS, month)
}

fn named(months: [&'static str; 12], month: i8) -> &'static str {
    let index = usize::try_from(month).unwrap_or(1).saturating_sub(1);
    months.get(index).copied().unwrap_or_default()
}

impl Day {
    fn parts(self, months: [&'static str; 12]) -> (i16, &'static str, i8) {
        let at = jiff::Timestamp::from_microsecond(self.0.micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        (date.year(), named(months, date.month()), date.day())
    }

    /// `November 22, 2026`.
    #[must_use]
    pub fn english(self) -> String {
        let (year, month, day) = self.parts(ENGLISH_MONTHS);
        format!("{month} {day}, {year}")
    }

    /// `22 de noviembre de 2026`.
    #[must_use]
    pub fn spanish(self) -> String {
        let (year, month, day) = self.parts(SPANISH_MONTHS);
        format!("{day} de {month} de {year}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_in_words() {
        let day = Day(Instant::from_micros(1_795_305_600_000_000));
        assert_eq!((day.english().as_str(), day.spanish().as_str()), ("November 22, 2026", "22 de noviembre de 2026"));
    }

    #[test]
    fn codes_have_six_digits() {
        assert_eq!(OneTimeCode::six_digits(7_u64.to_be_bytes()).expose(), "000007");
        assert_eq!(OneTimeCode::six_digits(12_345_678_u64.to_be_bytes()).expose(), "345678");
        assert_eq!(format!("{:?}", OneTimeCode::six_digits([1; 8])), "OneTimeCode(…)");
    }
}
