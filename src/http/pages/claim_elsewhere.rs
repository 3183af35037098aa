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
        Ok(url) => Ok(way_there(&going, "Prove who you are", &name, url.as_str(), "/find")),
        Err(error) => refused(&error, Next::Find),
    }
}

fn question(proved: &ProvedElsewhere, form_token: String) -> FormPage {
    let about = &proved.demographics;
    let name = about.given.iter().chain([&about.family]).map(String::as_str).collect::<Vec<_>>().join(" ");
    let items = [name, format!("Born on {}", about.birth_date)].into_iter().chain(proved.contacts.iter().cloned());
    let practice = proved.practice.as_deref().unwrap_or("the practice");
    FormPage::new("Is this you?")
        .says(format!("{} says that you are:", proved.provider))
        .lists(items.collect())
        .says(format!(
            "If exactly one record at {practice} has this name, this birth date and one of these telephones or addresses, it \
             is linked to your account. If not, the practice looks at it."
        ))
        .asks("/claim/proved", form_token, "Yes, this is me")
        .hidden("proof", &proved.id)
        .link("/find", "No, this is not me")
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
            let page = FormPage::new("This took too long").says(problem(&AccountError::Wrong, Next::Find)?);
            Ok(page.link("/find", "Begin again").respond_with(StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(error) => refused(&error, Next::Find),
    }
}

fn linked(answer: Result<ClaimAnswer, ClaimError>) -> Response {
    match answer {
        Ok(ClaimAnswer::Linked(_)) => see_other("/"),
        Ok(ClaimAnswer::Queued) => {
            let text = "Thank you. Your practice must look at this first; they were told.";
            render_with(StatusCode::OK, &ErrorPage::new("Your practice looks at it", text), None)
        }
        Err(ClaimError::Refused(_, problem)) => FormPage::new("This cannot go on")
            .says(format!("Please look again: {problem}."))
            .link("/find", "Find your practice")
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
