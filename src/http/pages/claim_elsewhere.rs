//! Starting without a code, by who a provider elsewhere proved somebody to be. The way there is asked for by a form, and what
//! was said there counts once the person saw it and said yes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::account::{Instead, Next, problem, who};
use super::elsewhere::{Going, refused, way_there};
use super::form_page::FormPage;
use super::posted::Posted;
use super::{ErrorPage, Form, Session, not_found, render_with, see_other};
use crate::accounts::{AccountError, Accounts, ClaimAnswer, ClaimError, Claims, Errand, ProvedElsewhere};
use crate::http::error::page_unavailable;
use crate::http::pages::{say, say_with, told};

/// `POST /claim/elsewhere`: the way there.
pub(super) async fn begin(
    State(accounts): State<Arc<Accounts>>,
    going: Going,
    posted: Posted,
) -> Result<Response, Instead> {
    posted.of_session(Form::Claim).map_err(|refusal| Instead::of(*refusal))?;
    let Ok(organization) = posted.text("organization").parse() else { return Ok(see_other("/find")) };
    let key = posted.text("provider");
    let name = accounts.provers().find(|(known, _)| *known == key).map(|(_, name)| name.to_owned());
    let Some(name) = name else { return Ok(not_found()) };
    match accounts.begin_elsewhere(key, Errand::Prove(organization), going.traveller()).await {
        Ok(url) => Ok(way_there(&going, say("claim.prove"), &name, url.as_str(), "/find")),
        Err(error) => refused(&error, Next::Find),
    }
}

fn question(proved: &ProvedElsewhere, form_token: String) -> FormPage {
    let about = &proved.demographics;
    let name = about.given.iter().chain([&about.family]).map(String::as_str).collect::<Vec<_>>().join(" ");
    let items = [name, say_with("claim.born", &[("day", &about.birth_date)])]
        .into_iter()
        .chain(proved.contacts.iter().cloned());
    let practice = proved.practice.as_deref().unwrap_or(say("claim.the-practice"));
    FormPage::new(say("redeem.is-it-you"))
        .says(say_with("claim.says", &[("provider", &proved.provider)]))
        .lists(items.collect())
        .says(say_with("claim.if-one", &[("practice", practice)]))
        .asks("/claim/proved", form_token, say("redeem.yes-me"))
        .hidden("proof", &proved.id)
        .link("/find", say("claim.no-not-me"))
}

/// `GET /claim/proved`: what was said, to be looked at.
pub(super) async fn get(State(accounts): State<Arc<Accounts>>, session: Session) -> Result<Response, Instead> {
    let signed_in = who(&session)?;
    match accounts.waiting_proof(signed_in).await {
        Ok(proved) => Ok(question(&proved, session.pages.form_token(Form::Claim, &signed_in.hash)).respond()),
        Err(AccountError::NotFound) => Ok(see_other("/find")),
        Err(error) => refused(&error, Next::Find),
    }
}

/// `POST /claim/proved`: yes.
pub(super) async fn confirm(
    State(accounts): State<Arc<Accounts>>,
    State(claims): State<Arc<Claims>>,
    posted: Posted,
) -> Result<Response, Instead> {
    let signed_in = posted.of_session(Form::Claim).map_err(|refusal| Instead::of(*refusal))?;
    match accounts.confirm_proof(&signed_in, posted.text("proof")).await {
        Ok(proved) => Ok(linked(claims.proofed(signed_in.account, posted.address.0, proved).await)),
        Err(AccountError::NotFound) => {
            let page = FormPage::new(say("claim.took-too-long")).says(problem(&AccountError::Wrong, Next::Find)?);
            Ok(page.link("/find", say("sign-in.begin-again")).respond_with(StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(error) => refused(&error, Next::Find),
    }
}

fn linked(answer: Result<ClaimAnswer, ClaimError>) -> Response {
    match answer {
        Ok(ClaimAnswer::Linked(_)) => see_other("/"),
        Ok(ClaimAnswer::Queued) => {
            let text = say("claim.thank-you-your");
            render_with(StatusCode::OK, &ErrorPage::new(say("claim.your-practice-looks"), text), None)
        }
        Err(ClaimError::Refused(_, problem)) => FormPage::new(say("error.cannot-go-on"))
            .says(say_with("account.look-again", &[("why", &told(problem))]))
            .link("/find", say("home.find"))
            .respond_with(StatusCode::UNPROCESSABLE_ENTITY),
        Err(error) => page_unavailable(&error),
    }
}

#[cfg(test)]
pub(super) fn sample(hostile: &str) -> Result<String, askama::Error> {
    use askama::Template as _;
    let text = || hostile.to_owned();
    let random = crate::base::random::SeededRandom::new(1);
    let proved = ProvedElsewhere {
        id: text(),
        provider: text(),
        organization: crate::base::id::OrganizationId::mint(&random),
        practice: Some(text()),
        demographics: crate::identity::Demographics { family: text(), given: vec![text()], birth_date: text() },
        contacts: vec![text()],
    };
    question(&proved, text()).render()
}
