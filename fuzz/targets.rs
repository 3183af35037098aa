//! What is fuzzed: each target takes bytes and panics when a promise does not hold. `scripts/prove fuzz` feeds them from
//! a coverage-guided engine (`fuzz/`), every test run from the corpus beside this file.

#![expect(clippy::expect_used, clippy::panic, reason = "a panic is how a target speaks")]

#[path = "targets/paging.rs"]
mod paging;
#[path = "targets/rewrite.rs"]
mod rewrite;
#[path = "targets/scan.rs"]
mod scan;
#[path = "targets/scope.rs"]
mod scope;
#[path = "targets/search.rs"]
mod search;
#[path = "targets/setting.rs"]
pub(super) mod setting;
#[expect(clippy::duplicate_mod, clippy::indexing_slicing, reason = "the reading that the scanner's own tests hold")]
#[path = "../src/fhir/scan/tests/model.rs"]
mod tree;

/// What takes one input.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Target); 5] = [
    ("paging", paging::run),
    ("rewrite", rewrite::run),
    ("scan", scan::run),
    ("scope", scope::run),
    ("search", search::run),
];

/// Every file of the corpus, through its target.
#[cfg(test)]
#[test]
fn the_corpus_holds() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in TARGETS {
        let mut files: Vec<_> =
            std::fs::read_dir(folder.join(name)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 10, "{name}: {} files", files.len());
        for file in files {
            // Printed only when the test fails: says which file it was.
            println!("{}", file.display());
            target(&std::fs::read(&file).unwrap());
        }
    }
}
