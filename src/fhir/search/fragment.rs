//! A reader for the small JSON fragments that the scanner captured. The scanner has checked the syntax already; on
//! bytes that are not JSON the reader finds nothing, and never panics.

use std::borrow::Cow;

/// A JSON value as the bytes of its source.
#[derive(Clone, Copy)]
pub struct Fragment<'a>(&'a [u8]);

impl<'a> Fragment<'a> {
    /// The value that these bytes spell.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.trim_ascii())
    }

    /// The members of an object, in order; none when this is not an object.
    #[must_use]
    pub fn members(self) -> Members<'a> {
        Members(self.0.strip_prefix(b"{").unwrap_or_default())
    }

    /// The items of an array; none when this is not an array.
    #[must_use]
    pub fn items(self) -> Items<'a> {
        Items { rest: self.0.strip_prefix(b"[").unwrap_or_default(), single: None }
    }

    /// Whether this is an array without items: not FHIR JSON (R4 json.html §2.6.2), and nothing said.
    #[must_use]
    pub fn is_empty_list(self) -> bool {
        self.0.strip_prefix(b"[").is_some_and(|rest| rest.trim_ascii_start() == b"]")
    }

    /// The items of an array, or the value itself when it is not one.
    #[must_use]
    pub fn each(self) -> Items<'a> {
        if self.0.first() == Some(&b'[') { self.items() } else { Items { rest: &[], single: Some(self) } }
    }

    /// The member of an object with this name.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Fragment<'a>> {
        self.members().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
    }

    /// Every value at a dotted path below this object; arrays on the way are entered.
    pub fn at(self, path: &str, visit: &mut impl FnMut(Fragment<'a>)) {
        if path.is_empty() {
            self.each().for_each(visit);
            return;
        }
        let (step, rest) = path.split_once('.').unwrap_or((path, ""));
        for item in self.each() {
            if let Some(value) = item.get(step) {
                value.at(rest, visit);
            }
        }
    }

    /// The text of a string, escapes decoded.
    #[must_use]
    pub fn text(self) -> Option<Cow<'a, str>> {
        let content = self.0.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        if memchr::memchr(b'\\', content).is_some() {
            return serde_json::from_slice::<String>(self.0).ok().map(Cow::Owned);
        }
        std::str::from_utf8(content).ok().map(Cow::Borrowed)
    }

    /// The text of the string member with this name.
    #[must_use]
    pub fn text_of(self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.text()
    }

    /// The literal of a number, as it is written.
    #[must_use]
    pub fn number(self) -> Option<&'a str> {
        let first = self.0.first()?;
        if *first == b'-' || first.is_ascii_digit() { std::str::from_utf8(self.0).ok() } else { None }
    }

    /// The value as it stands in the document.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The value of a boolean.
    #[must_use]
    pub fn boolean(self) -> Option<bool> {
        match self.0 {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// Whether this holds more than `id` and `extension`: an element that only explains its absence has no value.
    #[must_use]
    pub fn has_value(self) -> bool {
        match self.0.first() {
            Some(b'{') => self.members().any(|(key, _)| key != b"id" && key != b"extension"),
            Some(b'[') => self.items().any(Self::has_value),
            Some(b'n') | None => false,
            Some(_) => true,
        }
    }
}

/// Iterator of [`Fragment::members`]: key content without quotes, and value.
pub struct Members<'a>(&'a [u8]);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Fragment<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = skip_separators(self.0);
        let (key, rest) = rest.split_at_checked(string_length(rest)?)?;
        let key = key.get(1..key.len().checked_sub(1)?)?;
        let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let (value, rest) = rest.split_at_checked(value_length(rest)?)?;
        self.0 = rest;
        Some((key, Fragment(value)))
    }
}

/// Iterator of [`Fragment::items`] and [`Fragment::each`].
pub struct Items<'a> {
    rest: &'a [u8],
    single: Option<Fragment<'a>>,
}

impl<'a> Iterator for Items<'a> {
    type Item = Fragment<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(single) = self.single.take() {
            return Some(single);
        }
        let rest = skip_separators(self.rest);
        let (value, rest) = rest.split_at_checked(value_length(rest)?)?;
        self.rest = rest;
        Some(Fragment(value))
    }
}

fn skip_separators(bytes: &[u8]) -> &[u8] {
    let rest = bytes.trim_ascii_start();
    rest.strip_prefix(b",").map_or(rest, <[u8]>::trim_ascii_start)
}

/// Length of the string that begins here, with both quotes.
fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    bytes.first().filter(|byte| **byte == b'"')?;
    loop {
        let step = memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        at += step + 1;
        if bytes.get(at - 1) == Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

/// Length of the value that begins here; `None` at a closing bracket or the end.
fn value_length(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'"' => string_length(bytes),
        b'{' | b'[' => {
            let (mut at, mut depth) = (0, 0_usize);
            loop {
                match bytes.get(at)? {
                    b'"' => at += string_length(bytes.get(at..)?)?,
                    b'{' | b'[' => {
                        depth += 1;
                        at += 1;
                    }
                    b'}' | b']' => {
                        depth -= 1;
                        at += 1;
                        if depth == 0 {
                            return Some(at);
                        }
                    }
                    _ => at += 1,
                }
            }
        }
        b'}' | b']' | b',' => None,
        _ => Some(
            bytes
                .iter()
                .position(|byte| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace())
                .unwrap_or(bytes.len()),
        ),
    }
}
