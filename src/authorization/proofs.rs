//! Proofs of possession at the endpoints and at the FHIR API (RFC 9449): checked, and good for one use.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;

use super::{AuthorizationServer, ClientRequest, TokenError, Unauthenticated};
use crate::access::Subject;
use crate::base::clock::Instant;
use crate::base::hash::{sha256, sha256_of_parts};
use crate::oauth::client::Client;
use crate::oauth::dpop::{self, Expected, PROOF_LIFE, Proof, Thumbprint};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::jws::CLOCK_SKEW;
use crate::storage::{StorageError, spent_ids};

/// A proof that came with a request for a resource.
#[derive(Clone)]
pub struct ShownProof<'a> {
    /// The `DPoP` headers.
    pub proofs: &'a [&'a str],
    /// The method.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
}

impl std::fmt::Debug for ShownProof<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShownProof").field("proofs", &self.proofs.len()).finish_non_exhaustive()
    }
}

const BAD_PROOF: OauthError =
    OauthError::new(ErrorCode::InvalidDpopProof, "the DPoP proof is missing, malformed, for another request, or used");
const UNBOUND: OauthError =
    OauthError::new(ErrorCode::InvalidRequest, "this client's tokens are bound to a key: send a DPoP proof");
const FULL: OauthError = OauthError::new(ErrorCode::TemporarilyUnavailable, "too many DPoP proofs: wait a moment");

impl AuthorizationServer {
    /// The key that a request to an endpoint proves, if it does.
    pub(super) async fn possession(
        &self,
        client: &Client,
        request: &ClientRequest<'_>,
    ) -> Result<Option<Thumbprint>, TokenError> {
        let text = match request.proofs.as_slice() {
            [] if client.requirements.bound_tokens => return Err(UNBOUND.into()),
            [] => return Ok(None),
            [only] => *only,
            _ => return Err(BAD_PROOF.into()),
        };
        let url = format!("{}{}", self.endpoints.issuer(), request.endpoint.path());
        let now = self.clock.now();
        let expected = Expected { method: "POST", url: &url, token: None };
        let proof = dpop::check(text, &expected, now).ok_or(BAD_PROOF)?;
        match self.use_up(&proof, now).await? {
            Seen::First => Ok(Some(proof.key)),
            Seen::Again => Err(BAD_PROOF.into()),
            Seen::TooMany => Err(FULL.into()),
        }
    }

    /// Whose token it is that comes with a proof of its key.
    ///
    /// # Errors
    /// [`Unauthenticated`]; [`Unauthenticated::Proof`] when the token is good and the proof is not.
    pub async fn authenticate_bound(
        &self,
        token: &str,
        shown: &ShownProof<'_>,
    ) -> Result<Arc<Subject>, Unauthenticated> {
        let subject = self.look_up(token).await?;
        // A token that is bound to nothing proves nothing by a proof (RFC 9449 §7.1).
        let key = subject.key.ok_or(Unauthenticated::Invalid)?;
        let [text] = shown.proofs else { return Err(Unauthenticated::Proof) };
        let url = format!("{}{}", self.endpoints.issuer(), shown.path);
        let hash = sha256(token.as_bytes());
        let expected = Expected { method: shown.method, url: &url, token: Some(&hash) };
        let now = self.clock.now();
        let proof = dpop::check(text, &expected, now).ok_or(Unauthenticated::Proof)?;
        if proof.key != key {
            return Err(Unauthenticated::Invalid);
        }
        match self.use_up(&proof, now).await? {
            Seen::First => Ok(subject),
            Seen::Again | Seen::TooMany => Err(Unauthenticated::Proof),
        }
    }

    /// Uses a proof up, for every process that there is or will be: a replay must not be saved by a restart, or by the
    /// balancer in front. What this process saw itself costs nothing.
    async fn use_up(&self, proof: &Proof, now: Instant) -> Result<Seen, StorageError> {
        let here = self.proofs.first(proof, now);
        if here != Seen::First {
            return Ok(here);
        }
        let id = sha256_of_parts([b"DPoP proof".as_slice(), &proof.id]);
        let until = proof.issued.saturating_add(HALF + 1).saturating_mul(1_000_000);
        let until = Instant::from_micros(until);
        let first = self
            .db
            .write::<_, StorageError>(move |tx| async move { spent_ids::spend(tx, &id, until).await }.boxed())
            .await?;
        Ok(if first { Seen::First } else { Seen::Again })
    }
}

/// Proofs of one key that are remembered at a time: more in a minute is no client.
const MOST_OF_KEY: u32 = 20_000;
/// Proofs that are remembered in each half: fifty megabytes at the very most.
const MOST: usize = 250_000;
/// After this no proof made before the half began is accepted any more, in seconds.
const HALF: i64 = PROOF_LIFE + CLOCK_SKEW;

/// Whether a proof was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    First,
    Again,
    /// It cannot be remembered, so it must not be accepted.
    TooMany,
}

/// Proofs that were shown to this process, in two halves by time: the older one is forgotten when nothing in it would be
/// accepted.
#[derive(Debug)]
pub(super) struct UsedProofs(Mutex<Halves>);

#[derive(Debug)]
struct Halves {
    began: i64,
    current: Half,
    previous: Half,
}

#[derive(Debug, Default)]
struct Half {
    ids: HashSet<[u8; 16]>,
    of_key: HashMap<Thumbprint, u32>,
}

impl UsedProofs {
    pub(super) fn new(now: Instant) -> Self {
        let (current, previous) = (Half::default(), Half::default());
        Self(Mutex::new(Halves { began: now.seconds(), current, previous }))
    }

    /// Uses a proof up.
    fn first(&self, proof: &Proof, now: Instant) -> Seen {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.seconds().saturating_sub(halves.began);
        if elapsed >= HALF {
            // What is not older than one half may still be accepted.
            let before = std::mem::take(&mut halves.current);
            halves.previous = if elapsed < 2 * HALF { before } else { Half::default() };
            halves.began = now.seconds();
        }
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(proof.id) {
            *to = from;
        }
        let Halves { current, previous, .. } = &mut *halves;
        if current.ids.contains(&id) || previous.ids.contains(&id) {
            return Seen::Again;
        }
        let of_key = current.of_key.get(&proof.key).copied().unwrap_or(0);
        if current.ids.len() >= MOST || of_key >= MOST_OF_KEY {
            return Seen::TooMany;
        }
        current.ids.insert(id);
        current.of_key.insert(proof.key, of_key.saturating_add(1));
        Seen::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::sha256;

    #[test]
    fn o32_a_proof_is_used_once_and_forgotten_only_when_it_is_too_old_to_be_accepted() {
        let at = |seconds: i64| Instant::from_micros(seconds * 1_000_000);
        let used = UsedProofs::new(at(0));
        let proof = |key: u8, n: u32| Proof {
            key: Thumbprint::from_bytes([key; 32]),
            id: sha256(&[&[key][..], &n.to_be_bytes()].concat()),
            issued: 0,
        };
        assert_eq!(used.first(&proof(1, 1), at(69)), Seen::First);
        // It was made up to ten seconds ahead: good until a minute later.
        for seconds in 69..=139 {
            assert_eq!(used.first(&proof(1, 1), at(seconds)), Seen::Again, "{seconds}");
        }
        // After the two halves it is forgotten, and too old.
        assert_eq!(used.first(&proof(1, 1), at(1_000)), Seen::First);
    }

    #[test]
    fn o32_what_cannot_be_remembered_is_refused_and_one_key_takes_no_others_room() {
        let now = Instant::from_micros(0);
        let used = UsedProofs::new(now);
        let proof = |key: u8, n: u32| Proof {
            key: Thumbprint::from_bytes([key; 32]),
            id: sha256(&[&[key][..], &n.to_be_bytes()].concat()),
            issued: 0,
        };
        let taken = (0..MOST_OF_KEY + 10).filter(|n| used.first(&proof(1, *n), now) == Seen::First).count();
        assert_eq!(taken, MOST_OF_KEY as usize);
        assert_eq!(used.first(&proof(1, 0), now), Seen::Again);
        assert_eq!(used.first(&proof(2, 0), now), Seen::First);
    }
}
