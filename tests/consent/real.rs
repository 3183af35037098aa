//! A question as the product decides it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use chartgate::base::clock::Instant;
use chartgate::base::id::{AccountId, GrantId, OrganizationId};
use chartgate::base::source_key::SourceKey;
use chartgate::consent::{
    Action, Asking, Assurance, BirthDate, Category, GrantScope, Item, Label, Labels, Lens, Policy, Right, Rule,
    RuleKind, Span, Standing, StandingRule, Suspicion, Verdict,
};
use chartgate::fhir::ResourceType;
use chartgate::identity::{GrantBasis, Period};
use chartgate::mapping::ConsentPolicies;

static POLICIES: LazyLock<ConsentPolicies> = LazyLock::new(|| ConsentPolicies::embedded().unwrap());

/// The policies and code lists as plain data.
pub(super) static TABLES: LazyLock<(BTreeMap<String, Value>, Value)> = LazyLock::new(|| {
    let read = |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    let policies = read(include_str!("../../mappings/policy/age-bands.toml"));
    let lists = read(include_str!("../../mappings/policy/code-lists.toml"));
    let by_name = policies["policy"].as_array().unwrap().iter();
    let by_name = by_name.map(|policy| (policy["name"].as_str().unwrap().to_owned(), policy.clone())).collect();
    (by_name, lists["list"].clone())
});

/// All that a decision is made of.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) standing: Standing,
    pub(super) policy: Arc<Policy>,
    pub(super) zone: TimeZone,
    pub(super) organization: OrganizationId,
    pub(super) source: SourceKey,
    pub(super) births: Vec<BirthDate>,
    pub(super) action: Action,
    pub(super) now: Instant,
    pub(super) item: Item,
}

impl Asked {
    pub(super) fn lens(&self) -> Result<Lens, Rule> {
        Lens::of(&Asking {
            standing: &self.standing,
            policy: &self.policy,
            zone: &self.zone,
            organization: self.organization,
            source: self.source,
            births: &self.births,
            action: self.action,
            assurance: Assurance::Aal1,
            now: self.now,
        })
    }

    /// The rule by which it is not seen, or how it is.
    pub(super) fn verdict(&self) -> Verdict {
        self.lens().map_or_else(Verdict::Withheld, |lens| lens.judge(&self.item))
    }

    pub(super) fn answer(&self) -> Value {
        match self.verdict() {
            Verdict::Withheld(_) => json!({"see": false}),
            Verdict::Shown(shown) => {
                json!({"see": true, "outline": shown.is_outline, "contacts": !shown.hides_contacts})
            }
        }
    }
}

fn uuid(text: &str) -> String {
    let digest = chartgate::base::hash::sha256(text.as_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn instant(value: &Value) -> Option<Instant> {
    value.as_i64().map(Instant::from_micros)
}

fn period(value: &Value) -> Period {
    Period { from: instant(&value["from"]).unwrap(), until: instant(&value["until"]) }
}

fn organization(name: &Value) -> OrganizationId {
    uuid(name.as_str().unwrap()).parse().unwrap()
}

/// The id of a practice by its name.
pub(super) fn organization_id(name: &str) -> OrganizationId {
    uuid(name).parse().unwrap()
}

/// The question, typed.
pub(super) fn asked(question: &Value) -> Asked {
    let account: AccountId = uuid(question["account"].as_str().unwrap()).parse().unwrap();
    let rights = question["grants"].as_array().unwrap().iter().map(right).collect();
    let rules = question["laid"].as_array().unwrap().iter().map(rule).collect();
    let holder_died = question["holder_died"].as_array().unwrap().iter().map(period).collect();
    Asked {
        standing: Standing { rights, rules, holder_died, ..Standing::bare(account, question["own"] == true) },
        policy: POLICIES.by_name(question["policy"]["name"].as_str().unwrap()).unwrap(),
        zone: TimeZone::fixed(jiff::tz::offset(question["zone"].as_i64().unwrap() as i8)),
        organization: organization(&question["organization"]),
        source: question["source"].as_str().unwrap().parse().unwrap(),
        births: question["births"].as_array().unwrap().iter().map(|b| BirthDate::parse(b.as_str().unwrap())).collect(),
        action: Action::parse(question["action"].as_str().unwrap()).unwrap(),
        now: instant(&question["now"]).unwrap(),
        item: item(&question["item"]),
    }
}

fn right(grant: &Value) -> Right {
    let organizations = |list: &Value| -> Value {
        list.as_array().map_or(Value::Null, |list| list.iter().map(|name| json!(organization(name))).collect())
    };
    let mut scope = json!({
        "level": grant["level"], "actions": grant["actions"], "types": grant["types"], "categories": grant["categories"],
        "sensitivity": grant["sensitivity"], "organizations": organizations(&grant["organizations"]),
        "without_organizations": organizations(&grant["without_organizations"]), "data_period": grant["data"],
        "review_by": grant["review_by"], "springing": grant["springing"], "activated": grant["activated"],
        "guarantor": grant["guarantor"],
    });
    scope.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let scope: GrantScope = serde_json::from_value(scope.clone()).unwrap_or_else(|error| panic!("{error}: {scope}"));
    Right {
        grant: uuid(grant["id"].as_str().unwrap()).parse().unwrap(),
        basis: GrantBasis::parse(grant["basis"].as_str().unwrap()).unwrap(),
        period: period(grant),
        scope,
    }
}

fn rule(laid: &Value) -> StandingRule {
    let id = |name: &str| laid[name].as_str().map(uuid);
    let kind = match laid["kind"].as_str().unwrap() {
        "restriction" => json!({"restriction": {"against": id("against"), "effect": laid["effect"]}}),
        "flag" => json!({"flag": {"source": laid["source"], "resource_type": laid["type"], "id": laid["id"]}}),
        "reviewed" => json!({"reviewed": {"source": laid["source"], "resource_type": laid["type"], "id": laid["id"],
            "words": laid["words"], "labels": laid["labels"]}}),
        "hold" => json!({"hold": {"categories": laid["categories"], "days": laid["days"]}}),
        "assent" => json!({"assent": {"grant": id("grant"), "labels": laid["labels"]}}),
        other => json!(other),
    };
    let kind: RuleKind = serde_json::from_value(kind.clone()).unwrap_or_else(|error| panic!("{error}: {kind}"));
    StandingRule { period: period(laid), kind }
}

fn item(item: &Value) -> Item {
    let day = |name: &str| item[name].as_str().map(|text| text.parse().unwrap());
    let labels = |of: &Value| -> Labels {
        of["labels"].as_array().unwrap().iter().map(|l| Label::parse(l.as_str().unwrap()).unwrap()).collect()
    };
    let suspicion = item["suspected"].as_object().map(|suspected| {
        let words = suspected["words"].as_str().unwrap().to_owned();
        Arc::new(Suspicion { labels: labels(&item["suspected"]), words })
    });
    Item {
        resource_type: ResourceType::parse(item["type"].as_str().unwrap()).unwrap(),
        id: item["id"].as_str().unwrap().to_owned(),
        category: Category::parse(item["category"].as_str().unwrap()).unwrap(),
        labels: labels(item),
        codes: serde_json::from_value(item["codes"].clone()).unwrap(),
        days: day("first").zip(day("last")).map(|(first, last)| Span { first, last }),
        is_reviewed: item["reviewed"] == true,
        issued: instant(&item["issued"]),
        is_tainted: item["tainted"] == true,
        suspicion,
        edition: None,
    }
}

/// The id by which a grant is known there.
pub(super) fn grant_id(name: &str) -> GrantId {
    uuid(name).parse().unwrap()
}
