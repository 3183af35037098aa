//! Whether two documents say the same: what was sent, and what the model understood of it.
//!
//! The model's reader is lenient in the ways of XML: `"1.5"` passes as a number, one item as a list, a list of one as
//! an item. Each of these changes the document, so each shows here.

use crate::json::Json;
use crate::problem::{Location, Problem, ProblemCode};

/// The first place at which `understood` differs from `sent`.
///
/// Not a difference: the order of members, the spelling of an exponent, nulls at the end of an array (the model pads
/// `given` and `_given` to one length).
pub(crate) fn difference(resource_type: &str, sent: &Json<'_>, understood: &Json<'_>) -> Option<Problem> {
    let mut location = Location::default();
    location.set_root(resource_type);
    compare(&mut location, sent, understood).err()
}

fn compare(location: &mut Location, sent: &Json<'_>, understood: &Json<'_>) -> Result<(), Problem> {
    match (sent, understood) {
        (Json::Object(sent_members), Json::Object(understood_members)) => {
            for (name, value) in sent_members {
                location.enter_member(name);
                match understood.get(name) {
                    Some(other) => compare(location, value, other)?,
                    None => return Err(changed(location)),
                }
                location.leave();
            }
            let added = understood_members.iter().find(|(name, _)| sent.get(name).is_none());
            added.map_or(Ok(()), |(name, _)| {
                location.enter_member(name);
                Err(changed(location))
            })
        }
        (Json::Array(sent_items), Json::Array(understood_items)) => {
            for index in 0..sent_items.len().max(understood_items.len()) {
                location.enter_index(index);
                let sent_item = sent_items.get(index).unwrap_or(&Json::Null);
                compare(location, sent_item, understood_items.get(index).unwrap_or(&Json::Null))?;
                location.leave();
            }
            Ok(())
        }
        (Json::Number(one), Json::Number(other)) if same_number(one, other) => Ok(()),
        (Json::Null | Json::Bool(_) | Json::String(_), _) if sent == understood => Ok(()),
        _ => Err(changed(location)),
    }
}

fn changed(location: &Location) -> Problem {
    location.problem(ProblemCode::Structure, "has the wrong JSON type for this element")
}

/// `1E+2` and `1e2` are one number with one precision; `1.0` and `1.00` are not (R4 datatypes, decimal).
fn same_number(one: &str, other: &str) -> bool {
    parts(one) == parts(other)
}

/// Sign and digits as they stand, and the exponent's value.
fn parts(number: &str) -> (&str, Option<i32>) {
    match number.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse().ok()),
        None => (number, Some(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::read;

    fn place(sent: &str, understood: &str) -> Option<String> {
        let (sent, understood) = (read(sent, 8).unwrap(), read(understood, 8).unwrap());
        difference("Patient", &sent, &understood).map(|problem| problem.expression)
    }

    #[test]
    fn the_same_said_otherwise_is_no_difference() {
        assert_eq!(place(r#"{"a":1,"b":[1E+2,null]}"#, r#"{"b":[1e2],"a":1}"#), None);
        assert_eq!(place(r#"{"a":"\u0041"}"#, r#"{"a":"A"}"#), None);
    }

    #[test]
    fn every_change_is_found_where_it_is() {
        for (sent, understood, expected) in [
            (r#"{"a":"1.5"}"#, r#"{"a":1.5}"#, "Patient.a"),
            (r#"{"a":{"b":1}}"#, r#"{"a":[{"b":1}]}"#, "Patient.a"),
            (r#"{"a":[{"b":1},{"b":2}]}"#, r#"{"a":[{"b":1},{"b":3}]}"#, "Patient.a[1].b"),
            (r#"{"a":[1,2]}"#, r#"{"a":[1]}"#, "Patient.a[1]"),
            (r#"{"a":1.50}"#, r#"{"a":1.5}"#, "Patient.a"),
            (r#"{"a":1}"#, r#"{}"#, "Patient.a"),
            (r#"{}"#, r#"{"a":1}"#, "Patient.a"),
            (r#"{"a":true}"#, r#"{"a":false}"#, "Patient.a"),
        ] {
            assert_eq!(place(sent, understood).as_deref(), Some(expected), "{sent}");
        }
    }
}
