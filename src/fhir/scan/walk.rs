//! The walk over one resource: every key is looked at once, and what the facts need is noted in passing.
//!
//! What breaks the grammar ends the scan. What breaks a rule of ours (an escaped key, a key twice, a resource where
//! none may stand) is noted as the refusal and the walk goes on, so that in a Bundle only that entry is lost.

use std::sync::LazyLock;

use super::draft::Draft;
use super::lexer::{Depth, Lexer, Text};
use super::member::{Frame, Key, MAX_MEMBERS, Role, SeenKey};
use super::{CodingSpan, Contained, Member, ReferenceSpan, ScanError, Span, StringSpan, TextSpan};
use crate::fhir::ResourceType;
use crate::fhir::reference::is_source_id;
use crate::fhir::search::fragment::Fragment;
use crate::fhir::shape::{Mark, Node, Shapes, mask_bit, name_hash};

static EMPTY: Node = Node::EMPTY;
static ATTACHMENT: LazyLock<Node> = LazyLock::new(Node::any_attachment);

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
    /// Where the walk is, between calls: each object's loop keeps a copy of its own.
    pub(super) lexer: Lexer<'a>,
    depth: Depth,
    draft: Draft,
    /// The offset that spans count from: the start of the resource at hand.
    pub(super) base: u32,
    /// The first broken rule of ours.
    pub(super) refusal: Option<ScanError>,
    shapes: &'s dyn Shapes,
    keys: Vec<SeenKey>,
    in_contained: bool,
    within: Within,
}

impl<'a, 's> Walker<'a, 's> {
    pub(super) fn new(bytes: &'a [u8], shapes: &'s dyn Shapes) -> Self {
        Self {
            lexer: Lexer::new(bytes),
            depth: Depth::default(),
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
    }

    /// What was met since [`Self::begin_resource`].
    pub(super) fn end_resource(&mut self) -> Draft {
        std::mem::take(&mut self.draft)
    }

    pub(super) fn enter(&mut self) -> Result<(), ScanError> {
        self.depth.enter(self.lexer)
    }

    pub(super) fn leave(&mut self) {
        self.depth.leave();
    }

    #[inline(always)]
    pub(super) fn open(&mut self) -> Result<Frame, ScanError> {
        self.lexer.expect_byte(b'{')?;
        self.enter()?;
        self.lexer.whitespace();
        Ok(Frame { floor: self.keys.len(), mask: 0, members: 0 })
    }

    /// [`Self::next_key`], for who has no lexer of their own.
    pub(super) fn next_member(&mut self, frame: &mut Frame) -> Result<Option<Key<'a>>, ScanError> {
        let mut lexer = self.lexer;
        let key = self.next_key(&mut lexer, frame);
        self.lexer = lexer;
        key
    }

    /// [`Self::value`], for who has no lexer of their own.
    pub(super) fn any(&mut self, node: &Node, owner: u32) -> Result<Kind, ScanError> {
        let mut lexer = self.lexer;
        let kind = self.value(&mut lexer, node, owner);
        self.lexer = lexer;
        kind
    }

    /// The next member's key, at its value; `None` behind the closing brace.
    #[inline(always)]
    fn next_key(&mut self, lexer: &mut Lexer<'a>, frame: &mut Frame) -> Result<Option<Key<'a>>, ScanError> {
        let more = if frame.members > 0 { lexer.comma_or(b'}')? } else { !lexer.take(b'}') };
        if !more {
            self.keys.truncate(frame.floor);
            self.leave();
            return Ok(None);
        }
        let text = lexer.string()?;
        lexer.colon()?;
        let hash = name_hash(text.content);
        if text.escaped {
            self.escaped_key(text);
        }
        if frame.members >= MAX_MEMBERS {
            return Err(ScanError::TooManyMembers { at: text.start });
        }
        if frame.mask & mask_bit(hash) != 0 {
            self.look_for_duplicate(frame, text, hash);
        }
        frame.mask |= mask_bit(hash);
        self.keys.push(SeenKey { hash, start: text.start, end: text.end() });
        let first = frame.members == 0;
        frame.members = frame.members.wrapping_add(1);
        Ok(Some(Key { text, hash, first }))
    }

    #[cold]
    fn escaped_key(&mut self, text: Text<'a>) {
        self.draft.numbered_escape |= text.numbered_escape;
        self.refuse(ScanError::EscapedKey { at: text.start });
    }

    #[inline(never)]
    fn look_for_duplicate(&mut self, frame: &Frame, text: Text<'a>, hash: u64) {
        let siblings = self.keys.get(frame.floor..).unwrap_or_default();
        let is_same = |seen: &SeenKey| seen.hash == hash && self.lexer.slice(seen.start, seen.end) == text.content;
        if siblings.iter().any(is_same) {
            self.refuse(ScanError::DuplicateKey { at: text.start });
        }
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
        let mut lexer = self.lexer;
        while let Some(key) = self.next_key(&mut lexer, &mut frame)? {
            let value_start = lexer.at();
            match key.text.content {
                b"resourceType" => {
                    if self.value(&mut lexer, key_node(node, &key), key.text.start)? != (Kind::Text { escaped: false })
                    {
                        self.refuse(ScanError::NotAResource { at: value_start });
                    }
                }
                b"id" => {
                    let kind = self.value(&mut lexer, key_node(node, &key), key.text.start)?;
                    id = self.id(kind, value_start, lexer, place);
                }
                b"contained" if place == Place::Own => {
                    self.lexer.follow(lexer);
                    self.contained()?;
                    lexer.follow(self.lexer);
                }
                _ => self.member(&mut lexer, node, &key, &mut seen)?,
            }
            if place == Place::Own {
                let value = self.span(value_start, lexer.at());
                self.draft.members.push(Member { key: self.span(key.text.start, key.text.end()), value });
            }
        }
        self.lexer.follow(lexer);
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
        let (mut ahead, mut depth) = (self.lexer, self.depth);
        ahead.expect_byte(b'{')?;
        depth.enter(ahead)?;
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
            ahead.skip_value(depth)?;
            if !ahead.comma_or(b'}')? {
                return Ok(TypeName::Missing);
            }
        }
    }

    fn id(&mut self, kind: Kind, value_start: u32, behind: Lexer<'a>, place: Place) -> Option<Span> {
        let (start, end) = (value_start.wrapping_add(1), behind.at().wrapping_sub(1));
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
            return self.any(&EMPTY, self.lexer.at()).map(drop);
        }
        self.lexer.expect_byte(b'[')?;
        self.enter()?;
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
                    self.any(&EMPTY, start)?;
                }
                if !self.lexer.comma_or(b']')? {
                    break;
                }
            }
        }
        self.leave();
        Ok(())
    }

    #[inline(never)]
    fn object(&mut self, node: &Node) -> Result<(), ScanError> {
        let slot = self.open_capture(node, self.lexer.at());
        let mut seen = ObjectSeen::at(self.lexer.at());
        let mut frame = self.open()?;
        let mut lexer = self.lexer;
        while let Some(key) = self.next_key(&mut lexer, &mut frame)? {
            self.member(&mut lexer, node, &key, &mut seen)?;
        }
        self.lexer.follow(lexer);
        self.close_object(&seen);
        self.close_capture(slot);
        Ok(())
    }

    /// One member's value, with what its name means wherever it stands.
    #[inline(always)]
    fn member(
        &mut self,
        lexer: &mut Lexer<'a>,
        node: &Node,
        key: &Key<'a>,
        seen: &mut ObjectSeen,
    ) -> Result<(), ScanError> {
        let role = Role::of(key);
        let value_start = lexer.at();
        let around = self.within;
        self.within = match (around, role) {
            (Within::Meta, Role::Security) => {
                self.draft.has_security = true;
                Within::Security
            }
            (Within::Security, _) => Within::Security,
            (_, Role::Meta) => Within::Meta,
            _ => Within::Elsewhere,
        };
        let kind = self.value(lexer, key_node(node, key), key.start())?;
        self.within = around;
        match role {
            Role::None | Role::Meta | Role::Security => {}
            Role::System => seen.system = self.text_span(kind, value_start, *lexer),
            Role::Code => seen.code = self.text_span(kind, value_start, *lexer),
            Role::Reference => self.reference(kind, key, value_start, *lexer, seen),
            Role::Display => seen.display = Some(self.span(key.start(), lexer.at())),
            Role::Identifier => seen.has_identifier = true,
            Role::Type => seen.says_patient = matches!(kind, Kind::Text { .. }) && names_patient(*lexer, value_start),
            Role::Patient => self.patient_element(value_start, *lexer),
            Role::Div => self.draft.narratives.extend(self.text_span(kind, value_start, *lexer).map(|text| text.value)),
            Role::ResourceType => self.refuse(ScanError::NestedResource { at: key.text.start }),
        }
        Ok(())
    }

    /// Where the string that was just walked stands, if it was one.
    #[inline(always)]
    fn text_span(&self, kind: Kind, start: u32, behind: Lexer<'a>) -> Option<TextSpan> {
        let Kind::Text { escaped } = kind else { return None };
        Some(TextSpan { value: self.span(start.wrapping_add(1), behind.at().wrapping_sub(1)), escaped })
    }

    /// An element that names a patient alone, just walked: without a literal reference it is noted.
    #[inline(never)]
    fn patient_element(&mut self, start: u32, behind: Lexer<'a>) {
        let value = Fragment::new(behind.slice(start, behind.at()));
        let is_logical = value.bytes().first() == Some(&b'{')
            && value.get("reference").is_none()
            && (value.get("identifier").is_some() || value.get("display").is_some());
        let span = self.span(start, behind.at());
        // With a `type` it was noted already.
        if is_logical && self.draft.logical_patients.last() != Some(&span) {
            self.draft.logical_patients.push(span);
        }
    }

    #[inline(never)]
    fn reference(&mut self, kind: Kind, key: &Key<'a>, value_start: u32, behind: Lexer<'a>, seen: &mut ObjectSeen) {
        match kind {
            Kind::Text { escaped } => {
                let end = behind.at();
                let mut ahead = behind;
                ahead.whitespace();
                seen.index = Some(self.draft.references.len());
                self.draft.references.push(ReferenceSpan {
                    object: self.span(seen.object_start, end),
                    member: self.span(key.start(), end),
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
    #[inline(always)]
    fn value(&mut self, lexer: &mut Lexer<'a>, node: &Node, owner: u32) -> Result<Kind, ScanError> {
        // Most values are strings: only what is nested costs a call.
        let kind = match lexer.peek() {
            Some(b'"') => {
                let text = lexer.string()?;
                if node.capture.is_some() || node.mark != Mark::None || text.escaped {
                    self.note_text(node, text, owner);
                }
                return Ok(Kind::Text { escaped: text.escaped });
            }
            Some(b'{') => {
                self.lexer.follow(*lexer);
                self.object(node)?;
                Kind::Other
            }
            Some(b'[') => {
                self.lexer.follow(*lexer);
                self.array(node)?;
                Kind::Array
            }
            _ => {
                self.lexer.follow(*lexer);
                self.plain(node)?;
                Kind::Other
            }
        };
        lexer.follow(self.lexer);
        Ok(kind)
    }

    /// A number, a boolean or null.
    #[inline(never)]
    fn plain(&mut self, node: &Node) -> Result<(), ScanError> {
        let mut lexer = self.lexer;
        let slot = match lexer.peek() {
            Some(b'n') => {
                lexer.literal()?;
                None
            }
            first => {
                let slot = self.open_capture(node, lexer.at());
                if matches!(first, Some(b't' | b'f')) {
                    lexer.literal()?
                } else {
                    lexer.number()?
                }
                slot
            }
        };
        self.lexer = lexer;
        self.close_capture(slot);
        Ok(())
    }

    #[inline(never)]
    fn array(&mut self, node: &Node) -> Result<(), ScanError> {
        let mut lexer = self.lexer;
        lexer.expect_byte(b'[')?;
        self.depth.enter(lexer)?;
        lexer.whitespace();
        if !lexer.take(b']') {
            loop {
                let start = lexer.at();
                self.value(&mut lexer, node, start)?;
                if !lexer.comma_or(b']')? {
                    break;
                }
            }
        }
        self.lexer = lexer;
        self.leave();
        Ok(())
    }

    /// Takes the capture's place in the list before the value is walked, so that captures stand in document order.
    #[inline(always)]
    fn open_capture(&mut self, node: &Node, start: u32) -> Option<usize> {
        let id = node.capture.filter(|_| !self.in_contained)?;
        self.draft.captures.push((id, self.span(start, start)));
        Some(self.draft.captures.len().wrapping_sub(1))
    }

    #[inline(always)]
    fn close_capture(&mut self, slot: Option<usize>) {
        let end = self.lexer.at().wrapping_sub(self.base);
        if let Some((_, span)) = slot.and_then(|slot| self.draft.captures.get_mut(slot)) {
            span.end = end;
        }
    }

    #[inline(never)]
    fn note_text(&mut self, node: &Node, text: Text<'a>, owner: u32) {
        self.draft.numbered_escape |= text.numbered_escape;
        let end = text.end().wrapping_add(1);
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

/// Whether the string that was just walked is `Reference.type` for Patient: the name, or a URL that ends with it.
#[inline(never)]
fn names_patient(behind: Lexer<'_>, start: u32) -> bool {
    let text = Fragment::new(behind.slice(start, behind.at()));
    text.text().is_some_and(|text| text.rsplit('/').next() == Some("Patient"))
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
