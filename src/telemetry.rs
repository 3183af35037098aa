//! Logs: one structured line for each request, without PHI.
