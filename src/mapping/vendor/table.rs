//! The files as they are written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `mappings/ehr/{name}.toml`. What a file does not say is not known, and nothing is done about it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileFile {
    pub(super) name: String,
    pub(super) title: Option<String>,
    pub(super) page_size: Option<usize>,
    /// Edges (`Provenance:target`) that are asked for with `_revinclude`: their type is not searched by them.
    #[serde(default)]
    pub(super) sends_along: Vec<String>,
    /// By resource type: search parameters by which it orders a whole result, resources without a value last.
    #[serde(default)]
    pub(super) sorts: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) recognition: Recognition,
    #[serde(default)]
    pub(super) features: Features,
    #[serde(default)]
    pub(super) write_back: WriteBack,
    /// By resource type: the only search parameters that are understood.
    #[serde(default)]
    pub(super) only: BTreeMap<String, Vec<String>>,
    /// By resource type: search parameters that must not be sent.
    #[serde(default)]
    pub(super) unsupported: BTreeMap<String, Vec<String>>,
    /// By resource type: the parameter that takes the patient, where it is not the specification's.
    #[serde(default)]
    pub(super) patient_parameter: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) required: Vec<RequiredRow>,
    #[serde(default)]
    pub(super) limit: Vec<LimitRow>,
}

/// A search of `resource` is refused without one of `one_of`; then `parameter` is sent with each of `values`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequiredRow {
    pub(super) resource: String,
    pub(super) one_of: Vec<String>,
    pub(super) parameter: String,
    pub(super) values: Vec<String>,
    #[serde(default)]
    pub(super) exhaustive: bool,
}

/// When a parameter may be sent at all.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitRow {
    pub(super) resource: String,
    pub(super) parameter: String,
    /// Only with these prefixes (`eq` for none).
    pub(super) comparators: Option<Vec<String>>,
    /// Only for tokens that name one of these systems.
    pub(super) systems: Option<Vec<String>>,
    /// At most so often in one search.
    pub(super) times: Option<usize>,
    /// With several values separated by commas.
    #[serde(default = "yes")]
    pub(super) alternatives: bool,
    /// Not together with these.
    #[serde(default)]
    pub(super) not_with: Vec<String>,
}

const fn yes() -> bool {
    true
}

/// Words by which a CapabilityStatement is recognised as this vendor's; compared without case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recognition {
    /// In `software.name`, `publisher`, `name`, `title` or `implementation.description`.
    #[serde(default)]
    pub words: Vec<String>,
    /// In the base URL's host.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Support {
    /// No public document was found that says.
    #[default]
    Unknown,
    /// It is.
    Yes,
    /// It is for some types or callers.
    Partly,
    /// It is not.
    No,
}

/// What a server can do beyond read and search by type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct Features {
    pub include: Support,
    pub revinclude: Support,
    pub sort: Support,
    pub last_updated: Support,
    pub history: Support,
    pub vread: Support,
    pub post_search: Support,
    pub everything: Support,
    /// `next` links, so that a search can be read to its end.
    pub paging: Support,
    /// Resources carry `meta.lastUpdated` and `meta.versionId`.
    pub versions: Support,
}

/// What a server takes back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WriteBack {
    /// Types that can be created, as far as a public document says so.
    pub create: Vec<String>,
    /// Types that can be updated.
    pub update: Vec<String>,
    /// An update is refused without `If-Match`.
    pub update_needs_if_match: Support,
}
