//! What of a resource the decision looks at.

use jiff::civil::Date;

use super::code_set::CodeSets;
use super::label::{Label, Labels};
use super::words::Category;
use crate::base::clock::Instant;
use crate::fhir::ResourceType;
use crate::fhir::scan::RawResource;
use crate::fhir::search::fragment::Fragment;

/// One resource, as far as consent is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its type.
    pub resource_type: ResourceType,
    /// The upstream id, empty where it has none.
    pub id: String,
    /// Which part of the record it belongs to.
    pub category: Category,
    /// What is sensitive about it.
    pub labels: Labels,
    /// System and code of what it is: its main element alone.
    pub codes: Vec<(String, String)>,
    /// The days that it is about.
    pub days: Option<Span>,
    /// Whether a clinician has looked at it, as far as it says so.
    pub is_reviewed: bool,
    /// When it was made available.
    pub issued: Option<Instant>,
    /// Whether it refers to something that is withheld, or may be.
    pub is_tainted: bool,
}

/// From a day to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub first: Date,
    /// The last.
    pub last: Date,
}

/// HL7 v3-ActCode and v3-Confidentiality, by URL and by OID, and ours.
const ACT_CODE: [&str; 3] = [
    "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "urn:oid:2.16.840.1.113883.5.4",
    "http://hl7.org/fhir/v3/ActCode",
];
const CONFIDENTIALITY: [&str; 3] = [
    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
    "urn:oid:2.16.840.1.113883.5.25",
    "http://hl7.org/fhir/v3/Confidentiality",
];
const OURS: &str = "https://chartgate.example/fhir/CodeSystem/sensitivity";
const OBSERVATION_CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";

/// What a document is, where practices mark forms for school, camp and sport.
const FORM: (&str, &str) = ("https://chartgate.example/fhir/CodeSystem/document", "form");

/// Elements that say when something was, the first that is there counts.
const DATES: [&str; 20] = [
    "effectiveDateTime",
    "effectivePeriod",
    "effectiveInstant",
    "occurrenceDateTime",
    "occurrencePeriod",
    "performedDateTime",
    "performedPeriod",
    "period",
    "start",
    "sent",
    "whenHandedOver",
    "authoredOn",
    "recordedDate",
    "onsetDateTime",
    "date",
    "issued",
    "created",
    "authored",
    "servicedDate",
    "dateAsserted",
];

/// Reads a resource. What cannot be read is missing from the item, and the decision takes that for the worse.
#[must_use]
pub fn describe(raw: &RawResource, sets: &CodeSets) -> Item {
    let whole = Fragment::new(&raw.bytes);
    let resource_type = raw.facts.resource_type;
    let mut labels = Labels::NONE;
    codings(whole, &mut |system, code, in_security| {
        labels = labels.and(labels_of(system, code, in_security, sets));
    });
    let codes = main_codes(whole, resource_type);
    Item {
        resource_type,
        id: raw.id().unwrap_or_default().to_owned(),
        category: category(whole, resource_type),
        labels,
        codes,
        days: DATES.iter().find_map(|name| whole.get(name)).and_then(days),
        is_reviewed: whole.get("resultsInterpreter").is_some_and(Fragment::has_value)
            || whole.get("note").is_some_and(Fragment::has_value),
        issued: whole.text_of("issued").and_then(|text| instant(&text)),
        is_tainted: false,
    }
}

/// Visits every pair of `system` and `code` in a value, however deep, and whether it stands in `meta.security`.
pub fn codings<'a>(value: Fragment<'a>, visit: &mut impl FnMut(Option<&str>, &str, bool)) {
    walk(value, false, false, visit);
}

fn walk<'a>(value: Fragment<'a>, in_meta: bool, in_security: bool, visit: &mut impl FnMut(Option<&str>, &str, bool)) {
    match value.bytes().first() {
        Some(b'{') => {
            let code = value.text_of("code");
            let system = value.text_of("system");
            if (system.is_some() || in_security)
                && let Some(code) = code
            {
                visit(system.as_deref(), &code, in_security);
            }
            for (key, member) in value.members() {
                walk(member, key == b"meta", in_security || (in_meta && key == b"security"), visit);
            }
        }
        Some(b'[') => value.items().for_each(|item| walk(item, in_meta, in_security, visit)),
        _ => {}
    }
}

fn labels_of(system: Option<&str>, code: &str, in_security: bool, sets: &CodeSets) -> Labels {
    let is = |known: &[&str]| system.is_none_or(|system| known.contains(&system));
    let named = Label::ALL.iter().find(|label| label.as_str().eq_ignore_ascii_case(code));
    let mut found = Labels::NONE;
    if in_security {
        let is_restricted = ["R", "V"].iter().any(|known| known.eq_ignore_ascii_case(code));
        let label = match named {
            Some(label) if is(&ACT_CODE) || is(&[OURS]) => Some(*label),
            // Other systems may say who may see it, in words that are not known here.
            None if is(&ACT_CODE) && !is_restricted && system.is_some() => Some(Label::Unknown),
            _ if is(&CONFIDENTIALITY) && is_restricted => Some(Label::Restricted),
            _ => None,
        };
        found = label.into_iter().collect();
    }
    system.map_or(found, |system| found.and(sets.labels(system, code)))
}

/// Where a type says what it is.
const fn main_elements(resource_type: ResourceType) -> &'static [&'static str] {
    match resource_type {
        ResourceType::Immunization => &["vaccineCode"],
        ResourceType::Encounter => &["serviceType", "type"],
        ResourceType::Appointment => &["serviceType", "specialty"],
        ResourceType::DocumentReference => &["type", "category"],
        ResourceType::MedicationRequest | ResourceType::MedicationDispense | ResourceType::MedicationStatement => {
            &["medicationCodeableConcept"]
        }
        _ => &["code"],
    }
}

fn main_codes(whole: Fragment<'_>, resource_type: ResourceType) -> Vec<(String, String)> {
    let mut codes = Vec::new();
    for name in main_elements(resource_type) {
        let concepts = whole.get(name).into_iter().flat_map(Fragment::each);
        for coding in concepts.filter_map(|concept| concept.get("coding")).flat_map(Fragment::each) {
            if let (Some(system), Some(code)) = (coding.text_of("system"), coding.text_of("code")) {
                codes.push((system.into_owned(), code.into_owned()));
            }
        }
    }
    codes
}

fn category(whole: Fragment<'_>, resource_type: ResourceType) -> Category {
    let has = |system: &str, code: &str| {
        let mut found = false;
        whole.at("category.coding", &mut |coding| {
            found |=
                coding.text_of("system").as_deref() == Some(system) && coding.text_of("code").as_deref() == Some(code);
        });
        found
    };
    match resource_type {
        ResourceType::Observation if has(OBSERVATION_CATEGORY, "vital-signs") => Category::Vitals,
        ResourceType::DocumentReference if has(FORM.0, FORM.1) => Category::Forms,
        _ => Category::of_type(resource_type),
    }
}

/// The days of a FHIR dateTime, instant, date or Period. A period without an end goes on.
fn days(value: Fragment<'_>) -> Option<Span> {
    if let Some(text) = value.text() {
        return days_of_text(&text);
    }
    let start = value.text_of("start").and_then(|text| days_of_text(&text))?;
    let last = match value.text_of("end") {
        Some(text) => days_of_text(&text)?.last,
        None => Date::MAX,
    };
    Some(Span { first: start.first, last })
}

fn days_of_text(text: &str) -> Option<Span> {
    let day = text.get(..10).unwrap_or(text);
    let mut parts = day.split('-');
    let year: i16 = parts.next().filter(|part| part.len() == 4)?.parse().ok()?;
    let Some(month) = parts.next() else {
        return Some(Span { first: Date::new(year, 1, 1).ok()?, last: Date::new(year, 12, 31).ok()? });
    };
    let first = Date::new(year, month.parse().ok()?, 1).ok()?;
    let Some(day) = parts.next() else { return Some(Span { first, last: first.last_of_month() }) };
    let day = Date::new(year, first.month(), day.parse().ok()?).ok()?;
    Some(Span { first: day, last: day })
}

fn instant(text: &str) -> Option<Instant> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Instant::from_micros(at.as_microsecond()))
}
