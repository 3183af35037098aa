//! libFuzzer's entry: the environment variable `TARGET` says which target takes the bytes.

#![no_main]

use std::sync::LazyLock;

use chartgate::gateway::fuzzing::TARGETS;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("TARGET").unwrap_or_default();
    let known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("TARGET is {name:?}, not one of {known:?}")).1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
