//! One GET as the source's condition allows.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::body::Body;
use super::breaker::Lesson;
use super::client::Client;
use super::failure::SourceFailure;
use crate::base::id::LinkId;

/// A source that stumbled is asked again after at most this long (full jitter: any time up to it).
const LONGEST_JITTER_MS: u64 = 100;

impl Client {
    /// Sends a GET, unless the source is to be left alone, and remembers how it went. At the latest at `deadline` it has
    /// an outcome. Where charts have credentials of their own, that of `link` is used.
    pub(super) async fn fetch(&self, link: Option<LinkId>, url: Url, deadline: Instant) -> Result<Body, SourceFailure> {
        self.within_limits(&url, deadline, |may_retry| self.get(link, &url, may_retry)).await
    }

    /// Runs what asks for `url` as [`Self::fetch`] does; `work` is told whether it may ask twice.
    pub(super) async fn within_limits<T, W: Future<Output = Result<T, SourceFailure>>>(
        &self,
        url: &Url,
        deadline: Instant,
        work: impl FnOnce(bool) -> W,
    ) -> Result<T, SourceFailure> {
        self.as_it_stands(url, deadline, work).await.inspect_err(|failure| self.failures.add(*failure))
    }

    async fn as_it_stands<T, W: Future<Output = Result<T, SourceFailure>>>(
        &self,
        url: &Url,
        deadline: Instant,
        work: impl FnOnce(bool) -> W,
    ) -> Result<T, SourceFailure> {
        let now = self.clock.now();
        if self.quarantine.holds(now) {
            return Err(SourceFailure::SetAside);
        }
        if let Some(remaining) = self.retry_after.remaining(now) {
            return Err(SourceFailure::Throttled { retry_after: Some(remaining) });
        }
        if self.breaker.is_open(now) {
            return Err(SourceFailure::BreakerOpen);
        }
        // Half of its time at most is spent on waiting for a place: the rest must be enough for an answer. Whoever waits
        // in vain has learnt nothing of the source.
        let queue_until = deadline.min(Instant::now() + self.deadline() / 2);
        let Ok(Ok(_place)) = tokio::time::timeout_at(queue_until, self.bulkhead.acquire()).await else {
            return Err(SourceFailure::Busy);
        };
        let admission = self.breaker.admit(self.clock.now()).ok_or(SourceFailure::BreakerOpen)?;
        let started = Instant::now();
        let patience = self.patience.next();
        let until = deadline.min(started + patience);
        let outcome =
            tokio::time::timeout_at(until, work(!admission.is_try())).await.unwrap_or(Err(SourceFailure::Timeout));
        match outcome {
            // Too late a start, on the last page of many, tells nothing of the source.
            Err(SourceFailure::Timeout) if until < started + patience.min(self.deadline() / 2) => return outcome,
            Err(SourceFailure::Timeout) => self.patience.given_up(),
            Err(SourceFailure::Unreachable | SourceFailure::Untrusted) => {}
            _ => self.patience.answered(started.elapsed()),
        }
        if let Err(SourceFailure::Throttled { retry_after }) = outcome {
            self.retry_after.hear(retry_after, self.clock.now());
        }
        let lesson = outcome.as_ref().map_or_else(|failure| failure.lesson(hash(url)), |_| Lesson::Answered);
        admission.teach(lesson, self.clock.now());
        outcome
    }

    /// One GET, sent again once, as far as the budget goes, when the connection broke, the server stumbled, or the token
    /// was refused. A request that tries whether a source is back is sent once.
    async fn get(&self, link: Option<LinkId>, url: &Url, may_retry: bool) -> Result<Body, SourceFailure> {
        self.retries.earn();
        let first = self.get_once(link, url.clone()).await;
        let Err(failure) = first else { return first };
        if !failure.is_retryable() || !may_retry || !self.retries.spend() {
            return first;
        }
        if matches!(failure, SourceFailure::Failed { .. }) {
            tokio::time::sleep(self.jitter()).await;
        }
        self.get_once(link, url.clone()).await
    }

    fn jitter(&self) -> Duration {
        let random = u64::from(u32::from_le_bytes(self.random.bytes()));
        Duration::from_micros(LONGEST_JITTER_MS * 1_000 * random / u64::from(u32::MAX))
    }
}

fn hash(url: &Url) -> u64 {
    let mut hasher = DefaultHasher::new();
    url.as_str().hash(&mut hasher);
    hasher.finish()
}
