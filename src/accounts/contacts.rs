//! Where the holder of an account is written to. An address counts once somebody showed to read what goes there, and a change
//! can be undone from the old one.

use std::time::Duration;

use futures_util::FutureExt;

use super::challenge::Asked;
use super::notice::queue_all;
use super::{AccountError, Accounts};
use crate::audit::ActKind;
use crate::authorization::SignedIn;
use crate::base::id::{AccountId, ContactId};
use crate::identity::{Contact, ContactKind, Language};
use crate::mail::{Day, Letter, Minutes, template};
use crate::storage::challenges::{self, Challenge, Purpose};
use crate::storage::contacts::{self, StoredContact};
use crate::storage::{StorageError, accounts, sessions, staff_tasks};

/// A code by e-mail is good for so long (NIST SP 800-63B-4 §4.2.1.2).
const MAIL_CODE: Duration = Duration::from_secs(86_400);
/// A code by text message.
const MESSAGE_CODE: Duration = Duration::from_secs(600);
/// A change can be undone from the old address for so long.
const UNDO: Duration = Duration::from_secs(72 * 3_600);

/// What an account has to be written to.
#[derive(Clone, Debug)]
pub struct ContactOverview {
    /// Verified, or waiting for it.
    pub contacts: Vec<StoredContact>,
    /// The language its holder reads.
    pub language: Language,
    /// Whether text messages can go out at all.
    pub takes_phone: bool,
}

impl Accounts {
    /// Where the holder of an account is written to.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn contacts(&self, account: AccountId) -> Result<ContactOverview, StorageError> {
        Ok(ContactOverview {
            contacts: contacts::of_account(&self.db, account).await?,
            language: accounts::language(&self.db, account).await?,
            takes_phone: self.outbox.reaches(ContactKind::Phone),
        })
    }

    /// Enters an address and sends a code there. It takes the place of the one of its kind once the code comes back. Whether
    /// it is already somebody's is told to whoever reads there, and to nobody else.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn add_contact(&self, who: &SignedIn, kind: ContactKind, typed: &str) -> Result<(), AccountError> {
        self.require_proof(who)?;
        self.require_no_hold(who.account).await?;
        let contact = Contact::new(kind, typed)?;
        if !self.outbox.reaches(kind) {
            return Err(AccountError::NotFound);
        }
        self.throttle.attempt_name(&format!("contact {}", who.account), self.clock.now())?;
        let (id, asked, letter) = self.written_for_proof(who.account, &contact).await?;
        let tasks = self.of_shared_address(who.account, &contact).await?;
        let (account, now) = (who.account, self.clock.now());
        let act = self.new_act(ActKind::Contact).by(account).by_way_of("add").on("Contact", id);
        self.acts
            .write(move |tx| {
                async move {
                    contacts::end_unverified(tx, account, kind, now).await?;
                    contacts::insert(tx, id, account, &contact, now).await?;
                    challenges::insert(tx, &asked.challenge).await?;
                    letter.queue(tx).await?;
                    for task in &tasks {
                        staff_tasks::insert_once(tx, task).await?;
                    }
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// The code for an address, or the notice that it has an account already.
    pub(super) async fn written_for_proof(
        &self,
        account: AccountId,
        contact: &Contact,
    ) -> Result<(ContactId, Asked, Letter), StorageError> {
        let id = ContactId::mint(&*self.random);
        let is_mail = contact.kind() == ContactKind::Email;
        let good_for = if is_mail { MAIL_CODE } else { MESSAGE_CODE };
        let asked = self.ask(Purpose::ConfirmContact, account, id.to_string(), good_for);
        let language = accounts::language(&self.db, account).await?;
        let holder = if is_mail { contacts::by_email(&self.db, contact).await? } else { None };
        let letter = match holder {
            Some(holder) if holder.account != account => {
                let sign_in = self.outbox.link("/sign-in");
                let notice = template::AlreadyMember { sign_in, recover: self.outbox.link("/recover") };
                let language = accounts::language(&self.db, holder.account).await?;
                self.outbox.letter(&holder.contact, language, &notice)
            }
            _ if is_mail => {
                let link = self.outbox.link_with("/account/contact/confirm", &asked.token);
                let until = Day(asked.challenge.expires);
                let code = asked.code.clone();
                self.outbox.letter(contact, language, &template::ConfirmContact { link, code, until })
            }
            _ => {
                let minutes = Minutes(u32::try_from(good_for.as_secs() / 60).unwrap_or_default());
                self.outbox.letter(contact, language, &template::Code { code: asked.code.clone(), minutes })
            }
        };
        Ok((id, asked, letter.good_for(good_for)))
    }

    /// Takes the code that was sent to the address that waits for it.
    ///
    /// # Errors
    /// [`AccountError::Wrong`] for another code, an old one, or after five tries.
    pub async fn confirm_contact_by_code(&self, who: &SignedIn, id: ContactId, code: &str) -> Result<(), AccountError> {
        let asked = self.asked_by_code(who.account, Purpose::ConfirmContact, &id.to_string(), code).await?;
        self.confirm_contact(who, asked.ok_or(AccountError::Wrong)?).await
    }

    /// Takes the value of the link that was sent there. Only where the account is signed in: nobody confirms an address for
    /// somebody else by opening a link.
    ///
    /// # Errors
    /// [`AccountError::Wrong`].
    pub async fn confirm_contact_by_link(&self, who: &SignedIn, token: &str) -> Result<(), AccountError> {
        let asked = self.asked_by_link(token, Purpose::ConfirmContact).await?;
        let asked = asked.filter(|asked| asked.account == Some(who.account));
        self.confirm_contact(who, asked.ok_or(AccountError::Wrong)?).await
    }

    async fn confirm_contact(&self, who: &SignedIn, asked: Challenge) -> Result<(), AccountError> {
        let account = who.account;
        self.require_no_hold(account).await?;
        let id: ContactId = asked.subject.parse().map_err(|_| AccountError::Wrong)?;
        let known = contacts::of_account(&self.db, account).await?;
        let new = known.iter().find(|contact| contact.id == id).ok_or(AccountError::Wrong)?;
        let kind = new.contact.kind();
        let old = known.iter().find(|contact| contact.verified.is_some() && contact.contact.kind() == kind);
        let undo = match old {
            Some(old) => Some(self.undo_letter(old).await?),
            None => None,
        };
        // The first address of an account is told to the others, if there are any.
        let letters = if undo.is_none() { self.sign_in_changed(account).await? } else { Vec::new() };
        let (hash, now, purpose) = (who.hash, self.clock.now(), asked.purpose);
        let act = self.new_act(ActKind::Contact).by(account).by_way_of("verify").on("Contact", id);
        self.acts
            .write(move |tx| {
                async move {
                    if !challenges::take(tx, &asked.hash, purpose, now).await? {
                        return Err(AccountError::Wrong);
                    }
                    contacts::end_of_kind(tx, account, kind, now).await?;
                    if !contacts::verify(tx, id, now).await? {
                        return Err(AccountError::Wrong);
                    }
                    if let Some((challenge, letter)) = undo {
                        challenges::insert(tx, &challenge).await?;
                        letter.queue(tx).await?;
                        sessions::delete_others(tx, account, Some(&hash)).await?;
                        challenges::withdraw(tx, account, Purpose::Recovery).await?;
                    }
                    queue_all(tx, letters).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// What goes to an address whose place another one takes.
    async fn undo_letter(&self, old: &StoredContact) -> Result<(Challenge, Letter), StorageError> {
        let asked = self.ask(Purpose::UndoContact, old.account, old.id.to_string(), UNDO);
        let undo = self.outbox.link_with("/undo-contact", &asked.token);
        let notice = template::ContactChanged { undo, until: Day(asked.challenge.expires) };
        let language = accounts::language(&self.db, old.account).await?;
        let letter = self.outbox.letter(&old.contact, language, &notice).good_for(UNDO);
        Ok((Challenge { code_hash: None, ..asked.challenge }, letter))
    }

    /// Brings the old address back, from the link that went there: whoever reads there had the account first. Everybody is
    /// signed out, and no way back that is under way leads in.
    ///
    /// # Errors
    /// [`AccountError::Wrong`].
    pub async fn undo_contact(&self, token: &str) -> Result<(), AccountError> {
        let asked = self.asked_by_link(token, Purpose::UndoContact).await?.ok_or(AccountError::Wrong)?;
        let id: ContactId = asked.subject.parse().map_err(|_| AccountError::Wrong)?;
        let old = contacts::by_id(&self.db, id).await?.ok_or(AccountError::Wrong)?;
        let (account, kind, now) = (old.account, old.contact.kind(), self.clock.now());
        let act = self.new_act(ActKind::Contact).by(account).by_way_of("undo").on("Contact", id);
        self.acts
            .write(move |tx| {
                async move {
                    if !challenges::take(tx, &asked.hash, Purpose::UndoContact, now).await? {
                        return Err(AccountError::Wrong);
                    }
                    contacts::end_of_kind(tx, account, kind, now).await?;
                    contacts::end_unverified(tx, account, kind, now).await?;
                    if !contacts::revive(tx, id).await? {
                        return Err(AccountError::Wrong);
                    }
                    sessions::delete_others(tx, account, None).await?;
                    challenges::withdraw_all(tx, account).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// Chooses the language that the account's holder is written to in.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn choose_language(&self, who: &SignedIn, language: Language) -> Result<(), StorageError> {
        let account = who.account;
        let act = self.new_act(ActKind::Account).by(account).by_way_of("language").on("Account", account);
        self.acts
            .write(move |tx| {
                async move {
                    accounts::set_language(tx, account, language).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }
}
