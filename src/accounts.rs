//! Sign-in, sessions, and what a person does with an account.

mod activation;
mod challenge;
mod chart_access;
mod claims;
mod closing;
mod contacts;
mod devices;
mod elsewhere;
mod error;
mod lane;
mod notice;
mod overview;
mod passkeys;
mod password;
mod password_change;
mod place;
mod proof;
mod proofings;
mod proved_elsewhere;
mod recovery;
mod redeem;
mod second_factor;
mod session;
mod shared_address;
mod sign_up;
mod throttle;
mod unlink;

use std::fmt;
use std::time::Duration;

use crate::audit::{Act, ActKind, Acts};
use crate::base::clock::SharedClock;
use crate::base::keys::{KeyUse, MasterKey, Sealer};
use crate::base::random::SharedRandom;
use crate::base::secret::Secret;
use crate::config;
use crate::federated_login::Providers;
use crate::identity::{RelyingParty, Username, check_password};
use crate::mail::Outbox;
use crate::storage::Db;

pub use activation::CodeHashes;
pub use chart_access::{ChartAccess, ChartAccessError, LaunchAnswer, redirect_uri};
pub use claims::{ClaimAnswer, ClaimError, Claims, NewClaim};
pub use closing::Closing;
pub use contacts::ContactOverview;
pub use devices::Device;
pub use elsewhere::{Arrived, ElsewhereAnswer, ElsewhereOverview, Errand, Traveller};
pub use error::AccountError;
pub use lane::Lane;
pub(crate) use notice::letters_to;
pub use overview::{ChartOverview, Connected, LeftBehind, Overview, PersonOverview};
pub use passkeys::PasskeyQuestion;
pub use password::{PasswordError, Passwords, Verdict};
pub(crate) use place::{is_one_human, own_place};
pub use proved_elsewhere::ProvedElsewhere;
pub use recovery::Returning;
pub use redeem::{
    AnswerError, Answered, Answers, Asked, ConfirmError, Confirmed, HandOutError, HandedOut, NewAsk, NewProxy, Pending,
    Redemptions, RenewError, Typist,
};
pub use second_factor::{Completed, SecondFactors};
pub use session::{NewSession, SignIn, SignInError};
pub use sign_up::{NewAccount, OpenedAccount, OpeningAccount};
pub use throttle::{Throttle, Throttled};
pub use unlink::{OwnLink, UnlinkReason};

/// Accounts and their sessions.
pub struct Accounts {
    db: Db,
    acts: Acts,
    clock: SharedClock,
    random: SharedRandom,
    passwords: Passwords,
    throttle: Throttle,
    lanes: lane::Lanes,
    outbox: Outbox,
    code_key: Secret<[u8; 32]>,
    code_hashes: CodeHashes,
    factor_sealer: Sealer,
    /// Held while recovery requests are answered: whoever asks for it afterwards finds the earlier ones answered.
    answering: tokio::sync::Mutex<()>,
    relying_party: Option<RelyingParty>,
    providers: Providers,
    session_idle: Duration,
    session_longest: Duration,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").finish_non_exhaustive()
    }
}

impl Accounts {
    /// Accounts of this database.
    #[must_use]
    pub fn new(
        acts: Acts,
        clock: SharedClock,
        random: SharedRandom,
        master_key: &MasterKey,
        config: &config::Config,
    ) -> Self {
        let oauth = &config.oauth;
        Self {
            db: acts.db().clone(),
            acts,
            passwords: Passwords::new(master_key, oauth.password_checks),
            throttle: Throttle::default(),
            lanes: lane::Lanes::default(),
            outbox: Outbox::new(config, master_key, clock.clone(), random.clone()),
            code_hashes: CodeHashes::new(master_key),
            code_key: master_key.derive(KeyUse::OneTimeCode),
            factor_sealer: master_key.sealer(KeyUse::SecondFactor),
            answering: tokio::sync::Mutex::default(),
            providers: Providers::new(config, &clock, &random),
            relying_party: RelyingParty::new(&config.server.public_url),
            session_idle: Duration::from_secs(oauth.session_idle_seconds),
            session_longest: Duration::from_secs(oauth.session_seconds),
            clock,
            random,
        }
    }

    /// The PHC string to store for a password that somebody chose who signs in as `username`.
    ///
    /// # Errors
    /// [`PasswordError`]; `Refused` with what to tell them.
    pub async fn hash_password(
        &self,
        username: &Username,
        password: &Secret<String>,
    ) -> Result<Secret<String>, PasswordError> {
        check_password(password.expose(), username.folded())?;
        self.passwords.hash(password, &*self.random).await
    }

    /// How many passwords were hashed or checked so far: each takes 19 MiB and a good part of a processor.
    #[must_use]
    pub fn password_runs(&self) -> u64 {
        self.passwords.runs()
    }

    /// An act of now.
    fn new_act(&self, kind: ActKind) -> Act {
        Act::new(kind, self.clock.now(), &*self.random)
    }
}
