//! The one integration test binary: one link, many modules.
//!
//! `cfg(test)` is always true here. On a module it tells the linter that all of it is test code, helpers included.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod certification;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod fhir;
#[cfg(test)]
mod invariants;
#[cfg(test)]
mod knowledge;
#[cfg(test)]
mod linking;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod naive;

#[cfg(test)]
mod oauth {
    mod acts;
    mod assertions;
    mod authorize;
    mod backend;
    mod bound;
    mod clients;
    mod codes;
    mod discovery;
    mod expiry;
    mod launch;
    mod postgres;
    mod pushed;
    mod refresh;
    mod registration;
    mod sessions;
    mod signing_keys;
    mod tokens;
    mod world;
}

#[cfg(test)]
mod sandbox {
    mod authentication;
    mod faults;
    mod interactions;
    mod loading;
    mod search;
    mod shared_data;
    mod support;
}

#[cfg(test)]
mod security;
#[cfg(test)]
mod storage;
#[cfg(test)]
mod support;
#[cfg(test)]
mod upstream;
