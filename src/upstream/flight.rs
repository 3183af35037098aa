use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use super::body::Body;
use super::errand::Question;
use super::failure::SourceFailure;

/// A request that several callers wait for. It goes on as long as one of them does.
pub(super) type Flight = Shared<BoxFuture<'static, Result<Body, SourceFailure>>>;

type WeakFlight = WeakShared<BoxFuture<'static, Result<Body, SourceFailure>>>;

/// The requests that are under way at one source: an equal question asked meanwhile waits for the same answer. Questions
/// are equal only for the same charts and the same credential ([`Question`]), so nobody gets what was fetched for
/// somebody else.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<Board>);

#[derive(Debug, Default)]
struct Board {
    under_way: HashMap<Arc<Question>, (u64, WeakFlight)>,
    last: u64,
}

/// Takes a flight off the board when it has ended, or when all who waited for it have left: made before it departs, and
/// dropped with it.
pub(super) struct Landing<F: FnMut()>(F);

impl<F: FnMut()> Landing<F> {
    pub(super) const fn new(land: F) -> Self {
        Self(land)
    }
}

impl<F: FnMut()> Drop for Landing<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl Flights {
    /// The flight that answers `question`, and whether it was under way already. `depart` makes one; it is given the
    /// number to [`Self::land`] it with.
    pub(super) fn board(
        &self,
        question: &Arc<Question>,
        depart: impl FnOnce(u64) -> BoxFuture<'static, Result<Body, SourceFailure>>,
    ) -> (Flight, bool) {
        let Board { under_way, last } = &mut *self.lock();
        let entry = under_way.entry(question.clone());
        if let Entry::Occupied(known) = &entry
            && let Some(flight) = known.get().1.upgrade()
        {
            return (flight, true);
        }
        *last = last.wrapping_add(1);
        let flight = depart(*last).shared();
        if let Some(weak) = flight.downgrade() {
            entry.insert_entry((*last, weak));
        }
        (flight, false)
    }

    /// Forgets the flight, if it still is this one.
    pub(super) fn land(&self, question: &Arc<Question>, number: u64) {
        if let Entry::Occupied(known) = self.lock().under_way.entry(question.clone())
            && known.get().0 == number
        {
            known.remove();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    use bytes::Bytes;
    use tokio::sync::Notify;

    use crate::base::id::LinkId;
    use crate::base::random::SeededRandom;

    fn question(url: &str, patients: &[&str]) -> Arc<Question> {
        let patients: Arc<[String]> = patients.iter().map(|id| (*id).to_owned()).collect();
        Arc::new(Question { url: url.parse().unwrap(), patients, link: None, generation: 1 })
    }

    struct Source {
        flights: Flights,
        calls: AtomicU32,
        answer: Notify,
    }

    impl Source {
        fn ask(self: &Arc<Self>, question: &Arc<Question>) -> (Flight, bool) {
            let (source, asked) = (self.clone(), question.clone());
            self.flights.board(question, move |number| {
                let landed = source.clone();
                let landing = Landing::new(move || landed.flights.land(&asked, number));
                async move {
                    let _landing = landing;
                    source.calls.fetch_add(1, Ordering::SeqCst);
                    source.answer.notified().await;
                    Ok(Body::of(Bytes::from_static(b"{}")))
                }
                .boxed()
            })
        }
    }

    fn source() -> Arc<Source> {
        Arc::new(Source { flights: Flights::default(), calls: AtomicU32::new(0), answer: Notify::new() })
    }

    #[tokio::test]
    async fn r30_equal_questions_share_one_call_and_who_hangs_up_does_not_end_it() {
        let (source, asked) = (source(), question("http://ehr/Observation?patient=1", &["1"]));
        let (first, joined) = source.ask(&asked);
        assert!(!joined);
        let leader = tokio::spawn(first);
        while source.calls.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let followers: Vec<_> = (0..20)
            .map(|_| {
                let (flight, joined) = source.ask(&asked);
                assert!(joined);
                tokio::spawn(flight)
            })
            .collect();
        tokio::task::yield_now().await;
        leader.abort();
        assert!(leader.await.unwrap_err().is_cancelled());
        source.answer.notify_one();
        for follower in followers {
            assert!(follower.await.unwrap().is_ok());
        }
        assert_eq!(source.calls.load(Ordering::SeqCst), 1);
        assert!(source.flights.lock().under_way.is_empty(), "nothing is kept of an answer");
        assert!(!source.ask(&asked).1, "the next one asks anew");
    }

    #[tokio::test]
    async fn u28_questions_about_other_charts_are_not_shared() {
        let source = source();
        let url = "http://ehr/Practitioner/1";
        let (_own, _) = source.ask(&question(url, &["1"]));
        assert!(source.ask(&question(url, &["1"])).1);
        for patients in [&["2"][..], &["1", "2"], &[]] {
            assert!(!source.ask(&question(url, patients)).1, "{patients:?}");
        }
        let random = SeededRandom::new(4);
        let with = |link| Question { link: Some(link), ..Question::clone(&question(url, &["1"])) };
        let links = [LinkId::mint(&random), LinkId::mint(&random)];
        let [(_one, first), (_other, second)] = links.map(|link| source.ask(&Arc::new(with(link))));
        assert!(!first && !second, "with another credential");
        let later = Question { generation: 2, ..Question::clone(&question(url, &["1"])) };
        assert!(!source.ask(&Arc::new(later)).1, "rights have changed since");
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_ends() {
        let (source, asked) = (source(), question("http://ehr/Condition/1", &["1"]));
        let (flight, _) = source.ask(&asked);
        drop(flight);
        assert!(source.flights.lock().under_way.is_empty());
        assert!(!source.ask(&asked).1);
    }
}
