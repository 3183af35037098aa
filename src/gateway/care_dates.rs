//! When care took place, as against when a record was written: what `start` and `end` of operations are about.

use crate::fhir::ResourceType;
use crate::fhir::knowledge::Knowledge;
use crate::fhir::scan::RawResource;
use crate::fhir::search::{self, Evaluation, Handling, Query};

/// The search parameters that say when care took place; of several, the first one with a value counts. A type that is
/// not here has no such time: all of it is in scope.
const PARAMETERS: &[(ResourceType, &[&str])] = &[
    (ResourceType::Appointment, &["date"]),
    (ResourceType::CarePlan, &["date"]),
    (ResourceType::CareTeam, &["date"]),
    (ResourceType::ChargeItem, &["occurrence"]),
    (ResourceType::Communication, &["sent", "received"]),
    (ResourceType::Condition, &["onset-date", "recorded-date"]),
    (ResourceType::Consent, &["date"]),
    (ResourceType::DiagnosticReport, &["date"]),
    (ResourceType::DocumentReference, &["period", "date"]),
    (ResourceType::Encounter, &["date"]),
    (ResourceType::Goal, &["start-date"]),
    (ResourceType::Immunization, &["date"]),
    (ResourceType::Invoice, &["date"]),
    (ResourceType::Media, &["created"]),
    (ResourceType::MedicationDispense, &["whenhandedover", "whenprepared"]),
    (ResourceType::MedicationRequest, &["authoredon"]),
    (ResourceType::MedicationStatement, &["effective"]),
    (ResourceType::Observation, &["date"]),
    (ResourceType::Procedure, &["date"]),
    (ResourceType::QuestionnaireResponse, &["authored"]),
    (ResourceType::ServiceRequest, &["occurrence", "authored"]),
    (ResourceType::Specimen, &["collected"]),
    (ResourceType::Task, &["period", "authored-on"]),
];

/// `start` and `end`, each in FHIR's form of a date.
#[derive(Clone, Debug, Default)]
pub(super) struct CareDates {
    start: Option<String>,
    end: Option<String>,
}

/// The limits as queries of one type: whether there is a time, and whether it is within.
#[derive(Debug, Default)]
pub(super) struct InScope(Vec<(Query, Query)>);

impl CareDates {
    /// Sets one limit; `None` when it is no date.
    pub(super) fn limit(&mut self, knowledge: &Knowledge, is_start: bool, date: &str) -> Option<()> {
        let is_plain = date.bytes().all(|byte| byte.is_ascii_digit() || b"-:+.TZ".contains(&byte));
        let pairs = [("date".to_owned(), format!("ge{date}"))];
        let is_date = search::parse(knowledge, ResourceType::Observation, &pairs, Handling::Strict).is_ok();
        if !is_plain || !is_date {
            return None;
        }
        let limit = if is_start { &mut self.start } else { &mut self.end };
        *limit = Some(date.to_owned());
        Some(())
    }

    pub(super) const fn is_limited(&self) -> bool {
        self.start.is_some() || self.end.is_some()
    }

    /// The limits for one type.
    pub(super) fn of(&self, knowledge: &Knowledge, kind: ResourceType) -> InScope {
        if !self.is_limited() {
            return InScope::default();
        }
        let parameters = PARAMETERS.iter().find(|(known, _)| *known == kind).map_or(&[][..], |(_, names)| names);
        let query = |pairs: &[(String, String)]| search::parse(knowledge, kind, pairs, Handling::Strict).ok();
        let limits = parameters.iter().filter_map(|name| {
            let start = self.start.iter().map(|start| ((*name).to_owned(), format!("ge{start}")));
            let end = self.end.iter().map(|end| ((*name).to_owned(), format!("le{end}")));
            let within: Vec<(String, String)> = start.chain(end).collect();
            Some((query(&[(format!("{name}:missing"), "false".to_owned())])?, query(&within)?))
        });
        InScope(limits.collect())
    }
}

impl InScope {
    /// Whether the resource took place within the limits. One without a time is not left out: nobody knows that it lies
    /// outside.
    pub(super) fn holds(&self, raw: &RawResource, evaluation: &Evaluation<'_>) -> bool {
        let dated = self.0.iter().find(|(is_dated, _)| search::matches(is_dated, raw, evaluation));
        dated.is_none_or(|(_, within)| search::matches(within, raw, evaluation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_one_and_every_limit_becomes_a_query() {
        let knowledge = Knowledge::embedded().unwrap();
        let mut dates = CareDates::default();
        assert!(dates.limit(knowledge, true, "2026-01-01").is_some());
        assert!(dates.limit(knowledge, false, "2026-02-01T10:00:00-05:00").is_some());
        for (kind, names) in PARAMETERS {
            assert_eq!(dates.of(knowledge, *kind).0.len(), names.len(), "{kind}");
        }
        for bad in ["", "yesterday", "ge2026", "2026,2027", "2026-13-01", "2026-01-01|x"] {
            assert!(dates.limit(knowledge, true, bad).is_none(), "{bad}");
        }
    }
}
