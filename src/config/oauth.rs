use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Lifetimes of codes, tokens and sessions, in seconds.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Oauth {
    /// Access tokens; SMART App Launch 2.2 says at most one hour.
    pub access_token_seconds: u64,
    /// Authorization codes (RFC 9700 and FAPI 2.0: one minute).
    pub code_seconds: u64,
    /// A refresh token that is not used dies after this; each use grants as much again (170.315(g)(10): 3 months).
    pub refresh_token_seconds: u64,
    /// Time to sign in and decide, from the authorization request on.
    pub authorization_seconds: u64,
    /// A session without a request ends after this.
    pub session_idle_seconds: u64,
    /// A session ends after this, whatever happens.
    pub session_seconds: u64,
    /// Passwords checked at the same time: each takes 19 MiB.
    pub password_checks: usize,
}

impl Default for Oauth {
    fn default() -> Self {
        Self {
            access_token_seconds: 3_600,
            code_seconds: 60,
            refresh_token_seconds: 100 * 86_400,
            authorization_seconds: 900,
            session_idle_seconds: 1_800,
            session_seconds: 12 * 3_600,
            password_checks: 2,
        }
    }
}

impl Oauth {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let within = |name: &str, value: u64, low: u64, high: u64| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(ConfigError::refused(format!("oauth.{name}"), format!("must be from {low} to {high} seconds")))
            }
        };
        within("access_token_seconds", self.access_token_seconds, 60, 3_600)?;
        within("code_seconds", self.code_seconds, 10, 60)?;
        within("refresh_token_seconds", self.refresh_token_seconds, 86_400, 400 * 86_400)?;
        within("authorization_seconds", self.authorization_seconds, 60, 3_600)?;
        within("session_idle_seconds", self.session_idle_seconds, 60, 86_400)?;
        within("session_seconds", self.session_seconds, 60, 30 * 86_400)?;
        if !(1..=64).contains(&self.password_checks) {
            return Err(ConfigError::refused("oauth.password_checks", "must be from 1 to 64"));
        }
        Ok(())
    }
}
