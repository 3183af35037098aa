use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::organization::SourceKey;

/// What was kept from one answer because it was about somebody else, or could not be told to be about the person in
/// context: how many resources of each source. A source that honours `patient` sends none; one that sends them hands
/// out other people's records.
#[derive(Debug, Default)]
pub struct Withheld(Mutex<BTreeMap<SourceKey, u64>>);

impl Withheld {
    /// One resource of this source was kept back.
    pub fn add(&self, source: SourceKey) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(source).or_default();
        *count = count.saturating_add(1);
    }

    /// How many, by source; empty when nothing was.
    #[must_use]
    pub fn by_source(&self) -> BTreeMap<SourceKey, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
