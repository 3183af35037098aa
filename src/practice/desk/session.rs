//! A browser at work: apart from the same human's own session, shorter, and for one organization.

use std::time::Duration;

use futures_util::FutureExt;

use super::{Desk, DeskError, StaffMember};
use crate::audit::ActKind;
use crate::authorization::SignedIn;
use crate::base::id::OrganizationId;
use crate::base::secret::Secret;
use crate::oauth::token::TokenKind;
use crate::organization::Organization;
use crate::storage::staff_sessions::{self, IDLE, StaffSession};
use crate::storage::{StorageError, staff};

/// Work begins within so long after a sign-in: a browser that was left alone begins none.
const SIGNED_IN_WITHIN: Duration = Duration::from_secs(300);
/// Work ends after so long.
const LONGEST: Duration = Duration::from_secs(12 * 3_600);
/// The use of a session is written down at most this often.
const TOUCH_AFTER: Duration = Duration::from_secs(60);

/// Somebody at work.
#[derive(Clone, Debug)]
pub struct AtWork {
    /// Who, where, as what: as it stands now.
    pub member: StaffMember,
    /// Where.
    pub organization: Organization,
    /// The hash of the cookie: what forms are bound to.
    pub hash: [u8; 32],
}

impl Desk {
    /// Begins work at an organization, right after a sign-in. The value is for a cookie.
    ///
    /// # Errors
    /// [`DeskError::NotYours`] when the sign-in is too old or they are no staff there, [`DeskError::NeedsSecondFactor`].
    pub async fn begin_work(
        &self,
        signed_in: &SignedIn,
        organization: OrganizationId,
    ) -> Result<Secret<String>, DeskError> {
        let now = self.clock.now();
        let memberships = self.memberships(signed_in.account).await?;
        let member = memberships.into_iter().map(|(_, member)| member).find(|m| m.organization == organization);
        let member = member.filter(|_| now.since(signed_in.signed_in) < SIGNED_IN_WITHIN).ok_or(DeskError::NotYours)?;
        // NIST SP 800-63B-4 §2.2 (AAL2): whoever sees many people's records shows two things.
        if self.second_factor && !signed_in.is_by_two_factors() {
            let act = self.act(ActKind::SignIn, &member).by_way_of("staff").refused("one-factor");
            self.acts.record(act).await?;
            return Err(DeskError::NeedsSecondFactor);
        }
        let cookie = TokenKind::Session.mint(&*self.random);
        let hash = TokenKind::Session.hash(cookie.expose()).ok_or(DeskError::NotYours)?;
        let session = StaffSession {
            account: member.account,
            organization,
            signed_in: now,
            last_used: now,
            expires: now.plus(LONGEST),
        };
        let act = self.act(ActKind::SignIn, &member).by_way_of("staff").on("Organization", organization);
        let begun = self.acts.write(move |tx| {
            async move {
                staff_sessions::insert(tx, &hash, &session).await?;
                Ok::<_, StorageError>(((), Some(act)))
            }
            .boxed()
        });
        begun.await?;
        Ok(cookie)
    }

    /// Who is at work with this cookie: roles that were taken away meanwhile are gone.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn at_work(&self, cookie: &str) -> Result<Option<AtWork>, StorageError> {
        let Some(hash) = TokenKind::Session.hash(cookie) else { return Ok(None) };
        let Some(session) = staff_sessions::get(&self.db, &hash).await? else { return Ok(None) };
        let now = self.clock.now();
        if now >= session.expires || now.since(session.last_used) >= IDLE {
            return Ok(None);
        }
        let memberships = self.memberships(session.account).await?;
        let found = memberships.into_iter().find(|(known, _)| known.id == session.organization);
        if found.is_some() && now.since(session.last_used) >= TOUCH_AFTER {
            self.db.write(move |tx| async move { staff_sessions::touch(tx, &hash, now).await }.boxed()).await?;
        }
        Ok(found.map(|(organization, member)| AtWork { member, organization, hash }))
    }

    /// Ends work, and what was opened at it: in every browser, as nobody can tell which of them an app was opened from.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn end_work(&self, at_work: &AtWork) -> Result<(), StorageError> {
        let (hash, now) = (at_work.hash, self.clock.now());
        let (account, organization) = (at_work.member.account, at_work.member.organization);
        let act = self.act(ActKind::SignOut, &at_work.member).by_way_of("staff");
        self.acts
            .write(move |tx| {
                async move {
                    staff_sessions::delete(tx, &hash).await?;
                    staff::leave(tx, account, organization, now).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }
}
