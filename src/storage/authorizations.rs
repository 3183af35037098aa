//! What people granted to clients, and the codes that carry it there.

use super::statement::{execute, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, AuthorizationId, PersonId};
use crate::oauth::client::ClientId;
use crate::oauth::grant::{Authorization, Code};
use crate::oauth::pkce::Challenge;
use crate::oauth::scope::ScopeSet;

statements! {
    INSERT = "INSERT INTO authorizations \
              (id, client_id, account_id, person_id, scopes, signed_in, session_hash, created) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    GET = "SELECT id, client_id, account_id, person_id, scopes, signed_in, session_hash, revoked \
           FROM authorizations WHERE id = $1";
    REVOKE = "UPDATE authorizations SET revoked = $2 WHERE id = $1 AND revoked IS NULL";
    INSERT_CODE = "INSERT INTO codes (hash, authorization_id, redirect_uri, challenge, nonce, expires) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
    GET_CODE = "SELECT authorization_id, redirect_uri, challenge, nonce, expires, redeemed FROM codes WHERE hash = $1";
    REDEEM = "UPDATE codes SET redeemed = $2 WHERE hash = $1 AND redeemed IS NULL";
}

type Row = (String, String, String, Option<String>, String, i64, Option<Vec<u8>>, Option<i64>);

fn authorization(row: Row) -> Result<Authorization, StorageError> {
    let (id, client, account, person, scopes, signed_in, session, revoked) = row;
    let broken = |column| DatabaseInconsistency { table: "authorizations", column, row: id.clone() };
    Ok(Authorization {
        id: id.parse().map_err(|_| broken("id"))?,
        client: ClientId::parse(&client).ok_or_else(|| broken("client_id"))?,
        account: account.parse::<AccountId>().map_err(|_| broken("account_id"))?,
        person: person.map(|p| p.parse::<PersonId>()).transpose().map_err(|_| broken("person_id"))?,
        scopes: ScopeSet::parse(&scopes).0,
        signed_in: Instant::from_micros(signed_in),
        session: session.map(TryInto::try_into).transpose().map_err(|_| broken("session_hash"))?,
        revoked: revoked.map(Instant::from_micros),
    })
}

/// Stores a new authorization.
///
/// # Errors
/// [`StorageError`].
pub async fn insert(tx: &mut Tx, new: &Authorization, created: Instant) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT,
        new.id.to_string(),
        new.client.as_str(),
        new.account.to_string(),
        new.person.map(|p| p.to_string()),
        new.scopes.to_string(),
        new.signed_in.micros(),
        new.session.map(|s| s.to_vec()),
        created.micros()
    )
    .map(drop)
}

/// The authorization with this id.
///
/// # Errors
/// [`StorageError`].
pub async fn get(on: impl Into<Executor<'_>>, id: AuthorizationId) -> Result<Option<Authorization>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, GET, id.to_string())?;
    row.map(authorization).transpose()
}

/// Ends an authorization and with it every token of it. False when it had ended before.
///
/// # Errors
/// [`StorageError`].
pub async fn revoke(tx: &mut Tx, id: AuthorizationId, now: Instant) -> Result<bool, StorageError> {
    let changed = execute!(&mut *tx, REVOKE, id.to_string(), now.micros())?;
    if changed > 0 {
        super::generations::bump(tx);
    }
    Ok(changed > 0)
}

/// Stores a code by its hash.
///
/// # Errors
/// [`StorageError`].
pub async fn insert_code(tx: &mut Tx, hash: &[u8; 32], code: &Code) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT_CODE,
        hash.to_vec(),
        code.authorization.to_string(),
        code.redirect_uri.as_str(),
        code.challenge.as_bytes().to_vec(),
        code.nonce.clone(),
        code.expires.micros()
    )
    .map(drop)
}

/// The code with this hash.
///
/// # Errors
/// [`StorageError`].
pub async fn code(on: impl Into<Executor<'_>>, hash: &[u8; 32]) -> Result<Option<Code>, StorageError> {
    type Row = (String, String, Vec<u8>, Option<String>, i64, Option<i64>);
    let row: Option<Row> = fetch_optional!(on, GET_CODE, hash.to_vec())?;
    let Some((authorization, redirect_uri, challenge, nonce, expires, redeemed)) = row else { return Ok(None) };
    let broken = |column| DatabaseInconsistency { table: "codes", column, row: authorization.clone() };
    Ok(Some(Code {
        authorization: authorization.parse().map_err(|_| broken("authorization_id"))?,
        redirect_uri,
        challenge: Challenge::from_bytes(&challenge).ok_or_else(|| broken("challenge"))?,
        nonce,
        expires: Instant::from_micros(expires),
        redeemed: redeemed.map(Instant::from_micros),
    }))
}

/// Uses a code up. True for exactly one caller, however many try at once.
///
/// # Errors
/// [`StorageError`].
pub async fn redeem(tx: &mut Tx, hash: &[u8; 32], now: Instant) -> Result<bool, StorageError> {
    let changed = execute!(tx, REDEEM, hash.to_vec(), now.micros())?;
    Ok(changed == 1)
}
