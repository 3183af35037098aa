//! The life of a FHIR request: authorise, plan, fetch, filter, merge, rewrite.
