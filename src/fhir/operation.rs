//! The input of operations: a query, or a Parameters resource (FHIR R4 operations.html §3.2.0.1).

use serde_json::Value;

/// A body that is no Parameters resource whose values are plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a Parameters resource with plain values")]
pub struct NotParameters;

/// Names and values of a Parameters resource, as a query would spell them: a Coding is `system|code`, a CodeableConcept
/// its codings joined by commas.
///
/// # Errors
/// [`NotParameters`], also for a parameter with parts or with a resource.
pub fn parameters(body: &[u8]) -> Result<Vec<(String, String)>, NotParameters> {
    let resource: Value = serde_json::from_slice(body).map_err(|_| NotParameters)?;
    if resource.get("resourceType").and_then(Value::as_str) != Some("Parameters") {
        return Err(NotParameters);
    }
    match resource.get("parameter") {
        None => Ok(Vec::new()),
        Some(Value::Array(parameters)) => parameters.iter().map(pair).collect(),
        Some(_) => Err(NotParameters),
    }
}

fn pair(parameter: &Value) -> Result<(String, String), NotParameters> {
    let members = parameter.as_object().ok_or(NotParameters)?;
    let name = members.get("name").and_then(Value::as_str).ok_or(NotParameters)?;
    let mut values = members.iter().filter(|(key, _)| key.starts_with("value"));
    let (Some((key, value)), None) = (values.next(), values.next()) else { return Err(NotParameters) };
    let text = match (key.as_str(), value) {
        ("valueCoding", coding) => token(coding),
        ("valueCodeableConcept", concept) => {
            let codings = concept.get("coding").and_then(Value::as_array).ok_or(NotParameters)?;
            let tokens: Option<Vec<String>> = codings.iter().map(token).collect();
            tokens.map(|tokens| tokens.join(","))
        }
        (_, Value::String(text)) => Some(text.clone()),
        (_, Value::Bool(flag)) => Some(flag.to_string()),
        (_, Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    text.map(|text| (name.to_owned(), text)).ok_or(NotParameters)
}

fn token(coding: &Value) -> Option<String> {
    let code = escape(coding.get("code")?.as_str()?);
    Some(match coding.get("system").and_then(Value::as_str) {
        Some(system) => format!("{}|{code}", escape(system)),
        None => code,
    })
}

/// FHIR R4 search.html §3.1.1.4.0.1: `$`, `,` and `|` within a value.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '$' | ',' | '|') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_spelt_as_in_a_query() {
        let body = json!({"resourceType": "Parameters", "parameter": [
            {"name": "patient", "valueId": "p-1"},
            {"name": "type", "valueCodeableConcept": {"coding": [{"system": "http://loinc.org", "code": "34133-9"}]}},
            {"name": "type", "valueCoding": {"code": "a,b|c"}},
            {"name": "on-demand", "valueBoolean": false},
            {"name": "start", "valueDateTime": "2026-01-01"},
        ]});
        let wanted = [
            ("patient", "p-1"),
            ("type", "http://loinc.org|34133-9"),
            ("type", "a\\,b\\|c"),
            ("on-demand", "false"),
            ("start", "2026-01-01"),
        ];
        let wanted: Vec<_> = wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(parameters(body.to_string().as_bytes()).unwrap(), wanted);
        assert_eq!(parameters(br#"{"resourceType":"Parameters"}"#).unwrap(), []);
    }

    #[test]
    fn anything_else_is_refused() {
        for body in [
            "",
            "[]",
            r#"{"resourceType":"Patient"}"#,
            r#"{"resourceType":"Parameters","parameter":{}}"#,
            r#"{"resourceType":"Parameters","parameter":["a"]}"#,
            r#"{"resourceType":"Parameters","parameter":[{"name":"a"}]}"#,
            r#"{"resourceType":"Parameters","parameter":[{"valueId":"a"}]}"#,
            r#"{"resourceType":"Parameters","parameter":[{"name":"a","valueId":"1","valueString":"2"}]}"#,
            r#"{"resourceType":"Parameters","parameter":[{"name":"a","resource":{"resourceType":"Patient"}}]}"#,
            r#"{"resourceType":"Parameters","parameter":[{"name":"a","valueCoding":{"system":"x"}}]}"#,
            r#"{"resourceType":"Parameters","parameter":[{"name":"a","part":[]}]}"#,
        ] {
            assert_eq!(parameters(body.as_bytes()), Err(NotParameters), "{body}");
        }
    }
}
