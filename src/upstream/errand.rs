use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::time::Instant;
use url::Url;

use super::allowance::Allowance;
use super::body::Body;
use super::client::Client;
use super::failure::SourceFailure;
use super::flight::Landing;
use crate::base::id::LinkId;
use crate::fhir::reference::is_source_id;

/// One request's business at one source: whose charts it is about, and how long it waits. All that the request asks of
/// the source goes through the same errand, so that the time is one for the whole of it.
#[derive(Clone, Debug)]
pub struct Errand {
    pub(super) client: Arc<Client>,
    patients: Arc<[String]>,
    /// The one of their links whose own credential is used.
    link: Option<LinkId>,
    allowance: Arc<Allowance>,
    /// How often something was asked.
    calls: Arc<AtomicU32>,
}

/// What is asked, and on whose behalf. Answers are shared and kept between equal questions only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    /// As it is sent; it begins with the source's base URL.
    pub(super) url: Url,
    /// The Patient ids whose charts it is asked for.
    pub(super) patients: Arc<[String]>,
    /// With whose credential: that of a link, or the one that the source has.
    pub(super) link: Option<LinkId>,
    /// The generation of rights when it was asked; 0 where nothing is kept.
    pub(super) generation: i64,
}

/// An answer that was read.
#[derive(Debug)]
pub(super) struct Answered<T> {
    pub(super) content: T,
    /// How old it is, when it stands in for that of a source that is down.
    pub(super) age: Option<Duration>,
}

impl Client {
    /// The business of one request that begins now, about the charts with these Patient ids.
    #[must_use]
    pub fn errand(self: &Arc<Self>, patients: Arc<[String]>) -> Errand {
        Errand {
            client: self.clone(),
            patients,
            link: None,
            allowance: Arc::new(Allowance::new(self.deadline())),
            calls: Arc::default(),
        }
    }
}

/// From the source's answer to the caller's, where the caller may not learn what the source answered. Longer than a
/// resource takes to be read and refused.
const SETTLED: Duration = Duration::from_millis(3);

impl Errand {
    /// The same business, whose calls are added to these.
    #[must_use]
    pub fn counted_in(self, calls: &Arc<AtomicU32>) -> Self {
        Self { calls: calls.clone(), ..self }
    }

    /// The same business, for the chart of one of its patients alone and with the credential of the link to it.
    #[must_use]
    pub fn for_link(&self, patient: &str, link: LinkId) -> Self {
        Self { patients: Arc::new([patient.to_owned()]), link: Some(link), ..self.clone() }
    }

    /// Waits until it does not show in the time what was done with the source's last answer (security design, F32).
    pub async fn settle(&self) {
        tokio::time::sleep_until(self.allowance.ended() + SETTLED).await;
    }

    /// `GET {base}/{type}/{id}`, read by `read`, which says when a body is not what was asked for. Never a kept answer
    /// of a source that is down: one resource has no place to say so.
    ///
    /// # Errors
    /// [`SourceFailure`]; `NotFound` when the source says so.
    pub async fn read<T>(
        &self,
        resource_type: &str,
        id: &str,
        read: impl FnOnce(Bytes) -> Result<T, SourceFailure>,
    ) -> Result<T, SourceFailure> {
        // A URL drops `.` and resolves `..`: the request would be another one, a search without a patient.
        if !is_source_id(id.as_bytes()) {
            return Err(SourceFailure::NotFound);
        }
        self.resource(self.client.connection.url(&[resource_type, id], &[]), read).await
    }

    /// One resource at this URL.
    pub(super) async fn resource<T>(
        &self,
        url: Url,
        read: impl FnOnce(Bytes) -> Result<T, SourceFailure>,
    ) -> Result<T, SourceFailure> {
        let question = self.question(url);
        if let Some(bytes) = self.fresh(&question) {
            return read(bytes);
        }
        let (outcome, is_first) = self.ask(&question).await;
        let content = read(outcome.as_ref().map_err(|failure| *failure)?.bytes.clone());
        self.keep(&question, &outcome, content.is_ok() && is_first);
        content.inspect_err(|failure| self.client.failures.add(*failure))
    }

    /// One page, read by `read`, which says when a body is not what was asked for. A page that was kept stands in for
    /// that of a source that is down, and says how old it is.
    pub(super) async fn page<T>(
        &self,
        url: Url,
        mut read: impl FnMut(Bytes) -> Result<T, SourceFailure>,
    ) -> Result<Answered<T>, SourceFailure> {
        let question = self.question(url);
        if let Some(bytes) = self.fresh(&question) {
            return Ok(Answered { content: read(bytes)?, age: None });
        }
        let (outcome, is_first) = self.ask(&question).await;
        match &outcome {
            Ok(body) => {
                let content = read(body.bytes.clone());
                self.keep(&question, &outcome, content.is_ok() && is_first);
                let content = content.inspect_err(|failure| self.client.failures.add(*failure))?;
                Ok(Answered { content, age: None })
            }
            Err(failure) => {
                self.keep(&question, &outcome, false);
                let Some((bytes, age)) = failure.is_down().then(|| self.stale(&question)).flatten() else {
                    return Err(*failure);
                };
                Ok(Answered { content: read(bytes)?, age: Some(age) })
            }
        }
    }

    fn question(&self, url: Url) -> Arc<Question> {
        let generation = self.client.cache.as_ref().map_or(0, |cache| cache.generation());
        Arc::new(Question { url, patients: self.patients.clone(), link: self.link, generation })
    }

    /// Asks, or waits for the answer that somebody else is waiting for; and whether this was the one who asked.
    async fn ask(&self, question: &Arc<Question>) -> (Result<Body, SourceFailure>, bool) {
        let (_waiting, deadline) = self.allowance.wait();
        self.calls.fetch_add(1, Ordering::Relaxed);
        if !self.client.limits.single_flight {
            return (self.client.fetch(question.link, question.url.clone(), deadline).await, true);
        }
        loop {
            let (flight, joined) = self.client.flights.board(question, |number| {
                let (client, sent) = (self.client.clone(), question.clone());
                let (landed, asked) = (self.client.clone(), question.clone());
                let landing = Landing::new(move || landed.flights.land(&asked, number));
                async move {
                    let _landing = landing;
                    client.fetch(sent.link, sent.url.clone(), deadline).await
                }
                .boxed()
            });
            if !joined {
                // It ends by this deadline itself.
                return (flight.await, true);
            }
            let outcome = tokio::time::timeout_at(deadline, flight).await.unwrap_or(Err(SourceFailure::Timeout));
            // It ended with the time of the one who asked first, who may have had less left.
            let ended_early = matches!(outcome, Err(SourceFailure::Timeout | SourceFailure::Busy));
            if !ended_early || Instant::now() >= deadline {
                return (outcome, false);
            }
        }
    }

    fn fresh(&self, question: &Question) -> Option<Bytes> {
        let (cache, now) = (self.client.cache.as_ref()?, self.client.clock.now());
        // What a source that is set aside has sent before is not to be trusted either.
        if self.client.quarantine.holds(now) { None } else { cache.fresh(question, now) }
    }

    fn stale(&self, question: &Question) -> Option<(Bytes, Duration)> {
        self.client.cache.as_ref()?.stale(question, self.client.clock.now())
    }

    /// Keeps a good answer; what was kept goes when the source says that it has nothing, or nothing for us, there.
    fn keep(&self, question: &Question, outcome: &Result<Body, SourceFailure>, is_good: bool) {
        let Some(cache) = &self.client.cache else { return };
        match outcome {
            Ok(body) if is_good => {
                cache.keep(self.client.connection.base_url(), question, body, self.client.clock.now());
            }
            Err(failure) if failure.withdraws() => cache.forget(question),
            _ => {}
        }
    }
}
