//! The text of JSON strings: escapes decoded and written.

use std::borrow::Cow;

use super::lexer::{behind_escape, hex4};

/// A string's text, given its content without the quotes: borrowed when it has no escapes. `None` for a malformed
/// escape or bytes that are not UTF-8, neither of which the scan lets through.
#[must_use]
pub fn unescape(content: &[u8]) -> Option<Cow<'_, str>> {
    let Some(first) = memchr::memchr(b'\\', content) else {
        return std::str::from_utf8(content).ok().map(Cow::Borrowed);
    };
    let mut text = Vec::with_capacity(content.len());
    let mut rest = content;
    let mut next = Some(first);
    while let Some(at) = next {
        let (plain, escape) = rest.split_at_checked(at)?;
        text.extend_from_slice(plain);
        let escape = escape.strip_prefix(b"\\")?;
        rest = behind_escape(escape)?;
        let mut utf8 = [0; 4];
        text.extend_from_slice(decode(escape)?.encode_utf8(&mut utf8).as_bytes());
        next = memchr::memchr(b'\\', rest);
    }
    text.extend_from_slice(rest);
    String::from_utf8(text).ok().map(Cow::Owned)
}

/// The text as a JSON string, with its quotes.
#[must_use]
pub fn quoted(text: &str) -> String {
    // Strings always have a JSON form.
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// The character that an escape stands for, given the text behind its backslash.
fn decode(escape: &[u8]) -> Option<char> {
    let (kind, rest) = escape.split_first()?;
    match kind {
        b'b' => Some('\u{8}'),
        b'f' => Some('\u{c}'),
        b'n' => Some('\n'),
        b'r' => Some('\r'),
        b't' => Some('\t'),
        b'u' => match hex4(rest)? {
            (high @ 0xD800..=0xDBFF, rest) => {
                let (low, _) = hex4(rest.strip_prefix(b"\\u")?)?;
                char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + low.checked_sub(0xDC00)?)
            }
            (code, _) => char::from_u32(code),
        },
        plain => Some(char::from(*plain)),
    }
}
