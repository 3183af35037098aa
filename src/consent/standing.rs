use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::label::Labels;
use super::rule::Rule;
use super::scope::GrantScope;
use super::words::{Category, by_name};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, GrantId};
use crate::identity::{GrantBasis, Period, named};

/// All that is known of an account's right to one person's record, as of one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who asks.
    pub account: AccountId,
    /// Whether it is the account's own record.
    pub is_own: bool,
    /// The account's active grants for the person. Their periods and conditions are looked at when they are used.
    pub rights: Vec<Right>,
    /// What else is laid down about the person.
    pub rules: Vec<StandingRule>,
}

/// An active grant with its scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// The grant.
    pub grant: GrantId,
    /// By what right.
    pub basis: GrantBasis,
    /// When it works.
    pub period: Period,
    /// How far it goes.
    pub scope: GrantScope,
}

/// Something that is laid down about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingRule {
    /// When it holds.
    pub period: Period,
    /// What it is.
    pub kind: RuleKind,
}

/// What is laid down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum RuleKind {
    /// A court, safeguarding or the privacy officer limits proxies.
    Restriction {
        /// Whom; all proxies where nobody is named.
        against: Option<AccountId>,
        /// What is left to them.
        effect: Effect,
    },
    /// Staff keep one item from proxies.
    Flag {
        /// At which source, by its key.
        source: String,
        /// Its type.
        resource_type: String,
        /// Its id there.
        id: String,
    },
    /// The person asked for results and the like to wait until a clinician has looked at them.
    Hold {
        /// Which.
        categories: Vec<Category>,
        /// But no longer than this after they were issued.
        days: Option<u16>,
    },
    /// A minor lets the holder of a grant see more.
    Assent {
        /// Which grant.
        grant: GrantId,
        /// Labels that are shown as well.
        labels: Labels,
    },
    /// A clinician attested that a minor cannot decide.
    DiminishedCapacity,
    /// A minor counts as of age.
    Emancipated,
    /// The person has died.
    Deceased,
}

/// Who may end a grant by themselves: its holder always; the person whose record it is, if it was theirs to give, or rests
/// on their not being able to. One parent does not end another's, nor a minor a parent's: that takes staff and an order.
#[must_use]
pub const fn may_end(basis: GrantBasis, is_subject: bool) -> bool {
    !is_subject
        || matches!(
            basis,
            GrantBasis::PatientConsent | GrantBasis::HealthCarePowerOfAttorney | GrantBasis::BestInterest
        )
}

named! {
    /// What a restriction leaves to a proxy, in falling order.
    Effect {
        /// All.
        Full = "full",
        /// All but how and where to find the person.
        NoContactData = "no-contact-data",
        /// To look, but not how and where to find the person; nothing may be done.
        RecordsOnly = "records-only",
        /// Nothing.
        Nothing = "none",
    }
}
by_name!(Effect);

impl Standing {
    /// One's own record, about which nothing is laid down.
    #[must_use]
    pub const fn own(account: AccountId) -> Self {
        Self { account, is_own: true, rights: Vec::new(), rules: Vec::new() }
    }

    /// The rules that hold at `now`.
    pub fn in_force(&self, now: Instant) -> impl Iterator<Item = &RuleKind> {
        self.rules.iter().filter(move |rule| rule.period.covers(now)).map(|rule| &rule.kind)
    }

    /// The most that restrictions leave to the account.
    #[must_use]
    pub fn effect(&self, now: Instant) -> Effect {
        let effects = self.in_force(now).filter_map(|rule| match rule {
            RuleKind::Restriction { against, effect } if against.is_none_or(|who| who == self.account) => Some(*effect),
            _ => None,
        });
        effects.max().unwrap_or(Effect::Full)
    }

    /// Whether the person has died.
    #[must_use]
    pub fn is_deceased(&self, now: Instant) -> bool {
        self.in_force(now).any(|rule| *rule == RuleKind::Deceased)
    }

    /// Whether the account's requests have to be looked at item by item.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.is_own && self.rules.iter().all(|rule| !matches!(rule.kind, RuleKind::Hold { .. } | RuleKind::Deceased))
    }

    /// Whether the account has a right to the record at all, and until when: `Some(None)` without an end. What hangs on
    /// the person's age, on a practice or on an item is for [`super::Lens`] to say.
    #[must_use]
    pub fn right_until(&self, now: Instant) -> Option<Option<Instant>> {
        if self.is_own {
            return (!self.is_deceased(now)).then_some(None);
        }
        if self.effect(now) == Effect::Nothing {
            return None;
        }
        let standing = self.rights.iter().filter(|right| right.in_force(now, self.is_deceased(now)).is_ok());
        // Several grants for one person: the right lasts as long as the longest of them.
        standing.map(|right| right.period.until).reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b)))
    }
}

/// A best-interest grant ends after this, whatever it says.
const BEST_INTEREST: Duration = Duration::from_secs(90 * 86_400);

impl Right {
    /// When somebody must have looked at it again: from then on it is in force no more.
    #[must_use]
    pub fn review_by(&self) -> Option<Instant> {
        let said = self.scope.review_by.map(Instant::from_micros);
        let best_interest = (self.basis == GrantBasis::BestInterest).then(|| self.period.from.plus(BEST_INTEREST));
        said.into_iter().chain(best_interest).min()
    }

    /// Whether it is in force at `now`, when its person is alive or dead.
    ///
    /// # Errors
    /// The [`Rule`] by which it is not.
    pub fn in_force(&self, now: Instant, is_deceased: bool) -> Result<(), Rule> {
        if !self.period.covers(now) {
            return Err(Rule::GrantPeriod);
        }
        if self.scope.is_waiting(now) {
            return Err(Rule::NotYetInEffect);
        }
        if self.review_by().is_some_and(|by| by <= now) {
            return Err(Rule::ReviewDue);
        }
        match (is_deceased, self.basis == GrantBasis::Executor) {
            (true, false) => Err(Rule::Deceased),
            (false, true) => Err(Rule::NotYetInEffect),
            _ => Ok(()),
        }
    }
}
