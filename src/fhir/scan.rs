//! The one pass over what a source sent: checks that the bytes are JSON without traps and finds what the gateway needs
//! to know about each resource. The bytes themselves are kept and later spliced, never rebuilt.
//!
//! Refused, because two readers could disagree about what it says: bytes that are not UTF-8 or not RFC 8259, anything
//! behind the document, nesting beyond 128 levels, a key with a backslash escape, the same key twice in one object
//! (FHIR JSON: property names are unique), and a resource where none may stand.

mod bundle;
mod draft;
mod lexer;
mod member;
mod mention;
mod outcome;
mod strings;
mod walk;

use std::borrow::Cow;

use bytes::Bytes;

use self::draft::Draft;
use self::lexer::Depth;
use self::walk::{Place, TypeName, Walker};
use super::ResourceType;
use super::search::fragment::Fragment;
use super::shape::{Shape, Shapes};

pub use self::mention::{MentionSpan, Needle, mentions, strings_that_mention};
pub use self::outcome::{IssueCode, IssueSeverity, OutcomeIssue};
pub use self::strings::{quoted, unescape};
pub use super::shape::CaptureId;

/// A byte range within a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes of this range; empty when it lies outside.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Whether `other` lies wholly within this range.
    #[must_use]
    pub const fn encloses(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// What the scan found in one resource. Every span counts from the resource's first byte.
#[derive(Debug, Clone)]
pub struct Facts {
    /// `resourceType`.
    pub resource_type: ResourceType,
    /// `id`, without its quotes; of FHIR's alphabet for ids, though it may be longer than FHIR allows.
    pub id: Option<Span>,
    /// `meta.versionId`, without its quotes.
    pub version_id: Option<Span>,
    /// `meta.lastUpdated`, without its quotes.
    pub last_updated: Option<Span>,
    /// The resource's own members in order.
    pub members: Vec<Member>,
    /// The values at the shape's paths in document order, arrays taken apart, null left out. A string's span has its
    /// quotes: it is what [`Fragment`] reads. Nothing of a contained resource is among them.
    pub captures: Vec<(CaptureId, Span)>,
    /// Every string member named `reference`, wherever it stands.
    pub references: Vec<ReferenceSpan>,
    /// Every object that says `code` and `system` as strings, wherever it stands, and what is in a `meta.security` also
    /// without a system: those of contained resources as well. Innermost first.
    pub codings: Vec<CodingSpan>,
    /// Objects that speak of a patient without being a literal reference to one within the source, as far as their own
    /// words tell: `type` says Patient, or they stand at an element that names a patient alone and have an identifier
    /// or a display but no `reference`. Those of contained resources are among them.
    pub logical_patients: Vec<Span>,
    /// The attachment URLs of the type's table and of every `valueAttachment`, those of contained resources as well.
    pub attachment_urls: Vec<StringSpan>,
    /// Every string member named `div`, which only a Narrative has, without its quotes: those of contained resources as
    /// well.
    pub narratives: Vec<Span>,
    /// The contained resources.
    pub contained: Vec<Contained>,
    /// Some `meta`, that of a contained resource or wherever else it stands, has a member `security`.
    pub has_security: bool,
    /// Some string, a key or a value, has an escape that names its character by number.
    pub numbered_escape: bool,
}

impl Facts {
    /// The values captured under `id`.
    pub fn captured(&self, id: CaptureId) -> impl Iterator<Item = Span> {
        self.captures.iter().filter(move |(capture, _)| *capture == id).map(|(_, span)| *span)
    }
}

/// A member of the resource itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The key, without its quotes.
    pub key: Span,
    /// The whole value.
    pub value: Span,
}

impl Member {
    /// The whole member, from its key's opening quote to the end of its value: what [`super::edits::Edits::cut`] takes.
    #[must_use]
    pub const fn span(&self) -> Span {
        Span { start: self.key.start.saturating_sub(1), end: self.value.end }
    }
}

/// A string member named `reference`, and the object that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferenceSpan {
    /// The Reference object with its braces.
    pub object: Span,
    /// The member, from its key's opening quote to the end of its value.
    pub member: Span,
    /// The value without its quotes.
    pub value: Span,
    /// The value holds a backslash escape: [`unescape`] it before reading it.
    pub escaped: bool,
    /// It stands in a contained resource.
    pub in_contained: bool,
    /// It is the object's first member.
    pub first: bool,
    /// A comma follows it.
    pub following_comma: bool,
    /// The object's member `display`, from its key's opening quote to the end of its value.
    pub display: Option<Span>,
}

impl ReferenceSpan {
    /// What it says; `None` for what [`unescape`] cannot read.
    #[must_use]
    pub fn text(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        TextSpan { value: self.value, escaped: self.escaped }.text(bytes)
    }
}

/// A string's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextSpan {
    /// The value without its quotes.
    pub value: Span,
    /// The value holds a backslash escape: [`unescape`] it before reading it.
    pub escaped: bool,
}

impl TextSpan {
    /// What it says.
    #[must_use]
    pub fn text(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        let value = self.value.of(bytes);
        if self.escaped { unescape(value) } else { std::str::from_utf8(value).ok().map(Cow::Borrowed) }
    }

    /// Whether it says exactly this, which needs no escape.
    #[must_use]
    pub fn is(self, bytes: &[u8], text: &str) -> bool {
        // Most are of another length.
        let length = self.value.end.saturating_sub(self.value.start) as usize;
        if !self.escaped && length != text.len() {
            return false;
        }
        let value = self.value.of(bytes);
        if self.escaped { unescape(value).is_some_and(|value| value == text) } else { value == text.as_bytes() }
    }
}

/// A code and the system that it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodingSpan {
    /// `system`; `None` only in a security label.
    pub system: Option<TextSpan>,
    /// `code`.
    pub code: TextSpan,
    /// It stands in `meta.security`.
    pub in_security: bool,
}

/// A string whose value may have to be rewritten or cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StringSpan {
    /// What a cut removes: the member from its key's opening quote, or the array item.
    pub member: Span,
    /// The value without its quotes.
    pub value: Span,
    /// The value holds a backslash escape: [`unescape`] it before reading it.
    pub escaped: bool,
    /// It stands in a contained resource.
    pub in_contained: bool,
}

/// A resource inside another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contained {
    /// The resource with its braces.
    pub span: Span,
    /// Its type; `None` when it is not one that Chartgate knows.
    pub resource_type: Option<ResourceType>,
    /// Its id without quotes, as written: a source may have put the `#` into it.
    pub id: Option<Span>,
}

/// A resource as its source sent it, and what the scan found in it.
#[derive(Clone)]
pub struct RawResource {
    /// The resource from brace to brace: a cheap slice of the page it came with.
    pub bytes: Bytes,
    /// What the scan found in it; apart, as resources are handed from list to list.
    pub facts: Box<Facts>,
}

impl RawResource {
    /// `id`, if it has one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.facts.id.and_then(|span| std::str::from_utf8(span.of(&self.bytes)).ok())
    }

    /// The member of this name, of the resource itself.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Fragment<'_>> {
        let found = self.facts.members.iter().find(|member| member.key.of(&self.bytes) == name.as_bytes());
        found.map(|member| Fragment::new(member.value.of(&self.bytes)))
    }

    /// The values captured under `id`.
    pub fn captured(&self, id: CaptureId) -> impl Iterator<Item = Fragment<'_>> {
        self.facts.captured(id).map(|span| Fragment::new(span.of(&self.bytes)))
    }
}

/// Shows the type and size only: the content is health data.
impl std::fmt::Debug for RawResource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RawResource({:?}, {} bytes)", self.facts.resource_type, self.bytes.len())
    }
}

/// A page of search results.
#[derive(Clone, Default)]
pub struct ScannedBundle {
    /// `Bundle.type`, empty when it has none.
    pub bundle_type: String,
    /// `Bundle.total`.
    pub total: Option<u64>,
    /// `link[relation=next].url`.
    pub next: Option<String>,
    /// The entries whose resource is of a known type, in order.
    pub entries: Vec<ScannedEntry>,
    /// The issues of the OperationOutcomes among the entries.
    pub outcomes: Vec<OutcomeIssue>,
    /// How many entries were left out: no resource, an unknown type, an id outside the grammar, or broken rules.
    pub refused: u32,
}

/// Leaves the next page's address out: it may name a patient.
impl std::fmt::Debug for ScannedBundle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ScannedBundle")
            .field("total", &self.total)
            .field("has_next", &self.next.is_some())
            .field("entries", &self.entries)
            .field("outcomes", &self.outcomes)
            .field("refused", &self.refused)
            .finish()
    }
}

/// One entry of a page.
#[derive(Clone)]
pub struct ScannedEntry {
    /// `search.mode`; a match when the source did not say.
    pub mode: SearchMode,
    /// The entry's resource.
    pub resource: RawResource,
}

/// Leaves the address out: it names a record.
impl std::fmt::Debug for ScannedEntry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ScannedEntry({:?}, {:?})", self.mode, self.resource)
    }
}

/// Why an entry is on the page (`Bundle.entry.search.mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are FHIR's own")]
pub enum SearchMode {
    Match,
    Include,
    Outcome,
}

impl SearchMode {
    /// The code as FHIR spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Include => "include",
            Self::Outcome => "outcome",
        }
    }

    /// The mode with exactly this spelling.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        [Self::Match, Self::Include, Self::Outcome].into_iter().find(|mode| mode.as_str() == code)
    }
}

/// Why bytes were refused. Offsets only, never content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "`at` is the offset of the byte in question")]
pub enum ScanError {
    #[error("the document has 4 GiB or more")]
    TooLarge,
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 { at: u32 },
    #[error("the document ends inside a value, at byte {at}")]
    Ended { at: u32 },
    #[error("not JSON at byte {at}")]
    Syntax { at: u32 },
    #[error("malformed escape at byte {at}")]
    Escape { at: u32 },
    #[error("control character in a string at byte {at}")]
    ControlCharacter { at: u32 },
    #[error("something follows the document at byte {at}")]
    TrailingBytes { at: u32 },
    #[error("nested too deep at byte {at}")]
    TooDeep { at: u32 },
    #[error("too many members in one object at byte {at}")]
    TooManyMembers { at: u32 },
    #[error("a key is written with an escape at byte {at}")]
    EscapedKey { at: u32 },
    #[error("a key stands twice in one object at byte {at}")]
    DuplicateKey { at: u32 },
    #[error("a resource stands where none may, at byte {at}")]
    NestedResource { at: u32 },
    #[error("`contained` is not a list of resources at byte {at}")]
    Contained { at: u32 },
    #[error("an id outside the grammar at byte {at}")]
    Id { at: u32 },
    #[error("a list of references where FHIR has one, at byte {at}")]
    Reference { at: u32 },
    #[error("more references, contained resources or searched values than a resource may have, at byte {at}")]
    TooManyParts { at: u32 },
    #[error("not a resource at byte {at}")]
    NotAResource { at: u32 },
    #[error("a resource type that is not served here")]
    UnknownType,
    #[error("not a Bundle")]
    NotABundle,
    #[error("not an OperationOutcome")]
    NotAnOutcome,
    #[error("the next page is named twice or without a URL at byte {at}")]
    Link { at: u32 },
    #[error("a malformed entry at byte {at}")]
    Entry { at: u32 },
}

/// Scans a single resource of a known type.
///
/// # Errors
/// What the module's head names, and a type that is not served here.
#[expect(clippy::needless_pass_by_value, reason = "the buffer is taken over: the resource keeps a slice of it")]
pub fn scan_resource(bytes: Bytes, shapes: &dyn Shapes) -> Result<RawResource, ScanError> {
    check_text(&bytes)?;
    let (type_name, draft, span) = scan_whole(&bytes, shapes)?;
    let TypeName::Known(resource_type) = type_name else { return Err(ScanError::UnknownType) };
    let bytes = bytes.slice(span.start as usize..span.end as usize);
    Ok(RawResource { bytes, facts: draft.into_facts(resource_type) })
}

/// Scans a page of search results. An entry that breaks the rules is left out and counted; only what breaks the
/// grammar, or the rules of the Bundle around the entries, costs the whole page.
///
/// # Errors
/// What the module's head names, and a document that is not a Bundle.
#[expect(clippy::needless_pass_by_value, reason = "the buffer is taken over: every resource keeps a slice of it")]
pub fn scan_bundle(bytes: Bytes, shapes: &dyn Shapes) -> Result<ScannedBundle, ScanError> {
    check_text(&bytes)?;
    bundle::scan(&bytes, shapes)
}

/// The issues of an OperationOutcome, the body of a source's error.
///
/// # Errors
/// What the module's head names, and a document that is not an OperationOutcome.
pub fn scan_outcome(bytes: &[u8]) -> Result<Vec<OutcomeIssue>, ScanError> {
    check_text(bytes)?;
    match scan_whole(bytes, &NoShapes(Shape::default()))? {
        (TypeName::Unknown(b"OperationOutcome"), _, span) => Ok(outcome::issues(Fragment::new(span.of(bytes)))),
        _ => Err(ScanError::NotAnOutcome),
    }
}

fn check_text(bytes: &[u8]) -> Result<(), ScanError> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(ScanError::TooLarge);
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(ScanError::NotUtf8 { at: error.valid_up_to() as u32 }),
    }
}

/// A document that is one resource, with nothing but whitespace around it.
fn scan_whole<'a>(bytes: &'a [u8], shapes: &dyn Shapes) -> Result<(TypeName<'a>, Draft, Span), ScanError> {
    let mut walker = Walker::new(bytes, shapes);
    walker.lexer.whitespace();
    let start = walker.lexer.at();
    if walker.lexer.peek() != Some(b'{') {
        walker.lexer.skip_value(Depth::default())?;
        walker.lexer.end()?;
        return Err(ScanError::NotAResource { at: start });
    }
    walker.base = start;
    walker.begin_resource();
    let type_name = walker.resource(Place::Own)?;
    let span = Span { start, end: walker.lexer.at() };
    walker.lexer.end()?;
    match walker.refusal {
        Some(refusal) => Err(refusal),
        None => Ok((type_name, walker.end_resource(), span)),
    }
}

/// Captures nothing of any type.
struct NoShapes(Shape);

impl Shapes for NoShapes {
    fn shape(&self, _: ResourceType) -> &Shape {
        &self.0
    }
}

#[cfg(test)]
mod tests;
