//! What grants, codes and requests say of organizations follows them: nobody sees more by a merger than before (portal
//! design, 3.3: the default is no).

use std::collections::BTreeMap;

use crate::base::id::{OrganizationId, PersonId};
use crate::base::source_key::SourceKey;
use crate::consent::{GrantScope, Succession};
use crate::identity::{GrantBasis, ProxyDraft};
use crate::storage::{StorageError, Tx, consent, invitations, proxy_requests};

/// Whose leave changed its words, by what it said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// They were kept out of the organization that ended, or parted: they are from where its records are now.
    pub left_out: usize,
    /// They were let in to it alone, or to the other alone: they see the same as before and nothing beside.
    pub limited: usize,
}

/// Lets everything that names the organizations say the same of what became of them.
///
/// # Errors
/// [`StorageError`].
pub(super) async fn succeed(tx: &mut Tx, what: &Succession) -> Result<Rewritten, StorageError> {
    let (Succession::Absorbed { from, into, .. } | Succession::Split { from, into, .. }) = what;
    let (from, into) = (*from, into.to_string());
    let taken_over = match what {
        Succession::Absorbed { taken_over: (old, _), .. } => old.to_string(),
        Succession::Split { .. } => into.clone(),
    };
    let mut rewritten = Rewritten::default();
    for (grant, _, scope) in consent::scopes_naming(&mut *tx, [&from.to_string(), &into, &taken_over]).await? {
        let Some(new) = what.applied(&scope) else { continue };
        let is_limited = scope.organizations.is_some();
        rewritten.limited += usize::from(is_limited);
        rewritten.left_out += usize::from(!is_limited);
        consent::set_scope(tx, grant, &new).await?;
    }
    // Each once, though it may name several.
    let (mut codes, mut requests) = (BTreeMap::new(), BTreeMap::new());
    for named in [from.to_string(), into, taken_over] {
        let drafts = invitations::drafts(&mut *tx, from, &named).await?;
        codes.extend(drafts.into_iter().map(|(id, organization, draft)| (id, (organization, draft))));
        requests.extend(proxy_requests::drafts(&mut *tx, &named).await?);
    }
    for (id, (organization, mut draft)) in codes {
        if redraft(&mut draft, what, organization == from)? {
            invitations::set_draft(tx, id, &draft).await?;
        }
    }
    for (id, mut draft) in requests {
        // Staff who decide it later decide for what is theirs then.
        if redraft(&mut draft, what, false)? {
            proxy_requests::set_draft(tx, id, &draft).await?;
        }
    }
    Ok(rewritten)
}

/// Whether a draft says something else now. What staff gave leave for (`is_theirs`) is for the sources that they had.
fn redraft(draft: &mut ProxyDraft, what: &Succession, is_theirs: bool) -> Result<bool, StorageError> {
    let before = draft.clone();
    if let Some(text) = &draft.scope {
        let unreadable = |_| StorageError::NotFound { table: "invitations" };
        let scope: GrantScope = serde_json::from_str(text).map_err(unreadable)?;
        if let Some(new) = what.applied(&scope) {
            draft.scope = Some(serde_json::to_string(&new).map_err(unreadable)?);
        }
    }
    if let Succession::Absorbed { sources, .. } = what
        && is_theirs
        && !draft.is_own_word
    {
        draft.sources.get_or_insert_with(|| sources.clone());
    }
    Ok(*draft != before)
}

/// A chart leads to another source now. Who saw it there does here if that is covered as well; who did not, does not. True
/// when somebody who saw it does not any more.
///
/// # Errors
/// [`StorageError`].
pub(super) async fn follow(
    tx: &mut Tx,
    person: PersonId,
    (organization, old, new): (OrganizationId, SourceKey, SourceKey),
    is_there: bool,
) -> Result<bool, StorageError> {
    let mut is_lost = false;
    for (grant, _, mut scope) in consent::scopes_of(&mut *tx, person).await? {
        match (scope.covers_source(organization, old), scope.covers_source(organization, new)) {
            (true, false) => is_lost = true,
            // What was seen at the new source before is seen there still.
            (false, true) if !is_there => {
                scope.without_sources.insert(new);
                consent::set_scope(tx, grant, &scope).await?;
            }
            _ => {}
        }
    }
    Ok(is_lost)
}

/// Open codes of a chart that leads to another source now: what staff gave leave for before, or the patient for some
/// practices alone, cannot be told apart there, so these end. True when one did.
///
/// # Errors
/// [`StorageError`].
pub(super) async fn end_limited_codes(
    tx: &mut Tx,
    (source, patient): (SourceKey, &str),
    now: crate::base::clock::Instant,
) -> Result<bool, StorageError> {
    let mut is_ended = false;
    for (id, _, draft) in invitations::drafts_of_chart(&mut *tx, source, patient).await? {
        if is_limited(&draft) {
            is_ended |= invitations::end(tx, id, "revoked", now).await?;
        }
    }
    Ok(is_ended)
}

fn is_limited(draft: &ProxyDraft) -> bool {
    let whole = || GrantBasis::parse(&draft.basis).map(GrantScope::of_basis);
    let scope = draft.scope.as_deref().map_or_else(whole, |text| serde_json::from_str(text).ok());
    let names_practices = scope.is_none_or(|scope| {
        scope.organizations.is_some()
            || !scope.without_organizations.is_empty()
            || !scope.sources.is_empty()
            || !scope.without_sources.is_empty()
    });
    draft.sources.is_some() || (draft.is_own_word && names_practices)
}
