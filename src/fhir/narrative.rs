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

use super::scan::{RawResource, Span, quoted, unescape};

/// Those of a resource's narratives, contained ones too, that must not leave as they are: the content of each string,
/// without its quotes, and what to put in its place, escaped for JSON.
pub fn unclean(resource: &RawResource) -> impl Iterator<Item = (Span, Vec<u8>)> + '_ {
    let dirty = |span: &&Span| !check::is_clean(span.of(&resource.bytes));
    resource.facts.narratives.iter().filter(dirty).map(|span| {
        let text = unescape(span.of(&resource.bytes)).unwrap_or_default();
        (*span, escaped(&clean::clean(&text)))
    })
}

/// The text as it stands within a JSON string.
fn escaped(text: &str) -> Vec<u8> {
    let quoted = quoted(text);
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().as_bytes().to_vec()
}
