use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::code_set::CodeSets;
use super::item::{self, Detail, Item};
use super::lens::{Lens, Verdict};
use super::redact::Contacts;
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
    /// What a custody order takes.
    pub contacts: Arc<Contacts>,
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

/// The same, where it is looked up at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead<'a> {
    /// To a resource at the same source.
    To(ResourceType, &'a str),
    /// It cannot be told.
    Nowhere,
}

impl From<Lead<'_>> for Reference {
    fn from(lead: Lead<'_>) -> Self {
        match lead {
            Lead::To(kind, id) => Self::To(kind, id.to_owned()),
            Lead::Nowhere => Self::Nowhere,
        }
    }
}

impl Reference {
    pub(super) fn lead(&self) -> Lead<'_> {
        match self {
            Self::To(kind, id) => Lead::To(*kind, id),
            Self::Nowhere => Lead::Nowhere,
        }
    }
}

/// Which items taint what refers to them.
#[derive(Clone, Debug, Default)]
pub struct TaintIndex {
    /// Whether each known item does.
    taints: BTreeMap<ResourceType, HashMap<String, bool>>,
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
            index.taints.entry(item.resource_type).or_default().insert(item.id.clone(), open.taints(item));
        }
        // What hangs on something withheld is withheld, and so is what hangs on that.
        loop {
            let reached: Vec<&Item> = items
                .iter()
                .filter(|(_, leads_to)| leads_to.iter().any(|to| index.taint(to.lead())))
                .map(|(item, _)| item)
                .filter(|item| index.known(item.resource_type, &item.id) == Some(false))
                .collect();
            if reached.is_empty() {
                return index;
            }
            for item in reached {
                index.taints.entry(item.resource_type).or_default().insert(item.id.clone(), true);
            }
        }
    }

    fn known(&self, kind: ResourceType, id: &str) -> Option<bool> {
        self.taints.get(&kind)?.get(id).copied()
    }

    /// Whether something that leads there is tainted.
    #[must_use]
    pub fn taint(&self, to: Lead<'_>) -> bool {
        match to {
            Lead::Nowhere => self.is_strict,
            Lead::To(kind, id) => self.known(kind, id).unwrap_or_else(|| self.is_strict || self.failed.contains(&kind)),
        }
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
        item::describe(raw, &self.sets, self.lens.detail())
    }

    /// The same, for an index of what others refer to.
    #[must_use]
    pub fn describe_by_id(&self, raw: &RawResource) -> Item {
        item::describe(raw, &self.sets, Detail { id: true, ..self.lens.detail() })
    }

    /// Whether an item is seen; `leads` goes over where it leads.
    #[must_use]
    pub fn judge(&self, mut item: Item, leads: impl FnOnce(&mut dyn FnMut(Lead<'_>))) -> Verdict {
        item.is_tainted = self.lens.follows_taint()
            && self.index.as_ref().is_none_or(|index| {
                let mut is_tainted = false;
                leads(&mut |to| is_tainted |= index.taint(to));
                is_tainted
            });
        self.lens.judge(&item)
    }
}
