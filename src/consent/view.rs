use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::code_set::CodeSets;
use super::free_text::Suspicion;
use super::item::{self, Detail, Edition, Item};
use super::label::{Label, Labels};
use super::lens::{Lens, Verdict};
use super::redact::Contacts;
use super::rule::Rule;
use super::specialty::{SPECIALISTS, Specialties};
use super::words::Category;
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
    /// What the specialties of those who are named say; `None` where that makes no difference.
    pub specialties: Option<Arc<Specialties>>,
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
    /// The same, borrowed.
    #[must_use]
    pub fn lead(&self) -> Lead<'_> {
        match self {
            Self::To(kind, id) => Lead::To(*kind, id),
            Self::Nowhere => Lead::Nowhere,
        }
    }
}

/// Which items taint what refers to them.
#[derive(Clone, Debug, Default)]
pub struct TaintIndex {
    /// What is known of each item.
    known: BTreeMap<ResourceType, HashMap<String, Known, RandomState>>,
    /// Types that could not be looked up whole.
    failed: BTreeSet<ResourceType>,
    /// Whether a reference that leads to nothing known counts as one to something withheld.
    is_strict: bool,
    /// Whether nothing taints, known or not.
    is_clear: bool,
}

/// What is known of an item.
#[derive(Clone, Debug)]
struct Known {
    taints: bool,
    /// Of which edition that is.
    edition: Option<Edition>,
    /// What its words may say.
    suspicion: Option<Arc<Suspicion>>,
}

impl TaintIndex {
    /// The index of all items of one chart that something may refer to; `failed` are types that could not be had whole.
    #[must_use]
    pub fn of(lens: &Lens, items: &[(Item, Vec<Reference>)], failed: BTreeSet<ResourceType>) -> Self {
        let is_strict = lens.is_strict();
        let open = lens.without_scope();
        let mut index = Self { known: BTreeMap::new(), failed, is_strict, is_clear: false };
        for (item, _) in items {
            let (edition, suspicion) = (item.edition.clone(), item.suspicion.clone());
            let known = Known { taints: open.taints(item), edition, suspicion };
            index.known.entry(item.resource_type).or_default().insert(item.id.clone(), known);
        }
        // What hangs on something withheld is withheld, and so is what hangs on that.
        loop {
            let reached: Vec<&Item> = items
                .iter()
                .filter(|(_, leads_to)| leads_to.iter().any(|to| index.taint(to.lead())))
                .map(|(item, _)| item)
                .filter(|item| index.known(item.resource_type, &item.id).is_some_and(|known| !known.taints))
                .collect();
            if reached.is_empty() {
                let mut all = index.known.values().flat_map(HashMap::values);
                index.is_clear = !is_strict && index.failed.is_empty() && all.all(|known| !known.taints);
                return index;
            }
            for item in reached {
                let of_type = index.known.get_mut(&item.resource_type);
                if let Some(known) = of_type.and_then(|of_type| of_type.get_mut(&item.id)) {
                    known.taints = true;
                }
            }
        }
    }

    fn known(&self, kind: ResourceType, id: &str) -> Option<&Known> {
        self.known.get(&kind)?.get(id)
    }

    /// What the words in a resource may say, where this edition of it was read for that: `Some(None)` for nothing.
    #[must_use]
    pub fn suspicion(&self, raw: &RawResource) -> Option<Option<Arc<Suspicion>>> {
        let known = self.known(raw.facts.resource_type, raw.id()?)?;
        known.edition.as_ref()?.is_of(raw).then(|| known.suspicion.clone())
    }

    /// Whether something that leads there is tainted.
    #[must_use]
    pub fn taint(&self, to: Lead<'_>) -> bool {
        match to {
            Lead::Nowhere => self.is_strict,
            // They say something of what names them, and are not withheld themselves.
            Lead::To(kind, _) if SPECIALISTS.contains(&kind) => false,
            Lead::To(kind, id) => {
                let known = self.known(kind, id).map(|known| known.taints);
                known.unwrap_or_else(|| self.is_strict || self.failed.contains(&kind))
            }
        }
    }

    /// Whether nothing is tainted, wherever it leads.
    #[must_use]
    pub const fn is_clear(&self) -> bool {
        self.is_clear
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
        let detail = self.lens.detail();
        // Of most resources the words were read for the index.
        let known = self.index.as_ref().filter(|_| detail.words).and_then(|index| index.suspicion(raw));
        match known {
            Some(suspicion) => {
                let item = item::describe(raw, &self.sets, Detail { words: false, ..detail });
                Item { suspicion, ..item }
            }
            None => item::describe(raw, &self.sets, detail),
        }
    }

    /// The same, for an index of what others refer to.
    #[must_use]
    pub fn describe_by_id(&self, raw: &RawResource) -> Item {
        item::describe(raw, &self.sets, Detail { id: true, edition: true, ..self.lens.detail() })
    }

    /// Whether an item is seen; `leads` goes over where it leads. [`Rule::Undecidable`] where it would be, but for somebody
    /// whom it names and who is not known.
    #[must_use]
    pub fn judge(&self, mut item: Item, leads: impl FnOnce(&mut dyn FnMut(Lead<'_>))) -> Verdict {
        if !self.lens.follows_taint() {
            return self.lens.judge(&item);
        }
        let Some(index) = &self.index else {
            item.is_tainted = true;
            return self.lens.judge(&item);
        };
        if self.specialties.is_none() && index.is_clear() {
            // Wherever it leads, nothing follows from that.
            return self.lens.judge(&item);
        }
        let (mut is_tainted, mut labels, mut is_unknown) = (false, Labels::NONE, false);
        let by_name = is_about_care(&item);
        leads(&mut |to| {
            is_tainted |= index.taint(to);
            match self.specialty(to) {
                _ if !by_name => {}
                Some(known) => labels = labels.and(known),
                None => is_unknown = true,
            }
        });
        item.is_tainted = is_tainted;
        item.labels = item.labels.and(labels);
        match self.lens.judge(&item) {
            Verdict::Shown(_) if is_unknown => Verdict::Withheld(Rule::Undecidable),
            verdict => verdict,
        }
    }

    /// Whether it makes a difference who had to do with an item: where labels decide.
    #[must_use]
    pub fn follows_specialties(&self) -> bool {
        self.lens.follows_taint() && (self.lens.detail().content || self.sets.has_decisions())
    }

    /// What is sensitive about whatever leads there because of who or what that is; `None` where it is not known.
    #[must_use]
    pub fn specialty(&self, to: Lead<'_>) -> Option<Labels> {
        match (to, &self.specialties) {
            (Lead::To(kind, id), Some(known)) if SPECIALISTS.contains(&kind) => known.labels(kind, id, self.lens.now()),
            _ => Some(Labels::NONE),
        }
    }

    /// An item with what those whom it names say of it, for an index of what others refer to.
    #[must_use]
    pub fn labelled(&self, item: Item, leads_to: &[Reference]) -> Item {
        if !is_about_care(&item) {
            return item;
        }
        let unknown: Labels = [Label::Unknown].into_iter().collect();
        let labels =
            leads_to.iter().map(|to| self.specialty(to.lead()).unwrap_or(unknown)).fold(item.labels, Labels::and);
        Item { labels, ..item }
    }
}

/// Whether those whom an item names had to do with care: a Patient names the practice where it is registered.
const fn is_about_care(item: &Item) -> bool {
    !matches!(item.category, Category::Demographics | Category::Directory)
}
