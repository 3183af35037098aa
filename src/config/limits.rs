use serde::{Deserialize, Serialize};

use super::ConfigError;

/// What one request may cost.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Time for one source to answer one request whole, all its pages included, in milliseconds.
    pub source_deadline_ms: u64,
    /// Requests to one source at the same time.
    pub source_concurrency: usize,
    /// Documents that are fetched from one source at the same time.
    pub source_documents: usize,
    /// Bytes of one document.
    pub document_bytes: usize,
    /// Time for one document to come whole, in milliseconds.
    pub document_deadline_ms: u64,
    /// Bytes of one upstream body.
    pub body_bytes: usize,
    /// Upstream pages of one search at one source.
    pub pages: usize,
    /// Resources of one search at one source.
    pub resources: usize,
    /// Entries a source is asked for on a page.
    pub source_page_size: usize,
    /// `_count` when the request has none.
    pub default_count: usize,
    /// The largest `_count`; a larger one is brought down to it.
    pub max_count: usize,
    /// How long a page link works, in seconds.
    pub page_link_seconds: u64,
    /// Failures in a row after which a source is left alone for a while.
    pub breaker_failures: u32,
    /// That while, in milliseconds; it doubles with every try that fails.
    pub breaker_open_ms: u64,
    /// The longest while, in milliseconds.
    pub breaker_longest_ms: u64,
    /// Requests to a source that may be sent a second time, in percent of those sent once. 0 sends none again.
    pub retry_percent: u8,
    /// Answers to searches with other people's records that a source may send within an hour; with the last of them it is set aside
    /// for an hour. 0 never sets one aside: what is not the person's is dropped, told and counted all the same.
    pub foreign_answers: u32,
    /// Calls to sources within a minute that one person may cause through one app; each request counts as one at least. 0 is
    /// no limit.
    pub user_calls_per_minute: u32,
    /// The same of one app, for all who use it.
    pub client_calls_per_minute: u32,
    /// Whether equal requests to a source for the same chart at the same time are sent once. Off to compare.
    pub single_flight: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source_deadline_ms: 8_000,
            source_concurrency: 32,
            source_documents: 8,
            document_bytes: 64 * 1024 * 1024,
            document_deadline_ms: 60_000,
            body_bytes: 16 * 1024 * 1024,
            pages: 40,
            resources: 4_000,
            source_page_size: 200,
            default_count: 50,
            max_count: 500,
            page_link_seconds: 600,
            breaker_failures: 5,
            breaker_open_ms: 1_000,
            breaker_longest_ms: 60_000,
            retry_percent: 10,
            foreign_answers: 3,
            user_calls_per_minute: 3_000,
            client_calls_per_minute: 60_000,
            single_flight: true,
        }
    }
}

impl Limits {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let positive = [
            ("source_concurrency", self.source_concurrency),
            ("source_documents", self.source_documents),
            ("document_bytes", self.document_bytes),
            ("body_bytes", self.body_bytes),
            ("pages", self.pages),
            ("resources", self.resources),
            ("source_page_size", self.source_page_size),
            ("default_count", self.default_count),
            ("max_count", self.max_count),
            ("breaker_failures", self.breaker_failures as usize),
        ];
        for (name, value) in positive {
            if value == 0 {
                return Err(ConfigError::refused(format!("limits.{name}"), "must be at least 1"));
            }
        }
        if !(50..=120_000).contains(&self.source_deadline_ms) {
            return Err(ConfigError::refused("limits.source_deadline_ms", "must be from 50 to 120000"));
        }
        if !(50..=3_600_000).contains(&self.document_deadline_ms) {
            return Err(ConfigError::refused("limits.document_deadline_ms", "must be from 50 to 3600000"));
        }
        if self.source_documents > 10_000 {
            return Err(ConfigError::refused("limits.source_documents", "must be at most 10000"));
        }
        if self.source_concurrency > 10_000 {
            return Err(ConfigError::refused("limits.source_concurrency", "must be at most 10000"));
        }
        if !(1..=300_000).contains(&self.breaker_open_ms) || !(1..=300_000).contains(&self.breaker_longest_ms) {
            return Err(ConfigError::refused("limits.breaker_open_ms, breaker_longest_ms", "must be from 1 to 300000"));
        }
        if self.retry_percent > 100 {
            return Err(ConfigError::refused("limits.retry_percent", "must be at most 100"));
        }
        if self.default_count > self.max_count {
            return Err(ConfigError::refused("limits.default_count", "must not exceed limits.max_count"));
        }
        Ok(())
    }
}
