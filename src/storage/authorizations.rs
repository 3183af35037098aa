//! What people granted to clients, and the codes that carry it there.

use super::row::row;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, AuthorizationId, OrganizationId, PersonId};
use crate::oauth::client::ClientId;
use crate::oauth::dpop::Thumbprint;
use crate::oauth::grant::{Authorization, Code};
use crate::oauth::launch::LaunchContext;
use crate::oauth::pkce::Challenge;
use crate::oauth::scope::ScopeSet;

statements! {
    INSERT = "INSERT INTO authorizations \
              (id, client_id, account_id, person_id, organization_id, context, scopes, signed_in, session_hash, created) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    GET = "SELECT id, client_id, account_id, person_id, organization_id, context, scopes, signed_in, session_hash, revoked \
           FROM authorizations WHERE id = $1";
    /// What is open of an account: with the end of what it can still get tokens with, and of the tokens it has. What staff
    /// opened at work is none of theirs.
    OF_ACCOUNT = "SELECT a.id, a.client_id, c.name, a.account_id, a.person_id, a.scopes, c.scopes AS client_scopes, \
                  a.created, a.last_used, \
                  (SELECT MAX(r.expires) FROM refresh_tokens r WHERE r.authorization_id = a.id AND r.used IS NULL) \
                  AS refresh_until, \
                  (SELECT MAX(t.expires) FROM access_tokens t WHERE t.authorization_id = a.id AND t.revoked IS NULL) \
                  AS access_until \
                  FROM authorizations a JOIN clients c ON c.id = a.client_id \
                  WHERE a.account_id = $1 AND a.organization_id IS NULL AND a.revoked IS NULL ORDER BY a.created, a.id";
    /// The same of a person, whoever allowed it.
    OF_PERSON = "SELECT a.id, a.client_id, c.name, a.account_id, a.person_id, a.scopes, c.scopes AS client_scopes, \
                 a.created, a.last_used, \
                 (SELECT MAX(r.expires) FROM refresh_tokens r WHERE r.authorization_id = a.id AND r.used IS NULL) \
                 AS refresh_until, \
                 (SELECT MAX(t.expires) FROM access_tokens t WHERE t.authorization_id = a.id AND t.revoked IS NULL) \
                 AS access_until \
                 FROM authorizations a JOIN clients c ON c.id = a.client_id \
                 WHERE a.person_id = $1 AND a.organization_id IS NULL AND a.revoked IS NULL ORDER BY a.created, a.id";
    TOUCH = "UPDATE authorizations SET last_used = $2 WHERE id = $1 AND (last_used IS NULL OR last_used < $2)";
    REVOKE = "UPDATE authorizations SET revoked = $2 WHERE id = $1 AND revoked IS NULL";
    INSERT_CODE = "INSERT INTO codes (hash, authorization_id, redirect_uri, challenge, nonce, jkt, expires) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
    GET_CODE = "SELECT authorization_id, redirect_uri, challenge, nonce, jkt, expires, redeemed \
                FROM codes WHERE hash = $1";
    DELETE_EXPIRED_CODES = "DELETE FROM codes WHERE hash IN \
                            (SELECT hash FROM codes WHERE expires < $1 ORDER BY expires LIMIT $2)";
    /// A stretch of authorizations, each with whether anything of it is left.
    STRETCH = "SELECT a.id, CAST(CASE WHEN a.created < $2 \
               AND NOT EXISTS (SELECT 1 FROM codes c WHERE c.authorization_id = a.id) \
               AND NOT EXISTS (SELECT 1 FROM access_tokens t WHERE t.authorization_id = a.id) \
               AND NOT EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.authorization_id = a.id) \
               THEN 1 ELSE 0 END AS BIGINT) FROM authorizations a WHERE a.id > $1 ORDER BY a.id LIMIT $3";
    DELETE_ABANDONED = "DELETE FROM authorizations WHERE id > $1 AND id <= $2 AND created < $3 \
               AND NOT EXISTS (SELECT 1 FROM codes c WHERE c.authorization_id = authorizations.id) \
               AND NOT EXISTS (SELECT 1 FROM access_tokens t WHERE t.authorization_id = authorizations.id) \
               AND NOT EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.authorization_id = authorizations.id)";
    REDEEM = "UPDATE codes SET redeemed = $2 WHERE hash = $1 AND redeemed IS NULL";
}

/// The columns of an authorization, in the order of [`GET`].
pub(super) type Row =
    (String, String, String, Option<String>, Option<String>, Option<String>, String, i64, Option<Vec<u8>>, Option<i64>);

pub(super) fn authorization(row: Row) -> Result<Authorization, StorageError> {
    let (id, client, account, person, staff_of, context, scopes, signed_in, session, revoked) = row;
    let broken = |column| DatabaseInconsistency { table: "authorizations", column, row: id.clone() };
    Ok(Authorization {
        id: id.parse().map_err(|_| broken("id"))?,
        client: ClientId::parse(&client).ok_or_else(|| broken("client_id"))?,
        account: account.parse::<AccountId>().map_err(|_| broken("account_id"))?,
        person: person.map(|p| p.parse::<PersonId>()).transpose().map_err(|_| broken("person_id"))?,
        staff_of: staff_of.map(|o| o.parse::<OrganizationId>()).transpose().map_err(|_| broken("organization_id"))?,
        context: match context {
            None => LaunchContext::default(),
            Some(text) => serde_json::from_str(&text).map_err(|_| broken("context"))?,
        },
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
        new.staff_of.map(|organization| organization.to_string()),
        (new.context != LaunchContext::default()).then(|| super::launches::context_text(&new.context)),
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

/// An authorization of which something can still be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAuthorization {
    /// Its id.
    pub id: AuthorizationId,
    /// To whom.
    pub client: ClientId,
    /// The app's name.
    pub name: String,
    /// By whom.
    pub account: AccountId,
    /// The person in context.
    pub person: Option<PersonId>,
    /// What it may do now: within what was granted and what the client may have.
    pub scopes: ScopeSet,
    /// Since when.
    pub since: Instant,
    /// When it was last used, to within a minute or so.
    pub last_used: Option<Instant>,
    /// Until when it can get new tokens by itself.
    pub refresh_until: Option<Instant>,
    /// Until when the tokens that it has can be used.
    pub access_until: Option<Instant>,
}

row! {
    struct OpenRow {
        id: String,
        client_id: String,
        name: String,
        account_id: String,
        person_id: Option<String>,
        scopes: String,
        client_scopes: String,
        created: i64,
        last_used: Option<i64>,
        refresh_until: Option<i64>,
        access_until: Option<i64>,
    }
}

impl TryFrom<OpenRow> for OpenAuthorization {
    type Error = StorageError;

    fn try_from(row: OpenRow) -> Result<Self, StorageError> {
        let key = super::error::RowKey { table: "authorizations", key: &row.id };
        Ok(Self {
            id: key.parse("id", &row.id)?,
            client: key.column("client_id", ClientId::parse(&row.client_id))?,
            account: key.parse("account_id", &row.account_id)?,
            person: row.person_id.as_deref().map(|id| key.parse("person_id", id)).transpose()?,
            scopes: ScopeSet::parse(&row.scopes).0.intersection(&ScopeSet::parse(&row.client_scopes).0),
            since: Instant::from_micros(row.created),
            last_used: row.last_used.map(Instant::from_micros),
            refresh_until: row.refresh_until.map(Instant::from_micros),
            access_until: row.access_until.map(Instant::from_micros),
            name: row.name,
        })
    }
}

/// What an account allowed and did not end, the oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn open_of_account(
    on: impl Into<Executor<'_>>,
    account: AccountId,
) -> Result<Vec<OpenAuthorization>, StorageError> {
    let rows: Vec<OpenRow> = fetch_all!(on, OF_ACCOUNT, account.to_string())?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// What anybody allowed about a person and nobody ended, the oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn open_of_person(
    on: impl Into<Executor<'_>>,
    person: PersonId,
) -> Result<Vec<OpenAuthorization>, StorageError> {
    let rows: Vec<OpenRow> = fetch_all!(on, OF_PERSON, person.to_string())?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Notes a use.
///
/// # Errors
/// [`StorageError`].
pub async fn touch(tx: &mut Tx, id: AuthorizationId, now: Instant) -> Result<(), StorageError> {
    execute!(tx, TOUCH, id.to_string(), now.micros()).map(drop)
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
        code.key.map(|key| key.as_bytes().to_vec()),
        code.expires.micros()
    )
    .map(drop)
}

/// The code with this hash.
///
/// # Errors
/// [`StorageError`].
pub async fn code(on: impl Into<Executor<'_>>, hash: &[u8; 32]) -> Result<Option<Code>, StorageError> {
    type Row = (String, String, Vec<u8>, Option<String>, Option<Vec<u8>>, i64, Option<i64>);
    let row: Option<Row> = fetch_optional!(on, GET_CODE, hash.to_vec())?;
    let Some((authorization, redirect_uri, challenge, nonce, jkt, expires, redeemed)) = row else { return Ok(None) };
    let broken = |column| DatabaseInconsistency { table: "codes", column, row: authorization.clone() };
    let bound = jkt.map(<[u8; 32]>::try_from).transpose().map_err(|_| broken("jkt"))?;
    Ok(Some(Code {
        authorization: authorization.parse().map_err(|_| broken("authorization_id"))?,
        redirect_uri,
        challenge: Challenge::from_bytes(&challenge).ok_or_else(|| broken("challenge"))?,
        nonce,
        key: bound.map(Thumbprint::from_bytes),
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

/// Forgets codes that ended before `end`, so many at most, and says how many it were.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_expired_codes(tx: &mut Tx, end: Instant, most: i64) -> Result<u64, StorageError> {
    execute!(tx, DELETE_EXPIRED_CODES, end.micros(), most)
}

/// Authorizations in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// The id of the last one; none when there was nothing behind the start.
    pub last: Option<String>,
    /// How many of them were made before the time that was given, and have no code and no token left.
    pub abandoned: usize,
}

/// Looks at so many authorizations behind the id `after` (empty: from the first on).
///
/// # Errors
/// [`StorageError`].
pub async fn stretch(
    on: impl Into<Executor<'_>>,
    after: &str,
    before: Instant,
    most: i64,
) -> Result<Stretch, StorageError> {
    let rows: Vec<(String, i64)> = fetch_all!(on, STRETCH, after, before.micros(), most)?;
    let abandoned = rows.iter().filter(|(_, abandoned)| *abandoned == 1).count();
    Ok(Stretch { last: rows.into_iter().next_back().map(|(id, _)| id), abandoned })
}

/// Forgets the abandoned ones behind `after` up to `last`, and says how many it were.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_abandoned(tx: &mut Tx, after: &str, last: &str, before: Instant) -> Result<u64, StorageError> {
    execute!(tx, DELETE_ABANDONED, after, last, before.micros())
}
