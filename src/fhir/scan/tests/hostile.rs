//! One trap each: what a hostile or broken source might send.

use super::{page, resource};
use crate::fhir::scan::{IssueCode, IssueSeverity, OutcomeIssue, ScanError, scan_outcome, unescape};

/// The offset of `mark`'s first byte, for errors that name the place.
fn at(text: &str, mark: &str) -> u32 {
    text.find(mark).unwrap() as u32
}

fn refusal(text: &str) -> ScanError {
    resource(text).expect_err(text)
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let shapes = super::shapes(&[], &[]);
    let bytes = bytes::Bytes::from_static(b"{\"resourceType\":\"Patient\",\"id\":\"\xff\"}");
    assert_eq!(crate::fhir::scan::scan_resource(bytes, &shapes).unwrap_err(), ScanError::NotUtf8 { at: 32 });
}

#[test]
fn a_key_with_an_escape_is_refused() {
    let text = r#"{"resourceType":"Observation","subject":{"r\u0065ference":"Patient/1"}}"#;
    assert_eq!(refusal(text), ScanError::EscapedKey { at: at(text, r"r\u0065") });
}

#[test]
fn an_escaped_resource_type_does_not_count_as_one() {
    assert_eq!(refusal(r#"{"resourceT\u0079pe":"Observation"}"#), ScanError::EscapedKey { at: 2 });
    assert!(matches!(refusal(r#"{"resourceType":"Obs\u0065rvation"}"#), ScanError::NotAResource { .. }));
}

#[test]
fn a_key_met_twice_is_refused_wherever_it_stands() {
    for text in [
        r#"{"resourceType":"Observation","resourceType":"Patient"}"#,
        r#"{"resourceType":"Observation","id":"a","id":"b"}"#,
        r#"{"resourceType":"Observation","subject":{"reference":"Patient/1"},"subject":{"reference":"Patient/2"}}"#,
        r#"{"resourceType":"Observation","subject":{"reference":"Patient/1","display":"x","reference":"Patient/2"}}"#,
        r#"{"resourceType":"Observation","meta":{"security":[],"security":[{"code":"R"}]}}"#,
        r#"{"resourceType":"Observation","extension":[{"extension":[],"url":"a","extension":[]}]}"#,
        r#"{"resourceType":"Observation","contained":[],"contained":[]}"#,
        r#"{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"a","name":[],"id":"b"}]}"#,
        r#"{"resourceType":"Observation","anything":1,"other":2,"anything":3}"#,
    ] {
        assert!(matches!(refusal(text), ScanError::DuplicateKey { .. }), "{text}");
    }
    // The same key in two objects is as it should be.
    assert!(resource(r#"{"resourceType":"Observation","a":{"b":1},"c":[{"b":1},{"b":1}],"b":1}"#).is_ok());
}

#[test]
fn long_keys_that_share_both_ends_are_told_apart() {
    assert!(resource(r#"{"resourceType":"Observation","abcdefgh1abcdefgh":1,"abcdefgh2abcdefgh":1}"#).is_ok());
}

#[test]
fn an_object_with_too_many_members_is_refused() {
    let members = |count: usize| {
        let members: String = (0..count).map(|index| format!(r#","k{index}":0"#)).collect();
        format!(r#"{{"resourceType":"Observation"{members}}}"#)
    };
    assert!(resource(&members(255)).is_ok());
    assert!(matches!(refusal(&members(256)), ScanError::TooManyMembers { .. }));
}

#[test]
fn nesting_beyond_the_limit_is_refused() {
    let nested =
        |depth: usize| format!(r#"{{"resourceType":"Observation","a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(resource(&nested(127)).is_ok());
    assert!(matches!(refusal(&nested(128)), ScanError::TooDeep { .. }));
    assert!(matches!(refusal(&nested(100_000)), ScanError::TooDeep { .. }));
    // The look ahead for a type that comes late is bound by it as well.
    let late = format!(r#"{{"a":{}{},"resourceType":"Observation"}}"#, "[".repeat(5000), "]".repeat(5000));
    assert!(matches!(refusal(&late), ScanError::TooDeep { .. }));
}

#[test]
fn numbers_outside_the_grammar_are_refused() {
    for number in ["01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity", "-01", "1.e3", "--1", "1_0"] {
        assert!(resource(&format!(r#"{{"resourceType":"Observation","a":{number}}}"#)).is_err(), "{number}");
    }
    for number in ["0", "-0", "0.0", "-0.10e-07", "1E+400", "10"] {
        assert!(resource(&format!(r#"{{"resourceType":"Observation","a":{number}}}"#)).is_ok(), "{number}");
    }
}

#[test]
fn strings_outside_the_grammar_are_refused() {
    for content in [
        "\u{0}",
        "\n",
        "\t",
        "\u{1f}",
        r"\x",
        r"\u12",
        r"\u12g4",
        r"\ud800",
        r"\ud800x",
        r"\ud800\u0041",
        r"\udc00",
        r"\ud800\ud800",
        r"\",
    ] {
        let text = format!(r#"{{"resourceType":"Observation","a":"{content}"}}"#);
        assert!(resource(&text).is_err(), "{content:?}");
        let padded = format!(r#"{{"resourceType":"Observation","a":"zzzzzzzz{content}zzzzzzzz"}}"#);
        assert!(resource(&padded).is_err(), "{content:?}");
    }
    for content in ["\u{7f}", "\u{80}", "é", "😀", r"\ud83d\ude00", r#"\"\\\/\b\f\n\r\t"#, r"\u0000"] {
        assert!(resource(&format!(r#"{{"resourceType":"Observation","a":"{content}"}}"#)).is_ok(), "{content:?}");
    }
}

#[test]
fn structure_outside_the_grammar_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "{}}",
        "[1,]",
        r#"{"resourceType":"Patient",}"#,
        r#"{"resourceType":"Patient"} x"#,
        r#"{"resourceType":"Patient"}{}"#,
        r#"{"resourceType" "Patient"}"#,
        r#"{"resourceType":"Patient","a":[1 2]}"#,
        r#"{"resourceType":"Patient","a":[1,]}"#,
        r#"{"resourceType":"Patient","a":[,1]}"#,
        r#"{"resourceType":"Patient" "a":1}"#,
        r#"{resourceType:"Patient"}"#,
        r#"{"resourceType":'Patient'}"#,
        r#"{"resourceType":"Patient","a":nul}"#,
        r#"{"resourceType":"Patient","a":True}"#,
        r#"{"resourceType":"Patient"/* */}"#,
        "\u{feff}{\"resourceType\":\"Patient\"}",
        "{\"resourceType\":\"Patient\"}\u{a0}",
        "{\"resourceType\":\"Patient\"}\0",
        r#"{"resourceType":"Patient","a":}"#,
        r#"{"resourceType":"Patient","a":[}]}"#,
        r#"{"resourceType":"Patient","a":{]}}"#,
    ] {
        assert!(resource(text).is_err(), "{text:?}");
    }
}

#[test]
fn something_behind_the_document_is_refused() {
    let text = r#"{"resourceType":"Patient"} {"resourceType":"Patient"}"#;
    assert_eq!(refusal(text), ScanError::TrailingBytes { at: 27 });
}

#[test]
fn an_id_outside_the_grammar_is_refused() {
    let long = "a".repeat(193);
    for id in ["", "a/b", "a b", "..", ".", "a?b", "ä", "a_b", r"a\u0062", "a#", &long] {
        let text = format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#);
        assert_eq!(refusal(&text), ScanError::Id { at: 31 }, "{id}");
    }
    for id in ["1", "{}", "null", r#"["a"]"#] {
        assert!(resource(&format!(r#"{{"resourceType":"Patient","id":{id}}}"#)).is_err(), "{id}");
    }
    assert!(resource(&format!(r#"{{"resourceType":"Patient","id":"{}"}}"#, "A-z.0".repeat(12))).is_ok());
}

#[test]
fn an_unknown_or_missing_type_is_refused() {
    assert_eq!(refusal(r#"{"resourceType":"Basic"}"#), ScanError::UnknownType);
    assert_eq!(refusal(r#"{"resourceType":"patient"}"#), ScanError::UnknownType);
    for text in [
        "{}",
        r#"{"id":"a"}"#,
        r#"{"resourceType":null}"#,
        r#"{"resourceType":["Patient"]}"#,
        "[]",
        "null",
        r#""Patient""#,
    ] {
        assert!(matches!(refusal(text), ScanError::NotAResource { .. }), "{text}");
    }
}

#[test]
fn a_resource_inside_a_resource_is_refused_unless_contained() {
    for text in [
        r#"{"resourceType":"Observation","subject":{"resourceType":"Patient","id":"b"}}"#,
        r#"{"resourceType":"Observation","extension":[{"valueReference":{"x":[{"resourceType":"Patient"}]}}]}"#,
        r#"{"resourceType":"Observation","contained":[{"resourceType":"Patient","contained":[{"resourceType":"Patient"}]}]}"#,
        r#"{"resourceType":"Observation","entry":[{"resource":{"resourceType":"Patient"}}]}"#,
        r#"{"resourceType":"Observation","subject":{"resourceType":1}}"#,
    ] {
        assert!(matches!(refusal(text), ScanError::NestedResource { .. }), "{text}");
    }
}

#[test]
fn contained_is_a_list_of_resources_or_refused() {
    for contained in
        [r#"{"resourceType":"Patient"}"#, "[1]", "[null]", r#"[["a"]]"#, r#"[[{"resourceType":"Patient"}]]"#, r#""a""#]
    {
        assert!(
            resource(&format!(r#"{{"resourceType":"Observation","contained":{contained}}}"#)).is_err(),
            "{contained}"
        );
    }
    assert!(matches!(
        refusal(r#"{"resourceType":"Observation","contained":[{"id":"a"}]}"#),
        ScanError::NotAResource { .. }
    ));
    let unknown =
        resource(r##"{"resourceType":"Observation","contained":[{"resourceType":"List","id":"#a"}]}"##).unwrap();
    assert_eq!(unknown.facts.contained[0].resource_type, None);
}

#[test]
fn a_contained_resource_never_speaks_for_its_container() {
    let text = r#"{"contained":[{"resourceType":"Observation","id":"c","meta":{"versionId":"9","security":[{"code":"N"}]},
        "subject":{"reference":"Patient/mine"},"content":[{"attachment":{"url":"http://h/Binary/1"}}]}],
        "resourceType":"Observation","meta":{"security":[{"code":"R"}]},"subject":{"reference":"Patient/other"}}"#;
    let scanned = resource(text).unwrap();
    let captured = |id| {
        scanned
            .facts
            .captured(id)
            .map(|span| std::str::from_utf8(span.of(text.as_bytes())).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(captured(0), [r#""Patient/other""#]);
    assert_eq!(captured(3), [r#"{"code":"R"}"#]);
    assert_eq!((scanned.facts.version_id, scanned.id()), (None, None));
    assert_eq!(
        scanned.facts.references.iter().map(|reference| reference.in_contained).collect::<Vec<_>>(),
        [true, false]
    );
    assert!(scanned.facts.attachment_urls[0].in_contained);
}

#[test]
fn a_list_of_references_is_refused() {
    assert!(matches!(
        refusal(r#"{"resourceType":"Observation","subject":{"reference":["Patient/1"]}}"#),
        ScanError::Reference { .. }
    ));
    // Consent.provision.data.reference is an object, and holds the string.
    let scanned =
        resource(r#"{"resourceType":"Consent","provision":{"data":[{"reference":{"reference":"Observation/1"}}]}}"#)
            .unwrap();
    assert_eq!(scanned.facts.references.len(), 1);
}

#[test]
fn references_are_found_wherever_they_hide() {
    let text = r#"{"resourceType":"Observation","reference":"Patient/0",
        "_status":{"extension":[{"url":"x","valueReference":{"reference":"Patient\/1"}}]},
        "modifierExtension":[{"extension":[{"valueReference":{"type":"Patient","reference":"Patient/2"}}]}],
        "unknown":[[{"deep":{"reference":"Patient/3"}}]]}"#;
    let facts = resource(text).unwrap().facts;
    let values: Vec<_> =
        facts.references.iter().map(|reference| unescape(reference.value.of(text.as_bytes())).unwrap()).collect();
    assert_eq!(values, ["Patient/0", "Patient/1", "Patient/2", "Patient/3"]);
    assert_eq!(
        facts.references.iter().map(|reference| reference.escaped).collect::<Vec<_>>(),
        [false, true, false, false]
    );
}

#[test]
fn attachment_urls_are_found_by_the_table_and_in_every_value_attachment() {
    let text = r#"{"resourceType":"DocumentReference","url":"no","content":[{"attachment":{"url":"a","title":"no"}},{"attachment":{"url":"b"}}],
        "extension":[{"url":"no","valueAttachment":{"contentType":"x","url":"c"}}],"item":[{"answer":[{"valueAttachment":{"url":"d\/"}}]}]}"#;
    let facts = resource(text).unwrap().facts;
    let shown = |span: crate::fhir::scan::Span| std::str::from_utf8(span.of(text.as_bytes())).unwrap();
    let found: Vec<_> =
        facts.attachment_urls.iter().map(|url| (shown(url.member), shown(url.value), url.escaped)).collect();
    let expected = [
        (r#""url":"a""#, "a", false),
        (r#""url":"b""#, "b", false),
        (r#""url":"c""#, "c", false),
        (r#""url":"d\/""#, r"d\/", true),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_page_that_is_not_a_bundle_is_refused() {
    for text in [
        r#"{"resourceType":"Patient","id":"a"}"#,
        r#"{"resourceType":"OperationOutcome"}"#,
        "{}",
        "[]",
        "1",
        r#"{"resourceType":["Bundle"]}"#,
        r#"{"resourceType":"Bundl\u0065"}"#,
    ] {
        assert_eq!(page(text).unwrap_err(), ScanError::NotABundle, "{text}");
    }
    assert!(page(r#"{"resourceType":"Bundle"}"#).unwrap().entries.is_empty());
}

#[test]
fn a_page_whose_own_members_are_ambiguous_is_refused() {
    for text in [
        r#"{"resourceType":"Bundle","entry":[],"entry":[]}"#,
        r#"{"resourceType":"Bundle","link":[],"link":[]}"#,
        r#"{"resourceType":"Bundle","resourceType":"Bundle"}"#,
        r#"{"resourceType":"Bundle","\u0065ntry":[]}"#,
        r#"{"resourceType":"Bundle","entry":{"resource":{"resourceType":"Patient"}}}"#,
        r#"{"resourceType":"Bundle","link":[{"relation":"next","url":"a"},{"relation":"next","url":"b"}]}"#,
        r#"{"resourceType":"Bundle","link":[{"relation":"next"}]}"#,
        r#"{"resourceType":"Bundle","signature":{"resourceType":"Patient"}}"#,
        r#"{"resourceType":"Bundle","entry":[]} {}"#,
    ] {
        assert!(page(text).is_err(), "{text}");
    }
}

#[test]
fn an_entry_that_breaks_the_rules_costs_itself_alone() {
    let good = r#"{"resource":{"resourceType":"Patient","id":"good"}}"#;
    for bad in [
        "{}",
        "null",
        "[]",
        r#"{"fullUrl":"http://h/a"}"#,
        r#"{"resource":null}"#,
        r#"{"resource":[{"resourceType":"Patient","id":"b"}]}"#,
        r#"{"resource":{"id":"b"}}"#,
        r#"{"resource":{"resourceType":"Bundle","entry":[]}}"#,
        r#"{"resource":{"resourceType":"Parameters","parameter":[{"name":"a","resource":{"resourceType":"Patient"}}]}}"#,
        r#"{"resource":{"resourceType":"Patient","id":"a/b"}}"#,
        r#"{"resource":{"resourceType":"Patient","id":"b"},"resource":{"resourceType":"Patient","id":"c"}}"#,
        r#"{"resource":{"resourceType":"Patient","id":"b"},"fullUrl":"a","fullUrl":"b"}"#,
        r#"{"resource":{"resourceType":"Patient","id":"b"},"fullUrl":1}"#,
        r#"{"r\u0065source":{"resourceType":"Patient","id":"b"}}"#,
        r#"{"resource":{"resourceType":"Patient","id":"b"},"search":{"mode":"other"}}"#,
        r#"{"resource":{"resourceType":"Patient","id":"b"},"search":{"mode":"outcome"}}"#,
        r#"{"resource":{"resourceType":"Patient","id":"b"},"search":{"mode":"match","mode":"include"}}"#,
        r#"{"resource":{"resourceType":"Patient","id":"b"},"response":{"outcome":{"resourceType":"OperationOutcome"}}}"#,
        r#"{"resourceType":"Patient","id":"b"}"#,
    ] {
        let text = format!(r#"{{"resourceType":"Bundle","entry":[{good},{bad},{good}]}}"#);
        let page = page(&text).expect(bad);
        assert_eq!((page.entries.len(), page.refused), (2, 1), "{bad}");
        assert!(page.entries.iter().all(|entry| entry.resource.id() == Some("good")), "{bad}");
    }
}

#[test]
fn facts_of_one_entry_do_not_reach_the_next() {
    let text = r#"{"resourceType":"Bundle","entry":[
        {"resource":{"resourceType":"Patient","id":"b","id":"c","subject":{"reference":"Patient/1"}},"x":{"reference":"Patient/2"}},
        {"resource":{"resourceType":"Patient"},"x":{"reference":"Patient/3"}}]}"#;
    let page = page(text).unwrap();
    let [entry] = &page.entries[..] else { panic!("one entry") };
    assert_eq!(
        (entry.resource.id(), entry.resource.facts.references.len(), entry.resource.facts.captures.len()),
        (None, 0, 0)
    );
}

#[test]
fn a_total_that_is_no_count_is_passed_over() {
    for (total, expected) in
        [("5", Some(5)), ("-1", None), ("5.0", None), (r#""5""#, None), ("1e2", None), ("99999999999999999999", None)]
    {
        assert_eq!(
            page(&format!(r#"{{"resourceType":"Bundle","total":{total}}}"#)).unwrap().total,
            expected,
            "{total}"
        );
    }
}

#[test]
fn an_outcome_gives_its_codes_and_nothing_else() {
    let text = br#"{"issue":[{"severity":"fatal","code":"exception","diagnostics":"at com.secret","details":{"text":"secret"}},
        {"severity":"secret","code":"secret"},{}],"resourceType":"OperationOutcome"}"#;
    let expected = [
        OutcomeIssue { severity: IssueSeverity::Fatal, code: IssueCode::Exception },
        OutcomeIssue { severity: IssueSeverity::Error, code: IssueCode::Processing },
        OutcomeIssue { severity: IssueSeverity::Error, code: IssueCode::Processing },
    ];
    assert_eq!(scan_outcome(text).unwrap(), expected);
    assert_eq!(scan_outcome(br#"{"resourceType":"Patient"}"#), Err(ScanError::NotAnOutcome));
    assert!(scan_outcome(br#"<html>"#).is_err());
    assert_eq!(scan_outcome(br#"{"resourceType":"OperationOutcome"}"#), Ok(Vec::new()));
}

#[test]
fn errors_and_debug_output_hold_no_content() {
    let error = refusal(r#"{"resourceType":"Patient","name":"Secret" "#);
    assert!(!format!("{error} {error:?}").contains("Secret"));
    let scanned = resource(r#"{"resourceType":"Patient","id":"Secret"}"#).unwrap();
    assert!(!format!("{scanned:?}").contains("Secret"));
    let page = page(
        r#"{"resourceType":"Bundle","type":"Secret","link":[{"relation":"next","url":"Secret"}],"entry":[{"fullUrl":"Secret","resource":{"resourceType":"Patient","id":"Secret"}}]}"#,
    );
    assert!(!format!("{page:?}").contains("Secret"));
}
