//! The sandbox's own authorization server for one patient (SMART App Launch 2.2, standalone launch): it asks nobody, and
//! answers for the patient that was chosen beforehand. With the errors that the SMART Launcher simulates.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{StatusCode, header};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};

use super::ehr::Ehr;
use super::outcome::Answer;
use crate::base::clock::Instant;
use crate::base::hash::sha256;

/// A patient-facing app that is registered at the EHR.
#[derive(Clone, Debug)]
pub struct SmartApp {
    /// `client_id`.
    pub client_id: String,
    /// The secret of a confidential app.
    pub secret: Option<String>,
    /// The one redirect URI.
    pub redirect_uri: String,
}

/// What goes wrong, in the words of the SMART Launcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the SMART Launcher's")]
pub enum SimulatedError {
    AuthInvalidClientId,
    AuthInvalidRedirectUri,
    AuthInvalidScope,
    AuthInvalidClientSecret,
    TokenInvalidToken,
    TokenExpiredRefreshToken,
    RequestInvalidToken,
    RequestExpiredToken,
}

/// The authorization server's state, settable while it runs. Nothing is registered at first.
#[derive(Debug, Default)]
pub struct Smart(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    apps: Vec<SmartApp>,
    patient: String,
    /// In place of the right patient in token answers.
    misnamed: Option<String>,
    lifetime: Duration,
    rotating: bool,
    error: Option<SimulatedError>,
    /// Requests that meet the error; every one without a number.
    error_times: Option<u32>,
    codes: HashMap<String, Code>,
    refresh: HashMap<String, Grant>,
    access: HashMap<String, (Grant, Instant)>,
    refreshes: u64,
    revocations: u64,
}

#[derive(Clone, Debug)]
struct Grant {
    /// One for each sign-in: all tokens that come of it end together.
    id: String,
    client_id: String,
    patient: String,
    scope: String,
}

#[derive(Debug)]
struct Code {
    grant: Grant,
    challenge: String,
    redirect_uri: String,
    expires: Instant,
}

struct Refused(StatusCode, &'static str, &'static str);

impl Smart {
    /// Registers an app; from now on FHIR requests need a token.
    pub fn register(&self, app: SmartApp) {
        let mut state = self.state();
        state.apps.push(app);
        if state.lifetime.is_zero() {
            state.lifetime = Duration::from_secs(300);
            state.rotating = true;
        }
    }

    /// Who signs in and consents from now on.
    pub fn sign_in_as(&self, patient: &str) {
        patient.clone_into(&mut self.state().patient);
    }

    /// Says another patient in token answers than the one whose data it gives.
    pub fn misname(&self, patient: Option<&str>) {
        self.state().misnamed = patient.map(str::to_owned);
    }

    /// Whether each refresh gives a new refresh token and ends the old one. It does unless told otherwise.
    pub fn rotate_refresh_tokens(&self, rotating: bool) {
        self.state().rotating = rotating;
    }

    /// Simulates an error for so many requests, or for all that come.
    pub fn simulate(&self, error: Option<SimulatedError>, times: Option<u32>) {
        let mut state = self.state();
        (state.error, state.error_times) = (error, times);
    }

    /// How many refresh tokens were exchanged.
    pub fn refreshes(&self) -> u64 {
        self.state().refreshes
    }

    /// How many sign-ins were ended by the app itself.
    pub fn revocations(&self) -> u64 {
        self.state().revocations
    }

    /// Access and refresh tokens for this patient's data, expired ones included.
    pub fn tokens_of(&self, patient: &str) -> Vec<String> {
        let state = self.state();
        let access = state.access.iter().filter(|(_, (grant, _))| grant.patient == patient).map(|(token, _)| token);
        let refresh = state.refresh.iter().filter(|(_, grant)| grant.patient == patient).map(|(token, _)| token);
        access.chain(refresh).cloned().collect()
    }

    /// Ends every token it gave.
    pub fn revoke_all(&self) {
        let mut state = self.state();
        state.access.clear();
        state.refresh.clear();
    }

    pub(super) fn is_on(&self) -> bool {
        !self.state().apps.is_empty()
    }

    /// The patient whose data this token opens, while it is alive.
    pub(super) fn patient_of(&self, token: &str, now: Instant) -> Option<(String, String)> {
        let mut state = self.state();
        let is_refused =
            state.meets(SimulatedError::RequestInvalidToken) || state.meets(SimulatedError::RequestExpiredToken);
        let (grant, expires) = state.access.get(token)?;
        (*expires > now && !is_refused).then(|| (grant.client_id.clone(), grant.patient.clone()))
    }

    /// `GET /oauth/authorize`.
    pub(super) fn authorize(&self, ehr: &Ehr, pairs: &[(String, String)]) -> Answer {
        let mut state = self.state();
        let get = |name: &str| only(pairs, name).unwrap_or_default();
        let app = state.apps.iter().find(|app| app.client_id == get("client_id")).cloned();
        let Some(app) = app.filter(|_| !state.meets(SimulatedError::AuthInvalidClientId)) else {
            return Answer::outcome(StatusCode::BAD_REQUEST, "invalid", "no such client_id");
        };
        if state.meets(SimulatedError::AuthInvalidRedirectUri) || get("redirect_uri") != app.redirect_uri {
            return Answer::outcome(StatusCode::BAD_REQUEST, "invalid", "no such redirect_uri");
        }
        let answer = |more: [(&str, &str); 2]| {
            let mut url = url::form_urlencoded::Serializer::new(String::new());
            url.extend_pairs(more).append_pair("state", get("state"));
            let location = format!("{}?{}", app.redirect_uri, url.finish());
            let mut answer = Answer::json(StatusCode::FOUND, &Value::Null).with(header::LOCATION, &location);
            answer.body = bytes::Bytes::new();
            answer
        };
        let is_sound = get("response_type") == "code"
            && get("code_challenge_method") == "S256"
            && get("code_challenge").len() == 43
            && get("aud").trim_end_matches('/') == ehr.base
            && !get("state").is_empty();
        if !is_sound {
            return answer([("error", "invalid_request"), ("error_description", "response_type, aud, state or PKCE")]);
        }
        if state.meets(SimulatedError::AuthInvalidScope) {
            return answer([("error", "invalid_scope"), ("error_description", "simulated")]);
        }
        if state.patient.is_empty() {
            return answer([("error", "access_denied"), ("error_description", "nobody consents")]);
        }
        let grant = Grant {
            id: ehr.random.token(),
            client_id: app.client_id.clone(),
            patient: state.patient.clone(),
            scope: get("scope").to_owned(),
        };
        let code = Code {
            grant,
            challenge: get("code_challenge").to_owned(),
            redirect_uri: app.redirect_uri.clone(),
            expires: ehr.clock.now().plus(Duration::from_secs(60)),
        };
        let text = ehr.random.token();
        state.codes.insert(text.clone(), code);
        drop(state);
        answer([("code", &text), ("iss", &ehr.settings.origin)])
    }

    /// `POST /oauth/revoke` (RFC 7009).
    pub(super) fn revoke(&self, authorization: Option<&str>, form: &[(String, String)]) -> Answer {
        let mut state = self.state();
        let client_id = match state.authenticate(authorization, form) {
            Ok(client_id) => client_id,
            Err(Refused(status, error, _)) => return Answer::json(status, &json!({"error": error})),
        };
        let token = only(form, "token").unwrap_or_default();
        let grant = state.refresh.get(token).or_else(|| state.access.get(token).map(|(grant, _)| grant)).cloned();
        if let Some(grant) = grant.filter(|grant| grant.client_id == client_id) {
            state.refresh.retain(|_, other| other.id != grant.id);
            state.access.retain(|_, (other, _)| other.id != grant.id);
            state.revocations += 1;
        }
        Answer::json(StatusCode::OK, &Value::Null)
    }

    /// Answers `authorization_code` and `refresh_token`; `None` for other grants.
    pub(super) fn token(&self, ehr: &Ehr, authorization: Option<&str>, form: &[(String, String)]) -> Option<Answer> {
        let granted = match only(form, "grant_type")? {
            "authorization_code" => self.by_code(ehr, authorization, form),
            "refresh_token" => self.by_refresh(ehr, authorization, form),
            _ => return None,
        };
        let answer = match granted {
            Ok(body) => Answer::json(StatusCode::OK, &body),
            Err(Refused(status, error, description)) => {
                Answer::json(status, &json!({"error": error, "error_description": description}))
            }
        };
        Some(answer.with(header::CACHE_CONTROL, "no-store").with(header::PRAGMA, "no-cache"))
    }

    fn by_code(&self, ehr: &Ehr, authorization: Option<&str>, form: &[(String, String)]) -> Result<Value, Refused> {
        let invalid = |why| Refused(StatusCode::BAD_REQUEST, "invalid_grant", why);
        let mut state = self.state();
        let client_id = state.authenticate(authorization, form)?;
        let code = only(form, "code").and_then(|code| state.codes.remove(code)).ok_or_else(|| invalid("code"))?;
        let verifier = only(form, "code_verifier").unwrap_or_default();
        let is_right = code.grant.client_id == client_id
            && code.expires > ehr.clock.now()
            && only(form, "redirect_uri") == Some(code.redirect_uri.as_str())
            && BASE64URL_NOPAD.encode(&sha256(verifier.as_bytes())) == code.challenge;
        if !is_right {
            return Err(invalid("client, time, redirect_uri or code_verifier"));
        }
        Ok(state.issue(ehr, &code.grant, None))
    }

    fn by_refresh(&self, ehr: &Ehr, authorization: Option<&str>, form: &[(String, String)]) -> Result<Value, Refused> {
        let invalid = |why| Refused(StatusCode::BAD_REQUEST, "invalid_grant", why);
        let mut state = self.state();
        let client_id = state.authenticate(authorization, form)?;
        if state.meets(SimulatedError::TokenExpiredRefreshToken) {
            return Err(invalid("expired refresh token"));
        }
        let presented = only(form, "refresh_token").unwrap_or_default().to_owned();
        let grant = state.refresh.get(&presented).cloned().ok_or_else(|| invalid("no such refresh token"))?;
        if grant.client_id != client_id {
            return Err(invalid("another client's"));
        }
        state.refreshes += 1;
        if state.rotating {
            state.refresh.remove(&presented);
            return Ok(state.issue(ehr, &grant, None));
        }
        Ok(state.issue(ehr, &grant, Some(presented)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether this request meets the error; one of its times is used up.
    fn meets(&mut self, error: SimulatedError) -> bool {
        if self.error != Some(error) || self.error_times == Some(0) {
            return false;
        }
        self.error_times = self.error_times.map(|times| times - 1);
        true
    }

    /// By Basic or in the form (RFC 6749 §2.3.1); a public app by its id alone.
    fn authenticate(&mut self, authorization: Option<&str>, form: &[(String, String)]) -> Result<String, Refused> {
        let refused = |why| Refused(StatusCode::UNAUTHORIZED, "invalid_client", why);
        let basic = authorization.and_then(|value| value.strip_prefix("Basic ")).and_then(|text| {
            let text = String::from_utf8(BASE64.decode(text.as_bytes()).ok()?).ok()?;
            let (id, secret) = text.split_once(':')?;
            let decode = |text: &str| {
                url::form_urlencoded::parse(format!("x={text}").as_bytes()).next().map(|(_, v)| v.into_owned())
            };
            Some((decode(id)?, decode(secret)?))
        });
        let posted = || {
            only(form, "client_id")
                .map(|id| (id.to_owned(), only(form, "client_secret").unwrap_or_default().to_owned()))
        };
        let (id, secret) = basic.or_else(posted).ok_or_else(|| refused("no client"))?;
        if self.meets(SimulatedError::AuthInvalidClientSecret) || self.meets(SimulatedError::TokenInvalidToken) {
            return Err(refused("simulated"));
        }
        let known = self.apps.iter().find(|app| app.client_id == id).ok_or_else(|| refused("no such client"))?;
        if known.secret.as_deref().unwrap_or_default() != secret {
            return Err(refused("the secret is wrong"));
        }
        Ok(id)
    }

    fn issue(&mut self, ehr: &Ehr, grant: &Grant, refresh: Option<String>) -> Value {
        let now = ehr.clock.now();
        let access = ehr.random.token();
        self.access.insert(access.clone(), (grant.clone(), now.plus(self.lifetime)));
        let refresh = refresh.unwrap_or_else(|| ehr.random.token());
        self.refresh.insert(refresh.clone(), grant.clone());
        let patient = self.misnamed.clone().unwrap_or_else(|| grant.patient.clone());
        json!({
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.lifetime.as_secs(),
            "scope": grant.scope,
            "refresh_token": refresh,
            "patient": patient,
        })
    }
}

/// The value of a parameter that stands exactly once.
fn only<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = pairs.iter().filter(|(present, _)| present == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}
