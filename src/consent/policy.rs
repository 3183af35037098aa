use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::age::{Boundary, LeapDay};
use super::item::Item;
use super::words::{Action, Assurance, Category};

/// The rules of one jurisdiction, as a practice follows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name, by which a practice chooses it.
    pub name: String,
    /// Which version of it.
    pub version: u32,
    /// Where it holds.
    pub jurisdiction: String,
    /// The law behind it.
    pub legal: String,
    /// When those born on 29 February have their birthday.
    pub leap_day: LeapDay,
    /// Whether proxies see what the EHR labels R or V.
    pub shows_restricted: bool,
    /// The age bands in rising order; the first begins at birth.
    pub bands: Vec<Band>,
    /// How sure a session must be for an action; one factor where it is not said.
    pub assurance: BTreeMap<Action, Assurance>,
}

/// What holds from one birthday to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// Its name.
    pub key: String,
    /// Where it begins.
    pub from: Boundary,
    /// What those who act for a minor see.
    pub rule: BandRule,
    /// Whether the minor's assent, or an attested incapacity, widens it.
    pub is_expandable: bool,
    /// What they may do.
    pub actions: BTreeSet<Action>,
    /// The law behind it.
    pub legal: String,
}

/// What those who act for a minor see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BandRule {
    /// All but what a clinician keeps from them.
    Everything,
    /// All that has no label of content.
    WithoutLabels,
    /// What is listed, if it has no label.
    AllowList(Vec<Allow>),
    /// Nothing.
    Nothing,
}

/// One line of an allow-list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// The category.
    pub category: Category,
    /// Whether the item must say by code what it is.
    pub is_coded: bool,
    /// And which codes it may have.
    pub codes: Option<Arc<CodeList>>,
    /// Only when it was, where, and how much: nothing that tells what for.
    pub is_outline: bool,
}

/// Codes by system.
pub type CodeList = BTreeMap<String, BTreeSet<String>>;

impl Policy {
    /// How sure a session must be for an action.
    #[must_use]
    pub fn assurance_for(&self, action: Action) -> Assurance {
        self.assurance.get(&action).copied().unwrap_or(Assurance::Aal1)
    }
}

impl Allow {
    /// Whether it lists this item.
    #[must_use]
    pub fn lists(&self, item: &Item) -> bool {
        if self.category != item.category || (self.is_coded && item.codes.is_empty()) {
            return false;
        }
        let Some(list) = &self.codes else { return true };
        let mut known =
            item.codes.iter().filter_map(|(system, code)| Some(list.get(system)?.contains(code))).peekable();
        known.peek().is_some() && known.all(|listed| listed)
    }
}
