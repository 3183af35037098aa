//! Passkeys against an authenticator of a few lines (Web Authentication Level 3 §6), which shares no code with the product.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom as KeyRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use chartgate::accounts::{AccountError, Accounts};
use chartgate::audit::Acts;
use chartgate::authorization::SignedIn;
use chartgate::base::clock::{Clock as _, TestClock};
use chartgate::base::id::SessionId;
use chartgate::base::keys::MasterKey;
use chartgate::base::random::SystemRandom;
use chartgate::config::Config;
use chartgate::storage::{StorageError, accounts};

use crate::storage::sample::{self, at};
use crate::support::database::{Database, on_both};

on_both!(a_passkey_is_made_and_used, what_is_no_answer_is_refused);

const ORIGIN: &str = "https://records.example";

struct Authenticator {
    key: EcdsaKeyPair,
    id: Vec<u8>,
    count: u32,
    flags: u8,
    origin: &'static str,
    party: &'static str,
}

impl Authenticator {
    fn new() -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &KeyRandom::new()).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
        Self { key, id: vec![7; 32], count: 0, flags: 0x05, origin: ORIGIN, party: "records.example" }
    }

    fn client_data(&self, kind: &str, challenge: &str) -> Vec<u8> {
        let data = json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false});
        serde_json::to_vec(&data).unwrap()
    }

    fn data(&mut self, with_key: bool) -> Vec<u8> {
        self.count += 1;
        let mut out = digest(&SHA256, self.party.as_bytes()).as_ref().to_vec();
        out.push(self.flags | if with_key { 0x40 } else { 0 });
        out.extend(self.count.to_be_bytes());
        if with_key {
            out.extend([0; 16]);
            out.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
            out.extend(&self.id);
            let point = self.key.public_key().as_ref();
            // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
            out.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
            out.extend(&point[1..33]);
            out.extend([0x22, 0x58, 0x20]);
            out.extend(&point[33..]);
        }
        out
    }

    fn make(&mut self, challenge: &str) -> String {
        let data = self.data(true);
        // {"fmt": "none", "attStmt": {}, "authData": …}
        let mut attestation = vec![0xa3, 0x63];
        attestation.extend(b"fmt\x64none\x67attStmt\xa0\x68authData\x58");
        attestation.push(u8::try_from(data.len()).unwrap());
        attestation.extend(&data);
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let client = self.client_data("webauthn.create", challenge);
        json!({"id": text(&self.id), "challenge": challenge, "client_data": text(&client),
               "attestation": text(&attestation)})
        .to_string()
    }

    fn sign(&mut self, challenge: &str) -> String {
        let (data, client) = (self.data(false), self.client_data("webauthn.get", challenge));
        let signed = [&data[..], digest(&SHA256, &client).as_ref()].concat();
        let signature = self.key.sign(&KeyRandom::new(), &signed).unwrap();
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        json!({"id": text(&self.id), "challenge": challenge, "client_data": text(&client),
               "authenticator_data": text(&data), "signature": text(signature.as_ref())})
        .to_string()
    }
}

struct Site {
    accounts: Accounts,
    clock: Arc<TestClock>,
    dana: SignedIn,
}

async fn site(database: &Database) -> Site {
    let clock = Arc::new(TestClock::at(at(0)));
    let random = Arc::new(SystemRandom::default());
    let master_key = MasterKey::new([5; 32]);
    let mut config = Config::default();
    config.server.public_url = ORIGIN.to_owned();
    let acts = Acts::begin(database.db.clone(), &master_key, &*random).await.unwrap();
    let dana = sample::account("dana", None);
    let id = dana.id;
    database
        .db
        .write::<_, StorageError>(move |tx| Box::pin(async move { accounts::insert(tx, &dana).await }))
        .await
        .unwrap();
    let now = clock.now();
    let dana = SignedIn {
        account: id,
        signed_in: now,
        expires: now.plus(Duration::from_secs(3_600)),
        hash: [0; 32],
        session: SessionId::mint(&*random),
        proved: now,
        factors: "password".to_owned(),
    };
    let accounts = Accounts::new(acts, clock.clone(), random, &master_key, &config);
    Site { accounts, clock, dana }
}

impl Site {
    async fn register(&self, key: &mut Authenticator) -> Result<(), AccountError> {
        let question = self.accounts.ask_for_new_passkey(&self.dana).await.unwrap();
        assert_eq!(question.relying_party, "records.example");
        self.accounts.add_passkey(&self.dana, &key.make(&question.challenge), "Test".to_owned()).await
    }

    async fn ask(&self) -> String {
        self.accounts.ask_for_passkey(None).await.unwrap().challenge
    }

    async fn signs_in(&self, answer: &str) -> bool {
        self.accounts.sign_in_by_passkey(answer, "Test".to_owned(), None).await.is_ok()
    }
}

async fn a_passkey_is_made_and_used(database: Database) {
    let site = site(&database).await;
    let mut key = Authenticator::new();
    site.register(&mut key).await.unwrap();
    let begun = site.accounts.sign_in_by_passkey(&key.sign(&site.ask().await), "Test".to_owned(), None).await.unwrap();
    assert_eq!(begun.account, site.dana.account);
    let session = site.accounts.session(begun.cookie.expose()).await.unwrap().unwrap();
    assert_eq!(session.account, site.dana.account);
    let known = site.accounts.passkeys(site.dana.account).await.unwrap();
    assert_eq!((known.len(), known[0].sign_count, known[0].last_used), (1, 2, Some(site.clock.now())));
    assert!(site.register(&mut key).await.is_err(), "the same key twice");

    site.accounts.remove_passkey(&site.dana, known[0].id).await.unwrap();
    let answer = key.sign(&site.ask().await);
    assert!(!site.signs_in(&answer).await, "removed");
    site.clock.advance(Duration::from_secs(300));
    let stale = site.accounts.ask_for_new_passkey(&site.dana).await;
    assert!(matches!(stale, Err(AccountError::NotProved)), "a proof is good for five minutes");
}

async fn what_is_no_answer_is_refused(database: Database) {
    let site = site(&database).await;
    let mut key = Authenticator::new();
    for (change, reason) in [
        (Box::new(|key: &mut Authenticator| key.flags = 0x01) as Box<dyn Fn(&mut Authenticator)>, "not verified"),
        (Box::new(|key: &mut Authenticator| key.flags = 0x04), "not present"),
        (Box::new(|key: &mut Authenticator| key.origin = "https://records.example.evil.test"), "origin"),
        (Box::new(|key: &mut Authenticator| key.party = "evil.test"), "party"),
        (Box::new(|key: &mut Authenticator| key.id = Vec::new()), "no id"),
    ] {
        let mut key = Authenticator::new();
        change(&mut key);
        assert!(site.register(&mut key).await.is_err(), "{reason}");
    }
    site.register(&mut key).await.unwrap();

    let challenge = site.ask().await;
    let answer = key.sign(&challenge);
    assert!(site.signs_in(&answer).await);
    assert!(!site.signs_in(&answer).await, "a replay");
    let own = BASE64URL_NOPAD.encode(&[1; 32]);
    assert!(!site.signs_in(&key.sign(&own)).await, "a challenge that nobody asked");
    let question = site.accounts.ask_for_new_passkey(&site.dana).await.unwrap().challenge;
    assert!(!site.signs_in(&key.sign(&question)).await, "one that was asked for another thing");
    let late = site.ask().await;
    site.clock.advance(Duration::from_secs(600));
    assert!(!site.signs_in(&key.sign(&late)).await, "too late");

    let other = Authenticator::new();
    let (mut forged, challenge) = (Authenticator { count: 100, ..other }, site.ask().await);
    assert!(!site.signs_in(&forged.sign(&challenge)).await, "another key under the same id");
    key.flags = 0x01;
    let challenge = site.ask().await;
    assert!(!site.signs_in(&key.sign(&challenge)).await, "the holder was not verified");
    key.flags = 0x05;
    key.count = 0;
    let challenge = site.ask().await;
    assert!(!site.signs_in(&key.sign(&challenge)).await, "a copy counts behind");
    key.count = 50;
    for n in 0..6 {
        let answer = key.sign(&site.ask().await);
        let broken = match n {
            0 => answer.replace("webauthn", "x"),
            1 => answer.replace("\"signature\":\"", "\"signature\":\"AA"),
            2 => "{}".to_owned(),
            3 => answer.replace("\"client_data\":\"", "\"client_data\":\"AAAA"),
            4 => answer.replace("\"authenticator_data\":\"", "\"authenticator_data\":\"AAAA"),
            _ => String::new(),
        };
        if broken != answer {
            assert!(!site.signs_in(&broken).await, "{n}");
        }
    }
    let answer = key.sign(&site.ask().await);
    assert!(site.signs_in(&answer).await, "and a good one still does");
}
