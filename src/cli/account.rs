use std::path::PathBuf;

use super::opened::Settings;
use super::{CliError, say};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, PersonId};
use crate::base::secret::Secret;
use crate::identity::GrantBasis;
use crate::practice::{self, NewAccount, NewGrant};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make an account with a person of its own.
    Add {
        /// The name to sign in with.
        username: String,
        /// The file with the password: its first line.
        #[arg(long)]
        password_file: PathBuf,
        /// The person it is for; a new one when left out.
        #[arg(long)]
        person: Option<PersonId>,
    },
    /// Enter a person without an account (a child).
    AddPerson,
    /// Ask somebody for their authenticator no more, who lost it and was seen to be who they say.
    EndSecondFactor {
        /// The account.
        account: AccountId,
    },
    /// Let an account act for another person.
    Grant {
        /// The account.
        account: AccountId,
        /// The person.
        person: PersonId,
        /// By what right: parent, guardian-minor, guardian-adult, hcpoa, patient-consent, …
        #[arg(long)]
        basis: String,
        /// Until when, as an RFC 3339 time, where the document has an end.
        #[arg(long)]
        until: Option<jiff::Timestamp>,
    },
}

pub(super) async fn run(settings: &Settings, command: Command) -> Result<(), CliError> {
    let opened = settings.open().await?;
    let acts = opened.acts().await?;
    let (random, now) = (&*opened.random, opened.clock.now());
    match command {
        Command::Add { username, password_file, person } => {
            let text = std::fs::read_to_string(&password_file)
                .map_err(|error| format!("{}: {error}", password_file.display()))?;
            let password = Secret::new(text.lines().next().unwrap_or_default().to_owned());
            let person = match person {
                Some(person) => person,
                None => practice::person(&acts, random, now).await?,
            };
            let new = NewAccount { username: &username, password: &password, person: Some(person) };
            let account = practice::account(&acts, &opened.accounts(&acts)?, random, now, new).await?;
            say(&format!("account {account}"))?;
            say(&format!("person {person}"))?;
        }
        Command::AddPerson => say(&format!("person {}", practice::person(&acts, random, now).await?))?,
        Command::EndSecondFactor { account } => opened.accounts(&acts)?.end_totp_by_operator(account).await?,
        Command::Grant { account, person, basis, until } => {
            let basis = GrantBasis::parse(&basis).ok_or_else(|| format!("--basis: {basis} is not a basis"))?;
            let until = until.map(|until| Instant::from_micros(until.as_microsecond()));
            let new = NewGrant { account, person, basis };
            let grant = practice::grant_until(&acts, random, now, new, until).await?;
            say(&format!("grant {grant}"))?;
        }
    }
    opened.db.close().await;
    Ok(())
}
