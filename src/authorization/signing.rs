//! The keys that sign id_tokens: made once, sealed in the database, shared by every process on it.

use futures_util::FutureExt;
use serde_json::{Value, json};

use super::AuthorizationServer;
use crate::oauth::jwt::{KeyError, SigningKey};
use crate::storage::signing_keys::{self, SealedKey};
use crate::storage::{Db, StorageError};

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// It cannot be made, opened or used: another master key, most likely.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Every key; the first one signs.
#[derive(Debug)]
pub(super) struct SigningKeys {
    first: SigningKey,
    others: Vec<SigningKey>,
}

impl SigningKeys {
    pub(super) fn sign(&self, claims: &Value) -> Result<String, KeyError> {
        self.first.sign(claims)
    }

    fn jwks(&self) -> Value {
        let keys: Vec<Value> = std::iter::once(&self.first).chain(&self.others).map(SigningKey::jwk).collect();
        json!({ "keys": keys })
    }
}

impl AuthorizationServer {
    /// The keys, loaded or made on first use. Making one takes a good part of a second: who wants a fast first answer
    /// calls [`AuthorizationServer::prepare_signing_key`] in the background.
    pub(super) async fn signing_keys(&self) -> Result<&SigningKeys, SigningError> {
        self.signing
            .get_or_try_init(|| async {
                if let Some(keys) = self.load_signing_keys().await? {
                    return Ok(keys);
                }
                self.make_signing_key().await?;
                // Another process may have been first: what is stored is what everybody uses.
                self.load_signing_keys().await?.ok_or(SigningError::Key(KeyError))
            })
            .await
    }

    /// Loads the signing key, or makes the first one.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn prepare_signing_key(&self) -> Result<(), SigningError> {
        self.signing_keys().await.map(drop)
    }

    /// The public keys, as a JSON Web Key Set (RFC 7517 §5).
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn jwks(&self) -> Result<Value, SigningError> {
        Ok(self.signing_keys().await?.jwks())
    }

    async fn load_signing_keys(&self) -> Result<Option<SigningKeys>, SigningError> {
        let mut keys = Vec::new();
        for stored in signing_keys::all(&self.db).await? {
            let der = self.keys.open(stored.kid.as_bytes(), &stored.sealed).map_err(|_| KeyError)?;
            keys.push(SigningKey::from_pkcs8(&der)?);
        }
        let mut keys = keys.into_iter();
        Ok(keys.next().map(|first| SigningKeys { first, others: keys.collect() }))
    }

    async fn make_signing_key(&self) -> Result<(), SigningError> {
        let made = tokio::task::spawn_blocking(SigningKey::generate).await.map_err(|_| KeyError)?;
        let (key, der) = made?;
        let sealed = self.keys.seal(&*self.random, key.kid().as_bytes(), der.expose());
        let (stored, created) = (SealedKey { kid: key.kid().to_owned(), sealed }, self.clock.now());
        let db: &Db = &self.db;
        db.write(move |tx| async move { signing_keys::insert_first(tx, &stored, created).await }.boxed())
            .await
            .map_err(|error: StorageError| SigningError::Storage(error))
    }
}
