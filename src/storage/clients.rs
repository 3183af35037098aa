//! OAuth clients.

use super::error::RowKey;
use super::row::row;
use super::statement::{execute, fetch_all, fetch_optional, fetch_value, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Taken, Tx};
use crate::base::clock::Instant;
use crate::oauth::client::{Client, ClientAuthentication, ClientId, ClientKeys, Requirements};
use crate::oauth::jwk::KeySet;
use crate::oauth::scope::ScopeSet;

statements! {
    INSERT = "INSERT INTO clients (id, name, redirect_uris, launch_uri, scopes, secret_hash, kind, created, state, \
              key_set, key_set_uri, sources, requires_pushed_requests, requires_bound_tokens, registration_hash) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (id) DO NOTHING";
    GET = "SELECT id, name, redirect_uris, launch_uri, scopes, secret_hash, kind, state, key_set, key_set_uri, sources, \
           requires_pushed_requests, requires_bound_tokens, registration_hash \
           FROM clients WHERE id = $1 AND deleted IS NULL";
    ALL = "SELECT id, name, redirect_uris, launch_uri, scopes, secret_hash, kind, state, key_set, key_set_uri, sources, \
           requires_pushed_requests, requires_bound_tokens, registration_hash \
           FROM clients WHERE deleted IS NULL ORDER BY created, id";
    UPDATE = "UPDATE clients SET name = $2, redirect_uris = $3, scopes = $4, kind = $5, state = $6, key_set = $7, \
              key_set_uri = $8, requires_pushed_requests = $9, requires_bound_tokens = $10 \
              WHERE id = $1 AND deleted IS NULL";
    SET_STATE = "UPDATE clients SET state = $2 WHERE id = $1 AND deleted IS NULL";
    SET_SCOPES = "UPDATE clients SET scopes = $2 WHERE id = $1";
    /// The row stays: what was granted to it, and the audit trail, name it.
    DELETE = "UPDATE clients SET state = 'disabled', registration_hash = NULL, deleted = $2 \
              WHERE id = $1 AND deleted IS NULL";
    SELF_REGISTERED = "SELECT count(*) FROM clients WHERE registration_hash IS NOT NULL";
}

row! {
    /// What is stored of a client.
    pub(super) struct Row {
        id: String,
        name: String,
        redirect_uris: String,
        launch_uri: Option<String>,
        scopes: String,
        secret_hash: Option<Vec<u8>>,
        kind: String,
        state: String,
        key_set: Option<String>,
        key_set_uri: Option<String>,
        sources: String,
        requires_pushed_requests: i64,
        requires_bound_tokens: i64,
        registration_hash: Option<Vec<u8>>,
    }
}

impl TryFrom<Row> for Client {
    type Error = DatabaseInconsistency;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let key = RowKey { table: "clients", key: &row.id };
        let hash = |column, hash: Option<Vec<u8>>| key.column(column, hash.map(<[u8; 32]>::try_from).transpose().ok());
        let authentication = match (hash("secret_hash", row.secret_hash)?, &row.key_set, row.key_set_uri) {
            (None, None, None) => ClientAuthentication::None,
            (Some(hash), None, None) => ClientAuthentication::Secret(hash),
            (None, Some(keys), None) => {
                let keys = key.column("key_set", KeySet::parse(keys.as_bytes()).ok())?;
                ClientAuthentication::Keys(ClientKeys::Inline(keys))
            }
            (None, None, Some(uri)) => ClientAuthentication::Keys(ClientKeys::Uri(uri)),
            _ => return Err(key.inconsistent("key_set")),
        };
        let sources: Vec<String> = key.json("sources", &row.sources)?;
        Ok(Self {
            id: key.column("id", ClientId::parse(&row.id))?,
            redirect_uris: key.json("redirect_uris", &row.redirect_uris)?,
            launch_uri: row.launch_uri,
            scopes: ScopeSet::parse(&row.scopes).0,
            authentication,
            native: row.kind == "native",
            enabled: row.state == "active",
            sources: sources.iter().map(|source| key.parse("sources", source)).collect::<Result<_, _>>()?,
            requirements: Requirements {
                pushed_requests: row.requires_pushed_requests != 0,
                bound_tokens: row.requires_bound_tokens != 0,
            },
            registration: hash("registration_hash", row.registration_hash)?,
            name: row.name,
        })
    }
}

const fn state(enabled: bool) -> &'static str {
    if enabled { "active" } else { "disabled" }
}

const fn kind(client: &Client) -> &'static str {
    if client.native { "native" } else { "web" }
}

/// Secret, key set and address of a key set: one of them at most.
fn proof(client: &Client) -> (Option<Vec<u8>>, Option<String>, Option<String>) {
    match &client.authentication {
        ClientAuthentication::None => (None, None, None),
        ClientAuthentication::Secret(hash) => (Some(hash.to_vec()), None, None),
        ClientAuthentication::Keys(ClientKeys::Inline(keys)) => (None, Some(keys.to_json().to_string()), None),
        ClientAuthentication::Keys(ClientKeys::Uri(uri)) => (None, None, Some(uri.clone())),
    }
}

fn json_list<T: ToString>(items: &[T]) -> String {
    serde_json::Value::from(items.iter().map(ToString::to_string).collect::<Vec<_>>()).to_string()
}

/// Stores a new client.
///
/// # Errors
/// [`StorageError::AlreadyTaken`] when the id is, or was.
pub async fn insert(tx: &mut Tx, client: &Client, created: Instant) -> Result<(), StorageError> {
    let (secret_hash, key_set, key_set_uri) = proof(client);
    let (redirect_uris, sources) = (json_list(&client.redirect_uris), json_list(&client.sources));
    let rows = execute!(
        tx,
        INSERT,
        client.id.as_str(),
        client.name.as_str(),
        redirect_uris.as_str(),
        client.launch_uri.as_deref(),
        client.scopes.to_string(),
        secret_hash.clone(),
        kind(client),
        created.micros(),
        state(client.enabled),
        key_set.clone(),
        key_set_uri.clone(),
        sources.as_str(),
        i64::from(client.requirements.pushed_requests),
        i64::from(client.requirements.bound_tokens),
        client.registration.map(|hash| hash.to_vec())
    )?;
    if rows == 1 { Ok(()) } else { Err(StorageError::AlreadyTaken(Taken::Key)) }
}

/// Replaces what a client registered of itself. Its id, its secret and the sources it reaches stay.
///
/// # Errors
/// [`StorageError::NotFound`] when there is none.
pub async fn update(tx: &mut Tx, client: &Client) -> Result<(), StorageError> {
    super::generations::bump(tx);
    let (_, key_set, key_set_uri) = proof(client);
    let redirect_uris = json_list(&client.redirect_uris);
    let changed = execute!(
        tx,
        UPDATE,
        client.id.as_str(),
        client.name.as_str(),
        redirect_uris.as_str(),
        client.scopes.to_string(),
        kind(client),
        state(client.enabled),
        key_set.clone(),
        key_set_uri.clone(),
        i64::from(client.requirements.pushed_requests),
        i64::from(client.requirements.bound_tokens)
    )?;
    if changed == 1 { Ok(()) } else { Err(StorageError::NotFound { table: "clients" }) }
}

/// The client with this id.
///
/// # Errors
/// [`StorageError`].
pub async fn get(on: impl Into<Executor<'_>>, id: &ClientId) -> Result<Option<Client>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, GET, id.as_str())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// Every client, oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn all(on: impl Into<Executor<'_>>) -> Result<Vec<Client>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, ALL)?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// How many clients there are that registered themselves.
///
/// # Errors
/// [`StorageError`].
pub async fn self_registered(on: impl Into<Executor<'_>>) -> Result<i64, StorageError> {
    fetch_value!(on, SELF_REGISTERED)
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

/// Ends a client for good, and with it its tokens. Its id stays taken.
///
/// # Errors
/// [`StorageError::NotFound`] when there is none.
pub async fn delete(tx: &mut Tx, id: &ClientId, now: Instant) -> Result<(), StorageError> {
    super::generations::bump(tx);
    let changed = execute!(tx, DELETE, id.as_str(), now.micros())?;
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
