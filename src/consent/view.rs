use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::code_set::CodeSets;
use super::item::{self, Item};
use super::lens::{Lens, Verdict};
use crate::base::source_key::SourceKey;
use crate::fhir::ResourceType;
use crate::fhir::scan::RawResource;

/// What a caller sees of one person, source by source: made anew for every request. A source that is not in it is not
/// asked.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// By source.
    pub sources: BTreeMap<SourceKey, SourceView>,
}

/// The same at one source.
#[derive(Clone, Debug)]
pub struct SourceView {
    /// The decision.
    pub lens: Lens,
    /// What is sensitive.
    pub sets: Arc<CodeSets>,
    /// What is withheld of that which others refer to; `None` before it has been looked up.
    pub index: Option<Arc<TaintIndex>>,
}

/// Where an item leads, as far as that may taint it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// To a resource at the same source.
    To(ResourceType, String),
    /// It cannot be told.
    Nowhere,
}

/// Which items taint what refers to them.
#[derive(Clone, Debug, Default)]
pub struct TaintIndex {
    /// Whether each known item does.
    taints: BTreeMap<(ResourceType, String), bool>,
    /// Types that could not be looked up whole.
    failed: BTreeSet<ResourceType>,
    /// Whether a reference that leads to nothing known counts as one to something withheld.
    is_strict: bool,
}

impl TaintIndex {
    /// The index of all items of one chart that something may refer to; `failed` are types that could not be had whole.
    #[must_use]
    pub fn of(lens: &Lens, items: &[(Item, Vec<Reference>)], failed: BTreeSet<ResourceType>) -> Self {
        let is_strict = lens.is_strict();
        let open = lens.without_scope();
        let mut index = Self { taints: BTreeMap::new(), failed, is_strict };
        for (item, _) in items {
            index.taints.insert((item.resource_type, item.id.clone()), open.taints(item));
        }
        // What hangs on something withheld is withheld, and so is what hangs on that.
        loop {
            let reached: Vec<_> = items
                .iter()
                .filter(|(_, leads_to)| index.taint(leads_to))
                .map(|(item, _)| (item.resource_type, item.id.clone()))
                .filter(|key| index.taints.get(key) == Some(&false))
                .collect();
            if reached.is_empty() {
                return index;
            }
            index.taints.extend(reached.into_iter().map(|key| (key, true)));
        }
    }

    /// Whether something that leads there is tainted.
    #[must_use]
    pub fn taint(&self, leads_to: &[Reference]) -> bool {
        leads_to.iter().any(|to| match to {
            Reference::Nowhere => self.is_strict,
            Reference::To(kind, id) => {
                // Types are few, ids are short: a key for the look-up costs less than a second map.
                let known = self.taints.get(&(*kind, id.clone())).copied();
                known.unwrap_or(self.is_strict || self.failed.contains(kind))
            }
        })
    }

    /// Whether every type could be looked up.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.failed.is_empty()
    }
}

impl SourceView {
    /// What the decision looks at.
    #[must_use]
    pub fn describe(&self, raw: &RawResource) -> Item {
        item::describe(raw, &self.sets)
    }

    /// Whether an item that leads there is seen.
    #[must_use]
    pub fn judge(&self, mut item: Item, leads_to: &[Reference]) -> Verdict {
        item.is_tainted = self.lens.follows_taint() && self.index.as_ref().is_none_or(|index| index.taint(leads_to));
        self.lens.judge(&item)
    }
}
