//! Random queries: no panic, bounded time, and what was read prints to a form that reads the same (invariant I-16).

use std::time::{Duration, Instant as Stopwatch};

use super::*;
use crate::fhir::knowledge::{SearchKind, SearchParameter};

/// A small deterministic generator (splitmix64): a failure names its seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const SHARDS: &[&str] = &[
    "eq",
    "ne",
    "gt",
    "ge",
    "ap",
    "sa",
    "2020",
    "-01",
    "-31",
    "T10:00",
    ":59.999",
    "Z",
    "+14:00",
    " 02:00",
    "|",
    "||",
    "$",
    ",",
    "\\",
    "\\,",
    "\\|",
    "\\$",
    "\\\\",
    "Patient/",
    "p1",
    "https://ehr.example/fhir/",
    "urn:uuid:",
    "#",
    "..",
    "%2F",
    "/_history/1",
    "1",
    "0",
    "00",
    ".5",
    "e",
    "e5",
    "-",
    "mg",
    "http://loinc.org",
    "true",
    "false",
    "é",
    "e\u{301}",
    "ß",
    "\u{0}",
    "\u{202e}",
    "😀",
    " ",
    "*",
    ":",
    "Observation",
    "subject",
    "final",
    "_id",
    "'",
    "\"",
];

const SUFFIXES: &[&str] = &[
    "",
    "",
    "",
    "",
    ":exact",
    ":contains",
    ":not",
    ":text",
    ":missing",
    ":Patient",
    ":identifier",
    ":below",
    ":above",
    ":in",
    ":",
    ".name",
    ":iterate",
    ":é",
];

const CONTROLS: &[&str] = &[
    "_sort",
    "_count",
    "_total",
    "_summary",
    "_elements",
    "_include",
    "_revinclude",
    "_has",
    "_format",
    "_filter",
    "x",
    "",
    "é",
];

/// Values that a parameter of the kind takes, in odd spellings.
const fn plausible(kind: SearchKind) -> &'static [&'static str] {
    match kind {
        SearchKind::Date => {
            &["2020", "eq2020-01", "ap2020-01-31", "ge2020-01-31T10:00", "lt2020-01-31T10:00:00.5 02:00"]
        }
        SearchKind::Number | SearchKind::Quantity => {
            &["1", "eq001.50", "gt-1e3", "le1E-5", "+5", "5.4||mg", "5.40|http://u|m\\|g", "-0"]
        }
        SearchKind::Token => &["a", "|a", "a|", "http://x|b\\,c", "\\$\\|", "\\x", "\\\\|a", "A$b"],
        SearchKind::Reference => {
            &["p1", "Patient/p1", "Patient/p1/_history/2", "http://x/y,urn:uuid:1", "http://x|1$\\,"]
        }
        SearchKind::String | SearchKind::Uri => &["x", "\\", "é\\,|$", "http://a/b\\|1", " ", "a,b,a"],
        SearchKind::Composite => &["a$1", "x|a\\$b$gt5||mg", "a$2020", "1$x", "a$b|c"],
    }
}

fn random_pairs(dice: &mut Dice, parameters: &[SearchParameter]) -> Vec<(String, String)> {
    (0..=dice.below(3))
        .map(|_| {
            let parameter = parameters.get(dice.below(parameters.len() + 5));
            let name = parameter.map_or_else(|| dice.pick(CONTROLS), |parameter| &parameter.name);
            let suffix = if dice.below(3) == 0 { dice.pick(SUFFIXES) } else { "" };
            let value = match parameter {
                Some(parameter) if dice.below(4) > 0 => dice.pick(plausible(parameter.kind)).to_owned(),
                _ => (0..=dice.below(6)).map(|_| dice.pick(SHARDS)).collect(),
            };
            (format!("{name}{suffix}"), value)
        })
        .collect()
}

#[test]
fn random_queries_never_panic_and_print_what_they_read() {
    let json = r#"{"resourceType":"Observation","id":"p1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"1"}]},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2020-01-31T10:00:59.999Z","valueQuantity":{"value":1.5,"code":"mg"}}"#;
    let observation = resource(json);
    let mut dice = Dice(7);
    let (mut taken, mut with_criteria, mut longest) = (0, 0, Duration::ZERO);
    for case in 0..40_000 {
        let resource_type = ResourceType::ALL[dice.below(ResourceType::ALL.len())];
        let resource_type = if case % 2 == 0 { ResourceType::Observation } else { resource_type };
        let pairs = random_pairs(&mut dice, &knowledge().of(resource_type).parameters);
        let handling = if dice.below(2) == 0 { Handling::Strict } else { Handling::Lenient };
        let started = Stopwatch::now();
        let parsed = parse(knowledge(), resource_type, &pairs, handling);
        if let Ok(mut query) = parsed {
            let _ = matches(&query, &observation, &evaluation());
            query.sort.iter().for_each(|sort| drop(sort_key(sort, &observation, &evaluation())));
            taken += 1;
            with_criteria += usize::from(!query.criteria.is_empty());
            query.ignored.clear();
            let printed = query.to_pairs();
            let again = parse(knowledge(), resource_type, &printed, Handling::Strict);
            assert!(again.as_ref() == Ok(&query), "case {case}: {pairs:?} printed {printed:?}, {again:?}");
            assert_eq!(again.unwrap().to_pairs(), printed);
        }
        longest = longest.max(started.elapsed());
    }
    assert!(longest < Duration::from_millis(250), "{longest:?}");
    // The generator would prove nothing if everything were refused.
    assert!(with_criteria > 5_000 && taken > 10_000, "{taken} {with_criteria}");
}

#[test]
fn the_largest_queries_take_bounded_time() {
    for (name, unit) in [
        ("code", "\\"),
        ("code", ","),
        ("code", "\\,"),
        ("code", "|"),
        ("date", "9"),
        ("subject", "/"),
        ("family", "e\u{301}"),
        ("code-value-quantity", "$"),
        ("value-quantity", "1"),
    ] {
        let value = unit.repeat(60_000 / unit.len());
        let started = Stopwatch::now();
        for handling in [Handling::Strict, Handling::Lenient] {
            for resource_type in [ResourceType::Observation, ResourceType::Patient] {
                let _ = parse(knowledge(), resource_type, &[(name.to_owned(), value.clone())], handling);
            }
        }
        assert!(started.elapsed() < Duration::from_secs(1), "{name} {unit}");
    }
}

#[test]
fn fragments_of_broken_json_are_read_without_panic() {
    use super::super::fragment::Fragment;
    let json = br#"{"a":[1,{"b":"c\"d\\"},null,true],"e":{"f":-1.5e3},"g":"h"}"#;
    let mut dice = Dice(11);
    for _ in 0..20_000 {
        let mut bytes = json.to_vec();
        for _ in 0..dice.below(3) {
            let at = dice.below(bytes.len());
            bytes[at] = *dice.pick(&[b"\"", b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\xff"]).first().unwrap();
        }
        bytes.truncate(dice.below(bytes.len() + 1));
        let fragment = Fragment::new(&bytes);
        let mut seen = 0;
        fragment.at("a.b", &mut |found| seen += found.text().map_or(0, |text| text.len()));
        for (_, value) in fragment.members() {
            seen += value.each().count() + usize::from(value.has_value());
            let _ = (value.text(), value.number(), value.boolean());
        }
        assert!(seen <= bytes.len() + 8);
    }
}
