//! Served ids that cannot be read back: of resources whose own id is too long or taken, and of documents.
//!
//! Rows are committed before the answer that names them leaves, and are never changed: an id stays what it is.

use serde::Serialize;

use super::error::{RowKey, to_json};
use super::row::row;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx};
use crate::fhir::resource_type::ResourceType;
use crate::organization::SourceKey;

statements! {
    // One JSON array for all rows: the number of rows changes no text, and each text is prepared once.
    INSERT_MISSING = {
        sqlite: "INSERT INTO hashed_ids \
                 (resource_type, gateway_id, source_key, upstream_id, url, owner_type, owner_id) \
                 SELECT value ->> 'resource_type', value ->> 'gateway_id', value ->> 'source_key', \
                 value ->> 'upstream_id', value ->> 'url', value ->> 'owner_type', value ->> 'owner_id' \
                 FROM json_each($1) WHERE TRUE ON CONFLICT DO NOTHING",
        postgres: "INSERT INTO hashed_ids \
                   (resource_type, gateway_id, source_key, upstream_id, url, owner_type, owner_id) \
                   SELECT resource_type, gateway_id, source_key, upstream_id, url, owner_type, owner_id \
                   FROM jsonb_to_recordset(CAST($1 AS jsonb)) AS row_of (resource_type text, gateway_id text, \
                   source_key text, upstream_id text, url text, owner_type text, owner_id text) \
                   ORDER BY resource_type, gateway_id ON CONFLICT DO NOTHING",
    };
    // The rows without a document say nothing of owners.
    INSERT_OWNERS = {
        sqlite: "INSERT INTO document_owners (gateway_id, owner_type, owner_id) \
                 SELECT value ->> 'gateway_id', value ->> 'owner_type', value ->> 'owner_id' \
                 FROM json_each($1) WHERE value ->> 'owner_type' IS NOT NULL ON CONFLICT DO NOTHING",
        postgres: "INSERT INTO document_owners (gateway_id, owner_type, owner_id) \
                   SELECT gateway_id, owner_type, owner_id \
                   FROM jsonb_to_recordset(CAST($1 AS jsonb)) AS row_of (gateway_id text, owner_type text, \
                   owner_id text) WHERE owner_type IS NOT NULL \
                   ORDER BY gateway_id, owner_type, owner_id ON CONFLICT DO NOTHING",
    };
    OWNERS = "SELECT owner_type, owner_id FROM document_owners WHERE gateway_id = $1 \
              ORDER BY owner_type, owner_id LIMIT 32";
    BY_ID = "SELECT resource_type, gateway_id, source_key, upstream_id, url, owner_type, owner_id FROM hashed_ids \
             WHERE resource_type = $1 AND gateway_id = $2";
}

/// What a served id stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct HashedId {
    /// The type it is served as; one id may stand for two resources of different types.
    pub resource_type: ResourceType,
    /// The id as it is served, whole: source key, dot, `h-`, hash.
    pub gateway_id: String,
    /// Where it comes from.
    pub source: SourceKey,
    /// What it is there.
    pub target: HashedTarget,
}

/// What a served id is at its source.
#[derive(Clone, PartialEq, Eq)]
pub enum HashedTarget {
    /// A resource of the same type.
    Resource {
        /// Its id.
        id: String,
    },
    /// A document behind a URL, seen by whoever may see a resource that names it: this is one; [`owners`] are all.
    Document {
        /// Where it is.
        url: String,
        /// The type of that resource.
        owner_type: ResourceType,
        /// The id of that resource at the source.
        owner_id: String,
    },
}

// Upstream ids and URLs are as telling as names.
impl std::fmt::Debug for HashedId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HashedId({}/{})", self.resource_type.as_str(), self.gateway_id)
    }
}

row! {
    #[derive(Serialize)]
    struct Row {
        resource_type: String,
        gateway_id: String,
        source_key: String,
        upstream_id: Option<String>,
        url: Option<String>,
        owner_type: Option<String>,
        owner_id: Option<String>,
    }
}

impl From<&HashedId> for Row {
    fn from(id: &HashedId) -> Self {
        let mut row = Self {
            resource_type: id.resource_type.as_str().to_owned(),
            gateway_id: id.gateway_id.clone(),
            source_key: id.source.to_string(),
            upstream_id: None,
            url: None,
            owner_type: None,
            owner_id: None,
        };
        match &id.target {
            HashedTarget::Resource { id } => row.upstream_id = Some(id.clone()),
            HashedTarget::Document { url, owner_type, owner_id } => {
                row.url = Some(url.clone());
                row.owner_type = Some(owner_type.as_str().to_owned());
                row.owner_id = Some(owner_id.clone());
            }
        }
        row
    }
}

impl TryFrom<Row> for HashedId {
    type Error = DatabaseInconsistency;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let key = RowKey { table: "hashed_ids", key: &row.gateway_id };
        let target = match (row.upstream_id, row.url, row.owner_type, row.owner_id) {
            (Some(id), None, None, None) => HashedTarget::Resource { id },
            (None, Some(url), Some(owner_type), Some(owner_id)) => HashedTarget::Document {
                url,
                owner_type: key.column("owner_type", ResourceType::parse(&owner_type))?,
                owner_id,
            },
            _ => return Err(key.inconsistent("upstream_id")),
        };
        Ok(Self {
            resource_type: key.column("resource_type", ResourceType::parse(&row.resource_type))?,
            source: key.parse("source_key", &row.source_key)?,
            target,
            gateway_id: row.gateway_id,
        })
    }
}

/// Enters those that are not there yet, in one statement. Says how many were new.
///
/// # Errors
/// [`StorageError::ReferenceMissing`] when a source is not there.
pub async fn insert_missing(tx: &mut Tx, ids: &[HashedId]) -> Result<u64, StorageError> {
    if ids.is_empty() {
        return Ok(0);
    }
    let rows = to_json(&ids.iter().map(Row::from).collect::<Vec<_>>())?;
    let new = execute!(tx, INSERT_MISSING, &rows)?;
    if ids.iter().any(|id| matches!(id.target, HashedTarget::Document { .. })) {
        execute!(tx, INSERT_OWNERS, &rows)?;
    }
    Ok(new)
}

/// The resources that name a document, by type and id at the source; at most 32 of them.
///
/// # Errors
/// [`StorageError`].
pub async fn owners(
    on: impl Into<Executor<'_>>,
    gateway_id: &str,
) -> Result<Vec<(ResourceType, String)>, StorageError> {
    let rows: Vec<(String, String)> = fetch_all!(on, OWNERS, gateway_id)?;
    let key = RowKey { table: "document_owners", key: gateway_id };
    let owner = |(kind, id): (String, String)| Ok((key.column("owner_type", ResourceType::parse(&kind))?, id));
    rows.into_iter().map(owner).collect::<Result<_, DatabaseInconsistency>>().map_err(StorageError::from)
}

/// What the id stands for, when it is served as that type.
///
/// # Errors
/// [`StorageError`].
pub async fn by_id(
    on: impl Into<Executor<'_>>,
    resource_type: ResourceType,
    gateway_id: &str,
) -> Result<Option<HashedId>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_ID, resource_type.as_str(), gateway_id)?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}
