//! Passwords: Argon2id over a keyed hash, a few at a time.
//!
//! Checks that wait stand in three lanes. One permit is kept from everybody but `Lane::Home`, where there are several, and of
//! three or more another one from `Lane::Doubted`. Those pass a gate first, which lets in as many as can run: whoever is new
//! finds none of them waiting ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::Lane;
use crate::base::hash::hmac_sha256;
use crate::base::keys::{KeyUse, MasterKey};
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::identity::{PasswordProblem, normal_password};

/// Longer passwords than this are not looked at, in bytes (NIST SP 800-63B-4 §3.1.1.2 wants at least 64 characters).
const LONGEST: usize = 1_024;

/// What is verified for a name that nobody has, so that the answer takes as long. No password leads to it: nobody knows
/// an input with this output.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$Y2hhcnRnYXRlIGRlY295$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password was not hashed or verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Empty, or longer than 1,024 bytes.
    #[error("a password has from 1 to 1024 bytes")]
    Length,
    /// It must not be chosen.
    #[error(transparent)]
    Refused(#[from] PasswordProblem),
    /// The hash could not be computed: no memory, or the process is ending.
    #[error("the password could not be checked")]
    Unavailable,
}

/// Hashes and verifies passwords. At most so many at a time as there are permits: each takes 19 MiB and a core.
#[derive(Clone, Debug)]
pub struct Passwords {
    pepper: Secret<[u8; 32]>,
    permits: Arc<Semaphore>,
    /// For all who are not at home: one less, where there are several.
    strangers: Arc<Semaphore>,
    /// Before those, for the doubted: one less again, where it can be.
    gate: Arc<Semaphore>,
    runs: Arc<AtomicU64>,
}

/// How a hash begins that was made as hashes are made now.
const CURRENT: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

/// What became of a password that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is another one, or there is none.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, and its hash was made with parameters of another time: it is to be hashed again.
    RightButOutdated,
}

/// OWASP's floor for Argon2id: 19 MiB, two passes, one lane.
fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(19 * 1_024, 2, 1, Some(32)).map_err(|_| PasswordError::Unavailable)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

impl Passwords {
    /// With the pepper of this installation: a stolen database alone cannot be guessed against.
    #[must_use]
    pub fn new(master_key: &MasterKey, at_a_time: usize) -> Self {
        let room = |permits: usize| Arc::new(Semaphore::new(permits.max(1)));
        let rest = at_a_time.saturating_sub(1);
        Self {
            pepper: master_key.derive(KeyUse::PasswordPepper),
            permits: room(at_a_time),
            strangers: room(rest),
            gate: room(rest.saturating_sub(1)),
            runs: Arc::default(),
        }
    }

    fn pepper(&self, password: &Secret<String>) -> Result<Secret<[u8; 32]>, PasswordError> {
        let normal = Secret::new(normal_password(password.expose()));
        let bytes = normal.expose().as_bytes();
        if bytes.is_empty() || bytes.len() > LONGEST {
            return Err(PasswordError::Length);
        }
        Ok(Secret::new(hmac_sha256(self.pepper.expose(), &[bytes])))
    }

    /// The PHC string to store.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: &Secret<String>, random: &dyn Random) -> Result<Secret<String>, PasswordError> {
        let peppered = self.pepper(password)?;
        let salt: [u8; 16] = random.bytes();
        self.work(Lane::New, move || {
            let hash = argon2()?.hash_password_with_salt(peppered.expose(), &salt);
            hash.map(|hash| Secret::new(hash.to_string())).map_err(|_| PasswordError::Unavailable)
        })
        .await
    }

    /// Whether `password` is the one that `stored` was made from, with the parameters that `stored` names. Without
    /// `stored` it works as long and says no.
    ///
    /// # Errors
    /// [`PasswordError::Unavailable`].
    pub async fn verify(
        &self,
        password: &Secret<String>,
        stored: Option<Secret<String>>,
        lane: Lane,
    ) -> Result<Verdict, PasswordError> {
        // A password of impossible length takes as long as any other.
        let (peppered, possible) = match self.pepper(password) {
            Ok(peppered) => (peppered, true),
            Err(_) => (Secret::new([0; 32]), false),
        };
        self.work(lane, move || {
            let known = stored.is_some() && possible;
            let text = stored.unwrap_or_else(|| Secret::new(DECOY.to_owned()));
            let hash = PasswordHash::new(text.expose()).map_err(|_| PasswordError::Unavailable)?;
            let good = argon2()?.verify_password(peppered.expose(), &hash).is_ok() && known;
            Ok(match good {
                false => Verdict::Wrong,
                true if text.expose().starts_with(CURRENT) => Verdict::Right,
                true => Verdict::RightButOutdated,
            })
        })
        .await
    }

    /// How many passwords were hashed or checked so far.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Runs `work` on a thread for blocking work, once a permit is free. The permit goes with it: a caller who hangs up
    /// does not make room for another one while the work still runs.
    async fn work<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = self.place(lane).await.map_err(|_| PasswordError::Unavailable)?;
        self.runs.fetch_add(1, Ordering::Relaxed);
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(place);
            result
        });
        done.await.map_err(|_| PasswordError::Unavailable)?
    }

    async fn place(&self, lane: Lane) -> Result<Place, AcquireError> {
        let gate = match lane {
            Lane::Doubted => Some(self.gate.clone().acquire_owned().await?),
            Lane::New | Lane::Home => None,
        };
        let stranger = match lane {
            Lane::Doubted | Lane::New => Some(self.strangers.clone().acquire_owned().await?),
            Lane::Home => None,
        };
        Ok(Place { _permit: self.permits.clone().acquire_owned().await?, _stranger: stranger, _gate: gate })
    }
}

/// What a check holds while it runs; given back in this order.
#[derive(Debug)]
struct Place {
    _permit: OwnedSemaphorePermit,
    _stranger: Option<OwnedSemaphorePermit>,
    _gate: Option<OwnedSemaphorePermit>,
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::base::random::SeededRandom;

    #[tokio::test]
    async fn only_the_password_and_the_pepper_together_verify() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let passwords = Passwords::new(&MasterKey::new([1; 32]), 2);
        let stored = passwords.hash(&secret("correct horse"), &SeededRandom::new(1)).await.unwrap();
        assert!(stored.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", stored.expose());
        assert!(stored.expose().starts_with(CURRENT));
        for (given, verdict) in
            [("correct horse", Verdict::Right), ("correct horsf", Verdict::Wrong), ("", Verdict::Wrong)]
        {
            assert_eq!(passwords.verify(&secret(given), Some(stored.clone()), Lane::New).await, Ok(verdict), "{given}");
        }
        let other_pepper = Passwords::new(&MasterKey::new([2; 32]), 2);
        assert_eq!(other_pepper.verify(&secret("correct horse"), Some(stored), Lane::New).await, Ok(Verdict::Wrong));
        assert_eq!(passwords.verify(&secret("anything"), None, Lane::New).await, Ok(Verdict::Wrong));
        assert_eq!(passwords.verify(&secret(&"x".repeat(2_000)), None, Lane::New).await, Ok(Verdict::Wrong));
        let too_long = passwords.hash(&secret(&"x".repeat(1_025)), &SeededRandom::new(1)).await;
        assert_eq!(too_long.unwrap_err(), PasswordError::Length);
    }

    /// Rule: however many guesses wait, one of two permits is free for who is at home, and the other goes to who is new
    /// before any of them.
    #[tokio::test]
    async fn i12_guesses_that_wait_hold_up_nobody_else() {
        let passwords = Passwords::new(&MasterKey::new([1; 32]), 2);
        let running = passwords.place(Lane::Doubted).await.unwrap();
        let mut waiting: Vec<_> = (0..50).map(|_| Box::pin(passwords.place(Lane::Doubted))).collect();
        for guess in &mut waiting {
            assert!(guess.now_or_never().is_none());
        }
        let home = passwords.place(Lane::Home).now_or_never();
        assert!(home.is_some(), "there is room for somebody at home");
        assert!(passwords.place(Lane::Home).now_or_never().is_none(), "two at a time");
        drop(home);
        let mut new = Box::pin(passwords.place(Lane::New));
        assert!((&mut new).now_or_never().is_none());
        drop(running);
        for guess in &mut waiting {
            assert!(guess.now_or_never().is_none(), "it came first, and waits");
        }
        assert!((&mut new).now_or_never().is_some(), "the next is who is new");
    }

    /// Rule: of three permits one guess runs, one is for who is new and one for who is at home: neither waits for it.
    #[tokio::test]
    async fn i12_of_three_permits_guesses_have_one() {
        let passwords = Passwords::new(&MasterKey::new([1; 32]), 3);
        let running = passwords.place(Lane::Doubted).await.unwrap();
        let mut guess = Box::pin(passwords.place(Lane::Doubted));
        assert!((&mut guess).now_or_never().is_none());
        let new = passwords.place(Lane::New).now_or_never();
        assert!(new.is_some(), "there is room for somebody new");
        assert!(passwords.place(Lane::New).now_or_never().is_none(), "for one of them");
        assert!(passwords.place(Lane::Home).now_or_never().is_some(), "and for somebody at home");
        drop(running);
        assert!(guess.now_or_never().is_some());
    }

    /// Rule: with one check at a time, whoever is new or at home waits for one guess at most.
    #[tokio::test]
    async fn i12_one_check_at_a_time_goes_to_guesses_last() {
        for lane in [Lane::New, Lane::Home] {
            let passwords = Passwords::new(&MasterKey::new([1; 32]), 1);
            let running = passwords.place(Lane::Doubted).await.unwrap();
            let mut guess = Box::pin(passwords.place(Lane::Doubted));
            assert!((&mut guess).now_or_never().is_none());
            let mut other = Box::pin(passwords.place(lane));
            assert!((&mut other).now_or_never().is_none());
            drop(running);
            assert!((&mut guess).now_or_never().is_none(), "it came first, and waits");
            assert!((&mut other).now_or_never().is_some());
        }
    }
}
