//! Names and values of a query or form, decoded once (security design section 8, step 1).

use axum::http::{HeaderMap, header};

use super::error::FhirError;
use crate::fhir::search::Handling;
use crate::fhir::{interaction, operation};

/// A query or form is refused past this.
pub(super) const MAX_BYTES: usize = 64 * 1024;
const MAX_PARAMETERS: usize = 200;

/// `a=b&c=d`, percent-decoded.
pub(super) fn decode(text: &str) -> Result<Vec<(String, String)>, FhirError> {
    let refused = |details: &str| FhirError::Invalid("too-costly", details.to_owned());
    if text.len() > MAX_BYTES {
        return Err(refused("The request has more than 64 KB of parameters"));
    }
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(text.as_bytes()).map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
    if pairs.len() > MAX_PARAMETERS {
        return Err(refused("The request has more than 200 parameters"));
    }
    if pairs.iter().any(|(name, value)| name.contains('\u{fffd}') || value.contains('\u{fffd}')) {
        return Err(FhirError::Invalid("invalid", "A parameter is not UTF-8".to_owned()));
    }
    Ok(pairs)
}

/// Parameters in the URL, in a posted form, or in both (FHIR R4 search.html §3.1.1.2). With all of them in the URL there
/// may be no form.
pub(super) fn posted(
    query: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<(String, String)>, FhirError> {
    let mut parameters = decode(query.unwrap_or_default())?;
    let kind = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    if body.is_empty() && kind.is_none() {
        return Ok(parameters);
    }
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(FhirError::UnsupportedMediaType("application/x-www-form-urlencoded"));
    }
    let form =
        std::str::from_utf8(body).map_err(|_| FhirError::Invalid("invalid", "The form is not UTF-8".to_owned()))?;
    parameters.extend(decode(form)?);
    Ok(parameters)
}

/// The input of an operation: a Parameters resource, or nothing.
pub(super) fn of_operation(headers: &HeaderMap, body: &[u8]) -> Result<Vec<(String, String)>, FhirError> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.is_empty() || !super::respond::is_json(kind) {
        return Err(FhirError::UnsupportedMediaType("application/fhir+json"));
    }
    operation::parameters(body).map_err(|error| FhirError::Invalid("invalid", error.to_string()))
}

/// `_format`, which overrides the `Accept` header.
pub(super) fn format(parameters: &[(String, String)]) -> Option<&str> {
    parameters.iter().find(|(name, _)| name == "_format").map(|(_, value)| value.as_str())
}

/// `Prefer: handling=…`.
pub(super) fn handling(headers: &HeaderMap) -> Handling {
    interaction::handling(headers.get("prefer").and_then(|value| value.to_str().ok()))
}
