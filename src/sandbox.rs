//! A small but honest FHIR R4 server that plays the EHR in demos and tests.
