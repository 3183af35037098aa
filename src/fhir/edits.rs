//! Changes to a scanned resource's bytes: the parts that stay are copied in long slices, the rest of the document is
//! neither parsed nor rebuilt.

use std::borrow::Cow;

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

    /// Forgets what was noted, and keeps its room.
    pub fn clear(&mut self) {
        self.edits.clear();
        self.text.clear();
    }

    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Whether something is cut: what held it may be left empty.
    #[must_use]
    pub fn has_cuts(&self) -> bool {
        self.edits.iter().any(|edit| edit.kind == EditKind::Cut)
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
        let order = |edit: &Edit| (edit.span.start, edit.span.end);
        let mut edits = Cow::Borrowed(self.edits.as_slice());
        // Mostly they were noted in order.
        if !edits.is_sorted_by_key(order) {
            edits.to_mut().sort_by_key(order);
        }
        out.reserve(bytes.len() + self.text.len());
        let mut copied = 0;
        let mut edits = edits.iter().peekable();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The span of `part` in `text`.
    fn span(text: &str, part: &str) -> Span {
        let start = text.find(part).unwrap();
        Span { start: start as u32, end: (start + part.len()) as u32 }
    }

    fn applied(text: &str, edits: &Edits) -> Result<String, EditError> {
        let mut out = Vec::new();
        edits.apply(text.as_bytes(), &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    fn without(text: &str, parts: &[&str]) -> String {
        let mut edits = Edits::new();
        parts.iter().for_each(|part| edits.cut(span(text, part)));
        applied(text, &edits).unwrap()
    }

    #[test]
    fn a_cut_takes_its_comma_along() {
        let text = r#"{"a":1, "b" : 2 ,"c":3}"#;
        assert_eq!(without(text, &[r#""a":1"#]), r#"{"b" : 2 ,"c":3}"#);
        assert_eq!(without(text, &[r#""b" : 2"#]), r#"{"a":1, "c":3}"#);
        assert_eq!(without(text, &[r#""c":3"#]), r#"{"a":1, "b" : 2 }"#);
        assert_eq!(without(text, &[r#""a":1"#, r#""b" : 2"#]), r#"{"c":3}"#);
        assert_eq!(without(text, &[r#""c":3"#, r#""b" : 2"#]), r#"{"a":1}"#);
        assert_eq!(without(text, &[r#""a":1"#, r#""c":3"#]), r#"{"b" : 2 }"#);
        assert_eq!(without(text, &[r#""a":1"#, r#""b" : 2"#, r#""c":3"#]), "{}");
        assert_eq!(without("[ 1 ]", &["1"]), "[  ]");
        assert_eq!(without("[1,[2,3],4]", &["3"]), "[1,[2],4]");
        assert_eq!(without("[1,[2,3],4]", &["3", "4"]), "[1,[2]]");
    }

    #[test]
    fn replacements_and_insertions_stand_next_to_cuts() {
        let text = r#"{"a":1,"b":2}"#;
        let mut edits = Edits::new();
        edits.cut(span(text, r#""b":2"#));
        edits.replace(span(text, "1"), b"10");
        edits.replace(Span { start: 1, end: 1 }, b"\"x\":0,");
        edits.replace(Span { start: 1, end: 1 }, b"\"y\":0,");
        assert_eq!(applied(text, &edits).unwrap(), r#"{"x":0,"y":0,"a":10}"#);
    }

    #[test]
    fn overlapping_edits_write_nothing() {
        let text = r#"{"a":{"b":1},"c":2}"#;
        let pairs: [[(&str, bool); 2]; 4] = [
            [(r#""a":{"b":1}"#, true), (r#""b":1"#, true)],
            [(r#""a":{"b":1}"#, true), ("1", false)],
            [(r#"{"b":1}"#, false), ("1", false)],
            [("1", false), ("1", false)],
        ];
        for pair in pairs {
            let mut edits = Edits::new();
            for (part, is_cut) in pair {
                if is_cut { edits.cut(span(text, part)) } else { edits.replace(span(text, part), b"x") }
            }
            let mut out = b"kept".to_vec();
            assert!(matches!(edits.apply(text.as_bytes(), &mut out), Err(EditError::Overlap { .. })), "{pair:?}");
            assert_eq!(out, b"kept");
        }
    }

    #[test]
    fn an_edit_outside_the_document_writes_nothing() {
        for (start, end) in [(0, 4), (4, 4), (2, 1), (u32::MAX, u32::MAX)] {
            let mut replaced = Edits::new();
            replaced.replace(Span { start, end }, b"x");
            assert_eq!(applied("[1]", &replaced), Err(EditError::OutOfRange { at: start }));
            let mut cut = Edits::new();
            cut.cut(Span { start: 1, end: 2 });
            cut.cut(Span { start, end });
            assert!(applied("[1]", &cut).is_err());
        }
    }

    #[test]
    fn a_cut_tells_what_it_takes_away() {
        let mut edits = Edits::new();
        edits.cut(Span { start: 5, end: 9 });
        edits.replace(Span { start: 20, end: 29 }, b"");
        assert!(edits.is_cut(Span { start: 5, end: 9 }) && edits.is_cut(Span { start: 6, end: 8 }));
        assert!(!edits.is_cut(Span { start: 4, end: 6 }) && !edits.is_cut(Span { start: 21, end: 22 }));
    }
}
