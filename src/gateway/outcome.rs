//! What went wrong, in the words of OperationOutcome.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fhir::model::Issue;
use crate::organization::SourceKey;
use crate::upstream::SourceFailure;

/// A source that did not answer whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// Which; `None` for one that is linked but not connected.
    pub(super) source: Option<SourceKey>,
    /// The organization's name, for people.
    pub(super) organization: String,
    pub(super) failure: SourceFailure,
}

/// What a person can do about it themselves.
const NOT_CONNECTED: &str = "needs to be connected again: sign in there from the first page";

/// A kind of failure, as far as an answer tells them apart: what a page link remembers of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Gap {
    #[serde(rename = "t")]
    Timeout,
    #[serde(rename = "b")]
    Throttled,
    #[serde(rename = "c")]
    Credential,
    #[serde(rename = "r")]
    Refused,
    #[serde(rename = "o")]
    OverBudget,
    #[serde(rename = "m")]
    Changed,
    #[serde(rename = "d")]
    OutOfOrder,
    #[serde(rename = "l")]
    PageLink,
    #[serde(rename = "k")]
    ByKind,
    #[serde(rename = "n")]
    NotConnected,
    #[serde(rename = "q")]
    SetAside,
    #[serde(rename = "u")]
    Unreachable,
    /// Shown as it was so many seconds ago.
    #[serde(rename = "s")]
    Stale(u64),
}

impl From<SourceFailure> for Gap {
    fn from(failure: SourceFailure) -> Self {
        match failure {
            SourceFailure::Timeout => Self::Timeout,
            SourceFailure::Throttled { .. } | SourceFailure::Busy => Self::Throttled,
            SourceFailure::CredentialRefused | SourceFailure::Forbidden => Self::Credential,
            SourceFailure::NotFound | SourceFailure::Refused { .. } => Self::Refused,
            SourceFailure::OverBudget | SourceFailure::Incomplete => Self::OverBudget,
            SourceFailure::Changed => Self::Changed,
            SourceFailure::OutOfOrder => Self::OutOfOrder,
            SourceFailure::UnsafePageLink => Self::PageLink,
            SourceFailure::ByKindOnly => Self::ByKind,
            SourceFailure::SetAside => Self::SetAside,
            SourceFailure::Stale { age } => Self::Stale(age.as_secs()),
            SourceFailure::NotConnected => Self::NotConnected,
            SourceFailure::Unreachable
            | SourceFailure::Untrusted
            | SourceFailure::BreakerOpen
            | SourceFailure::Failed { .. }
            | SourceFailure::Malformed => Self::Unreachable,
        }
    }
}

impl From<Gap> for SourceFailure {
    fn from(gap: Gap) -> Self {
        match gap {
            Gap::Timeout => Self::Timeout,
            Gap::Throttled => Self::Busy,
            Gap::Credential => Self::CredentialRefused,
            Gap::Refused => Self::NotFound,
            Gap::OverBudget => Self::OverBudget,
            Gap::Changed => Self::Changed,
            Gap::OutOfOrder => Self::OutOfOrder,
            Gap::PageLink => Self::UnsafePageLink,
            Gap::ByKind => Self::ByKindOnly,
            Gap::NotConnected => Self::NotConnected,
            Gap::SetAside => Self::SetAside,
            Gap::Unreachable => Self::Unreachable,
            Gap::Stale(seconds) => Self::Stale { age: Duration::from_secs(seconds) },
        }
    }
}

impl Missing {
    /// The issue that stands for it on every page: equal text for equal cause.
    pub(super) fn issue(&self) -> Issue {
        let (code, says) = match Gap::from(self.failure) {
            Gap::Timeout => ("timeout", "did not answer in time"),
            Gap::Throttled => ("throttled", "has too many requests at the moment"),
            Gap::Credential => ("security", "does not accept this gateway's credential"),
            Gap::Refused => ("not-supported", "does not support this request"),
            Gap::OverBudget => ("incomplete", "has more than could be fetched for one request"),
            Gap::Changed => ("incomplete", "changed while its pages were given out"),
            Gap::SetAside => ("security", "is not asked at the moment, as what it sent could not be trusted"),
            Gap::ByKind => ("incomplete", "can only be searched kind by kind, and may have others"),
            Gap::Stale(seconds) => return self.stale_issue(seconds / 60),
            Gap::OutOfOrder => {
                let details = format!("{} did not keep the order that was asked for.", self.organization);
                return issue("warning", "not-supported", details);
            }
            Gap::NotConnected => ("security", NOT_CONNECTED),
            Gap::PageLink | Gap::Unreachable => ("incomplete", "could not be reached or did not answer properly"),
        };
        issue("warning", code, format!("{} {says}. What it knows may be missing here.", self.organization))
    }

    /// The same where there is no answer at all.
    pub(super) fn transient_issue(&self) -> Issue {
        if self.failure == SourceFailure::NotConnected {
            return issue("error", "security", format!("{} {NOT_CONNECTED}.", self.organization));
        }
        issue("error", "transient", format!("{} cannot be reached at the moment.", self.organization))
    }

    /// Whether the source could not be asked, as against having answered that it does not do this.
    pub(super) fn is_outage(&self) -> bool {
        !matches!(
            Gap::from(self.failure),
            Gap::Refused
                | Gap::OverBudget
                | Gap::Changed
                | Gap::OutOfOrder
                | Gap::PageLink
                | Gap::ByKind
                | Gap::Stale(_)
        )
    }

    fn stale_issue(&self, minutes: u64) -> Issue {
        let ago = match minutes {
            0 => "less than a minute ago".to_owned(),
            1 => "1 minute ago".to_owned(),
            minutes => format!("{minutes} minutes ago"),
        };
        let name = &self.organization;
        let text = format!(
            "{name} cannot be reached. What it knew {ago} is shown; what it has learnt since, and more, may be missing here."
        );
        issue("warning", "incomplete", text)
    }
}

/// One issue for each practice and cause. Of several ages of what one practice said, the oldest is told.
pub(super) fn gaps(missing: &[Missing]) -> Vec<Issue> {
    let is_outdone = |gap: &Missing| {
        let is_older = |other: &Missing| other.source == gap.source && other.failure.age() > gap.failure.age();
        gap.failure.age().is_some() && missing.iter().any(is_older)
    };
    let mut issues: Vec<Issue> = Vec::new();
    for issue in missing.iter().filter(|gap| !is_outdone(gap)).map(Missing::issue) {
        if !issues.contains(&issue) {
            issues.push(issue);
        }
    }
    issues
}

/// Parameters that were dropped under lenient handling (FHIR R4 search.html §3.1.1.1).
pub(super) fn ignored(names: &[String]) -> Option<Issue> {
    if names.is_empty() {
        return None;
    }
    Some(issue("warning", "not-supported", format!("Search parameters that were ignored: {}", names.join(", "))))
}

/// What every proxy is told, whether or not anything was withheld (FHIR R4 issue-type `suppressed`).
pub(super) fn restricted() -> Issue {
    let text = "Some information may not be shown because of privacy rules.".to_owned();
    issue("information", "suppressed", text)
}

/// An issue with a text for people.
pub(super) fn issue(severity: &'static str, code: &'static str, details_text: String) -> Issue {
    Issue { severity, code, details_text, diagnostics: None, expression: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_link_remembers_a_failure_well_enough_to_say_the_same_again() {
        for failure in [
            SourceFailure::Timeout,
            SourceFailure::Unreachable,
            SourceFailure::BreakerOpen,
            SourceFailure::Busy,
            SourceFailure::Throttled { retry_after: None },
            SourceFailure::CredentialRefused,
            SourceFailure::Forbidden,
            SourceFailure::NotFound,
            SourceFailure::Refused { status: 422 },
            SourceFailure::Failed { status: 500 },
            SourceFailure::Malformed,
            SourceFailure::OverBudget,
            SourceFailure::Incomplete,
            SourceFailure::Changed,
            SourceFailure::OutOfOrder,
            SourceFailure::UnsafePageLink,
            SourceFailure::SetAside,
            SourceFailure::Stale { age: Duration::from_millis(754_321) },
        ] {
            let missing = |failure| Missing { source: None, organization: "Practice".to_owned(), failure };
            let again = missing(Gap::from(failure).into());
            assert_eq!(again.issue(), missing(failure).issue(), "{failure:?}");
            assert_eq!(again.is_outage(), missing(failure).is_outage(), "{failure:?}");
        }
    }
}
