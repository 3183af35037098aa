//! `chartgate consent …` as an operator types it: what it prints, how it ends, and one line when something is wrong.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::traces::TABLE;

/// A database of its own with the settings to reach it.
struct Installation {
    folder: tempfile::TempDir,
}

/// How a command ended.
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Installation {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let settings = format!(
            "[server]\npublic_url = \"https://records.example.org\"\nlisten = [\"127.0.0.1:0\"]\n\
             trusted_proxies = [\"127.0.0.1\"]\n[storage]\nurl = \"sqlite:{}\"\nmaster_key_file = \"{}\"\n",
            at("records.db"),
            at("master.key")
        );
        std::fs::write(folder.path().join("chartgate.toml"), settings).unwrap();
        let made = run(&["master-key", &at("master.key")]);
        assert_eq!(made.code, 0, "{}", made.err);
        Self { folder }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn consent(&self, arguments: &[&str]) -> Done {
        let settings = self.folder.path().join("chartgate.toml").display().to_string();
        run(&[&["--config", &settings, "consent"], arguments].concat())
    }

    /// The names of the tables, and the version of all of them.
    fn labels(&self) -> (Vec<String>, String) {
        let done = self.consent(&["labels"]);
        assert_eq!((done.code, done.err.as_str()), (0, ""));
        let mut lines: Vec<String> = done.out.lines().map(str::to_owned).collect();
        let version = lines.pop().unwrap();
        let version = version.strip_prefix("version ").unwrap_or_else(|| panic!("{}", done.out)).to_owned();
        (lines, version)
    }
}

fn run(arguments: &[&str]) -> Done {
    let done = Command::new(env!("CARGO_BIN_EXE_chartgate")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done { code: done.status.code().unwrap(), out: text(done.stdout), err: text(done.stderr) }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// One line, which names what is wrong; nothing on standard output.
#[track_caller]
fn refused(done: &Done, names: &str) {
    assert_eq!((done.code, done.out.as_str()), (1, ""), "{}", done.err);
    assert!(done.err.starts_with("chartgate: ") && done.err.contains(names), "{names}: {}", done.err);
    assert_eq!(done.err.trim_end().lines().count(), 1, "{}", done.err);
}

#[test]
fn tables_of_labels_are_entered_listed_and_taken_away() {
    let here = Installation::new();
    let (none, program) = here.labels();
    assert!(none.is_empty() && program.len() == 12, "{none:?} {program}");
    let own = here.file("own.toml", TABLE);
    let put = here.consent(&["put-labels", "own", path(&own)]);
    assert_eq!((put.code, put.out.as_str(), put.err.as_str()), (0, "", ""));
    let (names, version) = here.labels();
    assert_eq!(names, ["own"]);
    assert_ne!(version, program);
    // The same again is the same; another one is another version, and replaces it.
    assert_eq!(here.consent(&["put-labels", "own", path(&own)]).code, 0);
    assert_eq!(here.labels(), (names, version.clone()));
    let other = here.file("other.toml", &TABLE.replace("999001", "999002"));
    assert_eq!(here.consent(&["put-labels", "own", path(&other)]).code, 0);
    assert_ne!(here.labels().1, version);
    assert_eq!(here.consent(&["put-labels", "also-2", path(&own)]).code, 0);
    assert_eq!(here.labels().0, ["also-2", "own"]);
    for name in ["own", "also-2"] {
        assert_eq!(here.consent(&["remove-labels", name]).code, 0);
    }
    assert_eq!(here.labels(), (Vec::new(), program));
}

#[test]
fn what_is_wrong_with_a_table_is_said_in_one_line_and_stores_nothing() {
    let here = Installation::new();
    let before = here.labels();
    let own = here.file("own.toml", TABLE);
    for (text, names) in [
        ("", "missing field"),
        ("origin = 1", "the label table own: "),
        (&TABLE.replace("MH", "MHH"), "the label table own: "),
        (&TABLE.replace("\"x\"", "\" \""), "where its codes are published"),
        (&TABLE.replace("codes = [\"999001\"]", "codes = []"), "a set of MH without codes"),
        (&format!("{TABLE}\nreason = \"y\""), "the label table own: "),
    ] {
        let wrong = here.file("wrong.toml", text);
        refused(&here.consent(&["put-labels", "own", path(&wrong)]), names);
    }
    for name in ["", "../own", "own table", "ünder", &"a".repeat(65)] {
        refused(&here.consent(&["put-labels", name, path(&own)]), "is no name of letters, digits and -");
    }
    refused(&here.consent(&["put-labels", "own", "/nowhere/at/all.toml"]), "o such file");
    let bytes = here.folder.path().join("bytes.toml");
    std::fs::write(&bytes, [0xff, 0xfe]).unwrap();
    refused(&here.consent(&["put-labels", "own", path(&bytes)]), "UTF-8");
    refused(&here.consent(&["remove-labels", "own"]), "label_tables");
    assert_eq!(here.labels(), before);
}

#[test]
fn a_reason_that_is_none_is_refused_with_those_that_there_are() {
    let here = Installation::new();
    let rule = "00000000-0000-4000-8000-000000000000";
    for reason in ["because", "", "role_created", "APPLICATION_REJECTED_NO_CONSENT", "ROLE_SUSPENDED_PENDING_REVIEW"] {
        refused(&here.consent(&["lift", rule, "--reason", reason]), "ROLE_DEACTIVATED_PATIENT_REQUEST");
    }
    refused(&here.consent(&["lift", rule, "--reason", "ROLE_REACTIVATED"]), "consent_rules");
}
