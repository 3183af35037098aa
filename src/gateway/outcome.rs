//! What went wrong, in the words of OperationOutcome.

use crate::fhir::model::Issue;
use crate::upstream::SourceFailure;

/// A source that did not answer whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// The organization's name, for people.
    pub(super) organization: String,
    pub(super) failure: SourceFailure,
}

impl Missing {
    /// The issue that stands for it on every page: equal text for equal cause.
    pub(super) fn issue(&self) -> Issue {
        let (code, says) = match self.failure {
            SourceFailure::Timeout => ("timeout", "did not answer in time"),
            SourceFailure::Throttled { .. } | SourceFailure::Busy => {
                ("throttled", "has too many requests at the moment")
            }
            SourceFailure::CredentialRefused | SourceFailure::Forbidden => {
                ("security", "does not accept this gateway's credential")
            }
            SourceFailure::NotFound | SourceFailure::Refused { .. } => {
                ("not-supported", "does not support this request")
            }
            SourceFailure::OverBudget | SourceFailure::Incomplete => {
                ("incomplete", "has more than could be fetched for one request")
            }
            SourceFailure::Unreachable
            | SourceFailure::BreakerOpen
            | SourceFailure::Failed { .. }
            | SourceFailure::Malformed
            | SourceFailure::UnsafePageLink => ("incomplete", "could not be reached or did not answer properly"),
        };
        issue("warning", code, format!("{} {says}. What it knows may be missing here.", self.organization))
    }

    /// The same where there is no answer at all.
    pub(super) fn transient_issue(&self) -> Issue {
        issue("error", "transient", format!("{} cannot be reached at the moment.", self.organization))
    }

    /// Whether the source could not be asked, as against having answered that it does not do this.
    pub(super) const fn is_outage(&self) -> bool {
        !matches!(
            self.failure,
            SourceFailure::NotFound
                | SourceFailure::Refused { .. }
                | SourceFailure::OverBudget
                | SourceFailure::Incomplete
                | SourceFailure::UnsafePageLink
        )
    }
}

/// Parameters that were dropped under lenient handling (FHIR R4 search.html §3.1.1.1).
pub(super) fn ignored(names: &[String]) -> Option<Issue> {
    if names.is_empty() {
        return None;
    }
    Some(issue("warning", "not-supported", format!("Search parameters that were ignored: {}", names.join(", "))))
}

/// An issue with a text for people.
pub(super) fn issue(severity: &'static str, code: &'static str, details_text: String) -> Issue {
    Issue { severity, code, details_text, diagnostics: None, expression: Vec::new() }
}
