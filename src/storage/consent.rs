//! What is laid down about who sees a person's record: scopes of grants, rules, and the policies of practices.

use std::collections::BTreeMap;

use super::error::{RowKey, to_json};
use super::row::row;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Db, Executor, StorageError, Taken, Tx, generations};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, ConsentRuleId, GrantId, OrganizationId, PersonId};
use crate::consent::{GrantScope, Right, RuleKind, Standing, StandingRule};
use crate::identity::{GrantBasis, Period, StatusReason};

statements! {
    SET_SCOPE = "UPDATE grants SET scope = $2 WHERE id = $1 AND state <> 'ended'";
    INSERT_RULE = "INSERT INTO consent_rules (id, person_id, document, valid_from, valid_until, evidence, entered_by, \
                   created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";
    END_RULE = "UPDATE consent_rules SET ended = $2, end_reason = $3 WHERE id = $1 AND ended IS NULL";
    RULES = "SELECT id, person_id, document, valid_from, valid_until, evidence, entered_by, created \
             FROM consent_rules WHERE person_id = $1 AND ended IS NULL ORDER BY created, id";
    RIGHTS = "SELECT g.id, g.basis, g.valid_from, g.valid_until, g.scope FROM grants g \
              LEFT JOIN person_aliases a ON a.alias_id = g.person_id AND a.undone IS NULL \
              WHERE g.account_id = $1 AND g.state = 'active' AND COALESCE(a.person_id, g.person_id) = $2 \
              ORDER BY g.created, g.id";
    RULES_SHOWN = "SELECT r.id, r.valid_from, r.valid_until, r.document FROM consent_rules r \
                   LEFT JOIN person_aliases a ON a.alias_id = r.person_id AND a.undone IS NULL \
                   WHERE (r.person_id = $1 OR a.person_id = $1) AND r.ended IS NULL ORDER BY r.created, r.id";
    /// Whoever was merged into another person is that person.
    HOLDER_DIED = "WITH shown AS (\
                   SELECT COALESCE(oa.person_id, o.person_id) AS person FROM accounts o \
                   LEFT JOIN person_aliases oa ON oa.alias_id = o.person_id AND oa.undone IS NULL WHERE o.id = $1), \
                   own AS (\
                   SELECT person FROM shown \
                   UNION ALL \
                   SELECT al.alias_id FROM shown JOIN person_aliases al ON al.person_id = shown.person AND al.undone IS NULL) \
                   SELECT r.valid_from, r.valid_until FROM own JOIN consent_rules r ON r.person_id = own.person \
                   WHERE r.document = '\"deceased\"' AND r.ended IS NULL ORDER BY r.created, r.id";
    SCOPE = "SELECT scope FROM grants WHERE id = $1";
    /// Scopes of grants that did not end, if they may name one of these.
    SCOPES_NAMING = "SELECT id, person_id, scope FROM grants WHERE state <> 'ended' \
                     AND (scope LIKE $1 OR scope LIKE $2 OR scope LIKE $3) ORDER BY id";
    SCOPES_OF = "SELECT g.id, g.person_id, g.scope FROM grants g \
                 LEFT JOIN person_aliases a ON a.alias_id = g.person_id AND a.undone IS NULL \
                 WHERE g.state <> 'ended' AND g.scope IS NOT NULL AND COALESCE(a.person_id, g.person_id) = $1 ORDER BY g.id";
    POLICY = "SELECT policy, time_zone FROM organization_policies WHERE organization_id = $1";
    PERSONS = "SELECT person_id FROM grants UNION SELECT person_id FROM consent_rules WHERE ended IS NULL \
               ORDER BY person_id";
    SET_POLICY = "INSERT INTO organization_policies (organization_id, policy, time_zone) VALUES ($1, $2, $3) \
                  ON CONFLICT (organization_id) DO UPDATE SET policy = excluded.policy, time_zone = excluded.time_zone";
    POLICIES = "SELECT organization_id, policy, time_zone FROM organization_policies ORDER BY organization_id";
}

/// Something that is laid down about a person, with its papers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRule {
    /// Its id.
    pub id: ConsentRuleId,
    /// About whom.
    pub person: PersonId,
    /// When it holds, and what it is.
    pub rule: StandingRule,
    /// What was seen, as a reference to the record of it.
    pub evidence: String,
    /// Who entered it; nobody is the operator.
    pub entered_by: Option<AccountId>,
    /// When.
    pub created: Instant,
}

/// By which policy a practice decides, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyChoice {
    /// The policy in `mappings/policy/age-bands.toml`.
    pub policy: String,
    /// The time zone (IANA).
    pub time_zone: String,
}

row! {
    struct RuleRow {
        id: String,
        person_id: String,
        document: String,
        valid_from: i64,
        valid_until: Option<i64>,
        evidence: String,
        entered_by: Option<String>,
        created: i64,
    }
}

impl RuleRow {
    fn read(self) -> Result<ConsentRule, DatabaseInconsistency> {
        let key = RowKey { table: "consent_rules", key: &self.id };
        Ok(ConsentRule {
            id: key.parse("id", &self.id)?,
            person: key.parse("person_id", &self.person_id)?,
            rule: rule((&self.id, self.valid_from, self.valid_until), &self.document)?,
            entered_by: self.entered_by.as_deref().map(|by| key.parse("entered_by", by)).transpose()?,
            created: Instant::from_micros(self.created),
            evidence: self.evidence,
        })
    }
}

fn period(from: i64, until: Option<i64>) -> Period {
    Period { from: Instant::from_micros(from), until: until.map(Instant::from_micros) }
}

/// A right as the columns of its grant have it.
fn right(
    (id, basis, from, until): (&str, &str, i64, Option<i64>),
    scope: Option<&str>,
) -> Result<Right, DatabaseInconsistency> {
    let key = RowKey { table: "grants", key: id };
    let basis = key.column("basis", GrantBasis::parse(basis))?;
    let scope: GrantScope = match scope {
        Some(text) => key.json("scope", text)?,
        None => GrantScope::of_basis(basis),
    };
    Ok(Right { grant: key.parse("id", id)?, basis, period: period(from, until), scope })
}

/// A rule as its columns have it.
fn rule((id, from, until): (&str, i64, Option<i64>), document: &str) -> Result<StandingRule, DatabaseInconsistency> {
    let kind: RuleKind = RowKey { table: "consent_rules", key: id }.json("document", document)?;
    Ok(StandingRule { period: period(from, until), kind })
}

row! {
    /// A grant or a rule that a right to a record hangs on, or nothing of either. A rule without a document is that the
    /// holder died.
    pub(super) struct LaidColumns {
        grant_id: Option<String>,
        rule_id: Option<String>,
        basis: Option<String>,
        valid_from: Option<i64>,
        valid_until: Option<i64>,
        document: Option<String>,
    }
}

impl LaidColumns {
    /// Adds it to what is known of a standing.
    pub(super) fn lay(self, standing: &mut Standing) -> Result<(), DatabaseInconsistency> {
        let from = self.valid_from.unwrap_or(i64::MAX);
        if let Some(id) = &self.grant_id {
            let columns = (id.as_str(), self.basis.as_deref().unwrap_or_default(), from, self.valid_until);
            standing.rights.push(right(columns, self.document.as_deref())?);
        } else if let Some(id) = &self.rule_id {
            match self.document.as_deref() {
                Some(document) => standing.rules.push(rule((id, from, self.valid_until), document)?),
                None => standing.holder_died.push(period(from, self.valid_until)),
            }
        }
        Ok(())
    }
}

/// Says how far a grant goes, and moves the generation on.
///
/// # Errors
/// [`StorageError::NotFound`] when there is no such grant or it ended.
pub async fn set_scope(tx: &mut Tx, grant: GrantId, scope: &GrantScope) -> Result<(), StorageError> {
    let rows = execute!(&mut *tx, SET_SCOPE, grant.to_string(), to_json(scope)?)?;
    if rows != 1 {
        return Err(StorageError::NotFound { table: "grants" });
    }
    generations::bump(tx);
    Ok(())
}

/// How far a grant goes, where that is written down.
///
/// # Errors
/// [`StorageError`].
pub async fn scope(on: impl Into<Executor<'_>>, grant: GrantId) -> Result<Option<GrantScope>, StorageError> {
    let id = grant.to_string();
    let row: Option<(Option<String>,)> = fetch_optional!(on, SCOPE, &id)?;
    let key = RowKey { table: "grants", key: &id };
    Ok(row.and_then(|(scope,)| scope).map(|text| key.json("scope", &text)).transpose()?)
}

/// A grant that did not end, whose record it is for, and how far it goes.
pub type Scoped = (GrantId, PersonId, GrantScope);

fn scoped(rows: Vec<(String, String, String)>) -> Result<Vec<Scoped>, StorageError> {
    let read = |(id, person, scope): (String, String, String)| {
        let key = RowKey { table: "grants", key: &id };
        Ok((key.parse("id", &id)?, key.parse("person_id", &person)?, key.json("scope", &scope)?))
    };
    rows.into_iter().map(read).collect()
}

/// Grants that did not end, if what is written of how far they go may hold one of these texts.
///
/// # Errors
/// [`StorageError`].
pub async fn scopes_naming(on: impl Into<Executor<'_>>, any: [&str; 3]) -> Result<Vec<Scoped>, StorageError> {
    let [a, b, c] = any.map(|text| format!("%{text}%"));
    scoped(fetch_all!(on, SCOPES_NAMING, a, b, c)?)
}

/// Grants for the record of one person, merges followed, that did not end and of which it is written how far they go.
///
/// # Errors
/// [`StorageError`].
pub async fn scopes_of(on: impl Into<Executor<'_>>, person: PersonId) -> Result<Vec<Scoped>, StorageError> {
    scoped(fetch_all!(on, SCOPES_OF, person.to_string())?)
}

/// What a practice chose, if it did.
///
/// # Errors
/// [`StorageError`].
pub async fn policy(on: impl Into<Executor<'_>>, id: OrganizationId) -> Result<Option<PolicyChoice>, StorageError> {
    let row: Option<(String, String)> = fetch_optional!(on, POLICY, id.to_string())?;
    Ok(row.map(|(policy, time_zone)| PolicyChoice { policy, time_zone }))
}

/// Everybody about whom there are grants or rules, by id.
///
/// # Errors
/// [`StorageError`].
pub async fn persons(on: impl Into<Executor<'_>>) -> Result<Vec<PersonId>, StorageError> {
    let rows: Vec<(String,)> = fetch_all!(on, PERSONS)?;
    let read = |(id,): &(String,)| RowKey { table: "grants", key: id }.parse("person_id", id);
    rows.iter().map(|row| read(row).map_err(StorageError::from)).collect()
}

/// Lays something down, and moves the generation on.
///
/// # Errors
/// [`Taken::Key`]; [`StorageError::ReferenceMissing`] when the person is not there.
pub async fn insert_rule(tx: &mut Tx, rule: &ConsentRule) -> Result<(), StorageError> {
    let rows = execute!(
        &mut *tx,
        INSERT_RULE,
        rule.id.to_string(),
        rule.person.to_string(),
        to_json(&rule.rule.kind)?,
        rule.rule.period.from.micros(),
        rule.rule.period.until.map(Instant::micros),
        &rule.evidence,
        rule.entered_by.map(|account| account.to_string()),
        rule.created.micros()
    )?;
    if rows != 1 {
        return Err(StorageError::AlreadyTaken(Taken::Key));
    }
    generations::bump(tx);
    Ok(())
}

/// Lifts something that was laid down, and moves the generation on. The row stays.
///
/// # Errors
/// [`StorageError::NotFound`] when it is not there or was lifted before.
pub async fn end_rule(tx: &mut Tx, id: ConsentRuleId, at: Instant, reason: StatusReason) -> Result<(), StorageError> {
    let rows = execute!(&mut *tx, END_RULE, id.to_string(), at.micros(), reason.as_str())?;
    if rows != 1 {
        return Err(StorageError::NotFound { table: "consent_rules" });
    }
    generations::bump(tx);
    Ok(())
}

/// What is laid down about a person and not lifted, oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn rules_of(on: impl Into<Executor<'_>>, person: PersonId) -> Result<Vec<ConsentRule>, StorageError> {
    let rows: Vec<RuleRow> = fetch_all!(on, RULES, person.to_string())?;
    rows.into_iter().map(|row| row.read().map_err(StorageError::from)).collect()
}

/// What an account's right to a person's record hangs on; `person` is the one that merges lead to.
///
/// # Errors
/// [`StorageError`].
pub async fn standing(db: &Db, account: AccountId, person: PersonId, is_own: bool) -> Result<Standing, StorageError> {
    type RightRow = (String, String, i64, Option<i64>, Option<String>);
    type ShownRow = (String, i64, Option<i64>, String);
    let rights: Vec<RightRow> = fetch_all!(db, RIGHTS, account.to_string(), person.to_string())?;
    let rules: Vec<ShownRow> = fetch_all!(db, RULES_SHOWN, person.to_string())?;
    let rights = rights
        .iter()
        .map(|(id, basis, from, until, scope)| right((id, basis, *from, *until), scope.as_deref()))
        .collect::<Result<_, _>>()?;
    let rules = rules
        .iter()
        .map(|(id, from, until, document)| rule((id, *from, *until), document))
        .collect::<Result<_, _>>()?;
    let deaths: Vec<(i64, Option<i64>)> = match is_own {
        true => Vec::new(),
        false => fetch_all!(db, HOLDER_DIED, account.to_string())?,
    };
    let holder_died = deaths.into_iter().map(|(from, until)| period(from, until)).collect();
    Ok(Standing { rights, rules, holder_died, ..Standing::bare(account, is_own) })
}

/// Lets a practice decide by another policy, and moves the generation on.
///
/// # Errors
/// [`StorageError::ReferenceMissing`] when it is not there.
pub async fn set_policy(tx: &mut Tx, id: OrganizationId, choice: &PolicyChoice) -> Result<(), StorageError> {
    execute!(&mut *tx, SET_POLICY, id.to_string(), &choice.policy, &choice.time_zone)?;
    generations::bump(tx);
    Ok(())
}

/// What practices chose. One that is not among them chose nothing.
///
/// # Errors
/// [`StorageError`].
pub async fn policies(on: impl Into<Executor<'_>>) -> Result<BTreeMap<OrganizationId, PolicyChoice>, StorageError> {
    let rows: Vec<(String, String, String)> = fetch_all!(on, POLICIES)?;
    let read = |(id, policy, time_zone): (String, String, String)| {
        let key = RowKey { table: "organization_policies", key: &id };
        Ok::<_, DatabaseInconsistency>((key.parse("organization_id", &id)?, PolicyChoice { policy, time_zone }))
    };
    rows.into_iter().map(|row| read(row).map_err(StorageError::from)).collect()
}
