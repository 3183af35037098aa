//! Passkeys: made by whoever is signed in and showed who they are, and enough to sign in.

use std::net::IpAddr;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures_util::FutureExt;
use serde::Deserialize;

use super::notice::queue_all;
use super::session::Beginning;
use super::{AccountError, Accounts, NewSession};
use crate::audit::ActKind;
use crate::authorization::SignedIn;
use crate::base::hash::sha256;
use crate::base::id::{AccountId, PasskeyId};
use crate::identity::{NotAnswered, RelyingParty};
use crate::storage::challenges::{self, Challenge, Purpose};
use crate::storage::passkeys::{self, StoredPasskey};
use crate::storage::{StorageError, accounts, federated_identities};

/// Time to answer.
const ANSWER: Duration = Duration::from_secs(600);
/// Keys of one account.
const MOST: usize = 20;

/// What a browser answers, in base64url: one object for both ceremonies.
#[derive(Deserialize)]
struct Answer {
    id: String,
    challenge: String,
    client_data: String,
    #[serde(default)]
    attestation: String,
    #[serde(default)]
    authenticator_data: String,
    #[serde(default)]
    signature: String,
}

impl Answer {
    fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, NotAnswered> {
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| NotAnswered("encoding"))
}

/// What a browser is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyQuestion {
    /// The challenge, in base64url.
    pub challenge: String,
    /// The domain that keys are bound to.
    pub relying_party: String,
    /// Keys that the account has, which are not to be made again.
    pub known: Vec<String>,
}

impl Accounts {
    /// Whether browsers make keys for this site at all.
    #[must_use]
    pub const fn takes_passkeys(&self) -> bool {
        self.relying_party.is_some()
    }

    /// The keys of an account.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn passkeys(&self, account: AccountId) -> Result<Vec<StoredPasskey>, StorageError> {
        passkeys::of_account(&self.db, account).await
    }

    async fn ask_passkey(&self, purpose: Purpose, account: Option<AccountId>) -> Result<PasskeyQuestion, AccountError> {
        let party = self.relying_party.as_ref().ok_or(AccountError::NotFound)?;
        let challenge: [u8; 32] = self.random.bytes();
        let now = self.clock.now();
        let question = Challenge {
            hash: sha256(&challenge),
            purpose,
            account,
            subject: String::new(),
            code_hash: None,
            sealed: None,
            tries: 0,
            created: now,
            expires: now.plus(ANSWER),
        };
        self.db.write(move |tx| async move { challenges::insert(tx, &question).await }.boxed()).await?;
        let known = match account {
            Some(account) => self.passkeys(account).await?,
            None => Vec::new(),
        };
        Ok(PasskeyQuestion {
            challenge: BASE64URL_NOPAD.encode(&challenge),
            relying_party: party.id.clone(),
            known: known.iter().map(|key| BASE64URL_NOPAD.encode(&key.credential)).collect(),
        })
    }

    /// Asks for a new key.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn ask_for_new_passkey(&self, who: &SignedIn) -> Result<PasskeyQuestion, AccountError> {
        self.require_proof(who)?;
        self.ask_passkey(Purpose::RegisterPasskey, Some(who.account)).await
    }

    /// Asks for a key to sign in with, whoever it may be. Each question is a row: from one address, not many at a time.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn ask_for_passkey(&self, address: Option<IpAddr>) -> Result<PasskeyQuestion, AccountError> {
        self.throttle.attempt("", address, self.clock.now())?;
        self.ask_passkey(Purpose::UsePasskey, None).await
    }

    /// Keeps a new key.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn add_passkey(&self, who: &SignedIn, answer: &str, name: String) -> Result<(), AccountError> {
        self.require_proof(who)?;
        let account = who.account;
        let party = self.relying_party.as_ref().ok_or(AccountError::NotFound)?;
        let answer = Answer::read(answer).ok_or(AccountError::Wrong)?;
        let challenge = bytes(&answer.challenge).map_err(|_| AccountError::Wrong)?;
        let made = read_new(party, &challenge, &answer).map_err(|_| AccountError::Wrong)?;
        if self.passkeys(account).await?.len() >= MOST {
            return Err(AccountError::Wrong);
        }
        let now = self.clock.now();
        let new = StoredPasskey {
            id: PasskeyId::mint(&*self.random),
            account,
            credential: made.id,
            public_key: made.public_key,
            sign_count: made.sign_count,
            name,
            backed_up: made.backed_up,
            created: now,
            last_used: None,
        };
        let letters = self.sign_in_changed(account).await?;
        let act = self.new_act(ActKind::Credential).by(account).by_way_of("passkey").on("Passkey", new.id);
        let hash = sha256(&challenge);
        self.acts
            .write(move |tx| {
                async move {
                    let asked = challenges::get(&mut *tx, &hash, Purpose::RegisterPasskey, now).await?;
                    let is_theirs = asked.is_some_and(|asked| asked.account == Some(account));
                    if !is_theirs || !challenges::take(&mut *tx, &hash, Purpose::RegisterPasskey, now).await? {
                        return Err(AccountError::Wrong);
                    }
                    if !passkeys::insert(&mut *tx, &new).await? {
                        return Err(AccountError::Wrong);
                    }
                    queue_all(tx, letters).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// Forgets a key.
    ///
    /// # Errors
    /// [`AccountError::LastWay`] for the only way in.
    pub async fn remove_passkey(&self, who: &SignedIn, id: PasskeyId) -> Result<(), AccountError> {
        self.require_proof(who)?;
        let account = who.account;
        let known = accounts::by_id(&self.db, account).await?.ok_or(AccountError::NotFound)?;
        let elsewhere = federated_identities::of_account(&self.db, account).await?;
        if known.password_hash.is_none() && elsewhere.is_empty() && self.passkeys(account).await?.len() < 2 {
            return Err(AccountError::LastWay);
        }
        let letters = self.sign_in_changed(account).await?;
        let act = self.new_act(ActKind::Credential).by(account).by_way_of("passkey-off").on("Passkey", id);
        self.acts
            .write(move |tx| {
                async move {
                    if !passkeys::delete(&mut *tx, account, id).await? {
                        return Err(AccountError::NotFound);
                    }
                    queue_all(tx, letters).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// Signs somebody in by a key. It was unlocked by its holder: nothing else is asked.
    ///
    /// # Errors
    /// [`AccountError::Wrong`], whatever was wrong.
    pub async fn sign_in_by_passkey(
        &self,
        answer: &str,
        browser: String,
        previous: Option<String>,
    ) -> Result<NewSession, AccountError> {
        let party = self.relying_party.as_ref().ok_or(AccountError::NotFound)?;
        let answer = Answer::read(answer).ok_or(AccountError::Wrong)?;
        let challenge = bytes(&answer.challenge).map_err(|_| AccountError::Wrong)?;
        let (hash, now) = (sha256(&challenge), self.clock.now());
        // Taken before anything is looked at: one question, one answer.
        let is_ours =
            self.db.write(move |tx| async move { challenges::take(tx, &hash, Purpose::UsePasskey, now).await }.boxed());
        if !is_ours.await? {
            return Err(AccountError::Wrong);
        }
        let credential = bytes(&answer.id).map_err(|_| AccountError::Wrong)?;
        let known = passkeys::by_credential(&self.db, &credential).await?.ok_or(AccountError::Wrong)?;
        let used = match read_use(party, &challenge, &known, &answer) {
            Ok(used) => used,
            Err(NotAnswered(rule)) => {
                let act = self.new_act(ActKind::SignIn).by(known.account).by_way_of("passkey").refused(rule);
                self.acts.record(act).await?;
                return Err(AccountError::Wrong);
            }
        };
        let account = known.account;
        let noted = self.db.write(move |tx| {
            async move { passkeys::note_use(tx, &known, (used.sign_count, used.backed_up), now).await }.boxed()
        });
        if !noted.await? {
            return Err(AccountError::Wrong);
        }
        let beginning = Beginning { previous, ..Beginning::new(account, "passkey", browser) };
        Ok(self.begin_session(beginning).await?)
    }
}

fn read_new(
    party: &RelyingParty,
    challenge: &[u8],
    answer: &Answer,
) -> Result<crate::identity::NewPasskey, NotAnswered> {
    party.register(challenge, &bytes(&answer.client_data)?, &bytes(&answer.attestation)?)
}

fn read_use(
    party: &RelyingParty,
    challenge: &[u8],
    known: &StoredPasskey,
    answer: &Answer,
) -> Result<crate::identity::UsedPasskey, NotAnswered> {
    let (client, data, signature) =
        (bytes(&answer.client_data)?, bytes(&answer.authenticator_data)?, bytes(&answer.signature)?);
    party.authenticate(challenge, (&known.public_key, known.sign_count), (&client, &data, &signature))
}
