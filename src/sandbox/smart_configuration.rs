//! `.well-known/smart-configuration` (SMART App Launch 2.2 §7): backend services, and standalone launch once an
//! app is registered for it.

use axum::http::StatusCode;
use serde_json::json;

use super::ehr::Ehr;
use super::outcome::Answer;

pub(super) fn document(ehr: &Ehr) -> Answer {
    let mut document = json!({
        "token_endpoint": ehr.settings.token_url(),
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "grant_types_supported": ["client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["system/*.rs", "system/*.cruds"],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    });
    if let (true, Some(members)) = (ehr.smart.is_on(), document.as_object_mut()) {
        for (name, value) in [
            ("issuer", json!(ehr.settings.origin)),
            ("authorization_response_iss_parameter_supported", json!(true)),
            ("authorization_endpoint", json!(ehr.settings.authorize_url())),
            ("revocation_endpoint", json!(ehr.settings.revoke_url())),
            (
                "token_endpoint_auth_methods_supported",
                json!(["private_key_jwt", "client_secret_basic", "client_secret_post"]),
            ),
            ("grant_types_supported", json!(["client_credentials", "authorization_code", "refresh_token"])),
            (
                "scopes_supported",
                json!(["launch/patient", "offline_access", "patient/*.rs", "system/*.rs", "system/*.cruds"]),
            ),
            (
                "capabilities",
                json!([
                    "launch-standalone",
                    "client-public",
                    "client-confidential-symmetric",
                    "client-confidential-asymmetric",
                    "context-standalone-patient",
                    "permission-offline",
                    "permission-patient",
                    "permission-v1",
                    "permission-v2"
                ]),
            ),
        ] {
            members.insert(name.to_owned(), value);
        }
    }
    Answer::json(StatusCode::OK, &document)
}
