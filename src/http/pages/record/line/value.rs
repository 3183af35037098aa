//! Values of Observations in words: numbers as they were sent, with their units.

use serde_json::Value;

use super::when::When;
use super::{all, concept, text};
use crate::http::pages::{say, say_with, told};

/// What was found; `None` where the resource holds no value of its own.
pub(super) fn of(holder: &Value, when: &When) -> Option<String> {
    let plain = || ["/valueString", "/valueTime"].iter().find_map(|pointer| text(holder, pointer)).map(str::to_owned);
    let truth = || {
        holder
            .get("valueBoolean")
            .and_then(Value::as_bool)
            .map(|truth| if truth { say("record.yes") } else { say("redeem.no") }.to_owned())
    };
    let whole = || holder.get("valueInteger").filter(|value| value.is_number()).map(ToString::to_string);
    let date = || text(holder, "/valueDateTime").map(|at| when.tell(at));
    let series = || holder.get("valueSampledData").map(|_| say("record.series-measurements-ask").to_owned());
    let missing =
        || concept(holder.get("dataAbsentReason")).map(|why| say_with("record.no-value-why", &[("why", &why)]));
    quantity(holder.get("valueQuantity"))
        .or_else(|| concept(holder.get("valueCodeableConcept")))
        .or_else(plain)
        .or_else(truth)
        .or_else(whole)
        .or_else(|| range(holder.get("valueRange")))
        .or_else(|| ratio(holder.get("valueRatio")))
        .or_else(date)
        .or_else(|| when.period(holder.get("valuePeriod")))
        .or_else(series)
        .or_else(missing)
}

/// A Quantity with comparator and unit, its digits as they were sent (FHIR R4 datatypes.html, decimal).
pub(super) fn quantity(quantity: Option<&Value>) -> Option<String> {
    let quantity = quantity?;
    let value = quantity.get("value").filter(|value| value.is_number())?;
    let comparator = text(quantity, "/comparator").map(|sign| format!("{sign} ")).unwrap_or_default();
    let unit = text(quantity, "/unit").or_else(|| text(quantity, "/code")).map(|unit| format!(" {unit}"));
    Some(format!("{comparator}{value}{}", unit.unwrap_or_default()))
}

/// A Range, or what has its bounds.
pub(super) fn range(value: Option<&Value>) -> Option<String> {
    let value = value?;
    match (quantity(value.get("low")), quantity(value.get("high"))) {
        (Some(low), Some(high)) => Some(say_with("record.low-to-high", &[("low", &low), ("high", &high)])),
        (Some(low), None) => Some(say_with("record.or-more", &[("low", &low)])),
        (None, Some(high)) => Some(say_with("record.or-less", &[("high", &high)])),
        (None, None) => None,
    }
}

fn ratio(value: Option<&Value>) -> Option<String> {
    let value = value?;
    Some(format!("{} : {}", quantity(value.get("numerator"))?, quantity(value.get("denominator"))?))
}

/// The ranges that the laboratory gives, each with what it is meant for where that is said.
pub(super) fn reference(holder: &Value) -> Option<String> {
    let said = |one: &Value| {
        let bounds = text(one, "/text").map(str::to_owned).or_else(|| range(Some(one)))?;
        let of: Vec<String> =
            concept(one.get("type")).into_iter().chain(super::concepts(one.get("appliesTo"))).collect();
        Some(if of.is_empty() { bounds } else { format!("{bounds} ({})", of.join(", ")) })
    };
    let said: Vec<String> = all(holder, "referenceRange").filter_map(said).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

const INTERPRETATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";

/// What the laboratory says of the value, never by colour alone: codes of HL7 v3 ObservationInterpretation in words, all
/// others as the laboratory wrote them, for a local code may mean anything.
pub(super) fn flag(holder: &Value) -> Option<String> {
    let word = |one: &Value| {
        let mut codings = all(one, "coding").filter(|coding| text(coding, "/system") == Some(INTERPRETATION));
        let known = codings.find_map(|coding| interpretation(text(coding, "/code")?));
        known.map(told).or_else(|| concept(Some(one)))
    };
    let words: Vec<String> = all(holder, "interpretation").filter_map(word).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn interpretation(code: &str) -> Option<&'static str> {
    Some(match code {
        "N" => "Within the usual range",
        "H" => "Above the usual range",
        "L" => "Below the usual range",
        "HU" => "Far above the usual range",
        "LU" => "Far below the usual range",
        "HH" => "Critically high",
        "LL" => "Critically low",
        "A" => "Outside the usual range",
        "AA" => "Critically outside the usual range",
        "POS" => "Positive",
        "NEG" => "Negative",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(holder: &Value) -> Option<String> {
        of(holder, &When::new(None))
    }

    /// Rule: the words hold the digits that were sent, and nothing that was not.
    #[test]
    fn values_are_told_as_they_were_sent() {
        let text = r#"{"valueQuantity":{"value":5.40,"comparator":"<","unit":"mmol/L"}}"#;
        assert_eq!(said(&serde_json::from_str(text).unwrap()).unwrap(), "< 5.40 mmol/L");
        assert_eq!(said(&json!({"valueQuantity": {"value": 7, "code": "%"}})).unwrap(), "7 %");
        assert_eq!(said(&json!({"valueQuantity": {"unit": "%"}})), None);
        assert_eq!(said(&json!({"valueCodeableConcept": {"coding": [{"display": "Detected"}]}})).unwrap(), "Detected");
        assert_eq!(said(&json!({"valueBoolean": false})).unwrap(), "No");
        assert_eq!(said(&json!({"valueRange": {"high": {"value": 3}}})).unwrap(), "3 or less");
        let ratio = json!({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}});
        assert_eq!(said(&ratio).unwrap(), "1 : 128");
        assert_eq!(said(&json!({"dataAbsentReason": {"text": "not done"}})).unwrap(), "No value: not done");
        assert_eq!(said(&json!({})), None);
    }

    #[test]
    fn flags_and_ranges_are_words_of_the_laboratory() {
        let coded = |code: &str| {
            json!({"coding": [{"system": "urn:local", "code": "x"},
            {"system": INTERPRETATION, "code": code}]})
        };
        let observation = json!({
            "interpretation": [coded("HH"), {"text": "see comment"}],
            "referenceRange": [{"low": {"value": 3.5, "unit": "mmol/L"}, "high": {"value": 5.1, "unit": "mmol/L"}},
                {"text": "under 4", "type": {"text": "therapeutic"}}],
        });
        assert_eq!(flag(&observation).unwrap(), "Critically high, see comment");
        assert_eq!(reference(&observation).unwrap(), "3.5 mmol/L to 5.1 mmol/L; under 4 (therapeutic)");
        assert_eq!((flag(&json!({})), reference(&json!({}))), (None, None));
        // A laboratory's own N may stand for negative.
        let local =
            json!({"interpretation": [{"coding": [{"system": "urn:lab", "code": "N", "display": "Negative"}]}]});
        assert_eq!(flag(&local).unwrap(), "Negative");
    }
}
