//! The tokens that people's own sign-ins at an EHR gave: sealed at rest, refreshed once however many ask, and no good for
//! any link but their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, watch};

use crate::audit::{Act, ActKind, Acts};
use crate::base::clock::{Instant, SharedClock};
use crate::base::id::{LinkId, PersonId};
use crate::base::keys::{KeyUse, MasterKey, Sealer};
use crate::base::random::SharedRandom;
use crate::base::secret::Secret;
use crate::identity::{Link, PersonState};
use crate::organization::SourceKey;
use crate::storage::source_tokens::{self, StoredTokens, UsableTokens};
use crate::storage::{StorageError, accounts, consent, persons};
use crate::upstream::{
    PatientCredential, Refusals, SmartApp, SmartTokens, SourceFailure, TOKEN_PATIENCE, TokenRefusal,
};

/// Links whose tokens are kept at hand.
const KEPT: u64 = 50_000;
/// Tokens are renewed this long before they end, or after half their life when that is shorter.
const MARGIN: Duration = Duration::from_secs(60);
/// Whoever refreshes has this long; then another may try. By then the token endpoint has answered or was given up, and
/// the answer is stored or was given up.
const TURN: Duration = Duration::from_secs(30);
const _: () = assert!(TURN.as_secs() >= TOKEN_PATIENCE.as_secs() + 8);
/// While another process refreshes, its result is looked for this often.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// And so many times.
const LOOKS: u32 = 50;
/// What a refresh gave is stored again after these times when the database does not take it: the refresh token before it
/// may be dead already.
const STORE_AGAIN_MS: [u64; 4] = [100, 400, 1_500, 5_000];

#[derive(Clone)]
struct Known {
    /// The value of the `Authorization` header.
    authorization: Secret<String>,
    version: i64,
    expires: Instant,
    /// The generation of rights that it was read in.
    generation: i64,
    /// The EHR said no to it.
    is_refused: bool,
}

/// All tokens of this kind.
pub struct PatientTokens {
    acts: Acts,
    sealer: Sealer,
    clock: SharedClock,
    random: SharedRandom,
    /// Moved on by this process, at once.
    here: watch::Receiver<i64>,
    /// The newest generation that was read from the database, where other processes move it on.
    read: AtomicI64,
    known: moka::sync::Cache<LinkId, Known>,
    refusals: moka::sync::Cache<LinkId, Refusals>,
    /// Who looks into the tokens of a link: one at a time.
    turns: moka::sync::Cache<LinkId, Arc<Mutex<()>>>,
}

impl std::fmt::Debug for PatientTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PatientTokens(…)")
    }
}

/// Which of the two tokens.
#[derive(Clone, Copy)]
enum Part {
    Access,
    Refresh,
}

/// What sealed tokens are bound to: a row that was moved to another link, source or patient opens nothing.
#[derive(Clone, Copy, Debug)]
struct Binding<'a> {
    link: LinkId,
    source: SourceKey,
    patient: &'a str,
}

impl<'a> Binding<'a> {
    fn of(chart: &'a UsableTokens) -> Self {
        Self { link: chart.tokens.link, source: chart.source, patient: &chart.patient }
    }

    fn context(self, part: Part) -> Vec<u8> {
        let part = match part {
            Part::Access => "access",
            Part::Refresh => "refresh",
        };
        format!("source_tokens {part} {} {} {}", self.link, self.source, self.patient).into_bytes()
    }
}

impl PatientTokens {
    /// Tokens in this database, sealed under this master key.
    #[must_use]
    pub fn new(acts: Acts, master_key: &MasterKey, clock: SharedClock, random: SharedRandom) -> Arc<Self> {
        Arc::new(Self {
            here: acts.db().generation(),
            acts,
            sealer: master_key.sealer(KeyUse::SourceCredential),
            clock,
            random,
            read: AtomicI64::new(0),
            known: moka::sync::Cache::new(KEPT),
            refusals: moka::sync::Cache::new(KEPT),
            turns: moka::sync::Cache::new(KEPT),
        })
    }

    /// The generation of rights as read from the database: what was at hand before is read anew.
    pub fn moved_on(&self, generation: i64) {
        self.read.fetch_max(generation, Ordering::AcqRel);
    }

    fn generation(&self) -> i64 {
        self.read.load(Ordering::Acquire).max(*self.here.borrow())
    }

    /// What a sign-in gave for a link, ready to be stored.
    pub(crate) fn seal(&self, link: &Link, tokens: &SmartTokens) -> SealedTokens {
        self.sealed(Binding { link: link.id, source: link.source, patient: &link.patient }, tokens)
    }

    fn sealed(&self, binding: Binding<'_>, tokens: &SmartTokens) -> SealedTokens {
        let seal = |part, plain: &Secret<String>| {
            self.sealer.seal(&*self.random, &binding.context(part), plain.expose().as_bytes())
        };
        // Without a refresh token there is nothing to renew it with: it is used to its end.
        let margin = tokens.refresh.as_ref().map_or(Duration::ZERO, |_| MARGIN.min(tokens.lifetime / 2));
        SealedTokens {
            access: seal(Part::Access, &tokens.access),
            refresh: tokens.refresh.as_ref().map(|token| seal(Part::Refresh, token)),
            expires: tokens.asked.plus(tokens.lifetime.saturating_sub(margin)),
        }
    }

    /// Asks the EHR to end what was stored for a link: the refresh token, and with it all that came of it, or the access
    /// token where there is no other. What cannot be asked for ends by itself.
    pub(crate) async fn revoke(&self, link: &Link, stored: &StoredTokens, app: &SmartApp) {
        let binding = Binding { link: link.id, source: link.source, patient: &link.patient };
        let (part, sealed) = match &stored.refresh {
            Some(refresh) => (Part::Refresh, refresh),
            None => (Part::Access, &stored.access),
        };
        let Ok(token) = self.open(binding, part, sealed) else { return };
        let hint = if matches!(part, Part::Refresh) { "refresh_token" } else { "access_token" };
        end(app, link.source, &token, hint).await;
    }

    /// The same for what was never stored.
    pub(crate) async fn discard(&self, source: SourceKey, tokens: &SmartTokens, app: &SmartApp) {
        match &tokens.refresh {
            Some(refresh) => end(app, source, refresh, "refresh_token").await,
            None => end(app, source, &tokens.access, "access_token").await,
        }
    }

    fn open(&self, binding: Binding<'_>, part: Part, sealed: &[u8]) -> Result<Secret<String>, SourceFailure> {
        let plain = self.sealer.open(&binding.context(part), sealed).map_err(|_| SourceFailure::NotConnected)?;
        String::from_utf8(plain).map(Secret::new).map_err(|_| SourceFailure::NotConnected)
    }

    /// The `Authorization` value for requests on behalf of a link to this source.
    async fn authorization(
        self: Arc<Self>,
        link: LinkId,
        source: SourceKey,
        app: Arc<SmartApp>,
    ) -> Result<Secret<String>, SourceFailure> {
        if let Some(known) = self.fresh(link) {
            return Ok(known);
        }
        let turn = self.turns.get_with(link, Arc::default);
        let _turn = turn.lock().await;
        for _ in 0..LOOKS {
            if let Some(known) = self.fresh(link) {
                return Ok(known);
            }
            let generation = self.generation();
            let found = source_tokens::usable(self.acts.db(), link).await.map_err(|error| unavailable(&error))?;
            let Some(chart) = found.filter(|chart| chart.source == source) else {
                self.known.invalidate(&link);
                return Err(SourceFailure::NotConnected);
            };
            let known = self.known.get(&link).filter(|known| known.version == chart.tokens.version);
            let is_refused = known.is_some_and(|known| known.is_refused);
            if !is_refused && self.clock.now() < chart.tokens.expires {
                return self.keep(&chart, generation);
            }
            if is_refused && !self.may_replace(link) {
                return Err(SourceFailure::CredentialRefused);
            }
            if self.claim(&chart.tokens).await.map_err(|error| unavailable(&error))? {
                // On a task of its own: whoever asks may be gone before the answer is there, and a refresh token that
                // was used and whose successor was not kept is lost.
                let (tokens, app) = (self.clone(), app.clone());
                let renewed = tokio::spawn(async move { tokens.renew(chart, generation, &app).await });
                if let Some(authorization) = renewed.await.unwrap_or(Err(SourceFailure::Unreachable))? {
                    return Ok(authorization);
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(SourceFailure::Timeout)
    }

    fn fresh(&self, link: LinkId) -> Option<Secret<String>> {
        let known = self.known.get(&link)?;
        let is_good = !known.is_refused && known.generation == self.generation() && self.clock.now() < known.expires;
        is_good.then_some(known.authorization)
    }

    fn keep(&self, chart: &UsableTokens, generation: i64) -> Result<Secret<String>, SourceFailure> {
        let access = self.open(Binding::of(chart), Part::Access, &chart.tokens.access)?;
        let authorization = Secret::new(format!("Bearer {}", access.expose()));
        let known = Known {
            authorization: authorization.clone(),
            version: chart.tokens.version,
            expires: chart.tokens.expires,
            generation,
            is_refused: false,
        };
        self.known.insert(chart.tokens.link, known);
        Ok(authorization)
    }

    /// Exchanges the refresh token. `None` when other tokens stand there meanwhile, or none.
    async fn renew(
        &self,
        chart: UsableTokens,
        generation: i64,
        app: &SmartApp,
    ) -> Result<Option<Secret<String>>, SourceFailure> {
        if !self.may_act(&chart).await.map_err(|error| unavailable(&error))? {
            return self.lost(&chart, "no-right").await;
        }
        let Some(sealed) = &chart.tokens.refresh else { return self.lost(&chart, "no-refresh-token").await };
        let refresh = self.open(Binding::of(&chart), Part::Refresh, sealed)?;
        let tokens = match app.refresh(&refresh).await {
            Ok(tokens) => tokens,
            Err(TokenRefusal::Grant) => return self.lost(&chart, "invalid-grant").await,
            Err(TokenRefusal::Source(failure)) => {
                let (link, version) = (chart.tokens.link, chart.tokens.version);
                let released = self.acts.db().write(move |tx| source_tokens::release(tx, link, version).boxed()).await;
                released.map_err(|error| unavailable(&error))?;
                return Err(failure);
            }
        };
        // A server that now answers for somebody else is not asked again with these.
        if tokens.patient.as_ref().is_some_and(|patient| *patient != chart.patient) {
            tracing::warn!(source.key = %chart.source, "a refreshed token names another patient");
            self.discard(chart.source, &tokens, app).await;
            return self.lost(&chart, "other-patient").await;
        }
        let SealedTokens { access, refresh, expires } = self.sealed(Binding::of(&chart), &tokens);
        let refresh = refresh.or_else(|| chart.tokens.refresh.clone());
        let rotated = StoredTokens { access, refresh, expires, ..chart.tokens.clone() };
        // Stored before it is used: the old refresh token may be dead already.
        if !self.store(&rotated).await.map_err(|error| unavailable(&error))? {
            let stored = source_tokens::by_link(self.acts.db(), rotated.link).await;
            if stored.map_err(|error| unavailable(&error))?.is_none() {
                // The person disconnected the chart while this was under way.
                self.discard(chart.source, &tokens, app).await;
            }
            return Ok(None);
        }
        let version = rotated.version.saturating_add(1);
        let chart = UsableTokens { tokens: StoredTokens { version, ..rotated }, ..chart };
        self.keep(&chart, generation).map(Some)
    }

    /// Stores what a refresh gave. False when it was for tokens that are not there any more.
    async fn store(&self, rotated: &StoredTokens) -> Result<bool, StorageError> {
        let mut pauses = STORE_AGAIN_MS.into_iter();
        loop {
            let copy = rotated.clone();
            let stored =
                self.acts.db().write(move |tx| async move { source_tokens::rotate(tx, &copy).await }.boxed()).await;
            match (stored, pauses.next()) {
                (Err(error), Some(pause)) => {
                    tracing::warn!(%error, "refreshed tokens were not stored; tried again");
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                (stored, _) => return stored,
            }
        }
    }

    /// These tokens are no good any more: the person has to sign in at the EHR again.
    async fn lost<T>(&self, chart: &UsableTokens, rule: &'static str) -> Result<T, SourceFailure> {
        let (link, version, now) = (chart.tokens.link, chart.tokens.version, self.clock.now());
        let act = Act::new(ActKind::SourceAccess, now, &*self.random).by_way_of("refresh").refused(rule);
        let act = act.by(chart.tokens.account).about(chart.person).on("Link", link);
        let refused = self.acts.write(move |tx| {
            async move {
                let is_news = source_tokens::refuse(tx, link, version, now).await?;
                Ok::<_, StorageError>(((), is_news.then_some(act)))
            }
            .boxed()
        });
        refused.await.map_err(|error| unavailable(&error))?;
        self.known.invalidate(&link);
        Err(SourceFailure::NotConnected)
    }

    /// Whether whoever signed in at the EHR may still act for the person.
    async fn may_act(&self, chart: &UsableTokens) -> Result<bool, StorageError> {
        let db = self.acts.db();
        let account = accounts::by_id(db, chart.tokens.account).await?.filter(|account| account.is_active());
        let Some(account) = account else { return Ok(false) };
        let (whose, now) = (self.current(chart.person).await?, self.clock.now());
        let is_own = match account.person {
            Some(own) => self.current(own).await? == whose,
            None => false,
        };
        // A grant alone is not enough: whoever died, or is kept out, acts for nobody.
        let standing = consent::standing(db, account.id, whose, is_own).await?;
        Ok(standing.right_until(now).is_some())
    }

    /// The person that this one is, if they were found to be the same.
    async fn current(&self, person: PersonId) -> Result<PersonId, StorageError> {
        let found = persons::by_id(self.acts.db(), person).await?;
        Ok(found.map_or(person, |found| match found.state {
            PersonState::Current => person,
            PersonState::MergedInto { person, .. } => person,
        }))
    }

    async fn claim(&self, stored: &StoredTokens) -> Result<bool, StorageError> {
        let (link, version, now) = (stored.link, stored.version, self.clock.now());
        let until = now.plus(TURN);
        self.acts.db().write(move |tx| source_tokens::claim(tx, link, version, now, until).boxed()).await
    }

    /// Whether a refused token may be replaced now, counted by link.
    fn may_replace(&self, link: LinkId) -> bool {
        let mut refusals = self.refusals.get(&link).unwrap_or_default();
        let may = refusals.may_replace(self.clock.now());
        self.refusals.insert(link, refusals);
        may
    }

    /// The EHR said no to this value.
    fn refused(&self, link: LinkId, authorization: &Secret<String>) {
        // Only if it is still the one at hand: the answer may come after somebody refreshed.
        if let Some(known) = self.known.get(&link)
            && known.authorization.expose() == authorization.expose()
        {
            self.known.insert(link, Known { is_refused: true, ..known });
        }
    }
}

/// Tokens ready to be stored.
#[derive(Debug)]
pub(crate) struct SealedTokens {
    pub(crate) access: Vec<u8>,
    pub(crate) refresh: Option<Vec<u8>>,
    pub(crate) expires: Instant,
}

async fn end(app: &SmartApp, source: SourceKey, token: &Secret<String>, hint: &'static str) {
    if let Err(failure) = app.revoke(token, hint).await {
        tracing::warn!(source.key = %source, %failure, "the EHR was not told that tokens are not needed any more");
    }
}

fn unavailable(error: &StorageError) -> SourceFailure {
    tracing::error!(%error, "tokens of a source could not be read or stored");
    SourceFailure::Unreachable
}

/// The credential of a source that people connect themselves.
#[derive(Clone, Debug)]
pub(super) struct PatientsOwn {
    pub(super) source: SourceKey,
    pub(super) app: Arc<SmartApp>,
    pub(super) tokens: Arc<PatientTokens>,
}

impl PatientCredential for PatientsOwn {
    fn authorization(&self, link: LinkId) -> BoxFuture<'static, Result<Secret<String>, SourceFailure>> {
        self.tokens.clone().authorization(link, self.source, self.app.clone()).boxed()
    }

    fn refused(&self, link: LinkId, authorization: &Secret<String>) {
        self.tokens.refused(link, authorization);
    }
}
