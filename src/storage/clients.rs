//! OAuth clients.

use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Taken, Tx};
use crate::base::clock::Instant;
use crate::oauth::client::{Client, ClientAuthentication, ClientId};
use crate::oauth::scope::ScopeSet;

statements! {
    INSERT = "INSERT INTO clients (id, name, redirect_uris, launch_uri, scopes, secret_hash, kind, created, state) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING";
    GET = "SELECT id, name, redirect_uris, launch_uri, scopes, secret_hash, kind, state FROM clients WHERE id = $1";
    ALL = "SELECT id, name, redirect_uris, launch_uri, scopes, secret_hash, kind, state FROM clients \
           ORDER BY created, id";
    SET_STATE = "UPDATE clients SET state = $2 WHERE id = $1";
    SET_SCOPES = "UPDATE clients SET scopes = $2 WHERE id = $1";
}

type Row = (String, String, String, Option<String>, String, Option<Vec<u8>>, String, String);

fn client(row: Row) -> Result<Client, StorageError> {
    let (id, name, redirect_uris, launch_uri, scopes, secret_hash, kind, state) = row;
    let broken = |column| DatabaseInconsistency { table: "clients", column, row: id.clone() };
    let authentication = match secret_hash {
        None => ClientAuthentication::None,
        Some(hash) => ClientAuthentication::Secret(hash.try_into().map_err(|_| broken("secret_hash"))?),
    };
    Ok(Client {
        id: ClientId::parse(&id).ok_or_else(|| broken("id"))?,
        name,
        redirect_uris: serde_json::from_str(&redirect_uris).map_err(|_| broken("redirect_uris"))?,
        launch_uri,
        scopes: ScopeSet::parse(&scopes).0,
        authentication,
        native: kind == "native",
        enabled: state == "active",
    })
}

const fn state(enabled: bool) -> &'static str {
    if enabled { "active" } else { "disabled" }
}

/// Stores a new client.
///
/// # Errors
/// [`StorageError::AlreadyTaken`] when the id is.
pub async fn insert(tx: &mut Tx, client: &Client, created: Instant) -> Result<(), StorageError> {
    let secret_hash = match &client.authentication {
        ClientAuthentication::None => None,
        ClientAuthentication::Secret(hash) => Some(hash.to_vec()),
    };
    let redirect_uris = serde_json::Value::from(client.redirect_uris.clone()).to_string();
    let rows = execute!(
        tx,
        INSERT,
        client.id.as_str(),
        client.name.as_str(),
        redirect_uris.as_str(),
        client.launch_uri.as_deref(),
        client.scopes.to_string(),
        secret_hash.clone(),
        if client.native { "native" } else { "web" },
        created.micros(),
        state(client.enabled)
    )?;
    if rows == 1 { Ok(()) } else { Err(StorageError::AlreadyTaken(Taken::Key)) }
}

/// The client with this id.
///
/// # Errors
/// [`StorageError`].
pub async fn get(on: impl Into<Executor<'_>>, id: &ClientId) -> Result<Option<Client>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, GET, id.as_str())?;
    row.map(client).transpose()
}

/// Every client, oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn all(on: impl Into<Executor<'_>>) -> Result<Vec<Client>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, ALL)?;
    rows.into_iter().map(client).collect()
}

/// Turns a client off or on. Its tokens follow within the generation's reach.
///
/// # Errors
/// [`StorageError::NotFound`] when there is none.
pub async fn set_enabled(tx: &mut Tx, id: &ClientId, enabled: bool) -> Result<(), StorageError> {
    super::generations::bump(tx);
    let changed = execute!(tx, SET_STATE, id.as_str(), state(enabled))?;
    if changed == 1 { Ok(()) } else { Err(StorageError::NotFound { table: "clients" }) }
}

/// Changes the most a client can be granted. Tokens that say more are narrowed.
///
/// # Errors
/// [`StorageError::NotFound`] when there is none.
pub async fn set_scopes(tx: &mut Tx, id: &ClientId, scopes: &ScopeSet) -> Result<(), StorageError> {
    super::generations::bump(tx);
    let changed = execute!(tx, SET_SCOPES, id.as_str(), scopes.to_string())?;
    if changed == 1 { Ok(()) } else { Err(StorageError::NotFound { table: "clients" }) }
}
