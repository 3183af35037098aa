use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::base::source_key::SourceKey;

/// At which sources words of people keep something from the caller until staff have looked at them.
#[derive(Debug, Default)]
pub struct Doubts(Mutex<BTreeSet<SourceKey>>);

impl Doubts {
    /// At this source.
    pub fn add(&self, source: SourceKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(source);
    }

    /// All of them so far; they are forgotten here.
    #[must_use]
    pub fn take(&self) -> BTreeSet<SourceKey> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
