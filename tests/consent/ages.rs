//! What those who act for a minor see where it is not plain how old somebody is: born on 29 February, a year or a month alone,
//! nothing, several birth dates, another time zone. From the rules of `bands`, by counting out every day that may be meant.
//! `ages_table.txt` is for reading; `CHARTGATE_BLESS=1` writes it anew.

use std::fmt::Write as _;

use jiff::civil::{Date, date};
use serde_json::{Value, json};

use super::bands::{ITEMS, RULES, Shows, expected, question, read_or_bless, seen};
use super::generate::DAY;
use super::real::TABLES;

const POLICIES: [&str; 6] = ["standard", "us-ca", "us-ny", "us-wa", "us-tx", "gb-eng"];
const LABELS: [Option<&str>; 2] = [None, Some("STD")];

/// When it is asked: what it is called, the moment in UTC, and how many hours the practice is from there.
type Moment = (&'static str, i64, i64);

/// 2026-05-03T00:00:00Z, and 2026-02-28.
const THIRD_OF_MAY: i64 = 1_777_766_400_000_000;
const END_OF_FEBRUARY: i64 = 1_772_236_800_000_000;
const HOUR: i64 = DAY / 24;

const MOMENTS: [Moment; 4] = [
    ("noon", THIRD_OF_MAY + DAY / 2, 0),
    ("the first moment of 3 May in Auckland", THIRD_OF_MAY - 12 * HOUR, 12),
    ("the same moment in Honolulu, where it is 2 May", THIRD_OF_MAY - 12 * HOUR, -10),
    ("the last moment of 2 May in New York", THIRD_OF_MAY + 4 * HOUR - 1, -4),
];

/// Birth dates as charts of one practice and others have them, and the days that each may mean.
fn births() -> Vec<(&'static str, Vec<&'static str>)> {
    vec![
        ("twelve today", vec!["2014-05-03"]),
        ("a year alone", vec!["2012"]),
        ("a year in which they may be of age", vec!["2008"]),
        ("a year in which they are a child", vec!["2018"]),
        ("a month alone", vec!["2014-05"]),
        ("a month alone, before the birthday", vec!["2014-06"]),
        ("nothing", vec![]),
        ("an empty text", vec![""]),
        ("no date", vec!["soon"]),
        ("a day that there is not", vec!["2014-02-30"]),
        ("two that agree", vec!["2018-01-01", "2018-01-01"]),
        ("two that do not: a child and a teenager", vec!["2018-01-01", "2012-01-01"]),
        ("two that do not: a teenager and of age", vec!["2012-01-01", "2006-01-01"]),
        ("two that do not: a child and a year alone", vec!["2018-01-01", "2014"]),
        ("a child and nothing", vec!["2018-01-01", ""]),
    ]
}

/// Every day that a text may mean; none stands for any day at all.
fn days(text: &str) -> Option<Vec<Date>> {
    let numbers: Vec<i16> = text.split('-').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let in_month = |year: i16, month: i8| (1..=31).filter_map(move |day| Date::new(year, month, day).ok());
    let all: Vec<Date> = match *numbers.as_slice() {
        [year] => (1..=12).flat_map(|month| in_month(year, month)).collect(),
        [year, month] => in_month(year, i8::try_from(month).ok()?).collect(),
        [year, month, day] => Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).into_iter().collect(),
        _ => Vec::new(),
    };
    (!all.is_empty()).then_some(all)
}

/// The day on which somebody is so many years old; those born on 29 February on 1 March where there is none.
fn birthday(born: Date, years: i16) -> Date {
    let year = born.year() + years;
    Date::new(year, born.month(), born.day()).unwrap_or_else(|_| date(year, 3, 1))
}

/// What a policy shows of somebody who was born then.
fn shows(policy: &str, born: Date, today: Date) -> Shows {
    let of_policy = RULES.iter().filter(|(name, ..)| *name == policy);
    let mut begun = of_policy.filter(|(_, years, offset, _)| {
        *years == 0 || birthday(born, *years).checked_add(jiff::Span::new().days(*offset)).unwrap() <= today
    });
    begun.next_back().unwrap().3
}

/// The least that any day that may be meant lets through.
pub(super) fn least(policy: &str, births: &[&str], today: Date, category: &str, label: Option<&str>) -> &'static str {
    let order = ["no", "outline", "whole"];
    let place = |seen: &str| order.iter().position(|known| *known == seen).unwrap();
    let of_rule = |shows| place(expected(shows, category, label));
    let all_of =
        |policy: &str| RULES.iter().filter(|(name, ..)| *name == policy).map(|(.., shows)| of_rule(*shows)).min();
    let of_text = |text: &&str| match days(text) {
        Some(days) => days.into_iter().map(|born| of_rule(shows(policy, born, today))).min(),
        None => all_of(policy),
    };
    let found = if births.is_empty() { all_of(policy) } else { births.iter().filter_map(of_text).min() };
    order[found.unwrap()]
}

fn today_at((_, now, hours): Moment) -> Date {
    let at = jiff::Timestamp::from_microsecond(now + hours * HOUR).unwrap();
    at.to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn asked(policy: &str, births: &[&str], moment: Moment, item: usize, label: Option<&str>) -> Value {
    let mut question = question(policy, "parent", date(2018, 1, 1), ITEMS[item], label);
    question["births"] = json!(births);
    question["now"] = json!(moment.1);
    question["zone"] = json!(moment.2);
    question["today"] = json!(today_at(moment).to_string());
    question["grants"][0]["from"] = json!(moment.1 - 30 * DAY);
    question
}

/// What is shown, as the table has it; the decision says the same.
fn line(policy: &str, births: &[&str], moment: Moment, label: Option<&str>) -> String {
    let today = today_at(moment);
    let shown = ITEMS.iter().enumerate().map(|(at, (category, ..))| {
        let expected = least(policy, births, today, category, label);
        let question = asked(policy, births, moment, at, label);
        assert_eq!(seen(&question), expected, "{policy} {births:?} {} {category} {label:?}", moment.0);
        format!("{category}={expected}")
    });
    let shown: Vec<String> = shown.filter(|entry| !entry.ends_with("=no")).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(" ") }
}

#[test]
fn i17_where_an_age_is_not_plain_every_day_that_may_be_meant_has_its_say() {
    let mut table = String::new();
    let mut write = |policy: &str, what: &str, births: &[&str], moment: Moment| {
        for label in LABELS {
            let shown = line(policy, births, moment, label);
            let label = label.unwrap_or("no label");
            writeln!(table, "{policy} | {what}: {births:?} | {} | {label} | {shown}", moment.0).unwrap();
        }
    };
    for policy in POLICIES {
        assert!(TABLES.0.contains_key(policy));
        for (what, births) in births() {
            write(policy, what, &births, MOMENTS[0]);
        }
        // A boundary is a midnight of the practice's own.
        let (years, offset) =
            RULES.iter().find(|(name, years, ..)| *name == policy && *years > 0).map(|r| (r.1, r.2)).unwrap();
        let birth = date(2026 - years, 5, 3).checked_sub(jiff::Span::new().days(offset)).unwrap().to_string();
        for moment in &MOMENTS[1..] {
            write(policy, "its first boundary is 3 May", &[&birth], *moment);
        }
        // Born on 29 February: in a year that has none the day is 1 March.
        for (at, days) in [("27 February", -1), ("28 February", 0), ("1 March", 1), ("2 March", 2)] {
            for leap in ["2012-02-29", "2008-02-29"] {
                write(policy, "a leap day", &[leap], (at, END_OF_FEBRUARY + days * DAY + DAY / 2, 0));
            }
        }
    }
    read_or_bless("ages_table.txt", &table);
}
