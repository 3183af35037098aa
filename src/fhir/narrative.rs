//! The XHTML of narratives (FHIR R4 narrative.html §2.4.0): what apps put into their own pages as it stands.
//!
//! Nothing leaves that a browser could run or fetch. Most narratives are clean: one pass over their bytes says so, and
//! they stay as they are. Any other one is written anew from what is allowed; what is not understood becomes text or
//! goes. What is written anew passes the same check.

mod check;
mod clean;
mod policy;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::scan::{Span, quoted, unescape};

/// The narratives of a resource that must not leave as they are, contained ones too: the content of each string,
/// without its quotes, and what to put in its place, escaped for JSON.
#[must_use]
pub fn unclean(resource: &[u8]) -> Vec<(Span, Vec<u8>)> {
    static DIV: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"div\""));
    let mut found = Vec::new();
    // Only a Narrative has an element of this name. The quotes tell it from text, where they would be escaped.
    for at in DIV.find_iter(resource) {
        let Some(span) = value_behind(resource, at.saturating_add(b"\"div\"".len())) else { continue };
        let content = span.of(resource);
        if !check::is_clean(content) {
            let text = unescape(content).unwrap_or_default();
            found.push((span, escaped(&clean::clean(&text))));
        }
    }
    found
}

/// The content of the string that is the value of a key which ends at `at`.
fn value_behind(resource: &[u8], at: usize) -> Option<Span> {
    let behind = resource.get(at..)?.trim_ascii_start().strip_prefix(b":")?;
    let content = behind.trim_ascii_start().strip_prefix(b"\"")?;
    let start = resource.len().checked_sub(content.len())?;
    let mut length = 0_usize;
    loop {
        let rest = content.get(length..)?;
        let stop = memchr::memchr2(b'"', b'\\', rest)?;
        length = length.checked_add(stop)?;
        if rest.get(stop) == Some(&b'"') {
            let end = start.checked_add(length)?;
            return Some(Span { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? });
        }
        // An escape: what follows the backslash ends nothing.
        length = length.checked_add(2)?;
    }
}

/// The text as it stands within a JSON string.
fn escaped(text: &str) -> Vec<u8> {
    let quoted = quoted(text);
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().as_bytes().to_vec()
}
