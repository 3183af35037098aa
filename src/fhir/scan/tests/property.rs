//! Generated documents: the scan agrees with the naive reading in everything that it reports.

use std::fmt::Write as _;

use bytes::Bytes;
use proptest::prelude::*;

use super::model::{self, NaiveReference, Tree};
use super::shapes;
use crate::fhir::edits::Edits;
use crate::fhir::scan::{Facts, Span, mentions, scan_resource, strings_that_mention, unescape};

const PATHS: &[&str] = &[
    "subject",
    "subject.reference",
    "code.coding.code",
    "participant.actor",
    "extension.valueReference.reference",
    "status",
    "meta.security",
];
const KEYS: &[&str] = &[
    "subject",
    "reference",
    "code",
    "coding",
    "participant",
    "actor",
    "extension",
    "valueReference",
    "status",
    "meta",
    "security",
    "display",
    "url",
    "valueAttachment",
    "contained",
    "id",
    "text",
    "versionId",
    "a",
    "é",
    "_status",
];

/// A document that is written out with spacing and escapes of its own choice.
#[derive(Debug, Clone)]
pub(super) enum Doc {
    Word(&'static str),
    Text(String),
    Array(Vec<Doc>),
    Object(Vec<(String, Doc)>),
}

/// Small numbers taken from a seed, for the choices of the writer.
pub(super) struct Choices(pub(super) u64);

impl Choices {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9/.:#-]{0,24}",
        2 => "\\PC{0,40}",
        1 => any::<String>(),
        2 => Just("https://ehr.example/fhir/Patient/1".to_owned()),
        1 => Just("Patient/1".to_owned()),
    ]
}

fn doc() -> impl Strategy<Value = Doc> {
    let words = ["null", "true", "false", "0", "-0", "1.50", "-12.0e+3", "1E400", "123456789012345678901234567890.10"];
    let leaf = prop_oneof![
        1 => prop::sample::select(words.to_vec()).prop_map(Doc::Word),
        3 => text().prop_map(Doc::Text),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Doc::Array),
            object(inner).prop_map(Doc::Object),
        ]
    })
}

fn object(inner: impl Strategy<Value = Doc>) -> impl Strategy<Value = Vec<(String, Doc)>> {
    prop::collection::vec((prop::sample::select(KEYS.to_vec()).prop_map(ToOwned::to_owned), inner), 0..6)
        .prop_map(unique)
}

/// Members that keep the rules often enough: no key twice, no list under `reference`, no `contained` made at random.
fn unique(members: Vec<(String, Doc)>) -> Vec<(String, Doc)> {
    let mut kept: Vec<(String, Doc)> = Vec::new();
    for (key, value) in members {
        let is_list = matches!(value, Doc::Array(_));
        if kept.iter().all(|(earlier, _)| *earlier != key) && !(key == "reference" && is_list) {
            kept.push((key, value));
        }
    }
    kept
}

/// A resource that mostly keeps the rules, with its type at any place among its members.
fn resource() -> impl Strategy<Value = Doc> {
    let contained = object(doc()).prop_map(|mut members| {
        members.retain(|(key, _)| key != "id");
        members.push(("resourceType".to_owned(), Doc::Text("Patient".to_owned())));
        Doc::Object(members)
    });
    (object(doc()), any::<prop::sample::Index>(), prop::collection::vec(contained, 0..3), any::<bool>()).prop_map(
        |(mut members, place, contained, with_id)| {
            members.retain(|(key, _)| key != "id" && key != "contained");
            if with_id {
                members.push(("id".to_owned(), Doc::Text("o-1.x".to_owned())));
            }
            if !contained.is_empty() {
                members.push(("contained".to_owned(), Doc::Array(contained)));
            }
            members.insert(
                place.index(members.len() + 1),
                ("resourceType".to_owned(), Doc::Text("Observation".to_owned())),
            );
            Doc::Object(members)
        },
    )
}

fn write_space(choices: &mut Choices, out: &mut String) {
    for _ in 0..choices.below(6).saturating_sub(3) {
        out.push_str([" ", "\n", "\r\n", "\t", "         "][choices.below(5) as usize]);
    }
}

fn write_text(text: &str, may_escape: bool, choices: &mut Choices, out: &mut String) {
    out.push('"');
    let escape_all = may_escape && choices.below(4) == 0;
    for character in text.chars() {
        let must = character < ' ' || character == '"' || character == '\\';
        if must || (escape_all && choices.below(3) == 0) {
            match (character, choices.below(2)) {
                ('"' | '\\' | '/', 0) => out.extend(['\\', character]),
                ('\n', 0) => out.push_str("\\n"),
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(out, "\\u{unit:04x}").unwrap();
                    }
                }
            }
        } else {
            out.push(character);
        }
    }
    out.push('"');
}

pub(super) fn write(doc: &Doc, plain: bool, choices: &mut Choices, out: &mut String) {
    match doc {
        Doc::Word(word) => out.push_str(word),
        Doc::Text(text) => write_text(text, !plain, choices, out),
        Doc::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write_space(choices, out);
                write(item, false, choices, out);
                write_space(choices, out);
            }
            out.push(']');
        }
        Doc::Object(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write_space(choices, out);
                write_text(key, false, choices, out);
                write_space(choices, out);
                out.push(':');
                write_space(choices, out);
                write(value, key == "resourceType" || key == "id", choices, out);
                write_space(choices, out);
            }
            out.push('}');
        }
    }
}

fn written(doc: &Doc, seed: u64) -> String {
    let mut out = String::new();
    write(doc, false, &mut Choices(seed), &mut out);
    out
}

fn at(span: Span, bytes: &[u8]) -> Tree {
    model::tree(span.of(bytes)).expect("a span covers one value")
}

/// A member's key and value, read from its span.
fn member_at(span: Span, bytes: &[u8]) -> Tree {
    model::tree(&[b"{", span.of(bytes), b"}"].concat()).expect("a span covers one member")
}

/// Everything the facts say, against the naive walk.
pub(super) fn assert_agrees(bytes: &[u8], facts: &Facts, tree: &Tree) {
    for (id, path) in PATHS.iter().enumerate() {
        let mut expected = Vec::new();
        model::at_path(tree, &path.split('.').collect::<Vec<_>>(), &mut expected);
        let found: Vec<_> = facts.captured(id as u16).map(|span| at(span, bytes)).collect();
        assert_eq!(found, expected, "{path}");
    }
    let mut starts = facts.captures.iter().map(|(_, span)| span.start).collect::<Vec<_>>();
    let sorted = {
        starts.sort_unstable();
        starts
    };
    assert_eq!(sorted, facts.captures.iter().map(|(_, span)| span.start).collect::<Vec<_>>());
    let mut expected = Vec::new();
    model::references(tree, false, true, &mut expected);
    let found: Vec<_> = facts
        .references
        .iter()
        .map(|reference| {
            assert!(member_at(reference.member, bytes).get("reference").is_some());
            NaiveReference {
                object: at(reference.object, bytes),
                text: unescape(reference.value.of(bytes)).unwrap().into_owned(),
                escaped: reference.escaped,
                in_contained: reference.in_contained,
                first: reference.first,
                following_comma: reference.following_comma,
                display: reference.display.map(|span| member_at(span, bytes).get("display").unwrap().clone()),
            }
        })
        .collect();
    assert_eq!(found, expected);
    let Tree::Object(members) = tree else { panic!("a resource is an object") };
    let found: Vec<_> = facts.members.iter().map(|member| member_at(member.span(), bytes)).collect();
    let expected: Vec<_> = members.iter().map(|member| Tree::Object(vec![member.clone()])).collect();
    assert_eq!(found, expected);
    assert!(facts.members.iter().zip(members).all(|(member, (key, ..))| member.key.of(bytes) == key.as_bytes()));
    let contained: Vec<_> = facts.contained.iter().map(|contained| at(contained.span, bytes)).collect();
    let expected = match tree.get("contained") {
        Some(Tree::Array(items)) => items.clone(),
        _ => Vec::new(),
    };
    assert_eq!(contained, expected);
}

/// Cuts and replacements chosen by `choices`, noted as edits and made on the tree at the same time.
fn edit(lexed: &[u8], offset: usize, tree: &Tree, choices: &mut Choices, edits: &mut Edits) -> Tree {
    // Where each item lies is found by asking serde_json how far a value reaches.
    let length = |bytes: &[u8]| {
        let mut stream = serde_json::Deserializer::from_slice(bytes).into_iter::<serde::de::IgnoredAny>();
        stream.next().unwrap().unwrap();
        stream.byte_offset()
    };
    let blank = |bytes: &[u8]| bytes.len() - bytes.trim_ascii_start().len();
    let mut position = 1;
    let mut item = |with_key: bool| {
        position += blank(&lexed[position..]);
        let start = position;
        if with_key {
            position += length(&lexed[position..]);
            position += blank(&lexed[position..]) + 1;
            position += blank(&lexed[position..]);
        }
        let value = position;
        position += length(&lexed[position..]);
        let end = position;
        position += blank(&lexed[position..]) + 1;
        (start, value, end)
    };
    let span = |start: usize, end: usize| Span { start: (offset + start) as u32, end: (offset + end) as u32 };
    let mut one = |start: usize, value: usize, end: usize, tree: &Tree, choices: &mut Choices| match choices.below(6) {
        0 | 1 => {
            edits.cut(span(start, end));
            None
        }
        2 => {
            edits.replace(span(value, end), b"\"new\"");
            Some(Tree::Text("new".to_owned(), model::Escaped::No))
        }
        _ => Some(edit(&lexed[value..end], offset + value, tree, choices, edits)),
    };
    match tree {
        Tree::Array(items) => Tree::Array(
            items
                .iter()
                .filter_map(|tree| {
                    let (start, value, end) = item(false);
                    one(start, value, end, tree, choices)
                })
                .collect(),
        ),
        Tree::Object(members) => Tree::Object(
            members
                .iter()
                .filter_map(|(key, escaped, tree)| {
                    let (start, value, end) = item(true);
                    one(start, value, end, tree, choices).map(|tree| (key.clone(), *escaped, tree))
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_scan_agrees_with_the_naive_reading(doc in resource(), seed in any::<u64>()) {
        let text = written(&doc, seed);
        let tree = model::tree(text.as_bytes()).expect("the writer writes JSON");
        let scanned = scan_resource(Bytes::from(text.clone()), &shapes(PATHS, &[]));
        prop_assert_eq!(scanned.is_err(), model::is_refused(&tree), "{:?} {}", scanned, text);
        if let Ok(scanned) = scanned {
            assert_agrees(&scanned.bytes, &scanned.facts, &tree);
        }
    }

    #[test]
    fn edits_change_the_document_as_they_would_the_tree(doc in resource(), seed in any::<u64>()) {
        let text = written(&doc, seed);
        let tree = model::tree(text.as_bytes()).expect("the writer writes JSON");
        let mut edits = Edits::new();
        let expected = edit(text.as_bytes(), 0, &tree, &mut Choices(seed ^ 1), &mut edits);
        let mut out = b"before".to_vec();
        edits.apply(text.as_bytes(), &mut out).expect("no two edits overlap");
        let out = out.strip_prefix(b"before").expect("what stood there before stays");
        prop_assert_eq!(model::tree(out), Some(expected), "{} became {}", text, String::from_utf8_lossy(out));
    }

    #[test]
    fn mentions_agree_with_the_naive_search(doc in doc(), seed in any::<u64>(), short in "[a-z0-9]{1,2}") {
        let text = written(&doc, seed);
        let tree = model::tree(text.as_bytes()).expect("the writer writes JSON");
        for needle in ["ehr.example", "EHR.EXAMPLE", "é", "https://e", "\"", &short] {
            let expected = model::mentions(&tree, needle);
            prop_assert_eq!(mentions(text.as_bytes(), needle), expected, "{} in {}", needle, text);
            let found = strings_that_mention(text.as_bytes(), needle).unwrap();
            prop_assert_eq!(!found.is_empty(), expected);
            for mention in found {
                prop_assert!(model::mentions(&at(mention.value, text.as_bytes()), needle));
                prop_assert!(mention.member.encloses(mention.nearest) && mention.nearest.encloses(mention.value));
            }
        }
    }

    #[test]
    fn unescaping_agrees_with_serde_json(text in any::<String>(), seed in any::<u64>()) {
        let mut out = String::new();
        write_text(&text, true, &mut Choices(seed & !3), &mut out);
        let unescaped = unescape(&out.as_bytes()[1..out.len() - 1]);
        prop_assert_eq!(unescaped.as_deref(), Some(text.as_str()));
    }
}
