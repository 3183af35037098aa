//! Whose token it is: one look-up in memory, or one in the database when it is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use moka::sync::Cache;

use super::AuthorizationServer;
use crate::access::{Behalf, Subject};
use crate::base::clock::Instant;
use crate::base::id::AuthorizationId;
use crate::oauth::token::TokenKind;
use crate::storage::callers::{self, Caller};
use crate::storage::{StorageError, authorizations, system_tokens, tokens};

/// The use of an authorization is written down at most this often.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// Why a bearer token opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unauthenticated {
    /// Unknown, expired, revoked, of another kind; or its client, account or right to the person has ended. Which of
    /// them is nobody's business.
    #[error("the access token is not valid")]
    Invalid,
    /// The token is good, the proof of its key is not (RFC 9449 §7.1).
    #[error("the DPoP proof is not valid")]
    Proof,
    /// The database did not answer: nothing is known of the token.
    #[error("the access token cannot be checked: {0}")]
    Unavailable(#[from] StorageError),
}

/// What a token stood for when the generation was `generation`.
#[derive(Clone, Debug)]
struct Snapshot {
    subject: Arc<Subject>,
    generation: i64,
    /// The end of the token or of the right to the person, whichever is first.
    until: Instant,
    /// When its use was last written down, in microseconds.
    noted: Arc<AtomicI64>,
}

/// Snapshots by token hash.
#[derive(Clone, Debug)]
pub(super) struct Snapshots(Cache<[u8; 32], Snapshot>);

impl Default for Snapshots {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(50_000).time_to_live(Duration::from_secs(600)).build())
    }
}

impl AuthorizationServer {
    /// Whose token `bearer` is, and what may be done with it, as of now: a change of rights shows at once when this
    /// process made it, and within a second when another did. One that is bound to a key is no bearer token (RFC 9449
    /// §7.2).
    ///
    /// # Errors
    /// [`Unauthenticated`].
    pub async fn authenticate(&self, bearer: &str) -> Result<Arc<Subject>, Unauthenticated> {
        let subject = self.look_up(bearer).await?;
        if subject.key.is_none() { Ok(subject) } else { Err(Unauthenticated::Invalid) }
    }

    /// Whose token it is, whether or not it was shown as it must be.
    pub(super) async fn look_up(&self, token: &str) -> Result<Arc<Subject>, Unauthenticated> {
        let (kind, hash) = [TokenKind::Access, TokenKind::System]
            .into_iter()
            .find_map(|kind| Some((kind, kind.hash(token)?)))
            .ok_or(Unauthenticated::Invalid)?;
        // Read before the rows are: a change in between makes the snapshot old, never the other way round.
        let generation = self.generation.current();
        let now = self.clock.now();
        if let (Some(generation), Some(snapshot)) = (generation, self.snapshots.0.get(&hash))
            && snapshot.generation == generation
        {
            if now >= snapshot.until {
                return Err(Unauthenticated::Invalid);
            }
            self.note_use(&snapshot.noted, snapshot.subject.authorization(), now);
            return Ok(snapshot.subject);
        }
        // Boxed: most requests find their snapshot, and should not hold room for the queries.
        let (subject, until, noted) = match kind {
            TokenKind::System => Box::pin(self.load_system(hash, now)).await?,
            _ => Box::pin(self.load(hash, now)).await?,
        };
        let (subject, noted) = (Arc::new(subject), Arc::new(AtomicI64::new(noted)));
        self.note_use(&noted, subject.authorization(), now);
        if let Some(generation) = generation {
            self.snapshots.0.insert(hash, Snapshot { subject: subject.clone(), generation, until, noted });
        }
        Ok(subject)
    }

    async fn load(&self, hash: [u8; 32], now: Instant) -> Result<(Subject, Instant, i64), Unauthenticated> {
        let caller = callers::by_token(&self.db, &hash, now).await?.ok_or(Unauthenticated::Invalid)?;
        let Caller { bearer, right, standing, links } = caller;
        if now >= bearer.expires {
            return Err(Unauthenticated::Invalid);
        }
        let (person, until) = match (bearer.person, right) {
            (None, _) => (None, bearer.expires),
            (Some(_), Some((person, end))) => (Some(person), end.map_or(bearer.expires, |end| end.min(bearer.expires))),
            (Some(_), None) => return Err(Unauthenticated::Invalid),
        };
        if let Some(refresh) = bearer.refresh_to_activate {
            // From here on the refresh token before this pair is worthless: to be durable before the first answer.
            self.db.write(move |tx| async move { tokens::activate_refresh(tx, &refresh, now).await }.boxed()).await?;
        }
        let noted = bearer.last_used.map_or(i64::MIN, Instant::micros);
        let subject = Subject {
            behalf: Behalf::User { account: bearer.account, authorization: bearer.authorization },
            client: bearer.client,
            person,
            scopes: bearer.scopes,
            links,
            standing,
            key: bearer.key,
            token_hash: hash,
            expires_at: bearer.expires,
        };
        Ok((subject, until, noted))
    }

    /// Writes down, beside the request, that the app asked for something, unless that was done a moment ago.
    fn note_use(&self, noted: &AtomicI64, authorization: Option<AuthorizationId>, now: Instant) {
        // A backend service is connected by the operator: no person looks at when it asked.
        let Some(authorization) = authorization else { return };
        let before = noted.load(Ordering::Relaxed);
        if before > now.minus(NOTED_EVERY).micros()
            || noted.compare_exchange(before, now.micros(), Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let db = self.db.clone();
        tokio::spawn(async move {
            let written: Result<(), StorageError> =
                db.write(move |tx| async move { authorizations::touch(tx, authorization, now).await }.boxed()).await;
            if let Err(error) = written {
                tracing::warn!(%error, "the last use of an app was not written down");
            }
        });
    }

    /// A backend service: whose record it is about, each request says.
    async fn load_system(&self, hash: [u8; 32], now: Instant) -> Result<(Subject, Instant, i64), Unauthenticated> {
        let bearer = system_tokens::bearer(&self.db, &hash).await?.ok_or(Unauthenticated::Invalid)?;
        if now >= bearer.expires {
            return Err(Unauthenticated::Invalid);
        }
        let subject = Subject {
            behalf: Behalf::System { sources: bearer.sources },
            client: bearer.client,
            person: None,
            scopes: bearer.scopes.of_system(),
            links: Vec::new(),
            standing: None,
            key: bearer.key,
            token_hash: hash,
            expires_at: bearer.expires,
        };
        Ok((subject, bearer.expires, i64::MIN))
    }
}
