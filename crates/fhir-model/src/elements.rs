//! What FHIR R4 says of each primitive element: its type, the codes of its required binding.
//!
//! The tables name an element by its path from its resource (`Slot.start`) where that decides, else by its name alone
//! (`start`, as in every Period).

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::primitive::Primitive;

static PRIMITIVES: LazyLock<HashMap<&str, Option<Primitive>>> = LazyLock::new(|| {
    let rows = table(include_str!("../data/primitives.txt"));
    rows.map(|(element, kind)| (element, Primitive::named(kind))).collect()
});

static CODES: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| table(include_str!("../data/codes.txt")).collect());

static ALIASES: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| table(include_str!("../data/aliases.txt")).collect());

fn table(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '))
}

/// The path of a member of the element at `path`; where the definition says "same content as", that other path.
pub(crate) fn child(path: &str, name: &str) -> String {
    let joined = format!("{path}.{}", name.trim_start_matches('_'));
    ALIASES.get(joined.as_str()).map_or(joined, |other| (*other).to_owned())
}

/// The primitive type of an element whose values have a form to check.
pub(crate) fn primitive(path: &str) -> Option<Primitive> {
    // Element.id and Resource.id have no row: the caller knows which of the two it stands on.
    look_up(&PRIMITIVES, path).copied().flatten()
}

/// Whether a code is one of its element's required binding; true where the codes are too many to list.
pub(crate) fn is_bound(path: &str, code: &str) -> bool {
    match look_up(&CODES, path) {
        None | Some(&"-") => true,
        Some(codes) => codes.split(' ').any(|known| known == code),
    }
}

fn look_up<'t, V>(table: &'t HashMap<&str, V>, path: &str) -> Option<&'t V> {
    let name = path.rsplit('.').next().unwrap_or(path);
    table.get(path).or_else(|| table.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_decides_before_the_name() {
        assert_eq!(primitive("Slot.start"), Some(Primitive::Instant));
        assert_eq!(primitive("Encounter.period.start"), Some(Primitive::DateTime));
        assert_eq!(primitive("Patient.birthDate"), Some(Primitive::Date));
        assert_eq!(primitive("Patient.name.family"), None);
        assert_eq!(primitive("Observation.valueDateTime"), Some(Primitive::DateTime));
        assert_eq!(primitive("Observation.component.valueInteger"), Some(Primitive::Integer));
    }

    #[test]
    fn repeated_content_has_the_rules_of_its_definition() {
        assert_eq!(child("Questionnaire.item", "item"), "Questionnaire.item");
        assert_eq!(child("Bundle.entry", "link"), "Bundle.link");
        assert_eq!(child("Patient", "_birthDate"), "Patient.birthDate");
    }

    #[test]
    fn required_bindings_are_closed_and_other_codes_open() {
        assert!(is_bound("Patient.gender", "female"));
        assert!(!is_bound("Patient.gender", "banana split"));
        assert!(is_bound("Patient.name.use", "maiden"));
        assert!(!is_bound("Patient.name.use", "nickname2"));
        assert!(is_bound("Patient.language", "tlh"));
        assert!(is_bound("Observation.code.coding.code", "85354-9"));
    }

    #[test]
    fn every_row_is_understood() {
        for (element, kind) in table(include_str!("../data/primitives.txt")) {
            assert!(kind == "-" || Primitive::named(kind).is_some(), "{element} {kind}");
        }
        assert!(PRIMITIVES.len() > 600 && CODES.len() > 300 && ALIASES.len() > 50);
    }
}
