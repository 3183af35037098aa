//! Logs: one structured line for each request, without PHI, query strings or tokens.

mod lines;
mod plain;

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

pub use lines::Flush;
use lines::Lines;
use plain::PlainFields;

/// Sends log lines to standard error in the configured form, until the end of what it returns. Standard output stays
/// free for answers.
///
/// # Errors
/// When the filter cannot be read, or logging was set up before.
pub fn start(log: &Log) -> Result<Flush, String> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| format!("log.filter: {error}"))?;
    let is_watched = std::io::stderr().is_terminal();
    let lines = Lines::to(Box::new(std::io::stderr()), is_watched).map_err(|error| error.to_string())?;
    let flush = lines.flush_at_end();
    // Colours are for people who watch: in a file or a journal they are noise.
    let format = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_watched).with_writer(lines);
    match log.format {
        LogFormat::Json => format.json().flatten_event(true).try_init(),
        LogFormat::Text if is_watched => format.compact().try_init(),
        LogFormat::Text => format.compact().fmt_fields(PlainFields).try_init(),
    }
    .map_err(|error| error.to_string())?;
    Ok(flush)
}
