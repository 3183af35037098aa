//! Letting somebody see one's record, asking to act for somebody, and one's own record as somebody sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Problem;
use super::access::{problem, seen_of};
use super::account::{answer, done};
use super::body::{Id, Sent};
use super::session::Caller;
use crate::accounts::{Accounts, Asked, HandOutError, HandedOut, NewAsk, NewProxy, Redemptions};
use crate::authorization::{AuthorizationServer, SignedIn};
use crate::base::id::{GrantId, ProxyRequestId};
use crate::consent::{Category, GrantScope, Labels};
use crate::fhir::ResourceType;
use crate::gateway::Gateway;
use crate::http::error::no_store;
use crate::http::form::{field, query_pairs};
use crate::http::pages::{Ticked, compared, is_compared, labels_of, last_moment, right_of};
use crate::identity::RequestOrigin;

impl From<HandOutError> for Problem {
    fn from(error: HandOutError) -> Self {
        match error {
            HandOutError::NoRecord => Self::new(StatusCode::CONFLICT, "there is no record of one's own"),
            HandOutError::Held => {
                Self::new(StatusCode::FORBIDDEN, "this waits until 24 hours after the recovery").named("held")
            }
            HandOutError::TooMany => Self::too_many(None),
            HandOutError::Field(_) => Self::refused(error.to_string()),
            HandOutError::Storage(error) => error.into(),
        }
    }
}

/// How far somebody is to see. Of a minor's private topics nothing is seen but the ones named; of others', all but those.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HowFar {
    categories: BTreeSet<Category>,
    #[serde(default)]
    topics: Vec<String>,
    #[serde(default)]
    acts: bool,
    #[serde(default)]
    uses_app: bool,
}

/// Who is to see one's record.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewInvitation {
    given: String,
    family: String,
    #[serde(default)]
    birth_date: String,
    #[serde(default)]
    until: String,
    sees: HowFar,
}

/// The labels of these topics.
fn labels(topics: &[String]) -> Result<Labels, HandOutError> {
    labels_of(topics.iter().map(String::as_str)).ok_or(HandOutError::Field("topics"))
}

async fn scope(redemptions: &Redemptions, who: &SignedIn, far: HowFar) -> Result<GrantScope, HandOutError> {
    let is_of_age = redemptions.is_of_age(who).await?.ok_or(HandOutError::NoRecord)?;
    let HowFar { categories, topics, acts, uses_app } = far;
    Ticked { categories, labels: labels(&topics)?, acts, uses_app }.scope(is_of_age)
}

/// `POST /api/v1/people/invitations/preview`: what somebody would see of one's record.
pub(super) async fn preview(
    State(redemptions): State<Arc<Redemptions>>,
    State(gateway): State<Arc<Gateway>>,
    Caller(who): Caller,
    Sent(far): Sent<HowFar>,
) -> Result<Response, Problem> {
    let scope = scope(&redemptions, &who, far).await?;
    let (links, standing) = redemptions.preview(&who, scope).await?;
    Ok(answer(json!({"sees": gateway.outlook(&links, &standing).iter().map(seen_of).collect::<Vec<_>>()})))
}

/// `POST /api/v1/people/invitations`: a code for whom is named; for a minor the practice decides.
pub(super) async fn invite(
    State(accounts): State<Arc<Accounts>>,
    State(redemptions): State<Arc<Redemptions>>,
    Caller(who): Caller,
    Sent(new): Sent<NewInvitation>,
) -> Result<Response, Problem> {
    accounts.require_proof(&who)?;
    let NewInvitation { given, family, birth_date, until, sees } = new;
    let (scope, until) = (scope(&redemptions, &who, sees).await?, last_moment(&until)?);
    let made = redemptions.hand_out(&who, NewProxy { given, family, birth_date, scope, until }).await?;
    let (status, body) = match made {
        HandedOut::Code(code, until) => {
            (StatusCode::CREATED, json!({"state": "issued", "code": code.expose(), "until": until.to_fhir()}))
        }
        HandedOut::Waits => (StatusCode::ACCEPTED, json!({"state": "waits"})),
    };
    Ok(no_store((status, Json(body)).into_response()))
}

/// What somebody asks who has a document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRequest {
    organization: String,
    given: String,
    family: String,
    birth_date: String,
    own_given: String,
    own_family: String,
    basis: String,
    document: String,
}

/// `POST /api/v1/people/requests`: asks a practice to let one act for somebody by a document. The answer is the same whatever
/// the practice knows.
pub(super) async fn ask(
    State(redemptions): State<Arc<Redemptions>>,
    Caller(who): Caller,
    Sent(new): Sent<NewRequest>,
) -> Result<Response, Problem> {
    let ask = NewAsk {
        organization: new.organization.parse().map_err(|_| HandOutError::Field("organization"))?,
        patient: (new.given, new.family, new.birth_date),
        own: (new.own_given, new.own_family),
        basis: right_of(&new.basis).ok_or(HandOutError::Field("basis"))?,
        document: new.document,
    };
    redemptions.ask(&who, ask).await?;
    Ok(no_store(StatusCode::ACCEPTED.into_response()))
}

/// `GET /api/v1/people/requests`: what one handed out and asked for.
pub(super) async fn requests(
    State(redemptions): State<Arc<Redemptions>>,
    Caller(who): Caller,
) -> Result<Response, Problem> {
    let all = redemptions.asked(&who).await?;
    Ok(answer(json!({"requests": all.iter().map(request).collect::<Vec<_>>()})))
}

fn request(asked: &Asked) -> Value {
    let request = &asked.request;
    let is_own_code = asked.is_code_open && request.origin == RequestOrigin::Patient;
    json!({
        "id": request.id.to_string(),
        "organization": asked.organization,
        "origin": request.origin.as_str(),
        "state": request.state.as_str(),
        "asked": request.asked.to_fhir(),
        "given": request.draft.given,
        "family": request.draft.family,
        "basis": request.draft.basis,
        "may_take_back": request.state.is_open() || is_own_code,
    })
}

/// `DELETE /api/v1/people/requests/{id}`: takes it back; a code that was not used never will be.
pub(super) async fn take_back(
    State(redemptions): State<Arc<Redemptions>>,
    Caller(who): Caller,
    Id(id): Id<ProxyRequestId>,
) -> Result<Response, Problem> {
    if redemptions.take_back(&who, id).await? { Ok(done()) } else { Err(Problem::NOT_FOUND) }
}

/// Topics that a minor lets a parent see.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Assent {
    topics: Vec<String>,
}

/// `PUT /api/v1/people/{grant}/assent`: a minor lets the holder of a grant see more than the list of their age.
pub(super) async fn assent(
    State(server): State<Arc<AuthorizationServer>>,
    Caller(who): Caller,
    Id(grant): Id<GrantId>,
    Sent(assent): Sent<Assent>,
) -> Result<Response, Problem> {
    let labels = labels(&assent.topics)?;
    if server.assent(&who, grant, Some(labels)).await? { Ok(done()) } else { Err(Problem::NOT_FOUND) }
}

/// `DELETE /api/v1/people/{grant}/assent`: and no longer.
pub(super) async fn end_assent(
    State(server): State<Arc<AuthorizationServer>>,
    Caller(who): Caller,
    Id(grant): Id<GrantId>,
) -> Result<Response, Problem> {
    if server.assent(&who, grant, None).await? { Ok(done()) } else { Err(Problem::NOT_FOUND) }
}

/// `GET /api/v1/people/{grant}/view?type=…`: one's own record as the holder of a grant sees it, and of one type item by item.
pub(super) async fn view(
    State(server): State<Arc<AuthorizationServer>>,
    State(gateway): State<Arc<Gateway>>,
    Caller(who): Caller,
    Id(grant): Id<GrantId>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let pairs = query_pairs(query.as_deref());
    let kind = field(&pairs, "type").map(|name| ResourceType::parse(name).filter(|kind| is_compared(*kind)));
    let (subject, viewer) = server.as_holder_sees(&who, grant).await?.ok_or(Problem::NOT_FOUND)?;
    let sees: Vec<Value> = gateway.outlook(&subject.links, &viewer).iter().map(seen_of).collect();
    let items = match kind {
        None => Vec::new(),
        Some(None) => return Err(Problem::new(StatusCode::BAD_REQUEST, "this type is not looked at item by item")),
        Some(Some(kind)) => compared(&gateway, subject, viewer, kind).await.map_err(|refusal| problem(&refusal))?,
    };
    let item = |(reference, seen): &(String, &'static str)| json!({"reference": reference, "seen": seen});
    Ok(answer(json!({"sees": sees, "items": items.iter().map(item).collect::<Vec<_>>()})))
}
