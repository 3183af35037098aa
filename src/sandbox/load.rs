//! Filling the EHR from files: NDJSON, Bundles, single resources, folders of them. All of it or none.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde_json::Value;

use super::bundle::{self, BundleError, Entry};
use super::document::{Document, DocumentError};
use super::store::{Arrival, Shelves};
use crate::base::hash::sha256;
use crate::fhir::scan::ScanError;

/// In a file, this text stands for the server's own base URL.
const BASE_PLACEHOLDER: &str = "{{base}}";

/// Data to start with.
#[derive(Clone, Debug)]
pub enum Data {
    /// A file (`.ndjson` and `.jsonl`: a resource a line; anything else: one resource or Bundle) or a folder, in which
    /// `.json`, `.ndjson` and `.jsonl` files are taken, at any depth, in the order of their names.
    Path(PathBuf),
    /// A resource or Bundle as JSON.
    Json(String),
    /// A resource on each line.
    Ndjson(String),
}

impl From<&Path> for Data {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

/// What loading did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Resources stored, each id once.
    pub resources: usize,
    /// JSON files in folders that hold no FHIR resource.
    pub skipped: Vec<PathBuf>,
    /// Conditional references that match no resource or several, as `Type?…`; they stay as they are.
    pub unresolved: Vec<String>,
}

/// Why nothing was loaded.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: {reason}")]
pub struct LoadError {
    /// The file, with the line for NDJSON.
    pub origin: String,
    /// What is wrong there.
    pub reason: LoadErrorReason,
}

/// What can be wrong with data.
#[derive(Debug, thiserror::Error)]
pub enum LoadErrorReason {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// A resource is malformed.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A Bundle is malformed or asks for what loading cannot do.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The scanner refuses a resource: depth, repeated members and the like.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A conditional create or update by anything but one identifier, or one that several resources match.
    #[error("the condition {0:?} cannot be decided")]
    Condition(String),
}

/// Stores everything that `data` holds in `shelves`, or nothing.
pub(super) fn load(shelves: &mut Shelves, data: &[Data], arrival: Arrival<'_>) -> Result<LoadReport, LoadError> {
    let mut staging = Staging {
        shelves,
        base: arrival.base,
        staged: Vec::new(),
        by_key: HashMap::new(),
        by_identifier: HashMap::new(),
    };
    let mut report = LoadReport::default();
    for item in data {
        match item {
            Data::Json(text) => staging.take_json("(given JSON)", text)?,
            Data::Ndjson(text) => staging.take_ndjson("(given NDJSON)", text)?,
            Data::Path(path) if path.is_dir() => {
                for file in files_under(path)? {
                    match staging.take_file(&file) {
                        Err(LoadError { reason: LoadErrorReason::Document(DocumentError::NoResourceType), .. })
                            if !is_ndjson(&file) =>
                        {
                            report.skipped.push(file);
                        }
                        other => other?,
                    }
                }
            }
            Data::Path(path) => staging.take_file(path)?,
        }
    }
    report.unresolved = staging.resolve_conditional_references();
    let staged = staging.staged;
    report.resources = staged.len();
    let mut prepared = Vec::with_capacity(staged.len());
    let mut next = shelves.arrived();
    for Staged { document, origin } in staged {
        let mut stored =
            shelves.prepare(document, arrival).map_err(|error| LoadError { origin, reason: error.into() })?;
        if stored.sequence == shelves.arrived() {
            stored.sequence = next;
            next += 1;
        }
        prepared.push(stored);
    }
    // Nothing fails from here on: all of it is stored.
    for stored in prepared {
        shelves.keep(stored);
    }
    Ok(report)
}

/// A resource on its way, and where it comes from.
struct Staged {
    document: Document,
    origin: String,
}

struct Staging<'a> {
    shelves: &'a Shelves,
    base: &'a str,
    staged: Vec<Staged>,
    /// `Type/id` → position in `staged`.
    by_key: HashMap<String, usize>,
    /// `Type?system|value` → ids.
    by_identifier: HashMap<String, Vec<String>>,
}

impl Staging<'_> {
    fn take_file(&mut self, path: &Path) -> Result<(), LoadError> {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| LoadError { origin: origin.clone(), reason: error.into() })?;
        if is_ndjson(path) { self.take_ndjson(&origin, &text) } else { self.take_json(&origin, &text) }
    }

    fn take_ndjson(&mut self, origin: &str, text: &str) -> Result<(), LoadError> {
        for (position, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let number = position + 1;
            let origin = format!("{origin}, line {number}");
            match self.parse(line) {
                Ok(document) => self.stage_alone(document, origin),
                Err(error) => return Err(LoadError { origin, reason: error.into() }),
            }
        }
        Ok(())
    }

    fn take_json(&mut self, origin: &str, text: &str) -> Result<(), LoadError> {
        let failed = |reason| LoadError { origin: origin.to_owned(), reason };
        let document = self.parse(text).map_err(|error| failed(error.into()))?;
        if !bundle::is_parcel(&document) {
            self.stage_alone(document, origin.to_owned());
            return Ok(());
        }
        let entries = bundle::entries(document).map_err(|error| failed(error.into()))?;
        self.stage_together(entries, origin).map_err(failed)
    }

    fn parse(&self, text: &str) -> Result<Document, DocumentError> {
        let text = text.trim_start_matches('\u{feff}');
        if text.contains(BASE_PLACEHOLDER) {
            Document::parse(text.replace(BASE_PLACEHOLDER, self.base).as_bytes())
        } else {
            Document::parse(text.as_bytes())
        }
    }

    fn stage_alone(&mut self, mut document: Document, origin: String) {
        if document.id().is_none() {
            let id = id_from_content(&document);
            document.set_id(&id);
        }
        self.stage(document, origin);
    }

    /// A bundle: first every entry gets its id, then the references between them are resolved.
    fn stage_together(&mut self, entries: Vec<Entry>, origin: &str) -> Result<(), LoadErrorReason> {
        let mut addresses = HashMap::new();
        let mut documents = Vec::with_capacity(entries.len());
        for mut entry in entries {
            let existing = self.existing(&entry)?;
            let id = match (&existing, &entry.wanted_id, entry.document.id()) {
                (Some(id), _, _) | (None, Some(id), _) => id.clone(),
                (None, None, Some(id)) => id.to_owned(),
                (None, None, None) => entry
                    .full_url
                    .as_deref()
                    .and_then(|url| url.strip_prefix("urn:uuid:"))
                    .filter(|uuid| super::document::is_id(uuid))
                    .map_or_else(|| id_from_content(&entry.document), str::to_owned),
            };
            entry.document.set_id(&id);
            if let Some(full_url) = &entry.full_url {
                addresses.insert(full_url.clone(), format!("{}/{id}", entry.document.type_name));
            }
            if existing.is_none() || entry.conditional_update {
                documents.push(entry.document);
            }
        }
        for mut document in documents {
            for value in document.body.values_mut() {
                bundle::rewrite_references(value, &|text| addresses.get(text).cloned());
            }
            let origin = format!("{origin}, {}/{}", document.type_name, document.id().unwrap_or_default());
            self.stage(document, origin);
        }
        Ok(())
    }

    /// The id of the one resource that an entry's condition matches.
    fn existing(&self, entry: &Entry) -> Result<Option<String>, LoadErrorReason> {
        let Some(condition) = &entry.condition else { return Ok(None) };
        let undecidable = || LoadErrorReason::Condition(condition.clone());
        let identifier = bundle::identifier_condition(condition).ok_or_else(undecidable)?;
        let mut ids = self.with_identifier(&entry.document.type_name, &identifier);
        match (ids.pop(), ids.is_empty()) {
            (found, true) => Ok(found),
            (_, false) => Err(undecidable()),
        }
    }

    fn with_identifier(&self, type_name: &str, identifier: &str) -> Vec<String> {
        let shelved = self.shelves.shelf(type_name).map(|shelf| shelf.with_identifier(identifier)).unwrap_or_default();
        let mut ids: Vec<String> = shelved.into_iter().map(str::to_owned).collect();
        ids.extend(self.by_identifier.get(&format!("{type_name}?{identifier}")).into_iter().flatten().cloned());
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// A resource that arrives twice counts once; the later content wins.
    fn stage(&mut self, document: Document, origin: String) {
        let id = document.id().unwrap_or_default().to_owned();
        for identifier in document.identifiers() {
            self.by_identifier.entry(format!("{}?{identifier}", document.type_name)).or_default().push(id.clone());
        }
        let at = *self.by_key.entry(format!("{}/{id}", document.type_name)).or_insert(self.staged.len());
        match self.staged.get_mut(at) {
            Some(earlier) => *earlier = Staged { document, origin },
            None => self.staged.push(Staged { document, origin }),
        }
    }

    /// Replaces each `Type?identifier=system|value` that exactly one resource matches; returns the others.
    fn resolve_conditional_references(&mut self) -> Vec<String> {
        let mut staged = std::mem::take(&mut self.staged);
        let unresolved = std::cell::RefCell::new(Vec::new());
        for value in staged.iter_mut().flat_map(|staged| staged.document.body.values_mut()) {
            bundle::rewrite_references(value, &|text| {
                let (type_name, query) = bundle::conditional_reference(text)?;
                let identifier = bundle::identifier_condition(query);
                let ids = identifier.map(|identifier| self.with_identifier(type_name, &identifier)).unwrap_or_default();
                if let [id] = ids.as_slice() {
                    return Some(format!("{type_name}/{id}"));
                }
                let mut unresolved = unresolved.borrow_mut();
                if !unresolved.iter().any(|known| known == text) {
                    unresolved.push(text.to_owned());
                }
                None
            });
        }
        self.staged = staged;
        unresolved.into_inner()
    }
}

/// An id for a resource without one: the same content gets the same id at every start.
fn id_from_content(document: &Document) -> String {
    let digest = sha256(&serde_json::to_vec(&Value::Object(document.body.clone())).unwrap_or_default());
    HEXLOWER.encode(&digest).chars().take(32).collect()
}

fn is_ndjson(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "ndjson" || extension == "jsonl")
}

/// The data files under `folder`, sorted by path.
fn files_under(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let failed =
        |path: &Path, error: std::io::Error| LoadError { origin: path.display().to_string(), reason: error.into() };
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| failed(&folder, error))? {
            let entry = entry.map_err(|error| failed(&folder, error))?;
            let path = entry.path();
            // Links to folders are not followed: one that points upwards would never end.
            let kind = entry.file_type().map_err(|error| failed(&path, error))?;
            if kind.is_dir() {
                folders.push(path);
            } else if is_ndjson(&path) || path.extension().is_some_and(|extension| extension == "json") {
                files.push(path);
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}
