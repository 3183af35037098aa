use std::time::Duration;

use super::opened::Settings;
use super::{CliError, say};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a new key. It is published at once and signs after a day, so that everybody has fetched it by then.
    Rotate {
        /// Seconds until it signs.
        #[arg(long, default_value_t = 86_400)]
        after: u64,
    },
    /// List them, and which one signs.
    List,
    /// Take a key away at once, such as one that became known.
    Drop {
        /// Its id.
        kid: String,
    },
}

pub(super) async fn run(settings: &Settings, command: Command) -> Result<(), CliError> {
    let opened = settings.open().await?;
    let server = opened.authorization(&opened.acts().await?)?;
    match command {
        Command::Rotate { after } => {
            say(&format!("kid {}", server.rotate_signing_key(Duration::from_secs(after)).await?))?;
        }
        Command::List => {
            for key in server.signing_key_states().await? {
                let state = match (key.signs, key.published) {
                    (true, _) => "signs".to_owned(),
                    (false, true) if key.signs_from > opened.clock.now() => format!("signs from {}", key.signs_from),
                    (false, true) => "published".to_owned(),
                    (false, false) => "retired".to_owned(),
                };
                say(&format!("{}  made {}  {state}", key.kid, key.created))?;
            }
        }
        Command::Drop { kid } => server.drop_signing_key(&kid).await?,
    }
    opened.db.close().await;
    Ok(())
}
