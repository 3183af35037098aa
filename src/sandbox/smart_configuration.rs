//! `.well-known/smart-configuration` (SMART App Launch 2.2 §7): backend services is all there is.

use axum::http::StatusCode;
use serde_json::json;

use super::ehr::Ehr;
use super::outcome::Answer;

pub(super) fn document(ehr: &Ehr) -> Answer {
    let document = json!({
        "token_endpoint": ehr.settings.token_url(),
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "grant_types_supported": ["client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["system/*.rs", "system/*.cruds"],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    });
    Answer::json(StatusCode::OK, &document)
}
