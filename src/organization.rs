//! Practices and their EHR endpoints.
