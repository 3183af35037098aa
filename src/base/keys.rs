//! One 32-byte master key, one derived key for each use (RFC 5869), and the seal made with them.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;

use super::random::Random;
use super::secret::Secret;

/// What a derived key is for. The text is part of the derivation: never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Page links of search results.
    PageLink,
    /// Long or reserved upstream ids. Never rotated: ids must stay what they are.
    HashedId,
    /// Authorization requests between page loads.
    AuthorizationState,
    /// Form tokens against cross-site requests.
    FormToken,
    /// Successors of refresh tokens.
    RefreshSuccessor,
    /// Signing keys at rest.
    SigningKey,
    /// Credentials for sources at rest.
    SourceCredential,
    /// The chain of audit entries.
    AuditChain,
    /// The pepper of passwords.
    PasswordPepper,
    /// The subject claim of id_tokens.
    SubjectIdentifier,
    /// What waits to be sent to people.
    Mail,
    /// Codes that people type, as they are stored.
    OneTimeCode,
    /// What signs people in beside a password, at rest.
    SecondFactor,
    /// The pepper of activation codes and one-time codes.
    ActivationCode,
    /// Redemptions of codes between page loads.
    Redemption,
}

impl KeyUse {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::PageLink => b"chartgate page link v1",
            Self::HashedId => b"chartgate hashed id v1",
            Self::AuthorizationState => b"chartgate authorization state v1",
            Self::FormToken => b"chartgate form token v1",
            Self::RefreshSuccessor => b"chartgate refresh successor v1",
            Self::SigningKey => b"chartgate signing key v1",
            Self::SourceCredential => b"chartgate source credential v1",
            Self::AuditChain => b"chartgate audit chain v1",
            Self::PasswordPepper => b"chartgate password pepper v1",
            Self::SubjectIdentifier => b"chartgate subject identifier v1",
            Self::Mail => b"chartgate mail v1",
            Self::OneTimeCode => b"chartgate one-time code v1",
            Self::SecondFactor => b"chartgate second factor v1",
            Self::ActivationCode => b"chartgate activation code v1",
            Self::Redemption => b"chartgate redemption v1",
        }
    }
}

/// The master key, from which every other key is derived.
#[derive(Clone, Debug)]
pub struct MasterKey(Secret<[u8; 32]>);

struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

impl MasterKey {
    /// Wraps the 32 bytes of the key file.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// The key for one use.
    #[must_use]
    pub fn derive(&self, key_use: KeyUse) -> Secret<[u8; 32]> {
        let mut out = [0; 32];
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, b"chartgate")
            .extract(self.0.expose())
            .expand(&[key_use.label()], Length)
            .and_then(|okm| okm.fill(&mut out));
        // HKDF fails only for lengths over 255 hashes; 32 bytes are one.
        if derived.is_err() {
            std::process::abort();
        }
        Secret::new(out)
    }

    /// A sealing key for one use.
    #[must_use]
    pub fn sealer(&self, key_use: KeyUse) -> Sealer {
        let key = self.derive(key_use);
        match UnboundKey::new(&AES_256_GCM_SIV, key.expose()) {
            Ok(unbound) => Sealer(LessSafeKey::new(unbound)),
            // Only a wrong key length fails, and the length is fixed by the type.
            Err(_) => std::process::abort(),
        }
    }
}

/// Seals and opens small texts: AES-256-GCM-SIV with a random nonce in front.
#[derive(Debug)]
pub struct Sealer(LessSafeKey);

/// A sealed text that was changed, cut, sealed with another key, or bound to something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealed value cannot be opened")]
pub struct Unsealable;

impl Sealer {
    /// Seals `plain`, bound to `context`.
    pub fn seal(&self, random: &dyn Random, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; 12] = random.bytes();
        let mut body = plain.to_vec();
        let sealed =
            self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut body);
        // Fails only past 2^36 bytes, which no caller holds.
        if sealed.is_err() {
            std::process::abort();
        }
        let mut out = nonce.to_vec();
        out.append(&mut body);
        out
    }

    /// Opens what [`Sealer::seal`] made with the same `context`.
    ///
    /// # Errors
    /// [`Unsealable`] for anything else.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (nonce, body) = sealed.split_at_checked(12).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut body = body.to_vec();
        let plain = self.0.open_in_place(nonce, Aad::from(context), &mut body).map_err(|_| Unsealable)?;
        Ok(plain.to_vec())
    }
}
