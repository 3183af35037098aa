//! A second evaluator, written from the specification on JSON trees and sharing no code with the first: dates through
//! another calendar in nanoseconds, folding through a table of letters, tokens on the parsed tree. Random resources and
//! queries must get the same answer from both.

use jiff::civil::Date;
use jiff::{Span, Timestamp, ToSpan, Zoned, tz::TimeZone};
use serde_json::{Value as Json, json};

use super::fuzz::Dice;
use super::*;

/// First and last nanosecond.
type Nanos = (i128, i128);

fn nanos(moment: &Zoned) -> i128 {
    moment.timestamp().as_nanosecond()
}

/// A FHIR date or time as its first and last nanosecond.
pub(super) fn range(text: &str) -> Option<Nanos> {
    let (start, width): (Zoned, Span) = if text.contains('T') {
        let (clock, zone) = match text.rfind(['Z', '+', '-']).filter(|at| *at > 10) {
            Some(at) => text.split_at(at),
            None => (text, "Z"),
        };
        let full = if clock.len() == 16 { format!("{clock}:00{zone}") } else { format!("{clock}{zone}") };
        let width = match clock.len() {
            16 => 1.minute(),
            19 => 1.second(),
            longer => (10_i64.pow(u32::try_from(29_usize.checked_sub(longer)?).ok()?)).nanoseconds(),
        };
        (full.parse::<Timestamp>().ok()?.to_zoned(TimeZone::UTC), width)
    } else {
        let (full, width) = match text.len() {
            4 => (format!("{text}-01-01"), 1.year()),
            7 => (format!("{text}-01"), 1.month()),
            _ => (text.to_owned(), 1.day()),
        };
        (full.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?, width)
    };
    Some((nanos(&start), nanos(&start.checked_add(width).ok()?) - 1))
}

/// A date element's range; an absent bound of a Period is infinite.
pub(super) fn element_range(element: &Json) -> Option<(Option<i128>, Option<i128>)> {
    if let Some(text) = element.as_str() {
        return range(text).map(|(first, last)| (Some(first), Some(last)));
    }
    let bound = |name: &str| element.get(name).and_then(Json::as_str).map(|text| range(text).unwrap());
    let (start, end) = (bound("start"), bound("end"));
    (start.is_some() || end.is_some()).then_some((start.map(|start| start.0), end.map(|end| end.1)))
}

/// The table of prefixes, word by word.
pub(super) fn date_matches(value: &str, (first, last): (Option<i128>, Option<i128>)) -> bool {
    let (prefix, text) = match value.get(..2) {
        Some(prefix) if prefix.chars().all(|c| c.is_ascii_lowercase()) => (prefix, &value[2..]),
        _ => ("eq", value),
    };
    let wanted = range(text).unwrap();
    let contained = first.is_some_and(|first| first >= wanted.0) && last.is_some_and(|last| last <= wanted.1);
    let reaches_above = last.is_none_or(|last| last > wanted.1);
    let reaches_below = first.is_none_or(|first| first < wanted.0);
    match prefix {
        "eq" => contained,
        "ne" => !contained,
        "gt" => reaches_above,
        "lt" => reaches_below,
        "ge" => reaches_above || contained,
        "le" => reaches_below || contained,
        "sa" => first.is_some_and(|first| first > wanted.1),
        "eb" => last.is_some_and(|last| last < wanted.0),
        other => panic!("{other}"),
    }
}

/// Every coding, identifier, code, string or boolean below an element, as (system, code).
pub(super) fn codes(element: &Json) -> Vec<(Option<String>, String)> {
    let text = |name: &str| element.get(name).and_then(Json::as_str).map(str::to_owned);
    if let Some(codings) = element.get("coding").and_then(Json::as_array) {
        return codings.iter().flat_map(codes).collect();
    }
    match element {
        Json::String(code) => vec![(Some("*".to_owned()), code.clone())],
        Json::Bool(value) => vec![(None, value.to_string())],
        _ => text("code").or_else(|| text("value")).map(|code| (text("system"), code)).into_iter().collect(),
    }
}

/// Whether a token without escapes matches. `*` is the system of a `code` element, which the data does not carry.
pub(super) fn token_matches(value: &str, codes: &[(Option<String>, String)]) -> bool {
    let same_code = |wanted: &str, code: &str| wanted.to_lowercase() == code.to_lowercase();
    codes.iter().any(|(system, code)| match value.split_once('|') {
        None => same_code(value, code),
        Some(("", wanted)) => same_code(wanted, code) && system.as_deref().is_none_or(|system| system == "*"),
        Some((wanted_system, wanted)) => {
            let same_system = match system.as_deref() {
                Some("*") => wanted_system.starts_with("http://hl7.org/fhir/"),
                system => system == Some(wanted_system),
            };
            same_system && (wanted.is_empty() || same_code(wanted, code))
        }
    })
}

/// Folding by a table: enough for the letters that the test uses.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.to_lowercase().chars() {
        match c {
            'á' | 'à' | 'ä' | 'å' | 'â' => plain.push('a'),
            'é' | 'è' | 'ë' | 'ê' => plain.push('e'),
            'ö' | 'ó' | 'ô' => plain.push('o'),
            'ü' | 'ú' => plain.push('u'),
            'ñ' => plain.push('n'),
            'ç' => plain.push('c'),
            'ß' => plain.push_str("ss"),
            '\u{301}' | '\u{308}' | '\u{303}' => {}
            '\t' | '\u{a0}' => plain.push(' '),
            c if c.is_ascii_punctuation() => {}
            c => plain.push(c),
        }
    }
    plain.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn random_date(dice: &mut Dice) -> String {
    let year = 2019 + dice.below(3);
    let month = [1, 2, 12][dice.below(3)];
    let day = [1, 2, 28][dice.below(3)];
    let date = format!("{year}-{month:02}-{day:02}");
    let time = dice.pick(&["00:00", "23:59", "12:30"]);
    let seconds = dice.pick(&["00", "59", "30"]);
    let zone = dice.pick(&["Z", "+00:00", "-05:00", "+14:00", "+05:30"]);
    match dice.below(7) {
        0 => format!("{year}"),
        1 => format!("{year}-{month:02}"),
        2 | 3 => date,
        4 => format!("{date}T{time}{zone}"),
        5 => format!("{date}T{time}:{seconds}{zone}"),
        _ => format!("{date}T{time}:{seconds}.{}{zone}", dice.pick(&["0", "5", "999", "123456"])),
    }
}

#[test]
fn dates_agree_with_the_model() {
    let mut dice = Dice(3);
    let mut hits = 0;
    for _ in 0..10_000 {
        let mut element = match dice.below(5) {
            0 => json!({"start": random_date(&mut dice)}),
            1 => json!({"end": random_date(&mut dice)}),
            2 => {
                let mut bounds = [random_date(&mut dice), random_date(&mut dice)];
                bounds.sort_by_key(|bound| range(bound).unwrap());
                json!({"start": bounds[0], "end": bounds[1]})
            }
            _ => Json::String(random_date(&mut dice)),
        };
        let member = if element.is_string() { "effectiveDateTime" } else { "effectivePeriod" };
        if let (Some(start), Some(end)) = (element.get("start"), element.get("end")) {
            // Bounds that overlap (2020 to 2020-01) have no right order; the wider one would end before it begins.
            if range(end.as_str().unwrap()).unwrap().1 < range(start.as_str().unwrap()).unwrap().0 {
                element = json!({"start": start});
            }
        }
        let text = json!({"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"}, member: element});
        let value =
            format!("{}{}", dice.pick(&["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]), random_date(&mut dice));
        let expected = date_matches(&value, element_range(&element).unwrap());
        hits += usize::from(expected);
        assert_eq!(found(&text.to_string(), &format!("date={value}")), expected, "{value} against {element}");
    }
    assert!((2_000..8_000).contains(&hits), "{hits}");
}

#[test]
fn tokens_agree_with_the_model() {
    let mut dice = Dice(5);
    let mut hits = 0;
    const SYSTEMS: &[&str] = &["http://loinc.org", "http://snomed.info/sct", "http://hl7.org/fhir/observation-status"];
    const CODES: &[&str] = &["a", "A", "b", "final", "Ä", "ä", "amended", "1-2"];
    for _ in 0..10_000 {
        let concept = |dice: &mut Dice| {
            let codings: Vec<_> = (0..dice.below(3))
                .map(|_| match dice.below(2) {
                    0 => json!({"code": dice.pick(CODES)}),
                    _ => json!({"system": dice.pick(SYSTEMS), "code": dice.pick(CODES)}),
                })
                .collect();
            if codings.is_empty() { json!({"text": "a"}) } else { json!({"coding": codings, "text": "a"}) }
        };
        let status = dice.pick(&["final", "amended"]);
        let (code, categories) = (concept(&mut dice), vec![concept(&mut dice), concept(&mut dice)]);
        let text = json!({"resourceType":"Observation","id":"o","status":status,"code":code,"category":categories});
        let (name, elements) = match dice.below(3) {
            0 => ("status", vec![json!(status)]),
            1 => ("code", vec![code.clone()]),
            _ => ("category", categories.clone()),
        };
        let found_codes: Vec<_> = elements.iter().flat_map(codes).collect();
        let values: Vec<_> = (0..=dice.below(2))
            .map(|_| match dice.below(4) {
                0 => dice.pick(CODES).to_owned(),
                1 => format!("|{}", dice.pick(CODES)),
                2 => format!("{}|", dice.pick(SYSTEMS)),
                _ => format!("{}|{}", dice.pick(SYSTEMS), dice.pick(CODES)),
            })
            .collect();
        let negated = dice.below(3) == 0;
        let expected = negated != values.iter().any(|value| token_matches(value, &found_codes));
        hits += usize::from(expected);
        let query = format!("{name}{}={}", if negated { ":not" } else { "" }, values.join(","));
        assert_eq!(found(&text.to_string(), &query), expected, "{query} against {text}");
    }
    assert!((2_000..8_000).contains(&hits), "{hits}");
}

#[test]
fn strings_agree_with_the_model() {
    let mut dice = Dice(9);
    let mut hits = 0;
    const SYLLABLES: &[&str] = &[
        "a", "Á", "é", "E", "ß", "SS", "s", "ü", "u\u{308}", "ñ", "'", "-", " ", "  ", "\t", "o", "Ö", "\\", "\"", ".",
        "ç",
    ];
    for _ in 0..10_000 {
        let word = |dice: &mut Dice, longest: usize| {
            (0..=dice.below(longest)).map(|_| dice.pick(SYLLABLES)).collect::<String>()
        };
        let (family, given, other) = (word(&mut dice, 5), word(&mut dice, 3), word(&mut dice, 3));
        let text = json!({"resourceType":"Patient","id":"p","name":[{"family":family,"given":[given,other],"use":"official"}]});
        let value =
            if dice.below(3) == 0 { family.chars().take(1 + dice.below(4)).collect() } else { word(&mut dice, 2) };
        let (name, parts) = match dice.below(3) {
            0 => ("family", vec![&family]),
            1 => ("given", vec![&given, &other]),
            _ => ("name", vec![&family, &given, &other]),
        };
        let wanted = plain(&value);
        let (modifier, expected) = match dice.below(3) {
            0 => ("", !wanted.is_empty() && parts.iter().any(|part| plain(part).starts_with(&wanted))),
            1 => (":contains", !wanted.is_empty() && parts.iter().any(|part| plain(part).contains(&wanted))),
            _ => (":exact", parts.iter().any(|part| **part == value)),
        };
        hits += usize::from(expected);
        let pair = (format!("{name}{modifier}"), value.replace('\\', "\\\\"));
        let query = parse(knowledge(), ResourceType::Patient, std::slice::from_ref(&pair), Handling::Strict).unwrap();
        let answer = matches(&query, &resource(&text.to_string()), &evaluation());
        assert_eq!(answer, expected, "{pair:?} against {text}");
    }
    assert!((1_000..9_000).contains(&hits), "{hits}");
}
