//! Reference parameters, FHIR R4 search §3.1.1.4.12.

use super::fragment::Fragment;
use super::query::ReferenceValue;
use super::{token, uri};
use crate::fhir::ResourceType;
use crate::fhir::knowledge::DataType;
use crate::fhir::reference::{LocalReference, ReferenceForm, parse_reference, plain};

/// Whether an element of this datatype points to the wanted resource. A version on either side does not matter.
/// References to contained resources and by URN never match: they name nothing that can be asked for.
pub(super) fn holds(
    wanted: &ReferenceValue,
    found: Fragment<'_>,
    datatype: DataType,
    targets: &[ResourceType],
    base: Option<&str>,
) -> bool {
    if let ReferenceValue::Identifier(identifier) = wanted {
        return found.get("identifier").is_some_and(|found| token::holds(identifier, found, DataType::Identifier));
    }
    let text = match datatype {
        DataType::Reference => found.get("reference").and_then(Fragment::text),
        DataType::Canonical | DataType::Uri | DataType::Url => found.text(),
        _ => None,
    };
    let Some(text) = text else { return false };
    match wanted {
        ReferenceValue::Local { resource_type, id } => {
            let is_wanted = |local: LocalReference<'_>| {
                local.id == id
                    && resource_type.as_deref().is_none_or(|wanted| wanted == local.type_name)
                    && local.resource_type().is_some_and(|found| targets.is_empty() || targets.contains(&found))
            };
            // `Type/id` on both sides, as nearly always.
            if let (Some(kind), Some((found, found_id))) = (resource_type, plain(text.as_bytes())) {
                let is_same = (found, found_id) == (kind.as_bytes(), id.as_bytes());
                return is_same && is_wanted(LocalReference { type_name: kind, id, version: None });
            }
            matches!(parse_reference(&text, base), ReferenceForm::Local(local) if is_wanted(local))
        }
        ReferenceValue::Url(url) if datatype == DataType::Reference => {
            match (parse_reference(url, base), parse_reference(&text, base)) {
                (ReferenceForm::Local(wanted), ReferenceForm::Local(found)) => {
                    wanted.type_name == found.type_name && wanted.id == found.id
                }
                (ReferenceForm::Foreign, ReferenceForm::Foreign) => without_version(url) == without_version(&text),
                _ => false,
            }
        }
        ReferenceValue::Url(url) => uri::same(url, &text, datatype),
        ReferenceValue::Identifier(_) => false,
    }
}

/// Whether a Reference points to a resource of this type at the source.
pub(super) fn points_to(found: Fragment<'_>, target: ResourceType, base: Option<&str>) -> bool {
    found.get("reference").and_then(Fragment::text).is_some_and(|text| {
        if let Some((kind, _)) = plain(text.as_bytes()) {
            return kind == target.as_str().as_bytes();
        }
        matches!(parse_reference(&text, base), ReferenceForm::Local(local) if local.type_name == target.as_str())
    })
}

fn without_version(url: &str) -> &str {
    url.split_once("/_history/").map_or(url, |(url, _)| url)
}
