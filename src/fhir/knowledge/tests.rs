//! Each rule of the loader, broken once: a table that breaks it is refused.

use super::compile::compile;
use super::table::{EMBEDDED, Sources};

#[derive(Clone, Copy, PartialEq)]
enum In {
    Authorization,
    Parameters,
    References,
    Elements,
    UsCore,
    Includes,
}

/// The embedded tables with one text replaced, which must be there.
fn refusal(table: In, from: &str, to: &str) -> String {
    let change = |this: In, text: &str| {
        if this == table {
            assert!(text.contains(from), "{from} is not in the table");
            text.replacen(from, to, 1)
        } else {
            text.to_owned()
        }
    };
    let authorization = change(In::Authorization, EMBEDDED.authorization);
    let search_parameters = change(In::Parameters, EMBEDDED.search_parameters);
    let references = change(In::References, EMBEDDED.references);
    let elements = change(In::Elements, EMBEDDED.elements);
    let us_core = change(In::UsCore, EMBEDDED.us_core);
    let includes = change(In::Includes, EMBEDDED.includes);
    let sources = Sources {
        authorization: &authorization,
        search_parameters: &search_parameters,
        references: &references,
        elements: &elements,
        us_core: &us_core,
        includes: &includes,
    };
    compile(sources).err().unwrap_or_else(|| panic!("{from} → {to} was taken")).to_string()
}

#[test]
fn a_type_without_a_row_is_refused() {
    let row = |text: &str, name: &str| {
        let start = text.find(&format!("\"{name}\":")).unwrap();
        let end = text[start..].find("\n\"").map_or(text.len(), |at| start + at + 1);
        text[start..end].to_owned()
    };
    let media = row(EMBEDDED.authorization, "Media");
    assert_eq!(refusal(In::Authorization, &media, ""), "authorization.json has no row for Media");
    let media = row(EMBEDDED.elements, "Media");
    let media = EMBEDDED.elements[EMBEDDED.elements.find(&media).unwrap()..].split_inclusive("},\n").next().unwrap();
    assert_eq!(refusal(In::Elements, media, ""), "elements.json has no row for Media");
    let subscription = "\"Subscription\":[],\n";
    assert_eq!(refusal(In::References, subscription, ""), "references.json has no row for Subscription");
    let start = EMBEDDED.us_core.find("\"Slot\":").unwrap();
    let slot = EMBEDDED.us_core[start..].split_inclusive("},\n").next().unwrap();
    assert_eq!(refusal(In::UsCore, slot, ""), "us-core.json has no row for Slot");
    let start = EMBEDDED.search_parameters.find("\"Binary\":").unwrap();
    let binary = EMBEDDED.search_parameters[start..].split_inclusive("],\n").next().unwrap();
    assert_eq!(refusal(In::Parameters, binary, ""), "search-parameters.json has no row for Binary");
}

#[test]
fn unknown_and_doubled_names_are_refused() {
    for (table, from, to, fault) in [
        (In::Authorization, "\"Media\":", "\"Claim\":", "unknown resource type Claim"),
        (In::Authorization, "\"Media\":", "\"Medication\":", "two rows for Medication"),
        (In::Authorization, "\"reason\"", "\"because\"", "unknown field `because`"),
        (In::Authorization, "\"refused\"", "\"public\"", "unknown variant `public`"),
        (In::References, "[\"Organization\"]", "[\"Claim\"]", "unknown resource type Claim"),
        (In::Parameters, "\"name\":\"_tag\"", "\"name\":\"_id\"", "two rows for parameter _id"),
        (In::Parameters, "\"kind\":\"token\"", "\"kind\":\"special\"", "unknown variant `special`"),
        (In::Parameters, "\"exists\"", "\"present\"", "unknown variant `present`"),
    ] {
        let refused = refusal(table, from, to);
        assert!(refused.contains(fault), "{from} → {to}: {refused}");
    }
}

#[test]
fn a_parameter_that_does_not_fit_its_elements_is_refused() {
    for (from, to, fault) in [
        (r#""path":"meta.tag""#, r#""path":"meta..tag""#, "no element path"),
        (r#""path":"id","datatype":"id""#, r#""path":"id","datatype":"Period""#, "cannot compare"),
        (r#""path":"basedOn","#, r#""path":"basedOff","#, "reads no Reference"),
        (r#""targets":["Organization"]"#, r#""targets":["Patient"]"#, "targets of"),
        (r#""condition":{"target":"Patient"}"#, r#""condition":{"target":"Slot"}"#, "condition of"),
        (r#""parameter":"relation""#, r#""parameter":"relations""#, "part relations of relationship"),
        (r#""paths":[{"path":"meta.tag","datatype":"Coding"}]"#, r#""paths":[]"#, "reads nothing"),
    ] {
        let refused = refusal(In::Parameters, from, to);
        assert!(refused.contains(fault), "{from} → {to}: {refused}");
    }
}

#[test]
fn a_rule_that_would_show_too_much_or_nothing_is_refused() {
    for (from, to, fault) in [
        // An element that names no patient, or that no parameter of the source searches.
        (r#"["beneficiary"]"#, r#"["payor.identifier"]"#, "names no patient"),
        (r#"["beneficiary"]"#, r#"["contract"]"#, "names no patient"),
        (r#"["beneficiary"]"#, r#"["subscriber"]"#, "names no patient that patient searches"),
        (
            r#"["for"], "several": "all", "parameter": "patient""#,
            r#"["for"], "several": "all", "parameter": "owner""#,
            "names no patient",
        ),
        (r#"["for"]"#, "[]", "a subject rule reads the patient"),
        (r#""itself": true, "paths": []"#, r#""paths": ["link.other"]"#, "a subject rule reads the patient"),
        (
            r#""paths": ["for"], "several": "all""#,
            r#""itself": true, "paths": [], "several": "all""#,
            "a subject rule reads",
        ),
        (r#"{"path": "sender""#, r#"{"path": "encounter""#, "encounter names no patient"),
        // Members of another kind.
        (r#"{"kind": "refused""#, r#"{"kind": "refused", "paths": ["member.entity"]"#, "its Refused rule"),
        (r#"{"kind": "own""#, r#"{"kind": "directory", "several": "any""#, "its Directory rule"),
        (r#"["for"], "several": "all","#, r#"["for"],"#, "its Subject rule"),
        (r#""targets": ["target"], "several""#, r#""several""#, "its Via rule"),
        (r#""reason": "technical address of a service""#, r#""reason": """#, "its Directory rule"),
        // Edges.
        (r#"{"type": "Media", "by": "attachment"}, "#, "", "its attachments own no Binary"),
        (
            r#"{"type": "Media", "by": "attachment"}"#,
            r#"{"type": "Person", "by": "attachment"}"#,
            "Person owns nothing",
        ),
        (r#"{"type": "Media", "by": "attachment"}"#, r#"{"type": "Goal", "by": "attachment"}"#, "points at no Binary"),
        (r#""by": "medicationReference""#, r#""by": "subject""#, "subject points at no Medication"),
        (r#"["detail.request"]"#, r#"["detail.bill"]"#, "points at no owner"),
        (
            r#""targets": ["request"], "several": "all", "parameter": "request""#,
            r#""targets": ["request"], "several": "all", "parameter": "status""#,
            "points at no owner",
        ),
    ] {
        let refused = refusal(In::Authorization, from, to);
        assert!(refused.contains(fault), "{from} → {to}: {refused}");
    }
}

#[test]
fn requirements_that_cannot_be_met_are_refused() {
    for (table, from, to, fault) in [
        (In::UsCore, r#""parameters":["patient"]"#, r#""parameters":["subjekt"]"#, "US Core searches by subjekt"),
        (
            In::UsCore,
            r#""value":"Provenance:target""#,
            r#""value":"Provenance:goal""#,
            "US Core includes Provenance:goal",
        ),
        (In::UsCore, "CareTeam:participant:Patient", "CareTeam:participant:Slot", "US Core includes"),
        (In::Includes, r#""CareTeam:participant""#, "", "which is not listed"),
        (In::Includes, "MedicationRequest:medication", "MedicationRequest:status", "is no edge of it"),
        (In::Includes, "MedicationRequest:medication", "MedicationDispense:medication", "is no edge of it"),
        (In::Includes, "MedicationRequest:medication", "Claim:patient", "is no edge"),
        (
            In::Includes,
            r#""AllergyIntolerance":{"includes":[],"revincludes":["Provenance:target"]}"#,
            r#""AllergyIntolerance":{"includes":[],"revincludes":["Observation:focus"]}"#,
            "US Core includes Provenance:target",
        ),
        (In::Elements, r#""summary":["id","#, r#""summary":["meta.id","#, "top-level members"),
        (In::Elements, r#"["photo.url"]"#, r#"["photo."]"#, "no element path"),
    ] {
        let refused = refusal(table, from, to);
        assert!(refused.contains(fault), "{from} → {to}: {refused}");
    }
}
