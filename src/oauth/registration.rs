//! What a client says of itself when it registers (RFC 7591 §2; RFC 9126 §6; RFC 9449 §5.2).

use serde::Deserialize;
use serde_json::Value;

use super::client::{ClientKeys, Requirements, check_redirect_uri};
use super::error::{ErrorCode, OauthError};
use super::jwk::KeySet;
use super::scope::ScopeSet;

/// The most redirect URIs of one client.
pub const MOST_REDIRECT_URIS: usize = 20;
/// The longest URI that is looked at, in bytes.
const LONGEST_URI: usize = 2_000;
/// The longest name, in characters.
const LONGEST_NAME: usize = 100;

/// Characters that change how the text around them is read: they could make an app look like another one.
const fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A name that people can read on the consent page, without white space around it.
#[must_use]
pub fn readable_name(name: &str) -> Option<String> {
    let name = name.trim();
    let is_good = !name.is_empty()
        && name.chars().count() <= LONGEST_NAME
        && !name.chars().any(|c| c.is_control() || is_deceptive(c));
    is_good.then(|| name.to_owned())
}

/// How a client will authenticate (`token_endpoint_auth_method`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// `none`.
    None,
    /// `client_secret_basic` or `client_secret_post`: either works.
    Secret,
    /// `private_key_jwt`.
    Keys(ClientKeys),
}

/// What a client registered, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMetadata {
    /// Its name.
    pub name: String,
    /// Where answers may go.
    pub redirect_uris: Vec<String>,
    /// What it asks to be allowed, if it says.
    pub scopes: Option<ScopeSet>,
    /// How it authenticates.
    pub method: Method,
    /// Whether it is an installed app.
    pub native: bool,
    /// What it takes upon itself.
    pub requirements: Requirements,
    /// `client_id`, in an update (RFC 7592 §2.2).
    pub client_id: Option<String>,
    /// `client_secret`, in an update.
    pub client_secret: Option<String>,
}

/// The document. What is not named here is ignored (RFC 7591 §2).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    client_name: Option<String>,
    redirect_uris: Option<Vec<String>>,
    scope: Option<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    application_type: Option<String>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    tos_uri: Option<String>,
    policy_uri: Option<String>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    software_statement: Option<Value>,
    require_pushed_authorization_requests: Option<bool>,
    dpop_bound_access_tokens: Option<bool>,
    client_id: Option<String>,
    client_secret: Option<String>,
    registration_access_token: Option<Value>,
    registration_client_uri: Option<Value>,
    client_secret_expires_at: Option<Value>,
    client_id_issued_at: Option<Value>,
}

const fn bad(description: &'static str) -> OauthError {
    OauthError::new(ErrorCode::InvalidClientMetadata, description)
}

impl ClientMetadata {
    /// Reads and checks a document.
    ///
    /// # Errors
    /// The codes of RFC 7591 §3.2.2.
    pub fn parse(body: &[u8]) -> Result<Self, OauthError> {
        let document: Document = serde_json::from_slice(body).map_err(|_| bad("the body is no client metadata"))?;
        if document.software_statement.is_some() {
            // Nobody's statements are trusted, signed or not: to ignore one would be to believe it.
            let text = "software statements are not taken here";
            return Err(OauthError::new(ErrorCode::InvalidSoftwareStatement, text));
        }
        check_what_is_fixed(&document)?;
        let native = match document.application_type.as_deref() {
            None | Some("web") => false,
            Some("native") => true,
            Some(_) => return Err(bad("application_type must be web or native")),
        };
        let scopes = document.scope.as_deref().map(|scope| ScopeSet::parse(scope).0);
        Ok(Self {
            name: document
                .client_name
                .as_deref()
                .and_then(readable_name)
                .ok_or(bad("client_name must have 1 to 100 characters, none of them invisible"))?,
            redirect_uris: redirect_uris(document.redirect_uris, native)?,
            method: method(document.token_endpoint_auth_method.as_deref(), document.jwks, document.jwks_uri)?,
            scopes,
            native,
            requirements: Requirements {
                pushed_requests: document.require_pushed_authorization_requests.unwrap_or(false),
                bound_tokens: document.dpop_bound_access_tokens.unwrap_or(false),
            },
            client_id: document.client_id,
            client_secret: document.client_secret,
        })
    }
}

/// What can have one value alone, and what must not be there.
fn check_what_is_fixed(document: &Document) -> Result<(), OauthError> {
    let server_only = [
        &document.registration_access_token,
        &document.registration_client_uri,
        &document.client_secret_expires_at,
        &document.client_id_issued_at,
    ];
    // RFC 7592 §2.2.
    if server_only.into_iter().any(Option::is_some) {
        return Err(bad("what the server issued is not part of the metadata"));
    }
    let grants = document.grant_types.as_deref().unwrap_or_default();
    let known = |grant: &String| matches!(grant.as_str(), "authorization_code" | "refresh_token");
    let has_code = document.grant_types.is_none() || grants.iter().any(|grant| grant == "authorization_code");
    if !has_code || !grants.iter().all(known) {
        return Err(bad("grant_types must be authorization_code, with or without refresh_token"));
    }
    if document.response_types.as_ref().is_some_and(|types| types.iter().any(|kind| kind != "code")) {
        return Err(bad("response_types must be code"));
    }
    let pages = [&document.client_uri, &document.logo_uri, &document.tos_uri, &document.policy_uri];
    if pages.into_iter().flatten().any(|uri| !is_page(uri)) {
        return Err(bad("client_uri, logo_uri, tos_uri and policy_uri must be https URLs of public hosts"));
    }
    Ok(())
}

fn redirect_uris(uris: Option<Vec<String>>, native: bool) -> Result<Vec<String>, OauthError> {
    let refused = |description| OauthError::new(ErrorCode::InvalidRedirectUri, description);
    let uris = uris.unwrap_or_default();
    if !(1..=MOST_REDIRECT_URIS).contains(&uris.len()) {
        return Err(refused("there must be 1 to 20 redirect_uris"));
    }
    let is_good = |uri: &String| uri.len() <= LONGEST_URI && check_redirect_uri(uri, native).is_ok();
    if uris.iter().all(is_good) {
        Ok(uris)
    } else {
        Err(refused("a redirect URI is not https, loopback http, or a native app's own scheme, or not canonical"))
    }
}

fn method(name: Option<&str>, jwks: Option<Value>, jwks_uri: Option<String>) -> Result<Method, OauthError> {
    match name {
        Some("none") => Ok(Method::None),
        // RFC 7591 §2: the default.
        None | Some("client_secret_basic" | "client_secret_post") => Ok(Method::Secret),
        Some("private_key_jwt") => match (jwks, jwks_uri) {
            (Some(keys), None) => KeySet::parse(keys.to_string().as_bytes())
                .map(|keys| Method::Keys(ClientKeys::Inline(keys)))
                .map_err(|_| bad("jwks must hold a public key with a kid: RSA of 2048 to 4096 bits, or P-384")),
            (None, Some(uri)) if uri.len() <= LONGEST_URI => Ok(Method::Keys(ClientKeys::Uri(uri))),
            _ => Err(bad("private_key_jwt needs jwks or jwks_uri, one of them")),
        },
        Some(_) => Err(bad("token_endpoint_auth_method is not supported")),
    }
}

/// Whether it can be the address of a page for people: nothing fetches it from here.
fn is_page(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else { return false };
    let is_public = match url.host() {
        Some(url::Host::Domain(name)) => name != "localhost" && !name.ends_with(".localhost") && name.contains('.'),
        _ => false,
    };
    let is_bare = url.username().is_empty() && url.password().is_none();
    text.len() <= LONGEST_URI && url.scheme() == "https" && is_public && is_bare
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The good document with one member set, or taken out.
    fn parse(member: &str, value: Value) -> Result<ClientMetadata, ErrorCode> {
        let mut document = json!({
            "client_name": "App",
            "redirect_uris": ["https://app.test/cb"],
            "token_endpoint_auth_method": "none",
        });
        match value {
            Value::Null => drop(document.as_object_mut().unwrap().remove(member)),
            value => document[member] = value,
        }
        ClientMetadata::parse(document.to_string().as_bytes()).map_err(|error| error.code)
    }

    #[test]
    fn o35_what_cannot_be_registered() {
        use ErrorCode::{InvalidClientMetadata as Metadata, InvalidRedirectUri as Redirect};
        for (member, value, code) in [
            ("client_name", Value::Null, Metadata),
            ("client_name", json!(" \t "), Metadata),
            ("client_name", json!("evil\u{202e}ppa"), Metadata),
            ("client_name", json!("x".repeat(10_000)), Metadata),
            ("client_name", json!(17), Metadata),
            ("redirect_uris", Value::Null, Redirect),
            ("redirect_uris", json!([]), Redirect),
            ("redirect_uris", json!(["https://app.test/cb", "javascript:alert(1)"]), Redirect),
            ("redirect_uris", json!([format!("https://app.test/{}", "x".repeat(2_000))]), Redirect),
            ("redirect_uris", json!(vec!["https://app.test/cb"; 21]), Redirect),
            ("redirect_uris", json!(["com.example.app:/cb"]), Redirect),
            ("logo_uri", json!("javascript:alert(1)"), Metadata),
            ("logo_uri", json!("https://169.254.169.254/latest"), Metadata),
            ("logo_uri", json!("https://localhost/x.png"), Metadata),
            ("logo_uri", json!("https://intranet/x.png"), Metadata),
            ("logo_uri", json!("http://app.test/x.png"), Metadata),
            ("client_uri", json!("data:text/html,x"), Metadata),
            ("grant_types", json!(["client_credentials"]), Metadata),
            ("grant_types", json!(["authorization_code", "client_credentials"]), Metadata),
            ("grant_types", json!(["implicit"]), Metadata),
            ("grant_types", json!([]), Metadata),
            ("response_types", json!(["token"]), Metadata),
            ("application_type", json!("robot"), Metadata),
            ("token_endpoint_auth_method", json!("private_key_jwt"), Metadata),
            ("token_endpoint_auth_method", json!("client_secret_jwt"), Metadata),
            ("software_statement", json!("eyJhbGciOiJub25lIn0.e30."), ErrorCode::InvalidSoftwareStatement),
            ("registration_access_token", json!("x"), Metadata),
            ("client_secret_expires_at", json!(0), Metadata),
        ] {
            assert_eq!(parse(member, value.clone()), Err(code), "{member}={value}");
        }
        for bad in ["", "[]", "17", "{", r#"{"client_name":"a","client_name":"b"}"#] {
            assert_eq!(ClientMetadata::parse(bad.as_bytes()).unwrap_err().code, Metadata, "{bad}");
        }
    }

    #[test]
    fn what_can_be_registered() {
        assert_eq!(parse("x", json!(1)).unwrap().method, Method::None, "what is unknown is ignored");
        assert_eq!(parse("token_endpoint_auth_method", Value::Null).unwrap().method, Method::Secret);
        assert_eq!(parse("logo_uri", json!("https://app.test/x.png")).unwrap().name, "App");
        assert!(parse("application_type", json!("native")).unwrap().native);
        assert!(parse("dpop_bound_access_tokens", json!(true)).unwrap().requirements.bound_tokens);
        let scopes = parse("scope", json!("patient/*.rs nonsense")).unwrap().scopes.unwrap();
        assert_eq!(scopes.to_string(), "patient/*.rs");
    }
}
