//! Words in what people wrote that may say something sensitive (portal design, 3.5 v). A word is no label, as a note may say
//! that somebody does not have it: what it may say keeps an item from whom that label would keep it until staff have looked.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::label::Labels;
use crate::base::hash::sha256;
use crate::fhir::scan::RawResource;
use crate::fhir::search::fragment::Fragment;

/// Words that are looked for.
#[derive(Clone, Debug, Default)]
pub struct Words {
    finder: Option<AhoCorasick>,
    /// In the order of the finder's patterns.
    known: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    /// As it is compared: in small letters without marks, blanks on both sides; a stem has none behind it.
    text: String,
    labels: Labels,
}

/// What the words in an item may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// The labels that it may deserve.
    pub labels: Labels,
    /// Stands for the words that were found: others are looked at anew.
    pub words: String,
}

/// A text of an item in which words were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The text, or what is around the first of the words.
    pub text: String,
    /// The words, as they are compared.
    pub words: Vec<String>,
}

/// The longest passage that is shown, in characters.
const LONGEST: usize = 400;

/// Words that cannot be looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the word {0:?} has no letters, or is too long")]
pub struct WordError(String);

impl Words {
    /// Words with what each may say; one that ends with `*` is the beginning of words.
    ///
    /// # Errors
    /// [`WordError`].
    pub fn new(words: impl IntoIterator<Item = (String, Labels)>) -> Result<Self, WordError> {
        let mut known: Vec<Word> = Vec::new();
        for (spelled, labels) in words {
            let mut text = plain(&spelled);
            if text.trim().is_empty() {
                return Err(WordError(spelled));
            }
            if spelled.trim_end().ends_with('*') {
                text.truncate(text.trim_end().len());
            }
            match known.iter_mut().find(|word| word.text == text) {
                Some(word) => word.labels = word.labels.and(labels),
                None => known.push(Word { text, labels }),
            }
        }
        if known.is_empty() {
            return Ok(Self::default());
        }
        let finder = AhoCorasick::new(known.iter().map(|word| &word.text)).map_err(|why| WordError(why.to_string()))?;
        Ok(Self { finder: Some(finder), known })
    }

    /// What the words in a resource may say, if there are any.
    #[must_use]
    pub fn suspicion(&self, raw: &RawResource) -> Option<Suspicion> {
        let mut found = BTreeSet::new();
        texts(raw, &mut |text| self.find(text, &mut found));
        let words = || found.iter().filter_map(|at| self.known.get(*at));
        let labels = words().map(|word| word.labels).reduce(Labels::and)?;
        // Not by their place in the tables, which may change.
        let named: BTreeSet<&str> = words().map(|word| word.text.as_str()).collect();
        let digest = sha256(named.into_iter().collect::<Vec<_>>().join("\n").as_bytes());
        let mut words = data_encoding::HEXLOWER.encode(&digest);
        words.truncate(16);
        Some(Suspicion { labels, words })
    }

    /// The texts of a resource in which words were found, for whoever looks at them.
    #[must_use]
    pub fn passages(&self, raw: &RawResource) -> Vec<Passage> {
        let mut passages: Vec<Passage> = Vec::new();
        texts(raw, &mut |text| {
            let mut found = BTreeSet::new();
            self.find(text, &mut found);
            if found.is_empty() {
                return;
            }
            let words = found.into_iter().filter_map(|at| self.known.get(at));
            let words: Vec<String> = words.map(|word| word.text.trim().to_owned()).collect();
            let passage = Passage { text: around(text, &words), words };
            // Narratives say again what elements say.
            if !passages.contains(&passage) {
                passages.push(passage);
            }
        });
        passages
    }

    fn find(&self, text: &str, found: &mut BTreeSet<usize>) {
        if let Some(finder) = &self.finder {
            found.extend(finder.find_overlapping_iter(&plain(text)).map(|hit| hit.pattern().as_usize()));
        }
    }
}

/// Two that look for the same words are the same.
impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        self.known == other.known
    }
}

impl Eq for Words {}

/// A text as it is compared: small letters without marks, one blank where anything else was, and at both ends.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len().saturating_add(2));
    plain.push(' ');
    let mut push = |letter: char| {
        if letter.is_alphanumeric() {
            plain.extend(letter.to_lowercase());
        } else if !plain.ends_with(' ') {
            plain.push(' ');
        }
    };
    if text.is_ascii() {
        text.chars().for_each(&mut push);
    } else {
        text.nfd().filter(|letter| !is_combining_mark(*letter)).for_each(&mut push);
    }
    push(' ');
    plain
}

/// The text from a little before the first of the words on.
fn around(text: &str, words: &[String]) -> String {
    let total = text.chars().count();
    if total <= LONGEST {
        return text.to_owned();
    }
    // Where in the plain text a word stands is about where it stands in the text: of long texts plain letters are most.
    let plain = plain(text);
    let first = words.iter().filter_map(|word| plain.find(word.as_str())).min().unwrap_or(0);
    let before = plain.get(..first).map_or(0, |before| before.chars().count());
    let from = before.saturating_sub(LONGEST / 4).min(total.saturating_sub(LONGEST));
    let cut: String = text.chars().skip(from).take(LONGEST).collect();
    format!("{}{cut}{}", if from > 0 { "…" } else { "" }, if from.saturating_add(LONGEST) < total { "…" } else { "" })
}

/// Goes over what people may have written in a resource: every string but those that are no words.
fn texts(raw: &RawResource, visit: &mut dyn FnMut(&str)) {
    for member in &raw.facts.members {
        let key = member.key.of(&raw.bytes);
        if key != b"meta" {
            texts_of(key, Fragment::new(member.value.of(&raw.bytes)), visit);
        }
    }
}

fn texts_of(key: &[u8], value: Fragment<'_>, visit: &mut dyn FnMut(&str)) {
    match value.bytes().first() {
        Some(b'"') if !is_no_text(key) => {
            if let Some(text) = value.text() {
                visit(&text);
            }
        }
        Some(b'[') => value.items().for_each(|item| texts_of(key, item, visit)),
        Some(b'{') => {
            if let Some(text) = attached(value) {
                visit(&text);
            }
            value.members().for_each(|(key, value)| texts_of(key, value, visit));
        }
        _ => {}
    }
}

/// Elements whose strings name or point at something.
const fn is_no_text(key: &[u8]) -> bool {
    matches!(
        key,
        b"resourceType"
            | b"id"
            | b"reference"
            | b"system"
            | b"code"
            | b"url"
            | b"contentType"
            | b"data"
            | b"hash"
            | b"language"
            | b"linkId"
            | b"value"
            | b"profile"
            | b"implicitRules"
            | b"status"
            | b"use"
            | b"mode"
    )
}

/// What an attachment holds, where that is text and stands in the resource itself (R4 datatypes.html §2.24.0.2).
fn attached(object: Fragment<'_>) -> Option<String> {
    let kind = object.text_of("contentType").filter(|kind| kind.trim_start().starts_with("text/"));
    let data = object.text_of("data").filter(|_| kind.is_some())?;
    let bytes = data_encoding::BASE64_MIME_PERMISSIVE.decode(data.as_bytes()).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use serde_json::{Value, json};

    use super::*;
    use crate::consent::Label;
    use crate::fhir::knowledge::Knowledge;
    use crate::fhir::scan::scan_resource;

    fn of(labels: &[Label]) -> Labels {
        labels.iter().copied().collect()
    }

    fn words() -> Words {
        let words = [("HIV", Label::Hiv), ("suicid*", Label::Mh), ("self harm", Label::Mh), ("depresión", Label::Mh)];
        let more = [("overdose", Label::Sud), ("overdose", Label::Mh)];
        Words::new(words.into_iter().chain(more).map(|(word, label)| (word.to_owned(), of(&[label])))).unwrap()
    }

    fn raw(resource: &Value) -> RawResource {
        scan_resource(resource.to_string().into(), Knowledge::embedded().unwrap()).unwrap()
    }

    fn found(more: &Value) -> Labels {
        let mut resource = json!({"resourceType": "Observation", "id": "hiv", "status": "final"});
        resource.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        words().suspicion(&raw(&resource)).map_or(Labels::NONE, |suspicion| suspicion.labels)
    }

    /// By hand: whole words, however they are written, and the beginnings that are marked as such.
    #[test]
    fn words_are_found_however_they_are_written() {
        for (text, expected) in [
            ("HIV", &[Label::Hiv] as &[Label]),
            ("hiv-1/2 Ab", &[Label::Hiv]),
            ("<div>Result:<b>HIV</b></div>", &[Label::Hiv]),
            ("archive, Chivas, hivs", &[]),
            ("suicidal ideation", &[Label::Mh]),
            ("parasuicidal", &[]),
            ("self-harm", &[Label::Mh]),
            ("SELF\n  HARM", &[Label::Mh]),
            ("self, and no harm", &[]),
            ("Depresión", &[Label::Mh]),
            ("DEPRESION leve", &[Label::Mh]),
            ("depresio\u{301}n", &[Label::Mh]),
            ("overdose", &[Label::Sud, Label::Mh]),
            ("HIV, then suicide", &[Label::Hiv, Label::Mh]),
            ("", &[]),
        ] {
            assert_eq!(found(&json!({"valueString": text})), of(expected), "{text}");
        }
        assert_eq!(Words::default().suspicion(&raw(&json!({"resourceType": "Observation"}))), None);
        for none in ["", " ", "*", "--"] {
            assert!(Words::new([(none.to_owned(), Labels::NONE)]).is_err(), "{none:?}");
        }
    }

    #[test]
    fn words_count_wherever_somebody_may_have_written_them() {
        let hiv = of(&[Label::Hiv]);
        for there in [
            json!({"note": [{"text": "HIV"}]}),
            json!({"code": {"text": "HIV"}}),
            json!({"code": {"coding": [{"display": "HIV"}]}}),
            json!({"performer": [{"reference": "Practitioner/1", "display": "HIV clinic"}]}),
            json!({"text": {"status": "generated", "div": "<div>HIV</div>"}}),
            json!({"component": [{"valueString": "HIV"}]}),
            json!({"contained": [{"resourceType": "Condition", "code": {"text": "HIV"}}]}),
            json!({"extension": [{"url": "urn:x", "valueString": "HIV"}]}),
            json!({"content": [{"attachment": {"contentType": "text/plain", "data": BASE64.encode(b"is HIV positive")}}]}),
            json!({"content": [{"attachment": {"contentType": "text/html; charset=utf-8",
                "data": BASE64.encode(b"<p>HIV</p>")}}]}),
        ] {
            assert_eq!(found(&there), hiv, "{there}");
        }
        for elsewhere in [
            json!({"meta": {"tag": [{"display": "HIV"}]}}),
            json!({"identifier": [{"system": "urn:hiv", "value": "hiv"}]}),
            json!({"code": {"coding": [{"system": "urn:hiv", "code": "HIV"}]}}),
            json!({"subject": {"reference": "Patient/hiv"}}),
            json!({"extension": [{"url": "urn:hiv", "valueBoolean": true}]}),
            json!({"content": [{"attachment": {"contentType": "application/pdf", "data": BASE64.encode(b" HIV ")}}]}),
            json!({"content": [{"attachment": {"contentType": "text/plain", "data": "not base64: HIV"}}]}),
        ] {
            assert_eq!(found(&elsewhere), Labels::NONE, "{elsewhere}");
        }
    }

    /// What was looked at is known by the words that were found, and by nothing else.
    #[test]
    fn the_same_words_are_the_same_suspicion() {
        let words_of = |text: &str| {
            let resource = json!({"resourceType": "Observation", "id": "1", "valueString": text});
            words().suspicion(&raw(&resource)).unwrap().words
        };
        assert_eq!(words_of("HIV negative"), words_of("no hiv, HIV test was taken"));
        assert_eq!(words_of("HIV; overdose"), words_of("overdose: hiv"));
        assert_ne!(words_of("HIV"), words_of("HIV; overdose"));
        assert_ne!(words_of("HIV"), words_of("overdose"));
        assert_eq!(words_of("HIV").len(), 16);
        let turned = Words::new([("overdose".to_owned(), of(&[Label::Mh])), ("hiv".to_owned(), of(&[Label::Hiv]))]);
        let resource = json!({"resourceType": "Observation", "id": "1", "valueString": "HIV"});
        assert_eq!(turned.unwrap().suspicion(&raw(&resource)).unwrap().words, words_of("HIV"));
    }

    #[test]
    fn whoever_looks_reads_what_is_around_the_words() {
        let passages = |text: &str| {
            let resource =
                json!({"resourceType": "Observation", "id": "1", "valueString": text, "note": [{"text": text}]});
            words().passages(&raw(&resource))
        };
        let passage = |text: &str, words: &[&str]| Passage {
            text: text.to_owned(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        assert_eq!(passages("HIV and self-harm"), [passage("HIV and self-harm", &["hiv", "self harm"])]);
        assert_eq!(passages("nothing"), []);
        let long = format!("{}HIV{}", "a ".repeat(500), " b".repeat(500));
        let shown = passages(&long).remove(0).text;
        assert!(shown.starts_with('…') && shown.ends_with('…') && shown.contains("HIV"), "{shown}");
        assert_eq!(shown.chars().count(), LONGEST + 2);
        let at_the_end = format!("{}HIV", "á ".repeat(500));
        let shown = passages(&at_the_end).remove(0).text;
        assert!(shown.starts_with('…') && shown.ends_with("HIV"), "{shown}");
        let at_the_start = format!("HIV{}", " b".repeat(500));
        assert!(passages(&at_the_start).remove(0).text.starts_with("HIV b"));
    }
}
