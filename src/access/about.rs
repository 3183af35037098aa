use crate::fhir::ResourceType;
use crate::fhir::knowledge::{AuthorizationKind, Several};
use crate::fhir::reference::{ReferenceForm, parse_reference, plain};
use crate::fhir::scan::{RawResource, ReferenceSpan};
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
pub fn about<P: AsRef<str>>(kind: &AuthorizationKind, raw: &RawResource, base: &str, patients: &[P]) -> About {
    let is_patient = |id: &str| patients.iter().any(|patient| patient.as_ref() == id);
    match kind {
        AuthorizationKind::Subject { itself: true, .. } => {
            let id = raw.facts.id.map(|span| span.of(&raw.bytes)).unwrap_or_default();
            if patients.iter().any(|patient| patient.as_ref().as_bytes() == id) { About::Person } else { About::Other }
        }
        AuthorizationKind::Subject { paths, several, alternative, .. } => {
            let mut found = Subjects::at(raw, base, paths, is_patient);
            let mut several = *several;
            // A value that cannot be read is a value: whoever is named somewhere is not nobody in particular.
            if found.values == 0
                && let Some(alternative) = alternative
            {
                found = Subjects::at(raw, base, &alternative.paths, is_patient);
                several = Several::Any;
            }
            // A value that is no reference within the source is nobody's: it must not satisfy `All`.
            let matches = match several {
                Several::Any => found.own > 0,
                Several::All => found.own > 0 && found.own == found.values,
            };
            if matches {
                About::Person
            } else if found.patients > 0 {
                // What a parent wrote about a child may come when the parent's messages are asked for.
                let mut named = raw.facts.references.iter();
                let is_own = |reference| pointed_at(raw, base, reference, |kind, id| is_person(kind, id, is_patient));
                if named.any(|named| is_own(named) == Some(true)) { About::Unclear } else { About::Other }
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

/// Whom the values at some paths name.
#[derive(Default)]
struct Subjects {
    /// All of them, also those that point nowhere within the source.
    values: usize,
    /// Those that point at a Patient.
    patients: usize,
    /// Those that point at the person in context.
    own: usize,
}

impl Subjects {
    fn at(raw: &RawResource, base: &str, paths: &[CaptureId], is_patient: impl Fn(&str) -> bool) -> Self {
        let mut found = Self::default();
        for reference in references_at(raw, paths) {
            if let Some(id) =
                reference.filter(|reference| !reference.escaped).and_then(|reference| patient_id(raw, reference))
            {
                found.values += 1;
                found.patients += 1;
                found.own += usize::from(is_patient(id));
                continue;
            }
            let read = |kind, id: &str| (kind == Some(ResourceType::Patient), is_person(kind, id, &is_patient));
            let (to_patient, to_person) =
                reference.and_then(|reference| pointed_at(raw, base, reference, read)).unwrap_or_default();
            found.values += 1;
            found.patients += usize::from(to_patient);
            found.own += usize::from(to_person);
        }
        found
    }
}

/// The id of a reference that says `Patient/id` and no more.
fn patient_id<'a>(raw: &'a RawResource, reference: &ReferenceSpan) -> Option<&'a str> {
    let (kind, id) = plain(reference.value.of(&raw.bytes))?;
    if kind == b"Patient" { std::str::from_utf8(id).ok() } else { None }
}

fn is_person(kind: Option<ResourceType>, id: &str, is_patient: impl Fn(&str) -> bool) -> bool {
    kind == Some(ResourceType::Patient) && is_patient(id)
}

/// How many items stand at `path`.
fn count(raw: &RawResource, path: Option<&str>) -> usize {
    let mut items = 0;
    if let Some(path) = path {
        Fragment::new(&raw.bytes).at(path, &mut |_| items += 1);
    }
    items
}

/// The values at these paths; `None` for each that is no literal reference.
fn references_at<'a>(raw: &'a RawResource, paths: &'a [CaptureId]) -> impl Iterator<Item = Option<&'a ReferenceSpan>> {
    let captures = raw.facts.captures.iter().filter(|(id, _)| paths.contains(id));
    captures.map(|(_, span)| raw.facts.references.iter().find(|reference| reference.object == *span))
}

/// The references at these paths; `None` for each value that points nowhere within the source.
fn referents_at(raw: &RawResource, base: &str, paths: &[CaptureId]) -> Vec<Option<Referent>> {
    references_at(raw, paths).map(|reference| referent(raw, base, reference?)).collect()
}

/// What a literal reference points at within its own source.
#[must_use]
pub fn referent(raw: &RawResource, base: &str, reference: &ReferenceSpan) -> Option<Referent> {
    pointed_at(raw, base, reference, |resource_type, id| Referent { resource_type, id: id.to_owned() })
}

/// [`referent`], read as type and id.
fn pointed_at<T>(
    raw: &RawResource,
    base: &str,
    reference: &ReferenceSpan,
    read: impl FnOnce(Option<ResourceType>, &str) -> T,
) -> Option<T> {
    let text = reference.text(&raw.bytes)?;
    match parse_reference(&text, Some(base)) {
        ReferenceForm::Local(local) => Some(read(local.resource_type(), local.id)),
        _ => None,
    }
}
