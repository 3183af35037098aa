//! The HTTP edge: routes, extractors, errors in each surface's own form.

pub mod api;
pub mod brands;
pub mod clinic;
pub mod cors;
pub mod error;
pub mod fallback;
pub mod fhir;
pub mod form;
mod head;
pub mod metrics;
pub mod oauth;
pub mod operations;
pub mod pages;
pub mod request_log;
mod route;
pub mod smart;
