//! What is said of each type of resource.

mod appointment;
mod clinical;
mod document;
mod medication;
mod observation;
mod plan;

use std::collections::BTreeMap;

use serde_json::Value;

use super::when::When;
use super::{Fact, Line, all, concept, concepts, names, text};
use crate::http::pages::told;

/// The words for a resource, but for its id and practice.
pub(super) fn line(resource: &Value, included: &BTreeMap<String, &Value>, when: &When) -> Line {
    match text(resource, "/resourceType").unwrap_or_default() {
        "Observation" => observation::line(resource, when),
        "MedicationRequest" => medication::line(resource, included, when),
        "Appointment" => appointment::line(resource, when),
        "Communication" => document::message(resource, when),
        "DiagnosticReport" => document::report(resource, when),
        "DocumentReference" => document::reference(resource, when),
        "CarePlan" | "Goal" | "CareTeam" => plan::line(resource, when),
        "Coverage" => plan::coverage(resource, when),
        "Invoice" => plan::invoice(resource, when),
        "AllergyIntolerance" => clinical::allergy(resource, when),
        "Condition" => clinical::condition(resource, when),
        "Immunization" => clinical::immunization(resource, when),
        "Encounter" => clinical::visit(resource, when),
        _ => clinical::procedure(resource, when),
    }
}

/// A line under construction.
struct Words(Line);

impl Words {
    fn new(title: Option<String>, otherwise: &str, when: String) -> Self {
        Self(Line { title: title.unwrap_or_else(|| told(otherwise)), when, ..Line::default() })
    }

    fn fact(mut self, name: &'static str, text: Option<String>) -> Self {
        self.0.facts.extend(text.map(|text| Fact { name, text }));
        self
    }

    /// Several texts after one name.
    fn facts(self, name: &'static str, texts: &[String]) -> Self {
        let joined = (!texts.is_empty()).then(|| texts.join(", "));
        self.fact(name, joined)
    }

    /// What is to be known first. Of several states all are told.
    fn state(mut self, state: Option<&str>) -> Self {
        self.0.state = match (self.0.state.take(), state.map(told)) {
            (Some(before), Some(state)) => Some(format!("{before}. {state}")),
            (before, state) => before.or(state),
        };
        self
    }
}

/// The state for a status: nothing to say of the `usual` ones, the words of `known`, and that it is not known for all
/// others: what a practice does not say must not look settled.
fn state_of(status: Option<&str>, usual: &[&str], known: &[(&str, &'static str)]) -> Option<&'static str> {
    let status = status.unwrap_or("unknown");
    if usual.contains(&status) {
        return None;
    }
    let word = known.iter().find(|(code, _)| *code == status).map(|(_, word)| *word);
    word.or(Some("The practice does not say how this stands"))
}

/// The texts of the notes, which everybody who may read the resource may read.
fn notes(resource: &Value) -> Vec<String> {
    all(resource, "note").filter_map(|note| text(note, "/text")).map(str::to_owned).collect()
}

/// A text element.
fn said(resource: &Value, pointer: &str) -> Option<String> {
    text(resource, pointer).map(str::to_owned)
}

/// A code such as `active` as a word that begins a line.
fn sentence(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// FHIR R4 observation-status and diagnostic-report-status.
fn report_state(status: Option<&str>) -> Option<&'static str> {
    let known = [
        ("registered", "Not ready yet"),
        ("preliminary", "Preliminary: may still change"),
        ("partial", "Preliminary: may still change"),
        ("amended", "Corrected after it was first reported"),
        ("corrected", "Corrected after it was first reported"),
        ("appended", "Added to after it was first reported"),
        ("cancelled", "Not carried out"),
    ];
    state_of(status, &["final"], &known)
}

/// The first text of an array of CodeableConcepts.
fn first_of(value: Option<&Value>) -> Option<String> {
    concepts(value).into_iter().next()
}
