//! What pages say, in the language of whoever reads them: `templates/words/`, one file for each language, the same keys in
//! all of them. A page that takes its words from here says so by `{% block lang %}`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::around;
use crate::identity::Language;

type Table = BTreeMap<String, String>;

static ENGLISH: LazyLock<Table> = LazyLock::new(|| table(include_str!("../../../templates/words/en.toml")));
static SPANISH: LazyLock<Table> = LazyLock::new(|| table(include_str!("../../../templates/words/es.toml")));

/// `[people] title = "…"` as `people.title`. A file that cannot be read says nothing: a test reads both.
fn table(text: &str) -> Table {
    let parsed: BTreeMap<String, Table> = toml::from_str(text).unwrap_or_default();
    let of_group = |(group, words): (String, Table)| {
        words.into_iter().map(move |(key, text)| (format!("{group}.{key}"), text)).collect::<Vec<_>>()
    };
    parsed.into_iter().flat_map(of_group).collect()
}

fn of(language: Language) -> &'static Table {
    match language {
        Language::English => &ENGLISH,
        Language::Spanish => &SPANISH,
    }
}

/// The words for `key` in the reader's language.
pub(in crate::http) fn say(key: &str) -> &'static str {
    find(around::language(), key).unwrap_or_default()
}

/// The words for `key`, if there are any.
pub(in crate::http) fn find(language: Language, key: &str) -> Option<&'static str> {
    of(language).get(key).map(String::as_str)
}

/// The words for `key` with values where it has their names: `{who}`. What a value holds is not looked at again.
pub(in crate::http) fn say_with(key: &str, values: &[(&str, &str)]) -> String {
    let mut rest = say(key);
    let mut said = String::with_capacity(rest.len());
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        said.push_str(before);
        said.push_str(values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value));
        rest = behind;
    }
    said.push_str(rest);
    said
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::authorization::LookKind;
    use crate::consent::{Category, Rule};
    use crate::identity::{GrantBasis, StatusReason, ViewReason};

    /// Keys whose last part is a word of the product.
    fn composed() -> BTreeSet<String> {
        let categories = Category::ALL.iter().filter(|c| !matches!(c, Category::Derived | Category::Directory));
        let mut keys: BTreeSet<String> = categories.map(|c| format!("category.{}", c.as_str())).collect();
        let rights = ["parent", "guardian-minor", "foster", "guardian-adult", "hcpoa", "executor"];
        keys.extend(rights.map(|right| format!("right.{right}")));
        keys.extend(LookKind::ALL.iter().map(|kind| format!("did.{}", kind.as_str())));
        keys.extend(super::super::see_as::KINDS.iter().map(|kind| format!("kind.{kind}")));
        for basis in GrantBasis::ALL {
            keys.extend(["who", "why", "role"].map(|group| format!("{group}.{}", basis.as_str())));
        }
        keys.extend(Rule::ALL.iter().map(|rule| format!("rule.{}", rule.as_str())));
        keys.extend(StatusReason::ALL.iter().map(|reason| format!("reason.{}", reason.as_str())));
        keys.extend(ViewReason::ALL.iter().map(|reason| format!("view.{}", reason.as_str())));
        keys.extend(["mental-health", "sexual-health", "substances"].map(|topic| format!("topic.{topic}")));
        keys
    }

    fn placeholders(text: &str) -> Vec<&str> {
        let mut found: Vec<&str> = text.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0)).collect();
        found.sort_unstable();
        found
    }

    /// Every `say("key")`, `say_with("key"` and `key: "key"` in sources and templates.
    fn used(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                used(&path, found);
                continue;
            }
            if path.ends_with("words.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for marker in ["say(\"", "say_with(\"", ".word(\"", ".word_with(\"", " word(\"", "(word(\""] {
                for part in text.split(marker).skip(1) {
                    found.insert(part.split('"').next().unwrap().to_owned());
                }
            }
        }
    }

    /// Rule: both languages have the same keys with the same places for values, each says something, every key that a page
    /// asks for is there, and none is there that no page asks for.
    #[test]
    fn every_language_says_everything() {
        assert!(ENGLISH.len() > 50, "the English words were read");
        assert_eq!(ENGLISH.keys().collect::<Vec<_>>(), SPANISH.keys().collect::<Vec<_>>());
        for (key, english) in &*ENGLISH {
            let spanish = &SPANISH[key];
            assert_eq!(placeholders(english), placeholders(spanish), "{key}");
            assert!(!english.trim().is_empty() && !spanish.trim().is_empty(), "{key}");
            assert!(!format!("{english}{spanish}").contains(['<', '>', '&']), "{key}: words, no markup");
        }
        let same: Vec<_> = ENGLISH.iter().filter(|(key, text)| SPANISH[*key] == **text).map(|(key, _)| key).collect();
        assert_eq!(same, Vec::<&String>::new(), "not translated");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut keys = composed();
        for folder in ["src/http", "templates"] {
            used(&root.join(folder), &mut keys);
        }
        for key in &keys {
            assert!(ENGLISH.contains_key(key), "no words for {key}");
        }
        for key in ENGLISH.keys().filter(|key| !key.starts_with("people-teen.")) {
            assert!(keys.contains(key), "nobody says {key}");
        }
        for key in ENGLISH.keys().filter_map(|key| key.strip_prefix("people-teen.")) {
            assert!(ENGLISH.contains_key(&format!("people.{key}")), "no grown-up says {key}");
        }
    }

    #[test]
    fn values_stand_where_their_names_do_and_are_not_read() {
        assert_eq!(say_with("people.end", &[("who", "{who} {x}")]), "End access of {who} {x}");
    }
}
