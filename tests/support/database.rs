//! A fresh database for one test, and the macro that runs a contract on both kinds.

use std::future::Future;

use chartgate::config;
use chartgate::storage::Db;
use tempfile::TempDir;

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
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("chartgate.db").display());
        Self::open(folder, url).await
    }

    /// A PostgreSQL schema, if there is a server.
    pub(crate) async fn postgres() -> Option<Self> {
        let url = super::postgres::schema_url().await?;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("database-url");
        std::fs::write(&file, url).unwrap();
        Some(Self::open(folder, format!("postgres:{}", file.display())).await)
    }

    async fn open(folder: TempDir, url: String) -> Self {
        let config = config::Storage { url, ..config::Storage::default() };
        let db = Db::open(&config).await.unwrap();
        Self { db, config, folder }
    }

    /// The same database once more, as a second process has it.
    pub(crate) async fn second(&self) -> Db {
        Db::open(&self.config).await.unwrap()
    }

    /// The file, if it is SQLite.
    pub(crate) fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("chartgate.db")
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

fn runtime() -> tokio::runtime::Runtime {
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
