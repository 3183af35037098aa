/// One operation in SQL: the same text for both databases, save where a dialect needs its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statement {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// Declares the statements of an aggregate, and `STATEMENTS`, the list that is prepared on both databases in tests.
///
/// A text stands for both; `{ sqlite: "…", postgres: "…" }` where the dialects differ.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:tt;)+) => {
        $(
            $(#[$doc])*
            pub(super) const $name: $crate::storage::statement::Statement = $crate::storage::statement::statement!($text);
        )+
        pub(super) const STATEMENTS: &[(&str, $crate::storage::statement::Statement)] =
            &[$((stringify!($name), $name)),+];
    };
}

macro_rules! statement {
    ({ sqlite: $sqlite:literal, postgres: $postgres:literal $(,)? }) => {
        $crate::storage::statement::Statement { sqlite: $sqlite, postgres: $postgres }
    };
    ($both:literal) => {
        $crate::storage::statement::Statement { sqlite: $both, postgres: $both }
    };
}

/// Runs one expression on whichever database it is: `on_tx!(executor, STATEMENT, |sql, connection| …)`.
///
/// The expression is expanded once for each driver, so it is written once and type-checked twice. Its `sqlx::Error`
/// becomes a [`StorageError`](super::StorageError).
macro_rules! on_tx {
    ($on:expr, $statement:expr, |$sql:ident, $connection:ident| $body:expr) => {{
        let executor: $crate::storage::Executor<'_> = $on.into();
        match executor.connection().await? {
            $crate::storage::executor::Connection::Sqlite(mut held) => {
                let ($sql, $connection) = ($statement.sqlite, held.get());
                ($body).map_err($crate::storage::StorageError::from)
            }
            $crate::storage::executor::Connection::Postgres(mut held) => {
                let ($sql, $connection) = ($statement.postgres, held.get());
                ($body).map_err($crate::storage::StorageError::from)
            }
        }
    }};
}

/// Runs a statement with these values bound to `$1`, `$2`, …, and returns how many rows it changed.
macro_rules! execute {
    ($on:expr, $statement:expr $(, $value:expr)* $(,)?) => {
        $crate::storage::statement::on_tx!($on, $statement, |sql, connection| sqlx::query(sql)
            $(.bind($value))*
            .execute(connection)
            .await
            .map(|done| done.rows_affected()))
    };
}

/// Runs a query with these values bound, and returns its rows.
macro_rules! fetch_all {
    ($on:expr, $statement:expr $(, $value:expr)* $(,)?) => {
        $crate::storage::statement::on_tx!($on, $statement, |sql, connection| sqlx::query_as(sql)
            $(.bind($value))*
            .fetch_all(connection)
            .await)
    };
}

/// Runs a query with these values bound, and returns its row if there is one.
macro_rules! fetch_optional {
    ($on:expr, $statement:expr $(, $value:expr)* $(,)?) => {
        $crate::storage::statement::on_tx!($on, $statement, |sql, connection| sqlx::query_as(sql)
            $(.bind($value))*
            .fetch_optional(connection)
            .await)
    };
}

/// Runs a query with these values bound, and returns its one value.
macro_rules! fetch_value {
    ($on:expr, $statement:expr $(, $value:expr)* $(,)?) => {
        $crate::storage::statement::on_tx!($on, $statement, |sql, connection| sqlx::query_scalar(sql)
            $(.bind($value))*
            .fetch_one(connection)
            .await)
    };
}

pub(super) use {execute, fetch_all, fetch_optional, fetch_value, on_tx, statement, statements};
