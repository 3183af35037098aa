use futures_util::future::BoxFuture;

use super::act::Act;
use crate::base::id::ChainId;
use crate::base::keys::MasterKey;
use crate::base::random::Random;
use crate::storage::audit::{self, Chain};
use crate::storage::refreshes::{self, Reissued};
use crate::storage::{Db, StorageError, Tx};

/// The database as acts are written to it: each with its entry in the audit trail, both or neither. One for each
/// process, which has its own chain.
#[derive(Clone, Debug)]
pub struct Acts {
    db: Db,
    chain: Chain,
}

impl Acts {
    /// Begins this process's chain.
    ///
    /// # Errors
    /// [`StorageError`] when the chain cannot be begun.
    pub async fn begin(db: Db, master_key: &MasterKey, random: &dyn Random) -> Result<Self, StorageError> {
        let chain = Chain::new(ChainId::mint(random), master_key);
        let begun = chain.clone();
        db.write(move |tx| Box::pin(async move { audit::start_chain(tx, &begun).await })).await?;
        Ok(Self { db, chain })
    }

    /// The database.
    #[must_use]
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// The chain of this process.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Does `work` and records the act that it says it did, in one write ([`Db::write`]). `None` when it turned out
    /// that nothing was to be done.
    ///
    /// # Errors
    /// What `work` returns, or a [`StorageError`], also when the entry could not be written: then nothing was done.
    pub async fn write<T, E>(
        &self,
        work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<(T, Option<Act>), E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.write_all(move |tx| {
            Box::pin(async move {
                let (value, act) = work(&mut *tx).await?;
                Ok((value, act.into_iter().collect()))
            })
        })
        .await
    }

    /// The same for work that is several acts, such as one that concerns many people.
    ///
    /// # Errors
    /// As [`Acts::write`].
    pub async fn write_all<T, E>(
        &self,
        work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<(T, Vec<Act>), E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let chain = self.chain.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let (value, acts) = work(&mut *tx).await?;
                    for act in acts {
                        audit::record_act(tx, &chain, act.into_row());
                    }
                    Ok(value)
                })
            })
            .await
    }

    /// Stores an access token that a constant refresh token brings, and records it ([`refreshes::reissue`]).
    ///
    /// # Errors
    /// As [`Acts::write`].
    pub async fn reissue(&self, new: Reissued, act: Act) -> Result<bool, StorageError> {
        refreshes::reissue(&self.db, new, self.chain.clone(), act.into_row()).await
    }

    /// Records an act that changed nothing, such as a refusal.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn record(&self, act: Act) -> Result<(), StorageError> {
        self.write(move |_| Box::pin(std::future::ready(Ok(((), Some(act)))))).await
    }
}
