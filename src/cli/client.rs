use std::path::PathBuf;

use super::opened::{Opened, Settings};
use super::{CliError, say};
use crate::authorization::{NewClient, NewProof};
use crate::oauth::client::{ClientId, ClientKeys, Requirements};
use crate::oauth::jwk::KeySet;
use crate::oauth::scope::ScopeSet;
use crate::storage::clients;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Register an app or a backend service. A secret is printed once.
    Add(Add),
    /// List them.
    List,
    /// Let an app in that registered itself, or turn one on that was disabled.
    Approve(Which),
    /// Turn an app off: it gets nothing, and its tokens are dead.
    Disable(Which),
}

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Its id.
    id: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// The name people read on the consent page.
    #[arg(long)]
    name: String,
    /// Its id; minted when left out.
    #[arg(long)]
    id: Option<String>,
    /// Where answers may go, exactly. A backend service has none.
    #[arg(long)]
    redirect_uri: Vec<String>,
    /// Where it is opened from here for a person: its SMART launch URL. Without one, it is not offered here.
    #[arg(long)]
    launch_uri: Option<String>,
    /// The most it can be granted; system/ scopes are for backend services.
    #[arg(
        long,
        default_value = "openid fhirUser profile launch launch/patient launch/encounter offline_access online_access patient/*.rs user/*.rs"
    )]
    scope: String,
    /// It can keep a secret.
    #[arg(long, conflicts_with_all = ["jwks", "jwks_uri"])]
    confidential: bool,
    /// A file with its public keys (JWK Set): it proves itself by `private_key_jwt`.
    #[arg(long, conflicts_with = "jwks_uri")]
    jwks: Option<PathBuf>,
    /// The address of its public keys.
    #[arg(long)]
    jwks_uri: Option<String>,
    /// A source whose charts its system/ scopes reach, by its key; more than one of the same organization may be named.
    #[arg(long)]
    source: Vec<String>,
    /// It is an installed app: loopback redirects may vary in their port (RFC 8252 §7.3).
    #[arg(long)]
    native: bool,
    /// Its authorization requests must be pushed (RFC 9126).
    #[arg(long)]
    require_par: bool,
    /// Its tokens are bound to a key (RFC 9449).
    #[arg(long)]
    require_dpop: bool,
}

pub(super) async fn run(settings: &Settings, command: Command) -> Result<(), CliError> {
    let opened = settings.open().await?;
    match command {
        Command::Add(add) => register(&opened, add).await?,
        Command::List => {
            for client in clients::all(&opened.db).await? {
                let state = match (client.enabled, client.registration.is_some()) {
                    (true, _) => "",
                    (false, true) => "  (waits for approval, or disabled)",
                    (false, false) => "  (disabled)",
                };
                say(&format!("{}  {}{state}", client.id, client.name))?;
            }
        }
        Command::Approve(which) => enable(&opened, &which, true).await?,
        Command::Disable(which) => enable(&opened, &which, false).await?,
    }
    opened.db.close().await;
    Ok(())
}

async fn register(opened: &Opened, add: Add) -> Result<(), CliError> {
    let (scopes, unknown) = ScopeSet::parse(&add.scope);
    if let Some(unknown) = unknown.first() {
        return Err(format!("--scope: {unknown} is not a scope").into());
    }
    let id = match add.id {
        Some(id) => Some(ClientId::parse(&id).ok_or("--id: not a client id")?),
        None => None,
    };
    let proof = match (add.jwks, add.jwks_uri) {
        (Some(file), _) => {
            let text = std::fs::read(&file).map_err(|error| format!("--jwks {}: {error}", file.display()))?;
            let keys = KeySet::parse(&text).map_err(|error| format!("--jwks {}: {error}", file.display()))?;
            NewProof::Keys(ClientKeys::Inline(keys))
        }
        (None, Some(uri)) => NewProof::Keys(ClientKeys::Uri(uri)),
        (None, None) if add.confidential => NewProof::Secret,
        (None, None) => NewProof::None,
    };
    let sources = add.source.iter().map(|key| key.parse().map_err(|error| format!("--source {key}: {error}")));
    let new = NewClient {
        id,
        name: add.name,
        redirect_uris: add.redirect_uri,
        launch_uri: add.launch_uri,
        scopes,
        proof,
        native: add.native,
        sources: sources.collect::<Result<_, _>>()?,
        requirements: Requirements { pushed_requests: add.require_par, bound_tokens: add.require_dpop },
    };
    let registered = opened.authorization(&opened.acts().await?)?.register_client(new).await?;
    say(&format!("client_id {}", registered.client.id))?;
    if let Some(secret) = &registered.secret {
        say(&format!("client_secret {}", secret.expose()))?;
    }
    Ok(())
}

async fn enable(opened: &Opened, which: &Which, enabled: bool) -> Result<(), CliError> {
    let id = ClientId::parse(&which.id).ok_or("not a client id")?;
    let server = opened.authorization(&opened.acts().await?)?;
    Ok(server.enable_client(&id, enabled).await?)
}
