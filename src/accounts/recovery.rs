//! The way back in. Whoever asks gets the same answer; a job looks who it was and writes to the addresses on file. The link
//! alone opens nothing: it takes a second factor or a saved code with it, and without either the way leads to a desk.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::FutureExt;

use super::notice::queue_all;
use super::second_factor::Shown;
use super::session::Beginning;
use super::{AccountError, Accounts, NewSession, SecondFactors};
use crate::audit::ActKind;
use crate::authorization::current_person;
use crate::base::id::{AccountId, PersonId, RecoveryId};
use crate::base::secret::Secret;
use crate::identity::{Account, ActivationCode, Contact, ContactKind, Username};
use crate::mail::{Minutes, template};
use crate::storage::challenges::{self, Challenge, Purpose};
use crate::storage::recoveries::{self, RecoveryRequest};
use crate::storage::sessions::{self, Advance, SessionState};
use crate::storage::{StorageError, accounts, contacts, federated_identities, invitations, links, proofings};

/// The link is good for so long (portal design 2.8).
const LINK: Duration = Duration::from_secs(1_800);
/// Time to choose a new password, once the link was used.
const FINISH: Duration = Duration::from_secs(1_800);
/// Longer names and addresses than this are nobody's, in bytes.
const LONGEST: usize = 1_024;
/// Requests that are looked at together.
const BATCH: i64 = 50;

/// Somebody who came by the link.
#[derive(Clone, Debug)]
pub struct Returning {
    /// The name to sign in with, which they may have forgotten.
    pub username: String,
    /// What they can show beside the link.
    pub can_show: SecondFactors,
}

impl Accounts {
    /// Somebody asks for the way back in, by username or e-mail address. Takes the same work whoever it is.
    ///
    /// # Errors
    /// [`AccountError::Throttled`] by the address it comes from, [`AccountError::Storage`].
    pub async fn ask_for_recovery(&self, typed: &str, address: Option<IpAddr>) -> Result<(), AccountError> {
        self.throttle.attempt("", address, self.clock.now())?;
        let id = RecoveryId::mint(&*self.random);
        let end = typed.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST).last();
        let typed = typed.get(..end.unwrap_or(0)).unwrap_or_default();
        // One length for all: what is stored tells nothing either.
        let mut plain = typed.as_bytes().to_vec();
        plain.resize(LONGEST, 0);
        let sealed = self.factor_sealer.seal(&*self.random, id.to_string().as_bytes(), &plain);
        let request = RecoveryRequest { id, sealed, created: self.clock.now() };
        Ok(self.db.write(move |tx| async move { recoveries::insert(tx, &request).await }.boxed()).await?)
    }

    /// Looks who asked, and writes to them. Says how many were known.
    ///
    /// # Errors
    /// [`StorageError`]; requests that were not looked at wait on.
    pub async fn answer_recovery_requests(&self) -> Result<usize, StorageError> {
        let _answering = self.answering.lock().await;
        let mut known = 0;
        for request in recoveries::waiting(&self.db, BATCH).await? {
            let id = request.id;
            if !self.db.write(move |tx| async move { recoveries::take(tx, id).await }.boxed()).await? {
                continue;
            }
            let opened = self.factor_sealer.open(id.to_string().as_bytes(), &request.sealed).unwrap_or_default();
            let typed = String::from_utf8(opened).unwrap_or_default();
            known += usize::from(self.write_the_way_back(typed.trim_end_matches('\0').trim()).await?);
        }
        Ok(known)
    }

    async fn write_the_way_back(&self, typed: &str) -> Result<bool, StorageError> {
        let Some(account) = self.account_of(typed).await? else { return Ok(false) };
        // Somebody else's mailbox is not to be filled: five an hour, then fewer.
        if self.throttle.attempt_name(&format!("recovery {account}"), self.clock.now()).is_err() {
            return Ok(true);
        }
        let asked = self.ask(Purpose::Recovery, account, String::new(), LINK);
        let link = self.outbox.link_with("/recover/link", &asked.token);
        let minutes = Minutes(u32::try_from(LINK.as_secs() / 60).unwrap_or_default());
        let letter = template::Recovery { link, minutes };
        let language = accounts::language(&self.db, account).await?;
        let to: Vec<Contact> = self.addresses(account).await?;
        let to = to.iter().filter(|contact| contact.kind() == ContactKind::Email);
        let letters: Vec<_> = to.map(|to| self.outbox.letter(to, language, &letter).good_for(LINK)).collect();
        let challenge = Challenge { code_hash: None, ..asked.challenge };
        let act = self.new_act(ActKind::Recovery).by(account).by_way_of("ask").on("Account", account);
        self.acts
            .write(move |tx| {
                async move {
                    // The newest link alone is good.
                    challenges::withdraw(tx, account, Purpose::Recovery).await?;
                    challenges::insert(tx, &challenge).await?;
                    queue_all(tx, letters).await?;
                    Ok((true, Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// The open account of a username or verified e-mail address.
    async fn account_of(&self, typed: &str) -> Result<Option<AccountId>, StorageError> {
        let named = self.account_named(Username::new(typed).ok().as_ref()).await?;
        if let Some(account) = named.filter(crate::identity::Account::is_active) {
            return Ok(Some(account.id));
        }
        let Ok(email) = Contact::email(typed) else { return Ok(None) };
        Ok(contacts::by_email(&self.db, &email).await?.map(|contact| contact.account))
    }

    /// Uses the link. Whoever sits there may go on to the second half, and do nothing else.
    ///
    /// # Errors
    /// [`AccountError::Wrong`] when it was used, withdrawn, or is too old.
    pub async fn begin_recovery(
        &self,
        token: &str,
        browser: String,
        previous: Option<String>,
    ) -> Result<NewSession, AccountError> {
        let asked = self.asked_by_link(token, Purpose::Recovery).await?.ok_or(AccountError::Wrong)?;
        let account = asked.account.ok_or(AccountError::Wrong)?;
        let now = self.clock.now();
        let is_taken = self
            .db
            .write(move |tx| async move { challenges::take(tx, &asked.hash, Purpose::Recovery, now).await }.boxed());
        if !is_taken.await? {
            return Err(AccountError::Wrong);
        }
        let state = SessionState::Recovery;
        let beginning =
            Beginning { previous, state, lifetime: Some(FINISH), ..Beginning::new(account, "recovery-link", browser) };
        Ok(self.begin_session(beginning).await?)
    }

    /// Who came by the link with this cookie.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when nobody did.
    pub async fn returning(&self, cookie: &str) -> Result<Returning, AccountError> {
        let pending = self.pending(cookie, SessionState::Recovery).await?;
        let (session, _) = pending.ok_or(AccountError::NotFound)?;
        let username = self.username(session.account).await?.ok_or(AccountError::NotFound)?;
        Ok(Returning { username, can_show: self.second_factors(session.account).await? })
    }

    /// The second half: something else that only they have, and a new password. Everybody else is signed out, every address
    /// is told, and for 24 hours addresses stay as they are.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn finish_recovery(
        &self,
        cookie: &str,
        typed: &str,
        new: &Secret<String>,
    ) -> Result<NewSession, AccountError> {
        let pending = self.pending(cookie, SessionState::Recovery).await?;
        let (session, old) = pending.ok_or(AccountError::NotFound)?;
        let id = session.account;
        let account = accounts::by_id(&self.db, id).await?.ok_or(AccountError::NotFound)?;
        let password = self.hash_password(&account.username, new).await?;
        let shown = match ActivationCode::parse(typed) {
            Ok(code) => self.slip(&account, &code).await?,
            Err(_) => self.shown(id, typed).await?,
        };
        let Some(shown) = shown else { return Err(self.wrong_second_factor(id).await) };
        let letters = self.letters(id, &template::Recovered { sign_in: self.outbox.link("/account/sessions") }).await?;
        let (cookie, hash) = self.new_cookie();
        let now = self.clock.now();
        let expires = now.plus(self.session_longest);
        let factors = format!("recovery-link {}", shown.factor());
        let step = Advance { from: SessionState::Recovery, to: SessionState::Open, factors, expires };
        let act = self.new_act(ActKind::Recovery).by(id).by_way_of("finish").on("Account", id);
        let done = self.acts.write(move |tx| {
            async move {
                if !shown.use_up(&mut *tx, id, now).await? {
                    return Err(AccountError::Wrong);
                }
                if !sessions::advance(&mut *tx, (&old, &hash), &step, now).await? {
                    return Err(AccountError::NotFound);
                }
                accounts::set_password(&mut *tx, id, &password).await?;
                accounts::forget_failures(&mut *tx, id).await?;
                accounts::set_recovered(&mut *tx, id, now).await?;
                // Whoever was in the account may have connected a sign-in of theirs; the way in is the new password.
                federated_identities::delete_all(&mut *tx, id).await?;
                sessions::delete_others(&mut *tx, id, Some(&hash)).await?;
                challenges::withdraw_all(&mut *tx, id).await?;
                queue_all(tx, letters).await?;
                Ok(((), Some(act)))
            }
            .boxed()
        });
        match done.await {
            Ok(()) => Ok(NewSession { cookie, account: id, state: SessionState::Open, expires }),
            Err(AccountError::Wrong) => Err(self.wrong_second_factor(id).await),
            Err(error) => Err(error),
        }
    }

    /// A slip that staff handed to whoever showed papers at the desk just then, if it is for a chart of the account's own
    /// record. One that was sent does not count: together with the link it would be two letters to one mailbox. Nor does
    /// one that was handed out again, for which nobody had to be there, or one of the person's own making.
    async fn slip(&self, account: &Account, code: &ActivationCode) -> Result<Option<Shown>, AccountError> {
        let now = self.clock.now();
        self.throttle.attempt_name(&format!("second {}", account.id), now)?;
        let Some(slip) = invitations::by_code(&self.db, &self.code_hashes.of(code)).await? else { return Ok(None) };
        let Some(proofing) = slip.proofing else { return Ok(None) };
        let seen = proofings::by_id(&self.db, proofing).await?.filter(|seen| slip.shows_presence(seen, now));
        let (Some(seen), 1) = (seen, invitations::of_proofing(&self.db, proofing).await?) else { return Ok(None) };
        let (Some(own), Some(link)) = (account.person, links::active_at(&self.db, slip.source, &slip.patient).await?)
        else {
            return Ok(None);
        };
        let own = current_person(&self.db, own).await?;
        // Two accounts of one human are no two people.
        for staff in [seen.verified_by, slip.issued_by] {
            let Some(staff) = staff else { return Ok(None) };
            if self.is_of(staff, account.id, own).await? {
                return Ok(None);
            }
        }
        if let Some(second) = seen.attested_by
            && self.is_of(second, account.id, own).await?
        {
            return Ok(None);
        }
        let is_own = own.is_some() && current_person(&self.db, link.person).await? == own;
        Ok(is_own.then_some(Shown::Slip(slip.id, link.id)))
    }

    async fn is_of(&self, staff: AccountId, account: AccountId, own: Option<PersonId>) -> Result<bool, StorageError> {
        if staff == account {
            return Ok(true);
        }
        let Some(person) = accounts::by_id(&self.db, staff).await?.and_then(|staff| staff.person) else {
            return Ok(false);
        };
        Ok(own.is_some() && current_person(&self.db, person).await? == own)
    }
}
