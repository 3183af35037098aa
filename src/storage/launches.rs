//! Apps that are being opened from here, by the hash of their launch value.

use super::statement::{execute, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::oauth::client::ClientId;
use crate::oauth::launch::{Launch, LaunchContext};

statements! {
    INSERT = "INSERT INTO launches (hash, client_id, account_id, person_id, organization_id, context, expires) \
              VALUES ($1, $2, $3, $4, $5, $6, $7)";
    GET = "SELECT client_id, account_id, person_id, organization_id, context, expires, used FROM launches WHERE hash = $1";
    USE = "UPDATE launches SET used = $2 WHERE hash = $1 AND used IS NULL AND expires > $2";
    DELETE_EXPIRED = "DELETE FROM launches WHERE hash IN \
                      (SELECT hash FROM launches WHERE expires < $1 ORDER BY expires LIMIT $2)";
}

/// Stores a launch by the hash of its value.
///
/// # Errors
/// [`StorageError`].
pub async fn insert(tx: &mut Tx, hash: &[u8; 32], launch: &Launch) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT,
        hash.to_vec(),
        launch.client.as_str(),
        launch.account.to_string(),
        launch.person.to_string(),
        launch.staff_of.map(|organization| organization.to_string()),
        context_text(&launch.context),
        launch.expires.micros()
    )
    .map(drop)
}

/// A context as its column holds it.
pub(super) fn context_text(context: &LaunchContext) -> String {
    // Strings, lists and booleans always serialise.
    serde_json::to_string(context).unwrap_or_default()
}

/// The launch with this hash. Whether it ended or was used is for the caller to see.
///
/// # Errors
/// [`StorageError`].
pub async fn get(on: impl Into<Executor<'_>>, hash: &[u8; 32]) -> Result<Option<Launch>, StorageError> {
    type Row = (String, String, String, Option<String>, String, i64, Option<i64>);
    let row: Option<Row> = fetch_optional!(on, GET, hash.to_vec())?;
    let Some((client, account, person, staff_of, context, expires, used)) = row else { return Ok(None) };
    let broken = |column| DatabaseInconsistency { table: "launches", column, row: client.clone() };
    Ok(Some(Launch {
        client: ClientId::parse(&client).ok_or_else(|| broken("client_id"))?,
        account: account.parse().map_err(|_| broken("account_id"))?,
        person: person.parse().map_err(|_| broken("person_id"))?,
        staff_of: staff_of.map(|id| id.parse()).transpose().map_err(|_| broken("organization_id"))?,
        context: serde_json::from_str(&context).map_err(|_| broken("context"))?,
        expires: Instant::from_micros(expires),
        used: used.map(Instant::from_micros),
    }))
}

/// Uses a launch up. True for exactly one caller, before its end.
///
/// # Errors
/// [`StorageError`].
pub async fn use_up(tx: &mut Tx, hash: &[u8; 32], now: Instant) -> Result<bool, StorageError> {
    let changed = execute!(tx, USE, hash.to_vec(), now.micros())?;
    Ok(changed == 1)
}

/// Forgets launches that ended before `end`, so many at most, and says how many it were.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_expired(tx: &mut Tx, end: Instant, most: i64) -> Result<u64, StorageError> {
    execute!(tx, DELETE_EXPIRED, end.micros(), most)
}
