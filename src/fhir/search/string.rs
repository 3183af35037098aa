//! String parameters: comparison without case and accents, FHIR R4 search §3.1.1.4.8.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::fragment::Fragment;
use crate::fhir::knowledge::DataType;

/// The form in which strings are compared: decomposed, without accents and other combining marks, without case,
/// without punctuation, and with single spaces ("punctuation and non-significant whitespace SHOULD also be ignored").
#[must_use]
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut space = false;
    for c in text.nfd() {
        if c.is_whitespace() {
            space = !folded.is_empty();
        } else if !is_combining_mark(c) && !is_punctuation(c) {
            if std::mem::take(&mut space) {
                folded.push(' ');
            }
            // Upper, then lower case: `ß` and `SS`, final and plain sigma meet.
            folded.extend(c.to_uppercase().flat_map(char::to_lowercase));
        }
    }
    folded
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(c, '\u{a1}' | '\u{ab}' | '\u{b7}' | '\u{bb}' | '\u{bf}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}')
}

/// How a string parameter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// The default: the folded value begins with the folded parameter.
    Prefix,
    /// `:exact`: equal, with case and accents.
    Exact,
    /// `:contains`: the folded parameter occurs in the folded value.
    Contains,
}

impl Comparison {
    /// Whether the element's text matches the parameter's. A parameter that folds to nothing matches nothing.
    pub(super) fn holds(self, wanted: &str, found: &str) -> bool {
        if self == Self::Exact {
            return wanted == found;
        }
        let wanted = fold(wanted);
        if wanted.is_empty() {
            return false;
        }
        let found = fold(found);
        if self == Self::Prefix { found.starts_with(&wanted) } else { found.contains(&wanted) }
    }
}

/// The string parts of a `HumanName` that a search looks at.
const HUMAN_NAME: &[&str] = &["family", "given", "prefix", "suffix", "text"];
/// The string parts of an `Address` that a search looks at.
const ADDRESS: &[&str] = &["line", "city", "district", "state", "postalCode", "country", "text"];

/// Whether any text of an element satisfies `holds`. Of complex types those parts count that a person would search by.
pub(super) fn any_part(found: Fragment<'_>, datatype: DataType, holds: &mut dyn FnMut(&str) -> bool) -> bool {
    let parts = match datatype {
        DataType::HumanName => HUMAN_NAME,
        DataType::Address => ADDRESS,
        DataType::CodeableConcept => {
            let codings = found.get("coding").into_iter().flat_map(Fragment::each);
            let mut displays = codings.filter_map(|coding| coding.get("display")?.text());
            return found.get("text").and_then(Fragment::text).is_some_and(|text| holds(&text))
                || displays.any(|text| holds(&text));
        }
        DataType::Coding => &["display"],
        DataType::Identifier | DataType::ContactPoint => &["value"],
        _ => return found.text().is_some_and(|text| holds(&text)),
    };
    parts
        .iter()
        .filter_map(|part| found.get(part))
        .flat_map(Fragment::each)
        .any(|part| part.text().is_some_and(|text| holds(&text)))
}
