//! An OperationOutcome of a source, reduced to its codes: its text never leaves this module.

use crate::fhir::search::fragment::Fragment;

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $code:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are FHIR's own")]
        pub enum $name { $($variant),* }

        impl $name {
            /// Every code, in FHIR's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code as FHIR spells it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// The code with exactly this spelling.
            #[must_use]
            pub fn parse(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    /// `OperationOutcome.issue.severity` (FHIR R4 value set issue-severity).
    IssueSeverity { Fatal = "fatal", Error = "error", Warning = "warning", Information = "information" }
}

codes! {
    /// `OperationOutcome.issue.code` (FHIR R4 value set issue-type).
    IssueCode {
        Invalid = "invalid",
        Structure = "structure",
        Required = "required",
        Value = "value",
        Invariant = "invariant",
        Security = "security",
        Login = "login",
        Unknown = "unknown",
        Expired = "expired",
        Forbidden = "forbidden",
        Suppressed = "suppressed",
        Processing = "processing",
        NotSupported = "not-supported",
        Duplicate = "duplicate",
        MultipleMatches = "multiple-matches",
        NotFound = "not-found",
        Deleted = "deleted",
        TooLong = "too-long",
        CodeInvalid = "code-invalid",
        Extension = "extension",
        TooCostly = "too-costly",
        BusinessRule = "business-rule",
        Conflict = "conflict",
        Transient = "transient",
        LockError = "lock-error",
        NoStore = "no-store",
        Exception = "exception",
        Timeout = "timeout",
        Incomplete = "incomplete",
        Throttled = "throttled",
        Informational = "informational",
    }
}

/// One issue of a source's OperationOutcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeIssue {
    /// `error` when the source gave none or one that FHIR does not know.
    pub severity: IssueSeverity,
    /// `processing`, the least specific of them, when the source gave none or one that FHIR does not know.
    pub code: IssueCode,
}

/// The issues of an OperationOutcome that has been scanned.
pub(super) fn issues(outcome: Fragment<'_>) -> Vec<OutcomeIssue> {
    let Some(issues) = outcome.get("issue") else { return Vec::new() };
    let read = |issue: Fragment<'_>| OutcomeIssue {
        severity: code(issue, "severity", IssueSeverity::parse).unwrap_or(IssueSeverity::Error),
        code: code(issue, "code", IssueCode::parse).unwrap_or(IssueCode::Processing),
    };
    issues.each().map(read).collect()
}

fn code<T>(issue: Fragment<'_>, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    parse(&issue.text_of(name)?)
}
