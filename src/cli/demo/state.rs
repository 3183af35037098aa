use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::CliError;
use crate::cli::master_key::write_private;

/// What the demo keeps from one start to the next. Its passwords open made-up records only.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) app_port: Option<u16>,
    #[serde(default)]
    pub(super) ehr_ports: BTreeMap<String, u16>,
    #[serde(default)]
    pub(super) accounts: Vec<Account>,
    #[serde(default)]
    pub(super) clients: Vec<Client>,
    #[serde(default)]
    pub(super) codes: Vec<Code>,
    #[serde(default)]
    pub(super) claims: Vec<Claim>,
}

/// What somebody without a code says to be linked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) username: String,
    /// What they say, and what comes of it.
    pub(super) words: String,
}

/// A code that the front desk handed out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) code: String,
    /// For whom, and how it stands.
    pub(super) words: String,
}

/// Somebody who can sign in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) username: String,
    pub(super) password: String,
    pub(super) role: String,
    pub(super) name: String,
    /// Whose record opens: the own person, else the first the account may act for.
    pub(super) person_id: String,
    /// Everybody the account may act for.
    #[serde(default)]
    pub(super) acts_for: Vec<String>,
}

/// An app that can be connected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Client {
    pub(super) client_id: String,
    pub(super) kind: String,
    pub(super) redirect_uris: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) secret: Option<String>,
}

const FILE: &str = "demo.json";

impl State {
    pub(super) fn load(folder: &Path) -> Result<Self, CliError> {
        let file = folder.join(FILE);
        match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| format!("{}: {error}: move the folder away to begin anew", file.display()).into()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", file.display()).into()),
        }
    }

    /// Replaces the file in one step: a start that is cut off leaves the old one.
    pub(super) fn save(&self, folder: &Path) -> Result<(), CliError> {
        let new = folder.join("demo.json.new");
        let _ = std::fs::remove_file(&new);
        write_private(&new, &serde_json::to_vec_pretty(self)?)?;
        Ok(std::fs::rename(new, folder.join(FILE))?)
    }
}
