//! Randomness as a parameter: nothing but [`SystemRandom`] asks the machine for it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SecureRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

use super::secret::Secret;

/// Where random bytes come from.
pub trait Random: fmt::Debug + Send + Sync {
    /// Fills `into` with random bytes.
    fn fill(&self, into: &mut [u8]);

    /// A new RSA key of 2048 bits as PKCS #8; none when the provider fails. Costs a good part of a second of processor
    /// time.
    fn rsa_key(&self) -> Option<Secret<Vec<u8>>>;
}

/// Randomness as it is passed around.
pub type SharedRandom = Arc<dyn Random>;

impl dyn Random + '_ {
    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// 256 random bits, base64url without padding: 43 URL-safe characters.
    #[must_use]
    pub fn token(&self) -> String {
        BASE64URL_NOPAD.encode(&self.bytes::<32>())
    }

    /// A version 4 UUID (RFC 9562 §5.4).
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }
}

/// The operating system's generator, by way of the one crypto provider.
#[derive(Debug, Default)]
pub struct SystemRandom(aws_lc_rs::rand::SystemRandom);

impl Random for SystemRandom {
    fn fill(&self, into: &mut [u8]) {
        // A generator that fails leaves nothing safe to go on with: no token may be guessable.
        if self.0.fill(into).is_err() {
            std::process::abort();
        }
    }

    fn rsa_key(&self) -> Option<Secret<Vec<u8>>> {
        let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
        let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
        Some(Secret::new(der.as_ref().to_vec()))
    }
}

/// A repeatable sequence for tests: SHA-256 over a seed and a counter. Its RSA keys are made once for each process: the
/// nth key of all sequences with this seed is the same.
#[derive(Debug)]
pub struct SeededRandom {
    state: Mutex<(u64, u64)>,
    keys: AtomicUsize,
}

impl SeededRandom {
    /// A sequence that `seed` determines.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: Mutex::new((seed, 0)), keys: AtomicUsize::new(0) }
    }
}

impl Random for SeededRandom {
    fn fill(&self, into: &mut [u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in into.chunks_mut(32) {
            let mut input = [0_u8; 16];
            input[..8].copy_from_slice(&state.0.to_be_bytes());
            input[8..].copy_from_slice(&state.1.to_be_bytes());
            state.1 = state.1.wrapping_add(1);
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &input);
            for (to, from) in chunk.iter_mut().zip(digest.as_ref()) {
                *to = *from;
            }
        }
    }

    fn rsa_key(&self) -> Option<Secret<Vec<u8>>> {
        static MADE: Mutex<BTreeMap<u64, Vec<Vec<u8>>>> = Mutex::new(BTreeMap::new());
        let (seed, _) = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let nth = self.keys.fetch_add(1, Ordering::Relaxed);
        let mut seeds = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let made = seeds.entry(seed).or_default();
        while made.len() <= nth {
            made.push(SystemRandom::default().rsa_key()?.expose().clone());
        }
        made.get(nth).cloned().map(Secret::new)
    }
}
