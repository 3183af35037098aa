//! OperationOutcome, the answer to everything that went wrong.

use fhirbolt::model::r4::resources::{OperationOutcome, OperationOutcomeIssue};
use fhirbolt::model::r4::types::CodeableConcept;

use crate::Problem;

/// One issue of an OperationOutcome. Every text is our own: nothing that came from outside, no PHI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// `fatal`, `error`, `warning` or `information`.
    pub severity: &'static str,
    /// A code of the value set `issue-type`.
    pub code: &'static str,
    /// What a person may read.
    pub details_text: String,
    /// What a developer may read besides.
    pub diagnostics: Option<String>,
    /// FHIRPath locations.
    pub expression: Vec<String>,
}

impl From<Problem> for Issue {
    fn from(problem: Problem) -> Self {
        Self {
            severity: "error",
            code: problem.code.as_str(),
            details_text: problem.details,
            diagnostics: None,
            expression: vec![problem.expression],
        }
    }
}

/// What is answered when even the answer fails, or no issue is given: an OperationOutcome has at least one.
const UNKNOWN: &[u8] = br#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception"}]}"#;

/// An OperationOutcome in JSON.
#[must_use]
pub fn operation_outcome(issues: &[Issue]) -> Vec<u8> {
    if issues.is_empty() {
        return UNKNOWN.to_vec();
    }
    let outcome = OperationOutcome { issue: issues.iter().map(model_issue).collect(), ..Default::default() };
    fhirbolt::json::to_vec(&outcome, None).unwrap_or_else(|_| UNKNOWN.to_vec())
}

fn model_issue(issue: &Issue) -> OperationOutcomeIssue {
    let details = CodeableConcept { text: some_text(&issue.details_text), ..Default::default() };
    OperationOutcomeIssue {
        severity: issue.severity.into(),
        code: issue.code.into(),
        details: (!issue.details_text.is_empty()).then(|| Box::new(details)),
        diagnostics: issue.diagnostics.as_deref().and_then(some_text),
        expression: issue
            .expression
            .iter()
            .filter(|place| !place.is_empty())
            .map(|place| place.as_str().into())
            .collect(),
        ..Default::default()
    }
}

/// FHIR has no empty strings.
fn some_text(text: &str) -> Option<fhirbolt::model::r4::types::String> {
    (!text.is_empty()).then(|| text.into())
}
