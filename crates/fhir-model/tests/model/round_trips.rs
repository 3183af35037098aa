//! Valid R4 that is easily lost or refused. Validation compares what the model understood with what was sent, so that
//! acceptance means that nothing was lost.

use crate::support::validate;

fn accepted(text: &str) {
    assert!(validate(text).is_ok(), "{text}: {:?}", validate(text));
}

#[test]
fn halves_of_primitives() {
    accepted(
        r#"{"resourceType":"Patient","birthDate":"2024","_birthDate":{"extension":[{"url":"http://a.b","valueTime":"10:00:00"}]}}"#,
    );
    accepted(r#"{"resourceType":"Patient","_birthDate":{"extension":[{"url":"http://a.b","valueCode":"unknown"}]}}"#);
    accepted(r#"{"resourceType":"Patient","_gender":{"id":"g"},"gender":"male"}"#);
    accepted(r#"{"resourceType":"Patient","name":[{"_given":[null,{"id":"x"},null],"given":["A",null,"C"]}]}"#);
}

#[test]
fn decimals_keep_their_digits() {
    for decimal in ["1.50", "1.0", "0.0100", "-0.0", "1.0e-3", "1E+2", "123456789012345678901234567.890"] {
        accepted(&format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"valueQuantity":{{"value":{decimal}}}}}"#
        ));
    }
}

#[test]
fn contained_resources_extensions_and_narrative() {
    accepted(
        r##"{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"p","name":[{"text":"x"}]}],
        "status":"final","code":{"text":"x"},"subject":{"reference":"#p"},
        "modifierExtension":[{"url":"http://a.b","extension":[{"url":"c","valueInteger":-3}]}],
        "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">  a \n\t b </div>"}}"##,
    );
}

#[test]
fn names_that_mean_another_thing_elsewhere() {
    // Elements named like members of a resource, and resources inside Parameters.
    accepted(
        r#"{"resourceType":"Consent","status":"active","scope":{"text":"x"},"category":[{"text":"x"}],
        "provision":{"type":"deny","data":[{"meaning":"instance","reference":{"reference":"Observation/a"}}],
        "period":{"start":"2024-01","end":"2024-02-29T10:00:00+02:00"}}}"#,
    );
    accepted(
        r#"{"resourceType":"Parameters","parameter":[
        {"name":"a","resource":{"resourceType":"Patient","id":"p"}},
        {"name":"b","valueInstant":"2024-02-29T10:00:00.123Z"},
        {"name":"c","part":[{"name":"d","valueId":"x"},{"name":"e","valuePositiveInt":1}]}]}"#,
    );
}

#[test]
fn the_five_types_written_through_the_gateway() {
    accepted(
        r#"{"resourceType":"Appointment","status":"proposed","start":"2024-02-29T10:00:00Z","end":"2024-02-29T10:30:00Z",
        "minutesDuration":30,"priority":5,"requestedPeriod":[{"start":"2024-02-29"}],
        "participant":[{"actor":{"reference":"Patient/a"},"required":"required","status":"accepted"}]}"#,
    );
    accepted(
        r#"{"resourceType":"Communication","status":"completed","sent":"2024-02-29T10:00:00Z",
        "payload":[{"contentString":"Good morning\n\"quoted\" \u00e9"},
        {"contentAttachment":{"contentType":"text/plain","data":"aGk=","size":2,"creation":"2024"}}]}"#,
    );
    accepted(
        r#"{"resourceType":"MedicationRequest","status":"active","intent":"order","medicationCodeableConcept":{"text":"x"},
        "subject":{"reference":"Patient/a"},"authoredOn":"2024-02-29","dosageInstruction":[{"sequence":1,
        "timing":{"repeat":{"frequency":1,"period":1,"periodUnit":"d","timeOfDay":["08:00:00"],"dayOfWeek":["mon"]}},
        "doseAndRate":[{"doseQuantity":{"value":1,"unit":"tablet"}}]}],
        "dispenseRequest":{"numberOfRepeatsAllowed":3,"validityPeriod":{"end":"2025-02-28"}}}"#,
    );
}
