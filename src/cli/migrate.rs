use super::opened::Settings;
use super::{CliError, say};

/// Opening the database brings its schema to the newest.
pub(super) async fn run(settings: &Settings) -> Result<(), CliError> {
    let opened = settings.open().await?;
    opened.db.close().await;
    say("the schema is current")
}
