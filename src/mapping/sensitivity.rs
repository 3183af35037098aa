//! `mappings/sensitivity/*.toml`: which codes are sensitive, and in which way.

use serde::Deserialize;

use crate::consent::{CodePattern, CodeSets, Label};

/// A table of sensitive codes that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the label table {file}: {why}")]
pub struct SensitivityError {
    file: String,
    why: String,
}

const EMBEDDED: [(&str, &str); 6] = [
    ("loinc.toml", include_str!("../../mappings/sensitivity/loinc.toml")),
    ("snomed.toml", include_str!("../../mappings/sensitivity/snomed.toml")),
    ("rxnorm.toml", include_str!("../../mappings/sensitivity/rxnorm.toml")),
    ("icd-10.toml", include_str!("../../mappings/sensitivity/icd-10.toml")),
    ("procedures.toml", include_str!("../../mappings/sensitivity/procedures.toml")),
    ("departments.toml", include_str!("../../mappings/sensitivity/departments.toml")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where the meaning of the codes is published.
    origin: String,
    /// How EHRs spell the code system; the first is its canonical URL.
    systems: Vec<String>,
    set: Vec<SetRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetRow {
    label: Label,
    #[serde(default)]
    codes: Vec<String>,
    #[serde(default)]
    prefixes: Vec<String>,
    #[serde(default)]
    ranges: Vec<(u32, u32)>,
    /// Where it is not that of the file.
    #[serde(default)]
    systems: Vec<String>,
}

/// The tables that come with the binary.
///
/// # Errors
/// [`SensitivityError`].
pub fn embedded() -> Result<CodeSets, SensitivityError> {
    with_tables(&[])
}

/// The same, and tables that were entered while it runs, by name. They add: what is sensitive by one is sensitive.
///
/// # Errors
/// [`SensitivityError`].
pub fn with_tables(entered: &[(String, String)]) -> Result<CodeSets, SensitivityError> {
    let mut sets = CodeSets::default();
    let entered = entered.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    for (file, text) in EMBEDDED.into_iter().chain(entered) {
        add(&mut sets, text).map_err(|why| SensitivityError { file: file.to_owned(), why })?;
    }
    Ok(sets)
}

fn add(sets: &mut CodeSets, text: &str) -> Result<(), String> {
    let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    if file.origin.trim().is_empty() || file.systems.is_empty() {
        return Err("says neither where its codes are published nor how the system is called".to_owned());
    }
    for row in file.set {
        let codes = row.codes.into_iter().map(CodePattern::Code);
        let prefixes = row.prefixes.into_iter().map(CodePattern::Prefix);
        let ranges = row.ranges.into_iter().map(|(from, to)| CodePattern::Range(from, to));
        let patterns: Vec<CodePattern> = codes.chain(prefixes).chain(ranges).collect();
        let is_empty = |pattern: &CodePattern| match pattern {
            CodePattern::Code(text) | CodePattern::Prefix(text) => text.trim().is_empty(),
            CodePattern::Range(from, to) => from > to,
        };
        if patterns.is_empty() || patterns.iter().any(is_empty) {
            return Err(format!("a set of {} without codes", row.label.as_str()));
        }
        let systems = if row.systems.is_empty() { &file.systems } else { &row.systems };
        systems.iter().for_each(|system| sets.add(system, &patterns, row.label));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_everybody_knows_are_labelled() {
        let sets = embedded().unwrap();
        let labels = |system: &str, code: &str| sets.labels(system, code).each().collect::<Vec<_>>();
        for (system, code, label) in [
            ("http://loinc.org", "21613-5", Label::Std),
            ("http://loinc.org", "20447-9", Label::Hiv),
            ("http://loinc.org", "2106-3", Label::Pregnant),
            ("http://loinc.org", "44261-6", Label::Mh),
            ("http://snomed.info/sct", "86406008", Label::Hiv),
            ("http://snomed.info/sct", "77386006", Label::Pregnant),
            ("http://www.nlm.nih.gov/research/umls/rxnorm", "276237", Label::Hiv),
            ("http://www.nlm.nih.gov/research/umls/rxnorm", "831533", Label::Sex),
            ("http://hl7.org/fhir/sid/icd-10-cm", "B20", Label::Hiv),
            ("http://hl7.org/fhir/sid/icd-10-cm", "F11.20", Label::Opioidud),
            ("http://hl7.org/fhir/sid/cvx", "165", Label::Sex),
            ("http://www.ama-assn.org/go/cpt", "90834", Label::Mh),
            ("http://nucc.org/provider-taxonomy", "2080A0000X", Label::MinorConsented),
        ] {
            assert!(labels(system, code).contains(&label), "{system} {code}: {:?}", labels(system, code));
        }
        for (system, code) in [
            ("http://loinc.org", "4548-4"),
            ("http://loinc.org", "8302-2"),
            ("http://snomed.info/sct", "38341003"),
            ("http://hl7.org/fhir/sid/icd-10-cm", "J45.909"),
            ("http://hl7.org/fhir/sid/cvx", "03"),
            ("http://www.nlm.nih.gov/research/umls/rxnorm", "435"),
            ("http://www.ama-assn.org/go/cpt", "99213"),
        ] {
            assert_eq!(labels(system, code), [], "{system} {code}");
        }
    }

    /// EHRs that speak HL7 v2 or CDA inside write code systems, those of departments and practices among them, as OIDs. The
    /// pairs are HL7's own (terminology.hl7.org, external code systems).
    #[test]
    fn a_system_is_known_by_its_oid_as_well() {
        let sets = embedded().unwrap();
        for (url, oid, code) in [
            ("http://nucc.org/provider-taxonomy", "2.16.840.1.113883.6.101", "2080A0000X"),
            ("http://nucc.org/provider-taxonomy", "2.16.840.1.113883.6.101", "103TC0700X"),
            ("http://snomed.info/sct", "2.16.840.1.113883.6.96", "394587001"),
            ("http://snomed.info/sct", "2.16.840.1.113883.6.96", "86406008"),
            ("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "2.16.840.1.113883.5.111", "PSYCHF"),
            ("http://loinc.org", "2.16.840.1.113883.6.1", "21613-5"),
            ("http://www.nlm.nih.gov/research/umls/rxnorm", "2.16.840.1.113883.6.88", "276237"),
            ("http://hl7.org/fhir/sid/icd-10-cm", "2.16.840.1.113883.6.90", "B20"),
            ("http://hl7.org/fhir/sid/cvx", "2.16.840.1.113883.12.292", "165"),
            ("http://www.ama-assn.org/go/cpt", "2.16.840.1.113883.6.12", "90834"),
        ] {
            let by_url = sets.labels(url, code);
            assert!(!by_url.is_empty(), "{url} {code}");
            assert_eq!(sets.labels(&format!("urn:oid:{oid}"), code), by_url, "{url} {code}");
        }
    }

    #[test]
    fn tables_that_are_entered_add_and_are_another_version() {
        let table = "origin = \"x\"\nsystems = [\"http://loinc.org\"]\n[[set]]\nlabel = \"MH\"\ncodes = [\"21613-5\"]";
        let (plain, more) = (embedded().unwrap(), with_tables(&[("own".to_owned(), table.to_owned())]).unwrap());
        assert_eq!(plain.labels("http://loinc.org", "21613-5").each().collect::<Vec<_>>(), [Label::Std]);
        assert_eq!(more.labels("http://loinc.org", "21613-5").each().collect::<Vec<_>>(), [Label::Mh, Label::Std]);
        assert_ne!((plain.version(), plain.version_name()), (more.version(), more.version_name()));
        assert_eq!(plain, embedded().unwrap());
        let wrong = with_tables(&[("own".to_owned(), "origin = 1".to_owned())]).unwrap_err().to_string();
        assert!(wrong.starts_with("the label table own: "), "{wrong}");
    }

    #[test]
    fn a_table_that_says_nothing_is_refused() {
        let add = |text: &str| add(&mut CodeSets::default(), text);
        assert!(add("origin = \"x\"\nsystems = [\"s\"]\n[[set]]\nlabel = \"HIV\"\ncodes = [\"1\"]").is_ok());
        for wrong in [
            "systems = [\"s\"]\nset = []",
            "origin = \"\"\nsystems = [\"s\"]\nset = []",
            "origin = \"x\"\nsystems = []\nset = []",
            "origin = \"x\"\nsystems = [\"s\"]\n[[set]]\nlabel = \"HIV\"",
            "origin = \"x\"\nsystems = [\"s\"]\n[[set]]\nlabel = \"AIDS\"\ncodes = [\"1\"]",
            "origin = \"x\"\nsystems = [\"s\"]\n[[set]]\nlabel = \"HIV\"\ncodes = [\"\"]",
            "origin = \"x\"\nsystems = [\"s\"]\n[[set]]\nlabel = \"HIV\"\nranges = [[2, 1]]",
        ] {
            assert!(add(wrong).is_err(), "{wrong}");
        }
    }
}
