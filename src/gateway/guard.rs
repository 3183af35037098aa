//! The last guard before bytes leave (security design, section 8, step 21): a second look at what the rewriting made,
//! by other means. It finds nothing as long as the rewriting is right; what it does find is not sent.

use std::sync::{Arc, LazyLock};

use memchr::memmem::Finder;

use super::chart::Chart;
use super::rewrite::Unwritable;
use crate::fhir::scan::Needle;

/// Elements whose text is a reference or an address, by the end of their names. Elsewhere `Patient/…` may be prose
/// ("Patient/caregiver education").
const ADDRESSES: [&[u8]; 6] = [b"reference", b"url", b"uri", b"canonical", b"source", b"system"];

/// Refuses a rewritten resource that still refers to a Patient other than the person in context, or names a source's
/// host.
///
/// # Errors
/// [`Unwritable::Leak`].
pub(super) fn check(bytes: &[u8], chart: &Chart, authorities: &[Arc<Needle>]) -> Result<(), Unwritable> {
    let leak = if names_other_patient(bytes, chart) {
        "another patient"
    } else if authorities.iter().any(|authority| authority.is_mentioned(bytes)) {
        "a source's host"
    } else {
        return Ok(());
    };
    Err(Unwritable::Leak(leak))
}

fn names_other_patient(bytes: &[u8], chart: &Chart) -> bool {
    let own = chart.reference.strip_prefix("Patient/").unwrap_or_default().as_bytes();
    static PATIENT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"Patient"));
    PATIENT.find_iter(bytes).any(|at| {
        let behind = bytes.get(at.saturating_add(b"Patient".len())..).unwrap_or_default();
        let Some(id) = behind.strip_prefix(b"/").or_else(|| behind.strip_prefix(b"\\/")) else { return false };
        let end = id.iter().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')));
        let id = id.get(..end.unwrap_or(id.len())).unwrap_or_default();
        let before = bytes.get(..at).unwrap_or_default();
        // RelatedPatient/… is no Patient.
        let is_word = !before.last().is_some_and(u8::is_ascii_alphanumeric);
        !id.is_empty() && is_word && id != own && !is_own_record(id, chart) && stands_in_address(before)
    })
}

/// The person's own record at this source, as the source or as the gateway (`{source key}.{id}`) calls it.
fn is_own_record(id: &[u8], chart: &Chart) -> bool {
    let key = chart.key();
    let rest = id.strip_prefix(key.as_str().as_bytes()).and_then(|rest| rest.strip_prefix(b".")).unwrap_or(id);
    std::str::from_utf8(rest).is_ok_and(|id| chart.is_patient(id))
}

/// Whether the string that is open at the end of `before` is the value of an element for references or addresses.
fn stands_in_address(before: &[u8]) -> bool {
    let Some(quote) = memchr::memrchr(b'"', before) else { return false };
    let key = before.get(..quote).unwrap_or_default().trim_ascii_end();
    // An item of a list has its key further ahead: it counts as an address.
    let Some(key) = key.strip_suffix(b":") else { return key.ends_with(b"[") || key.ends_with(b",") };
    let Some(key) = key.trim_ascii_end().strip_suffix(b"\"") else { return false };
    let key = key.get(memchr::memrchr(b'"', key).map_or(0, |at| at.saturating_add(1))..).unwrap_or_default();
    ADDRESSES.iter().any(|end| {
        key.len().checked_sub(end.len()).and_then(|at| key.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    })
}
