//! The merged Patient: what the person's sources say of them, under one id, with who says what.
//!
//! Elements that occur once come from the primary visible record; where others say something else, they are kept in
//! our extension. Elements that repeat are united, each item with its source. Bytes stay what they were.

use crate::base::hash::{base32, sha256_of_parts};
use crate::base::id::PersonId;
use crate::fhir::scan::quoted;
use crate::fhir::search::fragment::Fragment;

/// Whose statement an item is: a Reference to the source record.
const SOURCE: &str = "https://chartgate.example/fhir/StructureDefinition/source-record";
/// What another source says of an element that occurs once.
const DIFFERS: &str = "https://chartgate.example/fhir/StructureDefinition/differing-value";
/// The name of an organization that could not be asked.
const MISSING: &str = "https://chartgate.example/fhir/StructureDefinition/source-missing";

/// Elements that repeat, in the order of the specification.
const REPEATING: [&str; 8] =
    ["identifier", "name", "telecom", "address", "contact", "communication", "photo", "generalPractitioner"];

/// Elements that only the primary record brings along, unless it is the only one (`text` speaks for one record alone).
const PRIMARY: [&str; 6] = ["implicitRules", "language", "text", "contained", "extension", "modifierExtension"];

/// Elements that occur once: each row is one element with the spellings of its choice, and the extension value that
/// carries a differing one.
const SINGLE: [(&str, &[(&str, &str)]); 7] = [
    ("active", &[("active", "valueBoolean")]),
    ("gender", &[("gender", "valueCode")]),
    ("birthDate", &[("birthDate", "valueDate")]),
    ("deceased", &[("deceasedBoolean", "valueBoolean"), ("deceasedDateTime", "valueDateTime")]),
    ("maritalStatus", &[("maritalStatus", "valueCodeableConcept")]),
    ("multipleBirth", &[("multipleBirthBoolean", "valueBoolean"), ("multipleBirthInteger", "valueInteger")]),
    ("managingOrganization", &[("managingOrganization", "valueReference")]),
];

/// One source's record of the person, already in the gateway's ids.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// Its id at the gateway.
    pub(super) id: String,
    /// The organization's name.
    pub(super) organization: &'a str,
    /// The Patient.
    pub(super) bytes: Vec<u8>,
}

impl Record<'_> {
    /// `"valueReference":{…}` to this record.
    fn source_value(&self) -> String {
        format!(r#""valueReference":{{"reference":"Patient/{}","display":{}}}"#, self.id, quoted(self.organization))
    }
}

/// A record with its members found once: the merge asks for each of them by name.
struct View<'r> {
    record: &'r Record<'r>,
    members: Vec<(&'r [u8], Fragment<'r>)>,
}

impl<'r> View<'r> {
    fn of(record: &'r Record<'r>) -> Self {
        let mut members = Vec::with_capacity(24);
        members.extend(Fragment::new(&record.bytes).members());
        Self { record, members }
    }

    fn get(&self, name: &str) -> Option<Fragment<'r>> {
        self.members.iter().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| *value)
    }

    /// The member that explains or extends the primitive element `name` (FHIR R4 json.html §2.1.6.1: `_name`).
    fn companion(&self, name: &str) -> Option<(&'r [u8], Fragment<'r>)> {
        let is_it = |key: &[u8]| key.strip_prefix(b"_").is_some_and(|rest| rest == name.as_bytes());
        self.members.iter().find(|(key, _)| is_it(key)).copied()
    }
}

/// JSON bytes under construction.
struct Writer(Vec<u8>);

impl Writer {
    /// A comma and a key, as it stands between its quotes.
    fn member(&mut self, key: &[u8]) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(key);
        self.0.extend_from_slice(b"\":");
    }

    fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn list<'w>(&'w mut self, name: &'static str) -> List<'w> {
        List { writer: self, name, is_open: false }
    }
}

/// A list that is opened by its first item: an empty one is not FHIR JSON.
struct List<'w> {
    writer: &'w mut Writer,
    name: &'static str,
    is_open: bool,
}

impl List<'_> {
    /// Where the next item is written.
    fn item(&mut self) -> &mut Writer {
        if self.is_open {
            self.writer.0.push(b',');
        } else {
            self.writer.member(self.name.as_bytes());
            self.writer.0.push(b'[');
            self.is_open = true;
        }
        self.writer
    }

    fn close(self) {
        if self.is_open {
            self.writer.0.push(b']');
        }
    }
}

/// The record of a person, joined.
#[derive(Debug)]
pub(super) struct Joined {
    /// The Patient.
    pub(super) bytes: Vec<u8>,
    /// Its `meta.versionId`: another one whenever anything else is shown.
    pub(super) version: String,
}

/// Joins the records, the primary one first, into `Patient/{person}`. `missing` names the organizations that could not
/// be asked. Without any record there is nothing to join.
pub(super) fn merge(person: PersonId, records: &[Record<'_>], missing: &[String]) -> Option<Joined> {
    if let ([only], []) = (records, missing) {
        return Some(only_record(person, only));
    }
    join(person, records, missing)
}

fn join(person: PersonId, records: &[Record<'_>], missing: &[String]) -> Option<Joined> {
    let views: Vec<View<'_>> = records.iter().map(View::of).collect();
    let primary = views.first()?;
    let mut writer = Writer(Vec::with_capacity(records.iter().map(|record| record.bytes.len()).sum::<usize>() + 512));
    writer.text(&format!(r#"{{"resourceType":"Patient","id":"{person}""#));
    let version = write_meta(&mut writer, &views, missing);
    for name in ["implicitRules", "language"] {
        copy(&mut writer, primary, name);
    }
    if let [only] = views.as_slice() {
        copy(&mut writer, only, "text");
    }
    copy(&mut writer, primary, "contained");
    let Singles { kept, differing } = single_elements(&views);
    write_extensions(&mut writer, &views, &differing, missing);
    copy(&mut writer, primary, "modifierExtension");
    for (name, value) in kept {
        writer.member(name);
        writer.0.extend_from_slice(value);
    }
    for name in REPEATING {
        write_united(&mut writer, &views, name);
    }
    write_link(&mut writer, records);
    writer.0.push(b'}');
    Some(Joined { bytes: writer.0, version })
}

/// What the only source says, element by element as it stands: there is nobody to compare it with.
fn only_record(person: PersonId, record: &Record<'_>) -> Joined {
    let views = [View::of(record)];
    let mut writer = Writer(Vec::with_capacity(record.bytes.len().saturating_add(512)));
    writer.text(&format!(r#"{{"resourceType":"Patient","id":"{person}""#));
    let version = write_meta(&mut writer, &views, &[]);
    for (name, value) in views.iter().flat_map(|view| &view.members).filter(|(name, _)| is_shown(name)) {
        // An empty list is not FHIR JSON, and tells nothing.
        if !value.is_empty_list() {
            writer.member(name);
            writer.0.extend_from_slice(value.bytes());
        }
    }
    write_link(&mut writer, std::slice::from_ref(record));
    writer.0.push(b'}');
    Joined { bytes: writer.0, version }
}

/// Whether a record's element is shown: the merged Patient has no others.
fn is_shown(name: &[u8]) -> bool {
    let is = |known: &&str| known.as_bytes() == name;
    let single = name.strip_prefix(b"_").unwrap_or(name);
    PRIMARY.iter().any(is)
        || REPEATING.iter().any(is)
        || SINGLE.iter().any(|(_, spellings)| spellings.iter().any(|(known, _)| known.as_bytes() == single))
}

/// `link` to the sources' records.
fn write_link(writer: &mut Writer, records: &[Record<'_>]) {
    let mut links = writer.list("link");
    for record in records {
        links.item().text(&format!(r#"{{"other":{{"reference":"Patient/{}"}},"type":"seealso"}}"#, record.id));
    }
    links.close();
}

/// Writes `meta`, and gives its version.
fn write_meta(writer: &mut Writer, views: &[View<'_>], missing: &[String]) -> String {
    let records = views.iter().flat_map(|view| [view.record.bytes.as_slice(), view.record.organization.as_bytes()]);
    let digest = sha256_of_parts(records.chain(missing.iter().map(String::as_bytes)));
    let (version, _) = digest.split_at(10);
    let version = base32(version);
    writer.text(&format!(r#","meta":{{"versionId":"{version}""#));
    let instants = || views.iter().filter_map(|view| view.get("meta")?.get("lastUpdated"));
    let time = |instant: &Fragment<'_>| instant.text().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let latest = if views.len() == 1 { instants().next() } else { instants().max_by_key(time) };
    if let Some(latest) = latest.filter(|latest| latest.text().is_some()) {
        writer.member(b"lastUpdated");
        writer.0.extend_from_slice(latest.bytes());
    }
    let profile = views.first().and_then(|view| view.get("meta")?.get("profile"));
    if let Some(profile) = profile {
        writer.member(b"profile");
        writer.0.extend_from_slice(profile.bytes());
    }
    writer.0.push(b'}');
    version
}

fn copy(writer: &mut Writer, view: &View<'_>, name: &str) {
    if let Some(value) = view.get(name) {
        writer.member(name.as_bytes());
        writer.0.extend_from_slice(value.bytes());
    }
}

/// The elements that occur once.
struct Singles<'r> {
    /// Those that are shown, and their companions.
    kept: Vec<(&'r [u8], &'r [u8])>,
    differing: Vec<Differing<'r>>,
}

/// What a record says differently.
struct Differing<'r> {
    element: &'static str,
    /// The member of the extension that carries it.
    kind: &'static str,
    value: &'r [u8],
    record: &'r Record<'r>,
}

fn single_elements<'r>(views: &[View<'r>]) -> Singles<'r> {
    let mut singles = Singles { kept: Vec::with_capacity(8), differing: Vec::new() };
    for (element, spellings) in SINGLE {
        let mut kept: Option<(&str, &[u8])> = None;
        for view in views {
            let found = spellings.iter().find_map(|(name, kind)| Some((*name, *kind, view.get(name)?.bytes())));
            match (kept, found) {
                (None, _) => {
                    let companion = spellings.iter().find_map(|(name, _)| view.companion(name));
                    if let Some((name, _, value)) = found {
                        singles.kept.push((name.as_bytes(), value));
                        kept = Some((name, value));
                    } else if companion.is_some() {
                        kept = Some(("", b""));
                    }
                    singles.kept.extend(companion.map(|(name, value)| (name, value.bytes())));
                }
                (Some(same), Some((name, kind, value))) if same != (name, value) => {
                    singles.differing.push(Differing { element, kind, value, record: view.record });
                }
                (Some(_), _) => {}
            }
        }
    }
    singles
}

fn write_differing(writer: &mut Writer, differing: &Differing<'_>) {
    let Differing { element, kind, value, record } = differing;
    writer.text(&format!(
        r#"{{"url":"{DIFFERS}","extension":[{{"url":"element","valueString":"{element}"}},{{"url":"source",{}}},{{"url":"value","{kind}":"#,
        record.source_value()
    ));
    writer.0.extend_from_slice(value);
    writer.text("}]}");
}

/// The records' own extensions, one for each URL (most occur once: the primary record's counts), and ours.
fn write_extensions(writer: &mut Writer, views: &[View<'_>], differing: &[Differing<'_>], missing: &[String]) {
    let mut extensions = writer.list("extension");
    let mut urls = Vec::new();
    for view in views {
        let before = urls.len();
        for item in view.get("extension").into_iter().flat_map(Fragment::each) {
            let Some(url) = item.get("url").and_then(Fragment::text) else { continue };
            // A URL that an earlier record has used is settled; within one record it may repeat.
            if !urls.iter().take(before).any(|known| *known == url) {
                urls.push(url);
                extensions.item().0.extend_from_slice(item.bytes());
            }
        }
    }
    for differing in differing {
        write_differing(extensions.item(), differing);
    }
    for name in missing {
        let name = quoted(name);
        extensions.item().text(&format!(r#"{{"url":"{MISSING}","valueString":{name}}}"#));
    }
    extensions.close();
}

/// The items of all records, equal ones once, each with the records that state it.
fn write_united(writer: &mut Writer, views: &[View<'_>], name: &'static str) {
    let mut items: Vec<(&[u8], Vec<&Record<'_>>)> = Vec::new();
    for (index, view) in views.iter().enumerate() {
        for item in view.get(name).into_iter().flat_map(Fragment::each) {
            // `#id` is looked up in `contained`, which only the primary record brings along.
            if index > 0 && memchr::memmem::find(item.bytes(), br##""#"##).is_some() {
                continue;
            }
            match items.iter_mut().find(|(known, _)| *known == item.bytes()) {
                Some((_, stated_by)) => stated_by.push(view.record),
                // Who states it is said only where there are several.
                None if views.len() == 1 => items.push((item.bytes(), Vec::new())),
                None => items.push((item.bytes(), vec![view.record])),
            }
        }
    }
    let mut list = writer.list(name);
    for (item, stated_by) in items {
        if stated_by.is_empty() {
            list.item().0.extend_from_slice(item);
        } else {
            write_with_sources(list.item(), Fragment::new(item), &stated_by);
        }
    }
    list.close();
}

fn write_with_sources(writer: &mut Writer, item: Fragment<'_>, stated_by: &[&Record<'_>]) {
    let start = writer.0.len();
    let mut extensions = writer.list("extension");
    for own in item.get("extension").into_iter().flat_map(Fragment::each) {
        extensions.item().0.extend_from_slice(own.bytes());
    }
    for record in stated_by {
        extensions.item().text(&format!(r#"{{"url":"{SOURCE}",{}}}"#, record.source_value()));
    }
    extensions.close();
    for (name, value) in item.members().filter(|(name, _)| *name != b"extension") {
        writer.member(name);
        writer.0.extend_from_slice(value.bytes());
    }
    // The first member's comma becomes the opening brace.
    if let Some(first) = writer.0.get_mut(start) {
        *first = b'{';
    }
    writer.0.push(b'}');
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::base::random::SeededRandom;

    /// One record is not joined, but must look as if it were.
    #[test]
    fn what_the_only_source_says_is_what_joining_it_alone_would_give() {
        let person = PersonId::mint(&SeededRandom::new(8));
        for elements in [
            "",
            r#","meta":{"versionId":"7","lastUpdated":"2026-03-02T09:15:00Z","profile":["http://a"],"tag":[{"code":"x"}]}"#,
            r#","active":true,"_gender":{"extension":[{"url":"u","valueCode":"x"}]},"birthDate":"1984","_birthDate":{"id":"b"}"#,
            r#","deceasedBoolean":false,"multipleBirthInteger":2,"maritalStatus":{"text":"M"},"managingOrganization":{}"#,
            r#","name":[{"family":"A"},{"family":"B"}],"telecom":[],"address":[ ],"photo":[{"contentType":"image/png"}]"#,
            r#","text":{"status":"generated"},"contained":[{"resourceType":"Organization","id":"o"}],"language":"en","#,
            r#","extension":[{"url":"http://x","valueCode":"a"},{"url":"http://x","valueCode":"b"}],"implicitRules":"r""#,
            r#","modifierExtension":[{"url":"m"}],"link":[{"other":{"reference":"Patient/x"},"type":"seealso"}],"animal":1"#,
        ] {
            let bytes = format!(r#"{{"resourceType":"Patient","id":"k.1"{}}}"#, elements.trim_end_matches(','));
            let record = Record { id: "k.1".to_owned(), organization: "Practice", bytes: bytes.into_bytes() };
            let records = [record];
            let read = |joined: Joined| serde_json::from_slice::<Value>(&joined.bytes).unwrap();
            let joined = join(person, &records, &[]).unwrap();
            let alone = merge(person, &records, &[]).unwrap();
            assert_eq!(alone.version, joined.version);
            assert_eq!(read(alone), read(joined), "{elements}");
        }
    }
}
