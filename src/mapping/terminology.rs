//! What the codes of one system mean in another (`mappings/terminology/*.toml`): codings are added to a resource, spliced
//! into its bytes, and never replaced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use crate::fhir::edits::Edits;
use crate::fhir::knowledge::Modifier;
use crate::fhir::scan::{self, Span};
use crate::fhir::search::fragment::Fragment;
use crate::fhir::search::{Criterion, TokenValue, Value};

/// The code systems that codes may be mapped to.
const TARGETS: [&str; 5] = [
    "http://loinc.org",
    "http://snomed.info/sct",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://hl7.org/fhir/sid/cvx",
    "http://hl7.org/fhir/sid/icd-10-cm",
];

/// Marks a coding that was added.
const MARK: &str =
    r#"{"extension":[{"url":"https://chartgate.example/fhir/StructureDefinition/mapped-coding","valueBoolean":true}],"#;

/// Codings deeper than this are left alone; the scanner allows no deeper documents.
const DEEPEST: usize = 128;

/// Every mapping, by the vendor that it is for.
#[derive(Clone, Debug, Default)]
pub struct Terminology {
    general: Vec<Map>,
    by_vendor: BTreeMap<String, Vec<Map>>,
}

/// The mappings that hold for one source. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct SourceTerms(Arc<Terms>);

#[derive(Debug, Default)]
struct Terms {
    /// Target codings by the system and code that they are meant by; no system where a coding states none.
    codings: BTreeMap<(Option<String>, String), Vec<Target>>,
    /// What a resource must mention for a mapping to be possible.
    needles: Vec<String>,
}

#[derive(Clone, Debug)]
struct Map {
    system: Option<String>,
    target: String,
    codes: BTreeMap<String, Concept>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    system: String,
    concept: Concept,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Concept {
    code: String,
    display: Option<String>,
}

/// A table that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TerminologyError {
    /// The file.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    map: Vec<MapRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MapRow {
    system: Option<String>,
    vendor: Option<String>,
    target: String,
    codes: BTreeMap<String, Concept>,
}

impl Terminology {
    /// The tables in `files`.
    ///
    /// # Errors
    /// [`TerminologyError`], naming the file.
    pub fn load(files: &[PathBuf]) -> Result<Self, TerminologyError> {
        let mut all = Self::default();
        for path in files {
            let text = std::fs::read_to_string(path)
                .map_err(|error| TerminologyError::File { path: path.clone(), reason: error.to_string() })?;
            all.add(path, &text)?;
        }
        Ok(all)
    }

    fn add(&mut self, path: &Path, text: &str) -> Result<(), TerminologyError> {
        let refused = |reason: String| TerminologyError::File { path: path.to_owned(), reason };
        let file: File = toml::from_str(text).map_err(|error| refused(error.message().to_owned()))?;
        for row in file.map {
            if !TARGETS.contains(&row.target.as_str()) {
                return Err(refused(format!("{} is not a system that codes are mapped to", row.target)));
            }
            if row.system.is_none() && row.vendor.is_none() {
                return Err(refused("a map without a system needs a vendor".to_owned()));
            }
            let map = Map { system: row.system, target: row.target, codes: row.codes };
            match row.vendor {
                None => self.general.push(map),
                Some(vendor) => self.by_vendor.entry(vendor).or_default().push(map),
            }
        }
        Ok(())
    }

    /// What holds for sources of a vendor.
    #[must_use]
    pub fn for_vendor(&self, vendor: &str) -> SourceTerms {
        let mut terms = Terms::default();
        let own = self.by_vendor.get(vendor).into_iter().flatten();
        for map in self.general.iter().chain(own) {
            for (code, concept) in &map.codes {
                let targets = terms.codings.entry((map.system.clone(), code.clone())).or_default();
                let target = Target { system: map.target.clone(), concept: concept.clone() };
                if !targets.contains(&target) {
                    targets.push(target);
                }
                if map.system.is_none() {
                    terms.needles.push(code.clone());
                }
            }
            if let Some(system) = &map.system {
                terms.needles.push(system.clone());
            }
        }
        SourceTerms(Arc::new(terms))
    }
}

impl SourceTerms {
    /// The resource with what its codes mean added to them; `None` when nothing is to be added. The result has to be
    /// scanned anew.
    #[must_use]
    pub fn added_to(&self, bytes: &[u8]) -> Option<Bytes> {
        if !self.0.needles.iter().any(|needle| scan::mentions(bytes, needle)) {
            return None;
        }
        let mut edits = Edits::new();
        self.visit(Fragment::new(bytes), bytes, &mut edits, 0);
        if edits.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(bytes.len().saturating_add(256));
        edits.apply(bytes, &mut out).ok()?;
        Some(out.into())
    }

    /// Whether a search criterion could be met by a coding that is added here, of which the source knows nothing.
    #[must_use]
    pub fn may_meet(&self, criterion: &Criterion) -> bool {
        if criterion.modifier == Some(Modifier::Text) {
            // An added display is text like any other.
            return self.0.codings.values().flatten().any(|target| target.concept.display.is_some());
        }
        criterion.values.iter().any(|value| self.may_meet_value(value))
    }

    fn may_meet_value(&self, value: &Value) -> bool {
        let any = |fits: &dyn Fn(&Target) -> bool| self.0.codings.values().flatten().any(fits);
        match value {
            Value::Token(TokenValue::Code(code)) => any(&|target| target.concept.code.eq_ignore_ascii_case(code)),
            Value::Token(TokenValue::SystemAndCode { system, code }) => {
                any(&|target| target.system == *system && target.concept.code.eq_ignore_ascii_case(code))
            }
            Value::Token(TokenValue::System(system)) => any(&|target| target.system == *system),
            Value::Composite(parts) => parts.iter().any(|part| self.may_meet_value(part)),
            _ => false,
        }
    }

    /// Looks for `coding` arrays, wherever they stand.
    fn visit(&self, fragment: Fragment<'_>, document: &[u8], edits: &mut Edits, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        for (name, value) in fragment.members() {
            if name == b"coding" && value.bytes().first() == Some(&b'[') {
                self.extend(value, document, edits);
            } else {
                self.visit(value, document, edits, depth.saturating_add(1));
            }
        }
        for item in fragment.items() {
            self.visit(item, document, edits, depth.saturating_add(1));
        }
    }

    fn extend(&self, codings: Fragment<'_>, document: &[u8], edits: &mut Edits) {
        let mut present = Vec::new();
        let mut meant: Vec<&Target> = Vec::new();
        for coding in codings.items() {
            let (Some(code), system) = (coding.text_of("code"), coding.text_of("system")) else { continue };
            let key = (system.as_deref().map(str::to_owned), code.as_ref().to_owned());
            meant.extend(self.0.codings.get(&key).into_iter().flatten());
            present.push((key.0.unwrap_or_default(), key.1));
        }
        let mut added = Vec::new();
        for target in meant {
            let coding = (target.system.clone(), target.concept.code.clone());
            if !present.contains(&coding) {
                added.extend_from_slice(b",");
                added.extend_from_slice(target.to_json().as_bytes());
                present.push(coding);
            }
        }
        // Before the closing bracket. The array has an item, or nothing would be meant.
        if let (false, Some(end)) = (added.is_empty(), end_within(codings.bytes(), document)) {
            edits.replace(Span { start: end, end }, &added);
        }
    }
}

impl Target {
    fn to_json(&self) -> String {
        let text = |text: &str| serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned());
        let display = self.concept.display.as_deref().map(|display| format!(r#""display":{},"#, text(display)));
        format!(
            r#"{MARK}"system":{},"code":{},{}"userSelected":false}}"#,
            text(&self.system),
            text(&self.concept.code),
            display.unwrap_or_default()
        )
    }
}

/// The offset in `document` of the last byte of `part`, a slice of it.
fn end_within(part: &[u8], document: &[u8]) -> Option<u32> {
    let start = (part.as_ptr() as usize).checked_sub(document.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?.checked_sub(1)?;
    (document.get(end) == Some(&b']')).then_some(u32::try_from(end).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::ResourceType;
    use crate::fhir::knowledge::Knowledge;
    use crate::fhir::search::{self, Handling};

    const LOCAL: &str = "urn:lab";

    fn terms(text: &str) -> SourceTerms {
        let mut all = Terminology::default();
        all.add(Path::new("test"), text).unwrap();
        all.for_vendor("here")
    }

    fn lab() -> SourceTerms {
        terms(
            "[[map]]\nsystem = \"urn:lab\"\ntarget = \"http://loinc.org\"\n[map.codes]\n\
             GLU = { code = \"2345-7\", display = \"Glucose \\\"x\\\"\" }\nHGB = { code = \"718-7\" }\n\
             [[map]]\nvendor = \"here\"\ntarget = \"http://hl7.org/fhir/sid/cvx\"\n[map.codes]\nFLU = { code = \"140\" }\n\
             [[map]]\nvendor = \"there\"\nsystem = \"urn:lab\"\ntarget = \"http://snomed.info/sct\"\n[map.codes]\nGLU = { code = \"1\" }",
        )
    }

    fn added(text: &str) -> Option<serde_json::Value> {
        let bytes = lab().added_to(text.as_bytes())?;
        Some(serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn a_meaning_is_added_behind_what_stands_there_and_marked() {
        let text =
            format!(r#"{{"code":{{"coding":[ {{"system":"{LOCAL}","code":"GLU"}} ],"text":"x"}},"value":1.50}}"#);
        let bytes = lab().added_to(text.as_bytes()).unwrap();
        let mark = r#"{"extension":[{"url":"https://chartgate.example/fhir/StructureDefinition/mapped-coding","valueBoolean":true}],"system":"http://loinc.org","code":"2345-7","display":"Glucose \"x\"","userSelected":false}"#;
        let expected = format!(
            r#"{{"code":{{"coding":[ {{"system":"{LOCAL}","code":"GLU"}} ,{mark}],"text":"x"}},"value":1.50}}"#
        );
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected, "every other byte stays");
    }

    #[test]
    fn nothing_is_replaced_doubled_or_guessed() {
        for same in [
            r#"{"code":{"coding":[{"system":"urn:lab","code":"GLU"},{"system":"http://loinc.org","code":"2345-7"}]}}"#,
            r#"{"code":{"coding":[{"system":"urn:lab","code":"glu"}]}}"#,
            r#"{"code":{"coding":[{"system":"urn:labs","code":"GLU"}]}}"#,
            r#"{"code":{"coding":[{"code":"GLU"}]}}"#,
            r#"{"code":{"coding":{"system":"urn:lab","code":"GLU"}}}"#,
            r#"{"code":{"coding":[]},"note":"urn:lab"}"#,
            r#"{"identifier":[{"system":"urn:lab","value":"GLU"}]}"#,
        ] {
            assert_eq!(added(same), None, "{same}");
        }
        // Twice the same local code, and the mapping of another vendor, add nothing more.
        let twice =
            added(r#"{"code":{"coding":[{"system":"urn:lab","code":"GLU"},{"system":"urn:lab","code":"GLU"}]}}"#);
        assert_eq!(twice.unwrap()["code"]["coding"].as_array().unwrap().len(), 3);
        // Without a system, as this vendor writes them.
        let flu = added(r#"{"vaccineCode":{"coding":[{"code":"FLU"}]}}"#).unwrap();
        assert_eq!(flu["vaccineCode"]["coding"][1]["code"], "140");
    }

    #[test]
    fn codings_are_found_wherever_they_stand() {
        let all = added(
            r#"{"component":[{"code":{"coding":[{"system":"urn:lab","code":"GLU"}]}},{"valueCodeableConcept":{"coding":[{"system":"urn:lab","code":"HGB"}]}}],"contained":[{"code":{"coding":[{"code":"G\u004cU","system":"urn:lab"}]}}]}"#,
        )
        .unwrap();
        assert_eq!(all["component"][0]["code"]["coding"][1]["code"], "2345-7");
        assert_eq!(all["component"][1]["valueCodeableConcept"]["coding"][1]["code"], "718-7");
        assert_eq!(all["contained"][0]["code"]["coding"][1]["code"], "2345-7");
    }

    #[test]
    fn a_search_for_a_meaning_is_not_left_to_the_source() {
        let may_meet = |value: &str| {
            let (name, value) = value.split_once('=').unwrap_or(("code", value));
            let pairs = [(name.to_owned(), value.to_owned())];
            let query =
                search::parse(Knowledge::embedded().unwrap(), ResourceType::Observation, &pairs, Handling::Strict);
            query.unwrap().criteria.iter().any(|criterion| lab().may_meet(criterion))
        };
        for value in ["http://loinc.org|2345-7", "2345-7", "x|y,718-7", "http://loinc.org|", "code:text=glu"] {
            assert!(may_meet(value), "{value}");
        }
        for value in ["http://loinc.org|1-1", "urn:lab|GLU", "http://snomed.info/sct|1", "|2345-7", "status=final"] {
            assert!(!may_meet(value), "{value}");
        }
    }

    #[test]
    fn malformed_tables_are_refused() {
        for text in [
            "[[map]]\ntarget = \"http://loinc.org\"\n[map.codes]\n",
            "[[map]]\nsystem = \"urn:lab\"\ntarget = \"urn:other\"\n[map.codes]\n",
            "[[map]]\nsystem = \"urn:lab\"\ntarget = \"http://loinc.org\"",
            "surprise = 1",
        ] {
            assert!(Terminology::default().add(Path::new("test"), text).is_err(), "{text}");
        }
        assert!(Terminology::load(&[]).unwrap().for_vendor("generic").0.codings.is_empty());
        assert!(Terminology::load(&["/nowhere.toml".into()]).is_err());
    }

    #[test]
    fn the_tables_of_the_repository_load() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/terminology");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let tables: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
        assert!(!tables.is_empty());
        assert!(Terminology::load(&tables).unwrap().for_vendor("generic").0.codings.len() > 5);
    }
}
