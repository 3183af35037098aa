use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::body::Body;
use super::errand::Question;
use crate::base::clock::Instant;
use crate::base::random::SharedRandom;
use crate::config;

/// What sources answered, as they sent it and before any filter, so that every use is filtered anew.
///
/// An entry answers one question: the same source and URL, for the same charts ([`Question`]); it is never used for
/// others, not even where the bytes would be the same. It lasts for one generation of rights: when any right changes,
/// everything is dropped. Nothing is fetched in the background: each request to a source is made for somebody who
/// holds a permit at that moment.
#[derive(Debug)]
pub struct Cache {
    entries: moka::sync::Cache<Question, Arc<Entry>>,
    settings: config::Cache,
    /// Moved on by this process, at once.
    here: watch::Receiver<i64>,
    /// The newest that was read from the database, where other processes move it on.
    read: AtomicI64,
    random: SharedRandom,
}

/// A kept answer.
#[derive(Debug)]
struct Entry {
    bytes: Bytes,
    stored: Instant,
    fresh: Duration,
    stale: Duration,
}

/// What a body costs besides its bytes: its key, the entry, and moka's own books.
const OVERHEAD: usize = 512;

impl Cache {
    /// An empty cache, or none when it is switched off. `generation` tells of changes of rights in this process.
    #[must_use]
    pub fn new(settings: &config::Cache, generation: watch::Receiver<i64>, random: SharedRandom) -> Option<Arc<Self>> {
        let longest = settings.longest()?;
        let weigh = |question: &Question, entry: &Arc<Entry>| {
            let bytes = entry.bytes.len() + question.url.as_str().len() + OVERHEAD;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let entries =
            moka::sync::Cache::builder().max_capacity(settings.bytes).weigher(weigh).time_to_live(longest).build();
        Some(Arc::new(Self { entries, settings: settings.clone(), here: generation, read: AtomicI64::new(0), random }))
    }

    /// The generation of rights as read from the database. Drops what is from before.
    pub fn moved_on(&self, generation: i64) {
        if self.read.fetch_max(generation, Ordering::AcqRel) < generation {
            self.entries.invalidate_all();
        }
    }

    /// The newest generation known here.
    pub(super) fn generation(&self) -> i64 {
        self.read.load(Ordering::Acquire).max(*self.here.borrow())
    }

    /// An answer that is fresh enough to stand for asking.
    pub(super) fn fresh(&self, question: &Question, now: Instant) -> Option<Bytes> {
        let entry = self.entries.get(question)?;
        (entry.age(now)? < entry.fresh).then(|| entry.bytes.clone())
    }

    /// An answer to show in place of that of a source that is down, and how old it is.
    pub(super) fn stale(&self, question: &Question, now: Instant) -> Option<(Bytes, Duration)> {
        let entry = self.entries.get(question)?;
        let age = entry.age(now)?;
        (age < entry.fresh.saturating_add(entry.stale)).then(|| (entry.bytes.clone(), age))
    }

    /// Keeps an answer that was read without fault, as far as the source and the settings allow; one from before it
    /// goes in any case.
    pub(super) fn keep(&self, base_url: &str, question: &Question, body: &Body, now: Instant) {
        let freshness = self.settings.of(base_url);
        let said = body.keep.fresh.unwrap_or(Duration::MAX);
        let fresh = self.jittered(Duration::from_secs(freshness.fresh_seconds)).min(said);
        let stale = if body.keep.stale { Duration::from_secs(freshness.stale_seconds) } else { Duration::ZERO };
        let is_small = u64::try_from(body.bytes.len()).is_ok_and(|bytes| bytes <= self.settings.bytes / 8);
        if !body.keep.at_all || !is_small || (fresh.is_zero() && stale.is_zero()) {
            return self.forget(question);
        }
        // A copy: the body may be a slice of a larger buffer, which would be kept alive without being weighed.
        let bytes = Bytes::copy_from_slice(&body.bytes);
        self.entries.insert(question.clone(), Arc::new(Entry { bytes, stored: now, fresh, stale }));
    }

    /// Drops the answer to a question.
    pub(super) fn forget(&self, question: &Question) {
        self.entries.invalidate(question);
    }

    /// Between half of it and all of it, so that what was kept together does not end together.
    fn jittered(&self, time: Duration) -> Duration {
        let random = u32::from_le_bytes(self.random.bytes());
        time / 2 + (time / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

impl Entry {
    /// None when the clock was set back: then its age is not known.
    fn age(&self, now: Instant) -> Option<Duration> {
        (now >= self.stored).then(|| now.since(self.stored))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::LinkId;
    use crate::base::random::SeededRandom;
    use crate::upstream::body::Keep;

    const NOW: Instant = Instant::from_micros(1_000_000_000_000);
    const BASE: &str = "https://ehr.example/fhir";

    fn at(seconds: u64) -> Instant {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn settings(fresh_seconds: u64, stale_seconds: u64) -> config::Cache {
        config::Cache { bytes: 1 << 20, fresh_seconds, stale_seconds, ..config::Cache::default() }
    }

    fn cache(settings: &config::Cache) -> (Arc<Cache>, watch::Sender<i64>) {
        let (sender, receiver) = watch::channel(1);
        (Cache::new(settings, receiver, Arc::new(SeededRandom::new(3))).unwrap(), sender)
    }

    fn question(cache: &Cache, name: &str) -> Question {
        let url = format!("{BASE}/Condition?patient=1&_id={name}").parse().unwrap();
        Question { url, patients: Arc::new(["1".to_owned()]), link: None, generation: cache.generation() }
    }

    fn body(text: &str) -> Body {
        Body::of(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn without_bytes_or_time_there_is_none() {
        let (_, receiver) = watch::channel(1);
        for settings in [config::Cache::default(), settings(0, 0), config::Cache { bytes: 0, ..settings(30, 30) }] {
            assert!(Cache::new(&settings, receiver.clone(), Arc::new(SeededRandom::new(3))).is_none());
        }
    }

    #[test]
    fn an_answer_is_fresh_then_stale_then_gone() {
        let (cache, _sender) = cache(&settings(60, 600));
        let asked = question(&cache, "a");
        cache.keep(BASE, &asked, &body("{}"), NOW);
        assert_eq!(cache.fresh(&asked, at(29)).unwrap(), "{}");
        assert!(cache.fresh(&asked, at(60)).is_none());
        assert_eq!(cache.stale(&asked, at(600)), Some((Bytes::from_static(b"{}"), Duration::from_secs(600))));
        assert!(cache.stale(&asked, at(660)).is_none());
        assert!(cache.fresh(&asked, Instant::from_micros(0)).is_none(), "from before a clock that was set back");
        assert!(cache.stale(&asked, Instant::from_micros(0)).is_none());
    }

    #[test]
    fn u27_others_and_other_questions_get_nothing_of_it() {
        let (cache, _sender) = cache(&settings(60, 60));
        let asked = question(&cache, "a");
        cache.keep(BASE, &asked, &body("{}"), NOW);
        let others: [Arc<[String]>; 3] =
            [Arc::new(["2".to_owned()]), Arc::new([]), Arc::new(["1".to_owned(), "2".to_owned()])];
        for patients in others {
            let other = Question { patients, ..asked.clone() };
            assert!(cache.fresh(&other, NOW).is_none() && cache.stale(&other, NOW).is_none());
        }
        let with_own = Question { link: Some(LinkId::mint(&SeededRandom::new(4))), ..asked.clone() };
        assert!(cache.fresh(&with_own, NOW).is_none() && cache.stale(&with_own, NOW).is_none());
        assert!(cache.fresh(&question(&cache, "b"), NOW).is_none());
        let elsewhere = Question { url: "https://other.example/fhir/x".parse().unwrap(), ..asked };
        assert!(cache.fresh(&elsewhere, NOW).is_none());
    }

    #[test]
    fn i12_a_change_of_rights_drops_everything_at_once() {
        let (cache, sender) = cache(&settings(60, 60));
        let changes: [&dyn Fn(); 2] = [&|| sender.send(2).unwrap(), &|| cache.moved_on(3)];
        for change in changes {
            let asked = question(&cache, "a");
            cache.keep(BASE, &asked, &body("{}"), NOW);
            assert!(cache.fresh(&asked, NOW).is_some());
            change();
            let again = question(&cache, "a");
            assert!(cache.fresh(&again, NOW).is_none() && cache.stale(&again, NOW).is_none());
            // An answer that was asked for before the change is not kept for after it.
            cache.keep(BASE, &asked, &body("{}"), NOW);
            assert!(cache.fresh(&again, NOW).is_none());
        }
        cache.moved_on(4);
        cache.entries.run_pending_tasks();
        assert_eq!(cache.entries.entry_count(), 0, "and from memory too");
    }

    #[test]
    fn what_the_source_forbids_is_not_kept_and_what_was_kept_goes() {
        let (cache, _sender) = cache(&settings(60, 600));
        let asked = question(&cache, "a");
        let with = |keep: Keep| Body { keep, ..body("{}") };
        cache.keep(BASE, &asked, &body("{}"), NOW);
        cache.keep(BASE, &asked, &with(Keep { at_all: false, ..Keep::ANY }), NOW);
        assert!(cache.stale(&asked, NOW).is_none(), "no-store");
        cache.keep(BASE, &asked, &with(Keep { fresh: Some(Duration::from_secs(5)), ..Keep::ANY }), NOW);
        assert!(cache.fresh(&asked, at(4)).is_some() && cache.fresh(&asked, at(5)).is_none(), "max-age");
        cache.keep(BASE, &asked, &with(Keep { stale: false, ..Keep::ANY }), NOW);
        assert!(cache.stale(&asked, at(60)).is_none(), "must-revalidate");
    }

    #[test]
    fn each_source_has_its_own_times() {
        let mut settings = settings(0, 0);
        let own = config::Freshness { fresh_seconds: 60, stale_seconds: 0 };
        settings.sources.insert(BASE.to_owned(), own);
        let (cache, _sender) = cache(&settings);
        let asked = question(&cache, "a");
        cache.keep(BASE, &asked, &body("{}"), NOW);
        assert!(cache.fresh(&asked, NOW).is_some());
        cache.keep("https://other.example/fhir", &asked, &body("{}"), NOW);
        assert!(cache.fresh(&asked, NOW).is_none());
    }

    #[test]
    fn u27_it_weighs_its_bytes() {
        let (cache, _sender) = cache(&config::Cache { bytes: 100_000, ..settings(60, 0) });
        for number in 0..1_000 {
            cache.keep(BASE, &question(&cache, &number.to_string()), &body(&"x".repeat(9_000)), NOW);
        }
        cache.entries.run_pending_tasks();
        let weight = cache.entries.weighted_size();
        assert!(weight <= 100_000 && weight > 50_000, "{weight}");
        let large = question(&cache, "large");
        cache.keep(BASE, &large, &body(&"x".repeat(20_000)), NOW);
        assert!(cache.fresh(&large, NOW).is_none(), "one answer does not drive out all others");
    }

    #[test]
    fn r31_what_was_kept_together_does_not_end_together() {
        let (cache, _sender) = cache(&config::Cache { bytes: 1 << 30, ..settings(100, 0) });
        let asked: Vec<Question> = (0..10_000).map(|number| question(&cache, &number.to_string())).collect();
        for question in &asked {
            cache.keep(BASE, question, &body("{}"), NOW);
        }
        // How many end in each of the hundred seconds.
        let alive: Vec<usize> =
            (0..=100).map(|second| asked.iter().filter(|q| cache.fresh(q, at(second)).is_some()).count()).collect();
        let ended: Vec<usize> = alive.windows(2).map(|pair| pair[0] - pair[1]).filter(|ended| *ended > 0).collect();
        let mean = ended.iter().sum::<usize>() / ended.len();
        let peak = *ended.iter().max().unwrap();
        assert!(ended.len() >= 49 && peak <= 2 * mean, "peak {peak}, mean {mean}, in {} seconds", ended.len());
    }
}
