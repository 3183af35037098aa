//! URI parameters, FHIR R4 search §3.1.1.4.13.

use crate::fhir::knowledge::{DataType, Modifier};

/// Whether an element's URI matches. `:above` and `:below` apply to URLs, not to URNs, and end at whole segments.
pub(super) fn holds(wanted: &str, modifier: Option<Modifier>, found: &str, datatype: DataType) -> bool {
    match modifier {
        Some(Modifier::Below) => same(wanted, found, datatype) || encloses(wanted, found),
        Some(Modifier::Above) => same(wanted, found, datatype) || encloses(found, wanted),
        _ => same(wanted, found, datatype),
    }
}

/// Equality, byte for byte. A canonical without a version in the search is any version of it.
pub(super) fn same(wanted: &str, found: &str, datatype: DataType) -> bool {
    wanted == found
        || (datatype == DataType::Canonical
            && !wanted.contains('|')
            && found.split_once('|').is_some_and(|(url, _)| url == wanted))
}

fn encloses(outer: &str, inner: &str) -> bool {
    if outer.starts_with("urn:") {
        return false;
    }
    let outer = outer.strip_suffix('/').unwrap_or(outer);
    inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}
