use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::base::source_key::SourceKey;
use crate::fhir::ResourceType;

/// Who is named in what was asked for and has to be looked up before it can be said whether that is seen.
#[derive(Debug, Default)]
pub struct Unknown(Mutex<BTreeMap<SourceKey, BTreeSet<(ResourceType, String)>>>);

impl Unknown {
    /// Somebody or something at this source.
    pub fn add(&self, source: SourceKey, kind: ResourceType, id: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(source).or_default().insert((kind, id.to_owned()));
    }

    /// All of them so far, by source; they are forgotten here.
    #[must_use]
    pub fn take(&self) -> BTreeMap<SourceKey, BTreeSet<(ResourceType, String)>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
