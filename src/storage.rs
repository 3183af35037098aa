//! SQLite and PostgreSQL behind one set of functions.
//!
//! One file per aggregate; each operation is one SQL text for both databases, written with `$n` placeholders in the
//! subset that means the same in both:
//!
//! - yes: `ON CONFLICT … DO NOTHING | DO UPDATE SET x = excluded.x`, `RETURNING`, `UPDATE … FROM`, `CASE`, `COALESCE`,
//!   `count(*) FILTER`, `NULLS LAST`, `LIMIT`, `IS NOT DISTINCT FROM`, `TRUE`, row values `(a, b) > ($1, $2)`,
//!   partial unique indexes;
//! - no, or different: arrays, `ILIKE`, `lower()` beyond ASCII, `LIKE` (case), `FOR UPDATE`, `::type`, `greatest`/`max`
//!   of scalars, JSON functions, anything of dates, a unique violation caught and survived (PostgreSQL has aborted the
//!   transaction by then: use `ON CONFLICT DO NOTHING` and look at the number of rows).
//!
//! Where a dialect needs its own text, [`statement::statements`] takes two. Columns: ids and codes TEXT (byte order on
//! both), instants BIGINT microseconds, numbers BIGINT, lists JSON in TEXT, secrets only as hashes or sealed bytes.
//!
//! Reads take `impl Into<Executor>` (`&Db`, or `&mut Tx` to see a write's own changes), writes take `&mut Tx`, which
//! only [`Db::write`] hands out. A new aggregate: a file with `statements! { … }`, a line in `AGGREGATES`, tables in the
//! next migration of both folders, a contract test.

mod db;
mod error;
mod executor;
mod migrate;
mod postgres;
mod row;
mod sqlite;
mod statement;
mod writer;

pub mod accounts;
pub mod audit;
pub mod authorizations;
pub mod callers;
pub mod challenges;
pub mod claims;
pub mod clients;
pub mod consent;
pub mod contacts;
pub mod federated_identities;
pub mod generations;
pub mod grants;
pub mod hashed_ids;
pub mod invitations;
pub mod label_tables;
pub mod launches;
pub mod links;
pub mod mails;
pub mod mergers;
pub mod organizations;
pub mod passkeys;
pub mod persons;
pub mod proofings;
pub mod proxy_requests;
pub mod pushed_requests;
pub mod recoveries;
pub mod refreshes;
pub mod second_factors;
pub mod sessions;
pub mod sharing_notices;
pub mod signing_keys;
pub mod source_tokens;
pub mod sources;
pub mod spent_ids;
pub mod staff;
pub mod staff_sessions;
pub mod staff_tasks;
pub mod system_tokens;
pub mod tokens;

pub use db::Db;
pub use error::{DatabaseInconsistency, StorageError, Taken};
pub use executor::{Executor, Tx};

use statement::Statement;

/// Every statement of every aggregate. One that is left out is never used, which the compiler reports.
const AGGREGATES: &[(&str, &[(&str, Statement)])] = &[
    ("accounts", accounts::STATEMENTS),
    ("audit", audit::STATEMENTS),
    ("authorizations", authorizations::STATEMENTS),
    ("callers", callers::STATEMENTS),
    ("challenges", challenges::STATEMENTS),
    ("claims", claims::STATEMENTS),
    ("clients", clients::STATEMENTS),
    ("contacts", contacts::STATEMENTS),
    ("consent", consent::STATEMENTS),
    ("federated_identities", federated_identities::STATEMENTS),
    ("generations", generations::STATEMENTS),
    ("grants", grants::STATEMENTS),
    ("hashed_ids", hashed_ids::STATEMENTS),
    ("invitations", invitations::STATEMENTS),
    ("label_tables", label_tables::STATEMENTS),
    ("launches", launches::STATEMENTS),
    ("links", links::STATEMENTS),
    ("mails", mails::STATEMENTS),
    ("mergers", mergers::STATEMENTS),
    ("organizations", organizations::STATEMENTS),
    ("passkeys", passkeys::STATEMENTS),
    ("persons", persons::STATEMENTS),
    ("proofings", proofings::STATEMENTS),
    ("proxy_requests", proxy_requests::STATEMENTS),
    ("pushed_requests", pushed_requests::STATEMENTS),
    ("recoveries", recoveries::STATEMENTS),
    ("refreshes", refreshes::STATEMENTS),
    ("second_factors", second_factors::STATEMENTS),
    ("sessions", sessions::STATEMENTS),
    ("sharing_notices", sharing_notices::STATEMENTS),
    ("signing_keys", signing_keys::STATEMENTS),
    ("source_tokens", source_tokens::STATEMENTS),
    ("sources", sources::STATEMENTS),
    ("spent_ids", spent_ids::STATEMENTS),
    ("staff", staff::STATEMENTS),
    ("staff_sessions", staff_sessions::STATEMENTS),
    ("staff_tasks", staff_tasks::STATEMENTS),
    ("system_tokens", system_tokens::STATEMENTS),
    ("tokens", tokens::STATEMENTS),
];
