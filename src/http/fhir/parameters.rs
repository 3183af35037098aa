//! Names and values of a query or form, decoded once (security design section 8, step 1).

use super::error::FhirError;

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
