//! The merged Patient: what the person's sources say of them, under one id, with who says what.
//!
//! Elements that occur once come from the primary visible record; where others say something else, they are kept in
//! our extension. Elements that repeat are united, each item with its source. Bytes stay what they were.

use crate::base::hash::{base32, sha256};
use crate::base::id::PersonId;
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
pub(super) struct Record {
    /// Its id at the gateway.
    pub(super) id: String,
    /// The organization's name.
    pub(super) organization: String,
    /// The Patient.
    pub(super) bytes: Vec<u8>,
    /// `meta.lastUpdated`, as the source wrote it.
    pub(super) last_updated: Option<String>,
}

impl Record {
    /// `"valueReference":{…}` to this record.
    fn source_value(&self) -> String {
        format!(
            r#""valueReference":{{"reference":"Patient/{}","display":{}}}"#,
            self.id,
            json_string(&self.organization)
        )
    }
}

/// A record with its members found once: the merge asks for each of them by name.
struct View<'r> {
    record: &'r Record,
    members: Vec<(&'r [u8], Fragment<'r>)>,
}

impl<'r> View<'r> {
    fn of(record: &'r Record) -> Self {
        Self { record, members: Fragment::new(&record.bytes).members().collect() }
    }

    fn get(&self, name: &str) -> Option<Fragment<'r>> {
        self.members.iter().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| *value)
    }

    /// The member that explains or extends the primitive element `name` (FHIR R4 json.html §2.1.6.1: `_name`).
    fn companion(&self, name: &str) -> Option<(&'r str, Fragment<'r>)> {
        let is_it = |key: &[u8]| key.strip_prefix(b"_").is_some_and(|rest| rest == name.as_bytes());
        let (key, value) = self.members.iter().find(|(key, _)| is_it(key))?;
        Some((std::str::from_utf8(key).ok()?, *value))
    }
}

/// JSON bytes under construction.
struct Writer(Vec<u8>);

impl Writer {
    fn member(&mut self, name: &str) {
        self.0.push(b',');
        self.text(&json_string(name));
        self.0.push(b':');
    }

    fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn list<'i>(&mut self, name: &str, items: impl IntoIterator<Item = &'i Vec<u8>>) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            return;
        }
        self.member(name);
        let mut before = b'[';
        for item in items {
            self.0.push(before);
            self.0.extend_from_slice(item);
            before = b',';
        }
        self.0.push(b']');
    }
}

/// The record of a person, joined.
#[derive(Debug)]
pub(super) struct Joined {
    /// The Patient.
    pub(super) bytes: Vec<u8>,
    /// Its `meta.versionId`.
    pub(super) version: String,
}

/// Joins the records, the primary one first, into `Patient/{person}`. `missing` names the organizations that could not
/// be asked. Without any record there is nothing to join.
pub(super) fn merge(person: PersonId, records: &[Record], missing: &[String]) -> Option<Joined> {
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
    let (singles, differing) = single_elements(&views);
    writer.list("extension", extensions(&views, differing, missing).iter());
    copy(&mut writer, primary, "modifierExtension");
    writer.0.extend_from_slice(&singles);
    for name in REPEATING {
        writer.list(name, united(&views, name).iter());
    }
    let links: Vec<Vec<u8>> = records
        .iter()
        .map(|record| format!(r#"{{"other":{{"reference":"Patient/{}"}},"type":"seealso"}}"#, record.id).into_bytes())
        .collect();
    writer.list("link", links.iter());
    writer.0.push(b'}');
    Some(Joined { bytes: writer.0, version })
}

/// Writes `meta`, and gives its version.
fn write_meta(writer: &mut Writer, views: &[View<'_>], missing: &[String]) -> String {
    let mut seen = Vec::new();
    for view in views {
        seen.extend_from_slice(&sha256(&view.record.bytes));
    }
    for name in missing {
        seen.extend_from_slice(&sha256(name.as_bytes()));
    }
    let digest = sha256(&seen);
    let (version, _) = digest.split_at(10);
    let version = base32(version);
    writer.text(&format!(r#","meta":{{"versionId":"{version}""#));
    let instants = views.iter().filter_map(|view| view.record.last_updated.as_deref());
    let latest = instants.max_by_key(|text| text.parse::<jiff::Timestamp>().ok());
    if let Some(latest) = latest {
        writer.member("lastUpdated");
        writer.text(&json_string(latest));
    }
    let profile = views.first().and_then(|view| view.get("meta")?.get("profile"));
    if let Some(profile) = profile {
        writer.member("profile");
        writer.0.extend_from_slice(profile.bytes());
    }
    writer.0.push(b'}');
    version
}

fn copy(writer: &mut Writer, view: &View<'_>, name: &str) {
    if let Some(value) = view.get(name) {
        writer.member(name);
        writer.0.extend_from_slice(value.bytes());
    }
}

/// The elements that occur once, as members with leading commas, and the extensions of what differs.
fn single_elements(views: &[View<'_>]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut members = Writer(Vec::new());
    let mut differing = Vec::new();
    for (element, spellings) in SINGLE {
        let mut kept: Option<(&str, &[u8])> = None;
        for view in views {
            let found = spellings.iter().find_map(|(name, kind)| Some((*name, *kind, view.get(name)?.bytes())));
            let companion = spellings.iter().find_map(|(name, _)| view.companion(name));
            match (kept, found) {
                (None, None) if companion.is_none() => {}
                (None, _) => {
                    if let Some((name, _, value)) = found {
                        members.member(name);
                        members.0.extend_from_slice(value);
                        kept = Some((name, value));
                    } else {
                        kept = Some(("", b""));
                    }
                    if let Some((name, value)) = companion {
                        members.member(name);
                        members.0.extend_from_slice(value.bytes());
                    }
                }
                (Some(same), Some((name, kind, value))) if same != (name, value) => {
                    differing.push(differing_value(element, kind, value, view.record));
                }
                (Some(_), _) => {}
            }
        }
    }
    (members.0, differing)
}

fn differing_value(element: &str, kind: &str, value: &[u8], record: &Record) -> Vec<u8> {
    let mut out = format!(
        r#"{{"url":"{DIFFERS}","extension":[{{"url":"element","valueString":"{element}"}},{{"url":"source",{}}},{{"url":"value","{kind}":"#,
        record.source_value()
    )
    .into_bytes();
    out.extend_from_slice(value);
    out.extend_from_slice(b"}]}");
    out
}

/// The records' own extensions, one for each URL (most occur once: the primary record's counts), and ours.
fn extensions(views: &[View<'_>], differing: Vec<Vec<u8>>, missing: &[String]) -> Vec<Vec<u8>> {
    let mut urls = Vec::new();
    let mut all = Vec::new();
    for view in views {
        let before = urls.len();
        for item in view.get("extension").into_iter().flat_map(Fragment::each) {
            let Some(url) = item.get("url").and_then(Fragment::text) else { continue };
            // A URL that an earlier record has used is settled; within one record it may repeat.
            if !urls.iter().take(before).any(|known| *known == url) {
                urls.push(url);
                all.push(item.bytes().to_vec());
            }
        }
    }
    all.extend(differing);
    for name in missing {
        all.push(format!(r#"{{"url":"{MISSING}","valueString":{}}}"#, json_string(name)).into_bytes());
    }
    all
}

/// The items of all records, equal ones once, each with the records that state it.
fn united(views: &[View<'_>], name: &str) -> Vec<Vec<u8>> {
    let mut items: Vec<(&[u8], Vec<&Record>)> = Vec::new();
    for (index, view) in views.iter().enumerate() {
        for item in view.get(name).into_iter().flat_map(Fragment::each) {
            // `#id` is looked up in `contained`, which only the primary record brings along.
            if index > 0 && memchr::memmem::find(item.bytes(), br##""#"##).is_some() {
                continue;
            }
            match items.iter_mut().find(|(known, _)| *known == item.bytes()) {
                Some((_, stated_by)) => stated_by.push(view.record),
                None => items.push((item.bytes(), vec![view.record])),
            }
        }
    }
    if views.len() == 1 {
        return items.into_iter().map(|(item, _)| item.to_vec()).collect();
    }
    items.into_iter().map(|(item, stated_by)| with_sources(Fragment::new(item), &stated_by)).collect()
}

fn with_sources(item: Fragment<'_>, stated_by: &[&Record]) -> Vec<u8> {
    let mut extensions: Vec<Vec<u8>> =
        item.get("extension").into_iter().flat_map(Fragment::each).map(|e| e.bytes().to_vec()).collect();
    for record in stated_by {
        extensions.push(format!(r#"{{"url":"{SOURCE}",{}}}"#, record.source_value()).into_bytes());
    }
    let mut writer = Writer(Vec::with_capacity(item.bytes().len() + 200));
    writer.list("extension", extensions.iter());
    for (name, value) in item.members().filter(|(name, _)| *name != b"extension") {
        writer.member(std::str::from_utf8(name).unwrap_or_default());
        writer.0.extend_from_slice(value.bytes());
    }
    // The first member's comma becomes the opening brace.
    if let Some(first) = writer.0.first_mut() {
        *first = b'{';
    }
    writer.0.push(b'}');
    writer.0
}

fn json_string(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}
