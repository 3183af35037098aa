//! One AuditEvent for each decision.
