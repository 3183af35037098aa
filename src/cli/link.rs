use super::opened::Settings;
use super::{CliError, say};
use crate::base::id::PersonId;
use crate::organization::SourceKey;
use crate::practice::{self, NewLink};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Link a person to a chart, on the operator's word.
    Add {
        /// Whose chart.
        person: PersonId,
        /// The source's key.
        source: SourceKey,
        /// The id of the Patient there.
        patient: String,
        /// Order among the person's charts; the lowest is the primary one.
        #[arg(long, default_value_t = 0)]
        rank: i64,
    },
}

pub(super) async fn run(settings: &Settings, command: Command) -> Result<(), CliError> {
    let opened = settings.open().await?;
    let Command::Add { person, source, patient, rank } = command;
    let new = NewLink { person, source, patient, rank };
    let link = practice::link(&opened.db, &*opened.random, opened.clock.now(), new).await?;
    say(&format!("link {link}"))?;
    opened.db.close().await;
    Ok(())
}
