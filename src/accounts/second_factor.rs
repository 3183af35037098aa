//! What is asked for beside the password, where somebody chose so: a generator's one-time password, or a saved code.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::FutureExt;

use super::notice::queue_all;
use super::{AccountError, Accounts, Lane, NewSession, Verdict};
use crate::audit::ActKind;
use crate::authorization::SignedIn;
use crate::base::hash::{base32, hmac_sha256};
use crate::base::id::{AccountId, InvitationId, LinkId};
use crate::base::secret::Secret;
use crate::identity::{TotpSecret, check_password};
use crate::storage::second_factors::{self, StoredTotp};
use crate::storage::sessions::{self, Advance, SessionState};
use crate::storage::{StorageError, Tx, accounts, invitations};

/// Time for the second step of a sign-in.
pub(super) const SECOND_STEP: Duration = Duration::from_secs(600);
/// Saved codes.
const CODES: usize = 10;

/// What an account has beside its password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondFactors {
    /// A generator is in use.
    pub totp: bool,
    /// Saved codes that are left.
    pub codes: u64,
}

/// What was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The generator's password of this step.
    Totp(i64),
    /// A saved code.
    Code([u8; 32]),
    /// A slip from the desk, for a chart that is linked to the account's holder.
    Slip(InvitationId, LinkId),
}

impl Shown {
    /// Uses it up: true for exactly one caller.
    pub(super) async fn use_up(
        self,
        tx: &mut Tx,
        account: AccountId,
        now: crate::base::clock::Instant,
    ) -> Result<bool, StorageError> {
        match self {
            Self::Totp(step) => second_factors::use_step(tx, account, step, now).await,
            Self::Code(hash) => second_factors::use_code(tx, account, &hash).await,
            Self::Slip(slip, link) => invitations::redeem(tx, slip, now, account, Some(link)).await,
        }
    }

    pub(super) const fn factor(self) -> &'static str {
        match self {
            Self::Totp(_) => "password totp",
            Self::Code(_) => "password saved-code",
            Self::Slip(..) => "desk-slip",
        }
    }
}

/// A sign-in that is complete.
#[derive(Debug)]
pub struct Completed {
    /// The session.
    pub session: NewSession,
    /// The saved code that takes the place of the one that was used: shown once.
    pub new_code: Option<Secret<String>>,
}

impl Accounts {
    /// What an account has beside its password.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn second_factors(&self, account: AccountId) -> Result<SecondFactors, StorageError> {
        let totp = second_factors::totp(&self.db, account).await?;
        Ok(SecondFactors {
            totp: totp.is_some_and(|totp| totp.confirmed.is_some()),
            codes: second_factors::codes_left(&self.db, account).await?,
        })
    }

    /// A new generator's secret: it counts once a password of it was shown.
    ///
    /// # Errors
    /// [`AccountError`]; `NotFound` where a generator is in use.
    pub async fn begin_totp(&self, who: &SignedIn) -> Result<TotpSecret, AccountError> {
        self.require_proof(who)?;
        let secret = TotpSecret::new(self.random.bytes());
        let account = who.account;
        let sealed = self.factor_sealer.seal(&*self.random, account.to_string().as_bytes(), secret.expose());
        let now = self.clock.now();
        let kept =
            self.db.write(move |tx| async move { second_factors::put_totp(tx, account, &sealed, now).await }.boxed());
        if kept.await? { Ok(secret) } else { Err(AccountError::NotFound) }
    }

    /// The secret that waits to be confirmed.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn waiting_totp(&self, who: &SignedIn) -> Result<TotpSecret, AccountError> {
        let totp = second_factors::totp(&self.db, who.account).await?;
        let totp = totp.filter(|totp| totp.confirmed.is_none()).ok_or(AccountError::NotFound)?;
        self.secret_of(who.account, &totp).ok_or(AccountError::NotFound)
    }

    fn secret_of(&self, account: AccountId, totp: &StoredTotp) -> Option<TotpSecret> {
        let plain = self.factor_sealer.open(account.to_string().as_bytes(), &totp.sealed).ok()?;
        plain.try_into().ok().map(TotpSecret::new)
    }

    /// Takes the new generator into use. Saved codes come with it.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn confirm_totp(&self, who: &SignedIn, typed: &str) -> Result<Vec<Secret<String>>, AccountError> {
        self.require_proof(who)?;
        let account = who.account;
        self.throttle.attempt_name(&format!("second {account}"), self.clock.now())?;
        let step = self.waiting_totp(who).await?.step_of(typed, self.clock.now()).ok_or(AccountError::Wrong)?;
        let (codes, hashes) = self.new_codes(CODES);
        let letters = self.sign_in_changed(account).await?;
        let now = self.clock.now();
        let act = self.new_act(ActKind::Credential).by(account).by_way_of("totp").on("Account", account);
        self.acts
            .write(move |tx| {
                async move {
                    if !second_factors::use_step(tx, account, step, now).await? {
                        return Err(AccountError::Wrong);
                    }
                    replace_codes(tx, account, &hashes, now).await?;
                    queue_all(tx, letters).await?;
                    Ok((codes, Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// New saved codes in place of the old ones.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn renew_codes(&self, who: &SignedIn) -> Result<Vec<Secret<String>>, AccountError> {
        self.require_proof(who)?;
        self.require_no_hold(who.account).await?;
        let account = who.account;
        let (codes, hashes) = self.new_codes(CODES);
        let letters = self.sign_in_changed(account).await?;
        let now = self.clock.now();
        let act = self.new_act(ActKind::Credential).by(account).by_way_of("saved-codes").on("Account", account);
        self.acts
            .write(move |tx| {
                async move {
                    replace_codes(tx, account, &hashes, now).await?;
                    queue_all(tx, letters).await?;
                    Ok((codes, Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// The generator is not asked for any more. The password is alone again, and must be long enough for that.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn end_totp(&self, who: &SignedIn, password: &Secret<String>) -> Result<(), AccountError> {
        self.require_proof(who)?;
        let account = accounts::by_id(&self.db, who.account).await?.ok_or(AccountError::NotFound)?;
        self.throttle.attempt_name(account.username.folded(), self.clock.now())?;
        let stored = self.usable_password(&account).await?;
        if self.passwords.verify(password, stored, Lane::Home).await? == Verdict::Wrong {
            self.refused(Some(&account), Some(&account), "password").await?;
            return Err(AccountError::Wrong);
        }
        check_password(password.expose(), account.username.folded()).map_err(super::PasswordError::Refused)?;
        self.drop_totp(account.id, who.account.into(), "user").await
    }

    /// The operator ends it for somebody who cannot sign in any more and was seen to be who they say.
    ///
    /// # Errors
    /// [`AccountError::NotFound`].
    pub async fn end_totp_by_operator(&self, account: AccountId) -> Result<(), AccountError> {
        self.drop_totp(account, None, "operator").await
    }

    async fn drop_totp(&self, id: AccountId, by: Option<AccountId>, rule: &str) -> Result<(), AccountError> {
        let letters = self.sign_in_changed(id).await?;
        let act = self.new_act(ActKind::Credential).by(by).by_way_of("totp-off").on("Account", id).under(rule);
        self.acts
            .write(move |tx| {
                async move {
                    if !second_factors::delete_totp(tx, id).await? {
                        return Err(AccountError::NotFound);
                    }
                    queue_all(tx, letters).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// Saved codes of 80 bits, as somebody writes them down, and their keyed hashes.
    fn new_codes(&self, count: usize) -> (Vec<Secret<String>>, Vec<[u8; 32]>) {
        let codes: Vec<_> = (0..count).map(|_| base32(&self.random.bytes::<10>())).collect();
        let hashes = codes.iter().map(|code| self.saved_code_hash(code)).collect();
        let shown = codes.iter().map(|code| {
            let groups: Vec<&str> =
                code.as_bytes().chunks(4).filter_map(|part| std::str::from_utf8(part).ok()).collect();
            Secret::new(groups.join("-"))
        });
        (shown.collect(), hashes)
    }

    fn saved_code_hash(&self, plain: &str) -> [u8; 32] {
        hmac_sha256(self.code_key.expose(), &[b"saved code", plain.as_bytes()])
    }

    /// What somebody typed, as far as it is a second factor of the account. A saved code is looked up when it is used.
    pub(super) async fn shown(&self, account: AccountId, typed: &str) -> Result<Option<Shown>, AccountError> {
        self.throttle.attempt_name(&format!("second {account}"), self.clock.now())?;
        let plain: String = typed.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
        if plain.len() != 6 {
            // Crockford's alphabet: letters that look like digits are those digits.
            let plain: String = plain
                .chars()
                .map(|c| match c {
                    'o' => '0',
                    'i' | 'l' => '1',
                    c => c,
                })
                .collect();
            return Ok(Some(Shown::Code(self.saved_code_hash(&plain))).filter(|_| plain.len() == 16));
        }
        let totp = second_factors::totp(&self.db, account).await?.filter(|totp| totp.confirmed.is_some());
        let secret = totp.and_then(|totp| self.secret_of(account, &totp));
        Ok(secret.and_then(|secret| secret.step_of(&plain, self.clock.now())).map(Shown::Totp))
    }

    /// The second step of a sign-in.
    ///
    /// # Errors
    /// [`AccountError`]; `NotFound` when no sign-in with this cookie has come so far.
    pub async fn complete_sign_in(
        &self,
        cookie: &str,
        typed: &str,
        _address: Option<IpAddr>,
    ) -> Result<Completed, AccountError> {
        let pending = self.pending(cookie, SessionState::SecondFactor).await?;
        let (session, old) = pending.ok_or(AccountError::NotFound)?;
        let account = session.account;
        let Some(shown) = self.shown(account, typed).await? else {
            return Err(self.wrong_second_factor(account).await);
        };
        let (cookie, hash) = self.new_cookie();
        let now = self.clock.now();
        let expires = now.plus(self.session_longest);
        let factors = shown.factor().to_owned();
        let step = Advance { from: SessionState::SecondFactor, to: SessionState::Open, factors, expires };
        let (new_code, hashes) = self.new_codes(usize::from(matches!(shown, Shown::Code(_))));
        let act = self.new_act(ActKind::SignIn).by(account).by_way_of(shown.factor());
        let done = self.acts.write(move |tx| {
            async move {
                if !shown.use_up(&mut *tx, account, now).await? {
                    return Err(AccountError::Wrong);
                }
                for hash in hashes {
                    second_factors::insert_code(&mut *tx, account, &hash, now).await?;
                }
                if !sessions::advance(tx, (&old, &hash), &step, now).await? {
                    return Err(AccountError::NotFound);
                }
                Ok(((), Some(act)))
            }
            .boxed()
        });
        match done.await {
            Err(AccountError::Wrong) => Err(self.wrong_second_factor(account).await),
            Err(error) => Err(error),
            Ok(()) => {
                self.throttle.proven(&format!("second {account}"), None);
                let session = NewSession { cookie, account, state: SessionState::Open, expires };
                Ok(Completed { session, new_code: new_code.into_iter().next() })
            }
        }
    }

    pub(super) async fn wrong_second_factor(&self, account: AccountId) -> AccountError {
        let act = self.new_act(ActKind::SignIn).by(account).by_way_of("second-factor").refused("second-factor");
        match self.acts.record(act).await {
            Ok(()) => AccountError::Wrong,
            Err(error) => error.into(),
        }
    }
}

async fn replace_codes(
    tx: &mut Tx,
    account: AccountId,
    hashes: &[[u8; 32]],
    now: crate::base::clock::Instant,
) -> Result<(), StorageError> {
    second_factors::delete_codes(&mut *tx, account).await?;
    for hash in hashes {
        second_factors::insert_code(&mut *tx, account, hash, now).await?;
    }
    Ok(())
}
