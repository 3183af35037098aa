//! Form bodies and queries as lists of pairs: repeated names stay visible.

use http::{HeaderMap, header};

use crate::oauth::error::{ErrorCode, OauthError};

/// No form of these surfaces is longer, in bytes.
pub const LONGEST_FORM: usize = 64 * 1_024;

/// The pairs of a query string.
#[must_use]
pub fn query_pairs(query: Option<&str>) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

/// The pairs of a form body.
///
/// # Errors
/// `invalid_request` for another media type than `application/x-www-form-urlencoded` (RFC 6749 §4.1.3).
pub fn form_pairs(headers: &HeaderMap, body: &[u8]) -> Result<Vec<(String, String)>, OauthError> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let text = "the body must be application/x-www-form-urlencoded";
        return Err(OauthError::new(ErrorCode::InvalidRequest, text));
    }
    Ok(url::form_urlencoded::parse(body).into_owned().collect())
}

/// The first value of a field.
#[must_use]
pub fn field<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}
