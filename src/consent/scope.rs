use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::label::Labels;
use super::words::{Action, Category, Level};
use crate::base::clock::Instant;
use crate::base::id::OrganizationId;
use crate::base::source_key::SourceKey;
use crate::fhir::ResourceType;
use crate::identity::GrantBasis;

/// How far a grant goes. `None` where it says nothing: all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantScope {
    /// What may be done.
    pub level: Level,
    /// Actions that the level does not bring along.
    #[serde(default)]
    pub actions: BTreeSet<Action>,
    /// Resource types, by name.
    #[serde(default)]
    pub types: Option<BTreeSet<String>>,
    /// Categories.
    #[serde(default)]
    pub categories: Option<BTreeSet<Category>>,
    /// Which labelled items are seen.
    #[serde(default)]
    pub sensitivity: Sensitivity,
    /// Practices.
    #[serde(default)]
    pub organizations: Option<BTreeSet<OrganizationId>>,
    /// Practices that are left out, those that join later not among them.
    #[serde(default)]
    pub without_organizations: BTreeSet<OrganizationId>,
    /// Sources that are covered beside those of the practices: what a practice had when it became part of another, or was
    /// divided.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub sources: BTreeSet<SourceKey>,
    /// Sources that are left out.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub without_sources: BTreeSet<SourceKey>,
    /// Which dates the data may have.
    #[serde(default)]
    pub data_period: Option<DataPeriod>,
    /// When somebody must have looked at it again, in microseconds.
    #[serde(default)]
    pub review_by: Option<i64>,
    /// It waits for an attested event.
    #[serde(default)]
    pub springing: bool,
    /// When that event was attested, in microseconds.
    #[serde(default)]
    pub activated: Option<i64>,
    /// The holder pays the bills, and sees them whatever the person's age.
    #[serde(default)]
    pub guarantor: bool,
}

/// Which labelled items a grant shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sensitivity {
    /// All.
    #[default]
    All,
    /// All but those with one of these.
    AllBut(Labels),
    /// Those alone that have none but these.
    Only(Labels),
}

/// Days from the first to the last, both included; open where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataPeriod {
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub until: Option<Date>,
}

impl GrantScope {
    /// All of the record, at this level.
    #[must_use]
    pub fn whole(level: Level) -> Self {
        Self {
            level,
            actions: BTreeSet::new(),
            types: None,
            categories: None,
            sensitivity: Sensitivity::All,
            organizations: None,
            without_organizations: BTreeSet::new(),
            sources: BTreeSet::new(),
            without_sources: BTreeSet::new(),
            data_period: None,
            review_by: None,
            springing: false,
            activated: None,
            guarantor: false,
        }
    }

    /// What its holder may be told of it: not which private topics and which practices were left out, which would tell that
    /// they are there.
    #[must_use]
    pub fn outline(&self) -> Self {
        Self {
            sensitivity: Sensitivity::All,
            organizations: None,
            without_organizations: BTreeSet::new(),
            sources: BTreeSet::new(),
            without_sources: BTreeSet::new(),
            ..self.clone()
        }
    }

    /// The scope of a grant that says nothing of it.
    #[must_use]
    pub fn of_basis(basis: GrantBasis) -> Self {
        match basis {
            // To look, also with an app of one's own.
            GrantBasis::PatientConsent => {
                Self { actions: BTreeSet::from([Action::ConnectApp]), ..Self::whole(Level::View) }
            }
            GrantBasis::BestInterest => Self::whole(Level::Act),
            _ => Self::whole(Level::Manage),
        }
    }

    /// Whether it covers a type.
    #[must_use]
    pub fn covers_type(&self, resource_type: ResourceType) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(resource_type.as_str()))
    }

    /// Whether it covers a category. Who works where belongs to every one; who the person is, too: without it nothing
    /// can be shown to be about them.
    #[must_use]
    pub fn covers_category(&self, category: Category) -> bool {
        matches!(category, Category::Directory | Category::Demographics | Category::Derived)
            || self.categories.as_ref().is_none_or(|categories| categories.contains(&category))
    }

    /// Whether it covers a source of a practice.
    #[must_use]
    pub fn covers_source(&self, organization: OrganizationId, source: SourceKey) -> bool {
        let is_named = self.organizations.as_ref().is_none_or(|known| known.contains(&organization))
            || self.sources.contains(&source);
        is_named && !self.without_organizations.contains(&organization) && !self.without_sources.contains(&source)
    }

    /// Whether it covers an action.
    #[must_use]
    pub fn covers_action(&self, action: Action) -> bool {
        self.level.implies(action)
            || (self.actions.contains(&action)
                && matches!(action, Action::Export | Action::ConnectApp | Action::GrantOthers))
    }

    /// Whether it still waits for its event.
    #[must_use]
    pub fn is_waiting(&self, now: Instant) -> bool {
        self.springing && self.activated.is_none_or(|at| at > now.micros())
    }
}

impl Sensitivity {
    /// Whether something with these labels is seen.
    #[must_use]
    pub const fn shows(self, labels: Labels) -> bool {
        match self {
            Self::All => true,
            Self::AllBut(hidden) => labels.without(hidden).bits() == labels.bits(),
            Self::Only(shown) => labels.without(shown).is_empty(),
        }
    }
}

impl DataPeriod {
    /// Whether it covers all the days from the first to the last.
    #[must_use]
    pub fn covers(&self, first: Date, last: Date) -> bool {
        self.from.is_none_or(|from| from <= first) && self.until.is_none_or(|until| last <= until)
    }
}
