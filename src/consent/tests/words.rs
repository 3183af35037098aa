//! What the words mean.

use super::*;

/// Every type, by hand: which part of a record people would look for it in.
#[test]
fn every_type_belongs_to_a_category() {
    let rows: [(&[&str], Category); 12] = [
        (&["Observation", "DiagnosticReport", "Specimen", "Media"], Category::Results),
        (&["MedicationRequest", "MedicationDispense", "MedicationStatement"], Category::Medications),
        (&["Encounter", "Appointment"], Category::Visits),
        (&["DocumentReference", "QuestionnaireResponse"], Category::Notes),
        (&["Binary", "Medication", "Provenance"], Category::Derived),
        (&["Communication"], Category::Messages),
        (
            &["Account", "ChargeItem", "Coverage", "Invoice", "PaymentNotice", "PaymentReconciliation"],
            Category::Billing,
        ),
        (&["Patient", "RelatedPerson", "Person", "VerificationResult"], Category::Demographics),
        (&["Immunization"], Category::Immunizations),
        (&["AllergyIntolerance"], Category::Allergies),
        (&["Condition"], Category::Conditions),
        (
            &[
                "Endpoint",
                "HealthcareService",
                "Location",
                "Organization",
                "Practitioner",
                "PractitionerRole",
                "Schedule",
                "Slot",
            ],
            Category::Directory,
        ),
    ];
    for kind in ResourceType::ALL {
        let row = rows.iter().find(|(names, _)| names.contains(&kind.as_str()));
        assert_eq!(Category::of_type(*kind), row.map_or(Category::Care, |(_, category)| *category), "{kind}");
    }
}

#[test]
fn labels_are_a_set() {
    let (a, b) = (labels(&[Label::Hiv, Label::Std]), labels(&[Label::Std, Label::Unknown]));
    assert_eq!(a.and(b).each().collect::<Vec<_>>(), [Label::Hiv, Label::Std, Label::Unknown]);
    assert_eq!(a.without(b), labels(&[Label::Hiv]));
    assert_eq!(labels(&[Label::Std, Label::Std]), labels(&[Label::Std]));
    assert!(Labels::NONE.is_empty() && !a.is_empty() && a.has(Label::Hiv) && !a.has(Label::Unknown));
    assert_ne!(a.bits(), b.bits());
    let content: Vec<Label> = Labels::content().each().collect();
    assert_eq!(content.len(), Label::ALL.len() - 2);
    assert!(!content.contains(&Label::Restricted) && !content.contains(&Label::ParentRestricted));
    assert_eq!(serde_json::to_value(a).unwrap(), json!(["HIV", "STD"]));
    assert_eq!(serde_json::from_value::<Labels>(json!(["STD", "HIV"])).unwrap(), a);
    assert!(serde_json::from_value::<Labels>(json!(["nonsense"])).is_err());
}

/// A date that reads like one and is none may be any day, and so does every day that a part of one may mean.
#[test]
fn only_dates_are_dates() {
    let of_age = [Boundary { years: 0, days: 0 }, Boundary { years: 18, days: 0 }];
    let bands = |born: &str| BirthDate::parse(born).bands(&of_age, LeapDay::March1, date(2026, 5, 3));
    for wrong in [
        "198",
        "19811",
        "+981",
        "1981-7",
        "1981-007",
        "0181-+7",
        "1981-7-07",
        "1981-07-7",
        "1981-07-07-01",
        "x981-07",
        "81-07",
    ] {
        assert_eq!(bands(wrong), (0, 1), "{wrong}");
    }
    assert_eq!(bands("1981"), (1, 1));
    let next = |born: &str, today: Date| BirthDate::parse(born).next_boundary(&of_age, LeapDay::March1, today);
    assert_eq!(next("2008-05-03", date(2026, 5, 3)), Some(date(2026, 5, 3)));
    assert_eq!(next("2008-05-03", date(2026, 5, 4)), None);
    assert_eq!(next("2008-05-03", date(2026, 5, 2)), Some(date(2026, 5, 3)));
    assert_eq!(next("2008", date(2026, 5, 2)), Some(date(2026, 12, 31)));
    assert_eq!(next("2008", date(2025, 5, 2)), Some(date(2026, 1, 1)));
    assert_eq!(next("soon", date(2026, 5, 2)), None);
    // Beyond the calendar nothing begins; a day that February does not have there does not either.
    let far = [Boundary { years: 0, days: 0 }, Boundary { years: 8_000, days: 0 }];
    for born in ["2008-02-29", "2008-03-01"] {
        assert_eq!(BirthDate::parse(born).bands(&far, LeapDay::March1, Date::MAX), (0, 0), "{born}");
    }
    assert_eq!(BirthDate::UNKNOWN.bands(&of_age, LeapDay::March1, date(2026, 5, 3)), (0, 1));
}
