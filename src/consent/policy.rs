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

/// What is different for those who act for somebody under another policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What, in words.
    pub words: String,
    /// Whether they may see or do something that they may not now, as far as can be told.
    pub is_looser: bool,
}

impl Policy {
    /// What would be different under another policy, from birth on; nothing where both say the same.
    #[must_use]
    pub fn changes_to(&self, other: &Self) -> Vec<Change> {
        let mut begins: Vec<Boundary> = self.bands.iter().chain(&other.bands).map(|band| band.from).collect();
        begins.sort_unstable();
        begins.dedup();
        let mut changes: Vec<Change> =
            begins.into_iter().filter_map(|from| change(from, self.band_at(from)?, other.band_at(from)?)).collect();
        let mut general = |is_other: bool, is_looser: bool, words: &str| {
            if is_other {
                changes.push(Change { words: words.to_owned(), is_looser });
            }
        };
        general(
            self.shows_restricted != other.shows_restricted,
            other.shows_restricted,
            "what the EHR labels as restricted is shown or withheld otherwise",
        );
        general(self.leap_day != other.leap_day, true, "birthdays of those born on 29 February");
        let actions: BTreeSet<&Action> = self.assurance.keys().chain(other.assurance.keys()).collect();
        let asked = |policy: &Self| actions.iter().map(|action| policy.assurance_for(**action)).collect::<Vec<_>>();
        let (now, then) = (asked(self), asked(other));
        let is_less = now.iter().zip(&then).any(|(now, then)| then < now);
        general(now != then, is_less, "how sure a sign-in must be");
        changes
    }

    /// The band that somebody is in at that age.
    fn band_at(&self, age: Boundary) -> Option<&Band> {
        self.bands.iter().take_while(|band| band.from <= age).last()
    }
}

fn change(from: Boundary, now: &Band, then: &Band) -> Option<Change> {
    let is_same = now.rule == then.rule && now.is_expandable == then.is_expandable && now.actions == then.actions;
    let shows_more = !then.rule.is_within(&now.rule);
    let is_looser = shows_more || !then.actions.is_subset(&now.actions) || (then.is_expandable && !now.is_expandable);
    let words = || {
        format!(
            "{} years: a parent sees {} and may do {}, instead of {} and {}",
            from.years,
            then.rule.words(),
            names(&then.actions),
            now.rule.words(),
            names(&now.actions)
        )
    };
    (!is_same).then(|| Change { words: words(), is_looser })
}

fn names(actions: &BTreeSet<Action>) -> String {
    let names: Vec<&str> = actions.iter().map(|action| action.as_str()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

impl BandRule {
    /// Whether it shows nothing that the other does not show.
    fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Everything) => true,
            (Self::AllowList(own), Self::AllowList(known)) => own.iter().all(|line| known.contains(line)),
            (Self::AllowList(_) | Self::WithoutLabels, Self::WithoutLabels) => true,
            _ => false,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Everything => "everything".to_owned(),
            Self::WithoutLabels => "everything without a label".to_owned(),
            Self::Nothing => "nothing".to_owned(),
            Self::AllowList(allowed) => {
                let line = |allow: &Allow| {
                    let how = if allow.is_outline { " (outline)" } else { "" };
                    format!("{}{how}", allow.category.as_str())
                };
                format!("only {}", allowed.iter().map(line).collect::<Vec<_>>().join(", "))
            }
        }
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
