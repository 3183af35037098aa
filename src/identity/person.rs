use crate::base::clock::Instant;
use crate::base::id::PersonId;

/// Whose record it is: the logical patient, served as `Patient/{id}`. Exists without an account (a child).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// Its id.
    pub id: PersonId,
    /// When it was made.
    pub created: Instant,
    /// Whether it stands for itself.
    pub state: PersonState,
}

/// Whether a person stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonState {
    /// It does.
    Current,
    /// It turned out to be somebody already known, until that is undone.
    MergedInto {
        /// The person it is.
        person: PersonId,
        /// Since when.
        at: Instant,
    },
}
