//! Wiring: builds the parts from the configuration and joins them.
