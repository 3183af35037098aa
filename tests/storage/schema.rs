//! The schema: alike on both databases, made once however many start, and refused when it is not ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use chartgate::storage::{Db, StorageError, grants};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::sample;
use crate::support::database::{Database, Fresh, on_both, runtime, with_sqlite};

on_both!(five_starters_at_once_make_one_schema, a_schema_of_a_newer_program_is_refused);

/// `table.column type null?` for columns, `table unique (columns) where …` for unique indexes.
type Shape = BTreeSet<String>;

async fn sqlite_shape(connection: &mut SqliteConnection) -> Shape {
    let columns: Vec<(String,)> = sqlx::query_as(
        "SELECT m.name || '.' || c.name || ' ' || CASE c.type WHEN 'INTEGER' THEN 'bigint' WHEN 'BLOB' THEN 'bytea' \
         ELSE lower(c.type) END || CASE WHEN c.\"notnull\" OR c.pk > 0 THEN ' not null' ELSE '' END \
         || CASE WHEN c.pk > 0 THEN ' key ' || c.pk ELSE '' END \
         FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let indexes: Vec<(String,)> = sqlx::query_as(
        "SELECT m.name || ' unique (' || (SELECT group_concat(i.name, ', ') FROM pragma_index_info(l.name) i) || ')' \
         || CASE WHEN l.partial THEN ' ' || (SELECT substr(s.sql, instr(s.sql, 'WHERE')) FROM sqlite_master s \
         WHERE s.name = l.name) ELSE '' END \
         FROM sqlite_master m, pragma_index_list(m.name) l WHERE m.type = 'table' AND l.\"unique\" = 1",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    columns.into_iter().chain(indexes).map(|(line,)| line).collect()
}

async fn postgres_shape(connection: &mut PgConnection) -> Shape {
    let columns: Vec<(String,)> = sqlx::query_as(
        "SELECT c.table_name || '.' || c.column_name || ' ' || c.data_type \
         || CASE WHEN c.is_nullable = 'NO' THEN ' not null' ELSE '' END \
         || COALESCE((SELECT ' key ' || k.ordinal_position FROM information_schema.key_column_usage k \
         JOIN information_schema.table_constraints t USING (constraint_schema, constraint_name) \
         WHERE t.constraint_type = 'PRIMARY KEY' AND k.table_schema = c.table_schema \
         AND k.table_name = c.table_name AND k.column_name = c.column_name), '') \
         FROM information_schema.columns c WHERE c.table_schema = current_schema()",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let indexes: Vec<(String,)> = sqlx::query_as(
        "SELECT t.relname || ' unique (' || (SELECT string_agg(a.attname, ', ' ORDER BY k.n) \
         FROM unnest(i.indkey::int[]) WITH ORDINALITY AS k (attnum, n) \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) || ')' \
         || COALESCE(' WHERE ' || translate(replace(pg_get_expr(i.indpred, i.indrelid), '::text', ''), '()', ''), '') \
         FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace \
         WHERE n.nspname = current_schema() AND i.indisunique",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    columns.into_iter().chain(indexes).map(|(line,)| line).collect()
}

#[test]
fn both_databases_have_the_same_tables_columns_keys_and_unique_indexes() {
    runtime().block_on(async {
        let Some(postgres) = Database::postgres().await else { return };
        let sqlite = Database::sqlite().await;
        let mut left = SqliteConnection::connect(&format!("sqlite:{}", sqlite.file().display())).await.unwrap();
        let mut right = PgConnection::connect(&postgres.server_url()).await.unwrap();
        let (left, mut right) = (sqlite_shape(&mut left).await, postgres_shape(&mut right).await);
        // A single INTEGER key is the row number in SQLite and needs no index there.
        right.retain(|line| !matches!(line.as_str(), "generations unique (id)" | "schema_migrations unique (number)"));
        let (only_sqlite, only_postgres): (Vec<_>, Vec<_>) =
            (left.difference(&right).collect(), right.difference(&left).collect());
        assert!(only_sqlite.is_empty() && only_postgres.is_empty(), "{only_sqlite:#?}\n{only_postgres:#?}");
        // Not two empty sets.
        for line in ["links unique (source_key, patient) WHERE state = 'active'", "links.demographics text"] {
            assert!(left.contains(line), "{line} in {left:#?}");
        }
    });
}

/// Order and comparison of texts by bytes, as SQLite has it, whatever locale the server was made with.
#[test]
fn postgres_compares_every_text_by_bytes() {
    runtime().block_on(async {
        let Some(postgres) = Database::postgres().await else { return };
        let mut connection = PgConnection::connect(&postgres.server_url()).await.unwrap();
        let other: Vec<(String, String)> = sqlx::query_as(
            "SELECT table_name::text, column_name::text FROM information_schema.columns \
             WHERE table_schema = current_schema() AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        assert_eq!(other, []);
    });
}

async fn five_starters_at_once_make_one_schema(database: Database) {
    let fresh = Fresh::like(&database).await;
    let starters = (0..5).map(|_| {
        let config = fresh.config.clone();
        tokio::spawn(async move { Db::open(&config).await })
    });
    for opened in futures_util::future::join_all(starters).await {
        assert!(opened.unwrap().unwrap().prepare_all().await.unwrap() > 30);
    }
}

async fn a_schema_of_a_newer_program_is_refused(database: Database) {
    const NEWER: &str = "INSERT INTO schema_migrations (number, name, checksum) VALUES (9999, '9999_future', 'x')";
    if database.is_sqlite() {
        let url = format!("sqlite:{}", database.file().display());
        let mut raw = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(NEWER).execute(&mut raw).await.unwrap();
    } else {
        let mut raw = PgConnection::connect(&database.server_url()).await.unwrap();
        sqlx::raw_sql(NEWER).execute(&mut raw).await.unwrap();
    }
    let error = Db::open(&database.config).await.unwrap_err();
    assert!(matches!(&error, StorageError::Refused(why) if why.contains("9999")), "{error}");
}

/// Every SQL text stands in a `statements!` block, where `Db::prepare_all` finds it.
#[test]
fn no_statement_hides_from_the_list() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage");
    let infrastructure = ["migrate.rs", "postgres.rs", "sqlite.rs", "statement.rs", "writer.rs"];
    let list = fs::read_to_string(folder.with_extension("rs")).unwrap();
    let mut aggregates = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if infrastructure.contains(&name.as_str()) {
            continue;
        }
        let mut text = fs::read_to_string(&path).unwrap();
        if let Some(start) = text.find("statements! {") {
            let end = start + text[start..].find("\n}\n").unwrap();
            text.replace_range(start..end, "");
            let module = name.trim_end_matches(".rs");
            assert!(list.contains(&format!("(\"{module}\", {module}::STATEMENTS)")), "{name} is not in AGGREGATES");
            aggregates += 1;
        }
        for word in ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE ", "\"WITH ", "sqlx::query"] {
            assert!(!text.contains(word), "{name} has {word} outside statements!");
        }
    }
    assert!(aggregates >= 9);
}

#[test]
fn s10_the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    with_sqlite(async |database| {
        for side in ["", "-wal", "-shm"] {
            let path = format!("{}{side}", database.file().display());
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path}");
        }
        fs::set_permissions(database.file(), fs::Permissions::from_mode(0o640)).unwrap();
        let error = Db::open(&database.config).await.unwrap_err();
        assert!(matches!(&error, StorageError::Refused(why) if why.contains("chmod 600")), "{error}");
    });
}

#[test]
fn a_row_that_fits_no_state_is_named_and_shows_no_value() {
    with_sqlite(async |database| {
        let db = &database.db;
        let (account, grant) = db
            .write(|tx| {
                Box::pin(async move {
                    let account = sample::account("a", None);
                    chartgate::storage::accounts::insert(tx, &account).await?;
                    let grant = sample::grant(account.id, sample::stored_person(tx).await?);
                    grants::insert(tx, &grant).await?;
                    Ok::<_, StorageError>((account.id, grant.id))
                })
            })
            .await
            .unwrap();
        let url = format!("sqlite:{}", database.file().display());
        let mut raw = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql("UPDATE grants SET state_reason = 'canary'").execute(&mut raw).await.unwrap();
        let error = grants::active_for_account(db, account, sample::at(1)).await.unwrap_err();
        assert_eq!(error.to_string(), format!("grants.state of row {grant} is inconsistent"));
        assert!(!format!("{error:?}").contains("canary"));
    });
}
