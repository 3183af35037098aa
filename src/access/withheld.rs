use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::organization::SourceKey;

/// What was kept from one answer because it was about somebody else, or could not be told to be about the person in
/// context: how many resources of each source. A source that honours `patient` sends none; one that sends them hands
/// out other people's records.
#[derive(Debug, Default)]
pub struct Withheld(Mutex<BTreeMap<SourceKey, WithheldOf>>);

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
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = counts.entry(source).or_default();
        of.count = of.count.saturating_add(1);
        of.is_foreign |= is_foreign;
    }

    /// How many, by source; empty when nothing was.
    #[must_use]
    pub fn by_source(&self) -> BTreeMap<SourceKey, WithheldOf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
