//! "Connect my record at this practice": a person signs in at the EHR, and the gateway may from then on ask for what that
//! person sees there (SMART App Launch 2.2, standalone launch, with the gateway as the app).

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::audit::{Act, ActKind, Acts};
use crate::authorization::{SignedIn, active_links, reachable};
use crate::base::clock::SharedClock;
use crate::base::hash::{equal_in_constant_time, sha256};
use crate::base::id::{AccountId, LinkId};
use crate::base::keys::{KeyUse, MasterKey, Sealer};
use crate::base::random::SharedRandom;
use crate::base::secret::Secret;
use crate::gateway::{ConnectedSource, PatientTokens, Sources};
use crate::identity::Link;
use crate::organization::SourceKey;
use crate::storage::source_tokens::{self, StoredLaunch, StoredTokens};
use crate::storage::{StorageError, accounts, links};
use crate::upstream::{ExpectedIssuer, SmartApp, SmartTokens, SourceFailure, TokenRefusal};

/// Time to sign in at the EHR.
const LAUNCH_LIFETIME: Duration = Duration::from_secs(600);

/// Why a record is not connected.
#[derive(Debug, thiserror::Error)]
pub enum ChartAccessError {
    /// There is no such link for this account, or its practice is not connected by people themselves.
    #[error("no such chart")]
    NotFound,
    /// It works by what somebody else's sign-in gave, and is not this account's to change.
    #[error("connected by somebody else")]
    NotTheirs,
    /// The practice's server did not answer as it must.
    #[error("the practice cannot be reached: {0}")]
    Unreachable(SourceFailure),
    /// The sign-in was begun by somebody else, in another browser, too long ago, or was answered already.
    #[error("this sign-in is over")]
    Stale,
    /// The practice, or the person there, said no.
    #[error("the practice did not agree")]
    Refused,
    /// The person signed in as, or chose, another patient than the one linked here.
    #[error("another patient")]
    OtherPatient,
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What an EHR's authorization server sends back.
#[derive(Debug)]
pub struct LaunchAnswer {
    /// The source whose redirect URI it came to.
    pub source: String,
    /// `state`.
    pub state: Secret<String>,
    /// `code`, unless it refused.
    pub code: Option<Secret<String>>,
    /// `iss` (RFC 9207), if it says who it is.
    pub issuer: Option<String>,
}

/// What a launch's other half needs.
#[derive(Serialize, Deserialize)]
struct Pending {
    verifier: String,
    issuer: ExpectedIssuer,
}

/// A chart that an account may act for.
struct Reached {
    link: Link,
    source: Arc<ConnectedSource>,
    app: Arc<SmartApp>,
    /// It is the account holder's own.
    is_own: bool,
}

/// Connects charts.
pub struct ChartAccess {
    acts: Acts,
    sources: Arc<Sources>,
    tokens: Arc<PatientTokens>,
    sealer: Sealer,
    clock: SharedClock,
    random: SharedRandom,
    issuer: String,
}

impl std::fmt::Debug for ChartAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChartAccess").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl ChartAccess {
    /// For a gateway at `issuer`.
    #[must_use]
    pub fn new(
        (acts, sources, tokens): (Acts, Arc<Sources>, Arc<PatientTokens>),
        issuer: &str,
        master_key: &MasterKey,
        clock: SharedClock,
        random: SharedRandom,
    ) -> Self {
        let sealer = master_key.sealer(KeyUse::AuthorizationState);
        Self { acts, sources, tokens, sealer, clock, random, issuer: issuer.to_owned() }
    }

    /// The redirect URI at one source: each has its own, so that no authorization server can have the answer of another
    /// taken for its own (RFC 9700 §4.4.2.2).
    fn redirect_uri(&self, source: SourceKey) -> String {
        redirect_uri(&self.issuer, source)
    }

    /// The practice that a person is about to sign in at.
    ///
    /// # Errors
    /// [`ChartAccessError`].
    pub async fn invitation(&self, who: &SignedIn, link: LinkId) -> Result<String, ChartAccessError> {
        let chart = self.chart(who, link).await?;
        let stored = source_tokens::by_link(self.acts.db(), link).await?;
        may_replace(who.account, chart.is_own, stored.as_ref())?;
        chart.app.find().await.map_err(ChartAccessError::Unreachable)?;
        Ok(chart.source.organization.clone())
    }

    /// Begins a sign-in at the EHR: where to send the browser, and the practice.
    ///
    /// # Errors
    /// [`ChartAccessError`].
    pub async fn begin(&self, who: &SignedIn, link: LinkId) -> Result<(Url, String), ChartAccessError> {
        let Reached { link, source, app, .. } = self.chart(who, link).await?;
        let redirect_uri = self.redirect_uri(link.source);
        let launch = app.launch(&redirect_uri).await.map_err(ChartAccessError::Unreachable)?;
        let state_hash = sha256(launch.state.expose().as_bytes());
        let pending = Pending { verifier: launch.verifier.expose().clone(), issuer: launch.issuer };
        let plain = serde_json::to_vec(&pending).unwrap_or_default();
        let now = self.clock.now();
        let stored = StoredLaunch {
            state_hash,
            session_hash: who.hash,
            account: who.account,
            link: link.id,
            sealed: self.sealer.seal(&*self.random, &context(&state_hash), &plain),
            expires: now.plus(LAUNCH_LIFETIME),
        };
        let db = self.acts.db();
        db.write(move |tx| async move { source_tokens::insert_launch(tx, &stored, now).await }.boxed()).await?;
        Ok((launch.url, source.organization.clone()))
    }

    /// Ends a sign-in with what the EHR sent back.
    ///
    /// # Errors
    /// [`ChartAccessError`]; what was refused is recorded.
    pub async fn finish(&self, who: &SignedIn, answer: LaunchAnswer) -> Result<(), ChartAccessError> {
        let state_hash = sha256(answer.state.expose().as_bytes());
        // Taken before anything else: one answer is listened to, whatever it says.
        let db = self.acts.db();
        let taken =
            db.write(move |tx| async move { source_tokens::take_launch(tx, &state_hash).await }.boxed()).await?;
        let launch = taken.ok_or(ChartAccessError::Stale)?;
        let is_own = equal_in_constant_time(&launch.session_hash, &who.hash) && launch.account == who.account;
        if !is_own || self.clock.now() >= launch.expires {
            return Err(ChartAccessError::Stale);
        }
        let plain = self.sealer.open(&context(&state_hash), &launch.sealed).map_err(|_| ChartAccessError::Stale)?;
        let pending: Pending = serde_json::from_slice(&plain).map_err(|_| ChartAccessError::Stale)?;
        let chart = self.chart(who, launch.link).await?;
        let outcome = match self.redeem(&chart, pending, answer).await {
            Ok(tokens) => self.keep(who, &chart, tokens).await,
            Err(error) => Err(error),
        };
        let rule = match &outcome {
            Ok(()) | Err(ChartAccessError::Storage(_)) => return outcome,
            Err(ChartAccessError::OtherPatient) => "other-patient",
            Err(ChartAccessError::NotTheirs) => "not-theirs",
            Err(_) => "refused",
        };
        self.acts.record(self.act("connect", who, &chart.link).refused(rule)).await?;
        outcome
    }

    async fn redeem(
        &self,
        chart: &Reached,
        pending: Pending,
        answer: LaunchAnswer,
    ) -> Result<SmartTokens, ChartAccessError> {
        // An answer of another server is not for this request.
        let is_from_there = answer.source == chart.link.source.as_str();
        if !is_from_there || !pending.issuer.admits(answer.issuer.as_deref()) {
            return Err(ChartAccessError::Refused);
        }
        let code = answer.code.ok_or(ChartAccessError::Refused)?;
        let verifier = Secret::new(pending.verifier);
        let redirect_uri = self.redirect_uri(chart.link.source);
        let tokens =
            chart.app.redeem(&redirect_uri, code.expose(), &verifier).await.map_err(|refusal| match refusal {
                TokenRefusal::Grant => ChartAccessError::Refused,
                TokenRefusal::Source(SourceFailure::CredentialRefused) => ChartAccessError::Refused,
                TokenRefusal::Source(failure) => ChartAccessError::Unreachable(failure),
            })?;
        // Whose chart it is was decided when the link was made, not here.
        if tokens.patient.as_deref() == Some(chart.link.patient.as_str()) {
            Ok(tokens)
        } else {
            self.tokens.discard(chart.link.source, &tokens, &chart.app).await;
            Err(ChartAccessError::OtherPatient)
        }
    }

    async fn keep(&self, who: &SignedIn, chart: &Reached, tokens: SmartTokens) -> Result<(), ChartAccessError> {
        let (link, is_own) = (chart.link.id, chart.is_own);
        let sealed = self.tokens.seal(&chart.link, &tokens);
        let stored = StoredTokens {
            link,
            account: who.account,
            access: sealed.access,
            refresh: sealed.refresh,
            expires: sealed.expires,
            version: 0,
            connected: self.clock.now(),
            refused: None,
        };
        let act = self.act("connect", who, &chart.link);
        let kept = self.acts.write(move |tx| {
            async move {
                // Either may have changed while the person was at the EHR.
                let link = links::by_id(&mut *tx, link).await?.filter(|link| link.state.is_active());
                let link = link.ok_or(ChartAccessError::NotFound)?;
                let before = source_tokens::by_link(&mut *tx, link.id).await?;
                may_replace(stored.account, is_own, before.as_ref())?;
                source_tokens::put(tx, &stored).await?;
                Ok::<_, ChartAccessError>((before, Some(act)))
            }
            .boxed()
        });
        match kept.await {
            Ok(Some(before)) if before.account != who.account => {
                // Another's sign-in was replaced: it is not needed any more. One's own may be the same at the EHR.
                let (tokens, link, app) = (self.tokens.clone(), chart.link.clone(), chart.app.clone());
                tokio::spawn(async move { tokens.revoke(&link, &before, &app).await });
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => {
                self.tokens.discard(chart.link.source, &tokens, &chart.app).await;
                Err(error)
            }
        }
    }

    /// The practice whose chart is about to be disconnected.
    ///
    /// # Errors
    /// [`ChartAccessError`]; `NotFound` where nothing is connected.
    pub async fn connected(&self, who: &SignedIn, link: LinkId) -> Result<String, ChartAccessError> {
        let chart = self.chart(who, link).await?;
        let stored = source_tokens::by_link(self.acts.db(), link).await?.ok_or(ChartAccessError::NotFound)?;
        may_disconnect(who.account, chart.is_own, &stored)?;
        Ok(chart.source.organization.clone())
    }

    /// Forgets what a sign-in gave for a link, and tells the EHR that it is not needed any more.
    ///
    /// # Errors
    /// [`ChartAccessError`]; `NotFound` where nothing is connected.
    pub async fn disconnect(&self, who: &SignedIn, link: LinkId) -> Result<(), ChartAccessError> {
        let Reached { link, app, is_own, .. } = self.chart(who, link).await?;
        let (id, account, act) = (link.id, who.account, self.act("disconnect", who, &link));
        let gone = self.acts.write(move |tx| {
            async move {
                let stored = source_tokens::delete(tx, id).await?.ok_or(ChartAccessError::NotFound)?;
                may_disconnect(account, is_own, &stored)?;
                Ok::<_, ChartAccessError>((stored, Some(act)))
            }
            .boxed()
        });
        let stored = gone.await?;
        // Nobody waits for the EHR: here it is done.
        let tokens = self.tokens.clone();
        tokio::spawn(async move { tokens.revoke(&link, &stored, &app).await });
        Ok(())
    }

    fn act(&self, step: &str, who: &SignedIn, link: &Link) -> Act {
        let act = Act::new(ActKind::SourceAccess, self.clock.now(), &*self.random).by_way_of(step);
        act.by(who.account).about(link.person).on("Link", link.id)
    }

    /// The link, if the account may act for its person, with its source and what the gateway is there.
    async fn chart(&self, who: &SignedIn, id: LinkId) -> Result<Reached, ChartAccessError> {
        let db = self.acts.db();
        let account = accounts::by_id(db, who.account).await?.filter(|account| account.is_active());
        let account = account.ok_or(ChartAccessError::NotFound)?;
        for (person, basis, _) in reachable(db, account.id, account.person, self.clock.now()).await? {
            let found = active_links(db, person).await?.into_iter().find(|link| link.id == id);
            let Some(link) = found else { continue };
            let source = self.sources.all().get(&link.source).cloned().ok_or(ChartAccessError::NotFound)?;
            let app = source.smart.clone().ok_or(ChartAccessError::NotFound)?;
            return Ok(Reached { link, source, app, is_own: basis.is_none() });
        }
        Err(ChartAccessError::NotFound)
    }
}

/// The redirect URI that an EHR has to know, of a gateway at `issuer`.
#[must_use]
pub fn redirect_uri(issuer: &str, source: SourceKey) -> String {
    format!("{issuer}/connect/callback/{source}")
}

/// What somebody's sign-in gave, and what works, is changed by them and by whose record it is: a proxy's sign-in, which
/// may show less or more, does not take the place of another's.
fn may_replace(account: AccountId, is_own: bool, stored: Option<&StoredTokens>) -> Result<(), ChartAccessError> {
    match stored {
        Some(stored) if stored.refused.is_none() => may_disconnect(account, is_own, stored),
        _ => Ok(()),
    }
}

fn may_disconnect(account: AccountId, is_own: bool, stored: &StoredTokens) -> Result<(), ChartAccessError> {
    if is_own || stored.account == account { Ok(()) } else { Err(ChartAccessError::NotTheirs) }
}

fn context(state_hash: &[u8; 32]) -> Vec<u8> {
    [b"source_launches ".as_slice(), state_hash].concat()
}
