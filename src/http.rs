//! The HTTP edge: routes, extractors, errors in each surface's own form.

pub mod cors;
pub mod error;
pub mod form;
pub mod oauth;
pub mod pages;
pub mod smart;
