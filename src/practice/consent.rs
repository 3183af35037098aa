//! Who sees what, as the operator and staff lay it down. Each act and its entry in the audit trail are one write, and
//! show at the next request.

use crate::audit::{Act, ActKind, Acts};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, ConsentRuleId, GrantId, OrganizationId, PersonId};
use crate::base::random::Random;
use crate::consent::{GrantScope, RuleKind, StandingRule};
use crate::identity::{Period, StatusReason};
use crate::storage::consent::{self, ConsentRule, PolicyChoice};
use crate::storage::{StorageError, grants, label_tables};

/// What is to be laid down about a person.
#[derive(Clone, Debug)]
pub struct NewRule {
    /// About whom.
    pub person: PersonId,
    /// What.
    pub kind: RuleKind,
    /// When it holds.
    pub period: Period,
    /// What was seen, as a reference to the record of it.
    pub evidence: String,
    /// Who enters it; nobody is the operator.
    pub by: Option<AccountId>,
}

/// Says how far a grant goes.
///
/// # Errors
/// [`StorageError::NotFound`] when there is no such grant or it ended.
pub async fn limit_grant(
    acts: &Acts,
    random: &dyn Random,
    now: Instant,
    id: GrantId,
    scope: GrantScope,
) -> Result<(), StorageError> {
    let act = Act::new(ActKind::Grant, now, random).by_way_of("scope").under("operator").on("Grant", id);
    acts.write(move |tx| {
        Box::pin(async move {
            let grant = grants::by_id(&mut *tx, id).await?.ok_or(StorageError::NotFound { table: "grants" })?;
            consent::set_scope(tx, id, &scope).await?;
            Ok::<_, StorageError>(((), Some(act.about(grant.person))))
        })
    })
    .await
}

/// Lays something down about a person.
///
/// # Errors
/// [`StorageError`], also when the person is not there.
pub async fn lay_down(
    acts: &Acts,
    random: &dyn Random,
    now: Instant,
    new: NewRule,
) -> Result<ConsentRuleId, StorageError> {
    let id = ConsentRuleId::mint(random);
    let rule = ConsentRule {
        id,
        person: new.person,
        rule: StandingRule { period: new.period, kind: new.kind },
        evidence: new.evidence,
        entered_by: new.by,
        created: now,
    };
    let by = if new.by.is_some() { "staff" } else { "operator" };
    let act = Act::new(ActKind::Grant, now, random).by(new.by).by_way_of("rule").under(by);
    let act = act.about(rule.person).on("ConsentRule", id);
    acts.write(move |tx| {
        Box::pin(async move {
            consent::insert_rule(&mut *tx, &rule).await?;
            Ok::<_, StorageError>((id, Some(act)))
        })
    })
    .await
}

/// Lifts something that was laid down. It stays on record.
///
/// # Errors
/// [`StorageError::NotFound`] when it is not there or was lifted before.
pub async fn lift(
    acts: &Acts,
    random: &dyn Random,
    now: Instant,
    (id, by): (ConsentRuleId, Option<AccountId>),
    reason: StatusReason,
) -> Result<(), StorageError> {
    let act =
        Act::new(ActKind::Grant, now, random).by(by).by_way_of("lift").under(reason.as_str()).on("ConsentRule", id);
    acts.write(move |tx| {
        Box::pin(async move {
            consent::end_rule(&mut *tx, id, now, reason).await?;
            Ok::<_, StorageError>(((), Some(act)))
        })
    })
    .await
}

/// Lets an organization decide by another policy of consent. Whether it exists is for the caller to see.
///
/// # Errors
/// [`StorageError::ReferenceMissing`] when there is no such organization.
pub async fn adopt_consent_policy(
    acts: &Acts,
    random: &dyn Random,
    now: Instant,
    id: OrganizationId,
    choice: PolicyChoice,
) -> Result<(), StorageError> {
    let act = Act::new(ActKind::Organization, now, random).by_way_of("consent-policy").under("operator");
    let act = act.on("Organization", id);
    acts.write(move |tx| {
        Box::pin(async move {
            consent::set_policy(tx, id, &choice).await?;
            Ok::<_, StorageError>(((), Some(act)))
        })
    })
    .await
}

/// Enters a table of sensitive codes, which goes beside those of the program. It has been looked at: what cannot be read
/// would keep every process from taking over anything that changed.
///
/// # Errors
/// [`StorageError`].
pub async fn put_label_table(
    acts: &Acts,
    random: &dyn Random,
    now: Instant,
    name: String,
    content: String,
) -> Result<(), StorageError> {
    let act = Act::new(ActKind::Organization, now, random).by_way_of("label-table").under("operator");
    let act = act.on("LabelTable", &name);
    acts.write(move |tx| {
        Box::pin(async move {
            label_tables::put(tx, &name, &content, now).await?;
            Ok::<_, StorageError>(((), Some(act)))
        })
    })
    .await
}

/// Takes such a table away.
///
/// # Errors
/// [`StorageError::NotFound`] when there is none of that name.
pub async fn remove_label_table(
    acts: &Acts,
    random: &dyn Random,
    now: Instant,
    name: String,
) -> Result<(), StorageError> {
    let act = Act::new(ActKind::Organization, now, random).by_way_of("label-table-removal").under("operator");
    let act = act.on("LabelTable", &name);
    acts.write(move |tx| {
        Box::pin(async move {
            label_tables::remove(tx, &name).await?;
            Ok::<_, StorageError>(((), Some(act)))
        })
    })
    .await
}
