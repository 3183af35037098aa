//! Who may see what: subject, decision, permit.
