//! The commands. Each is a file; errors are one line on standard error and exit code 1 (2 for a wrong call).

mod account;
mod client;
mod consent;
mod demo;
mod link;
mod master_key;
mod migrate;
mod opened;
mod organization;
pub mod sandbox;
mod schema;
mod serve;
mod signing_key;
mod source;
mod staff;

use std::ffi::OsString;
use std::io::Write;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// One record per person, joined from several EHRs, by SMART on FHIR.
#[derive(Debug, Parser)]
#[command(name = "chartgate", version, about)]
struct Chartgate {
    /// The configuration file (TOML). Environment variables CHARTGATE_{SECTION}_{FIELD} go over it.
    #[arg(long, short, global = true, env = "CHARTGATE_CONFIG")]
    config: Option<PathBuf>,
    /// Allow plain HTTP on loopback, as `chartgate demo` does. Never for real data.
    #[arg(long, global = true, hide = true)]
    loopback_demo: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Serve,
    /// Run the whole product on this machine with two sandbox EHRs and made-up people.
    Demo(demo::Args),
    /// Run a sandbox EHR alone.
    Sandbox(sandbox::Args),
    /// Bring the database's schema to the newest.
    Migrate,
    /// Make a new master key file.
    MasterKey(master_key::Args),
    /// Practices and health systems.
    #[command(subcommand)]
    Organization(organization::Command),
    /// EHR endpoints.
    #[command(subcommand)]
    Source(source::Command),
    /// Apps.
    #[command(subcommand)]
    Client(client::Command),
    /// People and how they sign in.
    #[command(subcommand)]
    Account(account::Command),
    /// Who works for a practice.
    #[command(subcommand)]
    Staff(staff::Command),
    /// Who sees what of whose record.
    #[command(subcommand)]
    Consent(consent::Command),
    /// Charts of people.
    #[command(subcommand)]
    Link(link::Command),
    /// The keys that sign id_tokens.
    #[command(subcommand)]
    SigningKey(signing_key::Command),
    /// Print the JSON schema of the configuration file.
    Schema,
}

/// What a command fails with: one line.
type CliError = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command line.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let call = match Chartgate::try_parse_from(arguments) {
        Ok(call) => call,
        Err(error) => error.exit(),
    };
    // The one TLS provider of the process; installing it twice is the only way to fail.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .build()
        .map_err(CliError::from)
        .and_then(|runtime| runtime.block_on(dispatch(call)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "chartgate: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Threads that answer requests: `TOKIO_WORKER_THREADS`, or one for each processor but one, which is left to the database,
/// the log and the kernel. Requests that move between more threads than that cost a fifth more each
/// (docs/performance.md).
fn workers() -> usize {
    let asked = std::env::var("TOKIO_WORKER_THREADS").ok().and_then(|text| text.parse().ok());
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    asked.unwrap_or_else(|| processors.saturating_sub(1)).clamp(1, 1_024)
}

async fn dispatch(call: Chartgate) -> Result<(), CliError> {
    let settings = opened::Settings { file: call.config, demo: call.loopback_demo };
    match call.command {
        Command::Serve => serve::run(&settings).await,
        Command::Demo(args) => Box::pin(demo::run(args)).await,
        Command::Sandbox(args) => sandbox::run(args).await,
        Command::Migrate => migrate::run(&settings).await,
        Command::MasterKey(args) => master_key::run(&args),
        Command::Organization(command) => organization::run(&settings, command).await,
        Command::Source(command) => source::run(&settings, command).await,
        Command::Client(command) => client::run(&settings, command).await,
        Command::Account(command) => account::run(&settings, command).await,
        Command::Staff(command) => staff::run(&settings, command).await,
        Command::Consent(command) => consent::run(&settings, command).await,
        Command::Link(command) => link::run(&settings, command).await,
        Command::SigningKey(command) => signing_key::run(&settings, command).await,
        Command::Schema => schema::run(),
    }
}

/// One line on standard output.
fn say(line: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
