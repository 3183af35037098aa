//! Ids whose upstream form is kept in a row: written before an answer leaves, looked up before a request is planned.

use std::collections::BTreeMap;

use moka::sync::Cache;

use crate::fhir::ResourceType;
use crate::fhir::interaction::is_id;
use crate::storage::hashed_ids::{self, HashedId, HashedTarget};
use crate::storage::{Db, StorageError};

/// The rows, with those seen lately in memory: a row never changes.
#[derive(Debug)]
pub(super) struct HashedIds {
    db: Db,
    known: Cache<Key, HashedId>,
    /// Owners of documents that are stored: unlike the rows, they grow in number.
    owners: Cache<Owner, ()>,
}

/// A document's id, with the type and the id of a resource that names it.
type Owner = (String, ResourceType, String);

type Key = (ResourceType, String);

/// The rows of the hashed ids that one request names.
#[derive(Clone, Debug, Default)]
pub(super) struct ResolvedIds(BTreeMap<Key, HashedId>);

impl ResolvedIds {
    /// The upstream id that a hashed one stands for.
    pub(super) fn upstream_id(&self, resource_type: ResourceType, hashed: &str) -> Option<String> {
        match &self.row(resource_type, hashed)?.target {
            HashedTarget::Resource { id } => Some(id.clone()),
            HashedTarget::Document { .. } => None,
        }
    }

    pub(super) fn row(&self, resource_type: ResourceType, hashed: &str) -> Option<&HashedId> {
        self.0.get(&(resource_type, hashed.to_owned()))
    }

    /// The only resource type that was resolved for an id whose type the query does not say.
    pub(super) fn type_of(&self, hashed: &str) -> Option<ResourceType> {
        let mut types = self.0.keys().filter(|(_, id)| id == hashed).map(|(resource_type, _)| *resource_type);
        types.next().filter(|_| types.next().is_none())
    }
}

impl HashedIds {
    pub(super) fn new(db: Db) -> Self {
        Self { db, known: Cache::new(20_000), owners: Cache::new(20_000) }
    }

    /// Where they are kept.
    pub(super) const fn db(&self) -> &Db {
        &self.db
    }

    /// Stores the rows that are new. They are durable when this returns.
    pub(super) async fn store(&self, rows: Vec<HashedId>) -> Result<(), StorageError> {
        let is_new = |row: &HashedId| match owner(row) {
            Some(owner) => !self.owners.contains_key(&owner),
            None => !self.known.contains_key(&(row.resource_type, row.gateway_id.clone())),
        };
        let new: Vec<HashedId> = rows.into_iter().filter(is_new).collect();
        if new.is_empty() {
            return Ok(());
        }
        // Boxed: most answers have no new row, and their futures should not hold room for a write.
        Box::pin(self.insert(new)).await
    }

    async fn insert(&self, new: Vec<HashedId>) -> Result<(), StorageError> {
        let stored = new.clone();
        self.db
            .write::<_, StorageError>(move |tx| {
                Box::pin(async move { hashed_ids::insert_missing(tx, &stored).await.map(drop) })
            })
            .await?;
        for row in new {
            if let Some(owner) = owner(&row) {
                self.owners.insert(owner, ());
            }
            self.known.insert((row.resource_type, row.gateway_id.clone()), row);
        }
        Ok(())
    }

    /// Looks up every hashed id that occurs in these texts: as one of the `likely` type, or as the type written before
    /// it.
    pub(super) async fn resolve(
        &self,
        likely: &[ResourceType],
        texts: impl Iterator<Item = &str>,
    ) -> Result<ResolvedIds, StorageError> {
        let mut resolved = BTreeMap::new();
        for text in texts.filter(|text| text.contains(".h-")) {
            let mut before = None;
            for part in text.split([',', '/', '|']) {
                if is_hashed(part) {
                    let types = before.map_or_else(|| likely.to_vec(), |named| vec![named]);
                    for resource_type in types {
                        if let Some(row) = self.row(resource_type, part).await? {
                            resolved.insert((resource_type, part.to_owned()), row);
                        }
                    }
                }
                before = ResourceType::parse(part);
            }
        }
        Ok(ResolvedIds(resolved))
    }

    /// The resources that name a document. Asked for anew each time: another process may have learnt of one.
    pub(super) async fn owners(&self, document: &str) -> Result<Vec<(ResourceType, String)>, StorageError> {
        hashed_ids::owners(&self.db, document).await
    }

    async fn row(&self, resource_type: ResourceType, id: &str) -> Result<Option<HashedId>, StorageError> {
        let key = (resource_type, id.to_owned());
        if let Some(row) = self.known.get(&key) {
            return Ok(Some(row));
        }
        // Boxed: it is seldom asked, and every request's future would hold room for the query.
        let row = Box::pin(hashed_ids::by_id(&self.db, resource_type, id)).await?;
        if let Some(row) = &row {
            self.known.insert(key, row.clone());
        }
        Ok(row)
    }
}

fn owner(row: &HashedId) -> Option<Owner> {
    let HashedTarget::Document { owner_type, owner_id, .. } = &row.target else { return None };
    Some((row.gateway_id.clone(), *owner_type, owner_id.clone()))
}

/// `{4 characters}.h-{26 characters}`.
fn is_hashed(id: &str) -> bool {
    id.len() == 33 && id.get(4..7) == Some(".h-") && is_id(id)
}
