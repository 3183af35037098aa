use serde::Serialize;

use super::CliError;
use super::state::{Account, Claim, Client, Code, State};
use crate::app::App;
use crate::cli::say;
use crate::config::Config;
use crate::storage::sources;

/// The line that `--json` prints.
#[derive(Serialize)]
struct Ready<'a> {
    portal: String,
    /// The demo's own SMART app.
    app: String,
    fhir: String,
    issuer: &'a str,
    sources: Vec<Source>,
    accounts: &'a [Account],
    clients: &'a [Client],
    codes: &'a [Code],
    claims: &'a [Claim],
}

#[derive(Serialize)]
struct Source {
    key: String,
    name: String,
    base_url: String,
}

/// Says what to open and what to type.
pub(super) async fn announce(app: &App, config: &Config, state: &State, json: bool) -> Result<(), CliError> {
    let issuer = config.server.public_url.as_str();
    let stored = sources::all(&app.db).await?;
    let sources = stored.into_iter().filter(|source| source.state.is_active()).map(|source| Source {
        key: source.key.to_string(),
        name: source.name,
        base_url: source.base_url,
    });
    let ready = Ready {
        portal: format!("{issuer}/"),
        app: format!("http://127.0.0.1:{}/", state.app_port.unwrap_or_default()),
        fhir: app.gateway.base_url().to_owned(),
        issuer,
        sources: sources.collect(),
        accounts: &state.accounts,
        clients: &state.clients,
        codes: &state.codes,
        claims: &state.claims,
    };
    if json {
        return say(&serde_json::to_string(&ready)?);
    }
    for line in lines(&ready) {
        say(&line)?;
    }
    Ok(())
}

fn lines(ready: &Ready<'_>) -> Vec<String> {
    let mut lines = vec![
        "Chartgate is ready. The people are made up, the software is real.".to_owned(),
        String::new(),
        format!("  Open       {}", ready.portal),
        format!("  SMART app  {}", ready.app),
        format!("  FHIR       {}", ready.fhir),
        String::new(),
        "  Sign in as".to_owned(),
    ];
    for account in ready.accounts {
        lines
            .push(format!("    {:<24} {:<18} {} ({})", account.username, account.password, account.name, account.role));
    }
    lines.push(String::new());
    lines.push(format!("  Activation codes, for {}invite", ready.portal));
    for code in ready.codes {
        lines.push(format!("    {:<24} {}", code.code, code.words));
    }
    lines.push(format!("  Without a code, at {}find", ready.portal));
    for claim in ready.claims {
        lines.push(format!("    {:<24} {}", claim.username, claim.words));
    }
    lines.push(format!("  The front desk is {}clinic, for clerk, registrar, clinician and admin", ready.portal));
    lines.push(String::new());
    lines.push("  EHRs behind it".to_owned());
    for source in &ready.sources {
        lines.push(format!("    {:<24} {}", source.name, source.base_url));
    }
    lines.push(String::new());
    lines.push("  Apps that can be connected (redirects to 127.0.0.1, any port)".to_owned());
    for client in ready.clients {
        let secret = client.secret.as_ref().map(|secret| format!(", secret {secret}")).unwrap_or_default();
        lines.push(format!("    {:<24} {}{secret}", client.client_id, client.kind));
    }
    lines.push(String::new());
    lines.push("  Ctrl-C stops it; the same command starts it again with everything kept.".to_owned());
    lines
}
