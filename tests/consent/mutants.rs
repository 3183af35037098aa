//! Decisions that are wrong in one way each: the model must notice every one of them.

use std::sync::Arc;

use jiff::tz::TimeZone;

use chartgate::consent::{
    Action, BandRule, BirthDate, Effect, Item, Label, Labels, Policy, Right, RuleKind, Sensitivity, StandingRule,
};
use chartgate::identity::GrantBasis;

use super::generate::{self, Dice};
use super::model;
use super::properties::cases;
use super::real::{Asked, asked, grant_id};

type Mutant = (&'static str, fn(&mut Asked));

/// What is wrong with each, done to what the decision is made of.
const MUTANTS: [Mutant; 49] = [
    ("takes no notice of restrictions", |a| without(a, |kind| matches!(kind, RuleKind::Restriction { .. }))),
    ("lets a restriction against one hit everybody", |a| {
        each(a, |kind| {
            if let RuleKind::Restriction { against, .. } = kind {
                *against = None;
            }
        });
    }),
    ("takes `none` for `records-only`", |a| effects(a, Effect::Nothing, Effect::RecordsOnly)),
    ("takes `records-only` for `no-contact-data`", |a| effects(a, Effect::RecordsOnly, Effect::NoContactData)),
    ("takes `no-contact-data` for `full`", |a| effects(a, Effect::NoContactData, Effect::Full)),
    ("lets a restriction that ended hold", |a| a.standing.rules.iter_mut().for_each(|rule| rule.period.until = None)),
    ("takes no notice of flags", |a| without(a, |kind| matches!(kind, RuleKind::Flag { .. }))),
    ("lets a flag at one source hit all", |a| {
        let source = a.source.to_string();
        each(a, move |kind| {
            if let RuleKind::Flag { source: at, .. } = kind {
                at.clone_from(&source);
            }
        });
    }),
    ("takes no notice of words", |a| a.item.suspicion = None),
    ("takes no notice of what staff said of words", |a| without(a, |kind| matches!(kind, RuleKind::Reviewed { .. }))),
    ("takes what staff said of words at one source for all", |a| {
        let source = a.source.to_string();
        each(a, move |kind| {
            if let RuleKind::Reviewed { source: at, .. } = kind {
                at.clone_from(&source);
            }
        });
    }),
    ("takes what staff said of some words for all", |a| {
        let words = a.item.suspicion.as_ref().map(|suspicion| suspicion.words.clone()).unwrap_or_default();
        each(a, move |kind| {
            if let RuleKind::Reviewed { words: at, .. } = kind {
                at.clone_from(&words);
            }
        });
    }),
    ("takes words that staff looked at for harmless, whatever they said", |a| {
        each(a, |kind| {
            if let RuleKind::Reviewed { labels, .. } = kind {
                *labels = Labels::NONE;
            }
        });
    }),
    ("takes no notice of holds", |a| without(a, |kind| matches!(kind, RuleKind::Hold { .. }))),
    ("lets a hold last for ever", |a| {
        each(a, |kind| {
            if let RuleKind::Hold { days, .. } = kind {
                *days = None;
            }
        });
    }),
    ("lets a grant outlive its period", |a| rights(a, |right| right.period.until = None)),
    ("lets a grant begin before its period", |a| {
        let now = a.now;
        rights(a, move |right| right.period.from = right.period.from.min(now));
    }),
    ("takes a springing grant for one in effect", |a| rights(a, |right| right.scope.springing = false)),
    ("forgets reviews", |a| rights(a, |right| right.scope.review_by = None)),
    ("lets best interest last", |a| basis(a, GrantBasis::BestInterest, GrantBasis::GuardianAdult)),
    ("does not notice a death", |a| without(a, |kind| *kind == RuleKind::Deceased)),
    ("lets the dead act for others", |a| a.standing.holder_died.clear()),
    ("takes a death that was lifted for one that holds", |a| {
        a.standing.holder_died.iter_mut().for_each(|period| period.until = None);
    }),
    ("lets executors in before the death", |a| basis(a, GrantBasis::Executor, GrantBasis::GuardianAdult)),
    ("reckons days in UTC", |a| a.zone = TimeZone::UTC),
    ("looks at one birth date of two", |a| a.births.truncate(1)),
    ("takes an unknown birth date for a child's", |a| {
        a.births.retain(|birth| *birth != BirthDate::UNKNOWN);
        if a.births.is_empty() {
            a.births.push(BirthDate::parse("2020-01-01"));
        }
    }),
    ("takes no notice of emancipation", |a| without(a, |kind| *kind == RuleKind::Emancipated)),
    ("takes no notice of assent", |a| without(a, |kind| matches!(kind, RuleKind::Assent { .. }))),
    ("takes assent for a waiver of all labels", |a| {
        each(a, |kind| {
            if let RuleKind::Assent { labels, .. } = kind {
                *labels = Labels::content();
            }
        });
    }),
    ("lets assent to one grant open others", |a| {
        let grants: Vec<_> = a.standing.rights.iter().map(|right| right.grant).collect();
        let rules = a.standing.rules.clone();
        for rule in rules {
            if let RuleKind::Assent { labels, .. } = rule.kind {
                let kinds = grants.iter().map(|grant| RuleKind::Assent { grant: *grant, labels });
                a.standing.rules.extend(kinds.map(|kind| StandingRule { period: rule.period, kind }));
            }
        }
    }),
    ("lets an attestation last", |a| {
        let now = a.now;
        for rule in a.standing.rules.iter_mut().filter(|rule| rule.kind == RuleKind::DiminishedCapacity) {
            rule.period.from = rule.period.from.min(now).max(now);
        }
    }),
    ("forgets who pays the bills", |a| rights(a, |right| right.scope.guarantor = false)),
    ("takes no notice of the practices of a grant", |a| rights(a, |right| right.scope.organizations = None)),
    ("takes no notice of practices left out", |a| rights(a, |right| right.scope.without_organizations.clear())),
    ("takes no notice of the dates of a grant", |a| rights(a, |right| right.scope.data_period = None)),
    ("takes no notice of the types of a grant", |a| rights(a, |right| right.scope.types = None)),
    ("takes no notice of the categories of a grant", |a| rights(a, |right| right.scope.categories = None)),
    ("takes every level for the highest", |a| {
        rights(a, |right| right.scope.level = chartgate::consent::Level::Manage);
    }),
    ("takes no notice of what a grant leaves out", |a| rights(a, |right| right.scope.sensitivity = Sensitivity::All)),
    ("lets a minor's own consent pass for an adult's", |a| {
        basis(a, GrantBasis::PatientConsent, GrantBasis::GuardianAdult);
    }),
    ("lets foster care last", |a| basis(a, GrantBasis::Foster, GrantBasis::GuardianAdult)),
    ("takes every action for a look", |a| a.action = Action::Read),
    ("takes no notice of labels", |a| a.item.labels = Labels::NONE),
    ("takes no notice of R and V", |a| label(&mut a.item, Label::Restricted)),
    ("takes no notice of what clinicians keep from parents", |a| label(&mut a.item, Label::ParentRestricted)),
    ("takes no notice of taint", |a| a.item.is_tainted = false),
    ("lets uncoded items pass an allow-list", |a| {
        policy(a, |policy| lines(policy, |line| line.is_coded = false));
    }),
    ("shows all of what is listed as an outline, and any code", |a| {
        policy(a, |policy| {
            lines(policy, |line| {
                line.is_outline = false;
                line.codes = None;
            });
        });
    }),
];

/// And of the policy.
const POLICY_MUTANTS: [Mutant; 4] = [
    ("begins a band on the birthday though it says the day before", |a| {
        policy(a, |policy| policy.bands.iter_mut().for_each(|band| band.from.days = 0));
    }),
    ("begins every band a day late", |a| {
        policy(a, |policy| policy.bands.iter_mut().skip(1).for_each(|band| band.from.days += 1));
    }),
    ("lets assent open every band", |a| {
        policy(a, |policy| policy.bands.iter_mut().for_each(|band| band.is_expandable = true));
    }),
    ("lets parents do whatever they see", |a| {
        policy(a, |policy| {
            for band in policy.bands.iter_mut().filter(|band| band.rule != BandRule::Nothing) {
                band.actions = Action::ALL.iter().copied().collect();
            }
        });
    }),
];

fn without(asked: &mut Asked, gone: fn(&RuleKind) -> bool) {
    asked.standing.rules.retain(|rule| !gone(&rule.kind));
}

fn each(asked: &mut Asked, change: impl Fn(&mut RuleKind)) {
    asked.standing.rules.iter_mut().for_each(|rule| change(&mut rule.kind));
}

fn effects(asked: &mut Asked, from: Effect, to: Effect) {
    each(asked, |kind| {
        if let RuleKind::Restriction { effect, .. } = kind
            && *effect == from
        {
            *effect = to;
        }
    });
}

fn rights(asked: &mut Asked, change: impl Fn(&mut Right)) {
    asked.standing.rights.iter_mut().for_each(change);
}

fn basis(asked: &mut Asked, from: GrantBasis, to: GrantBasis) {
    asked.standing.rights.iter_mut().filter(|right| right.basis == from).for_each(|right| right.basis = to);
}

fn label(item: &mut Item, label: Label) {
    item.labels = item.labels.without([label].into_iter().collect());
}

fn policy(asked: &mut Asked, change: impl Fn(&mut Policy)) {
    let mut changed = Policy::clone(&asked.policy);
    change(&mut changed);
    asked.policy = Arc::new(changed);
}

fn lines(policy: &mut Policy, change: impl Fn(&mut chartgate::consent::Allow)) {
    for band in &mut policy.bands {
        if let BandRule::AllowList(lines) = &mut band.rule {
            lines.iter_mut().for_each(&change);
        }
    }
}

#[test]
fn the_model_notices_every_planted_mutant() {
    let mut alive: Vec<_> = MUTANTS.iter().chain(&POLICY_MUTANTS).collect();
    let mut dice = Dice::new(7);
    // Each question is asked of all that nobody noticed yet: the model answers it once.
    for _ in 0..cases().max(100_000) {
        if alive.is_empty() {
            break;
        }
        let question = generate::question(&mut dice);
        let (expected, right) = (model::answer(&question), asked(&question));
        // What is wrong without a mutant is for the property to say.
        if right.answer() != expected {
            continue;
        }
        alive.retain(|(_, mutate)| {
            let mut mutant = right.clone();
            mutate(&mut mutant);
            mutant.answer() == expected
        });
    }
    let alive: Vec<&str> = alive.into_iter().map(|(what, _)| *what).collect();
    assert_eq!(alive, [""; 0], "nobody noticed");
    // The same ids on both sides: an assent is to a grant.
    assert_ne!(grant_id("g0"), grant_id("g1"));
}
