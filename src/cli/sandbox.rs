//! `chartgate sandbox`: a sandbox EHR on its own, over any R4 data.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use crate::sandbox::{Client, ClientError, Data, Sandbox};

/// Serves FHIR R4 data from memory, as a small EHR would.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub address: IpAddr,
    /// Host name in the server's own URLs, where it is not the address.
    #[arg(long)]
    pub host: Option<String>,
    /// Path of the FHIR base.
    #[arg(long, default_value = "/fhir")]
    pub base_path: String,
    /// Files (NDJSON, Bundle, single resource) and folders to load.
    #[arg(long, num_args = 1..)]
    pub load: Vec<PathBuf>,
    /// Entries on a page when `_count` does not say.
    #[arg(long, default_value_t = 50)]
    pub page_size: usize,
    /// A backend client and the file with its JWK Set, as ID=FILE.
    #[arg(long = "client", value_name = "ID=FILE")]
    pub clients: Vec<String>,
    /// Answer FHIR requests only with a token of the token endpoint.
    #[arg(long)]
    pub require_authentication: bool,
    /// Refuse unknown search parameters with 400.
    #[arg(long)]
    pub strict_parameters: bool,
    /// Show no versions: neither `meta.versionId` nor `ETag`.
    #[arg(long)]
    pub no_versions: bool,
    /// Let anybody who reaches the port switch faults and read the request log under `/__sandbox/`.
    #[arg(long)]
    pub control: bool,
    /// Count requests but do not remember them.
    #[arg(long)]
    pub no_request_log: bool,
}

/// `--client` is not ID=FILE, or the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--client {argument}: {reason}")]
struct ClientArgumentError {
    argument: String,
    reason: String,
}

/// Starts the server, prints its addresses, and serves until interrupted.
///
/// # Errors
/// The data cannot be loaded, the port is taken, a client cannot be registered, standard output is closed.
pub async fn run(args: Args) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut sandbox = Sandbox::builder()
        .port(args.port)
        .address(args.address)
        .base_path(&args.base_path)
        .page_size(args.page_size)
        .require_authentication(args.require_authentication)
        .strict_parameters(args.strict_parameters)
        .versioned(!args.no_versions)
        .control(args.control)
        .log_requests(!args.no_request_log);
    if let Some(host) = &args.host {
        sandbox = sandbox.host(host);
    }
    for path in args.load {
        sandbox = sandbox.data(Data::Path(path));
    }
    for argument in &args.clients {
        sandbox = sandbox.client(client(argument)?);
    }
    let running = sandbox.start().await?;
    let mut out = io::stdout();
    writeln!(out, "FHIR base       {}", running.base_url)?;
    writeln!(out, "token endpoint  {}", running.token_url)?;
    writeln!(out, "resources       {}", running.report.resources)?;
    for path in &running.report.skipped {
        writeln!(out, "not a resource  {}", path.display())?;
    }
    for reference in &running.report.unresolved {
        writeln!(out, "unresolved      {reference}")?;
    }
    out.flush()?;
    tokio::select! {
        () = running.run() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

fn client(argument: &str) -> Result<Client, ClientArgumentError> {
    let failed = |reason: String| ClientArgumentError { argument: argument.to_owned(), reason };
    let (id, path) = argument.split_once('=').ok_or_else(|| failed("must be ID=FILE".to_owned()))?;
    let jwks = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Client::from_jwks(id, &jwks).map_err(|error: ClientError| failed(error.to_string()))
}
