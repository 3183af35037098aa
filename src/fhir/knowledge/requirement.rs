//! What US Core requires of a server for a type.

use super::parameter::Comparator;

/// A combination of search parameters that US Core requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredSearch {
    /// The US Core release.
    pub version: UsCoreVersion,
    /// SHALL or SHOULD.
    pub expectation: Expectation,
    /// The parameters used together, each exactly once.
    pub parameters: Vec<RequiredParameter>,
}

/// One parameter of a [`RequiredSearch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredParameter {
    /// The parameter's name.
    pub name: String,
    /// The comparators a server SHALL support.
    pub comparators: Vec<Comparator>,
    /// Several values joined by commas SHALL be supported.
    pub multiple_or: bool,
    /// Repetition SHALL be supported.
    pub multiple_and: bool,
}

/// An `_include` or `_revinclude` that US Core names, as `MedicationRequest:medication`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredInclude {
    /// The US Core release.
    pub version: UsCoreVersion,
    /// SHALL or SHOULD.
    pub expectation: Expectation,
    /// Source type and parameter.
    pub value: String,
}

/// The US Core releases that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
pub enum UsCoreVersion {
    /// 6.1.0, STU 6.1.
    #[serde(rename = "6.1.0")]
    V6_1_0,
    /// 7.0.0, STU 7.
    #[serde(rename = "7.0.0")]
    V7_0_0,
}

/// How strongly a requirement is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the words are RFC 2119's own")]
pub enum Expectation {
    Shall,
    Should,
    May,
}
