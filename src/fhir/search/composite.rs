//! Composite parameters, FHIR R4 search §3.1.1.4.15: the parts must hold together, on one element.

use super::evaluate::{Evaluation, any_element, element_holds};
use super::fragment::Fragment;
use super::query::Value;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::SearchParameter;
use crate::fhir::scan::RawResource;

/// Whether all parts hold on the resource as a whole, or within one of the repeating elements.
pub(super) fn holds(parts: &[Value], parameter: &SearchParameter, resource: &RawResource, cx: &Evaluation<'_>) -> bool {
    if parts.is_empty() || parts.len() != parameter.components.len() {
        return false;
    }
    let part_holds =
        |part: &Value, found: Fragment<'_>, datatype| element_holds(part, None, found, datatype, ResourceType::ALL, cx);
    let pairs = || parameter.components.iter().zip(parts);
    let on_root = pairs().all(|(component, part)| {
        any_element(&component.root, resource, cx, &mut |found, datatype| part_holds(part, found, datatype))
    });
    on_root
        || any_element(&parameter.paths, resource, cx, &mut |element, _| {
            pairs().all(|(component, part)| {
                component.members.iter().any(|member| {
                    element
                        .get(&member.name)
                        .is_some_and(|found| found.each().any(|found| part_holds(part, found, member.datatype)))
                })
            })
        })
}
