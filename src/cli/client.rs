use super::opened::Settings;
use super::{CliError, say};
use crate::authorization::NewClient;
use crate::oauth::client::ClientId;
use crate::oauth::scope::ScopeSet;
use crate::storage::clients;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Register an app. A confidential one's secret is printed once.
    Add(Add),
    /// List them.
    List,
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// The name people read on the consent page.
    #[arg(long)]
    name: String,
    /// Its id; minted when left out.
    #[arg(long)]
    id: Option<String>,
    /// Where answers may go, exactly.
    #[arg(long, required = true)]
    redirect_uri: Vec<String>,
    /// Where it is opened from here for a person: its SMART launch URL. Without one, it is not offered here.
    #[arg(long)]
    launch_uri: Option<String>,
    /// The most it can be granted.
    #[arg(
        long,
        default_value = "openid fhirUser profile launch launch/patient launch/encounter offline_access online_access patient/*.rs user/*.rs"
    )]
    scope: String,
    /// It can keep a secret.
    #[arg(long)]
    confidential: bool,
    /// It is an installed app: loopback redirects may vary in their port (RFC 8252 §7.3).
    #[arg(long)]
    native: bool,
}

pub(super) async fn run(settings: &Settings, command: Command) -> Result<(), CliError> {
    let opened = settings.open().await?;
    match command {
        Command::Add(add) => {
            let (scopes, unknown) = ScopeSet::parse(&add.scope);
            if let Some(unknown) = unknown.first() {
                return Err(format!("--scope: {unknown} is not a scope").into());
            }
            let id = match add.id {
                Some(id) => Some(ClientId::parse(&id).ok_or("--id: not a client id")?),
                None => None,
            };
            let registered = opened
                .authorization(&opened.acts().await?)?
                .register_client(NewClient {
                    id,
                    name: add.name,
                    redirect_uris: add.redirect_uri,
                    launch_uri: add.launch_uri,
                    scopes,
                    confidential: add.confidential,
                    native: add.native,
                })
                .await?;
            say(&format!("client_id {}", registered.client.id))?;
            if let Some(secret) = &registered.secret {
                say(&format!("client_secret {}", secret.expose()))?;
            }
        }
        Command::List => {
            for client in clients::all(&opened.db).await? {
                say(&format!("{}  {}", client.id, client.name))?;
            }
        }
    }
    opened.db.close().await;
    Ok(())
}
