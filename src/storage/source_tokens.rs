//! What people's own sign-ins at an EHR gave, by link. Sealed before they come here.

use super::error::RowKey;
use super::row::row;
use super::statement::{execute, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx, generations};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, GrantId, LinkId, PersonId};
use crate::base::source_key::SourceKey;

statements! {
    PUT = "INSERT INTO source_tokens (link_id, account_id, access, refresh, expires, version, refreshing_until, \
           connected, state, state_since) VALUES ($1, $2, $3, $4, $5, 1, NULL, $6, 'active', $6) \
           ON CONFLICT (link_id) DO UPDATE SET account_id = excluded.account_id, access = excluded.access, \
           refresh = excluded.refresh, expires = excluded.expires, version = source_tokens.version + 1, \
           refreshing_until = NULL, connected = excluded.connected, state = 'active', \
           state_since = excluded.state_since";
    BY_LINK = "SELECT link_id, account_id, access, refresh, expires, version, connected, state, state_since \
               FROM source_tokens WHERE link_id = $1";
    USABLE = "SELECT t.link_id, t.account_id, t.access, t.refresh, t.expires, t.version, t.connected, t.state, \
              t.state_since, l.source_key, l.patient, l.person_id FROM source_tokens t JOIN links l ON l.id = t.link_id \
              WHERE t.link_id = $1 AND l.state = 'active' AND t.state = 'active'";
    CLAIM = "UPDATE source_tokens SET refreshing_until = $3 WHERE link_id = $1 AND version = $2 AND state = 'active' \
             AND (refreshing_until IS NULL OR refreshing_until <= $4)";
    RELEASE = "UPDATE source_tokens SET refreshing_until = NULL WHERE link_id = $1 AND version = $2";
    ROTATE = "UPDATE source_tokens SET access = $3, refresh = $4, expires = $5, version = version + 1, \
              refreshing_until = NULL WHERE link_id = $1 AND version = $2";
    REFUSE = "UPDATE source_tokens SET state = 'refused', state_since = $3, version = version + 1, \
              refreshing_until = NULL WHERE link_id = $1 AND version = $2 AND state = 'active'";
    DELETE = "DELETE FROM source_tokens WHERE link_id = $1 \
              RETURNING link_id, account_id, access, refresh, expires, version, connected, state, state_since";
    DELETE_OF_GRANT = "DELETE FROM source_tokens WHERE EXISTS (SELECT 1 FROM grants g JOIN links l \
                       ON l.person_id = g.person_id WHERE g.id = $1 AND g.account_id = source_tokens.account_id \
                       AND l.id = source_tokens.link_id)";
    DELETE_OF_ACCOUNT = "DELETE FROM source_tokens WHERE account_id = $1";
    INSERT_LAUNCH = "INSERT INTO source_launches (state_hash, session_hash, account_id, link_id, sealed, expires) \
                     VALUES ($1, $2, $3, $4, $5, $6)";
    DELETE_EXPIRED_LAUNCHES = "DELETE FROM source_launches WHERE expires < $1";
    TAKE_LAUNCH = "DELETE FROM source_launches WHERE state_hash = $1 \
                   RETURNING session_hash, account_id, link_id, sealed, expires";
}

/// The tokens of one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTokens {
    /// The link they are for.
    pub link: LinkId,
    /// Who signed in at the EHR.
    pub account: AccountId,
    /// The access token, sealed.
    pub access: Vec<u8>,
    /// The refresh token, sealed, if the EHR gave one.
    pub refresh: Option<Vec<u8>>,
    /// From when on the access token is not used any more: a while before it ends.
    pub expires: Instant,
    /// Goes up with every change.
    pub version: i64,
    /// When the person signed in.
    pub connected: Instant,
    /// Since when the EHR does not take them any more.
    pub refused: Option<Instant>,
}

/// Tokens that may be used, and whose chart they open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsableTokens {
    /// The tokens.
    pub tokens: StoredTokens,
    /// The source of the link.
    pub source: SourceKey,
    /// The Patient id there.
    pub patient: String,
    /// Whose chart it is.
    pub person: PersonId,
}

/// A sign-in at an EHR that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLaunch {
    /// SHA-256 of the `state` parameter.
    pub state_hash: [u8; 32],
    /// SHA-256 of the cookie of the session that began it.
    pub session_hash: [u8; 32],
    /// Whose session it was.
    pub account: AccountId,
    /// The link to be connected.
    pub link: LinkId,
    /// What the other half needs, sealed.
    pub sealed: Vec<u8>,
    /// When it is too late.
    pub expires: Instant,
}

/// Session, account, link, sealed, expires.
type LaunchRow = (Vec<u8>, String, String, Vec<u8>, i64);

row! {
    struct Row {
        link_id: String,
        account_id: String,
        access: Vec<u8>,
        refresh: Option<Vec<u8>>,
        expires: i64,
        version: i64,
        connected: i64,
        state: String,
        state_since: i64,
    }
}

impl TryFrom<Row> for StoredTokens {
    type Error = DatabaseInconsistency;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let key = RowKey { table: "source_tokens", key: &row.link_id };
        let refused = match row.state.as_str() {
            "active" => None,
            "refused" => Some(Instant::from_micros(row.state_since)),
            _ => return Err(key.inconsistent("state")),
        };
        Ok(Self {
            link: key.parse("link_id", &row.link_id)?,
            account: key.parse("account_id", &row.account_id)?,
            expires: Instant::from_micros(row.expires),
            version: row.version,
            connected: Instant::from_micros(row.connected),
            refused,
            access: row.access,
            refresh: row.refresh,
        })
    }
}

row! {
    struct UsableRow {
        ..tokens: Row,
        source_key: String,
        patient: String,
        person_id: String,
    }
}

impl TryFrom<UsableRow> for UsableTokens {
    type Error = DatabaseInconsistency;

    fn try_from(row: UsableRow) -> Result<Self, Self::Error> {
        let key = RowKey { table: "source_tokens", key: &row.tokens.link_id };
        Ok(Self {
            source: key.parse("source_key", &row.source_key)?,
            person: key.parse("person_id", &row.person_id)?,
            patient: row.patient,
            tokens: row.tokens.try_into()?,
        })
    }
}

/// Keeps what a sign-in gave, in place of what was there, and moves the generation on: what was kept of answers to the
/// tokens before is not used.
///
/// # Errors
/// [`StorageError::ReferenceMissing`] when the link or the account is not there.
pub async fn put(tx: &mut Tx, tokens: &StoredTokens) -> Result<(), StorageError> {
    execute!(
        &mut *tx,
        PUT,
        tokens.link.to_string(),
        tokens.account.to_string(),
        tokens.access.clone(),
        tokens.refresh.clone(),
        tokens.expires.micros(),
        tokens.connected.micros()
    )?;
    generations::bump(tx);
    Ok(())
}

/// The tokens of a link.
///
/// # Errors
/// [`StorageError`].
pub async fn by_link(on: impl Into<Executor<'_>>, link: LinkId) -> Result<Option<StoredTokens>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_LINK, link.to_string())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// The tokens of a link, if it is active and the EHR has not refused them.
///
/// # Errors
/// [`StorageError`].
pub async fn usable(on: impl Into<Executor<'_>>, link: LinkId) -> Result<Option<UsableTokens>, StorageError> {
    let row: Option<UsableRow> = fetch_optional!(on, USABLE, link.to_string())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// Takes it upon the caller to refresh this version until `until`. False when somebody else does, or has.
///
/// # Errors
/// [`StorageError`].
pub async fn claim(
    tx: &mut Tx,
    link: LinkId,
    version: i64,
    now: Instant,
    until: Instant,
) -> Result<bool, StorageError> {
    Ok(execute!(tx, CLAIM, link.to_string(), version, until.micros(), now.micros())? == 1)
}

/// Gives up a claim without a result.
///
/// # Errors
/// [`StorageError`].
pub async fn release(tx: &mut Tx, link: LinkId, version: i64) -> Result<(), StorageError> {
    execute!(tx, RELEASE, link.to_string(), version).map(drop)
}

/// Puts refreshed tokens in the place of this version. False when it is no longer the version.
///
/// # Errors
/// [`StorageError`].
pub async fn rotate(tx: &mut Tx, tokens: &StoredTokens) -> Result<bool, StorageError> {
    let (access, refresh) = (tokens.access.clone(), tokens.refresh.clone());
    let rows = execute!(tx, ROTATE, tokens.link.to_string(), tokens.version, access, refresh, tokens.expires.micros())?;
    Ok(rows == 1)
}

/// Notes that the EHR does not take this version any more, and moves the generation on. False when it is no longer the
/// version.
///
/// # Errors
/// [`StorageError`].
pub async fn refuse(tx: &mut Tx, link: LinkId, version: i64, at: Instant) -> Result<bool, StorageError> {
    let is_refused = execute!(&mut *tx, REFUSE, link.to_string(), version, at.micros())? == 1;
    if is_refused {
        generations::bump(tx);
    }
    Ok(is_refused)
}

/// Forgets the tokens of a link, and moves the generation on. Gives what there was.
///
/// # Errors
/// [`StorageError`].
pub async fn delete(tx: &mut Tx, link: LinkId) -> Result<Option<StoredTokens>, StorageError> {
    let row: Option<Row> = fetch_optional!(&mut *tx, DELETE, link.to_string())?;
    generations::bump(tx);
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// Forgets the tokens that the holder of a grant got for the grant's person. The caller moves the generation on.
///
/// # Errors
/// [`StorageError`].
pub(super) async fn delete_of_grant(tx: &mut Tx, grant: GrantId) -> Result<(), StorageError> {
    execute!(tx, DELETE_OF_GRANT, grant.to_string()).map(drop)
}

/// Forgets all that an account got. The caller moves the generation on.
///
/// # Errors
/// [`StorageError`].
pub(super) async fn delete_of_account(tx: &mut Tx, account: AccountId) -> Result<(), StorageError> {
    execute!(tx, DELETE_OF_ACCOUNT, account.to_string()).map(drop)
}

/// Begins a sign-in, and forgets those that came too late.
///
/// # Errors
/// [`StorageError`].
pub async fn insert_launch(tx: &mut Tx, launch: &StoredLaunch, now: Instant) -> Result<(), StorageError> {
    execute!(&mut *tx, DELETE_EXPIRED_LAUNCHES, now.micros()).map(drop)?;
    execute!(
        tx,
        INSERT_LAUNCH,
        launch.state_hash.to_vec(),
        launch.session_hash.to_vec(),
        launch.account.to_string(),
        launch.link.to_string(),
        launch.sealed.clone(),
        launch.expires.micros()
    )
    .map(drop)
}

/// Takes the sign-in with this state: nobody finds it again.
///
/// # Errors
/// [`StorageError`].
pub async fn take_launch(tx: &mut Tx, state_hash: &[u8; 32]) -> Result<Option<StoredLaunch>, StorageError> {
    let row: Option<LaunchRow> = fetch_optional!(tx, TAKE_LAUNCH, state_hash.to_vec())?;
    let Some((session_hash, account, link, sealed, expires)) = row else { return Ok(None) };
    let key = RowKey { table: "source_launches", key: &link };
    let session_hash = session_hash.try_into().map_err(|_| key.inconsistent("session_hash"))?;
    Ok(Some(StoredLaunch {
        state_hash: *state_hash,
        session_hash,
        account: key.parse("account_id", &account)?,
        link: key.parse("link_id", &link)?,
        sealed,
        expires: Instant::from_micros(expires),
    }))
}
