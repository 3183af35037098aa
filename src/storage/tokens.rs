//! Access and refresh tokens, by their hashes.

use super::error::RowKey;
use super::row::row;
use super::statement::{execute, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::oauth::client::ClientId;
use crate::oauth::dpop::Thumbprint;
use crate::oauth::grant::{AccessToken, Bearer, RefreshToken};
use crate::oauth::scope::ScopeSet;

statements! {
    INSERT_ACCESS = "INSERT INTO access_tokens (hash, authorization_id, refresh_hash, scopes, jkt, issued, expires) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7)";
    /// Everything about the holder that one look-up can tell; rows that can give no access are left out.
    BEARER = "SELECT t.authorization_id, a.client_id, a.account_id, a.person_id, t.scopes AS token_scopes, \
              a.scopes AS granted_scopes, c.scopes AS client_scopes, t.jkt, t.issued, t.expires, \
              a.last_used, o.person_id AS own_person, t.refresh_hash, r.activated \
              FROM access_tokens t \
              JOIN authorizations a ON a.id = t.authorization_id \
              JOIN clients c ON c.id = a.client_id \
              JOIN accounts o ON o.id = a.account_id \
              LEFT JOIN refresh_tokens r ON r.hash = t.refresh_hash \
              WHERE t.hash = $1 AND t.revoked IS NULL AND a.revoked IS NULL AND c.state = 'active' \
              AND o.state = 'active'";
    REVOKE_ACCESS = "UPDATE access_tokens SET revoked = $2 WHERE hash = $1 AND revoked IS NULL";
    INSERT_REFRESH = "INSERT INTO refresh_tokens (hash, authorization_id, jkt, issued, expires, activated) \
                      VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (hash) DO NOTHING";
    GET_REFRESH = "SELECT authorization_id, jkt, issued, expires, activated, used FROM refresh_tokens WHERE hash = $1";
    ACTIVATE = "UPDATE refresh_tokens SET activated = $2 WHERE hash = $1 AND activated IS NULL";
    DELETE_EXPIRED_ACCESS = "DELETE FROM access_tokens WHERE hash IN \
                             (SELECT hash FROM access_tokens WHERE expires < $1 ORDER BY expires LIMIT $2)";
    /// Access tokens that came with one are deleted before it.
    DELETE_EXPIRED_REFRESH = "DELETE FROM refresh_tokens WHERE hash IN \
                              (SELECT r.hash FROM refresh_tokens r WHERE r.expires < $1 AND NOT EXISTS \
                              (SELECT 1 FROM access_tokens t WHERE t.refresh_hash = r.hash) \
                              ORDER BY r.expires LIMIT $2)";
}

/// Stores an access token.
///
/// # Errors
/// [`StorageError`].
pub async fn insert_access(tx: &mut Tx, hash: &[u8; 32], token: &AccessToken) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT_ACCESS,
        hash.to_vec(),
        token.authorization.to_string(),
        token.refresh_hash.map(|h| h.to_vec()),
        token.scopes.to_string(),
        token.key.map(|key| key.as_bytes().to_vec()),
        token.issued.micros(),
        token.expires.micros()
    )
    .map(drop)
}

row! {
    /// What is stored of a token's holder.
    pub(super) struct BearerRow {
        authorization_id: String,
        client_id: String,
        account_id: String,
        person_id: Option<String>,
        token_scopes: String,
        granted_scopes: String,
        client_scopes: String,
        jkt: Option<Vec<u8>>,
        issued: i64,
        expires: i64,
        last_used: Option<i64>,
        own_person: Option<String>,
        refresh_hash: Option<Vec<u8>>,
        activated: Option<i64>,
    }
}

impl TryFrom<BearerRow> for Bearer {
    type Error = DatabaseInconsistency;

    fn try_from(row: BearerRow) -> Result<Self, Self::Error> {
        let key = RowKey { table: "access_tokens", key: &row.authorization_id };
        let person_id = |column, id: Option<String>| id.map(|id| key.parse(column, &id)).transpose();
        let granted = ScopeSet::parse(&row.token_scopes).0.intersection(&ScopeSet::parse(&row.granted_scopes).0);
        let not_activated = row.refresh_hash.filter(|_| row.activated.is_none());
        let refresh = not_activated.map(TryInto::try_into).transpose();
        let bound = row.jkt.map(<[u8; 32]>::try_from).transpose();
        Ok(Self {
            authorization: key.parse("authorization_id", &row.authorization_id)?,
            client: key.column("client_id", ClientId::parse(&row.client_id))?,
            account: key.parse("account_id", &row.account_id)?,
            person: person_id("person_id", row.person_id)?,
            own_person: person_id("account_id", row.own_person)?,
            scopes: granted.intersection(&ScopeSet::parse(&row.client_scopes).0),
            key: key.column("jkt", bound.ok())?.map(Thumbprint::from_bytes),
            issued: Instant::from_micros(row.issued),
            expires: Instant::from_micros(row.expires),
            last_used: row.last_used.map(Instant::from_micros),
            refresh_to_activate: key.column("refresh_hash", refresh.ok())?,
        })
    }
}

/// What an access token stands for, if neither it, its authorization, its client nor its account has ended. Whether it
/// expired is for the caller to see.
///
/// # Errors
/// [`StorageError`].
pub async fn bearer(on: impl Into<Executor<'_>>, hash: &[u8; 32]) -> Result<Option<Bearer>, StorageError> {
    let row: Option<BearerRow> = fetch_optional!(on, BEARER, hash.to_vec())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// Ends one access token. False when it had ended before.
///
/// # Errors
/// [`StorageError`].
pub async fn revoke_access(tx: &mut Tx, hash: &[u8; 32], now: Instant) -> Result<bool, StorageError> {
    let changed = update(tx, &REVOKE_ACCESS, hash, now).await?;
    super::generations::bump(tx);
    Ok(changed)
}

/// Stores a refresh token. One that is there already stays as it is.
///
/// # Errors
/// [`StorageError`].
pub async fn insert_refresh(tx: &mut Tx, hash: &[u8; 32], token: &RefreshToken) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT_REFRESH,
        hash.to_vec(),
        token.authorization.to_string(),
        token.key.map(|key| key.as_bytes().to_vec()),
        token.issued.micros(),
        token.expires.micros(),
        token.activated.map(Instant::micros)
    )
    .map(drop)
}

/// The columns of a refresh token, in the order of [`GET_REFRESH`].
pub(super) type RefreshRow = (String, Option<Vec<u8>>, i64, i64, Option<i64>, Option<i64>);

pub(super) fn refresh_token(row: RefreshRow) -> Result<RefreshToken, DatabaseInconsistency> {
    let (authorization, jkt, issued, expires, activated, used) = row;
    let key = RowKey { table: "refresh_tokens", key: &authorization };
    let bound = jkt.map(<[u8; 32]>::try_from).transpose();
    Ok(RefreshToken {
        authorization: key.parse("authorization_id", &authorization)?,
        key: key.column("jkt", bound.ok())?.map(Thumbprint::from_bytes),
        issued: Instant::from_micros(issued),
        expires: Instant::from_micros(expires),
        activated: activated.map(Instant::from_micros),
        used: used.map(Instant::from_micros),
    })
}

/// The refresh token with this hash.
///
/// # Errors
/// [`StorageError`].
pub async fn refresh(on: impl Into<Executor<'_>>, hash: &[u8; 32]) -> Result<Option<RefreshToken>, StorageError> {
    let row: Option<RefreshRow> = fetch_optional!(on, GET_REFRESH, hash.to_vec())?;
    Ok(row.map(refresh_token).transpose()?)
}

/// Notes the first use of a refresh token or of an access token that came with it.
///
/// # Errors
/// [`StorageError`].
pub async fn activate_refresh(tx: &mut Tx, hash: &[u8; 32], now: Instant) -> Result<bool, StorageError> {
    update(tx, &ACTIVATE, hash, now).await
}

/// Forgets access tokens that ended before `end`, so many at most, and says how many it were.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_expired_access(tx: &mut Tx, end: Instant, most: i64) -> Result<u64, StorageError> {
    execute!(tx, DELETE_EXPIRED_ACCESS, end.micros(), most)
}

/// Forgets refresh tokens that ended before `end`, used ones too: until then a replay must be known for one.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_expired_refresh(tx: &mut Tx, end: Instant, most: i64) -> Result<u64, StorageError> {
    execute!(tx, DELETE_EXPIRED_REFRESH, end.micros(), most)
}

async fn update(
    tx: &mut Tx,
    statement: &super::statement::Statement,
    hash: &[u8; 32],
    at: Instant,
) -> Result<bool, StorageError> {
    let changed = execute!(tx, statement, hash.to_vec(), at.micros())?;
    Ok(changed > 0)
}
