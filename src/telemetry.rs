//! Logs: one structured line for each request, without PHI, query strings or tokens.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Sends log lines to standard error in the configured form. Standard output stays free for answers.
///
/// # Errors
/// When the filter cannot be read, or logging was set up before.
pub fn start(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| format!("log.filter: {error}"))?;
    // Colours are for people who watch: in a file or a journal they are noise.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => lines.compact().try_init(),
    }
    .map_err(|error| error.to_string())
}
