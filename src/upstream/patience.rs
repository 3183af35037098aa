use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long one page of a source is waited for, from what its last answers took.
///
/// As long as it answers within the deadline, however slowly, it gets the whole deadline. When half of its last requests
/// or more ran into it, it is waited for twice as long as its answers usually take (RFC 6298 §2: the smoothed time and
/// four deviations), at least a quarter of the deadline; every [`WHOLE_AGAIN`]th request still gets all of it, so that
/// a source that has become slower is not cut off for ever. So a person whose one practice hangs waits for the
/// others, not for it. A first byte would tell no more: an EHR sends a page in one go.
#[derive(Debug)]
pub(super) struct Patience {
    memory: Mutex<Memory>,
    deadline: Duration,
}

#[derive(Debug, Default)]
struct Memory {
    /// Microseconds; none before the first answer.
    smoothed: Option<u64>,
    deviation: u64,
    /// How many of the last requests ran into the deadline, in 1024ths; the newest weighs an eighth.
    late: u32,
    turn: u32,
}

const ALL: u32 = 1024;
const WHOLE_AGAIN: u32 = 8;

impl Patience {
    pub(super) fn new(deadline: Duration) -> Self {
        Self { memory: Mutex::new(Memory::default()), deadline }
    }

    /// How long the next page is waited for.
    pub(super) fn next(&self) -> Duration {
        let mut memory = self.memory();
        if memory.late < ALL / 2 {
            return self.deadline;
        }
        memory.turn = memory.turn.wrapping_add(1);
        if memory.turn.is_multiple_of(WHOLE_AGAIN) {
            return self.deadline;
        }
        let usual = memory.smoothed.map_or(0, |smoothed| smoothed.saturating_add(memory.deviation.saturating_mul(4)));
        Duration::from_micros(usual.saturating_mul(2)).clamp(self.deadline / 4, self.deadline)
    }

    /// A page came, after this time.
    pub(super) fn answered(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut memory = self.memory();
        memory.late -= memory.late / 8;
        match memory.smoothed {
            None => (memory.smoothed, memory.deviation) = (Some(took), took / 2),
            Some(smoothed) => {
                memory.deviation = memory.deviation - memory.deviation / 4 + smoothed.abs_diff(took) / 4;
                memory.smoothed = Some(smoothed - smoothed / 8 + took / 8);
            }
        }
    }

    /// No page came in time.
    pub(super) fn given_up(&self) {
        let mut memory = self.memory();
        memory.late += (ALL - memory.late) / 8;
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(8);

    fn lately(patience: &Patience, answers: &[Option<u64>], times: usize) {
        for answer in answers.iter().cycle().take(times * answers.len()) {
            match answer {
                Some(milliseconds) => patience.answered(Duration::from_millis(*milliseconds)),
                None => patience.given_up(),
            }
        }
    }

    /// Eight turns: the longest and the shortest of them.
    fn range(patience: &Patience) -> (Duration, Duration) {
        let turns: Vec<Duration> = (0..8).map(|_| patience.next()).collect();
        (*turns.iter().min().unwrap(), *turns.iter().max().unwrap())
    }

    #[test]
    fn r03_a_slow_source_that_answers_gets_the_whole_deadline() {
        for answers in [&[Some(7_900)][..], &[Some(100), Some(6_000)], &[Some(50), Some(50), None]] {
            let patience = Patience::new(DEADLINE);
            lately(&patience, answers, 30);
            assert_eq!(range(&patience), (DEADLINE, DEADLINE), "{answers:?}");
        }
    }

    #[test]
    fn r03_a_source_that_hangs_is_waited_for_as_long_as_its_answers_need() {
        let patience = Patience::new(DEADLINE);
        lately(&patience, &[Some(900)], 30);
        lately(&patience, &[None], 10);
        let (least, most) = range(&patience);
        // Steady answers of 0.9 s have no deviation: twice 0.9 s is below a quarter of the deadline.
        assert_eq!((least, most), (DEADLINE / 4, DEADLINE));
        let patience = Patience::new(DEADLINE);
        lately(&patience, &[Some(1_400)], 60);
        lately(&patience, &[None], 10);
        let (least, _) = range(&patience);
        assert!((2_700..2_900).contains(&least.as_millis()), "{least:?}");
        // A source that never answered has nothing to go by.
        let patience = Patience::new(DEADLINE);
        lately(&patience, &[None], 10);
        assert_eq!(range(&patience), (DEADLINE / 4, DEADLINE));
    }

    #[test]
    fn it_is_patient_again_after_a_few_answers() {
        let patience = Patience::new(DEADLINE);
        lately(&patience, &[None], 100);
        lately(&patience, &[Some(100)], 6);
        assert_eq!(range(&patience), (DEADLINE, DEADLINE));
    }
}
