//! Chartgate: one FHIR R4 record per person, joined live from several EHRs, served by SMART on FHIR.
//!
//! The life of a request is `ARCHITECTURE.md` on one page. The modules below stand floor by floor:
//! a module may use the ones before it, never the ones after it (`tests/architecture.rs` checks it).

// Floor 0: vocabulary, no I/O.
pub mod base;
pub mod config;

// Floor 1: rules, pure functions over data.
pub mod access;
pub mod consent;
pub mod fhir;
pub mod identity;
pub mod oauth;
pub mod organization;
pub mod smart;

// Floor 2: adapters, one outside thing each.
pub mod federated_login;
pub mod mail;
pub mod mapping;
pub mod storage;
pub mod upstream;

// Floor 3: services, where rules and adapters meet.
pub mod accounts;
pub mod audit;
pub mod authorization;
pub mod gateway;
pub mod jobs;
pub mod practice;

// The sandbox EHR stands apart: it sees floors 0 and 1 only, and talks to the gateway over HTTP.
pub mod sandbox;

// Floor 4: edges.
pub mod app;
pub mod cli;
pub mod http;
pub mod telemetry;
