//! One resource in words. Texts of the practice stay as they are; nothing is concluded from them.

mod kinds;
mod value;
mod when;

use std::collections::BTreeMap;

use serde_json::Value;

use self::when::When;
use crate::gateway::Practice;
use crate::http::pages::say;

/// What people read of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// The id at this gateway.
    pub(super) id: String,
    pub(super) title: String,
    /// When it was, as far as the practice says.
    pub(super) when: String,
    /// What is to be known of it first: that it is not final, was called off, or is a warning.
    pub(super) state: Option<String>,
    /// Further words, each after what it is.
    pub(super) facts: Vec<Fact>,
    pub(super) files: Vec<File>,
    /// Which practice it is from.
    pub(super) practice: String,
    /// `system|code` of all its codes, where it has values to compare.
    pub(super) codes: Vec<String>,
}

/// One thing that is said of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) text: String,
}

/// What the laboratory says of a value.
const FLAG: &str = "The laboratory says";

impl Fact {
    /// Whether it is what was found.
    pub(super) fn is_value(&self) -> bool {
        matches!(self.name, "Value" | "Values")
    }

    /// Whether it is what the laboratory says of what was found.
    pub(super) fn is_flag(&self) -> bool {
        self.name == FLAG
    }
}

/// A file to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: String,
    /// The id of its Binary at this gateway.
    pub(super) id: String,
}

/// Puts resources of one answer into words.
pub(super) struct Reader<'a, P> {
    /// What else the answer holds, by `Type/id`.
    included: BTreeMap<String, &'a Value>,
    practice_of: P,
}

impl<'a, P: Fn(&str) -> Option<Practice>> Reader<'a, P> {
    pub(super) fn new(included: impl Iterator<Item = &'a Value>, practice_of: P) -> Self {
        let named = |resource: &'a Value| {
            let (kind, id) = (resource.get("resourceType")?.as_str()?, resource.get("id")?.as_str()?);
            Some((format!("{kind}/{id}"), resource))
        };
        Self { included: included.filter_map(named).collect(), practice_of }
    }

    /// The words for a resource that has an id. What was entered in error is not to be put into words ([`is_withdrawn`]).
    pub(super) fn read(&self, resource: &Value) -> Option<Line> {
        let id = resource.get("id")?.as_str()?;
        let practice = (self.practice_of)(id);
        let when = When::new(practice.as_ref().and_then(|practice| practice.zone.clone()));
        let mut line = kinds::line(resource, &self.included, &when);
        id.clone_into(&mut line.id);
        line.practice = practice.map_or_else(|| say("record.a-practice").to_owned(), |practice| practice.name);
        Some(line)
    }
}

/// Whether the practice took it back (FHIR R4: `entered-in-error` wherever a type has a status): it says nothing then.
pub(super) fn is_withdrawn(resource: &Value) -> bool {
    let mut statuses = ["/status", "/docStatus", "/lifecycleStatus"].iter().filter_map(|at| text(resource, at));
    statuses.any(|status| status == "entered-in-error") || has_code(resource, "verificationStatus", "entered-in-error")
}

/// Whether the CodeableConcept in this element has a coding with this code.
pub(super) fn has_code(resource: &Value, element: &str, code: &str) -> bool {
    resource.get(element).is_some_and(|concept| all(concept, "coding").any(|one| text(one, "/code") == Some(code)))
}

/// The elements of an array; none where it is not there.
pub(super) fn all<'a>(holder: &'a Value, array: &str) -> impl Iterator<Item = &'a Value> + Clone + use<'a> {
    holder.get(array).and_then(Value::as_array).into_iter().flatten()
}

/// The text of a CodeableConcept: the practice's own, else the first name of a code, else the code.
pub(super) fn concept(value: Option<&Value>) -> Option<String> {
    let value = value?;
    let of = |at: &str| all(value, "coding").find_map(|coding| text(coding, at));
    text(value, "/text").or_else(|| of("/display")).or_else(|| of("/code")).map(str::to_owned)
}

/// The texts of an array of CodeableConcepts.
pub(super) fn concepts(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(|one| concept(Some(one))).collect()
}

/// A string at a JSON pointer.
pub(super) fn text<'a>(resource: &'a Value, pointer: &str) -> Option<&'a str> {
    resource.pointer(pointer)?.as_str().filter(|text| !text.trim().is_empty())
}

/// The names of those that an array of references, or of elements that hold one, points to.
pub(super) fn names(resource: &Value, array: &str, reference: &str) -> Vec<String> {
    let at = format!("{reference}/display");
    all(resource, array).filter_map(|one| text(one, &at)).map(str::to_owned).collect()
}
