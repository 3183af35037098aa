//! The state of one running EHR, and the life of a request through it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use bytes::Bytes;

use super::connection::Cut;
use super::faults::{self, Faults, Hit};
use super::interaction::Interaction;
use super::outcome::Answer;
use super::paging::Cursor;
use super::requests::{Arrived, Presented, Requests};
use super::smart::Smart;
use super::store::{Arrival, Store};
use super::token::Tokens;
use super::{create, history, metadata, misbehave, read, search, smart_configuration, update};
use crate::base::clock::SharedClock;
use crate::base::random::SharedRandom;
use crate::fhir::knowledge::Knowledge;

/// Bodies longer than this are refused with 413.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// What the server was started with.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// `scheme://host:port`.
    pub(super) origin: String,
    /// Path of the FHIR base, with a leading and without a trailing slash.
    pub(super) base_path: String,
    pub(super) page_size: usize,
    pub(super) require_authentication: bool,
    pub(super) strict_parameters: bool,
    pub(super) control: bool,
    pub(super) log_requests: bool,
    /// Whether resources show a version.
    pub(super) versioned: bool,
}

impl Settings {
    pub(super) fn base_url(&self) -> String {
        format!("{}{}", self.origin, self.base_path)
    }

    pub(super) fn authorize_url(&self) -> String {
        format!("{}/oauth/authorize", self.origin)
    }

    pub(super) fn revoke_url(&self) -> String {
        format!("{}/oauth/revoke", self.origin)
    }

    pub(super) fn token_url(&self) -> String {
        format!("{}/oauth/token", self.origin)
    }
}

pub(super) struct Ehr {
    pub(super) settings: Settings,
    /// `settings.base_url()`, made once.
    pub(super) base: String,
    pub(super) knowledge: &'static Knowledge,
    pub(super) store: Store,
    pub(super) tokens: Tokens,
    pub(super) faults: Arc<Faults>,
    pub(super) smart: Arc<Smart>,
    pub(super) requests: Arc<Requests>,
    pub(super) clock: SharedClock,
    pub(super) random: SharedRandom,
}

impl Ehr {
    pub(super) fn arrival(&self) -> Arrival<'_> {
        Arrival {
            now: self.clock.now(),
            base: &self.base,
            knowledge: self.knowledge,
            keep_meta: false,
            versioned: self.settings.versioned,
        }
    }
}

/// One FHIR request with everything that an interaction may look at.
pub(super) struct Call<'a> {
    pub(super) ehr: &'a Ehr,
    pub(super) parts: &'a Parts,
    /// Parameters of the query, and behind them those of a posted form.
    pub(super) pairs: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// The one patient whose data the token opens.
    pub(super) patient: Option<String>,
    pub(super) hit: &'a Hit,
}

impl Call<'_> {
    pub(super) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Answers every request under the FHIR base.
pub(super) async fn fhir(
    State(ehr): State<Arc<Ehr>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    ehr.requests.count_fhir();
    let body = axum::body::to_bytes(body, LARGEST_BODY).await;
    let query = pairs(parts.uri.query().unwrap_or_default());
    let form = match &body {
        Ok(body) if parts.uri.path().ends_with("/_search") => pairs(&String::from_utf8_lossy(body)),
        _ => Vec::new(),
    };
    let (presented, patient) = presented(&ehr, &parts);
    let log = ehr.settings.log_requests.then(|| {
        let at = ehr.clock.now();
        let (authorization, patient) = (presented.clone(), patient.clone());
        let arrived = Arrived { at, parts: &parts, query: &query, form: &form, authorization, patient };
        ehr.requests.note(arrived.into_request())
    });
    let interaction = relative_path(&ehr, &parts)
        .ok_or_else(|| Answer::outcome(StatusCode::NOT_FOUND, "not-found", "not under the FHIR base"))
        .and_then(|path| Interaction::of(&parts.method, path));
    let pairs: Vec<(String, String)> = query.into_iter().chain(form).collect();
    let target = interaction.as_ref().map_or("", Interaction::fault_target);
    let hit = ehr.faults.hit(target, Cursor::page_of(&pairs));

    let answer = if hit.dead() {
        Answer::outcome(StatusCode::SERVICE_UNAVAILABLE, "transient", "dead")
    } else if let Some(answer) = misbehave::early(&hit).await {
        answer
    } else {
        match (interaction, body) {
            (Err(answer), _) => answer,
            (Ok(_), Err(_)) => Answer::outcome(StatusCode::PAYLOAD_TOO_LARGE, "too-long", "the body is too long"),
            (Ok(interaction), Ok(_)) if !admitted(&ehr, &interaction, &presented) => unauthorized(),
            (Ok(interaction), Ok(body)) => {
                interact(interaction, &Call { ehr: &ehr, parts: &parts, pairs, body, patient, hit: &hit }).await
            }
        }
    };
    if let Some(number) = log {
        ehr.requests.note_status(number, if hit.dead() { 0 } else { answer.status.as_u16() });
    }
    misbehave::respond(answer, &hit, &cut)
}

async fn interact(interaction: Interaction, call: &Call<'_>) -> Answer {
    let answer = match interaction {
        Interaction::Capabilities => Ok(metadata::capabilities(call.ehr)),
        Interaction::SmartConfiguration => Ok(smart_configuration::document(call.ehr)),
        Interaction::Read { type_name, id } => read::read(call, &type_name, &id),
        Interaction::Vread { type_name, id, version } => read::vread(call, &type_name, &id, &version),
        Interaction::History { type_name, id } => history::history(call, &type_name, &id),
        Interaction::SearchType { type_name, .. } => search::search_type(call, &type_name),
        Interaction::Create { type_name } => create::create(call, &type_name).await,
        Interaction::Update { type_name, id } => update::update(call, &type_name, &id).await,
    };
    answer.unwrap_or_else(|refusal| refusal)
}

/// The path behind the base; `None` when it is not under it.
fn relative_path<'a>(ehr: &Ehr, parts: &'a Parts) -> Option<&'a str> {
    parts.uri.path().strip_prefix(ehr.settings.base_path.as_str())?.strip_prefix('/')
}

/// Who asks, and the patient to whose data the token is limited.
fn presented(ehr: &Ehr, parts: &Parts) -> (Presented, Option<String>) {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else { return (Presented::Nothing, None) };
    let token = value.to_str().ok().and_then(|text| text.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            let (token, now) = (token.trim(), ehr.clock.now());
            match (ehr.tokens.client_of(token, now), ehr.smart.patient_of(token, now)) {
                (Some(client), _) => (Presented::TokenOf(client), None),
                (None, Some((client, patient))) => (Presented::TokenOf(client), Some(patient)),
                (None, None) => (Presented::Unknown, None),
            }
        }
        _ => (Presented::Unknown, None),
    }
}

fn admitted(ehr: &Ehr, interaction: &Interaction, presented: &Presented) -> bool {
    let is_required = ehr.settings.require_authentication || ehr.smart.is_on();
    !is_required || interaction.is_open() || matches!(presented, Presented::TokenOf(_))
}

fn unauthorized() -> Answer {
    Answer::outcome(StatusCode::UNAUTHORIZED, "login", "a bearer token is required")
        .with(header::WWW_AUTHENTICATE, "Bearer")
}

/// The decoded pairs of a query or form.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// Answers the authorization endpoint.
pub(super) async fn authorize(
    State(ehr): State<Arc<Ehr>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response<Body> {
    let query = pairs(request.uri().query().unwrap_or_default());
    misbehave::respond(ehr.smart.authorize(&ehr, &query), &Hit::default(), &cut)
}

/// Answers the revocation endpoint.
pub(super) async fn revoke(
    State(ehr): State<Arc<Ehr>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let answer = ehr.smart.revoke(authorization, &pairs(&String::from_utf8_lossy(&body)));
    misbehave::respond(answer, &Hit::default(), &cut)
}

/// Answers the token endpoint.
pub(super) async fn token(
    State(ehr): State<Arc<Ehr>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    ehr.requests.count_token();
    let log = ehr.settings.log_requests.then(|| {
        // The form holds an assertion: it is a credential and stays out of the log.
        let presented =
            if parts.headers.contains_key(header::AUTHORIZATION) { Presented::Unknown } else { Presented::Nothing };
        let at = ehr.clock.now();
        let arrived = Arrived { at, parts: &parts, query: &[], form: &[], authorization: presented, patient: None };
        ehr.requests.note(arrived.into_request())
    });
    let hit = ehr.faults.hit(faults::TOKEN, 1);
    let body = axum::body::to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    let answer = match misbehave::early(&hit).await {
        Some(answer) => answer,
        None => {
            let form = pairs(&String::from_utf8_lossy(&body));
            let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            let by_patient = ehr.smart.token(&ehr, authorization, &form);
            by_patient.unwrap_or_else(|| ehr.tokens.answer(&ehr, &form))
        }
    };
    if let Some(number) = log {
        ehr.requests.note_status(number, if hit.dead() { 0 } else { answer.status.as_u16() });
    }
    misbehave::respond(answer, &hit, &cut)
}
