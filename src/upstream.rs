//! The client of EHRs: credentials, limits, retries.
