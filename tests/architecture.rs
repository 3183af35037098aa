//! The house rules that a compiler does not know, checked on the text of the sources: which module may use which,
//! where an outside crate may be named, how long files and handlers get, which calls nobody makes.

use std::fs;
use std::path::{Path, PathBuf};

/// The floors, from the ground up; within a floor, a module may use those that stand before it. `src/lib.rs` shows the
/// floors, but not this order: rustfmt sorts a block of modules by name. Modules missing there are not yet built.
const FLOORS: [&[&str]; 5] = [
    &["base", "config"],
    &["fhir", "oauth", "smart", "identity", "consent", "organization", "access"],
    &["storage", "mapping", "upstream", "mail", "payment", "federated_login"],
    &["audit", "gateway", "authorization", "accounts", "practice", "jobs"],
    &["http", "app", "telemetry", "cli"],
];

/// Stands apart: sees floors 0 and 1, and is seen by floor 4 only.
const SANDBOX: &str = "sandbox";

/// Outside crates and the modules that may name them.
const PLACES: [(&str, &[&str]); 5] = [
    ("axum", &["http", "app", SANDBOX, "cli"]),
    ("sqlx", &["storage"]),
    ("reqwest", &["upstream", "mail", "payment", "federated_login"]),
    ("fhirbolt", &[]),
    // And of those, only the door: see `crate_names`.
    ("fhir_model", &["fhir"]),
];

/// The file that hands `crates/fhir-model` to the rest.
const MODEL_DOOR: &str = "src/fhir/model.rs";

/// Never called, not in tests either: SQL text from variables, TLS without checks, tokens read without checks.
const FORBIDDEN: [&str; 4] =
    ["AssertSqlSafe", "danger_accept_invalid_certs", "danger_accept_invalid_hostnames", "insecure_decode"];

const MAX_FILE_LINES: usize = 600;
const MAX_HANDLER_LINES: usize = 25;

/// Types that only an axum handler (or middleware) takes.
const EXTRACTORS: [&str; 14] = [
    "State",
    "Path",
    "Query",
    "RawQuery",
    "Form",
    "RawForm",
    "Json",
    "Extension",
    "OriginalUri",
    "MatchedPath",
    "ConnectInfo",
    "HeaderMap",
    "Request",
    "Authenticated",
];

/// A source file. `path` is relative to the repository, with `/`.
struct Source {
    path: String,
    /// All of it, comments and literals blanked out.
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), code: blank(text) }
    }

    /// The code up to an inline test module; nothing of a file that is a part of a module `tests`.
    fn production(&self) -> &str {
        if self.modules().contains(&"tests") {
            return "";
        }
        let is_tests = |at: usize| {
            let rest = self.code[at..].trim_start_matches("#[cfg(test)]").trim_start();
            rest.starts_with("mod ") && rest.split_whitespace().nth(1).is_some_and(|name| !name.ends_with(';'))
        };
        let end = self.code.match_indices("#[cfg(test)]").map(|(at, _)| at).find(|at| is_tests(*at));
        &self.code[..end.unwrap_or(self.code.len())]
    }

    /// The path of modules: `src/fhir/search.rs` is `["fhir", "search"]`, `src/lib.rs` and `src/main.rs` are `[]`.
    fn modules(&self) -> Vec<&str> {
        let stem = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        if stem == "lib" || stem == "main" { Vec::new() } else { stem.split('/').collect() }
    }
}

/// The text with comments, strings and characters replaced by blanks, line for line.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).expect("whole literals are replaced")
}

/// Where the comment or literal that starts at `at` ends; `at` itself when none does.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let find = |needle: &[u8], from: usize| {
        rest[from..].windows(needle.len()).position(|part| part == needle).map_or(bytes.len(), |p| at + from + p)
    };
    // `r"` opens a raw string, and so does the `r"` of `br"`; the `r"` of `for"` does not.
    let before = |back: usize| at.checked_sub(back).and_then(|i| bytes.get(i));
    let in_word = is_word(before(1)) && (before(1) != Some(&b'b') || is_word(before(2)));
    match rest {
        [b'/', b'/', ..] => find(b"\n", 2),
        [b'/', b'*', ..] => {
            let (mut depth, mut i) = (0, 0);
            while i < rest.len() {
                match &rest[i..] {
                    [b'/', b'*', ..] => (depth, i) = (depth + 1, i + 2),
                    [b'*', b'/', ..] => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 {
                    break;
                }
            }
            at + i
        }
        [b'"', ..] => at + quoted(rest, b'"'),
        [b'r', b'"' | b'#', ..] if !in_word => {
            let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
            if rest.get(1 + hashes) != Some(&b'"') {
                return at;
            }
            let close: Vec<u8> = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            (find(&close, hashes + 2) + close.len()).min(bytes.len())
        }
        // A character, not a lifetime: 'a' or '\n' or 'é'.
        [b'\'', b'\\', ..] => at + quoted(rest, b'\''),
        [b'\'', first, ..] => {
            let width = match first {
                0..0x80 => 1,
                0x80..0xE0 => 2,
                0xE0..0xF0 => 3,
                _ => 4,
            };
            if rest.get(1 + width) == Some(&b'\'') { at + width + 2 } else { at }
        }
        _ => at,
    }
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut i = 1;
    while i < rest.len() {
        match rest[i] {
            b'\\' => i += 2,
            byte if byte == quote => return i + 1,
            _ => i += 1,
        }
    }
    rest.len()
}

fn is_word(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Where `word` stands as a whole word.
fn words<'c>(code: &'c str, word: &'c str) -> impl Iterator<Item = usize> + 'c {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let inside_another = at.checked_sub(1).is_some_and(|before| is_word(bytes.get(before)));
        !inside_another && !is_word(bytes.get(at + word.len()))
    })
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

fn leading_word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

/// The names that a path continues with: one, or several of a group `{a, b::c, d::{e}}`.
fn continuations(rest: &str) -> Vec<&str> {
    let rest = rest.trim_start();
    let Some(group) = rest.strip_prefix('{') else { return vec![leading_word(rest)] };
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(leading_word(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The modules that `src/lib.rs` declares, in its order.
fn declared(lib: &str) -> Vec<String> {
    let code = blank(lib);
    words(&code, "mod").map(|at| leading_word(&code[at + 3..]).to_owned()).collect()
}

/// Faults in the order of `src/lib.rs` itself.
fn misplaced(order: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut highest = 0;
    for module in order.iter().filter(|module| *module != SANDBOX) {
        match floor_of(module) {
            None => faults.push(format!("src/lib.rs: {module} stands on no floor")),
            Some(floor) if floor < highest => faults.push(format!("src/lib.rs: {module} stands above floor {floor}")),
            Some(floor) => highest = floor,
        }
    }
    faults
}

fn may_use(user: &str, used: &str) -> bool {
    let place = |module: &str| FLOORS.iter().copied().flatten().position(|known| *known == module);
    if used == user {
        true
    } else if user == SANDBOX {
        floor_of(used).is_some_and(|floor| floor <= 1)
    } else if used == SANDBOX {
        floor_of(user) == Some(4)
    } else {
        matches!((place(user), place(used)), (Some(user), Some(used)) if used < user)
    }
}

/// Uses of a module by one that stands below it.
fn upward_edges(order: &[String], source: &Source) -> Vec<String> {
    let modules = source.modules();
    let Some(user) = modules.first() else { return Vec::new() };
    let code = source.production();
    let mut found: Vec<(usize, &str)> = Vec::new();
    for at in words(code, "crate") {
        if let Some(rest) = code[at + 5..].trim_start().strip_prefix("::") {
            found.extend(continuations(rest).into_iter().map(|name| (at, name)));
        }
    }
    // `super` often enough leads out of the top module as well.
    let mut skip_to = 0;
    for at in words(code, "super").filter(|at| !code[..*at].trim_end().ends_with("::")) {
        if at < skip_to {
            continue;
        }
        let (mut rest, mut climbed) = (&code[at..], 0);
        while let Some(tail) = rest.strip_prefix("super").and_then(|tail| tail.trim_start().strip_prefix("::")) {
            (rest, climbed) = (tail.trim_start(), climbed + 1);
        }
        skip_to = at + 1;
        if climbed >= modules.len() {
            found.extend(continuations(rest).into_iter().map(|name| (at, name)));
        }
    }
    found
        .into_iter()
        .filter(|(_, used)| order.iter().any(|module| module == used) && !may_use(user, used))
        .map(|(at, used)| format!("{}:{}: {user} may not use {used}", source.path, line_of(code, at)))
        .collect()
}

/// Whether the code names an outside crate.
fn names_crate(code: &str, name: &str) -> Option<usize> {
    words(code, name).find(|at| {
        let before = code[..*at].trim_end();
        let after = code[at + name.len()..].trim_start();
        let is_path = after.starts_with("::") && !before.ends_with("::");
        let is_use = leading_last_word(before) == "use" && (after.starts_with(';') || after.starts_with("as "));
        is_path || is_use
    })
}

fn leading_last_word(text: &str) -> &str {
    text.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or(text)
}

/// Outside crates named outside their places.
fn crate_names(source: &Source) -> Vec<String> {
    let modules = source.modules();
    let module = modules.first().copied().unwrap_or("lib");
    let code = source.production();
    let mut faults = Vec::new();
    let mut report = |name: &str, at: usize| {
        faults.push(format!("{}:{}: {name} may not be named here", source.path, line_of(code, at)));
    };
    for (name, places) in PLACES {
        let allowed = places.contains(&module) && (name != "fhir_model" || source.path == MODEL_DOOR);
        if !allowed && let Some(at) = names_crate(code, name) {
            report(name, at);
        }
    }
    // Floors 0 and 1 are pure functions over data: no runtime.
    if floor_of(module).is_some_and(|floor| floor <= 1)
        && let Some(at) = names_crate(code, "tokio")
    {
        report("tokio", at);
    }
    faults
}

fn oversized(source: &Source) -> Option<String> {
    let lines = source.production().lines().count();
    (lines > MAX_FILE_LINES).then(|| format!("{}: {lines} production lines", source.path))
}

fn old_style_module(source: &Source) -> Option<String> {
    source.path.ends_with("/mod.rs").then(|| format!("{}: name it after the module, beside its folder", source.path))
}

/// Modules named `tests` that would be built into the product, unseen by the checks above.
fn ungated_tests(source: &Source) -> Option<String> {
    let code = source.code.as_str();
    let gate = |at: usize| code[..at].rsplit([';', '}']).next().is_some_and(|before| before.contains("#[cfg(test)]"));
    let at = words(code, "mod").find(|at| leading_word(&code[at + 3..]) == "tests" && !gate(*at))?;
    let outermost = source.path.starts_with("src/") && !source.modules().contains(&"tests");
    outermost.then(|| format!("{}:{}: mod tests without #[cfg(test)]", source.path, line_of(code, at)))
}

fn forbidden(source: &Source) -> Vec<String> {
    let hits = FORBIDDEN.iter().filter_map(|word| Some((word, words(&source.code, word).next()?)));
    hits.map(|(word, at)| format!("{}:{}: {word}", source.path, line_of(&source.code, at))).collect()
}

/// Handlers become routes in one file, which keeps their types from being compiled many times over.
fn routes_out_of_place(source: &Source) -> Option<String> {
    let is_door = source.path == "src/http/route.rs" || !source.path.starts_with("src/http");
    let mut named = words(&source.code, "routing").filter(|at| {
        let before = source.code.get(..*at).unwrap_or("").trim_end();
        before.ends_with("axum::") && !source.code[*at..].starts_with("routing::MethodRouter;")
    });
    let at = if is_door { None } else { named.next() }?;
    Some(format!("{}:{}: routes are made in src/http/route.rs", source.path, line_of(&source.code, at)))
}

/// The end of the bracketed part that opens at `open`.
fn closing(code: &str, open: usize, pair: (u8, u8)) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        if byte == pair.0 {
            depth += 1;
        } else if byte == pair.1 {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// Handlers under `src/http` that do more than extract, call and respond.
fn long_handlers(source: &Source) -> Vec<String> {
    if source.modules().first() != Some(&"http") {
        return Vec::new();
    }
    let code = source.production();
    let mut faults = Vec::new();
    for at in words(code, "fn") {
        let qualifiers = code[..at].rsplit([';', '}', '{', ']']).next().unwrap_or_default();
        let name = leading_word(&code[at + 2..]);
        let parts = code[at..].find('(').and_then(|open| {
            let end = closing(code, at + open, (b'(', b')'))?;
            let body = end + code[end..].find(['{', ';'])?;
            Some((&code[at + open..end], body, closing(code, body, (b'{', b'}'))?))
        });
        let Some((parameters, body, end)) = parts.filter(|(_, body, _)| code[*body..].starts_with('{')) else {
            continue;
        };
        let is_handler = (words(qualifiers, "pub").next().is_some() || words(qualifiers, "async").next().is_some())
            && EXTRACTORS.iter().any(|extractor| words(parameters, extractor).next().is_some());
        let lines = code[body + 1..end].trim().lines().count();
        if is_handler && lines > MAX_HANDLER_LINES {
            faults.push(format!("{}:{}: handler {name} has {lines} lines", source.path, line_of(code, at)));
        }
    }
    faults
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<Source> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(&repository().join(folder), &mut found);
    found.sort();
    assert!(!found.is_empty(), "no sources below {folder}");
    let relative = |path: &Path| {
        let parts = path.strip_prefix(repository()).expect("below the repository").components();
        parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    };
    found.iter().map(|path| Source::new(&relative(path), &fs::read_to_string(path).expect("UTF-8"))).collect()
}

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

fn order() -> Vec<String> {
    declared(&fs::read_to_string(repository().join("src/lib.rs")).expect("src/lib.rs"))
}

#[test]
fn floors_are_declared_in_order() {
    assert_none(&misplaced(&order()));
}

#[test]
fn dependencies_point_downward() {
    let order = order();
    assert_none(&sources("src").iter().flat_map(|source| upward_edges(&order, source)).collect::<Vec<_>>());
}

#[test]
fn outside_crates_stay_in_their_places() {
    assert_none(&sources("src").iter().flat_map(crate_names).collect::<Vec<_>>());
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).expect("Cargo.toml");
    let named = |line: &&str| line.trim_start().starts_with("fhirbolt") || line.starts_with("[dependencies.fhirbolt");
    assert_none(&manifest.lines().filter(named).map(|line| format!("Cargo.toml: {line}")).collect::<Vec<_>>());
}

#[test]
fn routes_are_made_in_one_file() {
    assert_none(&sources("src").iter().filter_map(routes_out_of_place).collect::<Vec<_>>());
}

#[test]
fn files_and_handlers_stay_short() {
    let all: Vec<Source> = sources("src").into_iter().chain(sources("crates")).collect();
    assert_none(&all.iter().filter_map(oversized).collect::<Vec<_>>());
    assert_none(&all.iter().filter_map(old_style_module).collect::<Vec<_>>());
    assert_none(&all.iter().filter_map(ungated_tests).collect::<Vec<_>>());
    assert_none(&all.iter().flat_map(long_handlers).collect::<Vec<_>>());
}

#[test]
fn forbidden_calls_are_nowhere() {
    let all = sources("src").into_iter().chain(sources("crates")).chain(sources("tests"));
    assert_none(&all.collect::<Vec<_>>().iter().flat_map(forbidden).collect::<Vec<_>>());
}

/// RFC 9700 §4.12: a 307 would send the password that was just posted on to the next place, and a 302 is a matter of taste.
fn repeats_a_post(source: &Source) -> Vec<String> {
    let named = ["TEMPORARY_REDIRECT", "PERMANENT_REDIRECT", "FOUND"];
    let hits = named.iter().filter_map(|word| Some((word, words(&source.code, word).next()?)));
    hits.map(|(word, at)| format!("{}:{}: {word}", source.path, line_of(&source.code, at))).collect()
}

#[test]
fn o38_nothing_that_was_posted_is_sent_on() {
    assert_none(&sources("src/http").iter().flat_map(repeats_a_post).collect::<Vec<_>>());
    assert_eq!(repeats_a_post(&Source::new("src/http/x.rs", "StatusCode::TEMPORARY_REDIRECT")).len(), 1);
    assert_eq!(repeats_a_post(&Source::new("src/http/x.rs", "StatusCode::NOT_FOUND")), Vec::<String>::new());
}

/// Each check above is shown here a fault that it must find, and the innocent that looks like it.
mod the_checks_find_what_they_look_for {
    use super::*;

    fn known() -> Vec<String> {
        declared(
            "pub mod base;\npub mod fhir;\npub mod smart;\npub mod storage;\npub mod gateway;\npub mod sandbox;\npub mod http;\n",
        )
    }

    fn edges(path: &str, text: &str) -> Vec<String> {
        upward_edges(&known(), &Source::new(path, text))
    }

    #[test]
    fn upward_uses() {
        assert_eq!(edges("src/fhir.rs", "\nuse crate::storage::Db;"), ["src/fhir.rs:2: fhir may not use storage"]);
        assert_eq!(edges("src/fhir/a.rs", "use crate::{base::id, http, gateway::{x, y}};").len(), 2);
        assert_eq!(edges("src/fhir/a.rs", "fn f() { crate :: smart::f() }").len(), 1, "own floor, declared later");
        assert_eq!(edges("src/fhir/a.rs", "use super::super::gateway::Plan;").len(), 1);
        assert_eq!(edges("src/fhir.rs", "use super::{base, gateway};").len(), 1);
        assert_eq!(edges("src/sandbox/a.rs", "use crate::storage::Db;").len(), 1);
        assert_eq!(edges("src/gateway.rs", "use crate::sandbox::Ehr;").len(), 1);
    }

    #[test]
    fn downward_uses_pass() {
        assert_eq!(edges("src/smart/a.rs", "use crate::{base::id, fhir::{self, x}};"), [""; 0]);
        assert_eq!(edges("src/fhir/a.rs", "use super::gateway; use crate::fhir::b;"), [""; 0]);
        assert_eq!(
            edges("src/fhir/a.rs", "// crate::http\n/* crate::http */ const A: &str = \"crate::http\";"),
            [""; 0]
        );
        assert_eq!(edges("src/fhir/a.rs", "#[cfg(test)]\nmod tests { use crate::storage::Db; }"), [""; 0]);
        assert_eq!(edges("src/http/a.rs", "use crate::{sandbox, gateway, base};"), [""; 0]);
        assert_eq!(edges("src/sandbox.rs", "use crate::{fhir, base};"), [""; 0]);
        assert_eq!(edges("src/main.rs", "use crate::http;"), [""; 0]);
    }

    #[test]
    fn an_order_against_the_floors() {
        let order = declared("pub mod storage;\npub mod fhir; // pub mod comment;\npub mod extra;");
        assert_eq!(order, ["storage", "fhir", "extra"]);
        assert_eq!(misplaced(&order).len(), 2);
        assert_eq!(misplaced(&known()), [""; 0]);
    }

    #[test]
    fn crates_out_of_place() {
        let faults = |path: &str, text: &str| crate_names(&Source::new(path, text)).len();
        assert_eq!(faults("src/gateway/a.rs", "use axum::Router;"), 1);
        assert_eq!(faults("src/gateway.rs", "fn f(p: sqlx :: Pool) {}"), 1);
        assert_eq!(faults("src/http/a.rs", "use {std::fmt, reqwest::Client};"), 1);
        assert_eq!(faults("src/storage.rs", "use sqlx;\nuse reqwest as r;"), 1);
        assert_eq!(faults("src/fhir/model.rs", "use fhirbolt::json;"), 1);
        assert_eq!(faults("src/fhir/search.rs", "use fhir_model::validate;"), 1);
        assert_eq!(faults("src/http/fhir.rs", "use fhir_model::validate;"), 1);
        assert_eq!(faults("src/base/clock.rs", "tokio::time::sleep(d)"), 1);
        assert_eq!(faults("src/sandbox/a.rs", "reqwest::get(u)"), 1);

        assert_eq!(faults("src/http/a.rs", "use axum::Router;"), 0);
        assert_eq!(faults("src/fhir/model.rs", "pub use fhir_model::validate;"), 0);
        assert_eq!(faults("src/gateway/a.rs", "use tokio::time; let sqlx = my::sqlx::f(axum_like::x); // axum::x"), 0);
    }

    #[test]
    fn routes_in_other_files() {
        let faults = |path: &str, text: &str| routes_out_of_place(&Source::new(path, text)).is_some();
        assert!(faults("src/http/a.rs", "use axum::routing::get;"));
        assert!(faults("src/http/a.rs", "use axum::routing::{MethodRouter, get};"));
        assert!(faults("src/http.rs", "fn f() { axum::routing::any(g) }"));
        assert!(!faults("src/http/route.rs", "use axum::routing::get;"));
        assert!(!faults("src/http/a.rs", "use axum::routing::MethodRouter;"));
        assert!(!faults("src/sandbox.rs", "use axum::routing::get;"));
    }

    #[test]
    fn files_too_long_or_misnamed() {
        let lines = |n: usize| "a\n".repeat(n);
        assert!(oversized(&Source::new("src/a.rs", &lines(601))).is_some());
        assert!(oversized(&Source::new("src/a.rs", &lines(600))).is_none());
        let tested = lines(600) + "#[cfg(test)]\nmod tests {\n" + &lines(100) + "}\n";
        assert!(oversized(&Source::new("src/a.rs", &tested)).is_none());
        let hidden = "#[cfg(test)]\nmod other;\n#[cfg(test)]\nuse a;\n".to_owned() + &lines(600);
        assert!(oversized(&Source::new("src/a.rs", &hidden)).is_some(), "only an inline test module ends a file");
        assert!(oversized(&Source::new("src/a/tests/table.rs", &lines(700))).is_none());
        assert!(oversized(&Source::new("src/a/contests.rs", &lines(700))).is_some());
        assert!(ungated_tests(&Source::new("src/a.rs", "mod b;\npub mod tests;")).is_some());
        assert!(ungated_tests(&Source::new("src/a.rs", "#[cfg(test)]\nmod b;\nmod tests;")).is_some());
        assert!(ungated_tests(&Source::new("src/a.rs", "mod b;\n#[cfg(test)]\n#[x(y)]\nmod tests;")).is_none());
        assert!(old_style_module(&Source::new("src/fhir/mod.rs", "")).is_some());
        assert!(old_style_module(&Source::new("src/fhir/model.rs", "")).is_none());
    }

    #[test]
    fn handlers_too_long() {
        let handler = |head: &str, n: usize| format!("{head} {{\n{}}}\n", "    call(\"{\");\n".repeat(n));
        let faults = |path: &str, text: &str| long_handlers(&Source::new(path, text)).len();
        let head = "pub async fn read(State(app): State<App>, uri: Uri) -> Response";
        assert_eq!(faults("src/http/fhir.rs", &handler(head, 26)), 1);
        assert_eq!(faults("src/http/fhir.rs", &handler(head, 25)), 0);
        assert_eq!(faults("src/http/a.rs", &handler("async fn post(Form(form): Form<A>) -> B where B: C", 26)), 1);
        assert_eq!(faults("src/http/a.rs", &handler("pub(super) fn get(headers: HeaderMap)", 26)), 1);
        assert_eq!(faults("src/http/a.rs", &handler("fn private(headers: HeaderMap)", 26)), 0);
        assert_eq!(faults("src/http/a.rs", &handler("pub fn router(app: App) -> Router", 60)), 0);
        assert_eq!(faults("src/gateway/a.rs", &handler(head, 60)), 0);
    }

    #[test]
    fn forbidden_words() {
        let faults = |text: &str| forbidden(&Source::new("src/a.rs", text)).len();
        assert_eq!(faults("sqlx::query(AssertSqlSafe(text))"), 1);
        assert_eq!(faults("builder.danger_accept_invalid_certs(true).danger_accept_invalid_hostnames(true)"), 2);
        assert_eq!(faults("#[cfg(test)]\nmod tests { fn f() { insecure_decode(t) } }"), 1);
        assert_eq!(faults("// insecure_decode is never called\nconst A: &str = \"AssertSqlSafe\";"), 0);
    }

    #[test]
    fn literals_are_blanked_and_code_is_not() {
        let text = r####"a /* b /* c */ d */ e "f \" g" 'h' '\'' 'é' r#"i " j"# <'k> br"l" r#type // m"####;
        let left: Vec<String> = blank(text).split_whitespace().map(str::to_owned).collect();
        assert_eq!(left, ["a", "e", "<'k>", "b", "r#type"]);
    }
}
