use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{AppProof, ConfigError};

/// Somebody elsewhere who says who signs in (OpenID Connect Core 1.0).
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityProvider {
    /// Short name in addresses: `a` to `z`, digits and hyphens. The provider must know
    /// `{public_url}/sign-in/with/{key}/callback` as redirect URI. Never give a key to another provider.
    pub key: String,
    /// The name people know.
    pub name: String,
    /// The issuer, letter by letter as it stands in its tokens.
    pub issuer: String,
    /// The client id that the provider gave out.
    pub client_id: String,
    /// How the gateway proves that it is this client.
    #[serde(default)]
    pub proof: AppProof,
    /// Scopes to ask for.
    #[serde(default = "openid")]
    pub scope: String,
    /// Values of `acr` by which the provider says that it proved somebody's identity at IAL2 (NIST SP 800-63A-4). Left
    /// out: it never does.
    #[serde(default)]
    pub ial2_acr: Vec<String>,
    /// Private address ranges (CIDR) it may live in; none means public addresses only.
    #[serde(default)]
    pub private_addresses: Vec<String>,
}

fn openid() -> String {
    "openid".to_owned()
}

pub(super) fn validate(providers: &[IdentityProvider], demo: bool) -> Result<(), ConfigError> {
    let refused = |field: &str, reason: String| Err(ConfigError::refused(format!("identity_provider.{field}"), reason));
    let (mut keys, mut issuers) = (BTreeSet::new(), BTreeSet::new());
    for provider in providers {
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=32).contains(&provider.key.len()) || !provider.key.chars().all(is_word) {
            return refused("key", format!("{} is not of a to z, digits and hyphens", provider.key));
        }
        if !keys.insert(provider.key.as_str()) {
            return refused("key", format!("{} stands twice", provider.key));
        }
        if !issuers.insert(provider.issuer.as_str()) {
            return refused("issuer", format!("{} stands twice", provider.issuer));
        }
        // OpenID Connect Discovery 1.0 §3: https, without query and fragment.
        let url = url::Url::parse(&provider.issuer);
        let is_sound = url.is_ok_and(|url| {
            (url.scheme() == "https" || (demo && url.scheme() == "http"))
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        });
        if !is_sound {
            return refused(
                "issuer",
                format!("{} must be an https URL without query, fragment and user", provider.issuer),
            );
        }
        if !provider.scope.split_whitespace().any(|scope| scope == "openid") {
            return refused("scope", "must hold openid".to_owned());
        }
        if provider.client_id.is_empty() {
            return refused("client_id", "must not be empty".to_owned());
        }
        if let AppProof::Key { algorithm, .. } = &provider.proof
            && !matches!(algorithm.as_str(), "RS384" | "ES384")
        {
            return refused("proof.algorithm", "must be RS384 or ES384".to_owned());
        }
        if let Some(range) = provider.private_addresses.iter().find(|range| range.parse::<ipnet::IpNet>().is_err()) {
            return refused("private_addresses", format!("{range} is not a CIDR range"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(key: &str, issuer: &str) -> IdentityProvider {
        IdentityProvider {
            key: key.to_owned(),
            name: "Elsewhere".to_owned(),
            issuer: issuer.to_owned(),
            client_id: "gw".to_owned(),
            proof: AppProof::None,
            scope: openid(),
            ial2_acr: Vec::new(),
            private_addresses: Vec::new(),
        }
    }

    #[test]
    fn a_provider_has_one_key_and_a_sound_issuer() {
        let good = provider("state-id", "https://id.example/tenant");
        assert!(validate(std::slice::from_ref(&good), false).is_ok());
        for bad in [
            provider("", "https://id.example"),
            provider("State", "https://id.example"),
            provider("a/b", "https://id.example"),
            provider("a", "http://id.example"),
            provider("a", "https://id.example?x"),
            provider("a", "https://id.example#x"),
            provider("a", "https://u@id.example"),
            provider("a", "id.example"),
            IdentityProvider { scope: "profile".to_owned(), ..good.clone() },
            IdentityProvider { private_addresses: vec!["here".to_owned()], ..good.clone() },
        ] {
            assert!(validate(std::slice::from_ref(&bad), false).is_err(), "{bad:?}");
        }
        assert!(validate(&[provider("a", "http://127.0.0.1:9")], true).is_ok(), "a demo's");
        let twice = [good.clone(), provider("state-id", "https://other.example")];
        assert!(validate(&twice, false).is_err());
        assert!(validate(&[good.clone(), provider("other", "https://id.example/tenant")], false).is_err());
    }
}
