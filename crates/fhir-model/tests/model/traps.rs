//! Documents that make the model panic, hang, or change what they say. Each is refused before it, or because of it.

use fhir_model::ProblemCode::{self, NotSupported, Required, Structure, TooLong, Value};

use crate::support::{refusal, validate};

fn refused(text: &str, code: ProblemCode, expression: &str) {
    assert_eq!(refusal(text), (code, expression.to_owned()), "{text}");
}

/// 0. The concrete types cannot read a decimal; the enum can.
#[test]
fn decimals_are_read() {
    for decimal in ["1.50", "185", "0", "1e3", "-0.0", "1.0E-3"] {
        let observation = format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"valueQuantity":{{"value":{decimal}}}}}"#
        );
        assert!(validate(&observation).is_ok(), "{decimal}: {:?}", validate(&observation));
    }
}

/// 1 and 4. An empty array panics in the model, wherever it stands.
#[test]
fn empty_arrays_are_refused() {
    refused(r#"{"resourceType":"Patient","name":[]}"#, Structure, "Patient.name");
    refused(r#"{"resourceType":"Patient","name":[{"given":[]}]}"#, Structure, "Patient.name[0].given");
    refused(r#"{"resourceType":"Patient","_birthDate":{"extension":[]}}"#, Structure, "Patient.birthDate.extension");
    refused(r#"{"resourceType":"Patient","name":[{"_given":[]}]}"#, Structure, "Patient.name[0].given");
    refused(r#"{"resourceType":"Bundle","type":"searchset","entry":[]}"#, Structure, "Bundle.entry");
    refused(
        r#"{"resourceType":"Patient","contained":[{"resourceType":"Patient","name":[]}]}"#,
        Structure,
        "Patient.contained[0].name",
    );
}

/// 2 and 6. An unknown array never ends in the lenient modes; unknown elements of any kind are refused.
#[test]
fn unknown_elements_are_refused() {
    refused(r#"{"resourceType":"Patient","foo":["x"]}"#, Structure, "Patient.foo");
    refused(r#"{"resourceType":"Patient","foo":[{"a":1}]}"#, Structure, "Patient.foo");
    refused(r#"{"resourceType":"Patient","name":[{"foo":["y"]}]}"#, Structure, "Patient.name[0].foo");
    refused(r#"{"resourceType":"Patient","foo":"x"}"#, Structure, "Patient.foo");
    refused(r#"{"resourceType":"Patient","_foo":{"id":"a"}}"#, Structure, "Patient.foo");
    refused(r#"{"resourceType":"Patient","fhir_comments":["x"]}"#, Structure, "Patient");
    refused(r#"{"resourceType":"Patient","name":[{"Doe, Jane 1970-01-01":"x"}]}"#, Structure, "Patient.name[0]");
}

/// 3. A nested resource followed by other elements is read to its end.
#[test]
fn elements_behind_a_nested_resource_are_read() {
    let bundle = r#"{"resourceType":"Bundle","type":"searchset","entry":[
        {"resource":{"resourceType":"Patient","active":true},"search":{"mode":"match"}}]}"#;
    assert!(validate(bundle).is_ok(), "{:?}", validate(bundle));
    let request = r##"{"resourceType":"MedicationRequest",
        "contained":[{"resourceType":"Medication","id":"m"}],
        "status":"active","intent":"order","medicationReference":{"reference":"#m"},
        "subject":{"reference":"Patient/a"}}"##;
    assert!(validate(request).is_ok(), "{:?}", validate(request));
    refused(
        r#"{"resourceType":"Bundle","type":"searchset","entry":[
            {"resource":{"resourceType":"Patient","active":true},"search":{"mode":"matched"}}]}"#,
        Value,
        "Bundle.entry[0].search.mode",
    );
}

/// 5. The model stops reading at the end of the first document.
#[test]
fn bytes_behind_the_document_are_refused() {
    refused(r#"{"resourceType":"Patient"} garbage"#, Structure, "Resource");
    refused(r#"{"resourceType":"Patient"}{"resourceType":"Patient"}"#, Structure, "Resource");
    assert!(validate("\n {\"resourceType\":\"Patient\"} \n").is_ok());
}

/// 7. A type that R4 does not have.
#[test]
fn unknown_types_are_refused() {
    refused(r#"{"resourceType":"Device"}"#, NotSupported, "resourceType");
    refused(r#"{"resourceType":"patient"}"#, NotSupported, "resourceType");
    refused(
        r#"{"resourceType":"Patient","contained":[{"resourceType":"Transport","id":"t"}]}"#,
        NotSupported,
        "Patient",
    );
    refused(r#"{"resourceType":["Patient"]}"#, Structure, "resourceType");
    refused(r#"{"name":[{"text":"x"}]}"#, Required, "Resource");
    refused(r#"[{"resourceType":"Patient"}]"#, Structure, "Resource");
}

/// 8. The model reads JSON with the leniency of XML, and changes it silently.
#[test]
fn values_of_the_wrong_json_type_are_refused() {
    let observation = |value: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"valueQuantity":{{"value":{value}}}}}"#
        )
    };
    refused(&observation(r#""1.5""#), Structure, "Observation.valueQuantity.value");
    refused(r#"{"resourceType":"Patient","active":"true"}"#, Structure, "Patient.active");
    refused(r#"{"resourceType":"Patient","name":{"text":"x"}}"#, Structure, "Patient.name");
    refused(r#"{"resourceType":"Observation","status":"final","code":[{"text":"x"}]}"#, Structure, "Observation.code");
    refused(r#"{"resourceType":"Patient","gender":["male"]}"#, Structure, "Patient.gender");
    refused(r#"{"resourceType":"Patient","name":[{"given":"A"}]}"#, Structure, "Patient.name[0].given");
    refused(r#"{"resourceType":"Patient","birthDate":2024}"#, Value, "Patient.birthDate");
    refused(r#"{"resourceType":"Patient","active":1}"#, Structure, "Patient");
    refused(r#"{"resourceType":"Patient","telecom":[{"rank":"1"}]}"#, Value, "Patient.telecom[0].rank");
}

/// 9. A number beyond 32 bits is wrapped in one of the model's modes.
#[test]
fn integers_beyond_their_range_are_refused() {
    for rank in ["99999999999", "2147483648", "0", "-1", "1.5", "1.0", "1e0"] {
        let patient = format!(r#"{{"resourceType":"Patient","telecom":[{{"rank":{rank}}}]}}"#);
        refused(&patient, Value, "Patient.telecom[0].rank");
    }
}

/// 10. An extension on a decimal that has no value.
#[test]
fn a_decimal_may_have_an_id_and_no_value() {
    let observation = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
        "valueQuantity":{"_value":{"id":"q"},"unit":"kg"}}"#;
    assert!(validate(observation).is_ok(), "{:?}", validate(observation));
}

/// 11. The type may stand anywhere in its object.
#[test]
fn the_type_need_not_come_first() {
    let checked = validate(r#"{"id":"m1","active":true,"resourceType":"Patient"}"#).unwrap();
    assert_eq!((checked.resource_type.as_str(), checked.id.as_deref()), ("Patient", Some("m1")));
    refused(r#"{"id":"m1","nickname":"Y","resourceType":"Patient"}"#, Structure, "Patient.nickname");
}

/// 12. The model knows neither the forms of primitives nor bindings.
#[test]
fn values_against_the_rules_of_their_type_are_refused() {
    refused(r#"{"resourceType":"Patient","birthDate":"2024-13-45"}"#, Value, "Patient.birthDate");
    refused(r#"{"resourceType":"Patient","birthDate":"2023-02-29"}"#, Value, "Patient.birthDate");
    refused(r#"{"resourceType":"Patient","gender":"banana split"}"#, Value, "Patient.gender");
    refused(r#"{"resourceType":"Patient","id":"../../etc"}"#, Value, "Patient.id");
    refused(r#"{"resourceType":"Patient","id":".."}"#, Value, "Patient.id");
    refused(r#"{"resourceType":"Patient","id":""}"#, Value, "Patient.id");
    refused(r#"{"resourceType":"Patient","id":7}"#, Value, "Patient.id");
    refused(
        r#"{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a b"}]}"#,
        Value,
        "Patient.contained[0].id",
    );
    refused(r#"{"resourceType":"Patient","meta":{"lastUpdated":"2024-02-29"}}"#, Value, "Patient.meta.lastUpdated");
    refused(
        r#"{"resourceType":"Slot","status":"free","schedule":{"reference":"Schedule/a"},
            "start":"2024-02-29","end":"2024-02-29T10:00:00Z"}"#,
        Value,
        "Slot.start",
    );
    refused(
        r#"{"resourceType":"Patient","name":[{"period":{"start":"2024-02-30"}}]}"#,
        Value,
        "Patient.name[0].period.start",
    );
    refused(r#"{"resourceType":"Patient","name":[{"text":""}]}"#, Structure, "Patient.name[0].text");
    refused(r#"{"resourceType":"Patient","name":[{"text":"a\u0000b"}]}"#, Value, "Patient.name[0].text");
}

/// 13. Of a repeated member the model keeps the last.
#[test]
fn repeated_members_are_refused() {
    refused(
        r#"{"resourceType":"Patient","birthDate":"2024-01-01","birthDate":"2024-01-02"}"#,
        Structure,
        "Patient.birthDate",
    );
    refused(
        r#"{"resourceType":"Patient","birthDate":"2024-01-01","birthD\u0061te":"2024-01-02"}"#,
        Structure,
        "Patient.birthDate",
    );
}

/// 14. Required elements.
#[test]
fn missing_elements_are_refused() {
    refused(r#"{"resourceType":"Observation","code":{"text":"x"}}"#, Required, "Observation");
    let problems = validate(r#"{"resourceType":"Observation","status":"final"}"#).unwrap_err();
    assert_eq!(problems[0].details, "the required element code is missing");
}

/// 15. Elements of another release.
#[test]
fn elements_of_a_later_release_are_refused() {
    refused(
        r#"{"resourceType":"Appointment","status":"booked","subject":{"reference":"Patient/a"},
            "participant":[{"status":"accepted"}]}"#,
        Structure,
        "Appointment.subject",
    );
}

/// 16. The two halves of a list may differ in length.
#[test]
fn a_shorter_half_of_a_list_is_accepted() {
    for name in [
        r#"{"given":["A","B"],"_given":[{"id":"x"}]}"#,
        r#"{"given":["A"],"_given":[null,{"id":"x"}]}"#,
        r#"{"given":["A",null,"C"],"_given":[null,{"id":"x"},null]}"#,
    ] {
        let patient = format!(r#"{{"resourceType":"Patient","name":[{name}]}}"#);
        // A null at an index where the other half has nothing is no half of anything; the last name has none.
        assert!(validate(&patient).is_ok(), "{name}: {:?}", validate(&patient));
    }
    refused(r#"{"resourceType":"Patient","name":[{"given":["A",null]}]}"#, Structure, "Patient.name[0].given[1]");
    refused(r#"{"resourceType":"Patient","gender":null}"#, Structure, "Patient.gender");
}

/// The readers behind the model carry decimals under member names of their own.
#[test]
fn the_readers_own_member_names_are_refused() {
    for name in ["$serde_json::private::Number", "$serde_json::private::RawValue", "$fhirbolt_serde::private::Decimal"]
    {
        let observation = format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"valueQuantity":{{"value":{{"{name}":"1"}}}}}}"#
        );
        refused(&observation, Structure, "Observation.valueQuantity.value");
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let nested = |depth: usize| {
        let (open, close) = (r#"{"url":"http://a.b","extension":["#, "]}");
        let inner = r#"{"url":"http://a.b","valueBoolean":true}"#;
        format!(r#"{{"resourceType":"Patient","extension":[{}{inner}{}]}}"#, open.repeat(depth), close.repeat(depth))
    };
    // The resource and its array are two levels, the innermost extension one, each extension around it two.
    assert!(validate(&nested(30)).is_ok(), "{:?}", validate(&nested(30)));
    assert_eq!(refusal(&nested(31)).0, TooLong);

    let padded = |length: usize| format!("{{\"resourceType\":\"Patient\"{}}}", " ".repeat(length - 26));
    assert_eq!(padded(1024 * 1024).len(), 1024 * 1024);
    assert!(validate(&padded(1024 * 1024)).is_ok());
    refused(&padded(1024 * 1024 + 1), TooLong, "Resource");
}

/// The deepest documents of each kind of nesting fit a worker's stack: running out of it ends the process, and no
/// guard catches that.
#[test]
fn the_deepest_documents_fit_the_stack() {
    let nest = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let item = nest(r#"{"linkId":"a","type":"group","item":["#, r#"{"linkId":"b","type":"display"}"#, "]}", 30);
    let questionnaire = format!(r#"{{"resourceType":"Questionnaire","status":"draft","item":[{item}]}}"#);
    assert!(validate(&questionnaire).is_ok(), "{:?}", validate(&questionnaire));

    let bundle = nest(
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":"#,
        r#"{"resourceType":"Patient","active":true}"#,
        "}]}",
        21,
    );
    assert!(validate(&bundle).is_ok(), "{:?}", validate(&bundle));

    let parameters = nest(
        r#"{"resourceType":"Parameters","parameter":[{"name":"a","resource":"#,
        r#"{"resourceType":"Patient","active":true}"#,
        "}]}",
        21,
    );
    assert!(validate(&parameters).is_ok(), "{:?}", validate(&parameters));

    let provision = nest(r#"{"type":"deny","provision":["#, r#"{"type":"permit"}"#, "]}", 30);
    let consent = format!(
        r#"{{"resourceType":"Consent","status":"active","scope":{{"text":"x"}},"category":[{{"text":"x"}}],"provision":{provision}}}"#
    );
    assert!(validate(&consent).is_ok(), "{:?}", validate(&consent));
}

/// A problem names places and rules. What stood there is nobody's business.
#[test]
fn problems_never_repeat_a_value() {
    const CANARY: &str = "Zyxwvut";
    for text in [
        r#"{"resourceType":"Zyxwvut"}"#,
        r#"{"resourceType":"Patient","birthDate":"Zyxwvut"}"#,
        r#"{"resourceType":"Patient","gender":"Zyxwvut"}"#,
        r#"{"resourceType":"Patient","active":"Zyxwvut"}"#,
        r#"{"resourceType":"Patient","id":"Zyxwvut Zyxwvut"}"#,
        r#"{"resourceType":"Patient","name":"Zyxwvut"}"#,
        r#"{"resourceType":"Patient","name":["Zyxwvut"]}"#,
        r#"{"resourceType":"Patient","foo":"Zyxwvut"}"#,
        r#"{"resourceType":"Patient","name":[{"text":"Zyxwvut"],"#,
        r#"{"resourceType":"Patient","Zyxwvut Zyxwvut":1,"Zyxwvut Zyxwvut":1}"#,
        r#"{"resourceType":"Patient","contained":[{"resourceType":"Zyxwvut"}]}"#,
        r#"{"resourceType":"Patient","managingOrganization":"Zyxwvut"}"#,
        r#"{"resourceType":"Patient","text":{"status":"generated","div":5,"id":"Zyxwvut"}}"#,
    ] {
        let problems = validate(text).expect_err(text);
        assert!(!format!("{problems:?}").contains(CANARY), "{problems:?}");
    }
}
