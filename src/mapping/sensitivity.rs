//! `mappings/sensitivity/*.toml`: which codes are sensitive, and in which way.

use serde::Deserialize;

use crate::consent::{CodePattern, CodeSets, Label, Labels, Words};

/// A table of sensitive codes that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the label table {file}: {why}")]
pub struct SensitivityError {
    file: String,
    why: String,
}

const EMBEDDED: [(&str, &str); 7] = [
    ("loinc.toml", include_str!("../../mappings/sensitivity/loinc.toml")),
    ("snomed.toml", include_str!("../../mappings/sensitivity/snomed.toml")),
    ("rxnorm.toml", include_str!("../../mappings/sensitivity/rxnorm.toml")),
    ("icd-10.toml", include_str!("../../mappings/sensitivity/icd-10.toml")),
    ("procedures.toml", include_str!("../../mappings/sensitivity/procedures.toml")),
    ("departments.toml", include_str!("../../mappings/sensitivity/departments.toml")),
    ("words.toml", include_str!("../../mappings/sensitivity/words.toml")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where the meaning of the codes is published, or who chose the words.
    origin: String,
    /// How EHRs spell the code system; the first is its canonical URL. Words have none.
    #[serde(default)]
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
    /// Words in free text that may say so, in any language; one that ends with `*` is the beginning of words.
    #[serde(default)]
    words: Vec<String>,
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
    let (mut sets, mut words) = (CodeSets::default(), Vec::new());
    let entered = entered.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    for (file, text) in EMBEDDED.into_iter().chain(entered) {
        let of_file = add(&mut sets, text).and_then(|of_file| {
            // Of this file alone first: whoever wrote it is told which word it was.
            Words::new(of_file.clone()).map_err(|error| error.to_string())?;
            Ok(of_file)
        });
        words.extend(of_file.map_err(|why| SensitivityError { file: file.to_owned(), why })?);
    }
    let all = Words::new(words);
    sets.look_for(all.map_err(|why| SensitivityError { file: "all together".to_owned(), why: why.to_string() })?);
    Ok(sets)
}

/// Enters the codes of a file; its words with what they may say.
fn add(sets: &mut CodeSets, text: &str) -> Result<Vec<(String, Labels)>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    if file.origin.trim().is_empty() {
        return Err("does not say where its codes are published".to_owned());
    }
    if file.set.is_empty() {
        return Err("names nothing".to_owned());
    }
    let mut words = Vec::new();
    for row in file.set {
        if !row.words.is_empty() && !row.label.is_content() {
            return Err(format!("words do not decide who sees something: {}", row.label.as_str()));
        }
        words.extend(row.words.iter().map(|word| (word.clone(), [row.label].into_iter().collect())));
        let codes = row.codes.into_iter().map(CodePattern::Code);
        let prefixes = row.prefixes.into_iter().map(CodePattern::Prefix);
        let ranges = row.ranges.into_iter().map(|(from, to)| CodePattern::Range(from, to));
        let patterns: Vec<CodePattern> = codes.chain(prefixes).chain(ranges).collect();
        let is_empty = |pattern: &CodePattern| match pattern {
            CodePattern::Code(text) | CodePattern::Prefix(text) => text.trim().is_empty(),
            CodePattern::Range(from, to) => from > to,
        };
        if (patterns.is_empty() && row.words.is_empty()) || patterns.iter().any(is_empty) {
            return Err(format!("a set of {} without codes", row.label.as_str()));
        }
        let systems = if row.systems.is_empty() { &file.systems } else { &row.systems };
        if systems.is_empty() && !patterns.is_empty() {
            return Err("does not say how the system of its codes is called".to_owned());
        }
        systems.iter().filter(|_| !patterns.is_empty()).for_each(|system| sets.add(system, &patterns, row.label));
    }
    Ok(words)
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

    /// By hand: what clinicians write in both languages, and what only looks like it.
    #[test]
    fn words_that_everybody_knows_are_looked_for_and_common_ones_are_not() {
        let sets = embedded().unwrap();
        let labels = |text: &str| {
            let resource = serde_json::json!({"resourceType": "Observation", "id": "1", "valueString": text});
            let knowledge = crate::fhir::knowledge::Knowledge::embedded().unwrap();
            let raw = crate::fhir::scan::scan_resource(resource.to_string().into(), knowledge).unwrap();
            sets.words().suspicion(&raw).map_or(Vec::new(), |suspicion| suspicion.labels.each().collect())
        };
        for (text, expected) in [
            ("HIV 1/2 Ag/Ab, 4th gen", &[Label::Hiv] as &[Label]),
            ("prueba de VIH", &[Label::Hiv]),
            ("Chlamydia trachomatis DNA", &[Label::Std]),
            ("pregnancy test, urine", &[Label::Pregnant]),
            ("asks for contraception", &[Label::Sex]),
            ("anticoncepción", &[Label::Sex]),
            ("PHQ-9 total score", &[Label::Mh]),
            ("depresión moderada", &[Label::Mh]),
            ("Suboxone refill", &[Label::Opioidud]),
            ("drinks per week: 20", &[Label::Eth]),
            ("feels unsafe at home", &[Label::Sdv]),
            ("bowel prep; its result; ST depressed in V2; lithium heparin tube; thoracic cage; plan B reviewed", &[]),
            ("Glucose [Mass/volume] in Serum or Plasma", &[]),
            ("Patient tolerated the procedure well. Follow up in two weeks.", &[]),
            ("Paciente estable, continúa con el tratamiento para la hipertensión.", &[]),
        ] {
            assert_eq!(labels(text), expected, "{text}");
        }
    }

    /// What a practice enters may be words alone, and adds to what is looked for.
    #[test]
    fn words_that_are_entered_add() {
        let table = "origin = \"x\"\n[[set]]\nlabel = \"SUD\"\nwords = [\"blue door program\"]";
        let more = with_tables(&[("own".to_owned(), table.to_owned())]).unwrap();
        assert_ne!(*more.words(), *embedded().unwrap().words());
        assert_ne!(more.version(), embedded().unwrap().version());
        let wrong = "origin = \"x\"\n[[set]]\nlabel = \"SUD\"\nwords = [\"--\"]";
        let refused = with_tables(&[("own".to_owned(), wrong.to_owned())]).unwrap_err().to_string();
        assert!(refused.starts_with("the label table own: ") && refused.contains("--"), "{refused}");
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
            "origin = \"x\"\n[[set]]\nlabel = \"HIV\"\ncodes = [\"1\"]",
            "origin = \"x\"\n[[set]]\nlabel = \"HIV\"",
            "origin = \"x\"\n[[set]]\nlabel = \"restricted\"\nwords = [\"secret\"]",
            "origin = \"\"\n[[set]]\nlabel = \"HIV\"\nwords = [\"HIV\"]",
        ] {
            assert!(add(wrong).is_err(), "{wrong}");
        }
    }
}
