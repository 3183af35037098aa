use std::time::Duration;

/// Why a source did not answer whole. Carries no text of the source: what it wrote may hold anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceFailure {
    /// No answer within the deadline.
    #[error("timeout")]
    Timeout,
    /// No connection, or it broke.
    #[error("unreachable")]
    Unreachable,
    /// Left alone after repeated failures.
    #[error("left alone after repeated failures")]
    BreakerOpen,
    /// As many requests are under way as this source is given.
    #[error("too many requests under way")]
    Busy,
    /// 429, or 503 with a time to wait.
    #[error("throttled")]
    Throttled {
        /// What `Retry-After` said, if it was a number of seconds.
        retry_after: Option<Duration>,
    },
    /// 401: the gateway's own credential is not accepted.
    #[error("credential refused")]
    CredentialRefused,
    /// 403: the gateway's own credential does not reach so far.
    #[error("forbidden")]
    Forbidden,
    /// 404 or 410 on a read.
    #[error("not found")]
    NotFound,
    /// Another 4xx: the source does not support what was asked.
    #[error("refused with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// 5xx, or a status that makes no sense here.
    #[error("failed with status {status}")]
    Failed {
        /// The HTTP status.
        status: u16,
    },
    /// A body that is not the FHIR that was asked for.
    #[error("malformed answer")]
    Malformed,
    /// More bytes, pages or resources than one request may cost.
    #[error("over budget")]
    OverBudget,
    /// Fewer resources than the source's own `total`, and no link to the rest.
    #[error("fewer resources than announced")]
    Incomplete,
    /// Pages that were given out partly are not what they were: something between may be lost.
    #[error("pages changed while they were given out")]
    Changed,
    /// Only some kinds of what was asked for can be asked for, and all of those were.
    #[error("searched by kind only")]
    ByKindOnly,
    /// A `next` link that leaves the source or goes in circles.
    #[error("unsafe page link")]
    UnsafePageLink,
}

impl SourceFailure {
    /// Whether the breaker counts it: the source as such is in trouble, not this one request.
    #[must_use]
    pub const fn trips_breaker(self) -> bool {
        matches!(self, Self::Timeout | Self::Unreachable | Self::Failed { .. } | Self::Malformed)
    }

    /// Whether the same request may be sent once more.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Unreachable)
    }
}
