use ipnet::IpNet;
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
    /// Passwords checked at the same time: each takes 19 MiB. Of several, one is kept for people whose network is known; of
    /// three or more, another one is kept from networks where tries came to nothing.
    pub password_checks: usize,
    /// Access tokens of backend services; SMART App Launch 2.2 says at most five minutes.
    pub system_token_seconds: u64,
    /// A new key signs id_tokens after so many days; 0 leaves that to `chartgate signing-key rotate`.
    pub signing_key_days: u64,
    /// Time for a browser to come with a pushed authorization request (RFC 9126).
    pub pushed_request_seconds: u64,
    /// Whether apps register themselves (RFC 7591). Left out: `closed`, and `open` in the demo.
    pub registration: Option<RegistrationPolicy>,
    /// The most an app can be granted that registered itself.
    pub registration_scopes: String,
    /// Registrations from one address within an hour.
    pub registrations_per_hour: u32,
    /// Apps that registered themselves, at most.
    pub registrations: u32,
    /// Ranges (CIDR) besides public addresses in which key sets of clients may be that the operator entered.
    pub key_set_private_addresses: Vec<String>,
    /// Whether staff begin work only with more than a password. Left out: they do, except in the demo.
    pub staff_second_factor: Option<bool>,
}

/// Whether apps register themselves (RFC 7591).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationPolicy {
    /// The operator enters them.
    Closed,
    /// They do, and wait until the operator lets them in (`chartgate client approve`).
    Approval,
    /// They do, and can ask people at once.
    Open,
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
            password_checks: 3,
            system_token_seconds: 300,
            pushed_request_seconds: 60,
            signing_key_days: 90,
            registration: None,
            registration_scopes:
                "openid fhirUser profile launch/patient launch/encounter offline_access online_access patient/*.rs user/*.rs"
                    .to_owned(),
            registrations_per_hour: 20,
            registrations: 10_000,
            key_set_private_addresses: Vec::new(),
            staff_second_factor: None,
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
        within("system_token_seconds", self.system_token_seconds, 30, 300)?;
        within("pushed_request_seconds", self.pushed_request_seconds, 10, 600)?;
        if self.signing_key_days > 3_650 {
            return Err(ConfigError::refused("oauth.signing_key_days", "must be at most 3650"));
        }
        if !(1..=3_600).contains(&self.registrations_per_hour) {
            return Err(ConfigError::refused("oauth.registrations_per_hour", "must be from 1 to 3600"));
        }
        if let Some(range) = self.key_set_private_addresses.iter().find(|range| range.parse::<IpNet>().is_err()) {
            return Err(ConfigError::refused(
                "oauth.key_set_private_addresses",
                format!("{range} is not a CIDR range"),
            ));
        }
        if !(1..=64).contains(&self.password_checks) {
            return Err(ConfigError::refused("oauth.password_checks", "must be from 1 to 64"));
        }
        Ok(())
    }
}
