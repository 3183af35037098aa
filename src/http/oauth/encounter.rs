use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;

use crate::authorization::{AuthorizationServer, AuthorizeError};
use crate::fhir::ResourceType;
use crate::gateway::Gateway;
use crate::http::error::page_unavailable;
use crate::http::form::{field, form_pairs, query_pairs};
use crate::http::pages::{
    Browser, Form, Pages, Session, answer, encounter_page, forbidden, not_found, see_other, visits,
};

/// `GET /oauth/encounter`: which visit the app is told of (`launch/encounter`, SMART App Launch 2.2 §3.0.3.2).
pub(super) async fn get(
    State(server): State<Arc<AuthorizationServer>>,
    State(gateway): State<Arc<Gateway>>,
    browser: Browser,
    session: Session,
    RawQuery(query): RawQuery,
) -> Result<Response, AuthorizeError> {
    let pairs = query_pairs(query.as_deref());
    let sealed = field(&pairs, "request").unwrap_or_default();
    let Some(signed_in) = session.signed_in() else { return Ok(see_other("/sign-in")) };
    let (app, reached) = server.encounter_question(sealed, browser.value(), signed_in).await?;
    let visits = visits::latest(&gateway, reached.subject).await;
    Ok(encounter_page(&session, app, sealed.to_owned(), visits.ok()))
}

/// `POST /oauth/encounter`: the choice.
pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    State(gateway): State<Arc<Gateway>>,
    State(pages): State<Arc<Pages>>,
    browser: Browser,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AuthorizeError> {
    let pairs = form_pairs(&headers, &body)?;
    let sealed = field(&pairs, "request").unwrap_or_default();
    let Some(signed_in) = session.signed_in() else { return Ok(see_other("/sign-in")) };
    if !pages.is_own_form(&headers, Form::Encounter, &signed_in.hash, field(&pairs, "form_token")) {
        return Ok(forbidden());
    }
    let (_, reached) = server.encounter_question(sealed, browser.value(), signed_in).await?;
    let chosen = field(&pairs, "encounter").filter(|id| !id.is_empty()).map(str::to_owned);
    if let Some(id) = &chosen {
        match visits::has(&gateway, reached.subject, ResourceType::Encounter, id).await {
            Ok(true) => {}
            Ok(false) => return Ok(not_found()),
            Err(refusal) => return Ok(page_unavailable(&refusal)),
        }
    }
    let answered = server.choose_encounter(sealed, browser.value(), signed_in, chosen).await?;
    Ok(answer(answered, &browser, &session))
}
