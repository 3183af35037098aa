//! Who a client is at the token, introspection and revocation endpoints (RFC 6749 §2.3).

use data_encoding::BASE64;

use super::{AuthorizationServer, TokenError};
use crate::base::secret::Secret;
use crate::oauth::client::{Client, ClientId};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::parameters::Parameters;
use crate::storage::clients;

/// What a client showed of itself.
#[derive(Debug)]
pub struct ClientCredentials {
    id: ClientId,
    secret: Option<Secret<String>>,
}

/// Credentials that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct CredentialsError(#[from] pub OauthError);

const UNKNOWN: OauthError = OauthError::new(ErrorCode::InvalidClient, "the client is unknown or its secret is wrong");

impl ClientCredentials {
    /// Reads the `Authorization` header and the form. Two secrets are an error; Basic with the same `client_id` in the
    /// body is not: real clients send that.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn read(header: Option<&str>, parameters: &Parameters) -> Result<Self, CredentialsError> {
        let posted_id = parameters.get("client_id");
        let posted_secret = parameters.get("client_secret");
        if parameters.raw("client_assertion").is_some() || parameters.raw("client_assertion_type").is_some() {
            let text = "client assertions are not supported";
            return Err(OauthError::new(ErrorCode::InvalidClient, text).into());
        }
        let (id, secret) = match header {
            None => (posted_id.map(str::to_owned), posted_secret.map(str::to_owned)),
            Some(_) if posted_secret.is_some() => {
                let text = "a client authenticates in one way per request";
                return Err(OauthError::new(ErrorCode::InvalidRequest, text).into());
            }
            Some(header) => {
                let (id, secret) = basic(header).ok_or(UNKNOWN)?;
                if posted_id.is_some_and(|posted| posted != id) {
                    let text = "client_id differs from the authenticated client";
                    return Err(OauthError::new(ErrorCode::InvalidRequest, text).into());
                }
                (Some(id), Some(secret))
            }
        };
        let Some(id) = id else {
            return Err(OauthError::new(ErrorCode::InvalidClient, "the client did not say who it is").into());
        };
        Ok(Self { id: ClientId::parse(&id).ok_or(UNKNOWN)?, secret: secret.map(Secret::new) })
    }
}

/// `Basic` credentials; both halves are form-encoded before they are joined (RFC 6749 §2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(encoded.trim().as_bytes()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    Some((decode(id)?, decode(secret)?))
}

impl AuthorizationServer {
    /// The client that these credentials prove.
    pub(super) async fn authenticate_client(&self, shown: &ClientCredentials) -> Result<Client, TokenError> {
        let client = clients::get(&self.db, &shown.id).await?;
        let secret = shown.secret.as_ref().map(|secret| secret.expose().as_str());
        client.filter(|client| client.enabled && client.is_proven_by(secret)).ok_or(TokenError::Refused(UNKNOWN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: Option<&str>, form: &str) -> Result<(String, Option<String>), ErrorCode> {
        let pairs = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        ClientCredentials::read(header, &Parameters::new(pairs).unwrap())
            .map(|read| (read.id.to_string(), read.secret.map(|s| s.expose().clone())))
            .map_err(|error| error.0.code)
    }

    #[test]
    fn o17_one_way_to_authenticate_per_request() {
        let header = format!("Basic {}", BASE64.encode(b"app:s%3Acret+x"));
        let proven = Ok(("app".to_owned(), Some("s:cret x".to_owned())));
        assert_eq!(read(Some(&header), ""), proven);
        assert_eq!(read(Some(&header), "client_id=app"), proven, "Basic and client_id in the body");
        assert_eq!(read(None, "client_id=app&client_secret=s%3Acret+x"), proven);
        assert_eq!(read(None, "client_id=app"), Ok(("app".to_owned(), None)));
        for (header, form, code) in [
            (Some(header.as_str()), "client_id=app&client_secret=s", ErrorCode::InvalidRequest),
            (Some(&header), "client_id=other", ErrorCode::InvalidRequest),
            (Some(&header), "client_assertion=x", ErrorCode::InvalidClient),
            (None, "client_id=app&client_assertion_type=x", ErrorCode::InvalidClient),
            (None, "", ErrorCode::InvalidClient),
            (None, "client_secret=s", ErrorCode::InvalidClient),
            (Some("Basic"), "", ErrorCode::InvalidClient),
            (Some("Basic !!!"), "", ErrorCode::InvalidClient),
            (Some("Basic YXBw"), "", ErrorCode::InvalidClient),
            (Some("Bearer x"), "client_id=app", ErrorCode::InvalidClient),
            (None, "client_id=a%20b", ErrorCode::InvalidClient),
        ] {
            assert_eq!(read(header, form), Err(code), "{header:?} {form}");
        }
    }
}
