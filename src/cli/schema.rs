use super::{CliError, say};
use crate::config::Config;

/// Prints the JSON schema of the configuration file; `docs/config.schema.json` is this.
pub(super) fn run() -> Result<(), CliError> {
    say(&Config::schema()?)
}
