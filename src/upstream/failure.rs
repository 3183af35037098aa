use std::time::Duration;

use super::breaker::Lesson;

/// Why a source did not answer whole. Carries no text of the source: what it wrote may hold anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceFailure {
    /// No answer within the deadline.
    #[error("timeout")]
    Timeout,
    /// No connection, or it broke.
    #[error("unreachable")]
    Unreachable,
    /// No TLS connection that could be trusted: its certificate, its protocol version, or what was sent over it.
    #[error("no trusted connection")]
    Untrusted,
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
    /// The person has not signed in at the EHR, or has to again.
    #[error("not connected by the person")]
    NotConnected,
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
    /// A result that is not in the order that was asked for and promised.
    #[error("out of order")]
    OutOfOrder,
    /// A `next` link that leaves the source or goes in circles.
    #[error("unsafe page link")]
    UnsafePageLink,
    /// Not asked for a while, as it handed out other people's records again and again.
    #[error("set aside")]
    SetAside,
    /// It is down, and what it answered before is shown in place.
    #[error("shown as of {} s ago", age.as_secs())]
    Stale {
        /// How old the oldest page of it is.
        age: Duration,
    },
}

impl SourceFailure {
    /// What it teaches the breaker of the source. `url` tells the request, as a hash.
    pub(super) const fn lesson(self, url: u64) -> Lesson {
        match self {
            Self::Timeout | Self::Unreachable | Self::Untrusted => Lesson::Silent,
            Self::Failed { status } if is_trouble(status) => Lesson::FailedAt(url),
            Self::Failed { .. } | Self::Malformed | Self::OverBudget | Self::UnsafePageLink | Self::Incomplete => {
                Lesson::Unusable
            }
            _ => Lesson::Answered,
        }
    }

    /// Whether the same GET may help when it is sent once more (RFC 9110 §9.2.2): the connection broke, the server
    /// stumbled, or another token may do. Not when it took too long: it would take as long again.
    pub(super) const fn is_retryable(self) -> bool {
        match self {
            Self::Unreachable | Self::CredentialRefused => true,
            Self::Failed { status } => is_trouble(status),
            _ => false,
        }
    }

    /// Whether the source cannot be asked at the moment, so that an answer from before may stand in: not when it
    /// answers that we may not ask, or with what cannot be used.
    pub(super) const fn is_down(self) -> bool {
        match self {
            Self::Timeout | Self::Unreachable | Self::Untrusted | Self::BreakerOpen | Self::Throttled { .. } => true,
            Self::Failed { status } => is_trouble(status),
            _ => false,
        }
    }

    /// How old what is shown is, where it stands in for a source that is down.
    #[must_use]
    pub const fn age(self) -> Option<Duration> {
        if let Self::Stale { age } = self { Some(age) } else { None }
    }

    /// Whether the source says that it has nothing there, or nothing for us: what it gave before is not to be used.
    pub(super) const fn withdraws(self) -> bool {
        matches!(
            self,
            Self::NotFound | Self::NotConnected | Self::CredentialRefused | Self::Forbidden | Self::Refused { .. }
        )
    }
}

/// Whether a server with this status is in trouble: 501 only says that it does not do this.
const fn is_trouble(status: u16) -> bool {
    status >= 500 && status != 501
}
