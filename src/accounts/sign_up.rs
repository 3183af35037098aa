//! A new account. It is opened by whoever redeems a code, never by anybody who comes along.

use std::net::IpAddr;

use futures_util::FutureExt;

use super::challenge::Asked;
use super::session::Beginning;
use super::{AccountError, Accounts, NewSession};
use crate::audit::{Act, ActKind};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, ContactId, PersonId};
use crate::base::secret::Secret;
use crate::identity::{Account, AccountState, Contact, Language, Username};
use crate::mail::Letter;
use crate::storage::{StorageError, Taken, Tx, accounts, challenges, contacts};

/// What somebody chose for a new account.
#[derive(Debug)]
pub struct NewAccount {
    /// The name to sign in with; an e-mail address will do.
    pub username: String,
    /// The password.
    pub password: Secret<String>,
    /// Where to write to; a code goes there.
    pub email: Option<String>,
    /// The language to write in.
    pub language: Language,
    /// The holder's own record, where it is known.
    pub person: Option<PersonId>,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// The browser, in a few words.
    pub browser: String,
    /// The session cookie that the browser had.
    pub previous: Option<String>,
}

/// An account that is ready to be opened within a write.
#[must_use = "an account that is not opened is none"]
pub struct OpeningAccount {
    account: Account,
    language: Language,
    contact: Option<(ContactId, Contact, Asked, Letter)>,
    act: Act,
    now: Instant,
    beginning: Beginning,
}

impl std::fmt::Debug for OpeningAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpeningAccount").field("account", &self.account).finish_non_exhaustive()
    }
}

/// An account just opened, whose holder is to be signed in with [`Accounts::begin`].
#[derive(Debug)]
#[must_use = "its holder expects to be signed in"]
pub struct OpenedAccount {
    /// Its id.
    pub id: AccountId,
    beginning: Beginning,
}

impl OpeningAccount {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> AccountId {
        self.account.id
    }

    /// Opens it, in the write of what it is opened for. The act goes to [`crate::audit::Acts::write`], unless what it is
    /// opened for has one of its own.
    ///
    /// # Errors
    /// [`AccountError::UsernameTaken`].
    pub async fn insert(self, tx: &mut Tx) -> Result<(OpenedAccount, Act), AccountError> {
        let id = self.account.id;
        accounts::insert(&mut *tx, &self.account).await.map_err(|error| match error {
            StorageError::AlreadyTaken(Taken::Username) => AccountError::UsernameTaken,
            error => AccountError::Storage(error),
        })?;
        accounts::set_language(&mut *tx, id, self.language).await?;
        if let Some((contact_id, contact, asked, letter)) = self.contact {
            contacts::insert(&mut *tx, contact_id, id, &contact, self.now).await?;
            challenges::insert(&mut *tx, &asked.challenge).await?;
            letter.queue(&mut *tx).await?;
        }
        Ok((OpenedAccount { id, beginning: self.beginning }, self.act))
    }
}

impl Accounts {
    /// Makes an account ready to be opened: hashes the password, writes the code.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn prepare(&self, new: NewAccount) -> Result<OpeningAccount, AccountError> {
        let username = Username::new(&new.username)?;
        let contact = new.email.as_deref().filter(|typed| !typed.trim().is_empty()).map(Contact::email).transpose()?;
        // Each costs a hash: from one address, not many at a time.
        self.throttle.attempt("", new.address, self.clock.now())?;
        let password_hash = Some(self.hash_password(&username, &new.password).await?);
        let id = AccountId::mint(&*self.random);
        let contact = match contact {
            Some(contact) => {
                let (contact_id, asked, letter) = self.written_for_proof(id, &contact).await?;
                Some((contact_id, contact, asked, letter))
            }
            None => None,
        };
        let now = self.clock.now();
        let account =
            Account { id, username, password_hash, person: new.person, created: now, state: AccountState::Active };
        let act = self.new_act(ActKind::Account).by(id).by_way_of("sign-up").about(new.person).on("Account", id);
        let beginning = Beginning { previous: new.previous, ..Beginning::new(id, "password", new.browser) };
        Ok(OpeningAccount { account, language: new.language, contact, act, now, beginning })
    }

    /// Signs the holder of a new account in.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn begin(&self, opened: OpenedAccount) -> Result<NewSession, AccountError> {
        Ok(self.begin_session(opened.beginning).await?)
    }

    /// Opens an account and signs its holder in.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn sign_up(&self, new: NewAccount) -> Result<NewSession, AccountError> {
        let opening = self.prepare(new).await?;
        let opened = self.acts.write(move |tx| {
            async move {
                let (opened, act) = opening.insert(tx).await?;
                Ok::<_, AccountError>((opened, Some(act)))
            }
            .boxed()
        });
        let opened = opened.await?;
        self.begin(opened).await
    }
}
