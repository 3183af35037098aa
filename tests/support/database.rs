//! A fresh database for one test, and the macro that runs a contract on both kinds.

use std::future::Future;
use std::path::PathBuf;

use chartgate::config;
use chartgate::storage::Db;
use tempfile::TempDir;

/// A place for a database that nobody opened yet.
pub(crate) struct Fresh {
    /// What opens it.
    pub(crate) config: config::Storage,
    folder: TempDir,
}

impl Fresh {
    /// A SQLite file in a temporary folder.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("chartgate.db").display());
        Self { config: config::Storage { url, ..config::Storage::default() }, folder }
    }

    /// A PostgreSQL schema, if there is a server.
    pub(crate) async fn postgres() -> Option<Self> {
        let server_url = super::postgres::schema_url().await?;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("database-url");
        std::fs::write(&file, server_url).unwrap();
        let url = format!("postgres:{}", file.display());
        Some(Self { config: config::Storage { url, ..config::Storage::default() }, folder })
    }

    /// One of the same kind.
    pub(crate) async fn like(database: &Database) -> Self {
        if database.is_sqlite() { Self::sqlite() } else { Self::postgres().await.unwrap() }
    }

    async fn open(self) -> Database {
        let db = Db::open(&self.config).await.unwrap();
        Database { db, config: self.config, folder: self.folder }
    }
}

/// A database that belongs to one test.
pub(crate) struct Database {
    /// It, open.
    pub(crate) db: Db,
    /// What opens it again, as a second process would.
    pub(crate) config: config::Storage,
    folder: TempDir,
}

impl Database {
    /// A SQLite file in a temporary folder.
    pub(crate) async fn sqlite() -> Self {
        Fresh::sqlite().open().await
    }

    /// A PostgreSQL schema, if there is a server.
    pub(crate) async fn postgres() -> Option<Self> {
        Some(Fresh::postgres().await?.open().await)
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.config.url.starts_with("sqlite:")
    }

    /// The same database once more, as a second process has it.
    pub(crate) async fn second(&self) -> Db {
        Db::open(&self.config).await.unwrap()
    }

    /// The file, if it is SQLite.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("chartgate.db")
    }

    /// The connection URL, if it is PostgreSQL.
    pub(crate) fn server_url(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("database-url")).unwrap()
    }
}

/// Runs a contract on SQLite.
pub(crate) fn with_sqlite<F: Future<Output = ()>>(contract: impl FnOnce(Database) -> F) {
    runtime().block_on(async { contract(Database::sqlite().await).await });
}

/// Runs a contract on PostgreSQL; skips without a server, save under `CI`.
pub(crate) fn with_postgres<F: Future<Output = ()>>(contract: impl FnOnce(Database) -> F) {
    runtime().block_on(async {
        if let Some(database) = Database::postgres().await {
            contract(database).await;
        }
    });
}

/// A runtime of its own for one test.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Makes two tests of each `async fn contract(database: Database)`: one on SQLite, one on PostgreSQL.
macro_rules! on_both {
    ($($contract:ident),+ $(,)?) => {
        mod sqlite { $( #[test] fn $contract() { $crate::support::database::with_sqlite(super::$contract); } )+ }
        mod postgres { $( #[test] fn $contract() { $crate::support::database::with_postgres(super::$contract); } )+ }
    };
}
pub(crate) use on_both;
