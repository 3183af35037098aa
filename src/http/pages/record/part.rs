//! The parts of a record, as people look for them.

use crate::fhir::ResourceType;

/// One part: where it is, what it is called, and what is asked for it.
#[derive(Debug)]
pub(super) struct Part {
    /// The last segment of its address.
    pub(super) path: &'static str,
    pub(super) heading: &'static str,
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
    ($($path:literal $heading:literal $type:ident [$($parameter:expr),*] $summary:expr;)*) => {
        /// All parts, in the order of the page.
        pub(super) const PARTS: &[Part] = &[$(Part {
            path: $path,
            heading: $heading,
            resource_type: ResourceType::$type,
            parameters: &[$($parameter),*],
            summary: $summary,
        }),*];
    };
}

parts! {
    "appointments" "Appointments" Appointment [("_sort", "-date")]
        Some(Summary { parameters: &[("_sort", "date"), ("status", "booked")], is_ahead: true, shown: 3 });
    "results" "Test results" Observation [("_sort", "-date"), ("category", "laboratory")]
        latest(&[("_sort", "-date"), ("category", "laboratory")]);
    "medications" "Medicines" MedicationRequest [("_sort", "-authoredon"), ("_include", "MedicationRequest:medication")]
        latest(&[("_sort", "-authoredon"), ("status", "active"), ("_include", "MedicationRequest:medication")]);
    // All of them: one that is left out may kill.
    "allergies" "Allergies" AllergyIntolerance [("_sort", "-date")]
        Some(Summary { parameters: &[("_sort", "-date")], is_ahead: false, shown: 50 });
    "conditions" "Health problems" Condition [("_sort", "-recorded-date")]
        latest(&[("_sort", "-recorded-date"), ("clinical-status", "active,recurrence,relapse")]);
    "immunizations" "Vaccinations" Immunization [("_sort", "-date")] latest(&[("_sort", "-date")]);
    "vitals" "Weight, blood pressure and other measurements" Observation
        [("_sort", "-date"), ("category", "vital-signs")] None;
    "findings" "All findings and measurements" Observation [("_sort", "-date")] None;
    "reports" "Reports" DiagnosticReport [("_sort", "-date")] None;
    "documents" "Documents and notes" DocumentReference [("_sort", "-date")] None;
    "visits" "Visits" Encounter [("_sort", "-date")] None;
    "procedures" "Procedures" Procedure [("_sort", "-date")] None;
    "messages" "Messages" Communication [("_sort", "-sent")] None;
    "plans" "Care plans" CarePlan [("_sort", "-date")] None;
    "goals" "Goals" Goal [("_sort", "-start-date")] None;
    "team" "Care team" CareTeam [] None;
    "coverage" "Insurance" Coverage [] None;
    "bills" "Bills" Invoice [("_sort", "-date")] None;
}

impl Part {
    /// The part at this address.
    pub(super) fn at(path: &str) -> Option<&'static Self> {
        PARTS.iter().find(|part| part.path == path)
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
        let headings: BTreeSet<&str> = PARTS.iter().map(|part| part.heading).collect();
        assert_eq!((paths.len(), headings.len()), (PARTS.len(), PARTS.len()));
        assert!(Part::at("results").is_some() && Part::at("Results").is_none() && Part::at("").is_none());
    }
}
