//! The log of requests: what a caller sent, so that a test can say what reached the EHR and what did not.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::base::clock::Instant;

/// How many requests are remembered. The counter goes on.
const REMEMBERED: usize = 10_000;

/// What the `Authorization` header of a request was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presented {
    /// There was none.
    Nothing,
    /// A live token that this server gave to the named client.
    TokenOf(String),
    /// Anything else; the value is not kept.
    Unknown,
}

/// One request, as it arrived. Sandbox data are made up; nothing here is kept from the log.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// Counts from 1.
    pub number: u64,
    /// When it arrived, microseconds since the epoch.
    pub at: i64,
    /// `GET`, `POST`, …
    pub method: String,
    /// Path without query.
    pub path: String,
    /// The query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The form of a `POST _search`, decoded, in order.
    pub form: Vec<(String, String)>,
    /// What stood in `Authorization`.
    pub authorization: Presented,
    /// The one patient to whose data the token is limited.
    pub patient: Option<String>,
    /// All headers but `Authorization`, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The status that was answered, faults included.
    pub status: u16,
}

impl Request {
    /// Query and form together.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().chain(&self.form).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first header of this name, which must be lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(present, _)| present == name).map(|(_, value)| value.as_str())
    }
}

/// The requests of one server, without those to its control path.
#[derive(Debug, Default)]
pub struct Requests {
    fhir: AtomicU64,
    token: AtomicU64,
    kept: Mutex<VecDeque<Request>>,
}

impl Requests {
    /// How many FHIR requests came so far, `metadata` and discovery included.
    #[must_use]
    pub fn fhir_count(&self) -> u64 {
        self.fhir.load(Ordering::SeqCst)
    }

    /// How many requests came to the token endpoint so far.
    #[must_use]
    pub fn token_count(&self) -> u64 {
        self.token.load(Ordering::SeqCst)
    }

    /// The remembered requests, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Request> {
        self.list().iter().cloned().collect()
    }

    /// Forgets every request and sets the counters to zero.
    pub fn clear(&self) {
        let mut list = self.list();
        self.fhir.store(0, Ordering::SeqCst);
        self.token.store(0, Ordering::SeqCst);
        list.clear();
    }

    pub(super) fn count_fhir(&self) {
        self.fhir.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn count_token(&self) {
        self.token.fetch_add(1, Ordering::SeqCst);
    }

    /// Remembers a request as it arrives; its status is noted when it is known.
    pub(super) fn note(&self, mut request: Request) -> u64 {
        let mut list = self.list();
        request.number = list.back().map_or(0, |last| last.number) + 1;
        let number = request.number;
        if list.len() >= REMEMBERED {
            list.pop_front();
        }
        list.push_back(request);
        number
    }

    pub(super) fn note_status(&self, number: u64, status: u16) {
        let mut list = self.list();
        // Requests overlap but little: the one meant stands near the end.
        if let Some(request) = list.iter_mut().rev().find(|request| request.number == number) {
            request.status = status;
        }
    }

    fn list(&self) -> MutexGuard<'_, VecDeque<Request>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of a request that is known before its body.
pub(super) struct Arrived<'a> {
    pub(super) at: Instant,
    pub(super) parts: &'a axum::http::request::Parts,
    pub(super) query: &'a [(String, String)],
    pub(super) form: &'a [(String, String)],
    pub(super) authorization: Presented,
    pub(super) patient: Option<String>,
}

impl Arrived<'_> {
    pub(super) fn into_request(self) -> Request {
        let headers = self
            .parts
            .headers
            .iter()
            .filter(|(name, _)| **name != axum::http::header::AUTHORIZATION)
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        Request {
            number: 0,
            at: self.at.micros(),
            method: self.parts.method.to_string(),
            path: self.parts.uri.path().to_owned(),
            query: self.query.to_vec(),
            form: self.form.to_vec(),
            authorization: self.authorization,
            patient: self.patient,
            headers,
            status: 0,
        }
    }
}
