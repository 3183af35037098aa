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
    use crate::consent::{Category, Label, Rule};
    use crate::identity::{Document, GrantBasis, StatusReason, ViewReason};
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

    /// Pages in English alone, whatever somebody reads: their own words, or those that the code gives them (`form.html`,
    /// `error.html`), are not in `words/` yet. Pages before a sign-in do not know a language.
    const ENGLISH_ALONE: [&str; 41] = [
        "apps.html",
        "claim.html",
        "claim_code.html",
        "clinic/apps.html",
        "clinic/exposure.html",
        "clinic/find.html",
        "clinic/find_form.html",
        "clinic/home.html",
        "clinic/invitations.html",
        "clinic/organization.html",
        "clinic/registered_apps.html",
        "clinic/services.html",
        "clinic/slip.html",
        "clinic/staff.html",
        "clinic/verify.html",
        "clinic/viewers.html",
        "clinic/work.html",
        "consent.html",
        "contact.html",
        "encounter.html",
        "error.html",
        "find.html",
        "form.html",
        "identities.html",
        "invite.html",
        "invite_account.html",
        "invite_confirm.html",
        "invite_expired.html",
        "invite_sent.html",
        "launch.html",
        "open_app.html",
        "passkey_sign_in.html",
        "passkeys.html",
        "record.html",
        "record_entry.html",
        "record_footer.html",
        "record_header.html",
        "record_line.html",
        "record_list.html",
        "sessions.html",
        "sign_in.html",
    ];

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

    /// Rule: what a page says comes from `words/`, and it says in which language it is; those that do neither are listed.
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
        english.sort();
        assert_eq!(english, ENGLISH_ALONE);
        assert!(seen > english.len());
        assert_eq!(own_words("<p title=\"a\" {% if x %}class{% endif %}>{{ b }} c</p>"), ["a", "c"]);
    }

    #[test]
    fn values_stand_where_their_names_do_and_are_not_read() {
        assert_eq!(say_with("people.end", &[("who", "{who} {x}")]), "End access of {who} {x}");
    }
}
