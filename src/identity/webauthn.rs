//! Passkeys (Web Authentication Level 3 §7.1, §7.2): what an authenticator answers, checked. Who made the authenticator is not
//! asked; that its holder was verified there is.

mod cbor;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

use crate::base::hash::{equal_in_constant_time, sha256};
use cbor::Value;

/// A longer id of a key than this is none (§5.8.3), in bytes.
const LONGEST_ID: usize = 1_023;

/// Flags of §6.1.
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const BACKED_UP: u8 = 0x10;
const HAS_KEY: u8 = 0x40;

/// Whom a passkey is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// The origin of our pages.
    pub origin: String,
    /// The domain that keys are bound to.
    pub id: String,
}

impl RelyingParty {
    /// The one at this issuer; `None` where it is an address: browsers make no keys for those.
    #[must_use]
    pub fn new(issuer: &str) -> Option<Self> {
        let url = url::Url::parse(issuer).ok()?;
        Some(Self { origin: issuer.to_owned(), id: url.domain()?.to_owned() })
    }
}

/// A new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPasskey {
    /// Its id.
    pub id: Vec<u8>,
    /// Its public half, as a COSE key.
    pub public_key: Vec<u8>,
    /// How often it signed.
    pub sign_count: u32,
    /// A copy of it is kept elsewhere.
    pub backed_up: bool,
}

/// What a key signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedPasskey {
    /// How often it signed.
    pub sign_count: u32,
    /// A copy of it is kept elsewhere.
    pub backed_up: bool,
}

/// Why an answer is none. One word for the audit trail, nothing for whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a passkey's answer: {0}")]
pub struct NotAnswered(pub &'static str);

/// What the browser says of the ceremony (§5.8.1). Members that are not listed may come.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
}

struct AuthenticatorData<'b> {
    flags: u8,
    sign_count: u32,
    rest: &'b [u8],
}

impl RelyingParty {
    /// Takes the answer to `challenge` with which a key is registered.
    ///
    /// # Errors
    /// [`NotAnswered`].
    pub fn register(
        &self,
        challenge: &[u8],
        client_data: &[u8],
        attestation: &[u8],
    ) -> Result<NewPasskey, NotAnswered> {
        self.check_client(client_data, "webauthn.create", challenge)?;
        let (attestation, after) = cbor::read(attestation).ok_or(NotAnswered("attestation"))?;
        let data = attestation.bytes(&Value::Text("authData")).filter(|_| after.is_empty());
        let data = self.check_authenticator(data.ok_or(NotAnswered("attestation"))?)?;
        if data.flags & HAS_KEY == 0 {
            return Err(NotAnswered("no-key"));
        }
        let (id, key) = credential(data.rest).ok_or(NotAnswered("credential"))?;
        let (cose, after) = cbor::read(key).ok_or(NotAnswered("key"))?;
        let public_key = key.get(..key.len() - after.len()).unwrap_or_default().to_vec();
        if PublicKey::of(&cose).is_none() {
            return Err(NotAnswered("algorithm"));
        }
        Ok(NewPasskey {
            id: id.to_vec(),
            public_key,
            sign_count: data.sign_count,
            backed_up: data.flags & BACKED_UP != 0,
        })
    }

    /// Takes the answer to `challenge` that was signed with the key `public_key`, which had signed `sign_count` times.
    ///
    /// # Errors
    /// [`NotAnswered`]; also when the key signed less often than is known, which only a copy of it can have.
    pub fn authenticate(
        &self,
        challenge: &[u8],
        (public_key, sign_count): (&[u8], u32),
        (client_data, authenticator, signature): (&[u8], &[u8], &[u8]),
    ) -> Result<UsedPasskey, NotAnswered> {
        self.check_client(client_data, "webauthn.get", challenge)?;
        let data = self.check_authenticator(authenticator)?;
        let (cose, _) = cbor::read(public_key).ok_or(NotAnswered("key"))?;
        let key = PublicKey::of(&cose).ok_or(NotAnswered("algorithm"))?;
        let signed = [authenticator, &sha256(client_data)].concat();
        if !key.verifies(&signed, signature) {
            return Err(NotAnswered("signature"));
        }
        let counts = data.sign_count > 0 || sign_count > 0;
        if counts && data.sign_count <= sign_count {
            return Err(NotAnswered("copied"));
        }
        Ok(UsedPasskey { sign_count: data.sign_count, backed_up: data.flags & BACKED_UP != 0 })
    }

    fn check_client(&self, bytes: &[u8], kind: &str, challenge: &[u8]) -> Result<(), NotAnswered> {
        let data: ClientData = serde_json::from_slice(bytes).map_err(|_| NotAnswered("client-data"))?;
        let expected = BASE64URL_NOPAD.encode(challenge);
        if data.kind != kind {
            Err(NotAnswered("type"))
        } else if !equal_in_constant_time(data.challenge.as_bytes(), expected.as_bytes()) {
            Err(NotAnswered("challenge"))
        } else if data.origin != self.origin || data.cross_origin {
            Err(NotAnswered("origin"))
        } else {
            Ok(())
        }
    }

    fn check_authenticator<'b>(&self, bytes: &'b [u8]) -> Result<AuthenticatorData<'b>, NotAnswered> {
        let (party, rest) = bytes.split_at_checked(32).ok_or(NotAnswered("authenticator-data"))?;
        let (flags, rest) = rest.split_first().ok_or(NotAnswered("authenticator-data"))?;
        let (count, rest) = rest.split_first_chunk::<4>().ok_or(NotAnswered("authenticator-data"))?;
        if !equal_in_constant_time(party, &sha256(self.id.as_bytes())) {
            return Err(NotAnswered("relying-party"));
        }
        if flags & PRESENT == 0 || flags & VERIFIED == 0 {
            return Err(NotAnswered("not-verified"));
        }
        Ok(AuthenticatorData { flags: *flags, sign_count: u32::from_be_bytes(*count), rest })
    }
}

/// The id of a new key, and what follows it: its public half (§6.5.1).
fn credential(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_aaguid, rest) = bytes.split_at_checked(16)?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    rest.split_at_checked(length).filter(|_| (1..=LONGEST_ID).contains(&length))
}

/// A public key in one of the forms that authenticators have (RFC 9053): ES256, EdDSA, RS256.
enum PublicKey<'b> {
    P256(Vec<u8>),
    Ed25519(&'b [u8]),
    Rsa { n: &'b [u8], e: &'b [u8] },
}

impl<'b> PublicKey<'b> {
    fn of(cose: &Value<'b>) -> Option<Self> {
        let bytes = |key: i64| cose.bytes(&Value::Int(key));
        match (cose.int(1)?, cose.int(3)?) {
            (2, -7) if cose.int(-1) == Some(1) => {
                let (x, y) = (bytes(-2).filter(|x| x.len() == 32)?, bytes(-3).filter(|y| y.len() == 32)?);
                Some(Self::P256([&[4], x, y].concat()))
            }
            (1, -8) if cose.int(-1) == Some(6) => Some(Self::Ed25519(bytes(-2).filter(|x| x.len() == 32)?)),
            (3, -257) => Some(Self::Rsa { n: bytes(-1)?, e: bytes(-2)? }),
            _ => None,
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature).is_ok()
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok(),
            Self::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
        }
    }
}
