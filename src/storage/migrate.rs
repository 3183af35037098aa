//! The schema: numbered steps, the same numbers and names for both databases, forward only.
//!
//! All missing steps are applied in one transaction under a lock: two processes that start at once do it once, a crash
//! half-way leaves the schema as it was. A step whose text changed after it was applied is refused, and so is a
//! database that a newer program has already moved on.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::StorageError;
use crate::base::hash::sha256;

/// One step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Migration {
    number: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migrations {
    ($($number:literal $name:literal),+ $(,)?) => {
        &[$(Migration {
            number: $number,
            name: $name,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        }),+]
    };
}

/// Every step, in order. Never edit one that was released: add the next.
const MIGRATIONS: &[Migration] = migrations![
    1 "0001_records",
    2 "0002_oauth",
    3 "0003_expiry",
    4 "0004_source_access",
    5 "0005_document_owners",
    6 "0006_apps",
    7 "0007_clients",
    8 "0008_source_authorities",
    9 "0009_invitations",
    11 "0011_mail",
    12 "0012_credentials",
    13 "0013_consent",
    14 "0014_proxy_requests",
    16 "0016_family_more",
    17 "0017_identity",
    18 "0018_organizations",
    19 "0019_label_tables",
    20 "0020_status_reasons",
    22 "0022_access_tokens_refresh",
    23 "0023_tried",
    24 "0024_staff_apps",
];

/// Whoever holds this applies migrations. An arbitrary number, the same in every version.
const ADVISORY_LOCK: &str = "SELECT pg_advisory_xact_lock(7233182640013)";

const CREATE_TABLE_SQLITE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
     (number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT";
const CREATE_TABLE_POSTGRES: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
     (number BIGINT NOT NULL PRIMARY KEY, name TEXT COLLATE \"C\" NOT NULL, checksum TEXT COLLATE \"C\" NOT NULL)";
const APPLIED: &str = "SELECT number, checksum FROM schema_migrations ORDER BY number";
const RECORD: &str = "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)";

/// Brings a SQLite file to the newest schema.
pub(super) async fn sqlite(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    // IMMEDIATE takes the write lock before the look: a second process waits here, then finds nothing to do.
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql(CREATE_TABLE_SQLITE).execute(&mut *tx).await?;
    let applied = sqlx::query_as::<_, (i64, String)>(APPLIED).fetch_all(&mut *tx).await?;
    for step in missing(MIGRATIONS, &applied, |m| m.sqlite)? {
        sqlx::raw_sql(step.sqlite).execute(&mut *tx).await?;
        let row = sqlx::query(RECORD).bind(step.number).bind(step.name).bind(checksum(step.sqlite));
        row.execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

/// Brings a PostgreSQL schema to the newest.
pub(super) async fn postgres(connection: &mut PgConnection) -> Result<(), StorageError> {
    let mut tx = connection.begin().await?;
    sqlx::raw_sql(ADVISORY_LOCK).execute(&mut *tx).await?;
    sqlx::raw_sql(CREATE_TABLE_POSTGRES).execute(&mut *tx).await?;
    let applied = sqlx::query_as::<_, (i64, String)>(APPLIED).fetch_all(&mut *tx).await?;
    for step in missing(MIGRATIONS, &applied, |m| m.postgres)? {
        sqlx::raw_sql(step.postgres).execute(&mut *tx).await?;
        let row = sqlx::query(RECORD).bind(step.number).bind(step.name).bind(checksum(step.postgres));
        row.execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

fn checksum(text: &str) -> String {
    HEXLOWER.encode(&sha256(text.as_bytes()))
}

/// The steps that are not applied yet.
fn missing<'m>(
    known: &'m [Migration],
    applied: &[(i64, String)],
    text: impl Fn(&Migration) -> &'static str,
) -> Result<Vec<&'m Migration>, StorageError> {
    let mut pending: BTreeMap<i64, &Migration> = known.iter().map(|m| (m.number, m)).collect();
    for (number, sum) in applied {
        let Some(step) = pending.remove(number) else {
            return Err(StorageError::Refused(format!(
                "schema step {number:04} is not known: a newer program made it"
            )));
        };
        if checksum(text(step)) != *sum {
            return Err(StorageError::Refused(format!("schema step {} changed after it was applied", step.name)));
        }
    }
    if let (Some((first, step)), Some((last, _))) = (pending.first_key_value(), applied.last())
        && first < last
    {
        return Err(StorageError::Refused(format!("schema step {} was left out", step.name)));
    }
    Ok(pending.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Migration] = &[
        Migration { number: 1, name: "0001_a", sqlite: "a", postgres: "A" },
        Migration { number: 2, name: "0002_b", sqlite: "b", postgres: "B" },
    ];

    fn numbers(applied: &[(i64, &str)]) -> Result<Vec<i64>, StorageError> {
        let applied: Vec<_> = applied.iter().map(|(n, text)| (*n, checksum(text))).collect();
        missing(KNOWN, &applied, |m| m.sqlite).map(|steps| steps.iter().map(|m| m.number).collect())
    }

    #[test]
    fn only_what_is_missing_is_applied() {
        assert_eq!(numbers(&[]).unwrap(), [1, 2]);
        assert_eq!(numbers(&[(1, "a")]).unwrap(), [2]);
        assert_eq!(numbers(&[(1, "a"), (2, "b")]).unwrap(), [0_i64; 0]);
    }

    #[test]
    fn s15_a_changed_a_newer_and_a_left_out_step_are_refused() {
        for (applied, word) in [
            (vec![(1, "a changed")], "0001_a changed"),
            (vec![(1, "a"), (2, "b"), (3, "c")], "0003 is not known"),
            (vec![(2, "b")], "0001_a was left out"),
        ] {
            let error = numbers(&applied).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn both_folders_hold_exactly_the_steps_of_the_list() {
        let expected: Vec<String> = MIGRATIONS.iter().map(|m| format!("{}.sql", m.name)).collect();
        for folder in ["sqlite", "postgres"] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
            let mut found: Vec<String> =
                std::fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            found.sort();
            assert_eq!(found, expected, "{folder}");
        }
        assert!(MIGRATIONS.windows(2).all(|pair| pair[0].number < pair[1].number), "in order");
        for step in MIGRATIONS {
            assert!(step.name.starts_with(&format!("{:04}_", step.number)), "{}", step.name);
        }
    }
}
