//! Token parameters, FHIR R4 search §3.1.1.4.10.

use super::fragment::Fragment;
use super::query::TokenValue;
use crate::fhir::knowledge::DataType;

/// What an element says about the system of its code.
#[derive(Clone, Copy)]
enum System<'a> {
    /// It names the system.
    Stated(&'a str),
    /// It could, and does not.
    Absent,
    /// A `code`: its system is that of its required value set, and the data does not carry it.
    Implicit,
    /// A type for which a token with a `|` is never right (ContactPoint, uri, boolean).
    None,
}

/// Where the code systems of FHIR's own required bindings live. A `code` element whose code fits is taken to be of the
/// system that the search names when the system is one of these: nothing is known to contradict it. Any other system
/// (LOINC, SNOMED CT, a local one) never fits a `code` element.
const BOUND_SYSTEMS: &[&str] = &[
    "http://hl7.org/fhir/",
    "http://terminology.hl7.org/CodeSystem/",
    "urn:ietf:bcp:13",
    "urn:ietf:bcp:47",
    "urn:iso:std:iso:4217",
    "https://www.iana.org/time-zones",
];

impl System<'_> {
    fn is(self, wanted: &str) -> bool {
        match self {
            Self::Stated(system) => system == wanted,
            Self::Implicit => BOUND_SYSTEMS.iter().any(|known| wanted.starts_with(known)),
            Self::Absent | Self::None => false,
        }
    }
}

/// Whether an element of this datatype has the wanted token.
pub(super) fn holds(wanted: &TokenValue, found: Fragment<'_>, datatype: DataType) -> bool {
    let member = |name| found.get(name).and_then(Fragment::text);
    match datatype {
        DataType::CodeableConcept => found
            .get("coding")
            .is_some_and(|codings| codings.each().any(|coding| holds(wanted, coding, DataType::Coding))),
        DataType::Coding => compare(wanted, stated(member("system").as_deref()), member("code").as_deref()),
        DataType::Identifier => compare(wanted, stated(member("system").as_deref()), member("value").as_deref()),
        DataType::Quantity | DataType::Age | DataType::Duration => {
            compare(wanted, stated(member("system").as_deref()), member("code").as_deref())
        }
        DataType::ContactPoint => {
            contact_point(wanted, member("system").as_deref().unwrap_or_default(), member("value").as_deref())
        }
        DataType::Code => compare(wanted, System::Implicit, found.text().as_deref()),
        DataType::String => compare(wanted, System::Absent, found.text().as_deref()),
        DataType::Id | DataType::Uri | DataType::Url | DataType::Canonical => {
            // Logical ids and URIs are compared with case.
            matches!(wanted, TokenValue::Code(code) if found.text().is_some_and(|text| text == code.as_str()))
        }
        DataType::Boolean => {
            let code = found.boolean().map(|value| if value { "true" } else { "false" });
            compare(wanted, System::None, code)
        }
        DataType::Integer | DataType::PositiveInt => compare(wanted, System::None, found.number()),
        _ => false,
    }
}

/// The truth value that some parameters compute (`deceased`).
pub(super) fn holds_boolean(wanted: &TokenValue, value: bool) -> bool {
    compare(wanted, System::None, Some(if value { "true" } else { "false" }))
}

fn stated(system: Option<&str>) -> System<'_> {
    system.map_or(System::Absent, System::Stated)
}

fn compare(wanted: &TokenValue, system: System<'_>, code: Option<&str>) -> bool {
    let is_code = |wanted: &str| code.is_some_and(|code| same(wanted, code));
    match wanted {
        TokenValue::Code(code) => is_code(code),
        TokenValue::SystemAndCode { system: wanted, code } => is_code(code) && system.is(wanted),
        TokenValue::WithoutSystem(code) => is_code(code) && matches!(system, System::Absent | System::Implicit),
        TokenValue::System(wanted) => system.is(wanted),
    }
}

/// Codes are compared without case: most code systems do not tell case apart, and a search that overlooks a record
/// for its spelling is the worse error.
fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
        || (!(left.is_ascii() && right.is_ascii())
            && left.chars().flat_map(char::to_lowercase).eq(right.chars().flat_map(char::to_lowercase)))
}

/// Telephone numbers are compared by their digits; the specification leaves that to the server.
fn contact_point(wanted: &TokenValue, system: &str, value: Option<&str>) -> bool {
    let (TokenValue::Code(wanted), Some(value)) = (wanted, value) else { return false };
    let is_digits = |c: &char| c.is_ascii_digit();
    let is_number = matches!(system, "phone" | "fax" | "sms" | "pager")
        && wanted.contains(|c: char| c.is_ascii_digit())
        && !wanted.contains(char::is_alphabetic);
    if is_number { wanted.chars().filter(is_digits).eq(value.chars().filter(is_digits)) } else { same(wanted, value) }
}

/// `:text`: whether a text that goes with the code matches.
pub(super) fn text_holds(found: Fragment<'_>, datatype: DataType, matches: &dyn Fn(&str) -> bool) -> bool {
    let text = |view: Option<Fragment<'_>>| view.and_then(Fragment::text).is_some_and(|text| matches(&text));
    match datatype {
        DataType::CodeableConcept => {
            text(found.get("text"))
                || found.get("coding").is_some_and(|codings| codings.each().any(|coding| text(coding.get("display"))))
        }
        DataType::Coding => text(found.get("display")),
        DataType::Identifier => text(found.get("type").and_then(|kind| kind.get("text"))),
        DataType::String => text(Some(found)),
        _ => false,
    }
}
