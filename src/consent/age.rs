//! Ages, as far as a birth date tells them. Of a partial or unknown date every day that it may mean counts.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::base::clock::Instant;

/// When somebody was born: from the first to the last day that it may have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BirthDate {
    first: Date,
    last: Date,
}

/// When those who were born on 29 February have their birthday in other years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LeapDay {
    /// On 1 March.
    #[default]
    March1,
    /// On 28 February.
    February28,
}

/// Where an age band begins: a birthday, or some days before (negative) or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Boundary {
    /// Which birthday.
    pub years: i16,
    /// Days after it.
    pub days: i32,
}

impl BirthDate {
    /// Any day.
    pub const UNKNOWN: Self = Self { first: Date::MIN, last: Date::MAX };

    /// A FHIR `date`: a day, a month or a year. What is none of them may be any day.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::read(text).unwrap_or(Self::UNKNOWN)
    }

    fn read(text: &str) -> Option<Self> {
        let is_number = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        let parts: Vec<&str> = text.split('-').collect();
        let (first, last) = match parts.as_slice() {
            [year] if is_number(year, 4) => {
                let year = year.parse().ok()?;
                (Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?)
            }
            [year, month] if is_number(year, 4) && is_number(month, 2) => {
                let first = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
                (first, first.last_of_month())
            }
            [year, month, day] if is_number(year, 4) && is_number(month, 2) && is_number(day, 2) => {
                let day = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
                (day, day)
            }
            _ => return None,
        };
        Some(Self { first, last })
    }

    /// The first and the last of these boundaries that may be the one passed most recently on `today`, by index; they
    /// stand in rising order, the first at birth. A day before birth counts as the day of birth.
    #[must_use]
    pub fn bands(&self, boundaries: &[Boundary], leap: LeapDay, today: Date) -> (usize, usize) {
        let passed = |born: Date| {
            let begun = |boundary: &&Boundary| boundary.begins(born, leap).is_some_and(|begins| begins <= today);
            boundaries.iter().take_while(begun).count().saturating_sub(1)
        };
        // The later somebody was born, the fewer birthdays they have had.
        (passed(self.last), passed(self.first))
    }
}

impl BirthDate {
    /// The next day, today included, on which one of these boundaries may be reached by whoever was born then.
    #[must_use]
    pub fn next_boundary(&self, boundaries: &[Boundary], leap: LeapDay, today: Date) -> Option<Date> {
        if *self == Self::UNKNOWN {
            return None;
        }
        let begins = |born: Date| boundaries.iter().filter_map(move |boundary| boundary.begins(born, leap));
        begins(self.first).chain(begins(self.last)).filter(|day| *day >= today).min()
    }
}

impl Boundary {
    /// The day on which it is reached by who was born on `born`; `None` beyond the calendar.
    fn begins(&self, born: Date, leap: LeapDay) -> Option<Date> {
        if born == Date::MIN {
            return Some(Date::MIN);
        }
        let year = born.year().checked_add(self.years)?;
        // Of the days of a year only 29 February is not in every other.
        let instead = |_| match leap {
            LeapDay::March1 => Date::new(year, 3, 1),
            LeapDay::February28 => Date::new(year, 2, 28),
        };
        let birthday = Date::new(year, born.month(), born.day()).or_else(instead).ok()?;
        birthday.checked_add(Span::new().try_days(i64::from(self.days)).ok()?).ok()
    }
}

/// Which day it is at `now` where `zone` is; beyond the calendar the last one, on which everybody is of age.
#[must_use]
pub fn local_date(now: Instant, zone: &TimeZone) -> Date {
    Timestamp::from_microsecond(now.micros()).map_or(Date::MAX, |at| zone.to_datetime(at).date())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const BOUNDARIES: [Boundary; 3] =
        [Boundary { years: 0, days: 0 }, Boundary { years: 12, days: 0 }, Boundary { years: 18, days: 0 }];

    fn bands(born: &str, today: Date) -> (usize, usize) {
        BirthDate::parse(born).bands(&BOUNDARIES, LeapDay::March1, today)
    }

    #[test]
    fn i17_a_band_begins_on_the_birthday() {
        for (today, band) in [(date(2026, 5, 2), 0), (date(2026, 5, 3), 1), (date(2026, 5, 4), 1)] {
            assert_eq!(bands("2014-05-03", today), (band, band), "{today}");
        }
        assert_eq!(bands("2014-05-03", date(2032, 5, 2)), (1, 1));
        assert_eq!(bands("2014-05-03", date(2032, 5, 3)), (2, 2));
        assert_eq!(bands("2030-01-01", date(2026, 1, 1)), (0, 0), "not born yet");
    }

    #[test]
    fn i17_a_leap_day_is_1_march_in_other_years_unless_the_policy_says_otherwise() {
        let born = BirthDate::parse("2008-02-29");
        let of = |today, leap| born.bands(&BOUNDARIES, leap, today).0;
        assert_eq!(of(date(2026, 2, 28), LeapDay::March1), 1);
        assert_eq!(of(date(2026, 3, 1), LeapDay::March1), 2);
        assert_eq!(of(date(2026, 2, 27), LeapDay::February28), 1);
        assert_eq!(of(date(2026, 2, 28), LeapDay::February28), 2);
        // The twelfth birthday fell into a leap year.
        assert_eq!(of(date(2020, 2, 28), LeapDay::March1), 0);
        assert_eq!(of(date(2020, 2, 29), LeapDay::February28), 1);
    }

    #[test]
    fn i17_of_a_partial_or_unknown_date_every_day_counts() {
        assert_eq!(bands("2012", date(2026, 6, 1)), (1, 1));
        assert_eq!(bands("2014", date(2026, 6, 1)), (0, 1));
        assert_eq!(bands("2014-06", date(2026, 6, 1)), (0, 1));
        assert_eq!(bands("2014-07", date(2026, 6, 30)), (0, 0));
        for unknown in ["", "soon", "2014-13", "2014-02-30", "14-02-03", "2014-1-1", "2014-01-01T00:00:00Z"] {
            assert_eq!(bands(unknown, date(2026, 6, 1)), (0, 2), "{unknown}");
        }
    }

    #[test]
    fn i17_a_band_may_begin_the_day_before() {
        let boundaries = [Boundary { years: 0, days: 0 }, Boundary { years: 12, days: -1 }];
        let of = |today| BirthDate::parse("2014-03-01").bands(&boundaries, LeapDay::March1, today).0;
        assert_eq!((of(date(2026, 2, 27)), of(date(2026, 2, 28))), (0, 1));
    }

    #[test]
    fn i17_the_day_begins_at_the_practice_s_midnight() {
        let at = |text: &str| Instant::from_micros(text.parse::<Timestamp>().unwrap().as_microsecond());
        for (zone, instant, day) in [
            ("America/New_York", "2026-05-03T03:59:59Z", date(2026, 5, 2)),
            ("America/New_York", "2026-05-03T04:00:00Z", date(2026, 5, 3)),
            ("America/Los_Angeles", "2026-05-03T06:59:59Z", date(2026, 5, 2)),
            ("Pacific/Kiritimati", "2026-05-02T10:00:00Z", date(2026, 5, 3)),
            // The night in which clocks go forward.
            ("America/New_York", "2026-03-08T04:59:59Z", date(2026, 3, 7)),
            ("America/New_York", "2026-03-08T05:00:00Z", date(2026, 3, 8)),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            assert_eq!(local_date(at(instant), &zone), day, "{instant}");
        }
        // A clock that is beside itself makes nobody a child.
        for beyond in [i64::MIN, i64::MAX] {
            assert_eq!(local_date(Instant::from_micros(beyond), &TimeZone::UTC), Date::MAX);
        }
    }
}
