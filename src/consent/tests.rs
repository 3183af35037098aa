//! By hand, from portal design 3: what the words mean, when rights hold, what taints what, what a change of policy changes.

mod changes;
mod lenses;
mod rights;
mod taint;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use serde_json::json;

use super::*;
use crate::base::clock::Instant;
use crate::base::id::{AccountId, GrantId, OrganizationId};
use crate::base::random::SeededRandom;
use crate::base::source_key::SourceKey;
use crate::fhir::ResourceType;
use crate::fhir::ResourceType as T;
use crate::fhir::knowledge::Knowledge;
use crate::fhir::scan::scan_resource;
use crate::identity::{GrantBasis, Period};

const DAY: i64 = 86_400_000_000;
/// 2026-05-03T00:00:00Z.
const NOW: i64 = 1_777_766_400_000_000;

fn at(micros: i64) -> Instant {
    Instant::from_micros(micros)
}

/// The practice and its source.
fn place() -> (OrganizationId, SourceKey) {
    let random = SeededRandom::new(3);
    (OrganizationId::mint(&random), SourceKey::mint(&random))
}

fn labels(of: &[Label]) -> Labels {
    of.iter().copied().collect()
}

fn always() -> Period {
    Period { from: at(NOW - 30 * DAY), until: None }
}

fn account() -> AccountId {
    AccountId::mint(&SeededRandom::new(1))
}

fn right(basis: GrantBasis) -> Right {
    let grant = GrantId::mint(&SeededRandom::new(2));
    Right { grant, basis, period: always(), scope: GrantScope::whole(Level::Manage) }
}

fn proxy(rights: Vec<Right>, rules: &[RuleKind]) -> Standing {
    let rules = rules.iter().map(|kind| StandingRule { period: always(), kind: kind.clone() }).collect();
    Standing { rights, rules, ..Standing::bare(account(), false) }
}

fn band(key: &str, years: i16, rule: BandRule) -> Band {
    let actions = Action::ALL.iter().copied().collect();
    Band {
        key: key.to_owned(),
        from: Boundary { years, days: 0 },
        rule,
        is_expandable: false,
        actions,
        legal: String::new(),
    }
}

fn listed(category: Category) -> Allow {
    Allow { category, is_coded: false, codes: None, is_outline: false }
}

/// All until twelve, a list until eighteen, nothing then.
fn policy(list: Vec<Allow>) -> Policy {
    Policy {
        name: "test".to_owned(),
        version: 1,
        jurisdiction: String::new(),
        legal: String::new(),
        leap_day: LeapDay::March1,
        shows_restricted: false,
        bands: vec![
            band("child", 0, BandRule::Everything),
            band("teen", 12, BandRule::AllowList(list)),
            band("adult", 18, BandRule::Nothing),
        ],
        assurance: BTreeMap::new(),
    }
}

struct Case {
    standing: Standing,
    policy: Policy,
    born: &'static str,
    action: Action,
    assurance: Assurance,
}

impl Case {
    fn new(standing: Standing, born: &'static str) -> Self {
        let list = [Category::Medications, Category::Billing, Category::Demographics].map(listed).to_vec();
        Self { standing, policy: policy(list), born, action: Action::Read, assurance: Assurance::Aal1 }
    }

    fn lens(&self) -> Result<Lens, Rule> {
        let (organization, source) = place();
        Lens::of(&Asking {
            standing: &self.standing,
            policy: &self.policy,
            zone: &TimeZone::UTC,
            organization,
            source,
            births: &[BirthDate::parse(self.born)],
            action: self.action,
            assurance: self.assurance,
            now: at(NOW),
        })
    }
}

/// Eight, fourteen, forty-five.
const CHILD: &str = "2018-01-01";
const TEEN: &str = "2012-01-01";
const ADULT: &str = "1981-01-01";

fn item(resource_type: ResourceType, id: &str, of: &[Label]) -> Item {
    Item {
        resource_type,
        id: id.to_owned(),
        category: Category::of_type(resource_type),
        labels: labels(of),
        codes: vec![("urn:x".to_owned(), "1".to_owned())],
        days: None,
        is_reviewed: true,
        issued: None,
        is_tainted: false,
        suspicion: None,
        edition: None,
    }
}

fn tainted(index: &TaintIndex, leads_to: &[Reference]) -> bool {
    leads_to.iter().any(|to| index.taint(to.lead()))
}

fn to(kind: ResourceType, id: &str) -> Reference {
    Reference::To(kind, id.to_owned())
}
