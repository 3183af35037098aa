//! One form for each way to write a name, a date and a number.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Words behind a family name that are none of it.
const SUFFIXES: [&str; 8] = ["jr", "sr", "ii", "iii", "iv", "v", "md", "phd"];
/// A part of a family name may stand for the whole if it has so many letters.
const SHORTEST_PART: usize = 3;
/// A name in which one letter may be wrong has so many.
const SHORTEST_NEAR: usize = 5;

/// The words of a name without case, marks, apostrophes and periods. What a hyphen joins are two words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.nfkd().filter(|c| !is_combining_mark(*c)) {
        if c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}' | ',') {
            words.push(String::new());
        } else if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_uppercase().flat_map(char::to_lowercase));
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The words of a family name without what stands behind it. A name that is nothing else keeps it.
fn family_words(name: &str) -> Vec<String> {
    let all = words(name);
    let kept: Vec<String> = all.iter().filter(|word| !SUFFIXES.contains(&word.as_str())).cloned().collect();
    if kept.is_empty() { all } else { kept }
}

/// Whether two family names are one: equal, the same parts in another order, or one part of two or more that has three
/// letters.
#[must_use]
pub fn same_family_name(said: &str, known: &str) -> bool {
    let (said, known) = (family_words(said), family_words(known));
    if said.is_empty() || known.is_empty() {
        return false;
    }
    let set = |words: &[String]| words.iter().cloned().collect::<BTreeSet<_>>();
    let is_part = |part: &[String], whole: &[String]| matches!(part, [only] if only.chars().count() >= SHORTEST_PART && whole.len() > 1 && whole.contains(only));
    said.concat() == known.concat() || set(&said) == set(&known) || is_part(&said, &known)
}

/// Whether a given name is one of the record: all of them, or the first of them. One letter is enough only where the
/// record has no more.
pub(super) fn same_given_name(said: &str, known: &[String]) -> bool {
    let known: Vec<String> = known.iter().flat_map(|name| words(name)).collect();
    let said = words(said);
    let (Some(first), Some(first_known)) = (said.first(), known.first()) else { return false };
    said.concat() == known.concat() || first == first_known
}

/// Family name and first given name in one spelling: without case, marks, order of the parts, and what stands behind.
pub(super) fn one_spelling(family: &str, given: &str) -> String {
    let mut family = family_words(family);
    family.sort();
    format!("{}, {}", family.concat(), words(given).first().cloned().unwrap_or_default())
}

/// Whether two names are written alike but for case, marks and punctuation.
#[must_use]
pub fn same_name(a: &str, b: &str) -> bool {
    let (a, b) = (words(a), words(b));
    !a.is_empty() && a.concat() == b.concat()
}

/// Whether one letter more, less or other makes one family name of the other.
pub(super) fn is_one_edit(said: &str, known: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) =
        (family_words(said).concat().chars().collect(), family_words(known).concat().chars().collect());
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short.len() < SHORTEST_NEAR || long.len() - short.len() > 1 {
        return false;
    }
    let same_front = short.iter().zip(&long).take_while(|(a, b)| a == b).count();
    let same_back = short.iter().rev().zip(long.iter().rev()).take_while(|(a, b)| a == b).count();
    same_front + same_back + 1 >= long.len()
}

/// Whether two numbers of a record are one: spaces, hyphens, leading zeros and letters before the digits do not count.
pub(super) fn same_number(said: &str, known: &str) -> bool {
    let (said, known) = (number(said), number(known));
    !said.is_empty() && said == known
}

pub(super) fn number(text: &str) -> String {
    let plain: String = text.nfkc().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
    let digits = plain.trim_start_matches(|c: char| c.is_alphabetic());
    let kept = if digits.is_empty() { plain.as_str() } else { digits };
    kept.trim_start_matches('0').to_owned()
}

/// A whole date, as a form sends it (`2010-02-28`) or as people in the United States write it (`2/28/2010`), as a FHIR
/// `date`.
#[must_use]
pub fn birth_date(typed: &str) -> Option<String> {
    let typed = typed.trim();
    let (year, month, day) = match typed.split('/').collect::<Vec<_>>().as_slice() {
        [month, day, year] => (*year, *month, *day),
        _ => match typed.split('-').collect::<Vec<_>>().as_slice() {
            [year, month, day] => (*year, *month, *day),
            _ => return None,
        },
    };
    let digits = |text: &str, most: usize| {
        (!text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.to_owned())
    };
    let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
    let date = jiff::civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    (date.year() >= 1_850).then(|| date.to_string())
}

pub(super) fn is_partial(date: &str) -> bool {
    date.len() < 10
}

pub(super) fn are_day_and_month_exchanged(a: &str, b: &str) -> bool {
    let parts = |date: &str| {
        let mut parts = date.split('-').map(str::to_owned);
        Some((parts.next()?, parts.next()?, parts.next()?))
    };
    match (parts(a), parts(b)) {
        (Some(a), Some(b)) => a.0 == b.0 && a.1 == b.2 && a.2 == b.1 && a.1 != a.2,
        _ => false,
    }
}
