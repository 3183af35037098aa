use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;

use crate::authorization::{AuthorizationServer, AuthorizeError, Decision};
use crate::http::form::{field, form_pairs, query_pairs};
use crate::http::pages::{Browser, Form, Pages, Session, answer, forbidden};

/// `GET /oauth/consent`: a request of this browser goes on, after sign-in.
pub(super) async fn get(
    State(server): State<Arc<AuthorizationServer>>,
    browser: Browser,
    session: Session,
    RawQuery(query): RawQuery,
) -> Result<Response, AuthorizeError> {
    let pairs = query_pairs(query.as_deref());
    let sealed = field(&pairs, "request").unwrap_or_default();
    Ok(answer(server.resume(sealed, browser.value(), session.signed_in()).await?, &browser, &session))
}

/// `POST /oauth/consent`: the decision.
pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    State(pages): State<Arc<Pages>>,
    browser: Browser,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AuthorizeError> {
    let pairs = form_pairs(&headers, &body)?;
    let sealed = field(&pairs, "request").unwrap_or_default();
    let Some(signed_in) = session.signed_in() else {
        return Ok(answer(server.resume(sealed, browser.value(), None).await?, &browser, &session));
    };
    if !pages.is_own_form(&headers, Form::Consent, &signed_in.hash, field(&pairs, "form_token")) {
        return Ok(forbidden());
    }
    let answered = server.decide(sealed, browser.value(), signed_in, decision(&pairs)).await?;
    Ok(answer(answered, &browser, &session))
}

fn decision(pairs: &[(String, String)]) -> Decision {
    Decision {
        allow: field(pairs, "decision") == Some("allow"),
        person: field(pairs, "person").map(str::to_owned),
        scopes: pairs.iter().filter(|(name, _)| name == "scope").map(|(_, value)| value.clone()).collect(),
    }
}
