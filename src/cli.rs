//! The commands: serve, demo, sandbox, migrate, source, organization.
