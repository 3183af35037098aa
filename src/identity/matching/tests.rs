//! The table of outcomes: who says what, which patients the EHR has, and what comes of it. By hand; the pairs stand in
//! `tests/matching/pairs.tsv`, and are counted there.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

const PAIRS: &str = include_str!("../../../tests/matching/pairs.tsv");
const PATIENTS: &str = include_str!("../../../tests/matching/patients.ndjson");
/// 2026-09-15T13:00:00Z.
const NOW: Instant = Instant::from_micros(1_789_477_200_000_000);

fn patients() -> BTreeMap<String, ChartPatient> {
    let read = |line: &str| ChartPatient::read(&serde_json::from_str::<Value>(line).unwrap()).unwrap();
    PATIENTS.lines().filter(|line| !line.is_empty()).map(read).map(|patient| (patient.id.clone(), patient)).collect()
}

struct Pair<'t> {
    line: usize,
    said: Said,
    expected: &'t str,
}

fn pairs() -> impl Iterator<Item = Pair<'static>> {
    PAIRS.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(n, line)| {
        let [given, family, birth_date, number, expected] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("line {}: five columns, tabs between them", n + 1);
        };
        let said = Said {
            given: given.to_owned(),
            family: family.to_owned(),
            birth_date: birth_date.to_owned(),
            number: number.to_owned(),
        };
        Pair { line: n + 1, said, expected }
    })
}

/// What an EHR finds for a claim: everybody born that day, and everybody with that number.
fn candidates(said: &Said, all: &BTreeMap<String, ChartPatient>) -> Vec<ChartPatient> {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let fits = |patient: &&ChartPatient| {
        patient.birth_date.as_deref() == Some(&said.birth_date)
            || patient.numbers.iter().any(|number| !digits(number).is_empty() && digits(number) == digits(&said.number))
    };
    all.values().filter(fits).cloned().collect()
}

#[test]
fn i07_the_table_of_outcomes_holds_with_no_false_link() {
    let all = patients();
    let (mut total, mut accepted, mut false_links) = (0, 0, 0);
    for pair in pairs() {
        total += 1;
        let verdict = verdict(&pair.said, &candidates(&pair.said, &all), NOW);
        let outcome = match &verdict {
            Verdict::Accept { patient, contact: Contact::Phone(_) } => format!("{patient} phone"),
            Verdict::Accept { patient, contact: Contact::Email(_) } => format!("{patient} email"),
            Verdict::Queue { doubts, .. } => doubts.iter().map(|doubt| doubt.as_str()).collect::<Vec<_>>().join(" "),
        };
        if let Verdict::Accept { patient, .. } = &verdict {
            accepted += 1;
            let is_expected = pair.expected.split(' ').next() == Some(patient);
            false_links += usize::from(!is_expected);
        }
        assert_eq!(outcome, pair.expected, "line {}", pair.line);
    }
    assert!(total >= 200, "{total} pairs");
    assert_eq!(false_links, 0);
    assert!(accepted >= 60, "{accepted} of {total} link by themselves: a table of refusals alone would prove nothing");
}

/// Rule: two patients who both fit are staff's to tell apart, and look like none to whoever asks.
#[test]
fn i07_two_who_fit_are_nobody() {
    let all = patients();
    let one = all["p-ana"].clone();
    let twin = ChartPatient { id: "other".to_owned(), ..one.clone() };
    let said = Said {
        given: "Ana".to_owned(),
        family: "Alvarez".to_owned(),
        birth_date: one.birth_date.clone().unwrap(),
        number: one.numbers[0].clone(),
    };
    assert!(matches!(verdict(&said, std::slice::from_ref(&one), NOW), Verdict::Accept { .. }));
    let expected = Verdict::Queue { patient: None, doubts: vec![Doubt::SeveralCandidates] };
    assert_eq!(verdict(&said, &[one, twin], NOW), expected);
    assert_eq!(verdict(&said, &[], NOW), Verdict::Queue { patient: None, doubts: vec![Doubt::NoCandidate] });
}

#[test]
fn a_contact_counts_once_it_stood_for_a_month() {
    let patient = |telecom: Value, updated: &str| {
        ChartPatient::read(&json!({
            "resourceType": "Patient", "id": "x", "meta": {"lastUpdated": updated}, "telecom": telecom
        }))
        .unwrap()
        .contact(NOW)
        .map(|contact| contact.text().to_owned())
    };
    let (long_ago, lately) = ("2026-01-01T00:00:00Z", "2026-09-14T00:00:00Z");
    let phone = |period: Value| json!([{"system": "phone", "value": "+1 503 555 0100", "period": period}]);
    let number = Some("+1 503 555 0100".to_owned());
    assert_eq!(patient(phone(json!({})), long_ago), number);
    assert_eq!(patient(phone(json!({})), lately), None, "the record changed: the number may be new");
    assert_eq!(patient(phone(json!({"start": "2024"})), lately), number);
    assert_eq!(patient(phone(json!({"start": "2026-09-01"})), long_ago), None);
    assert_eq!(patient(phone(json!({"start": "2026"})), lately), None, "some day of this year");
    assert_eq!(patient(phone(json!({"start": "2020", "end": "2025"})), long_ago), None);
    let both = json!([{"system": "email", "value": "a@b.example"}, {"system": "phone", "value": "+1 503 555 0100"}]);
    assert_eq!(patient(both, long_ago), number, "a phone before an address");
    assert_eq!(patient(json!([{"system": "fax", "value": "1"}]), long_ago), None);
}

#[test]
fn dates_are_read_as_people_type_them() {
    for (typed, date) in [
        ("1964-03-12", Some("1964-03-12")),
        (" 1964-3-2 ", Some("1964-03-02")),
        ("3/12/1964", Some("1964-03-12")),
        ("02/29/2012", Some("2012-02-29")),
        ("2013-02-29", None),
        ("13/12/1964", None),
        ("1964", None),
        ("1964-03", None),
        ("1801-01-01", None),
        ("", None),
        ("12.3.1964", None),
    ] {
        assert_eq!(birth_date(typed).as_deref(), date, "{typed}");
    }
}
