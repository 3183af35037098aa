//! Another password.

use futures_util::FutureExt;

use super::notice::queue_all;
use super::{AccountError, Accounts};
use crate::audit::ActKind;
use crate::authorization::SignedIn;
use crate::base::secret::Secret;
use crate::identity::Account;
use crate::storage::challenges::{self, Purpose};
use crate::storage::{StorageError, accounts, sessions};

/// Wrong passwords in a row after which the password is not taken any more (NIST SP 800-63B-4 §3.2.2 says 100 at most): the
/// way back in goes on, and so do passkeys.
pub(super) const MOST_FAILURES: u32 = 50;

impl Accounts {
    /// The stored hash, unless too many wrong passwords came.
    pub(super) async fn usable_password(&self, account: &Account) -> Result<Option<Secret<String>>, StorageError> {
        let standing = accounts::standing(&self.db, account.id).await?;
        Ok(account.password_hash.clone().filter(|_| standing.password_failures < MOST_FAILURES))
    }

    /// Sets a password: everybody else is signed out, and no way back that is under way leads in.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn change_password(&self, who: &SignedIn, new: &Secret<String>) -> Result<(), AccountError> {
        self.require_proof(who)?;
        let account = accounts::by_id(&self.db, who.account).await?.ok_or(AccountError::NotFound)?;
        let hash = self.hash_password(&account.username, new).await?;
        let letters = self.sign_in_changed(account.id).await?;
        let (id, session) = (account.id, who.hash);
        let act = self.new_act(ActKind::Credential).by(id).by_way_of("password").on("Account", id);
        self.acts
            .write(move |tx| {
                async move {
                    accounts::set_password(tx, id, &hash).await?;
                    accounts::forget_failures(tx, id).await?;
                    sessions::delete_others(tx, id, Some(&session)).await?;
                    challenges::withdraw(tx, id, Purpose::Recovery).await?;
                    queue_all(tx, letters).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }
}
