//! The keys that sign id_tokens: sealed in the database, shared by every process on it. A new one is published before it
//! signs, and the one before it stays published as long as anything that it signed lives.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};

use super::AuthorizationServer;
use crate::audit::ActKind;
use crate::base::clock::Instant;
use crate::oauth::jwt::{KeyError, SigningKey};
use crate::storage::signing_keys::{self, SealedKey};
use crate::storage::{Db, StorageError};

/// How long an id_token is good.
pub(super) const ID_TOKEN: Duration = Duration::from_secs(300);
/// A key is published for so long after the next one began to sign: as long as an id_token lives, and key sets that
/// others keep.
const STILL_PUBLISHED: Duration = Duration::from_secs(3_600);

/// By then everybody who keeps our key set has fetched it again.
const FETCHED_BY: Duration = Duration::from_secs(86_400);

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

/// A key and when it signs.
#[derive(Clone, Debug)]
struct TimedKey {
    key: Arc<SigningKey>,
    created: Instant,
    signs_from: Instant,
}

/// Every key, in the order in which they came, as of one generation.
#[derive(Debug)]
pub(super) struct SigningKeys {
    generation: Option<i64>,
    keys: Vec<TimedKey>,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyState {
    /// Its id.
    pub kid: String,
    /// When it was made.
    pub created: Instant,
    /// From when on it signs.
    pub signs_from: Instant,
    /// Whether it signs now.
    pub signs: bool,
    /// Whether it is in the key set.
    pub published: bool,
}

impl SigningKeys {
    /// The newest of those whose time has come.
    fn signer(&self, now: Instant) -> Option<&TimedKey> {
        self.keys.iter().rev().find(|key| key.signs_from <= now).or(self.keys.first())
    }

    /// Those that are to come, the one that signs, and those that signed lately.
    fn published(&self, now: Instant) -> impl Iterator<Item = &TimedKey> {
        self.keys.iter().enumerate().filter_map(move |(at, key)| {
            let mut later = self.keys.iter().skip(at.saturating_add(1));
            let is_over = later.any(|next| next.signs_from.plus(STILL_PUBLISHED) <= now);
            (!is_over).then_some(key)
        })
    }

    pub(super) fn sign(&self, claims: &Value, now: Instant) -> Result<String, KeyError> {
        self.signer(now).ok_or(KeyError)?.key.sign(claims)
    }

    fn jwks(&self, now: Instant) -> Value {
        let keys: Vec<Value> = self.published(now).map(|key| key.key.jwk()).collect();
        json!({ "keys": keys })
    }

    fn states(&self, now: Instant) -> Vec<SigningKeyState> {
        let signer = self.signer(now).map(|key| key.key.kid().to_owned());
        let published: Vec<&str> = self.published(now).map(|key| key.key.kid()).collect();
        let state = |key: &TimedKey| SigningKeyState {
            kid: key.key.kid().to_owned(),
            created: key.created,
            signs_from: key.signs_from,
            signs: signer.as_deref() == Some(key.key.kid()),
            published: published.contains(&key.key.kid()),
        };
        self.keys.iter().map(state).collect()
    }
}

impl AuthorizationServer {
    /// The keys, as of now; the first is made on first use. Making one takes a good part of a second: who wants a fast
    /// first answer calls [`AuthorizationServer::prepare_signing_key`] in the background.
    pub(super) async fn signing_keys(&self) -> Result<Arc<SigningKeys>, SigningError> {
        let generation = self.generation.current();
        let known = self.signing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.as_ref().filter(|known| generation.is_some() && known.generation == generation) {
            return Ok(known.clone());
        }
        let mut keys = self.load_signing_keys(known.as_deref()).await?;
        if keys.is_empty() {
            let first = self.make_signing_key(Instant::from_micros(0)).await?;
            let db: &Db = &self.db;
            // Another process may have been first: what is stored is what everybody uses.
            db.write::<_, StorageError>(move |tx| async move { signing_keys::insert_first(tx, &first).await }.boxed())
                .await?;
            keys = self.load_signing_keys(None).await?;
        }
        if keys.is_empty() {
            return Err(SigningError::Key(KeyError));
        }
        let keys = Arc::new(SigningKeys { generation, keys });
        *self.signing.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys.clone());
        Ok(keys)
    }

    /// Loads the signing keys, or makes the first one.
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
        Ok(self.signing_keys().await?.jwks(self.clock.now()))
    }

    /// Every key, in the order in which they came.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn signing_key_states(&self) -> Result<Vec<SigningKeyState>, SigningError> {
        Ok(self.signing_keys().await?.states(self.clock.now()))
    }

    /// Makes a key that is published at once and signs after `delay`: long enough for others to have fetched it. Its id.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn rotate_signing_key(&self, delay: Duration) -> Result<String, SigningError> {
        self.prepare_signing_key().await?;
        let next = self.make_signing_key(self.clock.now().plus(delay)).await?;
        let kid = next.kid.clone();
        let act = self.new_act(ActKind::SigningKey).by_way_of("rotate").on("SigningKey", &kid).under("operator");
        self.act(move |tx| {
            async move {
                signing_keys::insert_next(tx, &next).await?;
                Ok(((), Some(act)))
            }
            .boxed()
        })
        .await?;
        Ok(kid)
    }

    /// Makes the next key when the newest is as old as the configuration lets it become: published at once, it signs a
    /// day later. Of several processes one makes it.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn rotate_signing_key_in_time(&self) -> Result<bool, SigningError> {
        let Some(longest) = self.lifetimes.signing_key else { return Ok(false) };
        let newest = self.signing_key_states().await?.pop().ok_or(SigningError::Key(KeyError))?;
        let now = self.clock.now();
        if now < newest.created.plus(longest) {
            return Ok(false);
        }
        let next = self.make_signing_key(now.plus(FETCHED_BY)).await?;
        let act = self.new_act(ActKind::SigningKey).by_way_of("rotate").on("SigningKey", &next.kid).under("schedule");
        let made = self
            .act(move |tx| {
                async move {
                    let is_newest = signing_keys::all(&mut *tx).await?.last().is_some_and(|key| key.kid == newest.kid);
                    if is_newest {
                        signing_keys::insert_next(tx, &next).await?;
                    }
                    Ok((is_newest, is_newest.then_some(act)))
                }
                .boxed()
            })
            .await?;
        Ok(made)
    }

    /// Takes a key away at once, such as one that became known: what it signed verifies no more. If nothing else could
    /// sign, a new one does from now on.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] when there is none with this id.
    pub async fn drop_signing_key(&self, kid: &str) -> Result<(), SigningError> {
        let now = self.clock.now();
        let states = self.signing_key_states().await?;
        let has_other = states.iter().any(|key| key.kid != kid && key.signs_from <= now);
        let next = if has_other { None } else { Some(self.make_signing_key(now).await?) };
        let act = self.new_act(ActKind::SigningKey).by_way_of("drop").on("SigningKey", kid).under("operator");
        let kid = kid.to_owned();
        self.act(move |tx| {
            async move {
                if let Some(next) = &next {
                    signing_keys::insert_next(tx, next).await?;
                }
                signing_keys::delete(tx, &kid).await?;
                Ok(((), Some(act)))
            }
            .boxed()
        })
        .await?;
        Ok(())
    }

    /// The stored keys; those that are `known` are not opened anew.
    async fn load_signing_keys(&self, known: Option<&SigningKeys>) -> Result<Vec<TimedKey>, SigningError> {
        let mut keys = Vec::new();
        for stored in signing_keys::all(&self.db).await? {
            let SealedKey { kid, sealed, created, signs_from } = stored;
            let same = known.and_then(|known| known.keys.iter().find(|key| key.key.kid() == kid));
            let key = match same {
                Some(same) => same.key.clone(),
                None => {
                    let der = self.keys.open(kid.as_bytes(), &sealed).map_err(|_| KeyError)?;
                    Arc::new(SigningKey::from_pkcs8(&der)?)
                }
            };
            keys.push(TimedKey { key, created, signs_from });
        }
        Ok(keys)
    }

    async fn make_signing_key(&self, signs_from: Instant) -> Result<SealedKey, SigningError> {
        let random = self.random.clone();
        let made = tokio::task::spawn_blocking(move || SigningKey::generate(&*random)).await.map_err(|_| KeyError)?;
        let (key, der) = made?;
        let sealed = self.keys.seal(&*self.random, key.kid().as_bytes(), der.expose());
        Ok(SealedKey { kid: key.kid().to_owned(), sealed, created: self.clock.now(), signs_from })
    }
}
