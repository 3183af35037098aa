//! Sessions: a 256-bit value in a cookie, its hash in the database.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::FutureExt;

use super::{Accounts, PasswordError, Throttled, Verdict};
use crate::audit::ActKind;
use crate::authorization::SignedIn;
use crate::base::id::AccountId;
use crate::base::secret::Secret;
use crate::identity::{Account, Username};
use crate::oauth::token::TokenKind;
use crate::storage::sessions::{self, StoredSession};
use crate::storage::{StorageError, accounts};

/// The use of a session is written down at most this often.
const TOUCH_AFTER: Duration = Duration::from_secs(60);

/// What somebody typed to sign in.
#[derive(Debug)]
pub struct SignIn {
    /// The username.
    pub username: String,
    /// The password.
    pub password: Secret<String>,
    /// Where the request came from, as far as it is known.
    pub address: Option<IpAddr>,
    /// The session cookie that the browser had, which ends with this sign-in (session fixation).
    pub previous: Option<String>,
}

/// Why somebody is not signed in. Never says which of name and password was wrong.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The name or the password is wrong, or the account is closed.
    #[error("username or password is not right")]
    Wrong,
    /// Too many tries.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The password could not be checked.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A session just begun.
#[derive(Debug)]
pub struct NewSession {
    /// The value for the cookie.
    pub cookie: Secret<String>,
    /// Who signed in.
    pub account: AccountId,
}

impl Accounts {
    /// Signs somebody in and begins a session with a new id.
    ///
    /// # Errors
    /// [`SignInError`]. A name that nobody has costs the same work as a wrong password.
    pub async fn sign_in(&self, request: SignIn) -> Result<NewSession, SignInError> {
        let username = Username::new(&request.username).ok();
        let name = username.as_ref().map_or("", Username::folded).to_owned();
        let attempt = self.throttle.attempt(&name, request.address, self.clock.now());
        if let Err(throttled) = attempt {
            // One entry for each wait: knocking on during it costs nothing, and would fill the audit trail.
            if throttled.first {
                let account = self.account_named(username.as_ref()).await?;
                self.refused(account.as_ref(), "throttled").await?;
            }
            return Err(throttled.into());
        }
        let known = self.account_named(username.as_ref()).await?;
        let account = known.as_ref().filter(|account| account.is_active());
        let stored = account.and_then(|account| account.password_hash.clone());
        let verdict = self.passwords.verify(&request.password, stored.clone()).await?;
        let Some(account) = account.filter(|_| verdict != Verdict::Wrong) else {
            let rule = match &known {
                None => "unknown",
                Some(account) if account.is_active() => "password",
                Some(_) => "closed",
            };
            self.refused(known.as_ref(), rule).await?;
            return Err(SignInError::Wrong);
        };
        self.throttle.proven(&name, request.address);
        let renewed = match (verdict, stored) {
            (Verdict::RightButOutdated, Some(old)) => {
                Some((old, self.passwords.hash(&request.password, &*self.random).await?))
            }
            _ => None,
        };
        self.begin_session(account.id, request.previous.as_deref(), renewed).await
    }

    async fn account_named(&self, username: Option<&Username>) -> Result<Option<Account>, StorageError> {
        match username {
            Some(username) => accounts::by_username(&self.db, username).await,
            None => Ok(None),
        }
    }

    /// Records that somebody was not let in. Of a name that nobody has nothing is kept: people type passwords there.
    async fn refused(&self, account: Option<&Account>, rule: &str) -> Result<(), StorageError> {
        let act = self.new_act(ActKind::SignIn).by_way_of("password");
        self.acts.record(act.by(account.map(|account| account.id)).refused(rule)).await
    }

    /// Begins a session; `renewed` is the old hash of the password and the one that takes its place.
    async fn begin_session(
        &self,
        account: AccountId,
        previous: Option<&str>,
        renewed: Option<(Secret<String>, Secret<String>)>,
    ) -> Result<NewSession, SignInError> {
        let cookie = TokenKind::Session.mint(&*self.random);
        let previous = previous.and_then(|cookie| TokenKind::Session.hash(cookie));
        let Some(hash) = TokenKind::Session.hash(cookie.expose()) else { return Err(SignInError::Wrong) };
        let now = self.clock.now();
        let session =
            StoredSession { account, signed_in: now, last_used: now, expires: now.plus(self.session_longest) };
        let act = self.new_act(ActKind::SignIn).by(account).by_way_of("password");
        self.acts
            .write(move |tx| {
                async move {
                    if let Some(previous) = previous {
                        sessions::delete(tx, &previous).await?;
                    }
                    if let Some((old, new)) = renewed {
                        accounts::renew_password_hash(tx, account, &old, &new).await?;
                    }
                    sessions::insert(tx, &hash, &session).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
            .map_err(|error: StorageError| SignInError::Storage(error))?;
        Ok(NewSession { cookie, account })
    }

    /// Who is signed in with this cookie, if anybody still is.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn session(&self, cookie: &str) -> Result<Option<SignedIn>, StorageError> {
        let Some(hash) = TokenKind::Session.hash(cookie) else { return Ok(None) };
        let Some(stored) = sessions::get(&self.db, &hash).await? else { return Ok(None) };
        let now = self.clock.now();
        if now >= stored.expires || now.since(stored.last_used) >= self.session_idle {
            return Ok(None);
        }
        if now.since(stored.last_used) >= TOUCH_AFTER {
            self.db.write(move |tx| async move { sessions::touch(tx, &hash, now).await }.boxed()).await?;
        }
        Ok(Some(SignedIn { account: stored.account, signed_in: stored.signed_in, expires: stored.expires, hash }))
    }

    /// Ends the session of this cookie.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn sign_out(&self, cookie: &str) -> Result<(), StorageError> {
        let Some(hash) = TokenKind::Session.hash(cookie) else { return Ok(()) };
        let act = self.new_act(ActKind::SignOut);
        self.acts
            .write(move |tx| {
                async move {
                    let ended = sessions::delete(tx, &hash).await?;
                    Ok(((), ended.map(|account| act.by(account))))
                }
                .boxed()
            })
            .await
    }
}
