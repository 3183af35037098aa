//! The search for text that must not leave (the host of a source), in every string of a document, keys among them,
//! with escapes decoded: `http:\/\/ehr.example` and `\u0065hr.example` are found as well. ASCII letters match in
//! either case, as host names do.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::lexer::{Depth, Lexer};
use super::strings::unescape;
use super::{RawResource, ScanError, Span};

/// A string that mentions the text sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MentionSpan {
    /// The member of the document's outermost object (or the item of its outermost array) in which the string stands.
    /// Cutting it removes the mention for certain.
    pub member: Span,
    /// The innermost member or array item in which the string stands: the least that can be cut.
    pub nearest: Span,
    /// The string itself with its quotes; a key, when the key mentions the text.
    pub value: Span,
}

/// Whether any string of the document contains `needle`. An empty needle is mentioned nowhere; bytes that are not JSON
/// count as mentioning it.
#[must_use]
pub fn mentions(bytes: &[u8], needle: &str) -> bool {
    Needle::new(needle).is_some_and(|needle| needle.is_mentioned(bytes))
}

/// Every string of a scanned document that contains `needle`, in document order.
///
/// # Errors
/// Bytes that are not JSON: nothing can be said of them, so nothing of them may leave.
pub fn strings_that_mention(bytes: &[u8], needle: &str) -> Result<Vec<MentionSpan>, ScanError> {
    Needle::new(needle).map_or_else(|| Ok(Vec::new()), |needle| needle.strings(bytes))
}

impl Needle {
    /// [`mentions`], for a text that is sought many times.
    #[must_use]
    pub fn is_mentioned(&self, bytes: &[u8]) -> bool {
        // Usually the bytes do not contain it as they stand, and hold no escape that could hide it.
        if !self.needs_escape && !self.is_found(bytes) && !has_telling_escape(bytes) {
            return false;
        }
        let mut lexer = Lexer::new(bytes);
        loop {
            match lexer.next_string() {
                Ok(Some(text)) if self.is_in(text.content, text.escaped) => return true,
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    }

    /// [`Self::is_mentioned`] in a scanned resource, whose scan has seen what escapes there are.
    #[must_use]
    pub fn is_mentioned_in(&self, raw: &RawResource) -> bool {
        (self.needs_escape || raw.facts.numbered_escape || self.is_found(&raw.bytes)) && self.is_mentioned(&raw.bytes)
    }

    /// [`strings_that_mention`], for a text that is sought many times.
    ///
    /// # Errors
    /// Bytes that are not JSON.
    pub fn strings(&self, bytes: &[u8]) -> Result<Vec<MentionSpan>, ScanError> {
        let mut search = Search { lexer: Lexer::new(bytes), depth: Depth::default(), needle: self, found: Vec::new() };
        search.lexer.whitespace();
        search.value(true)?;
        search.lexer.end()?;
        Ok(search.found)
    }
}

struct Search<'a, 'n> {
    lexer: Lexer<'a>,
    depth: Depth,
    needle: &'n Needle,
    found: Vec<MentionSpan>,
}

impl Search<'_, '_> {
    /// One value; `is_root` for the document itself, whose members are the outermost.
    fn value(&mut self, is_root: bool) -> Result<(), ScanError> {
        let (open, close) = match self.lexer.peek() {
            Some(b'{') => (b'{', b'}'),
            Some(b'[') => (b'[', b']'),
            Some(b'"') => return self.string(),
            _ => return self.lexer.skip_value(self.depth),
        };
        self.lexer.expect_byte(open)?;
        self.depth.enter(self.lexer)?;
        self.lexer.whitespace();
        if !self.lexer.take(close) {
            loop {
                let start = self.lexer.at();
                let before = self.found.len();
                if open == b'{' {
                    self.string()?;
                    self.lexer.colon()?;
                }
                // A string that stands here itself is told from those further inside by where its value stands.
                let direct = self.found.len();
                let is_string = self.lexer.peek() == Some(b'"');
                self.value(false)?;
                let span = Span { start, end: self.lexer.at() };
                let nearest_until = if is_string { self.found.len() } else { direct };
                for (index, mention) in self.found.iter_mut().enumerate().skip(before) {
                    if index < nearest_until {
                        mention.nearest = span;
                    }
                    if is_root {
                        mention.member = span;
                    }
                }
                if !self.lexer.comma_or(close)? {
                    break;
                }
            }
        }
        self.depth.leave();
        Ok(())
    }

    fn string(&mut self) -> Result<(), ScanError> {
        let start = self.lexer.at();
        let text = self.lexer.string()?;
        if self.needle.is_in(text.content, text.escaped) {
            let value = Span { start, end: self.lexer.at() };
            self.found.push(MentionSpan { member: value, nearest: value, value });
        }
        Ok(())
    }
}

/// The text sought, with what makes the search for it quick.
#[derive(Clone, Debug)]
pub struct Needle {
    text: Box<[u8]>,
    /// Where in the text its rarest byte stands, and that byte in both cases.
    anchor: usize,
    lower: u8,
    upper: u8,
    /// For a text without letters, which has one spelling: quicker where its rarest byte is common, as in an address.
    exact: Option<Finder<'static>>,
    /// The text has characters that JSON can, or must, write as an escape other than `\u00..`.
    needs_escape: bool,
}

impl Needle {
    /// The text to seek; none when it is empty.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let needs_escape = text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | b'/' | 0..0x20 | 0x7F..));
        let (anchor, byte) = text.bytes().enumerate().min_by_key(|(_, byte)| commonness(*byte))?;
        let (lower, upper) = (byte.to_ascii_lowercase(), byte.to_ascii_uppercase());
        let has_letters = text.bytes().any(|byte| byte.is_ascii_alphabetic());
        let exact = (!has_letters).then(|| Finder::new(text).into_owned());
        Some(Self { text: text.as_bytes().into(), anchor, lower, upper, exact, needs_escape })
    }

    /// Whether the bytes as they stand contain the text.
    fn is_found(&self, bytes: &[u8]) -> bool {
        if let Some(exact) = &self.exact {
            return exact.find(bytes).is_some();
        }
        let is_here = |at: usize| {
            let found = at.checked_sub(self.anchor).and_then(|start| bytes.get(start..)?.get(..self.text.len()));
            found.is_some_and(|found| found.eq_ignore_ascii_case(&self.text))
        };
        memchr::memchr2_iter(self.lower, self.upper, bytes).any(is_here)
    }

    fn is_in(&self, content: &[u8], escaped: bool) -> bool {
        if !escaped {
            return self.is_found(content);
        }
        // The scan lets no malformed escape through; should one come all the same, it hides nothing.
        unescape(content).is_none_or(|text| self.is_found(text.as_bytes()))
    }
}

/// A rough order of how often a byte stands in FHIR JSON: an anchor that seldom occurs seldom stops the search.
const fn commonness(byte: u8) -> u8 {
    match byte.to_ascii_lowercase() {
        b'j' | b'q' | b'x' | b'z' => 1,
        b'k' | b'w' => 2,
        b'v' | b'y' | b'b' => 3,
        b'.' | b'-' | b'g' | b'f' => 4,
        b'p' | b'h' | b'm' | b'u' => 5,
        b'0'..=b'9' | b'd' | b'l' => 6,
        b'"' | b':' | b',' | b'/' => 9,
        _ => 8,
    }
}

/// Whether some escape writes a character of Latin-1 by its number: the only escapes that can spell plain ASCII text.
fn has_telling_escape(bytes: &[u8]) -> bool {
    static ESCAPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\\u00"));
    ESCAPE.find(bytes).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_however_it_is_spelled() {
        let host = "ehr.example";
        for text in [
            r#"{"url":"https://ehr.example/fhir"}"#,
            r#"{"url":"https:\/\/EHR.Example\/fhir"}"#,
            r#"{"url":"https://\u0065hr.example"}"#,
            r#"{"url":"https://ehr\u002Eexample"}"#,
            r#"{"a":[{"ehr.example":1}]}"#,
            r#"["\nehr.example"]"#,
        ] {
            assert!(mentions(text.as_bytes(), host), "{text}");
            assert_eq!(strings_that_mention(text.as_bytes(), host).unwrap().len(), 1, "{text}");
        }
    }

    #[test]
    fn other_text_is_not_mistaken_for_the_host() {
        for text in [
            r#"{"url":"https://ehr.exampl/e"}"#,
            r#"["ehr","example"]"#,
            r#"["ehr.","example"]"#,
            r#"["\u0065hr,example"]"#,
        ] {
            assert!(!mentions(text.as_bytes(), "ehr.example"), "{text}");
        }
        // The text is "<line feed>ews.example".
        assert!(!mentions(br#"["\news.example"]"#, "news.example"));
        assert!(mentions(br#"["\news.example","news.example"]"#, "news.example"));
        assert!(!mentions(br#"["a"]"#, ""));
    }

    #[test]
    fn a_scanned_resource_is_told_alike() {
        let needle = Needle::new("ehr.example").unwrap();
        for (member, is_named) in [
            (r#""url":"https://EHR.example/fhir""#, true),
            (r#""url":"https://\u0065hr.example""#, true),
            (r#""\u00e9":1,"url":"https://ehr\u002Eexample""#, true),
            (r#""a":[{"b":{"ehr.example":1}}]"#, true),
            (r#""contained":[{"resourceType":"Patient","x":"ehr\u002eexample"}]"#, true),
            (r#""a":"\n\"ehr","b":"\u00e9.example""#, false),
            (r#""a":"ehr_example""#, false),
        ] {
            let text = format!(r#"{{"resourceType":"Observation","id":"1",{member}}}"#);
            let page = format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{text}}}]}}"#);
            let knowledge = crate::fhir::knowledge::Knowledge::embedded().unwrap();
            let alone = crate::fhir::scan::scan_resource(text.into(), knowledge);
            let of_page = crate::fhir::scan::scan_bundle(page.into(), knowledge).unwrap().entries;
            // An escaped key is refused.
            let Ok(alone) = alone else {
                assert!(member.starts_with(r#""\u"#) && of_page.is_empty(), "{member}");
                continue;
            };
            for raw in [&alone, &of_page.first().unwrap().resource] {
                assert_eq!(needle.is_mentioned_in(raw), is_named, "{member}");
                assert_eq!(needle.is_mentioned(&raw.bytes), is_named, "{member}");
            }
        }
    }

    #[test]
    fn what_is_not_json_is_taken_to_mention_it() {
        assert!(mentions(br#"["\u00zz"]"#, "ehr.example"));
        assert!(strings_that_mention(br#"["a"#, "ehr.example").is_err());
    }

    #[test]
    fn the_outermost_and_the_innermost_member_are_told() {
        let text = r#"{"id":"a","extension":[{"url":"x"},{"valueUrl":"http://H/a" }],"note" : ["h","b"]}"#;
        let found = strings_that_mention(text.as_bytes(), "h").unwrap();
        let shown = |span: Span| std::str::from_utf8(span.of(text.as_bytes())).unwrap();
        let shown: Vec<_> =
            found.iter().map(|mention| [mention.member, mention.nearest, mention.value].map(shown)).collect();
        let extension = r#""extension":[{"url":"x"},{"valueUrl":"http://H/a" }]"#;
        let expected = [
            [extension, r#""valueUrl":"http://H/a""#, r#""http://H/a""#],
            [r#""note" : ["h","b"]"#, r#""h""#, r#""h""#],
        ];
        assert_eq!(shown, expected);
    }
}
