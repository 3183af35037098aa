//! `_elements` and `_summary`: a part of each resource, marked as such (FHIR R4 search.html §3.1.1.5.8 and .9).

use crate::fhir::ResourceType;
use crate::fhir::knowledge::Knowledge;
use crate::fhir::search::fragment::Fragment;
use crate::fhir::search::{Query, Summary};

/// Which top-level elements stay.
#[derive(Clone, Debug)]
pub(super) enum Subset {
    /// These, as members.
    Only(Vec<String>),
    /// All but the narrative.
    WithoutText,
}

/// Says that the resource is not whole.
const SUBSETTED: &str =
    r#"[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]"#;

impl Subset {
    /// What a query asks for; `None` for whole resources.
    pub(super) fn of(query: &Query, knowledge: &Knowledge, resource_type: ResourceType) -> Option<Self> {
        let facts = knowledge.of(resource_type);
        let mandatory = || facts.mandatory.iter().cloned();
        match query.summary {
            Some(Summary::True) => return Some(Self::Only(facts.summary.iter().cloned().chain(mandatory()).collect())),
            Some(Summary::Text) => return Some(Self::Only(mandatory().chain(["text".to_owned()]).collect())),
            Some(Summary::Data) => return Some(Self::WithoutText),
            Some(Summary::Count | Summary::False) | None => {}
        }
        if query.elements.is_empty() {
            return None;
        }
        Some(Self::Only(query.elements.iter().cloned().chain(mandatory()).collect()))
    }

    /// Appends the part of `resource` that stays.
    pub(super) fn write(&self, resource: &[u8], out: &mut Vec<u8>) {
        let view = Fragment::new(resource);
        out.push(b'{');
        let mut first = true;
        for (name, value) in view.members() {
            let Ok(name) = std::str::from_utf8(name) else { continue };
            if name == "meta" || !self.keeps(name) {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            member(name, value.bytes(), out);
        }
        out.extend_from_slice(b",\"meta\":{");
        for (name, value) in view.get("meta").into_iter().flat_map(Fragment::members) {
            if matches!(name, b"versionId" | b"lastUpdated" | b"profile" | b"security") {
                member(std::str::from_utf8(name).unwrap_or_default(), value.bytes(), out);
                out.push(b',');
            }
        }
        out.extend_from_slice(b"\"tag\":");
        out.extend_from_slice(SUBSETTED.as_bytes());
        out.extend_from_slice(b"}}");
    }

    fn keeps(&self, name: &str) -> bool {
        let element = name.strip_prefix('_').unwrap_or(name);
        if matches!(element, "resourceType" | "id") {
            return true;
        }
        match self {
            Self::WithoutText => element != "text",
            // A choice element is asked for by its name without the type (`value` for `valueQuantity`).
            Self::Only(names) => names.iter().any(|wanted| {
                element.strip_prefix(wanted.as_str()).is_some_and(|rest| {
                    rest.is_empty() || (is_choice(wanted) && rest.starts_with(|c: char| c.is_ascii_uppercase()))
                })
            }),
        }
    }
}

/// The elements of served types that have a type in their name.
fn is_choice(name: &str) -> bool {
    matches!(
        name,
        "value"
            | "effective"
            | "onset"
            | "abatement"
            | "deceased"
            | "multipleBirth"
            | "medication"
            | "reported"
            | "performed"
            | "occurrence"
            | "asNeeded"
            | "quantity"
            | "statusReason"
            | "serviced"
            | "content"
            | "product"
            | "timing"
            | "collected"
            | "allowed"
            | "created"
            | "start"
            | "due"
    )
}

fn member(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(value);
}
