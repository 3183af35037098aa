//! Dates and times as intervals, FHIR R4 search §3.1.1.4.7 and the table of prefixes in §3.1.1.4.5.

use std::fmt;

use super::fragment::Fragment;
use crate::base::clock::Instant;
use crate::fhir::knowledge::{Comparator, DataType};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Half-open interval in microseconds since the Unix epoch: from `start` up to, not including, `end`.
/// `i64::MIN` and `i64::MAX` are the open ends of a `Period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// First microsecond.
    pub start: i64,
    /// First microsecond after it.
    pub end: i64,
}

impl Interval {
    /// All of time.
    pub const EVER: Self = Self { start: i64::MIN, end: i64::MAX };

    const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// A FHIR `date`, `dateTime` or `instant` at the precision it was written with. A time without a zone is UTC, and so
/// are dates: the gateway joins sources of many zones and can assume no other.
#[derive(Clone, PartialEq, Eq)]
pub struct PartialDate {
    text: String,
    interval: Interval,
}

impl PartialDate {
    /// Reads `YYYY`, `YYYY-MM`, `YYYY-MM-DD` or `YYYY-MM-DDThh:mm[:ss[.f]][zone]`. `None` for anything else, and for
    /// days and times that do not exist. A blank in place of the zone's `+` is taken for an unescaped plus sign.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = match text.get(16..).and_then(|zone| zone.find(' ')) {
            Some(at) => {
                let mut repaired = text.to_owned();
                repaired.replace_range(16 + at..17 + at, "+");
                repaired
            }
            None => text.to_owned(),
        };
        let interval = interval_of(&text)?;
        Some(Self { text, interval })
    }

    /// The text as FHIR writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The time that the value spans: a year, a month, a day, a minute, a second or a fraction of it.
    #[must_use]
    pub const fn interval(&self) -> Interval {
        self.interval
    }
}

impl fmt::Debug for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("date")
    }
}

/// The interval of a FHIR date or time; see [`PartialDate::parse`].
#[must_use]
pub fn interval_of(text: &str) -> Option<Interval> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map(|part| digits(part, 2));
    let day = parts.next().map(|part| digits(part, 2));
    if parts.next().is_some() || year == 0 {
        return None;
    }
    match (month, day, time) {
        (None, None, None) => Some(Interval { start: midnight(year, 1, 1)?, end: midnight(year + 1, 1, 1)? }),
        (Some(month), None, None) => {
            let month = month?;
            let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            Some(Interval { start: midnight(year, month, 1)?, end: midnight(next_year, next_month, 1)? })
        }
        (Some(month), Some(day), None) => {
            let start = midnight(year, month?, day?)?;
            Some(Interval { start, end: start + MICROS_PER_DAY })
        }
        (Some(month), Some(day), Some(time)) => {
            let (offset, width) = time_of_day(time)?;
            let start = midnight(year, month?, day?)? + offset;
            Some(Interval { start, end: start + width })
        }
        _ => None,
    }
}

/// Microseconds from midnight UTC to the time, and how long its precision spans.
fn time_of_day(text: &str) -> Option<(i64, i64)> {
    let zone_at = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at_checked(zone_at)?;
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = digits(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let seconds = parts.next();
    if parts.next().is_some() {
        return None;
    }
    let (within_minute, width) = match seconds {
        None => (0, 60 * MICROS_PER_SECOND),
        Some(seconds) => seconds_of(seconds)?,
    };
    let offset = match zone {
        "" | "Z" => 0,
        zone => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes = digits(hours, 2).filter(|h| *h <= 14)? * 60 + digits(minutes, 2).filter(|m| *m < 60)?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    Some(((hour * 60 + minute - offset) * 60 * MICROS_PER_SECOND + within_minute, width))
}

/// `ss` or `ss.f…`; digits beyond the microsecond are dropped. A leap second counts as the one before it.
fn seconds_of(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
        None => (text, ""),
    };
    let whole = digits(whole, 2).filter(|second| *second <= 60)?.min(59);
    let (mut micros, mut width) = (0, MICROS_PER_SECOND);
    for digit in fraction.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        if width > 1 {
            width /= 10;
            micros += i64::from(digit - b'0') * width;
        }
    }
    Some((whole * MICROS_PER_SECOND + micros, width))
}

fn digits(text: &str, count: usize) -> Option<i64> {
    if text.len() != count || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Microseconds from the epoch to the start of a day of the Gregorian calendar, in UTC.
fn midnight(year: i64, month: i64, day: i64) -> Option<i64> {
    if year == 10_000 {
        // The end of the year 9999, which the calendar type cannot name.
        return midnight(9999, 12, 31)?.checked_add(MICROS_PER_DAY);
    }
    let date =
        jiff::civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let days = i64::from(date.since(jiff::civil::date(1970, 1, 1)).ok()?.get_days());
    Some(days * MICROS_PER_DAY)
}

/// Whether the interval of an element satisfies a date parameter.
#[must_use]
pub fn compare(prefix: Comparator, wanted: Interval, found: Interval, now: Instant) -> bool {
    match prefix {
        Comparator::Eq => wanted.contains(found),
        Comparator::Ne => !wanted.contains(found),
        Comparator::Gt => found.end > wanted.end,
        Comparator::Lt => found.start < wanted.start,
        Comparator::Ge => found.end > wanted.end || wanted.contains(found),
        Comparator::Le => found.start < wanted.start || wanted.contains(found),
        Comparator::Sa => found.start >= wanted.end,
        Comparator::Eb => found.end <= wanted.start,
        Comparator::Ap => {
            let distance = if now.micros() < wanted.start {
                wanted.start.saturating_sub(now.micros())
            } else {
                now.micros().saturating_sub(wanted.end).max(0)
            };
            let slack = distance / 10;
            let near = Interval { start: wanted.start.saturating_sub(slack), end: wanted.end.saturating_add(slack) };
            near.overlaps(found)
        }
    }
}

/// The interval of an element of this datatype.
pub(super) fn intervals(found: Fragment<'_>, datatype: DataType) -> Option<Interval> {
    match datatype {
        DataType::Date | DataType::DateTime => date(found),
        DataType::Instant => point_of(&found.text()?),
        DataType::Period => period(found),
        DataType::Timing => timing(found),
        _ => None,
    }
}

/// An `instant`: a point, whatever its digits (FHIR R4 search §3.1.1.4.7).
pub(super) fn point_of(text: &str) -> Option<Interval> {
    let start = interval_of(text)?.start;
    Some(Interval { start, end: start.saturating_add(1) })
}

fn date(view: Fragment<'_>) -> Option<Interval> {
    interval_of(&view.text()?)
}

/// The interval of a `Period`; a missing bound is open. `None` when both are missing or one is malformed.
fn period(view: Fragment<'_>) -> Option<Interval> {
    let bound = |name| match view.get(name) {
        Some(bound) => date(bound).map(Some),
        None => Some(None),
    };
    let (start, end) = (bound("start")?, bound("end")?);
    if start.is_none() && end.is_none() {
        return None;
    }
    Some(Interval {
        start: start.map_or(i64::MIN, |interval| interval.start),
        end: end.map_or(i64::MAX, |interval| interval.end),
    })
}

/// The outer limits of a `Timing`: its events and `repeat.boundsPeriod`; the schedule between them does not matter.
fn timing(view: Fragment<'_>) -> Option<Interval> {
    let mut outer: Option<Interval> = None;
    let mut add = |interval: Interval| {
        outer = Some(outer.map_or(interval, |so_far| Interval {
            start: so_far.start.min(interval.start),
            end: so_far.end.max(interval.end),
        }));
    };
    view.get("event").into_iter().flat_map(Fragment::each).filter_map(date).for_each(&mut add);
    view.get("repeat").and_then(|repeat| repeat.get("boundsPeriod")).and_then(period).into_iter().for_each(add);
    outer
}
