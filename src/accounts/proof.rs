//! Whoever sits there shows once more who they are, before something that would hurt in the wrong hands.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::FutureExt;

use super::{AccountError, Accounts, Lane, NewSession, Verdict};
use crate::audit::ActKind;
use crate::authorization::SignedIn;
use crate::base::clock::Instant;
use crate::base::id::AccountId;
use crate::base::secret::Secret;
use crate::storage::sessions::{self, SessionState};
use crate::storage::{Db, StorageError, accounts};

/// A proof is good for so long.
const PROVED_FOR: Duration = Duration::from_secs(300);
/// After somebody got back in, addresses stay, and nobody is let in, for so long.
const HELD_FOR: Duration = Duration::from_secs(86_400);

/// Whether an account was recovered within the last 24 hours.
pub(super) async fn is_held(db: &Db, account: AccountId, now: Instant) -> Result<bool, StorageError> {
    let standing = accounts::standing(db, account).await?;
    Ok(standing.recovered.is_some_and(|at| now.since(at) < HELD_FOR))
}

impl Accounts {
    /// Whether whoever sits there showed within the last five minutes who they are.
    #[must_use]
    pub fn is_proved(&self, who: &SignedIn) -> bool {
        self.clock.now().since(who.proved) < PROVED_FOR
    }

    /// Nothing, for whoever showed within the last five minutes who they are.
    ///
    /// # Errors
    /// [`AccountError::NotProved`].
    pub fn require_proof(&self, who: &SignedIn) -> Result<(), AccountError> {
        if self.is_proved(who) { Ok(()) } else { Err(AccountError::NotProved) }
    }

    /// Whether an account was recovered within the last 24 hours: its addresses stay as they are, and it lets nobody in.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn is_held(&self, account: AccountId) -> Result<bool, StorageError> {
        is_held(&self.db, account, self.clock.now()).await
    }

    pub(super) async fn require_no_hold(&self, account: AccountId) -> Result<(), AccountError> {
        if self.is_held(account).await? { Err(AccountError::Held) } else { Ok(()) }
    }

    /// Shows it by the password. The session goes on under another cookie.
    ///
    /// # Errors
    /// [`AccountError`]; wrong passwords count as those of a sign-in do.
    pub async fn prove(
        &self,
        who: &SignedIn,
        password: &Secret<String>,
        address: Option<IpAddr>,
    ) -> Result<NewSession, AccountError> {
        let account = accounts::by_id(&self.db, who.account).await?.ok_or(AccountError::NotFound)?;
        let name = account.username.folded().to_owned();
        self.throttle.attempt(&name, address, self.clock.now())?;
        let stored = self.usable_password(&account).await?;
        if self.passwords.verify(password, stored, Lane::Home).await? == Verdict::Wrong {
            self.refused(Some(&account), Some(&account), "password").await?;
            return Err(AccountError::Wrong);
        }
        self.throttle.proven(&name, address);
        self.proved(who, "password").await
    }

    /// Notes a proof, by whatever way, and rotates the cookie.
    pub(super) async fn proved(&self, who: &SignedIn, factor: &str) -> Result<NewSession, AccountError> {
        let (cookie, hash) = self.new_cookie();
        let (old, now, account) = (who.hash, self.clock.now(), who.account);
        let act = self.new_act(ActKind::SignIn).by(account).by_way_of(factor).under("again");
        self.acts
            .write(move |tx| {
                async move {
                    if !sessions::rotate(tx, &old, &hash, now).await? {
                        return Err(AccountError::NotFound);
                    }
                    accounts::forget_failures(tx, account).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await?;
        Ok(NewSession { cookie, account, state: SessionState::Open, expires: who.expires })
    }
}
