//! Changes to a scanned resource's bytes: the parts that stay are copied in long slices, the rest of the document is
//! neither parsed nor rebuilt.

use super::scan::Span;

/// Replacements and cuts of one document, all in offsets of the unchanged bytes. They may be noted in any order; two
/// that overlap are a contradiction, and [`Edits::apply`] then writes nothing.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    edits: Vec<Edit>,
    /// The text of all replacements, one behind the other.
    text: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Edit {
    span: Span,
    kind: EditKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EditKind {
    /// The range of the new text within `Edits::text`.
    Replace(usize, usize),
    /// A member or item that goes together with the comma that becomes superfluous.
    Cut,
}

/// Why edits were not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "`at` is the offset of the byte in question")]
pub enum EditError {
    #[error("two edits overlap at byte {at}")]
    Overlap { at: u32 },
    #[error("an edit lies outside the document at byte {at}")]
    OutOfRange { at: u32 },
}

impl Edits {
    /// No edits yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Puts `with` in place of the bytes at `span`. An empty span inserts; insertions at one place keep their order.
    pub fn replace(&mut self, span: Span, with: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(with);
        self.edits.push(Edit { span, kind: EditKind::Replace(start, self.text.len()) });
    }

    /// Removes an object's member (from its key's opening quote to the end of its value) or an array's item, with the
    /// comma that becomes superfluous. Neighbours may be cut as well; the object or array itself stays, empty if
    /// everything in it was cut.
    pub fn cut(&mut self, span: Span) {
        self.edits.push(Edit { span, kind: EditKind::Cut });
    }

    /// Whether a cut noted so far takes `span` away, so that it needs no edit of its own (and must not get one).
    #[must_use]
    pub fn is_cut(&self, span: Span) -> bool {
        self.edits.iter().any(|edit| edit.kind == EditKind::Cut && edit.span.encloses(span))
    }

    /// Appends the changed document to `out`.
    ///
    /// # Errors
    /// Edits that overlap or lie outside `bytes`; `out` is then as it was.
    pub fn apply(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EditError> {
        let before = out.len();
        let result = self.splice(bytes, out);
        if result.is_err() {
            out.truncate(before);
        }
        result
    }

    fn splice(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EditError> {
        let mut edits = self.edits.clone();
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        out.reserve(bytes.len() + self.text.len());
        let mut copied = 0;
        let mut edits = edits.into_iter().peekable();
        while let Some(edit) = edits.next() {
            let (mut start, mut end) = (edit.span.start as usize, edit.span.end as usize);
            if start > end || end > bytes.len() {
                return Err(EditError::OutOfRange { at: edit.span.start });
            }
            if edit.kind == EditKind::Cut {
                // Neighbours that are cut as well go in one piece: which comma stays is decided for all of them.
                while let Some(next) =
                    edits.next_if(|next| next.kind == EditKind::Cut && is_neighbour(bytes, end, next))
                {
                    end = next.span.end as usize;
                }
                (start, end) = with_comma(bytes, start, end);
            }
            let kept = bytes.get(copied..start).ok_or(EditError::Overlap { at: edit.span.start })?;
            out.extend_from_slice(kept);
            if let EditKind::Replace(from, to) = edit.kind {
                out.extend_from_slice(self.text.get(from..to).unwrap_or_default());
            }
            copied = end;
        }
        out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
        Ok(())
    }
}

/// Whether nothing but one comma lies between `end` and the next cut.
fn is_neighbour(bytes: &[u8], end: usize, next: &Edit) -> bool {
    let between = bytes.get(end..next.span.start as usize).unwrap_or_default();
    let range_is_valid = next.span.start <= next.span.end && next.span.end as usize <= bytes.len();
    range_is_valid && between.trim_ascii() == b","
}

/// Widens a cut by the comma behind it and the space up to the next item or, behind the last item, by the comma before.
fn with_comma(bytes: &[u8], start: usize, end: usize) -> (usize, usize) {
    let behind = bytes.get(end..).unwrap_or_default();
    if let Some(next) = behind.trim_ascii_start().strip_prefix(b",") {
        return (start, bytes.len() - next.trim_ascii_start().len());
    }
    match bytes.get(..start).unwrap_or_default().trim_ascii_end().strip_suffix(b",") {
        Some(before) => (before.len(), end),
        None => (start, end),
    }
}
