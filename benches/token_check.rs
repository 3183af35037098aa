//! What it costs to find out whose a token is that was seen before: `cargo bench --bench token_check`. Processor time of
//! the whole process, over a thousand tokens in turn, with the watch of the generation running beside it as it does in
//! operation. `scripts/bench --only token` takes the figure from the line that this prints.

#![expect(clippy::print_stdout, reason = "what it found is printed")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chartgate::accounts::Accounts;
use chartgate::audit::Acts;
use chartgate::authorization::{AuthorizationServer, NewClient};
use chartgate::base::clock::{SharedClock, SystemClock};
use chartgate::base::hash::sha256;
use chartgate::base::id::{AccountId, AuthorizationId, PersonId};
use chartgate::base::keys::MasterKey;
use chartgate::base::random::{SharedRandom, SystemRandom};
use chartgate::base::secret::Secret;
use chartgate::config::{Config, Storage};
use chartgate::oauth::client::ClientId;
use chartgate::oauth::grant::{AccessToken, Authorization};
use chartgate::oauth::launch::LaunchContext;
use chartgate::oauth::scope::ScopeSet;
use chartgate::oauth::token::TokenKind;
use chartgate::practice::{self, NewAccount};
use chartgate::storage::{Db, StorageError, authorizations, tokens};

const TOKENS: usize = 1_000;
const CHECKS: u32 = 2_000_000;

/// Microseconds of processor time of this process so far: clock ticks of a hundredth of a second.
fn processor_micros() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| -> Result<u32, Box<dyn Error>> { Ok(fields.get(at).ok_or("no such field")?.parse()?) };
    Ok(f64::from(ticks(11)? + ticks(12)?) * 10_000.0)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("chartgate.db").display());
    let db = Db::open(&Storage { url, ..Storage::default() }).await?;
    let (clock, random): (SharedClock, SharedRandom) = (Arc::new(SystemClock), Arc::new(SystemRandom::default()));
    let (master_key, config) = (MasterKey::new([7; 32]), Config::default());
    let acts = Acts::begin(db.clone(), &master_key, &*random).await?;
    let server = AuthorizationServer::new(acts.clone(), clock.clone(), random.clone(), &master_key, &config);
    let watched = server.clone();
    tokio::spawn(async move { watched.watch().await });

    let scopes = ScopeSet::parse("launch/patient patient/*.rs").0;
    let id = ClientId::parse("app").ok_or("no client id")?;
    let new = NewClient {
        id: Some(id.clone()),
        name: "App".to_owned(),
        redirect_uris: vec!["https://app.test/cb".to_owned()],
        scopes: scopes.clone(),
        ..NewClient::default()
    };
    server.register_client(new).await?;
    let accounts = Accounts::new(acts.clone(), clock.clone(), random.clone(), &master_key, &config);
    let person = practice::person(&acts, &*random, clock.now()).await?;
    let password = Secret::new("correct horse battery".to_owned());
    let new = NewAccount { username: "ann", password: &password, person: Some(person) };
    let account = practice::account(&acts, &accounts, &*random, clock.now(), new).await?;
    let held = store(&db, (&clock, &random), (id, account, person), &scopes).await?;

    // The generation becomes known, and each token is looked up once.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for token in &held {
        server.authenticate(token).await?;
    }
    let (began, before) = (Instant::now(), processor_micros()?);
    for (_, token) in (0..CHECKS).zip(held.iter().cycle()) {
        std::hint::black_box(server.authenticate(token).await?);
    }
    let cpu = (processor_micros()? - before) / f64::from(CHECKS);
    let wall = began.elapsed().as_secs_f64() * 1e6 / f64::from(CHECKS);
    println!(
        "token check: {cpu:.3} us of processor time, {wall:.3} us by the clock, {CHECKS} checks of {TOKENS} tokens"
    );
    Ok(())
}

/// Stores an authorization with so many tokens.
async fn store(
    db: &Db,
    (clock, random): (&SharedClock, &SharedRandom),
    (client, account, person): (ClientId, AccountId, PersonId),
    scopes: &ScopeSet,
) -> Result<Vec<String>, StorageError> {
    let now = clock.now();
    let authorization = Authorization {
        staff_of: None,
        id: AuthorizationId::mint(&**random),
        client,
        account,
        person: Some(person),
        context: LaunchContext::default(),
        scopes: scopes.clone(),
        signed_in: now,
        session: None,
        revoked: None,
    };
    let minted: Vec<String> = (0..TOKENS).map(|_| TokenKind::Access.mint(&**random).expose().clone()).collect();
    let (texts, scopes) = (minted.clone(), scopes.clone());
    db.write::<_, StorageError>(move |tx| {
        Box::pin(async move {
            authorizations::insert(tx, &authorization, now).await?;
            for text in &texts {
                let token = AccessToken {
                    authorization: authorization.id,
                    refresh_hash: None,
                    scopes: scopes.clone(),
                    key: None,
                    issued: now,
                    expires: now.plus(Duration::from_secs(3_600)),
                };
                tokens::insert_access(tx, &sha256(text.as_bytes()), &token).await?;
            }
            Ok(())
        })
    })
    .await?;
    Ok(minted)
}
