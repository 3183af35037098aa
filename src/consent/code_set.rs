use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::free_text::Words;
use super::label::{Label, Labels};
use crate::base::hash::sha256;

/// Which codes are sensitive, and in which way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeSets {
    /// Few, by length: that alone tells nearly all of them apart, and each coding of each resource is looked for here.
    systems: Vec<(String, SystemSets)>,
    /// Where those begin that are so long, and at the end their number.
    by_length: Vec<usize>,
    version: [u8; 32],
    /// Whether some code says who may see something, and not what it is.
    has_decisions: bool,
    words: Words,
}

/// The same of one system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemSets {
    exact: HashMap<String, Labels, RandomState>,
    prefixes: Vec<(String, Labels)>,
    ranges: Vec<(u32, u32, Labels)>,
}

/// Codes of one system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodePattern {
    /// This one.
    Code(String),
    /// All that begin so, full stops aside: ICD-10 is a tree.
    Prefix(String),
    /// All numbers from the first to the last.
    Range(u32, u32),
}

impl CodeSets {
    /// Enters codes of a system under a label.
    pub fn add(&mut self, system: &str, patterns: &[CodePattern], label: Label) {
        let known = self.systems.iter().position(|(known, _)| known == system);
        let at = known.unwrap_or_else(|| self.enter(system));
        let Some((_, sets)) = self.systems.get_mut(at) else { return };
        let labels: Labels = [label].into_iter().collect();
        self.has_decisions |= !label.is_content();
        for pattern in patterns {
            match pattern {
                CodePattern::Code(code) => {
                    let known = sets.exact.entry(plain(code).into_owned()).or_default();
                    *known = known.and(labels);
                }
                CodePattern::Prefix(prefix) => sets.prefixes.push((plain(prefix).into_owned(), labels)),
                CodePattern::Range(from, to) => sets.ranges.push((*from, *to, labels)),
            }
        }
        let text = format!("{:?}{system}{patterns:?}{label:?}", self.version);
        self.version = sha256(text.as_bytes());
    }

    /// Lets these words be looked for in what people wrote.
    pub fn look_for(&mut self, words: Words) {
        let text = format!("{:?}{words:?}", self.version);
        self.version = sha256(text.as_bytes());
        self.words = words;
    }

    /// The words that may say something sensitive.
    #[must_use]
    pub const fn words(&self) -> &Words {
        &self.words
    }

    /// A place for the codes of a system that has none.
    fn enter(&mut self, system: &str) -> usize {
        let at = self.systems.partition_point(|(known, _)| known.len() <= system.len());
        self.systems.insert(at, (system.to_owned(), SystemSets::default()));
        let longest = self.systems.last().map_or(0, |(known, _)| known.len());
        let begins = |length: usize| self.systems.partition_point(|(known, _)| known.len() < length);
        self.by_length = (0..=longest.saturating_add(1)).map(begins).collect();
        at
    }

    /// The labels of a code.
    #[must_use]
    pub fn labels(&self, system: &str, code: &str) -> Labels {
        self.system(system.as_bytes()).map_or(Labels::NONE, |sets| sets.labels(code))
    }

    /// Whether some code says who may see something, and not what it is.
    #[must_use]
    pub const fn has_decisions(&self) -> bool {
        self.has_decisions
    }

    /// What is known of a system.
    #[must_use]
    pub fn system(&self, system: &[u8]) -> Option<&SystemSets> {
        let ends = self.by_length.get(system.len()..)?;
        let alike = self.systems.get(*ends.first()?..*ends.get(1)?)?;
        alike.iter().find(|(known, _)| known.as_bytes() == system).map(|(_, sets)| sets)
    }

    /// The same in few letters, for whoever is told by what was decided.
    #[must_use]
    pub fn version_name(&self) -> String {
        let mut name = data_encoding::HEXLOWER.encode(&self.version);
        name.truncate(12);
        name
    }

    /// Which tables these are: what was decided by others is not used.
    #[must_use]
    pub const fn version(&self) -> &[u8; 32] {
        &self.version
    }
}

impl SystemSets {
    /// The labels of a code.
    #[must_use]
    pub fn labels(&self, code: &str) -> Labels {
        let code = plain(code);
        let mut labels = self.exact.get(&*code).copied().unwrap_or_default();
        for (_, more) in self.prefixes.iter().filter(|(prefix, _)| code.starts_with(prefix.as_str())) {
            labels = labels.and(*more);
        }
        if !self.ranges.is_empty()
            && let Ok(number) = code.parse::<u32>()
        {
            for (_, _, more) in self.ranges.iter().filter(|(from, to, _)| (*from..=*to).contains(&number)) {
                labels = labels.and(*more);
            }
        }
        labels
    }
}

/// A code as it is compared: EHRs leave the full stop out of ICD-10 and write small letters.
fn plain(code: &str) -> Cow<'_, str> {
    // Most are spelled so, and are looked up by the thousand.
    if code.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase() || byte == b'-') {
        return Cow::Borrowed(code);
    }
    Cow::Owned(code.trim().chars().filter(|c| *c != '.').map(|c| c.to_ascii_uppercase()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_prefixes_and_ranges_are_found_however_they_are_spelled() {
        let mut sets = CodeSets::default();
        let nothing = *sets.version();
        sets.add("icd", &[CodePattern::Prefix("F10".into()), CodePattern::Code("Z33.1".into())], Label::Eth);
        sets.add("icd", &[CodePattern::Prefix("F1".into())], Label::Sud);
        sets.add("cpt", &[CodePattern::Range(90_785, 90_899)], Label::Mh);
        let labels = |system: &str, code: &str| sets.labels(system, code).each().collect::<Vec<_>>();
        assert_eq!(labels("icd", "f10.20"), [Label::Eth, Label::Sud]);
        assert_eq!(labels("icd", "F1120"), [Label::Sud]);
        assert_eq!(labels("icd", "Z331"), [Label::Eth]);
        assert_eq!(labels("icd", "Z33"), []);
        assert_eq!(labels("cpt", "90785"), [Label::Mh]);
        assert_eq!(labels("cpt", "90899"), [Label::Mh]);
        assert_eq!(labels("cpt", "90900"), []);
        assert_eq!(labels("loinc", "90899"), []);
        assert_ne!(*sets.version(), nothing);
        // What people and the audit trail are told is the beginning of it.
        assert_eq!(sets.version_name(), data_encoding::HEXLOWER.encode(&sets.version()[..6]));
    }
}
