//! The end of an account. What practices keep is not touched.

use futures_util::FutureExt;

use super::notice::queue_all;
use super::{AccountError, Accounts};
use crate::audit::ActKind;
use crate::authorization::SignedIn;
use crate::base::id::{AuthorizationId, GrantId};
use crate::identity::StatusReason;
use crate::mail::template;
use crate::storage::{
    StorageError, accounts, authorizations, challenges, contacts, federated_identities, grants, passkeys,
    second_factors, sessions,
};

/// What ends with an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// Other people for whom it may act.
    pub grants: usize,
    /// Connected apps.
    pub apps: usize,
}

impl Accounts {
    /// What would end.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn closing(&self, who: &SignedIn) -> Result<Closing, StorageError> {
        let (grants, apps) = self.ends_with(who).await?;
        Ok(Closing { grants: grants.len(), apps: apps.len() })
    }

    async fn ends_with(&self, who: &SignedIn) -> Result<(Vec<GrantId>, Vec<AuthorizationId>), StorageError> {
        let now = self.clock.now();
        let grants = grants::active_for_account(&self.db, who.account, now).await?;
        let apps = authorizations::open_of_account(&self.db, who.account).await?;
        Ok((grants.iter().map(|grant| grant.id).collect(), apps.iter().map(|app| app.id).collect()))
    }

    /// Closes it for good: nobody signs in, no app is let in, nobody is acted for any more.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn close(&self, who: &SignedIn) -> Result<(), AccountError> {
        self.require_proof(who)?;
        let (grants, apps) = self.ends_with(who).await?;
        let notice = template::AccountClosed { about: self.outbox.link("/") };
        let letters = self.letters(who.account, &notice).await?;
        let (account, now) = (who.account, self.clock.now());
        let act = self.new_act(ActKind::Account).by(account).by_way_of("close").on("Account", account);
        self.acts
            .write(move |tx| {
                async move {
                    for grant in grants {
                        grants::end(tx, grant, now, StatusReason::AccountClosed).await?;
                    }
                    for app in apps {
                        authorizations::revoke(tx, app, now).await?;
                    }
                    sessions::delete_others(tx, account, None).await?;
                    challenges::withdraw_all(tx, account).await?;
                    contacts::end_all(tx, account, now).await?;
                    passkeys::delete_all(tx, account).await?;
                    federated_identities::delete_all(tx, account).await?;
                    second_factors::delete_totp(tx, account).await?;
                    second_factors::delete_codes(tx, account).await?;
                    accounts::close(tx, account, now).await?;
                    queue_all(tx, letters).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }
}
