//! The tables of `fhir-profiles/`: against what is known by heart, and against the official definitions where they are.

mod by_heart;
mod official;
mod us_core;

use std::path::{Path, PathBuf};
use std::process::Command;

use chartgate::fhir::ResourceType;
use chartgate::fhir::knowledge::{Knowledge, SearchParameter, TypeFacts};
use serde_json::Value;

fn facts(resource_type: ResourceType) -> &'static TypeFacts {
    Knowledge::embedded().unwrap().of(resource_type)
}

/// The paths of a parameter, as `path datatype`.
fn reads(facts: &TypeFacts, parameter: &SearchParameter) -> Vec<String> {
    parameter.paths.iter().map(|path| facts.path(path.capture).unwrap().to_owned()).collect()
}

/// The official definitions, which are not part of the repository; without them the caller says so and returns.
fn definitions(test: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let given = std::env::var_os("CHARTGATE_SHARED").map(PathBuf::from);
    let found = given.into_iter().chain([beside]).map(|shared| shared.join("defs")).find(|defs| defs.is_dir());
    if found.is_none() {
        println!("{test}: the official definitions are not here; skipped");
    }
    found
}

/// A file's bytes, unpacked by the system's gzip where its name says so.
fn read(path: &Path) -> Vec<u8> {
    if path.extension().is_some_and(|extension| extension == "gz" || extension == "tgz") {
        let output = Command::new("gzip").arg("-dc").arg(path).output().unwrap();
        assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
        return output.stdout;
    }
    std::fs::read(path).unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&read(path)).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
