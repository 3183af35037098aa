//! Dates and times as people read them.

use crate::http::pages::{language, say_with};
use crate::identity::Language;
use crate::mail::spanish_month;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::Value;

/// In whose time zone.
pub(super) struct When(Option<TimeZone>);

impl When {
    pub(super) const fn new(zone: Option<TimeZone>) -> Self {
        Self(zone)
    }

    /// A FHIR date, dateTime or instant (FHIR R4 datatypes.html). A time is told in the practice's zone, which it names;
    /// where that is not known, on the clock that it was sent with. What is known to the month is told to the month.
    pub(super) fn tell(&self, value: &str) -> String {
        if let Some(said) = self.time(value) {
            return said;
        }
        if let Ok(day) = value.parse::<Date>() {
            return written(day);
        }
        let month = format!("{value}-01").parse::<Date>();
        month.map_or_else(|_| value.to_owned(), month_of)
    }

    fn time(&self, value: &str) -> Option<String> {
        let (_, clock) = value.split_once('T')?;
        if let Some(zone) = &self.0 {
            let at: Timestamp = value.parse().ok()?;
            let local = at.to_zoned(zone.clone());
            return Some(format!("{} {}", moment(local.datetime()), local.strftime("%Z")));
        }
        let offset = clock.rfind(['Z', '+', '-']).and_then(|at| clock.get(at..))?;
        let local: DateTime = value.strip_suffix(offset)?.parse().ok()?;
        let offset = if offset == "Z" { String::new() } else { offset.replace('-', "−") };
        Some(format!("{} (UTC{offset})", moment(local)))
    }

    /// The first of these elements that is there.
    pub(super) fn first(&self, resource: &Value, pointers: &[&str]) -> String {
        let mut found = pointers.iter().filter_map(|pointer| super::text(resource, pointer));
        found.next().map(|value| self.tell(value)).unwrap_or_default()
    }

    /// A Period, as far as it is bounded.
    pub(super) fn period(&self, period: Option<&Value>) -> Option<String> {
        let at = |end| super::text(period?, end).map(|value| self.tell(value));
        match (at("/start"), at("/end")) {
            (Some(start), Some(end)) if start == end => Some(start),
            (Some(start), Some(end)) => Some(say_with("record.period", &[("start", &start), ("end", &end)])),
            (Some(start), None) => Some(say_with("record.since", &[("start", &start)])),
            (None, Some(end)) => Some(say_with("record.until", &[("end", &end)])),
            (None, None) => None,
        }
    }
}

/// From Sunday.
const SPANISH_DAYS: [&str; 7] = ["domingo", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado"];

fn written(day: Date) -> String {
    match language() {
        Language::English => day.strftime("%B %-d, %Y").to_string(),
        Language::Spanish => format!("{} de {} de {}", day.day(), spanish_month(day.month()), day.year()),
    }
}

fn month_of(first: Date) -> String {
    match language() {
        Language::English => first.strftime("%B %Y").to_string(),
        Language::Spanish => format!("{} de {}", spanish_month(first.month()), first.year()),
    }
}

fn moment(local: DateTime) -> String {
    match language() {
        Language::English => local.strftime("%A, %B %-d, %Y, %-I:%M %p").to_string(),
        Language::Spanish => {
            let index = usize::try_from(local.weekday().to_sunday_zero_offset()).unwrap_or_default();
            let weekday = SPANISH_DAYS.get(index).copied().unwrap_or_default();
            let half = if local.hour() < 12 { "a. m." } else { "p. m." };
            format!("{weekday}, {}, {} {half}", written(local.date()), local.strftime("%-I:%M"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pages::read_by;

    /// By hand, as it is written in the United States in Spanish.
    #[test]
    fn in_spanish_days_come_before_months() {
        let said = |value: &str| {
            read_by(Language::Spanish, "Ana", || When::new(TimeZone::get("America/New_York").ok()).tell(value))
        };
        assert_eq!(said("2026-08-04T14:30:00+00:00"), "martes, 4 de agosto de 2026, 10:30 a. m. EDT");
        assert_eq!(said("2026-01-04T00:30:00Z"), "sábado, 3 de enero de 2026, 7:30 p. m. EST");
        assert_eq!(said("2026-08-04T16:00:00Z"), "martes, 4 de agosto de 2026, 12:00 p. m. EDT");
        assert_eq!((said("2026-08-04").as_str(), said("2026-08").as_str()), ("4 de agosto de 2026", "agosto de 2026"));
        assert_eq!(said("some day"), "some day");
    }

    /// By hand, from a calendar.
    #[test]
    fn times_name_their_day_and_zone_and_dates_claim_no_more_than_they_know() {
        let when = When::new(TimeZone::get("America/New_York").ok());
        assert_eq!(when.tell("2026-08-04T14:30:00+00:00"), "Tuesday, August 4, 2026, 10:30 AM EDT");
        assert_eq!(when.tell("2026-01-04T00:30:00Z"), "Saturday, January 3, 2026, 7:30 PM EST");
        assert_eq!(when.tell("2026-08-04"), "August 4, 2026");
        assert_eq!(when.tell("2026-08"), "August 2026");
        assert_eq!(when.tell("2026"), "2026");
        assert_eq!(when.tell("some day"), "some day");
    }

    /// Rule: without a zone nobody's clock is turned.
    #[test]
    fn without_a_zone_the_clock_is_the_senders() {
        let when = When::new(None);
        assert_eq!(when.tell("2026-08-04T21:30:00-07:00"), "Tuesday, August 4, 2026, 9:30 PM (UTC−07:00)");
        assert_eq!(when.tell("2026-08-04T09:00:00.250+02:00"), "Tuesday, August 4, 2026, 9:00 AM (UTC+02:00)");
        assert_eq!(when.tell("2026-08-04T14:30:00Z"), "Tuesday, August 4, 2026, 2:30 PM (UTC)");
        let period = serde_json::json!({"start": "2026-01-01", "end": "2026-02"});
        assert_eq!(when.period(Some(&period)).unwrap(), "January 1, 2026 to February 2026");
    }
}
