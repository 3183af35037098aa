//! What is different at one organization than at another, for those who see records there.

use crate::mapping::{ConsentPolicies, ReleasePolicies, STANDARD_CONSENT_POLICY, STANDARD_ZONE};
use crate::organization::Organization;
use crate::storage::consent::{self, PolicyChoice};
use crate::storage::{StorageError, Tx};

/// What precedes a line by which somebody may see more than before.
const LOOSER: &str = "LOOSER: ";

/// What changes for the records of one organization when another's rules hold for them; a line each, nothing where both have
/// the same rules.
///
/// # Errors
/// [`StorageError`].
pub(super) async fn changes(tx: &mut Tx, now: &Organization, then: &Organization) -> Result<Vec<String>, StorageError> {
    let standard = || PolicyChoice { policy: STANDARD_CONSENT_POLICY.to_owned(), time_zone: STANDARD_ZONE.to_owned() };
    let before = consent::policy(&mut *tx, now.id).await?.unwrap_or_else(standard);
    let after = consent::policy(tx, then.id).await?.unwrap_or_else(standard);
    let mut lines = Vec::new();
    if now.release_policy != then.release_policy {
        let looser = if releases_more(&now.release_policy, &then.release_policy) { LOOSER } else { "" };
        let (old, new) = (&now.release_policy, &then.release_policy);
        lines.push(format!("{looser}release policy {new} instead of {old}"));
    }
    if before.time_zone != after.time_zone {
        let (old, new) = (&before.time_zone, &after.time_zone);
        lines.push(format!("birthdays begin in the time zone {new} instead of {old}"));
    }
    if before.policy != after.policy {
        lines.push(format!("consent policy {} instead of {}", after.policy, before.policy));
        lines.extend(of_policies(&before.policy, &after.policy));
    }
    Ok(lines)
}

/// Whether the second policy of release holds less back; one that cannot be read may.
fn releases_more(now: &str, then: &str) -> bool {
    let named = |name: &str| ReleasePolicies::embedded().ok()?.by_name(name).ok();
    named(now).zip(named(then)).is_none_or(|(now, then)| {
        !now.holds.iter().all(|hold| then.holds.contains(hold))
            || !now.withheld.iter().all(|labels| then.withheld.contains(labels))
    })
}

fn of_policies(now: &str, then: &str) -> Vec<String> {
    let named = |name: &str| ConsentPolicies::embedded().ok()?.by_name(name).ok();
    // Of a policy that is not there nobody but the patient sees anything.
    let Some((now, then)) = named(now).zip(named(then)) else {
        return vec![format!("{LOOSER}one of the two policies is not known here")];
    };
    let line = |change: crate::consent::Change| {
        let looser = if change.is_looser { LOOSER } else { "" };
        format!("{looser}{}", change.words)
    };
    now.changes_to(&then).into_iter().map(line).collect()
}
