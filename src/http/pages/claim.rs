//! Starting without a code. Whatever somebody says, the answer is the same (portal design, 2.7).

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;

use super::posted::Posted;
use super::{ErrorPage, Form, Session, moved, render, render_with, see_other};
use crate::accounts::{ClaimAnswer, ClaimError, Claims, NewClaim};
use crate::base::secret::Secret;
use crate::http::brands::Directory;
use crate::http::error::page_unavailable;
use crate::http::form::{field, query_pairs};
use crate::http::pages::{say, say_with, told};
use crate::storage::Db;

/// What the page shows.
#[derive(Template, Default)]
#[template(path = "claim.html")]
pub(super) struct ClaimTemplate {
    style: String,
    form_token: String,
    organization: String,
    given: String,
    family: String,
    birth_date: String,
    number: String,
    problem: Option<String>,
    provers: Vec<(String, String)>,
}

/// What the page shows once somebody said who they are.
#[derive(Template)]
#[template(path = "claim_code.html")]
pub(super) struct ClaimCodeTemplate {
    style: String,
    form_token: String,
    problem: Option<&'static str>,
}

#[cfg(test)]
pub(super) fn samples(hostile: &'static str) -> [Result<String, askama::Error>; 2] {
    let text = || hostile.to_owned();
    let claim = ClaimTemplate {
        style: text(),
        form_token: text(),
        organization: text(),
        given: text(),
        family: text(),
        birth_date: text(),
        number: text(),
        problem: Some(text()),
        provers: vec![(text(), text())],
    };
    let code = ClaimCodeTemplate { style: text(), form_token: text(), problem: Some(hostile) };
    [claim.render(), code.render()]
}

/// `GET /claim?organization=…`.
pub(super) async fn get(
    State(directory): State<Arc<Directory>>,
    State(db): State<Db>,
    session: Session,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(signed_in) = session.signed_in() else {
        let text = say("claim.sign-in-first-why");
        let page =
            ErrorPage::new(say("claim.sign-in-first"), text).leading_to("/sign-in?next=/claim", say("sign-in.sign-in"));
        return render_with(StatusCode::OK, &page, None);
    };
    let organization = field(&query_pairs(query.as_deref()), "organization").unwrap_or_default().to_owned();
    if organization.is_empty() {
        return see_other("/find");
    }
    // A link from before a merger leads to what the practice became.
    let brands = match directory.brands(&db).await {
        Ok(brands) => brands,
        Err(error) => return page_unavailable(&error),
    };
    if let Some(now) = organization.parse().ok().and_then(|id| brands.successor(id)) {
        return moved(&format!("/claim?organization={now}"));
    }
    let form_token = session.pages.form_token(Form::Claim, &signed_in.hash);
    let provers = session.pages.provers().to_vec();
    let style = super::style::path();
    render(&ClaimTemplate { style, form_token, organization, provers, ..ClaimTemplate::default() })
}

/// `POST /claim`.
pub(super) async fn post(State(claims): State<Arc<Claims>>, posted: Posted) -> Response {
    let signed_in = match posted.of_session(Form::Claim) {
        Ok(signed_in) => signed_in,
        Err(refusal) => return *refusal,
    };
    let text = |name: &str| posted.text(name).to_owned();
    let Ok(organization) = posted.text("organization").parse() else { return see_other("/find") };
    let new = NewClaim {
        organization,
        given: text("given"),
        family: text("family"),
        birth_date: text("birth_date"),
        number: text("number"),
    };
    match claims.make(signed_in.account, posted.address.0, new).await {
        Ok(()) => code_page(&posted, &signed_in.hash, StatusCode::OK, None),
        Err(ClaimError::Refused(_, problem)) => again(&posted, &signed_in.hash, problem),
        Err(error) => page_unavailable(&error),
    }
}

fn again(posted: &Posted, hash: &[u8; 32], problem: &str) -> Response {
    let text = |name: &str| posted.text(name).to_owned();
    let page = ClaimTemplate {
        style: super::style::path(),
        form_token: posted.browser.pages.form_token(Form::Claim, hash),
        organization: text("organization"),
        given: text("given"),
        family: text("family"),
        birth_date: text("birth_date"),
        number: text("number"),
        problem: Some(say_with("account.look-again", &[("why", &told(problem))])),
        provers: posted.browser.pages.provers().to_vec(),
    };
    render_with(StatusCode::UNPROCESSABLE_ENTITY, &page, None)
}

/// `POST /claim/code`.
pub(super) async fn code(State(claims): State<Arc<Claims>>, posted: Posted) -> Response {
    let signed_in = match posted.of_session(Form::Claim) {
        Ok(signed_in) => signed_in,
        Err(refusal) => return *refusal,
    };
    let code = Secret::new(posted.text("code").to_owned());
    match claims.prove(signed_in.account, &code).await {
        Ok(ClaimAnswer::Linked(_)) => see_other("/"),
        Ok(ClaimAnswer::Queued) => {
            let text = say("claim.thank-you-your");
            render_with(StatusCode::OK, &ErrorPage::new(say("claim.your-practice-looks"), text), None)
        }
        Err(ClaimError::Storage(error)) => page_unavailable(&error),
        Err(_) => {
            let problem = say("claim.code-not-right");
            code_page(&posted, &signed_in.hash, StatusCode::UNPROCESSABLE_ENTITY, Some(problem))
        }
    }
}

fn code_page(posted: &Posted, hash: &[u8; 32], status: StatusCode, problem: Option<&'static str>) -> Response {
    let form_token = posted.browser.pages.form_token(Form::Claim, hash);
    render_with(status, &ClaimCodeTemplate { style: super::style::path(), form_token, problem }, None)
}
