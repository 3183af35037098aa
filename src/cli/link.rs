use super::opened::Settings;
use super::{CliError, say};
use crate::base::id::PersonId;
use crate::identity::Demographics;
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
        /// The person's family name as the practice writes it.
        #[arg(long, requires_all = ["given", "birth_date"])]
        family: Option<String>,
        /// A given name; several in order.
        #[arg(long)]
        given: Vec<String>,
        /// FHIR date, such as 1964-03-12.
        #[arg(long)]
        birth_date: Option<String>,
    },
}

pub(super) async fn run(settings: &Settings, command: Command) -> Result<(), CliError> {
    let opened = settings.open().await?;
    let Command::Add { person, source, patient, rank, family, given, birth_date } = command;
    let demographics = family.zip(birth_date).map(|(family, birth_date)| Demographics { family, given, birth_date });
    let new = NewLink { person, source, patient, rank, demographics };
    let link = practice::link(&opened.acts().await?, &*opened.random, opened.clock.now(), new).await?;
    say(&format!("link {link}"))?;
    opened.db.close().await;
    Ok(())
}
