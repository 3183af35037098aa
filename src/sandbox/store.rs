//! What the EHR holds: serialised resources by type in order of arrival, with an index of who refers to whom.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;

use super::document::Document;
use crate::base::clock::Instant;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::Knowledge;
use crate::fhir::scan::{RawResource, ScanError, scan_resource};

/// One version of a resource.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) type_name: String,
    pub(super) id: String,
    pub(super) version: u64,
    /// FHIR `instant`, as it stands in `meta.lastUpdated`.
    pub(super) last_updated: String,
    pub(super) bytes: Bytes,
    /// What the evaluator reads; `None` for a type that the knowledge tables do not have.
    pub(super) scanned: Option<RawResource>,
    /// `Type/id` of every literal local reference in it.
    pub(super) references: Vec<String>,
    pub(super) identifiers: Vec<String>,
    /// Rises with each resource that arrives; a new version keeps the one of the first.
    pub(super) sequence: u64,
}

impl Stored {
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.type_name, self.id)
    }

    /// The patients that this resource is about or names; a Patient names itself.
    pub(super) fn patients(&self) -> impl Iterator<Item = &str> {
        let own = (self.type_name == "Patient").then_some(self.id.as_str());
        own.into_iter().chain(self.references.iter().filter_map(|key| key.strip_prefix("Patient/")))
    }
}

/// All resources of one type.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    rows: Vec<Row>,
    by_id: HashMap<String, usize>,
    /// From the `Type/id` referred to, to the rows that refer to it, in order.
    by_reference: HashMap<String, Vec<usize>>,
    by_identifier: HashMap<String, Vec<usize>>,
}

#[derive(Debug)]
struct Row {
    current: Stored,
    earlier: Vec<Stored>,
}

impl Shelf {
    pub(super) fn get(&self, id: &str) -> Option<&Stored> {
        self.row(id).map(|row| &row.current)
    }

    pub(super) fn version(&self, id: &str, version: u64) -> Option<&Stored> {
        let row = self.row(id)?;
        std::iter::once(&row.current).chain(&row.earlier).find(|stored| stored.version == version)
    }

    /// Every version, the current one first.
    pub(super) fn versions(&self, id: &str) -> Vec<&Stored> {
        let Some(row) = self.row(id) else { return Vec::new() };
        let mut versions: Vec<&Stored> = std::iter::once(&row.current).chain(&row.earlier).collect();
        versions.sort_by_key(|stored| std::cmp::Reverse(stored.version));
        versions
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Every current resource, in order of arrival.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Stored> {
        self.rows.iter().map(|row| &row.current)
    }

    /// The resources that refer to any of `keys` (`Type/id`), in order of arrival, each once.
    pub(super) fn referring_to<'a>(&'a self, keys: &[String]) -> Vec<&'a Stored> {
        let mut positions: Vec<usize> =
            keys.iter().filter_map(|key| self.by_reference.get(key)).flatten().copied().collect();
        positions.sort_unstable();
        positions.dedup();
        positions.into_iter().filter_map(|at| self.rows.get(at)).map(|row| &row.current).collect()
    }

    /// The ids of the resources with this identifier, `system|value`.
    pub(super) fn with_identifier(&self, identifier: &str) -> Vec<&str> {
        let positions = self.by_identifier.get(identifier).map(Vec::as_slice).unwrap_or_default();
        positions.iter().filter_map(|at| self.rows.get(*at)).map(|row| row.current.id.as_str()).collect()
    }

    fn row(&self, id: &str) -> Option<&Row> {
        self.by_id.get(id).and_then(|at| self.rows.get(*at))
    }

    fn put(&mut self, stored: Stored) {
        let at = self.by_id.get(&stored.id).copied().unwrap_or(self.rows.len());
        if let Some(row) = self.rows.get(at) {
            for key in &row.current.references {
                forget(&mut self.by_reference, key, at);
            }
            for identifier in &row.current.identifiers {
                forget(&mut self.by_identifier, identifier, at);
            }
        }
        for key in &stored.references {
            note(&mut self.by_reference, key, at);
        }
        for identifier in &stored.identifiers {
            note(&mut self.by_identifier, identifier, at);
        }
        self.by_id.insert(stored.id.clone(), at);
        match self.rows.get_mut(at) {
            Some(row) => row.earlier.push(std::mem::replace(&mut row.current, stored)),
            None => self.rows.push(Row { current: stored, earlier: Vec::new() }),
        }
    }
}

fn note(index: &mut HashMap<String, Vec<usize>>, key: &str, at: usize) {
    let positions = index.entry(key.to_owned()).or_default();
    if let Err(place) = positions.binary_search(&at) {
        positions.insert(place, at);
    }
}

fn forget(index: &mut HashMap<String, Vec<usize>>, key: &str, at: usize) {
    if let Some(positions) = index.get_mut(key) {
        positions.retain(|position| *position != at);
    }
}

/// The shelves, by type name in order of first arrival.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    by_type: HashMap<String, Shelf>,
    next_sequence: u64,
}

impl Shelves {
    pub(super) fn shelf(&self, type_name: &str) -> Option<&Shelf> {
        self.by_type.get(type_name)
    }

    pub(super) fn get(&self, type_name: &str, id: &str) -> Option<&Stored> {
        self.shelf(type_name)?.get(id)
    }

    pub(super) fn by_key(&self, key: &str) -> Option<&Stored> {
        let (type_name, id) = key.split_once('/')?;
        self.get(type_name, id)
    }

    /// The types of which at least one resource is here, sorted.
    pub(super) fn types(&self) -> Vec<&str> {
        let mut types: Vec<&str> = self.by_type.keys().map(String::as_str).collect();
        types.sort_unstable();
        types
    }

    /// How many resources have arrived so far: a search of now sees those with a smaller sequence.
    pub(super) fn arrived(&self) -> u64 {
        self.next_sequence
    }

    /// Stores `document` under its id, which must be set, as a new resource or the next version of one.
    ///
    /// A loaded resource keeps the `meta.versionId` (if it is a number) and `meta.lastUpdated` it brings.
    ///
    /// # Errors
    /// The scanner refuses it, as the gateway's would.
    pub(super) fn put(&mut self, document: Document, arrival: Arrival<'_>) -> Result<Stored, ScanError> {
        let stored = self.prepare(document, arrival)?;
        self.keep(stored.clone());
        Ok(stored)
    }

    /// Takes a resource in that [`Self::prepare`] made.
    pub(super) fn keep(&mut self, stored: Stored) {
        self.next_sequence = self.next_sequence.max(stored.sequence + 1);
        self.by_type.entry(stored.type_name.clone()).or_default().put(stored);
    }

    /// What storing `document` will make of it; the shelves stay as they are.
    pub(super) fn prepare(&self, mut document: Document, arrival: Arrival<'_>) -> Result<Stored, ScanError> {
        let id = document.id().unwrap_or_default().to_owned();
        let previous = self.get(&document.type_name, &id).map(|stored| (stored.version, stored.sequence));
        let brought = |key: &str| arrival.keep_meta.then(|| document.meta_text(key)).flatten();
        let version = match previous {
            Some((version, _)) => version.saturating_add(1),
            None => brought("versionId").and_then(|text| text.parse().ok()).unwrap_or(1),
        };
        let last_updated = brought("lastUpdated").map_or_else(|| arrival.now.to_fhir(), str::to_owned);
        document.set_meta(arrival.versioned.then_some(version), &last_updated);
        let sequence = previous.map_or(self.next_sequence, |(_, sequence)| sequence);
        let bytes = Bytes::from(document.to_bytes());
        let known = ResourceType::parse(&document.type_name).is_some();
        Ok(Stored {
            id,
            version,
            last_updated,
            scanned: if known { Some(scan_resource(bytes.clone(), arrival.knowledge)?) } else { None },
            bytes,
            references: document.referenced(arrival.base),
            identifiers: document.identifiers(),
            sequence,
            type_name: document.type_name,
        })
    }
}

/// The circumstances under which a resource is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    pub(super) now: Instant,
    /// The server's own base URL, to tell own references from foreign ones.
    pub(super) base: &'a str,
    /// By these tables it is scanned.
    pub(super) knowledge: &'a Knowledge,
    /// Whether the `meta` that the resource brings is believed: on loading, not on create and update.
    pub(super) keep_meta: bool,
    /// Whether `meta.versionId` is written.
    pub(super) versioned: bool,
}

/// The shelves, shared. No lock is held while anything waits.
#[derive(Debug, Default)]
pub(super) struct Store(RwLock<Shelves>);

impl Store {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Shelves> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Shelves> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
