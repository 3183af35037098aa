//! What is wrong with a resource, in the words of OperationOutcome, without the words of the resource.

use std::fmt::Write as _;

/// One thing wrong with a resource that was sent to us.
///
/// `details` and `expression` name elements and rules. They never hold a value of the resource: problems reach logs
/// and answers, and a value may be PHI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a FHIRPath location: `Patient.name[0].given[1]`. `Resource` stands for a type not yet known.
    pub expression: String,
    /// The issue type.
    pub code: ProblemCode,
    /// What, in a sentence for the sender's developer.
    pub details: String,
}

/// The codes of the value set `issue-type` (FHIR R4) that a check of structure can answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemCode {
    /// The document is not FHIR JSON: syntax, nesting, empty or repeated members.
    Structure,
    /// A required element is missing.
    Required,
    /// A value breaks the rules of its type or binding.
    Value,
    /// The model refused it for another reason.
    Invalid,
    /// Larger or deeper than this server reads.
    TooLong,
    /// A resource type that is not accepted here.
    NotSupported,
}

impl ProblemCode {
    /// The code as FHIR spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Required => "required",
            Self::Value => "value",
            Self::Invalid => "invalid",
            Self::TooLong => "too-long",
            Self::NotSupported => "not-supported",
        }
    }
}

/// A resource that Chartgate composed itself could not be written: always a mistake of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the model refused a {resource_type} of our own: {reason}")]
pub struct ModelError {
    /// What was being written.
    pub resource_type: &'static str,
    /// The model's words. They name elements, and our own text only.
    pub reason: String,
}

/// A place in a resource, grown and cut while walking.
#[derive(Debug, Default)]
pub(crate) struct Location {
    root: Option<String>,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Member(String),
    Index(usize),
}

impl Location {
    /// Names the resource type that the steps start from, once it is known.
    pub(crate) fn set_root(&mut self, resource_type: &str) {
        self.root = is_element_name(resource_type).then(|| resource_type.to_owned());
    }

    pub(crate) fn enter_member(&mut self, name: &str) {
        self.steps.push(Step::Member(name.to_owned()));
    }

    pub(crate) fn enter_index(&mut self, index: usize) {
        self.steps.push(Step::Index(index));
    }

    pub(crate) fn leave(&mut self) {
        self.steps.pop();
    }

    pub(crate) fn problem(&self, code: ProblemCode, details: impl Into<String>) -> Problem {
        Problem { expression: self.print(), code, details: details.into() }
    }

    /// The location as FHIRPath. A name that could not be an element is not repeated: it may be anything.
    fn print(&self) -> String {
        let mut text = self.root.clone().unwrap_or_default();
        for step in &self.steps {
            match step {
                Step::Member(name) if is_element_name(name) => {
                    let dot = if text.is_empty() { "" } else { "." };
                    // FHIRPath has no name for the JSON half `_given`: the element is `given`.
                    _ = write!(text, "{dot}{}", name.trim_start_matches('_'));
                }
                Step::Member(_) => break,
                Step::Index(index) => _ = write!(text, "[{index}]"),
            }
        }
        if text.is_empty() { "Resource".to_owned() } else { text }
    }
}

/// Whether a JSON member name has the form of an element of FHIR R4: letters and digits, or the `_` half of one.
pub(crate) fn is_element_name(name: &str) -> bool {
    let stem = name.strip_prefix('_').unwrap_or(name);
    let mut letters = stem.bytes();
    stem.len() <= 64
        && letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric())
}
