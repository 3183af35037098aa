//! The authorization request (RFC 6749 §4.1.1, SMART App Launch 2.2 §2.0.9).

use serde::{Deserialize, Serialize};

use super::client::{Client, ClientId};
use super::dpop::Thumbprint;
use super::error::{ErrorCode, OauthError};
use super::parameters::Parameters;
use super::pkce::Challenge;
use super::scope::{Scope, ScopeSet};
use super::token::TokenKind;
use crate::base::clock::Instant;
use crate::base::id::PersonId;

/// Longer values of `state` and `nonce` than this are refused, in bytes.
const LONGEST_OPAQUE: usize = 4_096;
/// A longer `login_hint` than this is nobody's name, in bytes.
const LONGEST_HINT: usize = 256;

/// An authorization request that passed every check, while its user signs in and decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client: ClientId,
    /// Where the answer goes: one that the client may use.
    pub redirect_uri: String,
    /// To be given back unchanged.
    pub state: String,
    /// What is asked for, within what the client may have.
    pub scopes: ScopeSet,
    /// The PKCE challenge.
    pub challenge: Challenge,
    /// For the id_token (OpenID Connect Core §3.1.2.1).
    pub nonce: Option<String>,
    /// The key that the code is for (`dpop_jkt`, RFC 9449 §10).
    pub key: Option<Thumbprint>,
    /// When it came.
    pub received: Instant,
    /// A sign-in before this does not count (`prompt=login`, `max_age`).
    pub sign_in_after: Option<Instant>,
    /// `prompt=none`: answer at once, show no page.
    pub silent: bool,
    /// `login_hint`: the name that the sign-in page proposes.
    pub login_hint: Option<String>,
    /// The hash of `launch`: what was in context where the app was opened.
    pub launch: Option<[u8; 32]>,
    /// Whose record was chosen, once that is decided; from then on `scopes` is what was granted, and an encounter is
    /// left to be chosen.
    pub decided: Option<PersonId>,
}

/// A refused request whose client and redirect URI are good: the error goes there (RFC 6749 §4.1.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectedError {
    /// Where to.
    pub redirect_uri: String,
    /// The request's `state`, if it had one.
    pub state: Option<String>,
    /// What was wrong.
    pub error: OauthError,
}

/// Checks what must hold before anything may be sent to the redirect URI.
///
/// # Errors
/// To be shown on a page of the authorization server: the client named a redirect URI that is not its own.
pub fn redirect_uri(parameters: &Parameters, client: &Client) -> Result<String, OauthError> {
    let Some(uri) = parameters.get("redirect_uri") else {
        return Err(OauthError::new(ErrorCode::InvalidRequest, "redirect_uri is missing"));
    };
    if client.may_redirect_to(uri) {
        Ok(uri.to_owned())
    } else {
        Err(OauthError::new(ErrorCode::InvalidRequest, "redirect_uri is not registered for this app"))
    }
}

/// Checks the rest of a request. `fhir_base` is the base URL without a trailing slash.
///
/// # Errors
/// [`RedirectedError`].
pub fn validate(
    parameters: &Parameters,
    client: &Client,
    redirect_uri: String,
    fhir_base: &str,
    now: Instant,
) -> Result<AuthorizationRequest, Box<RedirectedError>> {
    let state = parameters.get("state").filter(|state| state.len() <= LONGEST_OPAQUE);
    let refuse = |code, description| {
        Box::new(RedirectedError {
            redirect_uri: redirect_uri.clone(),
            state: state.map(str::to_owned),
            error: OauthError::new(code, description),
        })
    };
    refuse_what_is_not_served(parameters).map_err(|error| refuse(error.code, error.description))?;
    // RFC 6749 only recommends `state`; SMART App Launch 2.2 §2.0.9 requires it.
    let Some(state) = state else {
        return Err(refuse(ErrorCode::InvalidRequest, "state is missing or too long"));
    };
    check_audience(parameters, fhir_base).map_err(|error| refuse(error.code, error.description))?;
    let challenge = challenge(parameters).map_err(|error| refuse(error.code, error.description))?;
    let launch = launch(parameters).map_err(|error| refuse(error.code, error.description))?;
    let requested = ScopeSet::parse(parameters.get("scope").unwrap_or_default()).0;
    // What backend services may is nothing that a user could grant.
    let mut scopes = requested.intersection(&client.scopes).of_users();
    match launch {
        // Without a launch there is nothing that the scope could stand for.
        None => scopes.remove(&Scope::Launch),
        // SMART App Launch 2.2 §3.0.3.1: the scope asks for the launch's context.
        Some(_) if !scopes.contains(&Scope::Launch) => {
            return Err(refuse(ErrorCode::InvalidScope, "launch needs the scope launch"));
        }
        Some(_) => {}
    }
    if scopes.is_empty() {
        return Err(refuse(ErrorCode::InvalidScope, "no scope was asked for that this app may have"));
    }
    let (silent, sign_in_after) = prompt(parameters, now).map_err(|error| refuse(error.code, error.description))?;
    let nonce = parameters.get("nonce");
    if nonce.is_some_and(|nonce| nonce.len() > LONGEST_OPAQUE) {
        return Err(refuse(ErrorCode::InvalidRequest, "nonce is too long"));
    }
    // It is stored, and PostgreSQL stores no NUL.
    if nonce.is_some_and(|nonce| nonce.contains(char::is_control)) {
        return Err(refuse(ErrorCode::InvalidRequest, "nonce has a control character"));
    }
    let key = match parameters.get("dpop_jkt").map(Thumbprint::parse) {
        Some(None) => return Err(refuse(ErrorCode::InvalidRequest, "dpop_jkt must be the base64url of a SHA-256")),
        key => key.flatten(),
    };
    Ok(AuthorizationRequest {
        client: client.id.clone(),
        state: state.to_owned(),
        scopes,
        challenge,
        nonce: nonce.map(str::to_owned),
        key,
        received: now,
        sign_in_after,
        silent,
        login_hint: parameters.get("login_hint").filter(|hint| hint.len() <= LONGEST_HINT).map(str::to_owned),
        launch,
        decided: None,
        redirect_uri,
    })
}

fn refuse_what_is_not_served(parameters: &Parameters) -> Result<(), OauthError> {
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err(OauthError::new(ErrorCode::UnsupportedResponseType, "response_type must be code"));
        }
        None => return Err(OauthError::new(ErrorCode::InvalidRequest, "response_type is missing")),
    }
    for (name, code) in [
        ("request", ErrorCode::RequestNotSupported),
        ("request_uri", ErrorCode::RequestUriNotSupported),
        ("registration", ErrorCode::RegistrationNotSupported),
    ] {
        if parameters.raw(name).is_some() {
            return Err(OauthError::new(code, "a parameter is not supported here"));
        }
    }
    match parameters.get("response_mode") {
        None | Some("query") => Ok(()),
        Some(_) => Err(OauthError::new(ErrorCode::InvalidRequest, "response_mode must be query")),
    }
}

/// `aud` names the FHIR server that the token is for, so that a false server cannot have tokens for this one (SMART
/// App Launch 2.2 §2.0.9). One trailing slash makes no difference: clients disagree about it.
fn check_audience(parameters: &Parameters, fhir_base: &str) -> Result<(), OauthError> {
    let aud = parameters.get("aud").ok_or(OauthError::new(ErrorCode::InvalidRequest, "aud is missing"))?;
    if aud.strip_suffix('/').unwrap_or(aud) == fhir_base {
        Ok(())
    } else {
        Err(OauthError::new(ErrorCode::InvalidRequest, "aud is not the FHIR base URL of this server"))
    }
}

/// SMART App Launch 2.2 §2.0.9: the value that the app was opened with. One that cannot be ours is refused: answering
/// without its context would be wrong.
fn launch(parameters: &Parameters) -> Result<Option<[u8; 32]>, OauthError> {
    let Some(text) = parameters.raw("launch") else { return Ok(None) };
    TokenKind::Launch.hash(text).map(Some).ok_or(UNKNOWN_LAUNCH)
}

/// A launch that is unknown, over, used, another app's or another user's: which of them is nobody's business.
pub const UNKNOWN_LAUNCH: OauthError =
    OauthError::new(ErrorCode::InvalidRequest, "launch is unknown or over: open the app again from here");

/// The challenge of a public app came before, in another transaction (RFC 9700 §2.1.1).
pub const CONSTANT_CHALLENGE: OauthError =
    OauthError::new(ErrorCode::InvalidRequest, "code_challenge was used before: make one for each request");

fn challenge(parameters: &Parameters) -> Result<Challenge, OauthError> {
    let refuse = |description| OauthError::new(ErrorCode::InvalidRequest, description);
    match parameters.get("code_challenge_method") {
        Some("S256") => {}
        _ => return Err(refuse("code_challenge_method must be S256")),
    }
    let text = parameters.get("code_challenge").ok_or(refuse("code_challenge is missing"))?;
    Challenge::parse(text).ok_or(refuse("code_challenge must be the base64url of a SHA-256"))
}

/// `prompt` and `max_age` (OpenID Connect Core §3.1.2.1): whether no page may be shown, and the time before which a
/// sign-in does not count.
fn prompt(parameters: &Parameters, now: Instant) -> Result<(bool, Option<Instant>), OauthError> {
    let (mut silent, mut after) = (false, None);
    let prompts: Vec<&str> =
        parameters.get("prompt").unwrap_or_default().split(' ').filter(|p| !p.is_empty()).collect();
    for prompt in &prompts {
        match *prompt {
            "none" if prompts.len() == 1 => silent = true,
            "login" | "select_account" => after = Some(now),
            // A decision is asked for each time anyway.
            "consent" => {}
            _ => return Err(OauthError::new(ErrorCode::InvalidRequest, "prompt is not understood")),
        }
    }
    if let Some(max_age) = parameters.get("max_age") {
        let seconds: u32 = max_age
            .parse()
            .map_err(|_| OauthError::new(ErrorCode::InvalidRequest, "max_age must be a number of seconds"))?;
        let earliest = Instant::from_micros(now.micros().saturating_sub(i64::from(seconds) * 1_000_000));
        after = Some(after.map_or(earliest, |after| after.max(earliest)));
    }
    Ok((silent, after))
}

/// The same, as it is sealed between pages.
#[derive(Serialize, Deserialize)]
struct Wire {
    client: String,
    redirect_uri: String,
    state: String,
    scope: String,
    challenge: Vec<u8>,
    nonce: Option<String>,
    key: Option<[u8; 32]>,
    received: i64,
    sign_in_after: Option<i64>,
    silent: bool,
    login_hint: Option<String>,
    launch: Option<[u8; 32]>,
    decided: Option<PersonId>,
}

impl AuthorizationRequest {
    /// The bytes to seal.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = Wire {
            client: self.client.as_str().to_owned(),
            redirect_uri: self.redirect_uri.clone(),
            state: self.state.clone(),
            scope: self.scopes.to_string(),
            challenge: self.challenge.as_bytes().to_vec(),
            nonce: self.nonce.clone(),
            key: self.key.map(|key| *key.as_bytes()),
            received: self.received.micros(),
            sign_in_after: self.sign_in_after.map(Instant::micros),
            silent: self.silent,
            login_hint: self.login_hint.clone(),
            launch: self.launch,
            decided: self.decided,
        };
        // Strings and numbers always serialise.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads what [`AuthorizationRequest::to_bytes`] wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            client: ClientId::parse(&wire.client)?,
            redirect_uri: wire.redirect_uri,
            state: wire.state,
            scopes: ScopeSet::parse(&wire.scope).0,
            challenge: Challenge::from_bytes(&wire.challenge)?,
            nonce: wire.nonce,
            key: wire.key.map(Thumbprint::from_bytes),
            received: Instant::from_micros(wire.received),
            sign_in_after: wire.sign_in_after.map(Instant::from_micros),
            silent: wire.silent,
            login_hint: wire.login_hint,
            launch: wire.launch,
            decided: wire.decided,
        })
    }
}

/// `redirect_uri` with `parameters` added to its query (RFC 6749 §4.1.2). What the client registered stays as it is.
#[must_use]
pub fn with_parameters(redirect_uri: &str, parameters: &[(&str, &str)]) -> String {
    let mark = if redirect_uri.contains('?') { '&' } else { '?' };
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{redirect_uri}{mark}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client::ClientAuthentication;

    const JKT: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    const NOW: Instant = Instant::from_micros(1_700_000_000_000_000);
    const GOOD: &str = "response_type=code&client_id=app&redirect_uri=https%3A%2F%2Fapp.test%2Fcb&state=s&\
        scope=patient%2F*.rs&aud=https%3A%2F%2Fgw.test%2Ffhir&\
        code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

    fn client() -> Client {
        Client {
            id: ClientId::parse("app").unwrap(),
            name: "App".to_owned(),
            redirect_uris: vec!["https://app.test/cb".to_owned()],
            launch_uri: None,
            scopes: ScopeSet::parse("openid launch patient/*.rs system/*.rs").0,
            authentication: ClientAuthentication::None,
            native: false,
            enabled: true,
            sources: Vec::new(),
            requirements: Default::default(),
            registration: None,
        }
    }

    /// The good request with one parameter set, or left out.
    fn check(name: &str, value: Option<&str>) -> Result<AuthorizationRequest, ErrorCode> {
        let mut pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(GOOD.as_bytes()).into_owned().filter(|(n, _)| n != name).collect();
        pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        let parameters = Parameters::new(pairs).unwrap();
        let uri = redirect_uri(&parameters, &client()).map_err(|error| error.code)?;
        validate(&parameters, &client(), uri, "https://gw.test/fhir", NOW).map_err(|error| error.error.code)
    }

    #[test]
    fn a_good_request_survives_its_sealing() {
        for (name, value) in [
            ("nonce", "n"),
            ("max_age", "60"),
            ("prompt", "none"),
            ("state", "a b&c=ü"),
            ("login_hint", "ann"),
            ("dpop_jkt", JKT),
        ] {
            let request = check(name, Some(value)).unwrap();
            assert_eq!(AuthorizationRequest::from_bytes(&request.to_bytes()), Some(request));
        }
    }

    #[test]
    fn each_rule_has_its_error() {
        use ErrorCode::*;
        for (name, value, code) in [
            ("response_type", None, InvalidRequest),
            ("response_type", Some("token"), UnsupportedResponseType),
            ("response_type", Some("id_token token"), UnsupportedResponseType),
            ("response_type", Some("code token"), UnsupportedResponseType),
            ("response_mode", Some("fragment"), InvalidRequest),
            ("state", None, InvalidRequest),
            ("state", Some(""), InvalidRequest),
            ("aud", None, InvalidRequest),
            ("aud", Some("https://other.test/fhir"), InvalidRequest),
            ("aud", Some("https://gw.test/fhir//"), InvalidRequest),
            ("aud", Some("https://gw.test/"), InvalidRequest),
            ("code_challenge", None, InvalidRequest),
            ("code_challenge", Some("short"), InvalidRequest),
            ("code_challenge_method", None, InvalidRequest),
            ("code_challenge_method", Some("plain"), InvalidRequest),
            ("scope", None, InvalidScope),
            ("scope", Some("launch/patient patient/Nonsense.rs"), InvalidScope),
            ("request", Some("x"), RequestNotSupported),
            ("request_uri", Some("https://app.test/r"), RequestUriNotSupported),
            ("registration", Some("{}"), RegistrationNotSupported),
            ("launch", Some("x"), InvalidRequest),
            ("prompt", Some("none login"), InvalidRequest),
            ("prompt", Some("create"), InvalidRequest),
            ("max_age", Some("-1"), InvalidRequest),
            ("nonce", Some("a\0b"), InvalidRequest),
            ("dpop_jkt", Some("short"), InvalidRequest),
            ("scope", Some("system/*.rs"), InvalidScope),
        ] {
            assert_eq!(check(name, value).unwrap_err(), code, "{name}={value:?}");
        }
        assert!(check("aud", Some("https://gw.test/fhir/")).is_ok());
        assert!(check("client_secret", Some("ignored")).is_ok());
    }

    #[test]
    fn prompt_and_max_age_say_when_a_sign_in_counts() {
        assert_eq!(check("prompt", Some("login")).unwrap().sign_in_after, Some(NOW));
        assert_eq!(check("prompt", Some("consent")).unwrap().sign_in_after, None);
        let earlier = Instant::from_micros(NOW.micros() - 60_000_000);
        assert_eq!(check("max_age", Some("60")).unwrap().sign_in_after, Some(earlier));
        assert!(check("prompt", Some("none")).unwrap().silent);
    }

    #[test]
    fn answers_keep_the_registered_query() {
        assert_eq!(with_parameters("https://a.test/cb", &[("code", "x y")]), "https://a.test/cb?code=x+y");
        assert_eq!(with_parameters("https://a.test/cb?k=v", &[("a", "&")]), "https://a.test/cb?k=v&a=%26");
    }
}
