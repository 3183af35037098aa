use std::time::Duration;

use bytes::Bytes;

use super::content::Content;
use super::outcome::issue;
use crate::access::Denial;
use crate::base::source_key::SourceKey;
use crate::fhir::model::Issue;

/// What may leave: only the gateway makes one, from released resources.
///
/// ```compile_fail
/// // There is no way to answer with bytes that did not pass the filter.
/// let leak = chartgate::gateway::Answer { body: bytes::Bytes::from_static(b"{}"), etag: None, last_modified: None };
/// ```
#[derive(Debug)]
pub struct Answer {
    pub(super) body: Bytes,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    pub(super) resources: usize,
    /// The sources that they came from, and how many from each. What several made together counts for each.
    pub(super) sources: Vec<(SourceKey, usize)>,
    /// What a Binary holds, in place of a body.
    pub(super) content: Option<Content>,
}

/// How many there are of each source.
pub(super) fn tally(keys: impl IntoIterator<Item = SourceKey>) -> Vec<(SourceKey, usize)> {
    let mut counts: Vec<(SourceKey, usize)> = Vec::new();
    for key in keys {
        match counts.iter_mut().find(|(known, _)| *known == key) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => counts.push((key, 1)),
        }
    }
    counts
}

impl Answer {
    /// FHIR JSON.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// What a Binary holds, where that was asked for; then there is no FHIR JSON.
    #[must_use]
    pub fn into_content(self) -> Option<Content> {
        self.content
    }

    /// The weak entity tag of a single resource.
    #[must_use]
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// `meta.lastUpdated` of a single resource, as FHIR writes it.
    #[must_use]
    pub fn last_modified(&self) -> Option<&str> {
        self.last_modified.as_deref()
    }
}

/// Why there is no answer. Holds no data of anybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No permit.
    #[error("{0}")]
    Denied(Denial),
    /// Missing, hidden, or never issued: one and the same.
    #[error("not found")]
    NotFound,
    /// The request itself.
    #[error("{details}")]
    Invalid {
        /// Which issue code says it.
        code: &'static str,
        /// What is wrong, naming the parameter.
        details: String,
    },
    /// No source could be asked.
    #[error("no source answered")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
        /// One for each source.
        issues: Vec<Issue>,
    },
    /// More was asked within a minute than the person, through this app, or the app may ask.
    #[error("too many requests")]
    Throttled {
        /// When to try again.
        retry_after: Duration,
    },
    /// The audit trail cannot be written, so nothing may be read.
    #[error("the audit trail cannot be written")]
    NoAudit,
}

impl Refusal {
    /// The rule that refused, for the audit trail.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Denied(denial) => denial.rule(),
            Self::NotFound => "not-found",
            Self::Invalid { .. } => "invalid",
            Self::Unavailable { .. } => "unavailable",
            Self::Throttled { .. } => "throttled",
            Self::NoAudit => "no-audit",
        }
    }

    /// The issues of the OperationOutcome.
    #[must_use]
    pub fn issues(&self) -> Vec<Issue> {
        let error = |code, details: String| vec![issue("error", code, details)];
        match self {
            Self::Denied(denial @ (Denial::NotServed(_) | Denial::NotInCompartment(_))) => {
                error("not-supported", denial.to_string())
            }
            Self::Denied(denial) => error("forbidden", denial.to_string()),
            Self::NotFound => error("not-found", "There is no such resource".to_owned()),
            Self::Invalid { code, details } => error(code, details.clone()),
            Self::Unavailable { issues, .. } => issues.clone(),
            Self::Throttled { .. } => error("throttled", "Too many requests within a minute".to_owned()),
            Self::NoAudit => error("transient", "The service cannot answer at the moment".to_owned()),
        }
    }
}
