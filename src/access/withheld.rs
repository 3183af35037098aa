use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::organization::SourceKey;

/// What was kept from one answer because it was about somebody else, or could not be told to be about the person in
/// context: how many resources of each source. A source that honours `patient` sends none; one that sends them hands
/// out other people's records.
#[derive(Debug, Default)]
pub struct Withheld {
    by_source: Mutex<BTreeMap<SourceKey, WithheldOf>>,
    told: AtomicBool,
}

/// The same of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WithheldOf {
    /// Resources that were kept back.
    pub count: u64,
    /// Whether any of them was certainly somebody else's.
    pub is_foreign: bool,
}

impl Withheld {
    /// One resource of this source was kept back; `is_foreign` when it is certainly somebody else's.
    pub fn add(&self, source: SourceKey, is_foreign: bool) {
        let mut counts = self.by_source.lock().unwrap_or_else(PoisonError::into_inner);
        let of = counts.entry(source).or_default();
        of.count = of.count.saturating_add(1);
        of.is_foreign |= is_foreign;
    }

    /// Forgets what was counted: the request is answered once more.
    pub fn forget(&self) {
        self.by_source.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// True for the first who asks: an answer raises one alarm.
    pub fn is_to_be_told(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }

    /// How many, by source; empty when nothing was.
    #[must_use]
    pub fn by_source(&self) -> BTreeMap<SourceKey, WithheldOf> {
        self.by_source.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
