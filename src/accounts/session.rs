//! Sessions: a 256-bit value in a cookie, its hash in the database.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::FutureExt;

use super::password_change::MOST_FAILURES;
use super::second_factor::SECOND_STEP;
use super::{Accounts, PasswordError, Throttled, Verdict};
use crate::audit::ActKind;
use crate::authorization::SignedIn;
use crate::base::clock::Instant;
use crate::base::hash::sha256;
use crate::base::id::{AccountId, SessionId};
use crate::base::secret::Secret;
use crate::identity::{Account, Username};
use crate::oauth::token::TokenKind;
use crate::storage::sessions::{self, SessionState, StoredSession};
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
    /// The browser, in a few words.
    pub browser: String,
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
    /// How far the sign-in has come: nobody is signed in before it is open.
    pub state: SessionState,
    /// When it ends.
    pub expires: Instant,
}

/// How a session begins.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) account: AccountId,
    /// The cookie that the browser had.
    pub(super) previous: Option<String>,
    /// The old hash of the password and the one that takes its place.
    pub(super) renewed: Option<(Secret<String>, Secret<String>)>,
    pub(super) factors: &'static str,
    pub(super) browser: String,
    pub(super) state: SessionState,
    /// Less than a session's usual time.
    pub(super) lifetime: Option<Duration>,
    /// When they showed who they are, if that is not now.
    pub(super) proved: Option<Instant>,
}

impl Beginning {
    pub(super) const fn new(account: AccountId, factors: &'static str, browser: String) -> Self {
        Self {
            account,
            previous: None,
            renewed: None,
            factors,
            browser,
            state: SessionState::Open,
            lifetime: None,
            proved: None,
        }
    }
}

/// The account of a name, or the one whose name lies next to it: a name that nobody has costs what another one costs.
struct Nearest {
    account: Option<Account>,
    is_it: bool,
}

impl Nearest {
    fn known(&self) -> Option<&Account> {
        self.account.as_ref().filter(|_| self.is_it)
    }
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
                let nearest = self.nearest(&name).await?;
                self.refused(nearest.known(), None, "throttled").await?;
            }
            return Err(throttled.into());
        }
        let lane = self.lanes.enter(request.address);
        let nearest = self.nearest(&name).await?;
        let is_usable = match &nearest.account {
            Some(account) => accounts::standing(&self.db, account.id).await?.password_failures < MOST_FAILURES,
            None => true,
        };
        // The hash of whoever is nearest is worked on, and opens nothing to others: each hash takes a time of its own.
        let stored = nearest.account.as_ref().and_then(|account| account.password_hash.clone());
        let verdict = self.passwords.verify(&request.password, stored.clone(), lane).await?;
        let account = nearest.known().filter(|account| account.is_active() && is_usable);
        let Some(account) = account.filter(|_| verdict != Verdict::Wrong) else {
            let rule = match nearest.known() {
                None => "unknown",
                Some(account) if account.is_active() && !is_usable => "disabled",
                Some(account) if account.is_active() => "password",
                Some(_) => "closed",
            };
            self.refused(nearest.known(), nearest.account.as_ref(), rule).await?;
            return Err(SignInError::Wrong);
        };
        self.lanes.proven(request.address);
        self.throttle.proven(&name, request.address);
        let renewed = match (verdict, stored) {
            (Verdict::RightButOutdated, Some(old)) => {
                Some((old, self.passwords.hash(&request.password, &*self.random).await?))
            }
            _ => None,
        };
        let mut new = Beginning {
            previous: request.previous,
            renewed,
            ..Beginning::new(account.id, "password", request.browser)
        };
        if self.second_factors(account.id).await?.totp {
            new.state = SessionState::SecondFactor;
            new.lifetime = Some(SECOND_STEP);
        }
        self.begin_session(new).await
    }

    pub(super) async fn account_named(&self, username: Option<&Username>) -> Result<Option<Account>, StorageError> {
        match username {
            Some(username) => accounts::by_username(&self.db, username).await,
            None => Ok(None),
        }
    }

    async fn nearest(&self, name: &str) -> Result<Nearest, StorageError> {
        let account = accounts::nearest(&self.db, name).await?;
        let is_it = account.as_ref().is_some_and(|account| account.username.folded() == name);
        Ok(Nearest { account, is_it })
    }

    /// Records that somebody was not let in. Of a name that nobody has nothing is kept: people type passwords there.
    /// A wrong password counts against the account whose row is `written`, if it is theirs.
    pub(super) async fn refused(
        &self,
        account: Option<&Account>,
        written: Option<&Account>,
        rule: &str,
    ) -> Result<(), StorageError> {
        let (id, now) = (account.map(|account| account.id), self.clock.now());
        let act = self.new_act(ActKind::SignIn).by_way_of("password").by(id).refused(rule);
        let written = written.map(|account| account.id);
        self.acts
            .write(move |tx| {
                async move {
                    if let Some(written) = written {
                        accounts::count_failure(tx, written, id == Some(written), now).await?;
                    }
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// Begins a session, or the part of one that is good for the next step only.
    pub(super) async fn begin_session(&self, new: Beginning) -> Result<NewSession, SignInError> {
        let account = new.account;
        let act = self.new_act(ActKind::SignIn).by(account).by_way_of(new.factors);
        let (cookie, hash) = self.new_cookie();
        let now = self.clock.now();
        let expires = now.plus(new.lifetime.map_or(self.session_longest, |short| short.min(self.session_longest)));
        let session = StoredSession {
            id: SessionId::mint(&*self.random),
            account,
            signed_in: now,
            last_used: now,
            expires,
            proved: new.proved.unwrap_or(now),
            factors: new.factors.to_owned(),
            browser: new.browser,
            state: new.state,
        };
        let previous = new.previous.as_deref().and_then(|cookie| TokenKind::Session.hash(cookie));
        let renewed = new.renewed;
        self.acts
            .write(move |tx| {
                async move {
                    if let Some(previous) = previous {
                        sessions::delete(tx, &previous).await?;
                    }
                    if let Some((old, new)) = renewed {
                        accounts::renew_password_hash(tx, account, &old, &new).await?;
                    }
                    if session.state != SessionState::Recovery {
                        accounts::forget_failures(tx, account).await?;
                    }
                    sessions::insert(tx, &hash, &session).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
            .map_err(|error: StorageError| SignInError::Storage(error))?;
        Ok(NewSession { cookie, account, state: new.state, expires })
    }

    /// A value for a session cookie, and its hash.
    pub(super) fn new_cookie(&self) -> (Secret<String>, [u8; 32]) {
        let cookie = TokenKind::Session.mint(&*self.random);
        let hash = sha256(cookie.expose().as_bytes());
        (cookie, hash)
    }

    /// The sign-in under way with this cookie, if it has come so far and no further.
    pub(super) async fn pending(
        &self,
        cookie: &str,
        state: SessionState,
    ) -> Result<Option<(StoredSession, [u8; 32])>, StorageError> {
        let Some(hash) = TokenKind::Session.hash(cookie) else { return Ok(None) };
        let now = self.clock.now();
        let found = sessions::get(&self.db, &hash).await?;
        Ok(found.filter(|session| session.state == state && now < session.expires).map(|session| (session, hash)))
    }

    /// Who is signed in with this cookie, if anybody still is.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn session(&self, cookie: &str) -> Result<Option<SignedIn>, StorageError> {
        let Some(hash) = TokenKind::Session.hash(cookie) else { return Ok(None) };
        let Some(stored) = sessions::get(&self.db, &hash).await? else { return Ok(None) };
        let now = self.clock.now();
        if stored.state != SessionState::Open
            || now >= stored.expires
            || now.since(stored.last_used) >= self.session_idle
        {
            return Ok(None);
        }
        if now.since(stored.last_used) >= TOUCH_AFTER {
            self.db.write(move |tx| async move { sessions::touch(tx, &hash, now).await }.boxed()).await?;
        }
        Ok(Some(SignedIn {
            account: stored.account,
            signed_in: stored.signed_in,
            expires: stored.expires,
            hash,
            session: stored.id,
            proved: stored.proved,
            factors: stored.factors,
        }))
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
