//! Accounts.

use super::error::RowKey;
use super::row::row;
use super::statement::{execute, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Taken, Tx, generations, source_tokens};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, PersonId};
use crate::base::secret::Secret;
use crate::identity::{Account, AccountState, Language, Username};

statements! {
    INSERT = "INSERT INTO accounts (id, username, username_folded, password_hash, person_id, created, state, closed) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
    BY_ID = "SELECT id, username, username_folded, password_hash, person_id, created, state, closed FROM accounts \
             WHERE id = $1";
    BY_USERNAME = "SELECT id, username, username_folded, password_hash, person_id, created, state, closed \
                   FROM accounts WHERE username_folded = $1";
    /// The account of a name, or the one whose name lies next to it: a name that nobody has reads as much.
    NEAREST = "SELECT id, username, username_folded, password_hash, person_id, created, state, closed FROM accounts \
               WHERE username_folded = COALESCE(\
               (SELECT username_folded FROM accounts WHERE username_folded <= $1 ORDER BY username_folded DESC LIMIT 1), \
               (SELECT username_folded FROM accounts ORDER BY username_folded LIMIT 1))";
    BY_PERSON = "SELECT id, username, username_folded, password_hash, person_id, created, state, closed \
                 FROM accounts WHERE person_id = $1 AND state = 'active'";
    SET_PASSWORD = "UPDATE accounts SET password_hash = $2 WHERE id = $1 AND state = 'active'";
    RENEW_HASH = "UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2 AND state = 'active'";
    LANGUAGE = "SELECT language FROM accounts WHERE id = $1";
    SET_LANGUAGE = "UPDATE accounts SET language = $2 WHERE id = $1";
    STANDING = "SELECT password_failures, recovered FROM accounts WHERE id = $1";
    /// One more wrong password, or none where $2 is 0: the rest is written for a name that nobody has as well.
    COUNT_FAILURE = "UPDATE accounts SET password_failures = password_failures + $2, tried = $3 WHERE id = $1";
    FORGET_FAILURES = "UPDATE accounts SET password_failures = 0 WHERE id = $1 AND password_failures > 0";
    SET_RECOVERED = "UPDATE accounts SET recovered = $2 WHERE id = $1";
    CLEAR_PERSON = "UPDATE accounts SET person_id = NULL WHERE id = $1";
    SET_PERSON = "UPDATE accounts SET person_id = $2 WHERE id = $1 AND person_id IS NULL AND state = 'active'";
    CLOSE = "UPDATE accounts SET state = 'closed', closed = $2, password_hash = NULL WHERE id = $1 AND state = 'active'";
}

row! {
    struct Row {
        id: String,
        username: String,
        username_folded: String,
        password_hash: Option<String>,
        person_id: Option<String>,
        created: i64,
        state: String,
        closed: Option<i64>,
    }
}

impl TryFrom<Row> for Account {
    type Error = DatabaseInconsistency;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let key = RowKey { table: "accounts", key: &row.id };
        let username = key.column("username", Username::new(&row.username).ok())?;
        if username.folded() != row.username_folded {
            return Err(key.inconsistent("username_folded"));
        }
        let state = match (row.state.as_str(), row.closed) {
            ("active", None) => AccountState::Active,
            ("closed", Some(at)) => AccountState::Closed { at: Instant::from_micros(at) },
            _ => return Err(key.inconsistent("state")),
        };
        let person = row.person_id.as_deref().map(|id| key.parse("person_id", id)).transpose()?;
        Ok(Self {
            id: key.parse("id", &row.id)?,
            username,
            password_hash: row.password_hash.map(Secret::new),
            person,
            created: Instant::from_micros(row.created),
            state,
        })
    }
}

/// Opens an account.
///
/// # Errors
/// [`Taken::Username`] in whatever spelling, [`Taken::PersonOfAccount`] when the person has an account of its own,
/// [`StorageError::ReferenceMissing`] when there is no such person.
pub async fn insert(tx: &mut Tx, account: &Account) -> Result<(), StorageError> {
    let (state, closed) = match account.state {
        AccountState::Active => ("active", None),
        AccountState::Closed { at } => ("closed", Some(at.micros())),
    };
    let rows = execute!(
        &mut *tx,
        INSERT,
        account.id.to_string(),
        account.username.typed(),
        account.username.folded(),
        account.password_hash.as_ref().map(|hash| hash.expose().as_str()),
        account.person.map(|person| person.to_string()),
        account.created.micros(),
        state,
        closed
    )?;
    if rows == 1 {
        return Ok(());
    }
    let taken = if by_username(&mut *tx, &account.username).await?.is_some() {
        Taken::Username
    } else if by_id(tx, account.id).await?.is_some() {
        Taken::Key
    } else {
        Taken::PersonOfAccount
    };
    Err(StorageError::AlreadyTaken(taken))
}

/// The one with this id.
///
/// # Errors
/// [`StorageError`].
pub async fn by_id(on: impl Into<Executor<'_>>, id: AccountId) -> Result<Option<Account>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_ID, id.to_string())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// The one that signs in with this name, in whatever spelling; closed ones too.
///
/// # Errors
/// [`StorageError`].
pub async fn by_username(on: impl Into<Executor<'_>>, username: &Username) -> Result<Option<Account>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_USERNAME, username.folded())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// The one that signs in with this name, or another one in its place, which is not to be seen. `None` where there are no
/// accounts.
///
/// # Errors
/// [`StorageError`].
pub async fn nearest(on: impl Into<Executor<'_>>, folded: &str) -> Result<Option<Account>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, NEAREST, folded)?;
    let Some(row) = row else { return Ok(None) };
    let is_it = row.username_folded == folded;
    match Account::try_from(row) {
        Ok(account) => Ok(Some(account)),
        // Of a row that cannot be read nobody learns who types a name next to it.
        Err(inconsistent) if !is_it => {
            tracing::error!(%inconsistent, "a row cannot be read");
            Ok(None)
        }
        Err(inconsistent) => Err(inconsistent.into()),
    }
}

/// The active account whose own record this person is.
///
/// # Errors
/// [`StorageError`].
pub async fn by_person(on: impl Into<Executor<'_>>, person: PersonId) -> Result<Option<Account>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_PERSON, person.to_string())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// Gives an account that has no record of its own this person's, and moves the generation on.
///
/// # Errors
/// [`StorageError::NotFound`] when it is closed or has one; [`Taken::Key`] when the person has an account.
pub async fn set_person(tx: &mut Tx, id: AccountId, person: PersonId) -> Result<(), StorageError> {
    let rows = execute!(&mut *tx, SET_PERSON, id.to_string(), person.to_string())?;
    if rows != 1 {
        return Err(StorageError::NotFound { table: "accounts" });
    }
    generations::bump(tx);
    Ok(())
}

/// Takes its own record from an account, and moves the generation on.
///
/// # Errors
/// [`StorageError`].
pub async fn clear_person(tx: &mut Tx, id: AccountId) -> Result<(), StorageError> {
    execute!(&mut *tx, CLEAR_PERSON, id.to_string())?;
    generations::bump(tx);
    Ok(())
}

/// Sets the password, as an Argon2id hash in PHC form.
///
/// # Errors
/// [`StorageError::NotFound`] when there is no such active account.
pub async fn set_password(tx: &mut Tx, id: AccountId, hash: &Secret<String>) -> Result<(), StorageError> {
    let rows = execute!(tx, SET_PASSWORD, id.to_string(), hash.expose().as_str())?;
    if rows == 1 { Ok(()) } else { Err(StorageError::NotFound { table: "accounts" }) }
}

/// Replaces the hash of a password by another one of the same password. One that was changed meanwhile stays.
///
/// # Errors
/// [`StorageError`].
pub async fn renew_password_hash(
    tx: &mut Tx,
    id: AccountId,
    old: &Secret<String>,
    new: &Secret<String>,
) -> Result<bool, StorageError> {
    let rows = execute!(tx, RENEW_HASH, id.to_string(), old.expose().as_str(), new.expose().as_str())?;
    Ok(rows == 1)
}

/// Closes an account for good, forgets its password and what its holder's sign-ins at EHRs gave, and moves the generation
/// on.
///
/// # Errors
/// [`StorageError::NotFound`] when there is no such active account.
pub async fn close(tx: &mut Tx, id: AccountId, at: Instant) -> Result<(), StorageError> {
    let rows = execute!(&mut *tx, CLOSE, id.to_string(), at.micros())?;
    if rows != 1 {
        return Err(StorageError::NotFound { table: "accounts" });
    }
    source_tokens::delete_of_account(tx, id).await?;
    generations::bump(tx);
    Ok(())
}

/// The language that the holder of an account is written to in.
///
/// # Errors
/// [`StorageError`].
pub async fn language(on: impl Into<Executor<'_>>, id: AccountId) -> Result<Language, StorageError> {
    let row: Option<(String,)> = fetch_optional!(on, LANGUAGE, id.to_string())?;
    Ok(row.and_then(|(name,)| Language::parse(&name)).unwrap_or(Language::English))
}

/// Chooses that language.
///
/// # Errors
/// [`StorageError`].
pub async fn set_language(tx: &mut Tx, id: AccountId, language: Language) -> Result<(), StorageError> {
    execute!(tx, SET_LANGUAGE, id.to_string(), language.as_str()).map(drop)
}

/// What limits how an account can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Wrong passwords since the last right one.
    pub password_failures: u32,
    /// When somebody last got back in by the link.
    pub recovered: Option<Instant>,
}

/// What limits how an account can be used.
///
/// # Errors
/// [`StorageError`].
pub async fn standing(on: impl Into<Executor<'_>>, id: AccountId) -> Result<Standing, StorageError> {
    let row: Option<(i64, Option<i64>)> = fetch_optional!(on, STANDING, id.to_string())?;
    Ok(row.map_or_else(Standing::default, |(failures, recovered)| Standing {
        password_failures: u32::try_from(failures).unwrap_or(u32::MAX),
        recovered: recovered.map(Instant::from_micros),
    }))
}

/// Counts a wrong password; where `counts` is false, nothing, by the same write.
///
/// # Errors
/// [`StorageError`].
pub async fn count_failure(tx: &mut Tx, id: AccountId, counts: bool, now: Instant) -> Result<(), StorageError> {
    execute!(tx, COUNT_FAILURE, id.to_string(), i64::from(counts), now.micros()).map(drop)
}

/// Forgets wrong passwords, once a right one came.
///
/// # Errors
/// [`StorageError`].
pub async fn forget_failures(tx: &mut Tx, id: AccountId) -> Result<(), StorageError> {
    execute!(tx, FORGET_FAILURES, id.to_string()).map(drop)
}

/// Notes that somebody got back in.
///
/// # Errors
/// [`StorageError`].
pub async fn set_recovered(tx: &mut Tx, id: AccountId, now: Instant) -> Result<(), StorageError> {
    execute!(tx, SET_RECOVERED, id.to_string(), now.micros()).map(drop)
}
