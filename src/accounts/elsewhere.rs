//! Sign-in at somebody else's. An account is found by issuer and subject and by nothing else: no address ever joins two
//! accounts (security design, I10). One is connected only from inside an account whose holder just showed who they are.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use url::Url;

use super::notice::queue_all;
use super::second_factor::SECOND_STEP;
use super::session::Beginning;
use super::{AccountError, Accounts, NewSession};
use crate::audit::ActKind;
use crate::authorization::SignedIn;
use crate::base::clock::Instant;
use crate::base::hash::{base32, equal_in_constant_time, sha256};
use crate::base::id::{AccountId, FederatedIdentityId, OrganizationId};
use crate::base::secret::Secret;
use crate::federated_login::{IdToken, PendingSignIn, Provider, ProviderError, Subject};
use crate::identity::{Account, AccountState, Username};
use crate::storage::challenges::{self, Challenge, Purpose};
use crate::storage::federated_identities::{self, FederatedIdentity};
use crate::storage::sessions::SessionState;
use crate::storage::{StorageError, accounts};

/// Time to sign in there.
const ANSWER: Duration = Duration::from_secs(600);
/// Sign-ins of one account.
const MOST: usize = 10;

/// What somebody goes elsewhere for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Errand {
    /// To sign in, and go on there: a request of an app, or a page of ours by its path.
    SignIn {
        /// The request of an app, sealed.
        request: Option<String>,
        /// The page.
        next: Option<String>,
        /// They are to show there who they are even if they did so before.
        again: bool,
    },
    /// To open an account, with a good code in this browser.
    SignUp,
    /// To connect it to the account that they are signed in to.
    Connect,
    /// To be linked to their chart at an organization by what is proved there.
    Prove(OrganizationId),
}

/// Whoever goes or comes back.
#[derive(Clone, Copy, Debug)]
pub struct Traveller<'t> {
    /// The browser's cookie.
    pub browser: &'t str,
    /// Who is signed in there.
    pub signed_in: Option<&'t SignedIn>,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// The browser, in a few words.
    pub words: &'t str,
    /// The session cookie that it has, which ends with a sign-in.
    pub previous: Option<&'t str>,
}

/// What the provider's redirect brings.
#[derive(Debug)]
pub struct ElsewhereAnswer {
    /// The provider whose redirect URI it came to.
    pub provider: String,
    /// `state`.
    pub state: Secret<String>,
    /// `code`, unless it refused.
    pub code: Option<Secret<String>>,
    /// `iss` (RFC 9207), if it says who it is.
    pub issuer: Option<String>,
}

/// What came of it.
#[derive(Debug)]
pub enum Arrived {
    /// Somebody is signed in, as far as the second factor of the account.
    SignedIn {
        /// The session.
        session: NewSession,
        /// The request of an app that waits.
        request: Option<String>,
        /// The page to go on to.
        next: Option<String>,
    },
    /// It is connected to the account.
    Connected,
    /// Who they are is proved, and waits for their yes.
    Proved,
    /// No account is connected to it.
    Unknown,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    pending: PendingSignIn,
    errand: Errand,
    /// The session it was begun from, where it matters.
    session: Option<[u8; 32]>,
}

/// What a sign-in elsewhere is called here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElsewhereOverview {
    /// Its id.
    pub id: FederatedIdentityId,
    /// The provider's name; none for one that is not configured any more.
    pub provider: Option<String>,
    /// When it was connected.
    pub created: Instant,
    /// When somebody last signed in by it.
    pub last_used: Option<Instant>,
}

fn context(hash: &[u8; 32], browser: &str) -> Vec<u8> {
    [b"federated ".as_slice(), hash, browser.as_bytes()].concat()
}

impl Accounts {
    /// Those who can be asked: key and name.
    pub fn providers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.providers.iter().map(|provider| (provider.key(), provider.name()))
    }

    /// Those of them who prove who people are.
    pub fn provers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.providers.iter().filter(|provider| provider.proves()).map(|provider| (provider.key(), provider.name()))
    }

    fn provider(&self, key: &str) -> Result<&Arc<Provider>, AccountError> {
        self.providers.find(key).ok_or(AccountError::NotFound)
    }

    /// Begins a sign-in elsewhere: where to send the browser.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn begin_elsewhere(
        &self,
        provider: &str,
        errand: Errand,
        who: Traveller<'_>,
    ) -> Result<Url, AccountError> {
        let provider = self.provider(provider)?;
        let session = match (&errand, who.signed_in) {
            (Errand::Connect, Some(signed_in)) => {
                self.require_proof(signed_in)?;
                self.require_no_hold(signed_in.account).await?;
                Some(signed_in)
            }
            (Errand::Prove(_), Some(signed_in)) if provider.proves() => {
                self.require_proof(signed_in)?;
                Some(signed_in)
            }
            (Errand::Prove(_), Some(_)) => return Err(AccountError::NotFound),
            (Errand::Connect | Errand::Prove(_), None) => return Err(AccountError::NotFound),
            (Errand::SignIn { .. } | Errand::SignUp, _) => None,
        };
        // Each is a row: from one address, not many at a time.
        self.throttle.attempt("", who.address, self.clock.now())?;
        // Whoever the provider still knows from somebody else's visit must not be taken for the one who sits here.
        let again = matches!(errand, Errand::SignIn { again: true, .. } | Errand::Connect | Errand::Prove(_));
        let begun = provider.begin(again, matches!(errand, Errand::Prove(_))).await?;
        let hash = sha256(begun.state.expose().as_bytes());
        let kept = Kept { pending: begun.pending, errand, session: session.map(|session| session.hash) };
        let plain = Secret::new(serde_json::to_vec(&kept).unwrap_or_default());
        let now = self.clock.now();
        let challenge = Challenge {
            hash,
            purpose: Purpose::FederatedSignIn,
            account: session.map(|session| session.account),
            subject: provider.key().to_owned(),
            code_hash: None,
            sealed: Some(self.factor_sealer.seal(&*self.random, &context(&hash, who.browser), plain.expose())),
            tries: 0,
            created: now,
            expires: now.plus(ANSWER),
        };
        self.db.write(move |tx| async move { challenges::insert(tx, &challenge).await }.boxed()).await?;
        Ok(begun.url)
    }

    /// Ends it with what the provider sent back.
    ///
    /// # Errors
    /// [`AccountError`]; what was refused is recorded.
    pub async fn finish_elsewhere(
        &self,
        answer: ElsewhereAnswer,
        who: Traveller<'_>,
        may_open: bool,
    ) -> Result<Arrived, AccountError> {
        let hash = sha256(answer.state.expose().as_bytes());
        let asked = challenges::get(&self.db, &hash, Purpose::FederatedSignIn, self.clock.now()).await?;
        let asked = asked.ok_or(AccountError::Wrong)?;
        let sealed = asked.sealed.unwrap_or_default();
        // Another browser's, or another provider's, does not even use it up.
        let plain = self.factor_sealer.open(&context(&hash, who.browser), &sealed).map_err(|_| AccountError::Wrong)?;
        if asked.subject != answer.provider {
            return Err(AccountError::Wrong);
        }
        let kept: Kept = serde_json::from_slice(&plain).map_err(|_| AccountError::Wrong)?;
        let now = self.clock.now();
        let taken = self
            .db
            .write(move |tx| async move { challenges::take(tx, &hash, Purpose::FederatedSignIn, now).await }.boxed());
        if !taken.await? {
            return Err(AccountError::Wrong);
        }
        let provider = self.provider(&answer.provider)?;
        let code = answer.code.ok_or(AccountError::Wrong)?;
        let token = match provider.finish(&kept.pending, &code, answer.issuer.as_deref()).await {
            Ok(token) => token,
            Err(error) => return Err(self.not_believed(error, asked.account).await),
        };
        let from_there = |session: Option<[u8; 32]>| {
            who.signed_in.filter(|signed_in| {
                session.is_some_and(|begun| equal_in_constant_time(&begun, &signed_in.hash))
                    && asked.account == Some(signed_in.account)
            })
        };
        match kept.errand {
            Errand::SignIn { request, next, .. } => self.arrive(&token, who, (request, next)).await,
            Errand::SignUp if may_open => self.open_by(provider, &token, who).await,
            Errand::SignUp => Err(AccountError::Wrong),
            Errand::Connect => {
                let signed_in = from_there(kept.session).ok_or(AccountError::Wrong)?;
                self.connect(signed_in, token.subject).await
            }
            Errand::Prove(organization) => {
                let signed_in = from_there(kept.session).ok_or(AccountError::Wrong)?;
                self.keep_proof(signed_in, (provider, token), organization).await?;
                Ok(Arrived::Proved)
            }
        }
    }

    async fn not_believed(&self, error: ProviderError, account: Option<AccountId>) -> AccountError {
        let rule = match error {
            ProviderError::Unreachable(_) => return error.into(),
            ProviderError::OtherIssuer => "issuer",
            ProviderError::Refused => "code",
            ProviderError::IdToken(_) => "id-token",
        };
        let act = self.new_act(ActKind::SignIn).by(account).by_way_of("federated").refused(rule);
        match self.acts.record(act).await {
            Ok(()) => error.into(),
            Err(error) => error.into(),
        }
    }

    /// Signs in whoever is known by issuer and subject.
    async fn arrive(
        &self,
        token: &IdToken,
        who: Traveller<'_>,
        (request, next): (Option<String>, Option<String>),
    ) -> Result<Arrived, AccountError> {
        let Subject { issuer, subject } = &token.subject;
        let Some(known) = federated_identities::by_subject(&self.db, issuer, subject).await? else {
            return Ok(Arrived::Unknown);
        };
        let (id, now) = (known.id, self.clock.now());
        self.db.write(move |tx| async move { federated_identities::note_use(tx, id, now).await }.boxed()).await?;
        let session = self.begin_by(known.account, token, who).await?;
        Ok(Arrived::SignedIn { session, request, next })
    }

    async fn begin_by(
        &self,
        account: AccountId,
        token: &IdToken,
        who: Traveller<'_>,
    ) -> Result<NewSession, AccountError> {
        let mut new = Beginning {
            previous: who.previous.map(str::to_owned),
            // Whoever sits there may not have been asked there for anything: only what the provider says of that counts.
            proved: Some(token.shown.unwrap_or(Instant::from_micros(0)).min(self.clock.now())),
            ..Beginning::new(account, "federated", who.words.to_owned())
        };
        if self.second_factors(account).await?.totp {
            new.state = SessionState::SecondFactor;
            new.lifetime = Some(SECOND_STEP);
        }
        Ok(self.begin_session(new).await?)
    }

    /// Opens an account that is entered from there alone. Where there is one already, it is that.
    async fn open_by(&self, provider: &Provider, token: &IdToken, who: Traveller<'_>) -> Result<Arrived, AccountError> {
        let next = Some("/invite/confirm".to_owned());
        let known = self.arrive(token, who, (None, next.clone())).await?;
        if !matches!(known, Arrived::Unknown) {
            return Ok(known);
        }
        let now = self.clock.now();
        // A name that nobody types: it tells accounts apart in lists.
        let username = format!("{}-{}", provider.key(), base32(&self.random.bytes::<5>()));
        let account = Account {
            id: AccountId::mint(&*self.random),
            username: Username::new(&username)?,
            password_hash: None,
            person: None,
            created: now,
            state: AccountState::Active,
        };
        let (id, identity) = (account.id, self.identity_of(account.id, token.subject.clone()));
        let act = self.new_act(ActKind::Account).by(id).by_way_of("sign-up").on("Account", id).under("federated");
        let opened = self.acts.write(move |tx| {
            async move {
                accounts::insert(&mut *tx, &account).await?;
                if !federated_identities::insert(tx, &identity).await? {
                    return Err(AccountError::IdentityTaken);
                }
                Ok::<_, AccountError>(((), Some(act)))
            }
            .boxed()
        });
        opened.await?;
        Ok(Arrived::SignedIn { session: self.begin_by(id, token, who).await?, request: None, next })
    }

    fn identity_of(&self, account: AccountId, subject: Subject) -> FederatedIdentity {
        FederatedIdentity {
            id: FederatedIdentityId::mint(&*self.random),
            issuer: subject.issuer,
            subject: subject.subject,
            account,
            created: self.clock.now(),
            last_used: None,
        }
    }

    async fn connect(&self, who: &SignedIn, subject: Subject) -> Result<Arrived, AccountError> {
        let account = who.account;
        self.require_not_anothers(account, &subject).await?;
        let known = federated_identities::of_account(&self.db, account).await?;
        if known.iter().any(|known| known.issuer == subject.issuer && known.subject == subject.subject) {
            return Ok(Arrived::Connected);
        }
        if known.len() >= MOST {
            return Err(AccountError::Wrong);
        }
        let identity = self.identity_of(account, subject);
        let letters = self.sign_in_changed(account).await?;
        let act = self.new_act(ActKind::Credential).by(account).by_way_of("federated");
        let act = act.on("FederatedIdentity", identity.id);
        self.acts
            .write(move |tx| {
                async move {
                    if !federated_identities::insert(tx, &identity).await? {
                        return Err(AccountError::IdentityTaken);
                    }
                    queue_all(tx, letters).await?;
                    Ok((Arrived::Connected, Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// The sign-ins elsewhere that lead to an account.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn elsewhere(&self, account: AccountId) -> Result<Vec<ElsewhereOverview>, StorageError> {
        let known = federated_identities::of_account(&self.db, account).await?;
        let name =
            |issuer: &str| self.providers.iter().find(|one| one.issuer() == issuer).map(|one| one.name().to_owned());
        Ok(known
            .into_iter()
            .map(|known| ElsewhereOverview {
                id: known.id,
                provider: name(&known.issuer),
                created: known.created,
                last_used: known.last_used,
            })
            .collect())
    }

    /// Disconnects one.
    ///
    /// # Errors
    /// [`AccountError::LastWay`] for the only way in.
    pub async fn disconnect_elsewhere(&self, who: &SignedIn, id: FederatedIdentityId) -> Result<(), AccountError> {
        self.require_proof(who)?;
        let account = who.account;
        let known = accounts::by_id(&self.db, account).await?.ok_or(AccountError::NotFound)?;
        let all = federated_identities::of_account(&self.db, account).await?;
        if !all.iter().any(|one| one.id == id) {
            return Err(AccountError::NotFound);
        }
        if known.password_hash.is_none() && self.passkeys(account).await?.is_empty() && all.len() < 2 {
            return Err(AccountError::LastWay);
        }
        let letters = self.sign_in_changed(account).await?;
        let act = self.new_act(ActKind::Credential).by(account).by_way_of("federated-off");
        let act = act.on("FederatedIdentity", id);
        self.acts
            .write(move |tx| {
                async move {
                    if !federated_identities::delete(&mut *tx, account, id).await? {
                        return Err(AccountError::NotFound);
                    }
                    queue_all(tx, letters).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }
}
