use crate::fhir::ResourceType;
use crate::fhir::knowledge::{AuthorizationKind, Several};
use crate::fhir::reference::{ReferenceForm, parse_reference};
use crate::fhir::scan::{self, RawResource, ReferenceSpan};
use crate::fhir::search::fragment::Fragment;
use crate::fhir::shape::CaptureId;

/// Whose resource it is, as far as it can be told from the resource itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// The person in context.
    Person,
    /// Nobody: shared reference data.
    Nobody,
    /// Whoever sees its owners: these are the references to them in the resource; empty when owners point at it.
    Owners(Several, Vec<Referent>),
    /// Somebody else, and the person in context stands nowhere in it.
    Other,
    /// It cannot be told, or it is somebody else's and names the person in context as well.
    Unclear,
}

/// What a reference points at within its source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Referent {
    /// The type, when it is a known one.
    pub resource_type: Option<ResourceType>,
    /// The upstream id.
    pub id: String,
}

/// Tells whose resource `raw` is, for a person whose patient ids at this source are `patients`; `base` is the source's
/// base URL. Contained resources and identifiers without a reference do not count (security design, step 14).
#[must_use]
pub fn about(kind: &AuthorizationKind, raw: &RawResource, base: &str, patients: &[&str]) -> About {
    let is_person = |referent: &Referent| {
        referent.resource_type == Some(ResourceType::Patient) && patients.contains(&referent.id.as_str())
    };
    match kind {
        AuthorizationKind::Subject { itself: true, .. } => {
            let id = raw.facts.id.map(|span| span.of(&raw.bytes)).unwrap_or_default();
            if patients.iter().any(|patient| patient.as_bytes() == id) { About::Person } else { About::Other }
        }
        AuthorizationKind::Subject { paths, several, alternative, .. } => {
            let mut found = referents_at(raw, base, paths);
            let mut several = *several;
            // A value that cannot be read is a value: whoever is named somewhere is not nobody in particular.
            if found.is_empty()
                && let Some(alternative) = alternative
            {
                found = referents_at(raw, base, &alternative.paths);
                several = Several::Any;
            }
            // A value that is no reference within the source is nobody's: it must not satisfy `All`.
            let mut fits = found.iter().map(|value| value.as_ref().is_some_and(&is_person));
            let matches = match several {
                Several::Any => fits.any(|fit| fit),
                Several::All => !found.is_empty() && fits.all(|fit| fit),
            };
            if matches {
                About::Person
            } else if found.iter().flatten().any(|to| to.resource_type == Some(ResourceType::Patient)) {
                // What a parent wrote about a child may come when the parent's messages are asked for.
                let mut named = raw.facts.references.iter().filter_map(|reference| referent(raw, base, reference));
                if named.any(|to| is_person(&to)) { About::Unclear } else { About::Other }
            } else {
                About::Unclear
            }
        }
        AuthorizationKind::Via { targets, several, items, .. } => {
            let found = referents_at(raw, base, targets);
            let is_incomplete = || found.iter().any(Option::is_none) || found.len() < count(raw, items.as_deref());
            if *several == Several::All && is_incomplete() {
                return About::Unclear;
            }
            About::Owners(*several, found.into_iter().flatten().collect())
        }
        AuthorizationKind::Directory { never_with } => {
            let names_somebody = raw.facts.references.iter().any(|reference| {
                referent(raw, base, reference)
                    .is_some_and(|to| to.resource_type.is_some_and(|kind| never_with.contains(&kind)))
            });
            if names_somebody { About::Unclear } else { About::Nobody }
        }
        AuthorizationKind::Own | AuthorizationKind::Refused => About::Unclear,
    }
}

/// How many items stand at `path`.
fn count(raw: &RawResource, path: Option<&str>) -> usize {
    let mut items = 0;
    if let Some(path) = path {
        Fragment::new(&raw.bytes).at(path, &mut |_| items += 1);
    }
    items
}

/// The references at these paths; `None` for each value that points nowhere within the source.
fn referents_at(raw: &RawResource, base: &str, paths: &[CaptureId]) -> Vec<Option<Referent>> {
    let captures = raw.facts.captures.iter().filter(|(id, _)| paths.contains(id));
    captures
        .map(|(_, span)| {
            let reference = raw.facts.references.iter().find(|reference| reference.object == *span)?;
            referent(raw, base, reference)
        })
        .collect()
}

/// What a literal reference points at within its own source.
#[must_use]
pub fn referent(raw: &RawResource, base: &str, reference: &ReferenceSpan) -> Option<Referent> {
    let text = scan::unescape(reference.value.of(&raw.bytes))?;
    match parse_reference(&text, Some(base)) {
        ReferenceForm::Local(local) => Some(Referent { resource_type: local.resource_type(), id: local.id.to_owned() }),
        _ => None,
    }
}
