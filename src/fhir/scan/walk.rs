//! The walk over one resource: every key is looked at once, and what the facts need is noted in passing.
//!
//! What breaks the grammar ends the scan. What breaks a rule of ours (an escaped key, a key twice, a resource where
//! none may stand) is noted as the refusal and the walk goes on, so that in a Bundle only that entry is lost.

use std::sync::LazyLock;

use super::lexer::{Lexer, Text};
use super::{CodingSpan, Contained, Facts, Member, ReferenceSpan, ScanError, Span, StringSpan, TextSpan};
use crate::fhir::ResourceType;
use crate::fhir::reference::is_source_id;
use crate::fhir::search::fragment::Fragment;
use crate::fhir::shape::{CaptureId, Mark, Node, Shapes, mask_bit, name_hash};

/// The most members one object may have: no FHIR type comes near it, and it bounds the search for a key met twice.
pub(super) const MAX_MEMBERS: usize = 256;

/// The most references, contained resources and captured values that one resource may have. They are compared with
/// each other: without a bound, one resource of a hostile source would keep a processor busy for minutes.
pub(super) const MAX_PARTS: usize = 10_000;

static EMPTY: Node = Node::EMPTY;
static ATTACHMENT: LazyLock<Node> = LazyLock::new(Node::any_attachment);

/// The facts of a resource while it is walked.
#[derive(Default)]
pub(super) struct Draft {
    id: Option<Span>,
    version_id: Option<Span>,
    last_updated: Option<Span>,
    members: Vec<Member>,
    captures: Vec<(CaptureId, Span)>,
    references: Vec<ReferenceSpan>,
    codings: Vec<CodingSpan>,
    logical_patients: Vec<Span>,
    attachment_urls: Vec<StringSpan>,
    contained: Vec<Contained>,
    has_security: bool,
    numbered_escape: bool,
}

impl Draft {
    fn is_full(&self) -> bool {
        [self.captures.len(), self.references.len(), self.logical_patients.len(), self.contained.len()]
            .into_iter()
            .chain([self.attachment_urls.len()])
            .any(|parts| parts >= MAX_PARTS)
    }

    /// Room for a usual resource, so that the lists do not grow step by step.
    fn roomy() -> Self {
        Self {
            members: Vec::with_capacity(24),
            captures: Vec::with_capacity(24),
            references: Vec::with_capacity(8),
            codings: Vec::with_capacity(8),
            ..Self::default()
        }
    }

    pub(super) fn into_facts(self, resource_type: ResourceType) -> Box<Facts> {
        Box::new(Facts {
            resource_type,
            id: self.id,
            version_id: self.version_id,
            last_updated: self.last_updated,
            members: self.members,
            captures: self.captures,
            references: self.references,
            codings: self.codings,
            logical_patients: self.logical_patients,
            attachment_urls: self.attachment_urls,
            contained: self.contained,
            has_security: self.has_security,
            numbered_escape: self.numbered_escape,
        })
    }
}

/// The name a resource gives its own type.
pub(super) enum TypeName<'a> {
    Known(ResourceType),
    Unknown(&'a [u8]),
    Missing,
}

impl TypeName<'_> {
    fn known(&self) -> Option<ResourceType> {
        match self {
            Self::Known(resource_type) => Some(*resource_type),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A resource of its own: the document, or an entry's.
    Own,
    Contained,
}

/// What the value just walked was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text { escaped: bool },
    Array,
    Other,
}

/// An object being walked.
pub(super) struct Frame {
    /// Where this object's keys begin in the list of all open objects' keys.
    floor: usize,
    mask: u64,
    started: bool,
}

/// A member's key, its quotes and colon taken.
pub(super) struct Key<'a> {
    pub(super) text: Text<'a>,
    hash: u64,
    /// No member stands before it in the object.
    first: bool,
}

struct SeenKey<'a> {
    hash: u64,
    content: &'a [u8],
}

/// Where a value stands, as far as security labels go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// The value of a member `meta`.
    Meta,
    /// `security` of that, or anything below.
    Security,
    Elsewhere,
}

/// What an object has shown of being a Reference or a Coding.
struct ObjectSeen {
    object_start: u32,
    system: Option<TextSpan>,
    code: Option<TextSpan>,
    index: Option<usize>,
    display: Option<Span>,
    has_identifier: bool,
    /// `type` says Patient.
    says_patient: bool,
}

impl ObjectSeen {
    const fn at(object_start: u32) -> Self {
        Self {
            object_start,
            system: None,
            code: None,
            index: None,
            display: None,
            has_identifier: false,
            says_patient: false,
        }
    }
}

pub(super) struct Walker<'a, 's> {
    pub(super) lexer: Lexer<'a>,
    draft: Draft,
    /// The offset that spans count from: the start of the resource at hand.
    pub(super) base: u32,
    /// The first broken rule of ours.
    pub(super) refusal: Option<ScanError>,
    shapes: &'s dyn Shapes,
    keys: Vec<SeenKey<'a>>,
    in_contained: bool,
    within: Within,
}

impl<'a, 's> Walker<'a, 's> {
    pub(super) fn new(bytes: &'a [u8], shapes: &'s dyn Shapes) -> Self {
        Self {
            lexer: Lexer::new(bytes),
            draft: Draft::default(),
            base: 0,
            refusal: None,
            shapes,
            keys: Vec::with_capacity(64),
            in_contained: false,
            within: Within::Elsewhere,
        }
    }

    #[cold]
    pub(super) fn refuse(&mut self, error: ScanError) {
        self.refusal.get_or_insert(error);
    }

    #[inline]
    pub(super) fn span(&self, start: u32, end: u32) -> Span {
        Span { start: start.wrapping_sub(self.base), end: end.wrapping_sub(self.base) }
    }

    /// What is met from now on is of a resource of its own.
    pub(super) fn begin_resource(&mut self) {
        self.draft = Draft::roomy();
        self.lexer.numbered_escape = false;
    }

    /// What was met since [`Self::begin_resource`].
    pub(super) fn end_resource(&mut self) -> Draft {
        self.draft.numbered_escape = self.lexer.numbered_escape;
        std::mem::take(&mut self.draft)
    }

    pub(super) fn open(&mut self) -> Result<Frame, ScanError> {
        self.lexer.expect_byte(b'{')?;
        self.lexer.enter()?;
        self.lexer.whitespace();
        Ok(Frame { floor: self.keys.len(), mask: 0, started: false })
    }

    /// The next member's key, at its value; `None` behind the closing brace.
    #[inline(always)]
    pub(super) fn next_key(&mut self, frame: &mut Frame) -> Result<Option<Key<'a>>, ScanError> {
        let more = if frame.started { self.lexer.comma_or(b'}')? } else { !self.lexer.take(b'}') };
        if !more {
            self.keys.truncate(frame.floor);
            self.lexer.leave();
            return Ok(None);
        }
        frame.started = true;
        let text = self.lexer.string()?;
        self.lexer.colon()?;
        let hash = name_hash(text.content);
        if text.escaped {
            self.refuse(ScanError::EscapedKey { at: text.start });
        }
        let siblings = self.keys.get(frame.floor..).unwrap_or_default();
        if siblings.len() >= MAX_MEMBERS {
            return Err(ScanError::TooManyMembers { at: text.start });
        }
        let first = siblings.is_empty();
        if frame.mask & mask_bit(hash) != 0
            && siblings.iter().any(|seen| seen.hash == hash && seen.content == text.content)
        {
            self.refuse(ScanError::DuplicateKey { at: text.start });
        }
        frame.mask |= mask_bit(hash);
        self.keys.push(SeenKey { hash, content: text.content });
        Ok(Some(Key { text, hash, first }))
    }

    /// A whole resource object. Its facts go into the draft; the answer is its type.
    pub(super) fn resource(&mut self, place: Place) -> Result<TypeName<'a>, ScanError> {
        let start = self.lexer.at();
        let type_name = self.type_name()?;
        let shapes = self.shapes;
        let node = type_name.known().map_or(&EMPTY, |known| shapes.shape(known).root());
        let mut seen = ObjectSeen::at(start);
        let mut id = None;
        let mut frame = self.open()?;
        while let Some(key) = self.next_key(&mut frame)? {
            let value_start = self.lexer.at();
            match key.text.content {
                b"resourceType" => {
                    if self.value(key_node(node, &key), key.text.start)? != (Kind::Text { escaped: false }) {
                        self.refuse(ScanError::NotAResource { at: value_start });
                    }
                }
                b"id" => {
                    let kind = self.value(key_node(node, &key), key.text.start)?;
                    id = self.id(kind, value_start, place);
                }
                b"contained" if place == Place::Own => self.contained()?,
                _ => self.member(node, &key, &mut seen)?,
            }
            if place == Place::Own {
                let value = self.span(value_start, self.lexer.at());
                self.draft.members.push(Member { key: self.span(key.text.start, key.text.end()), value });
            }
        }
        self.close_object(&seen);
        match place {
            Place::Own => self.draft.id = id,
            Place::Contained => {
                let span = self.span(start, self.lexer.at());
                self.draft.contained.push(Contained { span, resource_type: type_name.known(), id });
            }
        }
        if matches!(type_name, TypeName::Missing) {
            self.refuse(ScanError::NotAResource { at: start });
        }
        if place == Place::Own && self.draft.is_full() {
            self.refuse(ScanError::TooManyParts { at: start });
        }
        Ok(type_name)
    }

    /// The resource's type, looked up ahead of the walk because the walk needs its shape. It is usually the first
    /// key; otherwise the object's own members are passed over until it is met.
    fn type_name(&self) -> Result<TypeName<'a>, ScanError> {
        let mut ahead = self.lexer.clone();
        ahead.expect_byte(b'{')?;
        ahead.enter()?;
        ahead.whitespace();
        if ahead.take(b'}') {
            return Ok(TypeName::Missing);
        }
        loop {
            let key = ahead.string()?;
            ahead.colon()?;
            if key.content == b"resourceType" && ahead.peek() == Some(b'"') {
                let name = ahead.string()?.content;
                let known = std::str::from_utf8(name).ok().and_then(ResourceType::parse);
                return Ok(known.map_or(TypeName::Unknown(name), TypeName::Known));
            }
            ahead.skip_value()?;
            if !ahead.comma_or(b'}')? {
                return Ok(TypeName::Missing);
            }
        }
    }

    fn id(&mut self, kind: Kind, value_start: u32, place: Place) -> Option<Span> {
        let (start, end) = (value_start.wrapping_add(1), self.lexer.at().wrapping_sub(1));
        if kind != (Kind::Text { escaped: false }) {
            self.refuse(ScanError::Id { at: value_start });
            return None;
        }
        // A contained resource's id is only ever compared with `#id` next to it; some servers write the `#` into it.
        if place == Place::Own && !is_source_id(self.lexer.slice(start, end)) {
            self.refuse(ScanError::Id { at: value_start });
            return None;
        }
        Some(self.span(start, end))
    }

    fn contained(&mut self) -> Result<(), ScanError> {
        if self.lexer.peek() != Some(b'[') {
            self.refuse(ScanError::Contained { at: self.lexer.at() });
            return self.value(&EMPTY, self.lexer.at()).map(drop);
        }
        self.lexer.expect_byte(b'[')?;
        self.lexer.enter()?;
        self.lexer.whitespace();
        if !self.lexer.take(b']') {
            loop {
                let start = self.lexer.at();
                if self.lexer.peek() == Some(b'{') {
                    self.in_contained = true;
                    self.resource(Place::Contained)?;
                    self.in_contained = false;
                } else {
                    self.refuse(ScanError::Contained { at: start });
                    self.value(&EMPTY, start)?;
                }
                if !self.lexer.comma_or(b']')? {
                    break;
                }
            }
        }
        self.lexer.leave();
        Ok(())
    }

    fn object(&mut self, node: &Node) -> Result<(), ScanError> {
        let mut seen = ObjectSeen::at(self.lexer.at());
        let mut frame = self.open()?;
        while let Some(key) = self.next_key(&mut frame)? {
            self.member(node, &key, &mut seen)?;
        }
        self.close_object(&seen);
        Ok(())
    }

    /// One member's value, with what its name means wherever it stands.
    #[inline(always)]
    fn member(&mut self, node: &Node, key: &Key<'a>, seen: &mut ObjectSeen) -> Result<(), ScanError> {
        let member_start = key.text.start.wrapping_sub(1);
        let value_start = self.lexer.at();
        let around = self.within;
        self.within = match (around, key.text.content) {
            (Within::Meta, b"security") => {
                self.draft.has_security = true;
                Within::Security
            }
            (Within::Security, _) => Within::Security,
            (_, b"meta") => Within::Meta,
            _ => Within::Elsewhere,
        };
        let kind = self.value(key_node(node, key), member_start)?;
        self.within = around;
        match key.text.content {
            b"system" => seen.system = self.text_span(kind, value_start),
            b"code" => seen.code = self.text_span(kind, value_start),
            b"reference" => self.reference(kind, key, value_start, seen),
            b"display" => seen.display = Some(self.span(member_start, self.lexer.at())),
            b"identifier" => seen.has_identifier = true,
            b"type" => seen.says_patient = matches!(kind, Kind::Text { .. }) && self.names_patient(value_start),
            b"patient" | b"subject" | b"beneficiary" | b"sourcePatientInfo" => self.patient_element(value_start),
            b"resourceType" => self.refuse(ScanError::NestedResource { at: key.text.start }),
            _ => {}
        }
        Ok(())
    }

    /// Where the string that was just walked stands, if it was one.
    fn text_span(&self, kind: Kind, start: u32) -> Option<TextSpan> {
        let Kind::Text { escaped } = kind else { return None };
        Some(TextSpan { value: self.span(start.wrapping_add(1), self.lexer.at().wrapping_sub(1)), escaped })
    }

    /// Whether the string that was just walked is `Reference.type` for Patient: the name, or a URL that ends with it.
    fn names_patient(&self, start: u32) -> bool {
        let text = Fragment::new(self.lexer.slice(start, self.lexer.at()));
        text.text().is_some_and(|text| text.rsplit('/').next() == Some("Patient"))
    }

    /// An element that names a patient alone, just walked: without a literal reference it is noted.
    fn patient_element(&mut self, start: u32) {
        let value = Fragment::new(self.lexer.slice(start, self.lexer.at()));
        let is_logical = value.bytes().first() == Some(&b'{')
            && value.get("reference").is_none()
            && (value.get("identifier").is_some() || value.get("display").is_some());
        let span = self.span(start, self.lexer.at());
        // With a `type` it was noted already.
        if is_logical && self.draft.logical_patients.last() != Some(&span) {
            self.draft.logical_patients.push(span);
        }
    }

    fn reference(&mut self, kind: Kind, key: &Key<'a>, value_start: u32, seen: &mut ObjectSeen) {
        match kind {
            Kind::Text { escaped } => {
                let end = self.lexer.at();
                let mut ahead = self.lexer.clone();
                ahead.whitespace();
                seen.index = Some(self.draft.references.len());
                self.draft.references.push(ReferenceSpan {
                    object: self.span(seen.object_start, end),
                    member: self.span(key.text.start.wrapping_sub(1), end),
                    value: self.span(value_start.wrapping_add(1), end.wrapping_sub(1)),
                    escaped,
                    in_contained: self.in_contained,
                    first: key.first,
                    following_comma: ahead.peek() == Some(b','),
                    display: None,
                });
            }
            // A list of strings is no Reference of FHIR's, yet a lenient reader might follow it.
            Kind::Array => self.refuse(ScanError::Reference { at: value_start }),
            Kind::Other => {}
        }
    }

    fn close_object(&mut self, seen: &ObjectSeen) {
        let in_security = self.within == Within::Security;
        if let Some(code) = seen.code.filter(|_| seen.system.is_some() || in_security) {
            self.draft.codings.push(CodingSpan { system: seen.system, code, in_security });
        }
        let end = self.lexer.at().wrapping_sub(self.base);
        if let Some(reference) = seen.index.and_then(|index| self.draft.references.get_mut(index)) {
            reference.object.end = end;
            reference.display = seen.display;
        }
        // Other objects have a `type` as well; none of them has an identifier, a display or a reference beside it.
        if seen.says_patient && (seen.index.is_some() || seen.has_identifier || seen.display.is_some()) {
            let start = seen.object_start.wrapping_sub(self.base);
            self.draft.logical_patients.push(Span { start, end });
        }
    }

    /// Any value. `owner` is where the member that it belongs to begins, or the array item itself.
    #[inline]
    pub(super) fn value(&mut self, node: &Node, owner: u32) -> Result<Kind, ScanError> {
        match self.lexer.peek() {
            Some(b'"') => {
                let text = self.lexer.string()?;
                if node.capture.is_some() || node.mark != Mark::None {
                    self.note_text(node, text, owner);
                }
                Ok(Kind::Text { escaped: text.escaped })
            }
            Some(b'{') => {
                let slot = self.open_capture(node);
                self.object(node)?;
                self.close_capture(slot);
                Ok(Kind::Other)
            }
            Some(b'[') => {
                self.array(node)?;
                Ok(Kind::Array)
            }
            Some(b'n') => {
                self.lexer.literal()?;
                Ok(Kind::Other)
            }
            first => {
                let slot = self.open_capture(node);
                if matches!(first, Some(b't' | b'f')) {
                    self.lexer.literal()?
                } else {
                    self.lexer.number()?
                }
                self.close_capture(slot);
                Ok(Kind::Other)
            }
        }
    }

    fn array(&mut self, node: &Node) -> Result<(), ScanError> {
        self.lexer.expect_byte(b'[')?;
        self.lexer.enter()?;
        self.lexer.whitespace();
        if !self.lexer.take(b']') {
            loop {
                self.value(node, self.lexer.at())?;
                if !self.lexer.comma_or(b']')? {
                    break;
                }
            }
        }
        self.lexer.leave();
        Ok(())
    }

    /// Takes the capture's place in the list before the value is walked, so that captures stand in document order.
    #[inline(always)]
    fn open_capture(&mut self, node: &Node) -> Option<usize> {
        let id = node.capture.filter(|_| !self.in_contained)?;
        let start = self.lexer.at();
        self.draft.captures.push((id, self.span(start, start)));
        Some(self.draft.captures.len() - 1)
    }

    #[inline(always)]
    fn close_capture(&mut self, slot: Option<usize>) {
        let end = self.lexer.at().wrapping_sub(self.base);
        if let Some((_, span)) = slot.and_then(|slot| self.draft.captures.get_mut(slot)) {
            span.end = end;
        }
    }

    fn note_text(&mut self, node: &Node, text: Text<'a>, owner: u32) {
        let end = self.lexer.at();
        let value = self.span(text.start, text.end());
        if node.mark == Mark::Attachment {
            let member = self.span(owner, end);
            let (escaped, in_contained) = (text.escaped, self.in_contained);
            self.draft.attachment_urls.push(StringSpan { member, value, escaped, in_contained });
        }
        if self.in_contained {
            return;
        }
        if let Some(id) = node.capture {
            self.draft.captures.push((id, self.span(text.start.wrapping_sub(1), end)));
        }
        // An escape has no place in an id or an instant; such a version or time is as good as none.
        match node.mark {
            Mark::VersionId if !text.escaped => self.draft.version_id = self.draft.version_id.or(Some(value)),
            Mark::LastUpdated if !text.escaped => self.draft.last_updated = self.draft.last_updated.or(Some(value)),
            _ => {}
        }
    }
}

/// The node of the shape that a member leads to.
#[inline(always)]
fn key_node<'n>(node: &'n Node, key: &Key<'_>) -> &'n Node {
    match node.child(key.hash, key.text.content) {
        Some(child) => child,
        None if key.text.content == b"valueAttachment" => &ATTACHMENT,
        None => &EMPTY,
    }
}
