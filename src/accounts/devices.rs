//! Where somebody is signed in, and the end of it.

use futures_util::FutureExt;

use super::Accounts;
use crate::audit::ActKind;
use crate::authorization::SignedIn;
use crate::base::clock::Instant;
use crate::base::id::SessionId;
use crate::storage::{StorageError, sessions};

/// A signed-in browser, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: SessionId,
    /// The browser, in a few words.
    pub browser: String,
    /// When it signed in.
    pub signed_in: Instant,
    /// When it was last used, to within a minute.
    pub last_used: Instant,
    /// It is the one that asks.
    pub is_this: bool,
}

impl Accounts {
    /// Where an account is signed in.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn devices(&self, who: &SignedIn) -> Result<Vec<Device>, StorageError> {
        let now = self.clock.now();
        let open = sessions::of_account(&self.db, who.account, now).await?;
        let is_used = |last: Instant| now.since(last) < self.session_idle;
        let open = open.into_iter().filter(|session| is_used(session.last_used));
        Ok(open
            .map(|session| Device {
                is_this: session.id == who.session,
                id: session.id,
                browser: session.browser,
                signed_in: session.signed_in,
                last_used: session.last_used,
            })
            .collect())
    }

    /// Signs one browser out. False if it was not signed in.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn end_device(&self, who: &SignedIn, id: SessionId) -> Result<bool, StorageError> {
        let account = who.account;
        let act = self.new_act(ActKind::SignOut).by(account).on("Session", id);
        self.acts
            .write(move |tx| {
                async move {
                    let ended = sessions::delete_one(tx, account, id).await?;
                    Ok((ended, ended.then_some(act)))
                }
                .boxed()
            })
            .await
    }

    /// Signs every other browser out, and says how many it were.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn end_other_devices(&self, who: &SignedIn) -> Result<u64, StorageError> {
        let (account, hash) = (who.account, who.hash);
        let act = self.new_act(ActKind::SignOut).by(account).by_way_of("others");
        self.acts
            .write(move |tx| {
                async move {
                    let ended = sessions::delete_others(tx, account, Some(&hash)).await?;
                    Ok((ended, (ended > 0).then_some(act)))
                }
                .boxed()
            })
            .await
    }
}
