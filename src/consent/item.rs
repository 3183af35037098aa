//! What of a resource the decision looks at.

use std::sync::Arc;

use jiff::civil::Date;

use super::code_set::CodeSets;
use super::free_text::Suspicion;
use super::label::{Label, Labels};
use super::words::Category;
use crate::base::clock::Instant;
use crate::fhir::ResourceType;
use crate::fhir::scan::{CodingSpan, RawResource};
use crate::fhir::search::fragment::Fragment;

/// One resource, as far as consent is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its type.
    pub resource_type: ResourceType,
    /// The upstream id, empty where it has none or nobody asks.
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
    /// What the words in it may say.
    pub suspicion: Option<Arc<Suspicion>>,
    /// Which edition of it this is, where it says so and somebody asks.
    pub edition: Option<Edition>,
}

/// One edition of a resource: R4 changes `meta.versionId` with the content (resource.html §2.27.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// `meta.versionId`.
    pub version: String,
    /// How many bytes it has: where a server does not keep to that, most changes show.
    pub length: usize,
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

/// What of an item a decision looks at, beside its type, category and labels: it is read for each of thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// [`Item::id`].
    pub id: bool,
    /// [`Item::codes`].
    pub codes: bool,
    /// [`Item::days`].
    pub days: bool,
    /// [`Item::is_reviewed`] and [`Item::issued`].
    pub review: bool,
    /// Labels of content ([`Label::is_content`]): without them only what others decided is read.
    pub content: bool,
    /// [`Item::suspicion`].
    pub words: bool,
    /// [`Item::edition`].
    pub edition: bool,
}

/// Reads a resource. What cannot be read, or is not asked for, is missing from the item, and the decision takes that for
/// the worse.
#[must_use]
pub fn describe(raw: &RawResource, sets: &CodeSets, detail: Detail) -> Item {
    let resource_type = raw.facts.resource_type;
    let codings = raw.facts.codings.iter();
    let is_reviewed = || {
        raw.member("resultsInterpreter").is_some_and(Fragment::has_value)
            || raw.member("note").is_some_and(Fragment::has_value)
    };
    let category = category(raw, resource_type);
    // What a Patient or a practice is called says nothing of care.
    let says_something = match category {
        Category::Demographics | Category::Directory => false,
        // Of what is seen with its owners: where something came from says what it came from.
        Category::Derived => resource_type == ResourceType::Medication,
        _ => true,
    };
    let issued = || raw.member("issued").and_then(Fragment::text).and_then(|text| instant(&text));
    Item {
        resource_type,
        id: if detail.id { raw.id().unwrap_or_default().to_owned() } else { String::new() },
        category,
        labels: if detail.content || sets.has_decisions() {
            codings.fold(Labels::NONE, |labels, coding| labels.and(labels_of(coding, &raw.bytes, sets)))
        } else {
            // Only what the EHR itself says of who may see it.
            let marked = codings.filter(|coding| coding.in_security);
            marked.fold(Labels::NONE, |labels, coding| labels.and(labels_of(coding, &raw.bytes, sets)))
        },
        codes: if detail.codes { main_codes(raw, resource_type) } else { Vec::new() },
        days: if detail.days { date(raw).and_then(days) } else { None },
        is_reviewed: detail.review && is_reviewed(),
        issued: if detail.review { issued() } else { None },
        is_tainted: false,
        suspicion: if detail.words && says_something { sets.words().suspicion(raw).map(Arc::new) } else { None },
        edition: if detail.edition { edition(raw) } else { None },
    }
}

fn edition(raw: &RawResource) -> Option<Edition> {
    let version = std::str::from_utf8(raw.facts.version_id?.of(&raw.bytes)).ok()?;
    Some(Edition { version: version.to_owned(), length: raw.bytes.len() })
}

impl Edition {
    /// Whether a resource is of this edition.
    #[must_use]
    pub fn is_of(&self, raw: &RawResource) -> bool {
        let version = raw.facts.version_id.map(|span| span.of(&raw.bytes));
        self.length == raw.bytes.len() && version == Some(self.version.as_bytes())
    }
}

/// The element that says when it was.
fn date(raw: &RawResource) -> Option<Fragment<'_>> {
    let rank = |key: &[u8]| DATES.iter().position(|name| name.as_bytes() == key);
    let known = raw.facts.members.iter().filter_map(|member| Some((rank(member.key.of(&raw.bytes))?, member)));
    known.min_by_key(|(rank, _)| *rank).map(|(_, member)| Fragment::new(member.value.of(&raw.bytes)))
}

/// What a coding says of sensitivity. Nearly all are of systems without a table: no more than that is looked at.
fn labels_of(coding: &CodingSpan, bytes: &[u8], sets: &CodeSets) -> Labels {
    let table = coding.system.and_then(|system| {
        if system.escaped { sets.system(system.text(bytes)?.as_bytes()) } else { sets.system(system.value.of(bytes)) }
    });
    if table.is_none() && !coding.in_security {
        return Labels::NONE;
    }
    let Some(code) = coding.code.text(bytes) else { return Labels::NONE };
    let by_table = table.map_or(Labels::NONE, |table| table.labels(&code));
    if !coding.in_security {
        return by_table;
    }
    let system = coding.system.and_then(|system| system.text(bytes));
    by_table.and(security_label(system.as_deref(), &code).into_iter().collect())
}

/// What a code in `meta.security` says.
fn security_label(system: Option<&str>, code: &str) -> Option<Label> {
    let is = |known: &[&str]| system.is_none_or(|system| known.contains(&system));
    let named = Label::ALL.iter().find(|label| label.as_str().eq_ignore_ascii_case(code));
    let is_restricted = ["R", "V"].iter().any(|known| known.eq_ignore_ascii_case(code));
    match named {
        // Also where an EHR writes them under the wrong one of HL7's two systems.
        _ if is_restricted && (is(&CONFIDENTIALITY) || is(&ACT_CODE)) => Some(Label::Restricted),
        Some(label) if is(&ACT_CODE) || is(&[OURS]) => Some(*label),
        // Other systems may say who may see it, in words that are not known here.
        None if system.is_some() && (is(&ACT_CODE) || is(&[OURS])) => Some(Label::Unknown),
        _ => None,
    }
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

fn main_codes(raw: &RawResource, resource_type: ResourceType) -> Vec<(String, String)> {
    let mut codes = Vec::new();
    for name in main_elements(resource_type) {
        let concepts = raw.member(name).into_iter().flat_map(Fragment::each);
        for coding in concepts.filter_map(|concept| concept.get("coding")).flat_map(Fragment::each) {
            if let (Some(system), Some(code)) = (coding.text_of("system"), coding.text_of("code")) {
                codes.push((system.into_owned(), code.into_owned()));
            }
        }
    }
    codes
}

fn category(raw: &RawResource, resource_type: ResourceType) -> Category {
    let has = |system: &str, code: &str| {
        let mut found = false;
        let mut look = |coding: Fragment<'_>| {
            found |=
                coding.text_of("system").as_deref() == Some(system) && coding.text_of("code").as_deref() == Some(code);
        };
        // The scan has met it already, wherever it stands: few have to be looked at again.
        if raw.facts.codings.iter().any(|coding| coding.code.is(&raw.bytes, code))
            && let Some(concepts) = raw.member("category")
        {
            concepts.at("coding", &mut look);
        }
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

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::{Value, json};

    use super::super::code_set::CodePattern;
    use super::*;
    use crate::fhir::knowledge::Knowledge;
    use crate::fhir::scan::scan_resource;

    fn item(resource: &Value) -> Item {
        let mut sets = CodeSets::default();
        sets.add("http://loinc.org", &[CodePattern::Code("9-9".to_owned())], Label::Std);
        sets.add("urn:department", &[CodePattern::Code("teen".to_owned())], Label::MinorConsented);
        let raw = scan_resource(resource.to_string().into(), Knowledge::embedded().unwrap()).unwrap();
        describe(
            &raw,
            &sets,
            Detail { id: true, codes: true, days: true, review: true, content: true, words: true, edition: true },
        )
    }

    /// Of what is nobody's care, or is said by what it belongs to, the words say nothing; and only who asks is told.
    #[test]
    fn words_are_read_of_care_alone_and_for_whom_they_matter() {
        let mut sets = CodeSets::default();
        let hiv: Labels = [Label::Hiv].into_iter().collect();
        sets.look_for(super::super::free_text::Words::new([("HIV".to_owned(), hiv)]).unwrap());
        let detail = |words| Detail {
            id: false,
            codes: false,
            days: false,
            review: false,
            content: true,
            words,
            edition: words,
        };
        for (kind, expected) in [
            ("Observation", Some(hiv)),
            ("Medication", Some(hiv)),
            ("Communication", Some(hiv)),
            ("Patient", None),
            ("Practitioner", None),
            ("Location", None),
            ("Provenance", None),
        ] {
            let resource = json!({"resourceType": kind, "id": "1", "meta": {"versionId": "7"}, "text": {"div": "HIV"}});
            let text = resource.to_string();
            let raw = scan_resource(text.clone().into(), Knowledge::embedded().unwrap()).unwrap();
            let item = describe(&raw, &sets, detail(true));
            assert_eq!(item.suspicion.map(|suspicion| suspicion.labels), expected, "{kind}");
            assert_eq!(item.edition, Some(Edition { version: "7".to_owned(), length: text.len() }));
            let unasked = describe(&raw, &sets, detail(false));
            assert_eq!((unasked.suspicion, unasked.edition), (None, None), "{kind}");
        }
    }

    #[test]
    fn an_edition_is_told_by_its_version_and_its_length() {
        let raw = |version: Value, note: &str| {
            let resource =
                json!({"resourceType": "Observation", "id": "1", "meta": {"versionId": version}, "note": note});
            scan_resource(resource.to_string().into(), Knowledge::embedded().unwrap()).unwrap()
        };
        let first = raw(json!("1"), "abc");
        let known = edition(&first).unwrap();
        for (other, expected) in [
            (first, true),
            (raw(json!("2"), "abc"), false),
            (raw(json!("1"), "ab"), false),
            (raw(json!(null), "abc"), false),
        ] {
            assert_eq!(known.is_of(&other), expected);
        }
        assert_eq!(edition(&raw(json!(null), "abc")), None);
    }

    fn labels(resource: &Value) -> Vec<Label> {
        item(resource).labels.each().collect()
    }

    fn observation(more: &Value) -> Value {
        let mut resource = json!({"resourceType": "Observation", "id": "o", "status": "final"});
        resource.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        resource
    }

    /// Portal design 3.5: what the EHR says in `meta.security`, in HL7's words and ours, and nobody else's.
    #[test]
    fn the_source_s_labels_are_kept() {
        const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
        const CONF: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
        let rows: [(Value, &[Label]); 22] = [
            (json!({"system": ACT, "code": "HIV"}), &[Label::Hiv]),
            (json!({"system": "urn:oid:2.16.840.1.113883.5.4", "code": "hiv"}), &[Label::Hiv]),
            (json!({"system": "http://hl7.org/fhir/v3/ActCode", "code": "SUD"}), &[Label::Sud]),
            (json!({"code": "PSY"}), &[Label::Psy]),
            (json!({"system": OURS, "code": "parent-restricted"}), &[Label::ParentRestricted]),
            (json!({"system": OURS, "code": "STD"}), &[Label::Std]),
            (json!({"system": CONF, "code": "HIV"}), &[]),
            (json!({"system": "urn:somebody", "code": "HIV"}), &[]),
            // A word of these systems that is not known here is taken for the worse.
            (json!({"system": ACT, "code": "NEWWORD"}), &[Label::Unknown]),
            (json!({"system": OURS, "code": "parent-restrictd"}), &[Label::Unknown]),
            (json!({"system": "urn:somebody", "code": "NEWWORD"}), &[]),
            (json!({"system": CONF, "code": "NEWWORD"}), &[]),
            (json!({"code": "NEWWORD"}), &[]),
            (json!({"system": CONF, "code": "R"}), &[Label::Restricted]),
            (json!({"system": "urn:oid:2.16.840.1.113883.5.25", "code": "v"}), &[Label::Restricted]),
            (json!({"system": "http://hl7.org/fhir/v3/Confidentiality", "code": "V"}), &[Label::Restricted]),
            (json!({"code": "R"}), &[Label::Restricted]),
            (json!({"system": ACT, "code": "R"}), &[Label::Restricted]),
            (json!({"system": OURS, "code": "R"}), &[Label::Unknown]),
            (json!({"system": "urn:somebody", "code": "R"}), &[]),
            (json!({"system": CONF, "code": "N"}), &[]),
            (json!({"system": "http://loinc.org", "code": "9-9"}), &[Label::Std]),
        ];
        for (coding, expected) in rows {
            let resource = observation(&json!({"meta": {"security": [{"system": CONF, "code": "N"}, coding]}}));
            assert_eq!(labels(&resource), expected, "{coding}");
            // The same anywhere else is about something else, unless a table names it.
            let in_table = coding["system"] == "http://loinc.org";
            for elsewhere in [
                json!({"meta": {"tag": [coding]}}),
                json!({"interpretation": [{"coding": [coding]}]}),
                json!({"extension": [{"url": "urn:x", "valueCodeableConcept": {"security": [coding]}}]}),
            ] {
                assert_eq!(!labels(&observation(&elsewhere)).is_empty(), in_table, "{elsewhere}");
            }
        }
    }

    #[test]
    fn codes_count_wherever_they_stand_and_only_with_their_system() {
        let coding = json!({"system": "http://loinc.org", "code": "9-9"});
        for resource in [
            observation(&json!({"code": {"coding": [{"system": "urn:local", "code": "x"}, coding]}})),
            observation(&json!({"component": [{"code": {"coding": [coding]}}]})),
            observation(&json!({"valueCodeableConcept": {"coding": [coding]}})),
            observation(&json!({"contained": [{"resourceType": "Condition", "code": {"coding": [coding]}}]})),
        ] {
            assert_eq!(labels(&resource), [Label::Std], "{resource}");
        }
        let both =
            observation(&json!({"code": {"coding": [coding]}, "method": {"coding": [{"system": "urn:department",
            "code": "teen"}]}}));
        assert_eq!(labels(&both), [Label::Std, Label::MinorConsented]);
        for other in [
            json!({"code": "9-9"}),
            json!({"system": "urn:other", "code": "9-9"}),
            json!({"system": "http://loinc.org"}),
        ] {
            assert_eq!(labels(&observation(&json!({"code": {"coding": [other]}}))), [], "{other}");
        }
    }

    /// What is not asked for is not read, but for what somebody decided: the EHR in `meta.security`, or a table.
    #[test]
    fn without_content_only_decisions_are_read() {
        let detail = Detail {
            id: false,
            codes: false,
            days: false,
            review: false,
            content: false,
            words: false,
            edition: false,
        };
        let restricted = json!({"system": CONFIDENTIALITY[0], "code": "R"});
        let coding = json!({"system": "urn:x", "code": "1"});
        let resource = observation(&json!({"meta": {"security": [restricted]}, "code": {"coding": [coding]}}));
        let raw = scan_resource(resource.to_string().into(), Knowledge::embedded().unwrap()).unwrap();
        for (label, expected) in [
            (Label::Std, &[Label::Restricted][..]),
            (Label::ParentRestricted, &[Label::Restricted, Label::ParentRestricted][..]),
        ] {
            let mut sets = CodeSets::default();
            sets.add("urn:x", &[CodePattern::Code("1".to_owned())], label);
            assert_eq!(describe(&raw, &sets, detail).labels.each().collect::<Vec<_>>(), expected, "{label:?}");
        }
    }

    /// What an allow-list asks for: the element that says what it is, and no other.
    #[test]
    fn each_type_says_what_it_is_in_an_element_of_its_own() {
        let concept = json!({"coding": [{"system": "urn:a", "code": "1"}]});
        let elements = [
            "code",
            "vaccineCode",
            "serviceType",
            "type",
            "specialty",
            "category",
            "medicationCodeableConcept",
            "reasonCode",
        ];
        for (kind, main) in [
            ("Observation", &["code"][..]),
            ("Condition", &["code"]),
            ("AllergyIntolerance", &["code"]),
            ("Procedure", &["code"]),
            ("Immunization", &["vaccineCode"]),
            ("Encounter", &["serviceType", "type"]),
            ("Appointment", &["serviceType", "specialty"]),
            ("DocumentReference", &["type", "category"]),
            ("MedicationRequest", &["medicationCodeableConcept"]),
            ("MedicationDispense", &["medicationCodeableConcept"]),
            ("MedicationStatement", &["medicationCodeableConcept"]),
        ] {
            for element in elements {
                let found = item(&json!({"resourceType": kind, "id": "1", element: concept})).codes;
                let expected =
                    if main.contains(&element) { vec![("urn:a".to_owned(), "1".to_owned())] } else { vec![] };
                assert_eq!(found, expected, "{kind}.{element}");
            }
        }
        let several = json!({"resourceType": "Encounter", "id": "1", "type": [concept, {"text": "x"}, {"coding": [
            {"system": "urn:b"}, {"code": "2"}, {"system": "urn:b", "code": "3"}]}]});
        let codes = [("urn:a", "1"), ("urn:b", "3")].map(|(system, code)| (system.to_owned(), code.to_owned()));
        assert_eq!(item(&several).codes, codes);
    }

    #[test]
    fn vital_signs_and_forms_are_told_by_their_category() {
        let of = |kind: &str, codings: Value| {
            item(&json!({"resourceType": kind, "id": "1", "category": [{"coding": codings}]})).category
        };
        let vital = json!({"system": OBSERVATION_CATEGORY, "code": "vital-signs"});
        let laboratory = json!({"system": OBSERVATION_CATEGORY, "code": "laboratory"});
        let form = json!({"system": FORM.0, "code": "form"});
        assert_eq!(of("Observation", json!([vital])), Category::Vitals);
        assert_eq!(of("Observation", json!([laboratory, vital])), Category::Vitals);
        assert_eq!(of("Observation", json!([vital, laboratory])), Category::Vitals);
        assert_eq!(of("Observation", json!([laboratory])), Category::Results);
        assert_eq!(of("Observation", json!([form])), Category::Results);
        assert_eq!(of("Observation", json!([{"system": "urn:x", "code": "vital-signs"}])), Category::Results);
        assert_eq!(of("Observation", json!([{"code": "vital-signs"}])), Category::Results);
        assert_eq!(of("DocumentReference", json!([form])), Category::Forms);
        assert_eq!(of("DocumentReference", json!([vital])), Category::Notes);
        assert_eq!(of("DocumentReference", json!([{"system": FORM.0, "code": "letter"}])), Category::Notes);
        assert_eq!(of("Condition", json!([vital, form])), Category::Conditions);
    }

    /// The days that an item is about: all that a partial date may mean; a period without an end goes on.
    #[test]
    fn the_days_are_all_that_a_date_may_mean() {
        let of = |more: Value| item(&observation(&more)).days.map(|days| (days.first, days.last));
        let on = |text: &str| of(json!({"effectiveDateTime": text}));
        assert_eq!(on("2025-02-03T23:59:00-05:00"), Some((date(2025, 2, 3), date(2025, 2, 3))));
        assert_eq!(on("2024-02"), Some((date(2024, 2, 1), date(2024, 2, 29))));
        assert_eq!(on("2025"), Some((date(2025, 1, 1), date(2025, 12, 31))));
        for wrong in ["soon", "25-01-01", "2025-13", "2025-02-30", "", "02025-01-01"] {
            assert_eq!(on(wrong), None, "{wrong}");
        }
        let period = |start: Option<&str>, end: Option<&str>| {
            let mut value = json!({});
            for (name, day) in [("start", start), ("end", end)] {
                if let Some(day) = day {
                    value[name] = json!(day);
                }
            }
            of(json!({"effectivePeriod": value}))
        };
        assert_eq!(period(Some("2025-01-02"), Some("2025-02")), Some((date(2025, 1, 2), date(2025, 2, 28))));
        assert_eq!(period(Some("2025-01-02"), None), Some((date(2025, 1, 2), Date::MAX)));
        assert_eq!(period(None, Some("2025-01-02")), None);
        assert_eq!(period(Some("2025-01-02"), Some("soon")), None);
        // When it was counts, not when it was sent.
        let both = of(json!({"issued": "2025-03-01T00:00:00Z", "effectiveDateTime": "2024-01-01"}));
        assert_eq!(both, Some((date(2024, 1, 1), date(2024, 1, 1))));
        assert_eq!(of(json!({})), None);
    }

    #[test]
    fn a_clinician_has_looked_who_interpreted_or_noted_something() {
        let of = |more: Value| item(&observation(&more));
        assert!(!of(json!({})).is_reviewed);
        assert!(of(json!({"note": [{"text": "fine"}]})).is_reviewed);
        let report = json!({"resourceType": "DiagnosticReport", "id": "1", "resultsInterpreter": [{"display": "x"}]});
        assert!(item(&report).is_reviewed);
        let issued = of(json!({"issued": "2026-05-03T00:00:00+02:00"})).issued;
        assert_eq!(issued, Some(Instant::from_micros(1_777_759_200_000_000)));
        assert_eq!(of(json!({"issued": "yesterday"})).issued, None);
        assert_eq!(of(json!({})).issued, None);
        let whole = of(json!({}));
        assert_eq!((whole.id.as_str(), whole.resource_type, whole.is_tainted), ("o", ResourceType::Observation, false));
    }
}
