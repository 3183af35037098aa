//! The forms of FHIR R4's primitive types (R4 datatypes §2.24.0.1), as the model itself does not check them.

/// A primitive type whose values have a form of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Primitive {
    Date,
    DateTime,
    Instant,
    Time,
    Id,
    Integer,
    PositiveInt,
    UnsignedInt,
    Code,
    Uri,
    Oid,
    Uuid,
    Base64Binary,
}

impl Primitive {
    /// The type of that name; `uri` stands for `uri`, `url` and `canonical`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "date" => Self::Date,
            "dateTime" => Self::DateTime,
            "instant" => Self::Instant,
            "time" => Self::Time,
            "id" => Self::Id,
            "integer" => Self::Integer,
            "positiveInt" => Self::PositiveInt,
            "unsignedInt" => Self::UnsignedInt,
            "code" => Self::Code,
            "uri" => Self::Uri,
            "oid" => Self::Oid,
            "uuid" => Self::Uuid,
            "base64Binary" => Self::Base64Binary,
            _ => return None,
        })
    }

    /// What a value must be, for the sender.
    pub(crate) fn rule(self) -> &'static str {
        match self {
            Self::Date => "must be a date that exists: YYYY, YYYY-MM or YYYY-MM-DD",
            Self::DateTime => "must be a date that exists, or a date with a time and a zone",
            Self::Instant => "must be a date with a time to the second and a zone",
            Self::Time => "must be a time of day: hh:mm:ss",
            Self::Id => "must be 1 to 64 letters, digits, '-' or '.'",
            Self::Integer => "must be a whole number of 32 bits",
            Self::PositiveInt => "must be a whole number from 1 to 2147483647",
            Self::UnsignedInt => "must be a whole number from 0 to 2147483647",
            Self::Code => "must be a code: no white space around it, single spaces inside",
            Self::Uri => "must be a URI, without white space",
            Self::Oid => "must be urn:oid: and an OID",
            Self::Uuid => "must be urn:uuid: and a UUID",
            Self::Base64Binary => "must be base64",
        }
    }

    /// Whether the JSON value is a number for this type.
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::PositiveInt | Self::UnsignedInt)
    }

    /// Whether a value's text (a number's spelling, or a string) has the form.
    pub(crate) fn allows(self, text: &str) -> bool {
        match self {
            Self::Date => is_date(text),
            Self::DateTime => is_date_time(text),
            Self::Instant => is_instant(text),
            Self::Time => is_time(text),
            Self::Id => is_id(text),
            Self::Integer => whole(text, i32::MIN),
            Self::PositiveInt => whole(text, 1),
            Self::UnsignedInt => whole(text, 0),
            Self::Code => text.split(' ').all(|word| !word.is_empty() && !word.contains(char::is_whitespace)),
            Self::Uri => !text.contains(char::is_whitespace),
            Self::Oid => text.strip_prefix("urn:oid:").is_some_and(is_oid),
            Self::Uuid => text.strip_prefix("urn:uuid:").is_some_and(is_uuid),
            Self::Base64Binary => is_base64(text),
        }
    }
}

/// `[A-Za-z0-9\-\.]{1,64}`, and not only dots: `.` and `..` mean something in a path.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
        && text.bytes().any(|byte| byte != b'.')
}

fn whole(text: &str, least: i32) -> bool {
    // The grammar has no leading zeros and no plus; JSON's reader has seen to the rest.
    text.parse::<i32>().is_ok_and(|number| number >= least)
}

/// A field of exactly that many digits.
fn field(text: &str, width: usize) -> Option<u32> {
    (text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn is_date(text: &str) -> bool {
    date(text).is_some()
}

/// How many parts a valid date has: 1 for a year, 2 with a month, 3 with a day.
fn date(text: &str) -> Option<usize> {
    let parts: Vec<&str> = text.split('-').collect();
    let (year, month, day) = match parts.as_slice() {
        [year] => (year, None, None),
        [year, month] => (year, Some(month), None),
        [year, month, day] => (year, Some(month), Some(day)),
        _ => return None,
    };
    let year = field(year, 4).filter(|year| *year > 0)?;
    if let Some(month) = month {
        let month = field(month, 2).filter(|month| (1..=12).contains(month))?;
        if let Some(day) = day {
            field(day, 2).filter(|day| (1..=days_in(year, month)).contains(day))?;
        }
    }
    Some(parts.len())
}

fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// A date of any precision; with a time, the day, the seconds and the zone are required.
fn is_date_time(text: &str) -> bool {
    is_date(text) || is_instant(text)
}

fn is_instant(text: &str) -> bool {
    let Some((day, rest)) = text.split_once('T') else { return false };
    let Some(zone) = rest.find(['Z', '+', '-']) else { return false };
    let Some((time, zone)) = rest.split_at_checked(zone) else { return false };
    date(day) == Some(3) && is_time(time) && is_zone(zone)
}

/// `hh:mm:ss`, with a fraction or not. A minute may have a 60th second (leap seconds, R4 datatypes).
fn is_time(text: &str) -> bool {
    let (clock, fraction) = text.split_once('.').map_or((text, None), |(clock, fraction)| (clock, Some(fraction)));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else { return false };
    field(hour, 2).is_some_and(|hour| hour < 24)
        && field(minute, 2).is_some_and(|minute| minute < 60)
        && field(second, 2).is_some_and(|second| second <= 60)
        && fraction.is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `Z`, or an offset of at most 14 hours.
fn is_zone(text: &str) -> bool {
    if text == "Z" {
        return true;
    }
    let Some((hour, minute)) = text.strip_prefix(['+', '-']).and_then(|offset| offset.split_once(':')) else {
        return false;
    };
    match (field(hour, 2), field(minute, 2)) {
        (Some(14), Some(minute)) => minute == 0,
        (Some(hour), Some(minute)) => hour < 14 && minute < 60,
        _ => false,
    }
}

fn is_oid(text: &str) -> bool {
    let mut arcs = text.split('.');
    matches!(arcs.next(), Some("0" | "1" | "2"))
        && text.contains('.')
        && arcs.all(|arc| {
            !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'))
        })
}

fn is_uuid(text: &str) -> bool {
    let widths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == widths.len()
        && parts.iter().zip(widths).all(|(part, width)| {
            part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        })
}

fn is_base64(text: &str) -> bool {
    // White space between the groups is allowed; the groups are whole, and only the last is padded.
    let bytes: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    !bytes.is_empty()
        && bytes.len().is_multiple_of(4)
        && padding <= 2
        && bytes.iter().rev().skip(padding).all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Primitive, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(kind.allows(text), "{kind:?} {text:?} is valid");
        }
        for text in bad {
            assert!(!kind.allows(text), "{kind:?} {text:?} is not valid");
        }
    }

    #[test]
    fn dates_exist() {
        check(
            Primitive::Date,
            &["2024", "2024-02", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"],
            &[
                "2023-02-29",
                "1900-02-29",
                "2024-13",
                "2024-00",
                "2024-04-31",
                "2024-01-00",
                "0000",
                "24",
                "2024-1",
                "2024-01-1",
                "2024-01-01T00:00:00Z",
                "2024/01/01",
                "",
                "+2024",
                "2024-",
                "2024-01-01-01",
                "２０２４",
            ],
        );
    }

    #[test]
    fn date_times_have_a_zone_when_they_have_a_time() {
        check(
            Primitive::DateTime,
            &[
                "2024",
                "2024-02-29",
                "2024-02-29T23:59:59Z",
                "2024-02-29T00:00:00.123456789+14:00",
                "2016-12-31T23:59:60-05:30",
            ],
            &[
                "2024-02-29T23:59:59",
                "2024-02-29T23:59Z",
                "2024-02T00:00:00Z",
                "2024-02-30T00:00:00Z",
                "2024-02-29T24:00:00Z",
                "2024-02-29T00:60:00Z",
                "2024-02-29T00:00:61Z",
                "2024-02-29T00:00:00.Z",
                "2024-02-29T00:00:00+14:01",
                "2024-02-29T00:00:00+15:00",
                "2024-02-29T00:00:00+1:00",
                "2024-02-29 00:00:00Z",
                "2024-02-29t00:00:00z",
                "2024-02-29T00:00:00ZZ",
            ],
        );
        check(Primitive::Instant, &["2024-02-29T00:00:00Z"], &["2024-02-29", "2024", "T00:00:00Z"]);
        check(Primitive::Time, &["00:00:00", "23:59:59.5"], &["24:00:00", "12:00", "12:00:00Z", "1:00:00"]);
    }

    #[test]
    fn whole_numbers_stay_in_their_range() {
        check(
            Primitive::Integer,
            &["-2147483648", "0", "2147483647"],
            &["2147483648", "-2147483649", "1.0", "1e2", "99999999999"],
        );
        check(Primitive::PositiveInt, &["1", "2147483647"], &["0", "-1"]);
        check(Primitive::UnsignedInt, &["0"], &["-1"]);
    }

    #[test]
    fn the_other_forms() {
        let long = "a".repeat(65);
        check(Primitive::Id, &["a", "A-1.b", &long[..64]], &["", "a_b", "a/b", "../../etc", "..", "ü", &long]);
        check(Primitive::Code, &["final", "in progress"], &["", " final", "final ", "a  b", "a\tb"]);
        check(Primitive::Uri, &["http://a.b/c", "urn:oid:1.2", "#a"], &["http://a b", "a\nb"]);
        check(
            Primitive::Oid,
            &["urn:oid:1.2.840.0"],
            &["1.2", "urn:oid:3.1", "urn:oid:1", "urn:oid:1..2", "urn:oid:1.02"],
        );
        check(
            Primitive::Uuid,
            &["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
            &[
                "c757873d-ec9a-4326-a141-556f43239520",
                "urn:uuid:c757873d",
                "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
            ],
        );
        check(Primitive::Base64Binary, &["aGk=", "aGkh", "aGkh\r\naGkh"], &["aGk", "a===", "a=k=", "aG-_", ""]);
    }
}
