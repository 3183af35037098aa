use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Answers of sources that are kept in memory. Off by default: a record shows what a practice knows now, and nobody's
/// data stays longer than the request that asked for it. Each use of what is kept is authorised and filtered anew.
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Memory for kept answers, in bytes. 0 keeps none.
    pub bytes: u64,
    /// For how long an answer stands for asking again, in seconds. `Cache-Control` of the source may only shorten it.
    pub fresh_seconds: u64,
    /// For how long after that it is shown, marked with its age, when the source is down, in seconds.
    pub stale_seconds: u64,
    /// Other times for single sources, by base URL.
    pub sources: BTreeMap<String, Freshness>,
}

/// How long the answers of one source are kept.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Freshness {
    /// For how long an answer stands for asking again, in seconds.
    pub fresh_seconds: u64,
    /// For how long after that it is shown, marked with its age, when the source is down, in seconds.
    pub stale_seconds: u64,
}

/// Nothing is kept for longer than a day, whatever else is said.
const LONGEST_SECONDS: u64 = 24 * 3600;

impl Cache {
    /// The times of the source with this base URL.
    #[must_use]
    pub fn of(&self, base_url: &str) -> Freshness {
        let general = Freshness { fresh_seconds: self.fresh_seconds, stale_seconds: self.stale_seconds };
        self.sources.get(base_url).copied().unwrap_or(general)
    }

    /// The longest that anything is kept; none when nothing is.
    #[must_use]
    pub fn longest(&self) -> Option<Duration> {
        let seconds = self.all().map(|times| times.fresh_seconds.saturating_add(times.stale_seconds)).max()?;
        (self.bytes > 0 && seconds > 0).then(|| Duration::from_secs(seconds))
    }

    fn all(&self) -> impl Iterator<Item = Freshness> + '_ {
        std::iter::once(self.of("")).chain(self.sources.values().copied())
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if let Some(base_url) = self.sources.keys().find(|text| url::Url::parse(text).is_err() || text.ends_with('/')) {
            let reason = format!("{base_url} is not a base URL without a trailing slash");
            return Err(ConfigError::refused("cache.sources", reason));
        }
        if self.all().any(|times| times.fresh_seconds.max(times.stale_seconds) > LONGEST_SECONDS) {
            return Err(ConfigError::refused(
                "cache.fresh_seconds, cache.stale_seconds",
                "must be at most a day (86400)",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_the_source_or_of_all() {
        let own = Freshness { fresh_seconds: 5, stale_seconds: 700 };
        let cache = Cache {
            bytes: 1,
            fresh_seconds: 30,
            stale_seconds: 60,
            sources: BTreeMap::from([("https://ehr.example/fhir".to_owned(), own)]),
        };
        assert!(cache.validate().is_ok());
        assert_eq!(cache.of("https://ehr.example/fhir").stale_seconds, 700);
        assert_eq!(cache.of("https://other.example/fhir").fresh_seconds, 30);
        assert_eq!(cache.longest(), Some(Duration::from_secs(705)));
        assert_eq!(Cache { bytes: 0, ..cache.clone() }.longest(), None);
        assert_eq!(Cache::default().longest(), None);
        assert!(Cache { stale_seconds: 90_000, ..cache.clone() }.validate().is_err());
        let bad = BTreeMap::from([("ehr.example".to_owned(), own)]);
        assert!(Cache { sources: bad, ..cache }.validate().is_err());
    }
}
