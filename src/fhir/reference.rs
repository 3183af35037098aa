//! Literal references: what `Reference.reference` can say (FHIR R4 references §2.3.0), read strictly. What is not one
//! of the forms below is malformed, so that nothing is ever resolved by a guess.

use super::ResourceType;

/// What a literal reference says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceForm<'a> {
    /// A resource at the source itself: `Type/id`, the same below the source's base URL, or with `/_history/version`.
    Local(LocalReference<'a>),
    /// `#id`, without the `#`; empty for `#`, the resource that contains this one.
    Contained(&'a str),
    /// An absolute URL that is not below the base.
    Foreign,
    /// `urn:uuid:…`, `urn:oid:…` or any other URN.
    Urn,
    /// `Type?criteria`: a search, never resolved here.
    Conditional,
    /// None of these.
    Malformed,
}

/// A resource at the source itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalReference<'a> {
    /// The type's name; see [`LocalReference::resource_type`].
    pub type_name: &'a str,
    /// The logical id.
    pub id: &'a str,
    /// The version, when one is named.
    pub version: Option<&'a str>,
}

impl LocalReference<'_> {
    /// The type, when it is one that Chartgate knows.
    #[must_use]
    pub fn resource_type(&self) -> Option<ResourceType> {
        ResourceType::parse(self.type_name)
    }
}

/// Reads a literal reference. `base` is the source's base URL, with or without a slash at its end.
///
/// The base is compared byte for byte and only up to a whole path segment: `https://ehr.example.attacker/fhir/Patient/1`
/// is not below `https://ehr.example`, nor is `https://ehr.example/fhirx/Patient/1` below `https://ehr.example/fhir`.
#[must_use]
pub fn parse_reference<'a>(text: &'a str, base: Option<&str>) -> ReferenceForm<'a> {
    // The usual form first: nothing that is `Type/id` is a URL or a fragment.
    if text.starts_with(|first: char| first.is_ascii_uppercase())
        && let found @ ReferenceForm::Local(_) = local(text)
    {
        return found;
    }
    if let Some(id) = text.strip_prefix('#') {
        let is_valid = id.is_empty() || is_id(id.as_bytes());
        return if is_valid { ReferenceForm::Contained(id) } else { ReferenceForm::Malformed };
    }
    if let Some(path) = base.and_then(|base| below(text, base)) {
        return local(path);
    }
    match scheme(text) {
        Some(scheme) if scheme.eq_ignore_ascii_case("urn") => ReferenceForm::Urn,
        Some(_) => ReferenceForm::Foreign,
        None => local(text),
    }
}

/// Type name and id of a reference that says `Type/id` and no more, as nearly all do: what [`parse_reference`] finds there, without
/// the check that bytes which were letters are text. `None` for every other form, and for what holds an escape.
#[must_use]
#[inline]
pub fn plain(reference: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = reference.iter().position(|byte| !is_of(*byte, LETTER))?;
    let (kind, rest) = reference.split_at_checked(slash)?;
    let id = rest.strip_prefix(b"/")?;
    let is_type = slash <= MAX_TYPE_NAME && kind.first().is_some_and(u8::is_ascii_uppercase);
    (is_type && is_source_id(id)).then_some((kind, id))
}

/// The longest id that a source may give a resource.
const MAX_SOURCE_ID: usize = 192;

/// Whether these bytes are a FHIR id (`[A-Za-z0-9\-.]{1,64}`). The ids `.` and `..` are not, although the grammar has
/// them: in a URL they name another place.
#[must_use]
pub fn is_id(id: &[u8]) -> bool {
    id.len() <= 64 && is_source_id(id)
}

/// Whether these bytes can be the id of a resource at a source: of FHIR's alphabet, but longer than FHIR allows, as
/// large EHRs make them. What the gateway serves has a FHIR id in any case.
#[must_use]
pub fn is_source_id(id: &[u8]) -> bool {
    matches!(id.len(), 1..=MAX_SOURCE_ID) && id.iter().all(|byte| is_of(*byte, ID)) && id != b"." && id != b".."
}

/// The longest type name that is read.
const MAX_TYPE_NAME: usize = 64;

const LETTER: u8 = 1;
const ID: u8 = 2;

/// Whether a byte is a letter, or of FHIR's alphabet for ids: looked up, as every reference is read several times.
#[inline]
fn is_of(byte: u8, class: u8) -> bool {
    static CLASSES: [u8; 256] = {
        let mut classes = [0; 256];
        let mut rest: &mut [u8] = &mut classes;
        let mut byte = 0_u8;
        while let Some((first, others)) = rest.split_first_mut() {
            let letter = if byte.is_ascii_alphabetic() { LETTER } else { 0 };
            let id = if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.') { ID } else { 0 };
            *first = letter | id;
            rest = others;
            byte = byte.wrapping_add(1);
        }
        classes
    };
    CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

/// What follows the base and its slash.
fn below<'a>(text: &'a str, base: &str) -> Option<&'a str> {
    let base = base.strip_suffix('/').unwrap_or(base);
    if base.is_empty() {
        return None;
    }
    text.strip_prefix(base)?.strip_prefix('/')
}

/// The scheme of an absolute URI (RFC 3986 §3.1).
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let is_valid = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_valid.then_some(scheme)
}

fn local(path: &str) -> ReferenceForm<'_> {
    // The usual form, `Type/id`, in one pass over each part.
    let Some(slash) = path.bytes().position(|byte| !is_of(byte, LETTER)) else {
        return ReferenceForm::Malformed;
    };
    let (type_name, rest) = path.split_at(slash);
    if slash > MAX_TYPE_NAME || !type_name.starts_with(|first: char| first.is_ascii_uppercase()) {
        return ReferenceForm::Malformed;
    }
    let Some(rest) = rest.strip_prefix('/') else {
        return if rest.starts_with('?') { ReferenceForm::Conditional } else { ReferenceForm::Malformed };
    };
    if is_source_id(rest.as_bytes()) {
        return ReferenceForm::Local(LocalReference { type_name, id: rest, version: None });
    }
    match rest.split_once("/_history/") {
        Some((id, version)) if is_source_id(id.as_bytes()) && is_id(version.as_bytes()) => {
            ReferenceForm::Local(LocalReference { type_name, id, version: Some(version) })
        }
        _ => ReferenceForm::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://ehr.example/fhir";

    fn local<'a>(type_name: &'a str, id: &'a str, version: Option<&'a str>) -> ReferenceForm<'a> {
        ReferenceForm::Local(LocalReference { type_name, id, version })
    }

    #[test]
    fn references_to_the_source_itself_are_local() {
        for text in ["Patient/p-1", "https://ehr.example/fhir/Patient/p-1"] {
            assert_eq!(parse_reference(text, Some(BASE)), local("Patient", "p-1", None), "{text}");
            assert_eq!(
                parse_reference(text, Some("https://ehr.example/fhir/")),
                local("Patient", "p-1", None),
                "{text}"
            );
        }
        assert_eq!(parse_reference("Patient/1/_history/2", None), local("Patient", "1", Some("2")));
        assert_eq!(
            parse_reference("https://ehr.example/fhir/Patient/1/_history/2.a", Some(BASE)),
            local("Patient", "1", Some("2.a"))
        );
        let ReferenceForm::Local(unknown) = parse_reference("List/1", None) else { panic!("a local reference") };
        assert_eq!(unknown.resource_type(), None);
    }

    /// What is plain is what the whole reader finds, and nothing that it reads otherwise is.
    #[test]
    fn plain_references_are_what_the_reader_finds() {
        let long = "a".repeat(MAX_SOURCE_ID);
        let parts = ["Patient", "Observation", "A", "", "patient", "Pat1ent", "Österreich", "P".repeat(65).leak()];
        let ids =
            ["1", "a-B.9", "", ".", "..", "a b", "ä", "1/2", "1/_history/2", "1?x", "1#a", "\\u0031", long.leak()];
        for kind in parts {
            for id in ids {
                for text in
                    [format!("{kind}/{id}"), format!("{kind}{id}"), format!("{BASE}/{kind}/{id}"), format!("#{id}")]
                {
                    let whole = match parse_reference(&text, None) {
                        ReferenceForm::Local(local) if local.version.is_none() => Some((local.type_name, local.id)),
                        _ => None,
                    };
                    let found = plain(text.as_bytes());
                    assert_eq!(found, whole.map(|(kind, id)| (kind.as_bytes(), id.as_bytes())), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_host_or_path_that_only_begins_like_the_base_is_foreign() {
        for text in [
            "https://ehr.example.attacker/fhir/Patient/1",
            "https://ehr.example@attacker/fhir/Patient/1",
            "https://ehr.example:443/fhir/Patient/1",
            "https://ehr.example/fhirx/Patient/1",
            "https://ehr.example/fhir%2FPatient/1",
            "https://ehr.example/FHIR/Patient/1",
            "https://ehr.example/other/../fhir/Patient/1",
            "https://EHR.example/fhir/Patient/1",
            "http://ehr.example/fhir/Patient/1",
            "https://ehr.example/fhir",
            "javascript:alert(1)",
        ] {
            assert_eq!(parse_reference(text, Some(BASE)), ReferenceForm::Foreign, "{text}");
        }
        let hosts_only = "https://ehr.example";
        assert_eq!(parse_reference("https://ehr.example.attacker/Patient/1", Some(hosts_only)), ReferenceForm::Foreign);
        assert_eq!(parse_reference("https://ehr.example/Patient/1", Some(hosts_only)), local("Patient", "1", None));
        assert_eq!(parse_reference("https://ehr.example/fhir/Patient/1", None), ReferenceForm::Foreign);
        assert_eq!(parse_reference("https://ehr.example/Patient/1", Some("")), ReferenceForm::Foreign);
    }

    #[test]
    fn contained_urn_and_conditional_references_are_told() {
        assert_eq!(parse_reference("#p1", Some(BASE)), ReferenceForm::Contained("p1"));
        assert_eq!(parse_reference("#", Some(BASE)), ReferenceForm::Contained(""));
        assert_eq!(parse_reference("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", None), ReferenceForm::Urn);
        assert_eq!(parse_reference("URN:oid:1.2.3", None), ReferenceForm::Urn);
        assert_eq!(parse_reference("Patient?identifier=a|b", None), ReferenceForm::Conditional);
        assert_eq!(
            parse_reference("https://ehr.example/fhir/Patient?identifier=1", Some(BASE)),
            ReferenceForm::Conditional
        );
    }

    #[test]
    fn everything_else_is_malformed() {
        let long = format!("Patient/{}", "a".repeat(193));
        for text in [
            "",
            " ",
            "Patient",
            "Patient/",
            "/Patient/1",
            "//ehr.example/Patient/1",
            "patient/1",
            "Patient/1/",
            "Patient/a b",
            "Patient/..",
            "Patient/.",
            "../Patient/1",
            "fhir/Patient/1",
            "Patient/1/_history",
            "Patient/1/_history/",
            "Patient/1/_history/..",
            "Patient/1/_history/1/2",
            "Patient/1/_History/2",
            "Patient/1#a",
            "Patient/1?a=b",
            "Patient/1%2F2",
            "#a b",
            "#../x",
            " Patient/1",
            "Patient/1 ",
            "Patient/1\n",
            "Pätient/1",
            "Patient/ä",
            "Patient1/1",
            "?a=b",
            &long,
            "https://ehr.example/fhir/metadata",
            "https://ehr.example/fhir/",
            "https://ehr.example/fhir//Patient/1",
            "https://ehr.example/fhir/../Patient/1",
            "https://ehr.example/fhir/Patient/1#x",
            "https://ehr.example/fhir/Patient/1?x=y",
        ] {
            assert_eq!(parse_reference(text, Some(BASE)), ReferenceForm::Malformed, "{text:?}");
        }
    }
}
