//! Access tokens of backend services, by their hashes.

use super::error::RowKey;
use super::row::row;
use super::statement::{execute, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::oauth::client::ClientId;
use crate::oauth::dpop::Thumbprint;
use crate::oauth::grant::{SystemBearer, SystemToken};
use crate::oauth::scope::ScopeSet;

statements! {
    INSERT = "INSERT INTO system_tokens (hash, client_id, scopes, jkt, issued, expires) VALUES ($1, $2, $3, $4, $5, $6)";
    /// Rows that can give no access are left out.
    BEARER = "SELECT t.client_id, t.scopes, c.scopes AS client_scopes, c.sources, t.jkt, t.issued, t.expires \
              FROM system_tokens t JOIN clients c ON c.id = t.client_id \
              WHERE t.hash = $1 AND t.revoked IS NULL AND c.state = 'active'";
    REVOKE = "UPDATE system_tokens SET revoked = $2 WHERE hash = $1 AND revoked IS NULL";
    DELETE_EXPIRED = "DELETE FROM system_tokens WHERE hash IN \
                      (SELECT hash FROM system_tokens WHERE expires < $1 ORDER BY expires LIMIT $2)";
}

/// Stores a token.
///
/// # Errors
/// [`StorageError`].
pub async fn insert(tx: &mut Tx, hash: &[u8; 32], token: &SystemToken) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT,
        hash.to_vec(),
        token.client.as_str(),
        token.scopes.to_string(),
        token.key.map(|key| key.as_bytes().to_vec()),
        token.issued.micros(),
        token.expires.micros()
    )
    .map(drop)
}

row! {
    struct Row {
        client_id: String,
        scopes: String,
        client_scopes: String,
        sources: String,
        jkt: Option<Vec<u8>>,
        issued: i64,
        expires: i64,
    }
}

impl TryFrom<Row> for SystemBearer {
    type Error = DatabaseInconsistency;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let key = RowKey { table: "system_tokens", key: &row.client_id };
        let bound = row.jkt.map(<[u8; 32]>::try_from).transpose().ok();
        let sources: Vec<String> = key.json("sources", &row.sources)?;
        Ok(Self {
            client: key.column("client_id", ClientId::parse(&row.client_id))?,
            scopes: ScopeSet::parse(&row.scopes).0.intersection(&ScopeSet::parse(&row.client_scopes).0),
            sources: sources.iter().map(|source| key.parse("sources", source)).collect::<Result<_, _>>()?,
            key: key.column("jkt", bound)?.map(Thumbprint::from_bytes),
            issued: Instant::from_micros(row.issued),
            expires: Instant::from_micros(row.expires),
        })
    }
}

/// What a token stands for, if neither it nor its client has ended. Whether it expired is for the caller to see.
///
/// # Errors
/// [`StorageError`].
pub async fn bearer(on: impl Into<Executor<'_>>, hash: &[u8; 32]) -> Result<Option<SystemBearer>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BEARER, hash.to_vec())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// Ends a token. False when it had ended before.
///
/// # Errors
/// [`StorageError`].
pub async fn revoke(tx: &mut Tx, hash: &[u8; 32], now: Instant) -> Result<bool, StorageError> {
    let changed = execute!(&mut *tx, REVOKE, hash.to_vec(), now.micros())?;
    super::generations::bump(tx);
    Ok(changed == 1)
}

/// Forgets tokens that ended before `end`, so many at most, and says how many it were.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_expired(tx: &mut Tx, end: Instant, most: i64) -> Result<u64, StorageError> {
    execute!(tx, DELETE_EXPIRED, end.micros(), most)
}
