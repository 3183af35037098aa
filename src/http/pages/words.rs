//! What pages say, in the language of whoever reads them: `templates/words/`, one file for each language, the same keys in
//! all of them. A page that takes its words from here says so by `{% block lang %}`.

use std::collections::BTreeMap;
use std::fmt;
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
    parts(key, values, &[]).into_iter().map(|part| part.text).collect()
}

/// A piece of a sentence.
pub(in crate::http) struct Part {
    pub(in crate::http) text: String,
    /// Whether it stands out from the others.
    pub(in crate::http) is_strong: bool,
}

/// The same piece by piece, for a page on which some of the values stand out (`strong.html`).
pub(in crate::http) fn parts(key: &str, plain: &[(&str, &str)], strong: &[(&str, &str)]) -> Vec<Part> {
    let mut found = Vec::new();
    for piece in pieces(say(key)) {
        let value_in = |values: &[(&str, &str)], name: &str| {
            values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let (text, is_strong) = match piece {
            Piece::Words(words) => (words.to_owned(), false),
            Piece::Value(name) => match value_in(strong, name) {
                Some(value) => (value, true),
                None => (value_in(plain, name).unwrap_or_default(), false),
            },
        };
        found.push(Part { text, is_strong });
    }
    found
}

enum Piece<'t> {
    Words(&'t str),
    /// The place of a value, by its name.
    Value(&'t str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        found.extend([Piece::Words(before), Piece::Value(name)]);
        rest = behind;
    }
    found.push(Piece::Words(rest));
    found
}

/// What a floor below says to people, in the reader's language: its English stands in `words/` under `told`, and what is
/// not there stays as it is.
pub(in crate::http) fn told(said: impl fmt::Display) -> String {
    let said = said.to_string();
    match around::language() {
        Language::English => said,
        language => told_in(language, &said).unwrap_or(said),
    }
}

/// By the whole text, else by the first pattern that it has: values are told in their own place.
fn told_in(language: Language, said: &str) -> Option<String> {
    let mut known = ENGLISH.iter().filter(|(key, _)| key.starts_with("told."));
    if let Some((key, _)) = known.clone().find(|(_, english)| *english == said) {
        return find(language, key).map(str::to_owned);
    }
    let (key, values) = known.find_map(|(key, english)| Some((key, values_of(english, said)?)))?;
    let told = pieces(find(language, key)?).into_iter().map(|piece| match piece {
        Piece::Words(words) => words.to_owned(),
        Piece::Value(name) => {
            values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).unwrap_or_default().to_owned()
        }
    });
    Some(told.collect())
}

/// The values at the places of a pattern, if a text has this pattern. A text without a place is none.
fn values_of<'p, 's>(pattern: &'p str, said: &'s str) -> Option<Vec<(&'p str, &'s str)>> {
    let mut pieces = pieces(pattern).into_iter();
    let Some(Piece::Words(first)) = pieces.next() else { return None };
    let mut rest = said.strip_prefix(first)?;
    let mut values = Vec::new();
    while let (Some(Piece::Value(name)), Some(Piece::Words(after))) = (pieces.next(), pieces.next()) {
        let end = if after.is_empty() { rest.len() } else { rest.find(after)? };
        let (value, behind) = rest.split_at(end);
        values.push((name, value));
        rest = behind.strip_prefix(after)?;
    }
    (rest.is_empty() && !values.is_empty() && values.iter().all(|(_, value)| !value.is_empty())).then_some(values)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::authorization::LookKind;
    use crate::consent::{Category, Label, Rule};
    use crate::fhir::ResourceType;
    use crate::identity::matching::Doubt;
    use crate::identity::{Channel, Document, GrantBasis, StaffRole, StatusReason, ViewReason};
    use crate::smart::words::{Heading, parts as smart_parts, plain_words};
    use crate::storage::staff_tasks::StaffTaskKind;

    /// Keys whose last part is a word of the product.
    fn composed() -> BTreeSet<String> {
        let categories = Category::ALL.iter().filter(|c| !matches!(c, Category::Derived | Category::Directory));
        let mut keys: BTreeSet<String> = categories.map(|c| format!("category.{}", c.as_str())).collect();
        let rights = ["parent", "guardian-minor", "foster", "guardian-adult", "hcpoa", "executor"];
        keys.extend(rights.map(|right| format!("right.{right}")));
        keys.extend(LookKind::ALL.iter().map(|kind| format!("did.{}", kind.as_str())));
        keys.extend(super::super::see_as::KINDS.iter().map(|kind| format!("kind.{kind}")));
        for basis in GrantBasis::ALL {
            keys.extend(["who", "why", "role", "basis"].map(|group| format!("{group}.{}", basis.as_str())));
        }
        keys.extend(StaffTaskKind::ALL.iter().map(|kind| format!("task.{}", kind.as_str())));
        keys.extend(Document::ALL.iter().map(|paper| format!("paper.{}", paper.as_str())));
        keys.extend(Rule::ALL.iter().map(|rule| format!("rule.{}", rule.as_str())));
        keys.extend(StatusReason::ALL.iter().map(|reason| format!("reason.{}", reason.as_str())));
        keys.extend(Label::ALL.iter().filter(|label| label.is_content()).map(|l| format!("label.{}", l.as_str())));
        keys.extend(ViewReason::ALL.iter().map(|reason| format!("view.{}", reason.as_str())));
        keys.extend(super::super::record::paths().map(|path| format!("part.{path}")));
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
            // A call may be written on several lines.
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split('(').map(str::trim_start).collect::<Vec<_>>().join("(");
            for marker in ["say(\"", "say_with(\"", "parts(\"", ".word(\"", ".word_with(\"", " word(\"", "(word(\""] {
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
        // The one word that both languages have.
        let is_same = |(key, text): &(&String, &String)| SPANISH[*key] == **text && *text != "No";
        let same: Vec<_> = ENGLISH.iter().filter(is_same).map(|(key, _)| key).collect();
        assert_eq!(same, Vec::<&String>::new(), "not translated");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut keys = composed();
        for folder in ["src/http", "templates"] {
            used(&root.join(folder), &mut keys);
        }
        for (code, english) in ENGLISH.iter().filter_map(|(key, text)| Some((key.strip_prefix("limit.")?, text))) {
            assert_eq!(*english, code.replace('-', " "), "what an app asks for is read as it is");
            keys.insert(format!("limit.{code}"));
        }
        for key in &keys {
            assert!(ENGLISH.contains_key(key), "no words for {key}");
        }
        for key in ENGLISH.keys().filter(|key| !key.starts_with("people-teen.") && !key.starts_with("told.")) {
            assert!(keys.contains(key), "nobody says {key}");
        }
        for key in ENGLISH.keys().filter_map(|key| key.strip_prefix("people-teen.")) {
            assert!(ENGLISH.contains_key(&format!("people.{key}")), "no grown-up says {key}");
        }
    }

    /// The words that a template shows whoever reads it, beside what it is given: text, and what is read out.
    fn own_words(template: &str) -> Vec<String> {
        let mut text = template.to_owned();
        for (open, close) in [("{%", "%}"), ("{{", "}}"), ("{#", "#}")] {
            while let Some((from, rest)) = text.find(open).map(|from| (from, &text[from..])) {
                let end = from + rest.find(close).unwrap() + close.len();
                text.replace_range(from..end, " ");
            }
        }
        let mut shown = String::new();
        for (at, part) in text.split('<').enumerate() {
            let (tag, after) = if at == 0 { ("", part) } else { part.split_once('>').unwrap_or((part, "")) };
            for name in ["aria-label=\"", "placeholder=\"", "title=\"", "alt=\""] {
                let said = tag.split_once(name).and_then(|(_, value)| value.split('"').next());
                shown.push_str(said.unwrap_or_default());
                shown.push(' ');
            }
            shown.push_str(after);
        }
        let words = shown.split(|c: char| !c.is_alphabetic()).filter(|word| !["", "Chartgate"].contains(word));
        words.map(str::to_owned).collect()
    }

    /// Rule: what a page says comes from `words/`, and it says in which language it is.
    #[test]
    fn templates_have_no_words_of_their_own() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let mut english = Vec::new();
        let mut seen = 0;
        for (folder, prefix) in [(root.clone(), ""), (root.join("clinic"), "clinic/")] {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_none_or(|kind| kind != "html") {
                    continue;
                }
                let template = std::fs::read_to_string(&path).unwrap();
                let says = "{% block lang %}{{ crate::http::pages::language().as_str() }}{% endblock %}";
                let is_silent = template.contains("{% extends") && !template.contains(says);
                if is_silent || !own_words(&template).is_empty() {
                    english.push(format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap()));
                }
                seen += 1;
            }
        }
        assert_eq!(english, Vec::<String>::new(), "English whatever somebody reads");
        assert!(seen > 50);
        assert_eq!(own_words("<p title=\"a\" {% if x %}class{% endif %}>{{ b }} c</p>"), ["a", "c"]);
    }

    /// The sources in a folder, without their tests and comments; a text on several lines is one.
    fn sources(folder: &str) -> Vec<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(sources(&format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap())));
            } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("pages/words.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                let is_code = |line: &&str| !line.trim_start().starts_with("//");
                let code: Vec<&str> = text.lines().filter(is_code).map(str::trim).collect();
                found.push(code.join("\n").replace("\\\n", "").replace("\\\"", "”").replace("'\"'", ""));
            }
        }
        found
    }

    /// The texts in quotes of a source.
    fn literals(source: &str) -> Vec<&str> {
        source.split('"').skip(1).step_by(2).collect()
    }

    fn is_told(text: &str) -> bool {
        told_in(Language::Spanish, text).is_some()
    }

    /// Two words, one after the other.
    fn is_phrase(text: &str) -> bool {
        let words: Vec<&str> = text.split(' ').collect();
        let is_word = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_alphabetic());
        words.windows(2).any(|two| matches!(two, [first, second] if is_word(first) && is_word(second)))
    }

    /// Rule: pages have their words from here: their code holds no phrase but what `told` knows, names, and lines of the log.
    #[test]
    fn the_code_of_pages_has_no_words_of_its_own() {
        let known = ["A browser on {system}", "Samsung Internet", "Mac OS X", "a sign-in elsewhere failed"];
        let all = [sources("http/pages"), sources("http/clinic")].concat();
        let phrases: Vec<&str> = all
            .iter()
            .flat_map(|source| literals(source))
            .filter(|text| is_phrase(text) && !text.contains("launch/patient") && !known.contains(text))
            .filter(|text| !is_told(text))
            .collect();
        assert_eq!(phrases, Vec::<&str>::new());
        assert!(all.iter().flat_map(|source| literals(source)).count() > 500, "the sources were read");
    }

    /// Rule: what staff are told that did not do is there, word for word, and so are the words for consent and for a record.
    #[test]
    fn what_the_floors_below_say_is_in_every_language() {
        let mut missing: Vec<String> = Vec::new();
        let mut ask = |text: &str| {
            if !is_told(text) {
                missing.push(text.to_owned());
            }
        };
        for heading in Heading::ALL {
            ask(heading.text());
        }
        for kind in ResourceType::ALL {
            ask(plain_words(*kind).1);
            smart_parts(*kind).iter().for_each(|part| ask(part.text));
        }
        StaffRole::ALL.iter().for_each(|role| ask(role.as_str()));
        Channel::ALL.iter().for_each(|channel| ask(channel.as_str()));
        Doubt::ALL.iter().for_each(|doubt| ask(doubt.as_str()));
        // Names that are put into a sentence, and texts that stand in records and not on pages.
        let others = ["e-mail address", "telephone number", "the record has no {what}: enter it in the EHR first"];
        for source in sources("practice/desk") {
            let texts = literals(&source).into_iter().filter(|text| is_phrase(text) && !others.contains(text));
            texts.filter(|text| !text.contains(", born {}")).for_each(&mut ask);
        }
        for source in sources("http/pages/record/line/kinds") {
            let is_word = |text: &&str| text.len() > 1 && text.starts_with(|c: char| c.is_ascii_uppercase());
            let is_name = |text: &&str| ResourceType::parse(text).is_none() && !text.ends_with('/');
            literals(&source).into_iter().filter(is_word).filter(is_name).for_each(&mut ask);
        }
        assert_eq!(missing, Vec::<String>::new(), "not translated");
    }

    /// Rule: nothing is kept that nobody below says any more.
    #[test]
    fn what_is_told_is_said_somewhere() {
        let all = [
            "accounts",
            "authorization",
            "base",
            "consent",
            "gateway",
            "http",
            "identity",
            "oauth",
            "practice",
            "smart",
            "storage",
        ];
        let all: String = all.iter().flat_map(|folder| sources(folder)).collect();
        let codes = ["word-", "mild", "moderate", "severe"];
        for (key, english) in ENGLISH.iter().filter_map(|(key, text)| Some((key.strip_prefix("told.")?, text))) {
            if codes.iter().any(|code| key.starts_with(code)) {
                continue;
            }
            let ages = ["less than a minute ago", "1 minute ago", "{minutes} minutes ago"];
            let english = ages.iter().fold(english.clone(), |text, age| text.replace(age, "{ago}"));
            let english =
                english.replace("no e-mail address:", "no {what}:").replace("no telephone number:", "no {what}:");
            let parts = pieces(&english).into_iter().filter_map(|piece| match piece {
                Piece::Words(words) => Some(words.to_owned()),
                Piece::Value(_) => None,
            });
            for part in parts.flat_map(|part| part.split(". ").map(str::to_owned).collect::<Vec<_>>()) {
                let part = part.trim_matches([' ', ':', '.']);
                assert!(all.contains(part), "{key}: nobody says {part}");
            }
        }
    }

    /// By hand: whole texts, patterns with their values, and texts that nobody put into words.
    #[test]
    fn what_is_told_from_below_is_said_in_the_readers_language() {
        let spanish = |text: &str| super::super::read_by(Language::Spanish, "Ana", || told(text));
        assert_eq!(spanish("this day is over"), "este día ya pasó");
        assert_eq!(
            spanish("Lakeside {x} cannot be reached at the moment."),
            "No se puede llegar a Lakeside {x} en este momento."
        );
        assert_eq!(
            spanish(
                "Riverside cannot be reached. What it knew 7 minutes ago is shown; what it has learnt since, and more, may \
                     be missing here."
            ),
            "No se puede llegar a Riverside. Se muestra lo que sabía hace 7 minutos; lo que ha sabido desde entonces, y más, \
             puede faltar aquí."
        );
        assert_eq!(spanish("Something nobody translated"), "Something nobody translated");
        assert_eq!(spanish(" cannot be reached at the moment."), " cannot be reached at the moment.");
        assert_eq!(told("this day is over"), "this day is over");
        assert_eq!(values_of("{a} of {b}", "1 of 2"), Some(vec![("a", "1"), ("b", "2")]));
        assert_eq!(values_of("{a} of {b}!", "1 of 2"), None);
        assert_eq!(values_of("no place", "no place"), None);
    }

    #[test]
    fn values_stand_where_their_names_do_and_are_not_read() {
        assert_eq!(say_with("people.end", &[("who", "{who} {x}")]), "End access of {who} {x}");
    }
}
