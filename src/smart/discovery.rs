//! Discovery documents: SMART App Launch 2.2 §3, OpenID Connect Discovery 1.0 §3, RFC 8414. They list what works.

use serde_json::{Value, json};

use crate::oauth::dpop::PROOF_ALGORITHM_NAMES;
use crate::oauth::jwk::{ASSERTION_ALGORITHMS, Algorithm};

/// The URLs of an authorization server and its FHIR API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    issuer: String,
    fhir_base: String,
    takes_registrations: bool,
}

/// SMART App Launch 2.2 §3.2: what this server can do.
const CAPABILITIES: [&str; 19] = [
    "launch-ehr",
    "launch-standalone",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "context-standalone-encounter",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
    "authorize-post",
];

const SCOPES: [&str; 14] = [
    "openid",
    "profile",
    "fhirUser",
    "launch",
    "launch/patient",
    "launch/encounter",
    "offline_access",
    "online_access",
    "patient/*.rs",
    "patient/*.read",
    "user/*.rs",
    "user/*.read",
    "system/*.rs",
    "system/*.read",
];

/// Every way to authenticate.
const METHODS: [&str; 4] = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];
/// Those that prove something.
const CONFIDENTIAL: [&str; 3] = ["client_secret_basic", "client_secret_post", "private_key_jwt"];

impl Endpoints {
    /// From the public URL, which is the issuer and has no trailing slash.
    #[must_use]
    pub fn new(public_url: &str, takes_registrations: bool) -> Self {
        Self { issuer: public_url.to_owned(), fhir_base: format!("{public_url}/fhir"), takes_registrations }
    }

    /// The issuer (RFC 8414 §2).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The base URL of the FHIR API, without a trailing slash.
    #[must_use]
    pub fn fhir_base(&self) -> &str {
        &self.fhir_base
    }

    /// The authorization endpoint.
    #[must_use]
    pub fn authorize(&self) -> String {
        format!("{}/oauth/authorize", self.issuer)
    }

    /// The token endpoint.
    #[must_use]
    pub fn token(&self) -> String {
        format!("{}/oauth/token", self.issuer)
    }

    /// Where apps read how this site looks (SMART App Launch 2.2 §2.0.14.1).
    #[must_use]
    pub fn style(&self) -> String {
        format!("{}/smart-style.json", self.issuer)
    }

    /// The registration endpoint (RFC 7591).
    #[must_use]
    pub fn registration(&self) -> String {
        format!("{}/oauth/register", self.issuer)
    }

    /// What every one of the documents says.
    fn common(&self) -> Value {
        let algorithms = ASSERTION_ALGORITHMS.map(Algorithm::as_str);
        let common = json!({
            "issuer": self.issuer,
            "authorization_endpoint": self.authorize(),
            "token_endpoint": self.token(),
            "management_endpoint": format!("{}/apps", self.issuer),
            "jwks_uri": format!("{}/.well-known/jwks.json", self.issuer),
            "introspection_endpoint": format!("{}/oauth/introspect", self.issuer),
            "revocation_endpoint": format!("{}/oauth/revoke", self.issuer),
            "scopes_supported": SCOPES,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "token_endpoint_auth_methods_supported": METHODS,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint_auth_methods_supported": CONFIDENTIAL,
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_methods_supported": METHODS,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "pushed_authorization_request_endpoint": format!("{}/oauth/par", self.issuer),
            "require_pushed_authorization_requests": false,
            "dpop_signing_alg_values_supported": PROOF_ALGORITHM_NAMES,
        });
        if !self.takes_registrations {
            return common;
        }
        with(common, json!({"registration_endpoint": self.registration()}))
    }

    /// `.well-known/oauth-authorization-server` (RFC 8414).
    #[must_use]
    pub fn oauth_authorization_server(&self) -> Value {
        self.common()
    }

    /// `.well-known/smart-configuration` (SMART App Launch 2.2 §3.1).
    #[must_use]
    pub fn smart_configuration(&self) -> Value {
        with(
            self.common(),
            json!({
                "capabilities": CAPABILITIES,
                "user_access_brand_bundle": format!("{}/brands", self.issuer),
                "user_access_brand_identifier": {"system": "urn:ietf:rfc:3986", "value": self.issuer},
            }),
        )
    }

    /// `.well-known/openid-configuration` (OpenID Connect Discovery 1.0 §3).
    #[must_use]
    pub fn openid_configuration(&self) -> Value {
        with(
            self.common(),
            json!({
                "userinfo_endpoint": format!("{}/oauth/userinfo", self.issuer),
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "fhirUser",
                                     "preferred_username"],
                "prompt_values_supported": ["none", "login", "consent", "select_account"],
                "claims_parameter_supported": false,
                "request_parameter_supported": false,
                "request_uri_parameter_supported": false,
            }),
        )
    }
}

fn with(mut document: Value, more: Value) -> Value {
    if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
        document.extend(more);
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_is_absolute_and_every_list_is_of_texts() {
        let endpoints = Endpoints::new("https://gw.test", true);
        for document in
            [endpoints.smart_configuration(), endpoints.openid_configuration(), endpoints.oauth_authorization_server()]
        {
            for (name, value) in document.as_object().unwrap() {
                if name.ends_with("_endpoint") || name.ends_with("_uri") {
                    assert!(value.as_str().unwrap().starts_with("https://gw.test/"), "{name}");
                }
                if let Some(list) = value.as_array() {
                    assert!(!list.is_empty() && list.iter().all(Value::is_string), "{name}");
                }
            }
        }
        assert_eq!(endpoints.fhir_base(), "https://gw.test/fhir");
    }
}
