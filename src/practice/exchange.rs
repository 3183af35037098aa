//! Who sees what, as FHIR: written out, and read into another instance, where it decides alike. Ids of accounts, practices
//! and sources are another instance's own: they are written as username, name and FHIR base URL.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::audit::{Act, ActKind, Acts};
use crate::authorization::current_person;
use crate::base::clock::Instant;
use crate::base::id::{AccountId, ConsentRuleId, GrantId, OrganizationId, PersonId};
use crate::base::random::Random;
use crate::consent::exchange::{consent_of_grant, consent_of_rule, person as person_resource, related_person, whole};
use crate::consent::{GrantScope, RuleKind, StandingRule};
use crate::gateway::audit_events;
use crate::identity::{Grant, GrantBasis, GrantState, Period, StatusReason, Username};
use crate::organization::SourceKey;
use crate::storage::consent::{self, ConsentRule};
use crate::storage::{Db, StorageError, accounts, grants, links, organizations, persons, sources};

/// Why nothing was read in. One line, which names what to mend; nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not a Bundle of ours.
    #[error("not a Bundle with Consents that were exported here")]
    Malformed,
    /// A Consent that was not written here, or was changed.
    #[error("{0} is not as it was exported")]
    Unreadable(String),
    /// Somebody or something that this instance does not have.
    #[error("there is no {0} {1} here")]
    Missing(&'static str, String),
    /// The database, or something that is there already.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What is written for others to read. What is decided by stands in Consents alone, and an audit trail of another instance
/// says nothing of what happened in this one.
const TOLD: [&str; 3] = ["RelatedPerson", "Person", "AuditEvent"];

/// The lists of a scope that name sources.
const SOURCES: [&str; 2] = ["sources", "without_sources"];

/// Where a rule names one.
const SOURCES_OF_RULES: [&str; 2] = ["/flag/source", "/reviewed/source"];

/// What names are here, and the other way round.
struct Names {
    organizations: BTreeMap<String, OrganizationId>,
    sources: BTreeMap<String, SourceKey>,
}

impl Names {
    async fn read(db: &Db) -> Result<Self, StorageError> {
        let organizations = organizations::all(db).await?;
        let sources = sources::all(db).await?;
        Ok(Self {
            organizations: organizations.into_iter().map(|known| (known.name, known.id)).collect(),
            sources: sources.into_iter().map(|known| (known.base_url, known.key)).collect(),
        })
    }

    fn organization(&self, id: &Value) -> Option<Value> {
        let found = self.organizations.iter().find(|(_, known)| id.as_str() == Some(known.to_string().as_str()));
        found.map(|(name, _)| json!(name))
    }

    fn source(&self, key: &str) -> Option<&String> {
        self.sources.iter().find(|(_, known)| known.as_str() == key).map(|(url, _)| url)
    }
}

/// Everybody's grants and rules, or those of one person, as a Bundle of RelatedPerson and Consent, with the Person of each
/// account that is named and the newest entries of the audit trail; `base` is the FHIR base URL that it stands under.
///
/// # Errors
/// [`StorageError`].
pub async fn export(db: &Db, base: &str, person: Option<PersonId>, now: Instant) -> Result<Value, StorageError> {
    let names = Names::read(db).await?;
    let persons = match person {
        Some(person) => vec![person],
        None => consent::persons(db).await?,
    };
    let mut entries = Vec::new();
    let mut acting: BTreeMap<AccountId, Vec<GrantId>> = BTreeMap::new();
    for person in persons {
        if let Some(account) = accounts::by_person(db, person).await? {
            acting.entry(account.id).or_default();
        }
        let who = described_person(db, person, &names).await?;
        let all = grants::of_person(db, person).await?;
        let mut holders: BTreeMap<AccountId, GrantId> = BTreeMap::new();
        for grant in &all {
            holders.entry(grant.account).or_insert(grant.id);
            acting.entry(grant.account).or_default().push(grant.id);
            let scope = consent::scope(db, grant.id).await?.unwrap_or_else(|| GrantScope::of_basis(grant.basis));
            let name = username(db, grant.account).await?;
            entries.push(related_person(grant, person, name.as_deref(), grant.is_active(now)));
            let everything = whole_grant(grant, &scope, (&who, name.as_deref()), &names);
            entries.push(consent_of_grant(grant, &scope, person, Some(&everything)));
        }
        for rule in consent::rules_of(db, person).await? {
            let related = match &rule.rule.kind {
                RuleKind::Assent { grant, .. } => Some(*grant),
                RuleKind::Restriction { against: Some(account), .. } => holders.get(account).copied(),
                _ => None,
            };
            let everything = whole_rule(db, &rule, &who, &names).await?;
            let (id, at) = (rule.id.to_string(), (rule.rule.period, rule.created));
            entries.push(consent_of_rule((&id, &rule.rule.kind), at, person, related, Some(&everything)));
        }
        entries.extend(audit_events(db, base, person).await?);
    }
    for (account, acts_as) in acting {
        entries.extend(person_of_account(db, account, &acts_as).await?);
    }
    let entry = |resource: Value| {
        let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        json!({"fullUrl": format!("{base}/{}/{}", text("resourceType"), text("id")), "resource": resource})
    };
    let entries: Vec<Value> = entries.into_iter().map(entry).collect();
    Ok(json!({"resourceType": "Bundle", "type": "collection", "timestamp": now.to_fhir(), "entry": entries}))
}

/// An account with whom it is, as surely as the least sure of its charts says, and as whom it acts.
async fn person_of_account(db: &Db, account: AccountId, acts_as: &[GrantId]) -> Result<Option<Value>, StorageError> {
    let Some(account) = accounts::by_id(db, account).await? else { return Ok(None) };
    let own = match account.person {
        Some(person) => {
            let charts = links::active_of_person(db, person).await?;
            charts.into_iter().map(|link| link.assurance).min().map(|assurance| (person, assurance))
        }
        None => None,
    };
    Ok(Some(person_resource(account.id, account.username.typed(), own, acts_as)))
}

async fn username(db: &Db, account: AccountId) -> Result<Option<String>, StorageError> {
    Ok(accounts::by_id(db, account).await?.map(|account| account.username.typed().to_owned()))
}

/// A person by id, and by charts where another instance knows other ids.
async fn described_person(db: &Db, person: PersonId, names: &Names) -> Result<Value, StorageError> {
    let charts = links::active_of_person(db, person).await?;
    let chart = |link: &crate::identity::Link| {
        Some(json!({"source": names.source(link.source.as_str())?, "patient": link.patient}))
    };
    Ok(json!({"id": person.to_string(), "charts": charts.iter().filter_map(chart).collect::<Vec<_>>()}))
}

fn micros(period: Period) -> Value {
    json!([period.from.micros(), period.until.map(Instant::micros)])
}

fn whole_grant(grant: &Grant, scope: &GrantScope, who: (&Value, Option<&str>), names: &Names) -> Value {
    let mut scope = json!(scope);
    each_organization(&mut scope, |id| names.organization(id));
    each_source(&mut scope, |key| names.source(key.as_str()?).map(|url| json!(url)));
    let state = match &grant.state {
        GrantState::Pending => json!(["pending", null, null]),
        GrantState::Active => json!(["active", null, null]),
        GrantState::Suspended { at, reason, by } => {
            let by = by.and_then(|id| names.organization(&json!(id.to_string())));
            json!(["suspended", at.micros(), reason.as_str(), by])
        }
        GrantState::Ended { at, reason } => json!(["ended", at.micros(), reason.as_str()]),
    };
    json!({
        "grant": grant.id.to_string(), "account": who.1, "person": who.0, "basis": grant.basis.as_str(),
        "period": micros(grant.period), "evidence": grant.evidence, "created": grant.created.micros(),
        "state": state, "scope": scope,
    })
}

/// Changes the practices of a scope; those that lead nowhere stand as `null`, and are refused when they are read.
fn each_organization(scope: &mut Value, change: impl Fn(&Value) -> Option<Value>) {
    for list in ["organizations", "without_organizations"] {
        for item in scope.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            *item = change(item).unwrap_or(Value::Null);
        }
    }
}

/// The same for its sources, which are written as FHIR base URLs.
fn each_source(scope: &mut Value, change: impl Fn(&Value) -> Option<Value>) {
    for list in SOURCES {
        for item in scope.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            *item = change(item).unwrap_or(Value::Null);
        }
    }
}

async fn whole_rule(db: &Db, rule: &ConsentRule, who: &Value, names: &Names) -> Result<Value, StorageError> {
    let mut kind = json!(rule.rule.kind);
    if let RuleKind::Restriction { against: Some(account), .. } = &rule.rule.kind {
        put(&mut kind, "/restriction/against", json!(username(db, *account).await?));
    }
    if let RuleKind::Flag { source, .. } | RuleKind::Reviewed { source, .. } = &rule.rule.kind {
        let name = json!(names.source(source));
        SOURCES_OF_RULES.iter().for_each(|place| put(&mut kind, place, name.clone()));
    }
    Ok(json!({
        "rule": rule.id.to_string(), "person": who, "kind": kind, "period": micros(rule.rule.period),
        "evidence": rule.evidence, "created": rule.created.micros(),
    }))
}

fn put(value: &mut Value, pointer: &str, new: Value) {
    if let Some(place) = value.pointer_mut(pointer) {
        *place = new;
    }
}

/// Something that was read and waits to be stored.
enum Read {
    Grant(Grant, Box<GrantScope>),
    Rule(ConsentRule),
}

/// Stores everything that a Bundle of [`export`] holds: all of it or nothing. How many Consents it were.
///
/// # Errors
/// [`ImportError`], also when something is there already.
pub async fn import(acts: &Acts, random: &dyn Random, now: Instant, bundle: &Value) -> Result<usize, ImportError> {
    let is_bundle = bundle.get("resourceType").is_some_and(|kind| kind == "Bundle");
    let entries = bundle.get("entry").and_then(Value::as_array).filter(|_| is_bundle).ok_or(ImportError::Malformed)?;
    let db = acts.db();
    let names = Names::read(db).await?;
    let mut all = Vec::new();
    for resource in entries.iter().filter_map(|entry| entry.get("resource")) {
        if resource.get("resourceType").is_some_and(|kind| TOLD.iter().any(|told| kind == told)) {
            continue;
        }
        let id = resource.get("id").and_then(Value::as_str).unwrap_or("an entry").to_owned();
        let unreadable = || ImportError::Unreadable(id.clone());
        let everything = whole(resource).ok_or_else(unreadable)?;
        let person = person_of(db, &names, everything.get("person").ok_or_else(unreadable)?).await?;
        all.push(match everything.get("grant") {
            Some(_) => grant_of(db, &names, &everything, person).await?.ok_or_else(unreadable)?,
            None => rule_of(db, &names, &everything, person).await?.ok_or_else(unreadable)?,
        });
    }
    // Grants before the assent to them.
    all.sort_by_key(|read| matches!(read, Read::Rule(_)));
    let count = all.len();
    let act = Act::new(ActKind::Grant, now, random).by_way_of("import").under("operator");
    acts.write(move |tx| {
        async move {
            for read in &all {
                match read {
                    Read::Grant(grant, scope) => {
                        grants::insert(tx, grant).await?;
                        if !matches!(grant.state, GrantState::Ended { .. }) {
                            consent::set_scope(tx, grant.id, scope).await?;
                        }
                    }
                    Read::Rule(rule) => consent::insert_rule(tx, rule).await?,
                }
            }
            Ok::<_, StorageError>(((), Some(act)))
        }
        .boxed()
    })
    .await?;
    Ok(count)
}

/// The person of that id, or whose charts they are.
async fn person_of(db: &Db, names: &Names, described: &Value) -> Result<PersonId, ImportError> {
    let text = described.get("id").and_then(Value::as_str).unwrap_or_default();
    if let Ok(id) = text.parse::<PersonId>()
        && persons::by_id(db, id).await?.is_some()
    {
        return Ok(id);
    }
    let mut found: Option<PersonId> = None;
    for chart in described.get("charts").and_then(Value::as_array).into_iter().flatten() {
        let of = |name: &str| chart.get(name).and_then(Value::as_str);
        let Some((source, patient)) = of("source").and_then(|url| names.sources.get(url)).zip(of("patient")) else {
            continue;
        };
        let Some(link) = links::active_at(db, *source, patient).await? else { continue };
        let person = current_person(db, link.person).await?.unwrap_or(link.person);
        // Charts of one person there and of two here: whose it is cannot be told.
        if found.is_some_and(|known| known != person) {
            return Err(ImportError::Missing("one person with the charts of", text.to_owned()));
        }
        found = Some(person);
    }
    found.ok_or_else(|| ImportError::Missing("person", text.to_owned()))
}

async fn account_of(db: &Db, name: &Value) -> Result<AccountId, ImportError> {
    let missing = || ImportError::Missing("account", name.as_str().unwrap_or("without a name").to_owned());
    let username = Username::new(name.as_str().unwrap_or_default()).map_err(|_| missing())?;
    accounts::by_username(db, &username).await?.map(|account| account.id).ok_or_else(missing)
}

fn at(value: Option<&Value>) -> Option<Instant> {
    value.and_then(Value::as_i64).map(Instant::from_micros)
}

fn period_of(everything: &Value) -> Option<Period> {
    let period = everything.get("period")?;
    Some(Period { from: at(period.get(0))?, until: at(period.get(1)) })
}

async fn grant_of(db: &Db, names: &Names, everything: &Value, person: PersonId) -> Result<Option<Read>, ImportError> {
    let account = account_of(db, everything.get("account").unwrap_or(&Value::Null)).await?;
    let mut scope = everything.get("scope").cloned().unwrap_or_default();
    let id_of = |name: &Value| names.organizations.get(name.as_str()?).map(|id| json!(id.to_string()));
    let all = ["organizations", "without_organizations"].iter().filter_map(|list| scope.get(list)?.as_array());
    if let Some(unknown) = all.flatten().find(|name| id_of(name).is_none()) {
        return Err(ImportError::Missing("practice", unknown.to_string()));
    }
    each_organization(&mut scope, id_of);
    let key_of = |url: &Value| names.sources.get(url.as_str()?).map(|key| json!(key.to_string()));
    let all = SOURCES.iter().filter_map(|list| scope.get(list)?.as_array());
    if let Some(unknown) = all.flatten().find(|url| key_of(url).is_none()) {
        return Err(ImportError::Missing("source", unknown.to_string()));
    }
    each_source(&mut scope, key_of);
    let by = everything.pointer("/state/3").and_then(Value::as_str);
    let by = by.map(|name| {
        names.organizations.get(name).copied().ok_or_else(|| ImportError::Missing("practice", name.to_owned()))
    });
    let by = by.transpose()?;
    let read = || {
        let text = |name: &str| everything.get(name)?.as_str();
        let state = everything.get("state")?;
        let reason = || StatusReason::parse(state.get(2)?.as_str()?);
        let state = match state.get(0)?.as_str()? {
            "pending" => GrantState::Pending,
            "active" => GrantState::Active,
            "suspended" => GrantState::Suspended { at: at(state.get(1))?, reason: reason()?, by },
            "ended" => GrantState::Ended { at: at(state.get(1))?, reason: reason()? },
            _ => return None,
        };
        let grant = Grant {
            id: text("grant")?.parse().ok()?,
            account,
            person,
            basis: GrantBasis::parse(text("basis")?)?,
            period: period_of(everything)?,
            evidence: text("evidence")?.to_owned(),
            created: at(everything.get("created"))?,
            state,
        };
        Some(Read::Grant(grant, Box::new(serde_json::from_value(scope.clone()).ok()?)))
    };
    Ok(read())
}

async fn rule_of(db: &Db, names: &Names, everything: &Value, person: PersonId) -> Result<Option<Read>, ImportError> {
    let mut kind = everything.get("kind").cloned().unwrap_or_default();
    if let Some(name) = kind.pointer("/restriction/against").filter(|name| !name.is_null()) {
        let account = account_of(db, name).await?;
        put(&mut kind, "/restriction/against", json!(account.to_string()));
    }
    for place in SOURCES_OF_RULES {
        if let Some(url) = kind.pointer(place) {
            let key = url.as_str().and_then(|url| names.sources.get(url));
            let key = key.ok_or_else(|| ImportError::Missing("source", url.to_string()))?;
            put(&mut kind, place, json!(key.to_string()));
        }
    }
    let read = || {
        let id: ConsentRuleId = everything.get("rule")?.as_str()?.parse().ok()?;
        let kind: RuleKind = serde_json::from_value(kind.clone()).ok()?;
        Some(Read::Rule(ConsentRule {
            id,
            person,
            rule: StandingRule { period: period_of(everything)?, kind },
            evidence: everything.get("evidence")?.as_str()?.to_owned(),
            entered_by: None,
            created: at(everything.get("created"))?,
        }))
    };
    Ok(read())
}
