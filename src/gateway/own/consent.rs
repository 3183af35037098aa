//! What was agreed on who sees a record.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::base::id::{AccountId, GrantId, PersonId};
use crate::consent::exchange::{consent_for_holder, consent_of_grant, consent_of_rule};
use crate::consent::{GrantScope, RuleKind};
use crate::gateway::Gateway;
use crate::storage::{StorageError, consent};

impl Gateway {
    /// A Consent for each grant, and for what the person, or somebody for them, decided besides. What staff noted of a
    /// person (that they died, or cannot decide) is no consent; a mark on one item shows on the item.
    pub(super) async fn consents(&self, person: PersonId) -> Result<Vec<Value>, StorageError> {
        let mut all = Vec::new();
        let mut holders: BTreeMap<AccountId, GrantId> = BTreeMap::new();
        for grant in self.grants_of(person).await? {
            holders.entry(grant.account).or_insert(grant.id);
            let scope = consent::scope(&self.db, grant.id).await?.unwrap_or_else(|| GrantScope::of_basis(grant.basis));
            all.push(consent_of_grant(&grant, &scope, person, None));
        }
        for rule in consent::rules_of(&self.db, person).await? {
            let related = match &rule.rule.kind {
                RuleKind::Assent { grant, .. } => Some(*grant),
                RuleKind::Restriction { against, .. } => against.and_then(|account| holders.get(&account).copied()),
                RuleKind::Hold { .. } => None,
                RuleKind::Flag { .. }
                | RuleKind::Reviewed { .. }
                | RuleKind::DiminishedCapacity
                | RuleKind::Emancipated
                | RuleKind::Deceased => continue,
            };
            let (id, at) = (rule.id.to_string(), (rule.rule.period, rule.created));
            all.push(consent_of_rule((&id, &rule.rule.kind), at, person, related, None));
        }
        Ok(all)
    }

    /// A Consent for each grant that somebody holds. Which private topics and practices the person left out, and what was
    /// laid down besides, would tell of what is hidden.
    pub(super) async fn consents_of_holder(
        &self,
        person: PersonId,
        holder: AccountId,
    ) -> Result<Vec<Value>, StorageError> {
        let mut all = Vec::new();
        for grant in self.grants_of(person).await?.iter().filter(|grant| grant.account == holder) {
            let scope = consent::scope(&self.db, grant.id).await?.unwrap_or_else(|| GrantScope::of_basis(grant.basis));
            all.push(consent_for_holder(grant, &scope, person));
        }
        Ok(all)
    }
}
