//! The check: one pass over the bytes of a JSON string, without a copy.

use super::policy;

/// Elements that may be open at once: more is written anew, flatter.
pub(super) const DEEPEST: usize = 48;

/// Whether the content of this JSON string is a `div` that holds only what is allowed, balanced, in the spelling that
/// every parser reads alike.
pub(super) fn is_clean(content: &[u8]) -> bool {
    Walk { rest: content, open: [""; DEEPEST], depth: 0, begun: false }.all().is_some()
}

struct Walk<'a> {
    rest: &'a [u8],
    open: [&'static str; DEEPEST],
    depth: usize,
    begun: bool,
}

impl<'a> Walk<'a> {
    /// `None` as soon as anything is not as it must be.
    fn all(mut self) -> Option<()> {
        while let Some(at) = memchr::memchr3(b'<', b'&', b'\\', self.rest) {
            let text = self.rest.get(..at)?;
            if self.depth == 0 && !text.trim_ascii().is_empty() {
                return None;
            }
            self.rest = self.rest.get(at..)?;
            match self.rest.first()? {
                b'<' => self.tag()?,
                // Around the root: white space alone.
                b'\\' if self.depth == 0 && matches!(self.rest.get(1)?, b'n' | b't' | b'r') => self.skip(2)?,
                _ if self.depth == 0 => return None,
                b'&' => self.skip(policy::reference(self.rest)?)?,
                _ => self.escape()?,
            }
        }
        (self.begun && self.depth == 0 && self.rest.trim_ascii().is_empty()).then_some(())
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }

    fn eat(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// An escape of JSON within text. One that spells a character of ASCII may spell markup.
    fn escape(&mut self) -> Option<()> {
        match self.rest.get(1)? {
            b'n' | b't' | b'r' | b'"' | b'/' | b'\\' => self.skip(2),
            b'u' => {
                let digits = std::str::from_utf8(self.rest.get(2..6)?).ok()?;
                let code = u32::from_str_radix(digits, 16).ok()?;
                // Not the end of the Basic Multilingual Plane either: no characters of XML.
                if (0xa0..0xfffe).contains(&code) { self.skip(6) } else { None }
            }
            _ => None,
        }
    }

    fn tag(&mut self) -> Option<()> {
        self.skip(1)?;
        if self.rest.first() == Some(&b'/') {
            self.skip(1)?;
            let name = self.name();
            self.depth = self.depth.checked_sub(1)?;
            (self.open.get(self.depth)?.as_bytes() == name).then_some(())?;
            return self.eat(b">");
        }
        let element = policy::element(self.name())?;
        if self.depth == 0 {
            // One root, a div.
            (element == "div" && !std::mem::replace(&mut self.begun, true)).then_some(())?;
        }
        while self.rest.first() == Some(&b' ') {
            self.rest = self.rest.trim_ascii_start();
            if !matches!(self.rest.first(), Some(b'/' | b'>')) {
                self.attribute(element)?;
            }
        }
        if policy::is_void(element) {
            return self.eat(b"/>");
        }
        self.eat(b">")?;
        *self.open.get_mut(self.depth)? = element;
        self.depth = self.depth.checked_add(1)?;
        Some(())
    }

    /// The name of an element or attribute.
    fn name(&mut self) -> &'a [u8] {
        let is_name = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b':';
        let length = self.rest.iter().position(|byte| !is_name(byte)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(length).unwrap_or_default();
        self.rest = rest;
        name
    }

    /// `name="value"`, the quotes escaped as they are in JSON.
    fn attribute(&mut self, element: &str) -> Option<()> {
        let whole = self.rest;
        let length = self.name().len();
        self.eat(b"=\\\"")?;
        let end = memchr::memchr(b'\\', self.rest)?;
        let value = self.rest.get(..end)?;
        policy::allows(element, whole.get(..length)?, value).then_some(())?;
        self.skip(end)?;
        self.eat(b"\\\"")
    }
}
