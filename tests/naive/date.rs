//! Dates as half-open intervals of microseconds.

use serde_json::Value;

pub(crate) type Interval = (i128, i128);

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

/// Days from 1970-01-01 to the first of a month, counted one by one.
fn days_to(year: i128, month: i128) -> i128 {
    let is_leap = |y: i128| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let of_year = |y: i128| if is_leap(y) { 366 } else { 365 };
    let mut days = 0;
    if year >= 1970 {
        days += (1970..year).map(of_year).sum::<i128>();
    } else {
        days -= (year..1970).map(of_year).sum::<i128>();
    }
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    days + lengths.iter().take(usize::try_from(month - 1).unwrap()).sum::<i128>()
}

fn next_month(year: i128, month: i128) -> (i128, i128) {
    if month == 12 { (year + 1, 1) } else { (year, month + 1) }
}

/// The span of a FHIR date, dateTime or instant at the precision it is written with.
pub(crate) fn span(text: &str) -> Option<Interval> {
    let number = |text: &str| text.parse::<i128>().ok();
    match text.len() {
        4 => {
            let year = number(text)?;
            Some((days_to(year, 1) * DAY, days_to(year + 1, 1) * DAY))
        }
        7 => {
            let (year, month) = (number(&text[..4])?, number(&text[5..])?);
            let (after, next) = next_month(year, month);
            Some((days_to(year, month) * DAY, days_to(after, next) * DAY))
        }
        length if length >= 10 => {
            let start = (days_to(number(&text[..4])?, number(&text[5..7])?) + number(&text[8..10])? - 1) * DAY;
            if length == 10 {
                return Some((start, start + DAY));
            }
            let clock = &text[11..];
            let zone = clock.find(['Z', '+', '-']).unwrap_or(clock.len());
            let (clock, zone) = clock.split_at(zone);
            let offset = if zone.len() == 6 {
                let minutes = number(&zone[1..3])? * 60 + number(&zone[4..])?;
                if zone.starts_with('-') { -minutes } else { minutes }
            } else {
                0
            };
            let minute = start + (number(&clock[..2])? * 60 + number(&clock[3..5])? - offset) * 60 * SECOND;
            if clock.len() == 5 {
                return Some((minute, minute + 60 * SECOND));
            }
            let second = minute + number(&clock[6..8])? * SECOND;
            let Some(fraction) = clock.get(9..) else { return Some((second, second + SECOND)) };
            let width = SECOND / 10_i128.pow(u32::try_from(fraction.len().min(6)).unwrap());
            let micros = second + number(&fraction[..fraction.len().min(6)])? * width;
            Some((micros, micros + width))
        }
        _ => None,
    }
}

/// The span of an element: a date, a Period, or the outer limits of a Timing.
pub(crate) fn of(element: &Value) -> Option<Interval> {
    if let Some(text) = element.as_str() {
        return span(text);
    }
    if element.get("start").is_some() || element.get("end").is_some() {
        let start = element["start"].as_str().map_or(Some(i128::MIN), |text| span(text).map(|s| s.0));
        let end = element["end"].as_str().map_or(Some(i128::MAX), |text| span(text).map(|s| s.1));
        return Some((start?, end?));
    }
    let events = element["event"].as_array().into_iter().flatten().filter_map(|event| span(event.as_str()?));
    let bounds = element["repeat"].get("boundsPeriod").and_then(of);
    events.chain(bounds).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// The table of prefixes, R4 search §3.1.1.4.5: the search value's range against the element's.
pub(crate) fn holds(prefix: &str, wanted: Interval, found: Interval) -> bool {
    let contains = wanted.0 <= found.0 && found.1 <= wanted.1;
    match prefix {
        "eq" => contains,
        "ne" => !contains,
        "gt" => found.1 > wanted.1,
        "lt" => found.0 < wanted.0,
        "ge" => found.1 > wanted.1 || contains,
        "le" => found.0 < wanted.0 || contains,
        "sa" => found.0 >= wanted.1,
        "eb" => found.1 <= wanted.0,
        other => panic!("prefix {other}"),
    }
}

#[test]
fn spans_are_right_where_they_are_known() {
    assert_eq!(span("1970"), Some((0, 365 * DAY)));
    assert_eq!(span("2000-02"), Some((949_363_200 * SECOND, 951_868_800 * SECOND)));
    assert_eq!(span("2001-09-09T01:46:40Z"), Some((1_000_000_000 * SECOND, 1_000_000_001 * SECOND)));
    assert_eq!(span("2001-09-08T21:46:40.5-04:00"), Some((1_000_000_000_500_000, 1_000_000_000_600_000)));
}
