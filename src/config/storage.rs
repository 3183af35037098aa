use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// The database and the master key.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// `sqlite:PATH`, or `postgres:PATH` where the file PATH holds the connection URL (it has a password in it).
    pub url: String,
    /// The file that holds the 32-byte master key as 64 hexadecimal digits, readable by its owner alone.
    pub master_key_file: PathBuf,
    /// Connections that read at the same time.
    pub read_connections: u32,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            url: "sqlite:chartgate.db".to_owned(),
            master_key_file: PathBuf::from("master.key"),
            read_connections: 6,
        }
    }
}

impl Storage {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if !self.url.starts_with("sqlite:") && !self.url.starts_with("postgres:") {
            return Err(ConfigError::refused("storage.url", "must begin with sqlite: or postgres:"));
        }
        if self.url.contains("://") {
            return Err(ConfigError::refused(
                "storage.url",
                "put a connection URL with its password into a file and name that: postgres:/run/secrets/database-url",
            ));
        }
        if !(1..=64).contains(&self.read_connections) {
            return Err(ConfigError::refused("storage.read_connections", "must be from 1 to 64"));
        }
        Ok(())
    }
}
