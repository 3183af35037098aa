use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::label::Labels;
use super::rule::Rule;
use super::scope::GrantScope;
use super::words::{Category, by_name};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, GrantId, OrganizationId};
use crate::identity::{GrantBasis, Period, named};

/// All that is known of an account's right to one person's record, as of one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who asks.
    pub account: AccountId,
    /// Whether it is the account's own record.
    pub is_own: bool,
    /// Of which practice the account is staff, where it looks as that: it sees what that practice holds, and nothing else.
    pub staff_of: Option<OrganizationId>,
    /// The account's active grants for the person. Their periods and conditions are looked at when they are used.
    pub rights: Vec<Right>,
    /// What else is laid down about the person.
    pub rules: Vec<StandingRule>,
    /// Since when whoever asks is dead, as it is laid down about their own person. Looked at for a proxy only.
    pub holder_died: Vec<Period>,
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
    /// Staff looked at words that may say something sensitive about one item.
    Reviewed {
        /// At which source, by its key.
        source: String,
        /// Its type.
        resource_type: String,
        /// Its id there.
        id: String,
        /// The words that were looked at, as [`super::Suspicion::words`]: others are looked at anew.
        words: String,
        /// What it is about. Nothing sensitive, where nothing is named.
        labels: Labels,
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
        Self::bare(account, true)
    }

    /// Nobody let the account in, and nothing is laid down.
    #[must_use]
    pub const fn bare(account: AccountId, is_own: bool) -> Self {
        Self { account, is_own, staff_of: None, rights: Vec::new(), rules: Vec::new(), holder_died: Vec::new() }
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

    /// Whether whoever would act for the person has died (portal design, 3.8 scenario 48).
    #[must_use]
    pub fn is_holder_deceased(&self, now: Instant) -> bool {
        self.holder_died.iter().any(|period| period.covers(now))
    }

    /// Whether a right of this account is in force at `now`.
    ///
    /// # Errors
    /// The [`Rule`] by which it is not.
    pub fn lets_act(&self, right: &Right, now: Instant) -> Result<(), Rule> {
        if self.is_holder_deceased(now) {
            return Err(Rule::HolderDeceased);
        }
        right.in_force(now, self.is_deceased(now))
    }

    /// Whether staff may look at this patient at all. Whoever is kept out by name does not come back as a colleague; what holds
    /// for all proxies is not said of staff.
    ///
    /// # Errors
    /// The [`Rule`] by which they may not.
    pub fn lets_look_at_work(&self, now: Instant) -> Result<(), Rule> {
        if self.is_holder_deceased(now) {
            return Err(Rule::HolderDeceased);
        }
        if self.is_deceased(now) {
            return Err(Rule::Deceased);
        }
        let names_them = |kind: &RuleKind| {
            matches!(kind, RuleKind::Restriction { against: Some(who), effect }
                if *who == self.account && *effect != Effect::Full)
        };
        if self.in_force(now).any(names_them) { Err(Rule::Restriction) } else { Ok(()) }
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
        if self.staff_of.is_some() {
            let own = first_after(now, self.holder_died.iter());
            return self.lets_look_at_work(now).is_ok().then(|| own.into_iter().chain(self.next_death(now)).min());
        }
        if self.is_own {
            return (!self.is_deceased(now)).then(|| self.next_death(now));
        }
        if self.effect(now) == Effect::Nothing {
            return None;
        }
        let standing = self.rights.iter().filter(|right| self.lets_act(right, now).is_ok());
        // Several grants for one person: the right lasts as long as the longest of them.
        standing.map(|right| self.lasts(right, now)).reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b)))
    }

    /// When a right that is in force stops being so: a death may be laid down from a later day on.
    fn lasts(&self, right: &Right, now: Instant) -> Option<Instant> {
        let holder = first_after(now, self.holder_died.iter());
        // An executor's begins with the death.
        let person = self.next_death(now).filter(|_| right.basis != GrantBasis::Executor);
        [right.period.until, right.review_by(), holder, person].into_iter().flatten().min()
    }

    fn next_death(&self, now: Instant) -> Option<Instant> {
        let deaths = self.rules.iter().filter(|rule| rule.kind == RuleKind::Deceased);
        first_after(now, deaths.map(|rule| &rule.period))
    }
}

fn first_after<'a>(now: Instant, periods: impl Iterator<Item = &'a Period>) -> Option<Instant> {
    periods.map(|period| period.from).filter(|from| now < *from).min()
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

    /// Whether it is in force at `now`, when its person is alive or dead and its holder lives.
    ///
    /// # Errors
    /// The [`Rule`] by which it is not.
    pub(super) fn in_force(&self, now: Instant, is_deceased: bool) -> Result<(), Rule> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SeededRandom;
    use crate::consent::Level;

    const NOW: i64 = 100;

    fn at(micros: i64) -> Instant {
        Instant::from_micros(micros)
    }

    fn deaths(periods: &[(i64, Option<i64>)]) -> Vec<Period> {
        periods.iter().map(|(from, until)| Period { from: at(*from), until: until.map(at) }).collect()
    }

    /// What a proxy's right lasts for, when their own deaths and those of the person are laid down so.
    fn until(
        basis: GrantBasis,
        of_holder: &[(i64, Option<i64>)],
        of_person: &[(i64, Option<i64>)],
    ) -> Option<Option<i64>> {
        let random = SeededRandom::new(1);
        let scope = GrantScope::whole(Level::Manage);
        let period = Period { from: at(0), until: Some(at(900)) };
        let rules = deaths(of_person).into_iter().map(|period| StandingRule { period, kind: RuleKind::Deceased });
        let standing = Standing {
            rights: vec![Right { grant: GrantId::mint(&random), basis, period, scope }],
            rules: rules.collect(),
            holder_died: deaths(of_holder),
            ..Standing::bare(AccountId::mint(&random), false)
        };
        standing.right_until(at(NOW)).map(|until| until.map(Instant::micros))
    }

    /// By hand: a right ends with the first death, of either; a death that was lifted, or is over, holds nothing; two that
    /// are laid down hold until both are gone.
    #[test]
    fn a_right_lasts_until_one_of_the_two_dies() {
        let of_holder = |deaths: &[(i64, Option<i64>)]| until(GrantBasis::HealthCarePowerOfAttorney, deaths, &[]);
        assert_eq!(of_holder(&[]), Some(Some(900)));
        assert_eq!(of_holder(&[(100, None)]), None);
        assert_eq!(of_holder(&[(101, None)]), Some(Some(101)));
        assert_eq!(of_holder(&[(400, None), (300, None)]), Some(Some(300)));
        assert_eq!(of_holder(&[(50, Some(100))]), Some(Some(900)));
        assert_eq!(of_holder(&[(50, Some(100)), (60, None)]), None);
        assert_eq!(of_holder(&[(950, None)]), Some(Some(900)));
        let of_person = |deaths: &[(i64, Option<i64>)]| until(GrantBasis::HealthCarePowerOfAttorney, &[], deaths);
        assert_eq!((of_person(&[(100, None)]), of_person(&[(300, None)])), (None, Some(Some(300))));
        assert_eq!(until(GrantBasis::Executor, &[], &[(50, None)]), Some(Some(900)));
        assert_eq!(until(GrantBasis::Executor, &[(100, None)], &[(50, None)]), None);
    }

    #[test]
    fn one_s_own_record_is_read_until_the_day_of_one_s_death() {
        let own = |from: i64| {
            let rule = StandingRule { period: Period { from: at(from), until: None }, kind: RuleKind::Deceased };
            let account = AccountId::mint(&SeededRandom::new(1));
            Standing { rules: vec![rule], ..Standing::own(account) }.right_until(at(NOW))
        };
        assert_eq!((own(100), own(101)), (None, Some(Some(at(101)))));
    }
}
