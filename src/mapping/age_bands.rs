//! `mappings/policy/age-bands.toml`: what those who act for a minor see, by policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::consent::{Action, Allow, Assurance, Band, BandRule, Boundary, Category, CodeList, LeapDay, Policy};

/// The policy of a practice that names none.
pub const STANDARD: &str = "standard";

/// The zone of a practice that names none: a birthday begins there before it does anywhere in the Americas.
pub const STANDARD_ZONE: &str = "UTC";

/// All policies of consent by name.
#[derive(Clone, Debug)]
pub struct ConsentPolicies(BTreeMap<String, Arc<Policy>>);

/// Policies that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConsentPolicyError {
    /// Not TOML of this shape, or against its own rules.
    #[error("mappings/policy/age-bands.toml: {0}")]
    Malformed(String),
    /// A practice names a policy that does not exist.
    #[error("no policy of consent is named {0}")]
    Unknown(String),
    /// A practice lives in a time zone that does not exist.
    #[error("no time zone is named {0}")]
    UnknownZone(String),
}

const EMBEDDED: &str = include_str!("../../mappings/policy/age-bands.toml");
const CODE_LISTS: &str = include_str!("../../mappings/policy/code-lists.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    list: Vec<ListRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListRow {
    name: String,
    codes: CodeList,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    policy: Vec<PolicyRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PolicyRow {
    name: String,
    version: u32,
    jurisdiction: String,
    legal: String,
    leap_day: LeapDayRow,
    #[serde(default)]
    restricted: RestrictedRow,
    #[serde(default)]
    assurance: BTreeMap<Action, Assurance>,
    band: Vec<BandRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LeapDayRow {
    #[serde(rename = "march-1")]
    March1,
    #[serde(rename = "february-28")]
    February28,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RestrictedRow {
    Shown,
    #[default]
    Withheld,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BandRow {
    key: String,
    from: FromRow,
    rule: RuleRow,
    #[serde(default)]
    expandable: bool,
    actions: Vec<Action>,
    legal: String,
    #[serde(default)]
    allow: Vec<AllowRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FromRow {
    years: i16,
    #[serde(default)]
    days: i32,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum RuleRow {
    Everything,
    WithoutLabels,
    AllowList,
    Nothing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowRow {
    category: Category,
    #[serde(default)]
    coded: bool,
    codes: Option<String>,
    #[serde(default)]
    outline: bool,
}

impl ConsentPolicies {
    /// The policies that come with the binary.
    ///
    /// # Errors
    /// [`ConsentPolicyError::Malformed`].
    pub fn embedded() -> Result<Self, ConsentPolicyError> {
        Self::parse(EMBEDDED, CODE_LISTS)
    }

    fn parse(text: &str, lists: &str) -> Result<Self, ConsentPolicyError> {
        let malformed = |error: toml::de::Error| ConsentPolicyError::Malformed(error.message().to_owned());
        let lists: Lists = toml::from_str(lists).map_err(malformed)?;
        let lists: BTreeMap<String, Arc<CodeList>> =
            lists.list.into_iter().map(|row| (row.name, Arc::new(row.codes))).collect();
        let file: File = toml::from_str(text).map_err(malformed)?;
        let mut policies = BTreeMap::new();
        for row in file.policy {
            let policy = Arc::new(policy(row, &lists)?);
            if policies.insert(policy.name.clone(), policy.clone()).is_some() {
                return Err(ConsentPolicyError::Malformed(format!("{} stands twice", policy.name)));
            }
        }
        if !policies.contains_key(STANDARD) {
            return Err(ConsentPolicyError::Malformed(format!("{STANDARD} is missing")));
        }
        Ok(Self(policies))
    }

    /// The policy with this name.
    ///
    /// # Errors
    /// [`ConsentPolicyError::Unknown`].
    pub fn by_name(&self, name: &str) -> Result<Arc<Policy>, ConsentPolicyError> {
        self.0.get(name).cloned().ok_or_else(|| ConsentPolicyError::Unknown(name.to_owned()))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.0.values()
    }
}

/// The time zone with this IANA name, from the data that comes with the binary.
///
/// # Errors
/// [`ConsentPolicyError::UnknownZone`].
pub fn time_zone(name: &str) -> Result<TimeZone, ConsentPolicyError> {
    TimeZone::get(name).map_err(|_| ConsentPolicyError::UnknownZone(name.to_owned()))
}

fn policy(row: PolicyRow, lists: &BTreeMap<String, Arc<CodeList>>) -> Result<Policy, ConsentPolicyError> {
    let broken = |why: &str| ConsentPolicyError::Malformed(format!("{}: {why}", row.name));
    let mut bands = Vec::new();
    for band in &row.band {
        if (band.rule == RuleRow::AllowList) == band.allow.is_empty() {
            return Err(broken("an allow-list and nothing else lists what is allowed"));
        }
        if band.legal.trim().is_empty() {
            return Err(broken("a band without the law behind it"));
        }
        bands.push(Band {
            key: band.key.clone(),
            from: Boundary { years: band.from.years, days: band.from.days },
            rule: rule(band, lists).ok_or_else(|| broken("a code list that does not exist"))?,
            is_expandable: band.expandable,
            actions: band.actions.iter().copied().collect(),
            legal: band.legal.clone(),
        });
    }
    let starts_at_birth = bands.first().is_some_and(|band| band.from == Boundary { years: 0, days: 0 });
    if !starts_at_birth || !bands.is_sorted_by(|a, b| a.from < b.from) {
        return Err(broken("bands rise from birth"));
    }
    if bands.last().is_none_or(|band| band.rule != BandRule::Nothing) {
        return Err(broken("the last band is that of those of age"));
    }
    Ok(Policy {
        version: row.version,
        jurisdiction: row.jurisdiction,
        legal: row.legal,
        leap_day: match row.leap_day {
            LeapDayRow::March1 => LeapDay::March1,
            LeapDayRow::February28 => LeapDay::February28,
        },
        shows_restricted: matches!(row.restricted, RestrictedRow::Shown),
        assurance: row.assurance,
        name: row.name,
        bands,
    })
}

fn rule(band: &BandRow, lists: &BTreeMap<String, Arc<CodeList>>) -> Option<BandRule> {
    let allow = |row: &AllowRow| {
        let codes = match &row.codes {
            Some(name) => Some(lists.get(name)?.clone()),
            None => None,
        };
        Some(Allow { category: row.category, is_coded: row.coded, codes, is_outline: row.outline })
    };
    Some(match band.rule {
        RuleRow::Everything => BandRule::Everything,
        RuleRow::WithoutLabels => BandRule::WithoutLabels,
        RuleRow::Nothing => BandRule::Nothing,
        RuleRow::AllowList => BandRule::AllowList(band.allow.iter().map(allow).collect::<Option<_>>()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_names_its_law_and_the_age_at_which_parents_are_out() {
        let policies = ConsentPolicies::embedded().unwrap();
        let ages: Vec<(&str, i16)> =
            policies.all().map(|policy| (policy.name.as_str(), policy.bands.last().unwrap().from.years)).collect();
        assert_eq!(
            ages,
            [("gb-eng", 16), ("standard", 18), ("us-ca", 18), ("us-ny", 18), ("us-tx", 18), ("us-wa", 18)]
        );
        assert!(policies.all().all(|policy| policy.legal.len() > 20 && policy.version > 0));
        let ny = policies.by_name("us-ny").unwrap();
        assert_eq!(ny.bands[1].from, Boundary { years: 12, days: -1 });
        assert!(policies.by_name("nowhere").is_err());
        assert!(time_zone("America/New_York").is_ok() && time_zone("America/Nowhere").is_err());
    }

    #[test]
    fn policies_against_their_own_rules_are_refused() {
        let band = |more: &str| format!("[[policy.band]]\nkey = \"b\"\nactions = []\nlegal = \"x\"\n{more}\n");
        let head = "[[policy]]\nname = \"standard\"\nversion = 1\njurisdiction = \"X\"\nlegal = \"x\"\nleap-day = \"march-1\"\n";
        let child = band("from = { years = 0 }\nrule = \"everything\"");
        let adult = band("from = { years = 18 }\nrule = \"nothing\"");
        let parse = |text: &str| ConsentPolicies::parse(text, "list = []");
        assert!(parse(&format!("{head}{child}{adult}")).is_ok());
        for wrong in [
            format!("{head}{adult}"),
            format!("{head}{child}"),
            format!("{head}{adult}{child}"),
            format!("{head}{child}{child}{adult}"),
            format!("{head}{child}{adult}{head}{child}{adult}"),
            format!("{head}{child}{}{adult}", band("from = { years = 12 }\nrule = \"allow-list\"")),
            format!(
                "{head}{child}{}{adult}",
                band(
                    "from = { years = 12 }\nrule = \"allow-list\"\nallow = [{ category = \"vitals\", codes = \"no\" }]"
                )
            ),
            format!("{head}{child}{}", band("from = { years = 18 }\nrule = \"everything\"")),
            format!("{head}surprise = 1\n{child}{adult}"),
        ] {
            assert!(parse(&wrong).is_err(), "{wrong}");
        }
    }
}
