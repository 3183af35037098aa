//! The parts of a record, as people look for them.

use crate::fhir::ResourceType;
use crate::http::pages::say;

/// One part: where it is, what it is called, and what is asked for it.
#[derive(Debug)]
pub(super) struct Part {
    /// The last segment of its address.
    pub(super) path: &'static str,
    pub(super) resource_type: ResourceType,
    /// What is asked besides the person: newest first where FHIR R4 has a date to sort by.
    pub(super) parameters: &'static [(&'static str, &'static str)],
    /// What is asked for the first page of the record; none where the part stands there by name alone.
    pub(super) summary: Option<Summary>,
}

/// What of a part stands on the first page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    /// What is asked besides the person.
    pub(super) parameters: &'static [(&'static str, &'static str)],
    /// Only what is still to come.
    pub(super) is_ahead: bool,
    /// So many entries at most.
    pub(super) shown: usize,
}

const fn latest(parameters: &'static [(&'static str, &'static str)]) -> Option<Summary> {
    Some(Summary { parameters, is_ahead: false, shown: 3 })
}

macro_rules! parts {
    ($($path:literal $type:ident [$($parameter:expr),*] $summary:expr;)*) => {
        /// All parts, in the order of the page.
        pub(super) const PARTS: &[Part] = &[$(Part {
            path: $path,
            resource_type: ResourceType::$type,
            parameters: &[$($parameter),*],
            summary: $summary,
        }),*];
    };
}

parts! {
    "appointments" Appointment [("_sort", "-date")]
        Some(Summary { parameters: &[("_sort", "date"), ("status", "booked")], is_ahead: true, shown: 3 });
    "results" Observation [("_sort", "-date"), ("category", "laboratory")]
        latest(&[("_sort", "-date"), ("category", "laboratory")]);
    "medications" MedicationRequest [("_sort", "-authoredon"), ("_include", "MedicationRequest:medication")]
        latest(&[("_sort", "-authoredon"), ("status", "active"), ("_include", "MedicationRequest:medication")]);
    // All of them: one that is left out may kill.
    "allergies" AllergyIntolerance [("_sort", "-date")]
        Some(Summary { parameters: &[("_sort", "-date")], is_ahead: false, shown: 50 });
    "conditions" Condition [("_sort", "-recorded-date")]
        latest(&[("_sort", "-recorded-date"), ("clinical-status", "active,recurrence,relapse")]);
    "immunizations" Immunization [("_sort", "-date")] latest(&[("_sort", "-date")]);
    "vitals" Observation
        [("_sort", "-date"), ("category", "vital-signs")] None;
    "findings" Observation [("_sort", "-date")] None;
    "reports" DiagnosticReport [("_sort", "-date")] None;
    "documents" DocumentReference [("_sort", "-date")] None;
    "visits" Encounter [("_sort", "-date")] None;
    "procedures" Procedure [("_sort", "-date")] None;
    "messages" Communication [("_sort", "-sent")] None;
    "plans" CarePlan [("_sort", "-date")] None;
    "goals" Goal [("_sort", "-start-date")] None;
    "team" CareTeam [] None;
    "coverage" Coverage [] None;
    "bills" Invoice [("_sort", "-date")] None;
}

impl Part {
    /// The part at this address.
    pub(super) fn at(path: &str) -> Option<&'static Self> {
        PARTS.iter().find(|part| part.path == path)
    }

    /// What it is called.
    pub(super) fn heading(&self) -> &'static str {
        say(&format!("part.{}", self.path))
    }

    /// Whether its entries have earlier and later values of the same kind.
    pub(super) fn has_trend(&self) -> bool {
        self.resource_type == ResourceType::Observation
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_part_has_an_address_and_a_name_of_its_own() {
        let paths: BTreeSet<&str> = PARTS.iter().map(|part| part.path).collect();
        let headings: BTreeSet<&str> = PARTS.iter().map(Part::heading).collect();
        assert_eq!((paths.len(), headings.len()), (PARTS.len(), PARTS.len()));
        assert!(Part::at("results").is_some() && Part::at("Results").is_none() && Part::at("").is_none());
    }
}
