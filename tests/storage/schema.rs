//! The schema: alike on both databases, made once however many start, and refused when it is not ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use chartgate::base::hash::sha256;
use chartgate::base::id::{AccountId, ClaimId, OrganizationId};
use chartgate::base::random::SystemRandom;
use chartgate::identity::{GrantState, StatusReason};
use chartgate::storage::{
    Db, StorageError, accounts, claims, federated_identities, grants, organizations, proxy_requests,
};
use data_encoding::HEXLOWER;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::sample;
use crate::support::database::{Database, Fresh, on_both, runtime, with_sqlite};

on_both!(
    five_starters_at_once_make_one_schema,
    a_schema_of_a_newer_program_is_refused,
    a_database_of_the_version_before_is_brought_up_with_what_is_in_it,
);

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

/// The steps that the last version on people's machines had: name, and the text for either database.
macro_rules! steps {
    ($($number:literal $name:literal),+ $(,)?) => {
        [$((
            $number,
            $name,
            include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        )),+]
    };
}

const BEFORE: [(i64, &str, &str, &str); 14] = steps![
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
];

/// Makes a database as that version left it, with somebody in it.
macro_rules! make_before {
    ($connection:expr, $text:tt, $table:literal, $ids:expr) => {{
        let (connection, (account, organization, claim)) = ($connection, $ids);
        sqlx::raw_sql($table).execute(&mut *connection).await.unwrap();
        for step in BEFORE {
            let text: &'static str = step.$text;
            sqlx::raw_sql(text).execute(&mut *connection).await.unwrap();
            let checksum = HEXLOWER.encode(&sha256(text.as_bytes()));
            let row = sqlx::query("INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)");
            row.bind(step.0).bind(step.1).bind(checksum).execute(&mut *connection).await.unwrap();
        }
        for (text, ids) in [
            (
                "INSERT INTO organizations (id, name, alias, former_names, created, state) \
                 VALUES ($1, 'Riverside', '[]', '[]', 1, 'active')",
                vec![&organization],
            ),
            (
                "INSERT INTO accounts (id, username, username_folded, created, state) \
                 VALUES ($1, 'Olga', 'olga', 2, 'active')",
                vec![&account],
            ),
            (
                "INSERT INTO federated_identities (issuer, subject, account_id, created) \
                 VALUES ('https://id.example', 'olga', $1, 3)",
                vec![&account],
            ),
            (
                "INSERT INTO claims (id, account_id, organization_id, said, made, reasons, wrong_codes, state) VALUES \
                 ($1, $2, $3, '{\"given\":\"Olga\",\"family\":\"Berg\",\"birth_date\":\"1960-05-01\",\"number\":\"7\"}', \
                 4, '[]', 0, 'queued')",
                vec![&claim, &account, &organization],
            ),
            ("INSERT INTO persons (id, created) VALUES ($1, 5)", vec![&account]),
            (
                "INSERT INTO grants (id, account_id, person_id, basis, valid_from, evidence, created, state, state_since, \
                 state_reason) VALUES ($1, $2, $2, 'parent', 6, 'operator', 6, 'ended', 7, 'account-closed')",
                vec![&claim, &account],
            ),
            (
                "INSERT INTO grants (id, account_id, person_id, basis, valid_from, evidence, created, state, state_since, \
                 state_reason) VALUES ($1, $2, $2, 'parent', 6, 'operator', 6, 'suspended', 7, 'asked')",
                vec![&organization, &account],
            ),
            (
                "INSERT INTO proxy_requests (id, organization_id, origin, asked_by, asked, said, draft, state, decided, \
                 reason) VALUES ($1, $2, 'document', $3, 8, '{\"family\":\"Berg\",\"given\":[\"Olga\"],\"birth_date\":\"1960-05-01\"}', \
                 '{\"basis\":\"parent\",\"family\":\"B\",\"given\":\"O\",\"birth_date\":null,\"until\":null}', \
                 'refused', 9, 'no paper')",
                vec![&claim, &organization, &account],
            ),
        ] {
            let row = ids.into_iter().fold(sqlx::query(text), |row, id: &String| row.bind(id.clone()));
            row.execute(&mut *connection).await.unwrap();
        }
    }};
}

async fn a_database_of_the_version_before_is_brought_up_with_what_is_in_it(database: Database) {
    let fresh = Fresh::like(&database).await;
    let random = SystemRandom::default();
    let (account, organization, claim) =
        (AccountId::mint(&random), OrganizationId::mint(&random), ClaimId::mint(&random));
    let ids = || (account.to_string(), organization.to_string(), claim.to_string());
    if let Some(path) = fresh.config.url.strip_prefix("sqlite:") {
        use std::os::unix::fs::OpenOptionsExt as _;
        fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).unwrap();
        let mut raw = SqliteConnection::connect(&fresh.config.url).await.unwrap();
        make_before!(
            &mut raw,
            2,
            "CREATE TABLE schema_migrations \
             (number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT",
            ids()
        );
        raw.close().await.unwrap();
    } else {
        let url = fs::read_to_string(fresh.config.url.strip_prefix("postgres:").unwrap()).unwrap();
        let mut raw = PgConnection::connect(&url).await.unwrap();
        make_before!(
            &mut raw,
            3,
            "CREATE TABLE schema_migrations (number BIGINT NOT NULL PRIMARY KEY, name TEXT COLLATE \"C\" NOT NULL, \
             checksum TEXT COLLATE \"C\" NOT NULL)",
            ids()
        );
        raw.close().await.unwrap();
    }
    let db = Db::open(&fresh.config).await.unwrap();
    assert!(db.prepare_all().await.unwrap() > 30);
    assert_eq!(accounts::by_id(&db, account).await.unwrap().unwrap().username.typed(), "Olga");
    assert_eq!(organizations::by_id(&db, organization).await.unwrap().unwrap().name, "Riverside");
    let known = claims::by_id(&db, claim).await.unwrap().unwrap();
    assert_eq!((known.said.family.as_str(), known.account), ("Berg", account));
    // A sign-in elsewhere without a name could be disconnected by nobody: it is connected no more.
    assert_eq!(federated_identities::of_account(&db, account).await.unwrap(), []);
    assert_eq!(federated_identities::holder(&db, "https://id.example", "olga").await.unwrap(), None);
    // Why grants and requests stand as they do is a code of the one list; what staff typed is kept.
    let standing = grants::of_account(&db, account).await.unwrap().into_iter().map(|grant| grant.state);
    let reasons: BTreeSet<&str> = standing
        .map(|state| match state {
            GrantState::Ended { reason, .. } | GrantState::Suspended { reason, by: None, .. } => reason.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reasons, BTreeSet::from(["ROLE_DEACTIVATED_ACCOUNT_CLOSED", "ROLE_SUSPENDED_PENDING_REVIEW"]));
    let refused = proxy_requests::asked_by(&db, account).await.unwrap().remove(0);
    assert_eq!((refused.reason, refused.note.as_deref()), (Some(StatusReason::Other), Some("no paper")));
    // It is what a new one is.
    let shapes = async |config: &chartgate::config::Storage| match config.url.strip_prefix("postgres:") {
        Some(file) => {
            let url = fs::read_to_string(file).unwrap();
            postgres_shape(&mut PgConnection::connect(&url).await.unwrap()).await
        }
        None => sqlite_shape(&mut SqliteConnection::connect(&config.url).await.unwrap()).await,
    };
    assert_eq!(shapes(&fresh.config).await, shapes(&database.config).await);
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
        // No code that there is; one that there is, where none stands.
        for (reason, column) in [("canary", "state_reason"), ("ROLE_DEACTIVATED_PATIENT_REQUEST", "state")] {
            sqlx::query("UPDATE grants SET state_reason = $1").bind(reason).execute(&mut raw).await.unwrap();
            let error = grants::active_for_account(db, account, sample::at(1)).await.unwrap_err();
            assert_eq!(error.to_string(), format!("grants.{column} of row {grant} is inconsistent"));
            assert!(!format!("{error:?}").contains(reason));
        }
    });
}
