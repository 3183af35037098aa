//! What becomes of somebody's leave to act for others when they die (portal design, 3.8 scenario 48).

use crate::audit::{Act, ActKind, Acts};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, GrantId, PersonId};
use crate::base::random::Random;
use crate::identity::{Grant, GrantState, StatusReason};
use crate::storage::{StorageError, Tx, accounts, grants};

/// One grant of theirs, and what it becomes.
pub(super) struct HolderDied {
    grant: GrantId,
    before: GrantState,
    after: GrantState,
    act: Act,
}

/// When, and by whom; nobody is the operator.
type Entered = (Instant, Option<AccountId>);

impl HolderDied {
    /// Whatever they may do is suspended: nobody but staff can say whether somebody takes their place.
    pub(super) async fn of(
        acts: &Acts,
        random: &dyn Random,
        entered: Entered,
        person: PersonId,
    ) -> Result<Vec<Self>, StorageError> {
        let suspended = GrantState::Suspended { at: entered.0, reason: StatusReason::ProxyDeceased, by: None };
        let all = held(acts, person).await?.into_iter().filter(|grant| grant.state == GrantState::Active);
        Ok(all.map(|grant| Self::new(grant, suspended.clone(), random, entered)).collect())
    }

    /// It was a mistake: what was suspended by it works again, and nothing else does.
    pub(super) async fn undone(
        acts: &Acts,
        random: &dyn Random,
        entered: Entered,
        person: PersonId,
    ) -> Result<Vec<Self>, StorageError> {
        let by_death =
            |grant: &Grant| matches!(grant.state, GrantState::Suspended { reason: StatusReason::ProxyDeceased, .. });
        let all = held(acts, person).await?.into_iter().filter(by_death);
        Ok(all.map(|grant| Self::new(grant, GrantState::Active, random, entered)).collect())
    }

    fn new(grant: Grant, after: GrantState, random: &dyn Random, (now, by): Entered) -> Self {
        let (step, reason) = match after {
            GrantState::Active => ("resume", StatusReason::Reactivated),
            _ => ("suspend", StatusReason::ProxyDeceased),
        };
        let act = Act::new(ActKind::Grant, now, random).by(by).by_way_of(step).under(reason.as_str());
        let act = act.about(grant.person).on("Grant", grant.id);
        Self { grant: grant.id, before: grant.state, after, act }
    }

    /// Writes them where nobody was quicker, and says what was done besides `first`.
    pub(super) async fn apply(tx: &mut Tx, all: Vec<Self>, first: Act) -> Result<Vec<Act>, StorageError> {
        let mut done = vec![first];
        for Self { grant, before, after, act } in all {
            if grants::by_id(&mut *tx, grant).await?.is_some_and(|now| now.state == before) {
                grants::set_state(tx, grant, &after).await?;
                done.push(act);
            }
        }
        Ok(done)
    }
}

async fn held(acts: &Acts, person: PersonId) -> Result<Vec<Grant>, StorageError> {
    match accounts::by_person(acts.db(), person).await? {
        Some(holder) => grants::of_account(acts.db(), holder.id).await,
        None => Ok(Vec::new()),
    }
}
