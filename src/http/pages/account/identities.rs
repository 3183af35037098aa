//! Sign-ins elsewhere that lead to the account.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::super::apps::minute;
use super::super::elsewhere::{Going, way_there};
use super::super::posted::Posted;
use super::super::{Form, Session, not_found, render, see_other};
use super::{Instead, Next, problem, proved};
use crate::accounts::{AccountError, Accounts, Errand};
use crate::http::pages::say;
use askama::Template;

struct Connected {
    id: String,
    name: String,
    since: String,
    last_used: String,
}

struct Offer {
    key: String,
    name: String,
}

/// What the page shows.
#[derive(Template)]
#[template(path = "identities.html")]
pub(in crate::http::pages) struct IdentitiesTemplate {
    style: String,
    form_token: String,
    problem: Option<String>,
    connected: Vec<Connected>,
    offers: Vec<Offer>,
}

impl IdentitiesTemplate {
    #[cfg(test)]
    pub(in crate::http::pages) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        Self {
            style: text(),
            form_token: text(),
            problem: Some(text()),
            connected: vec![Connected { id: text(), name: text(), since: text(), last_used: text() }],
            offers: vec![Offer { key: text(), name: text() }],
        }
    }
}

/// `GET /account/identities`.
pub(super) async fn get(State(accounts): State<Arc<Accounts>>, session: Session) -> Result<Response, Instead> {
    page(&accounts, &session, None).await
}

async fn page(accounts: &Accounts, session: &Session, problem: Option<String>) -> Result<Response, Instead> {
    let signed_in = proved(accounts, session, Next::Identities)?;
    let known = accounts.elsewhere(signed_in.account).await?;
    let connected = known.into_iter().map(|known| Connected {
        id: known.id.to_string(),
        name: known.provider.unwrap_or_else(|| say("identities.site-not-offered").to_owned()),
        since: minute(known.created),
        last_used: known.last_used.map(minute).unwrap_or_default(),
    });
    let offers = accounts.providers().map(|(key, name)| Offer { key: key.to_owned(), name: name.to_owned() });
    Ok(render(&IdentitiesTemplate {
        style: super::super::style::path(),
        form_token: session.pages.form_token(Form::Identities, &signed_in.hash),
        problem,
        connected: connected.collect(),
        offers: offers.collect(),
    }))
}

/// `POST /account/identities/connect`: the way there, as a link of a page: a form must lead nowhere else.
pub(super) async fn connect(
    State(accounts): State<Arc<Accounts>>,
    going: Going,
    posted: Posted,
) -> Result<Response, Instead> {
    posted.of_session(Form::Identities).map_err(|refusal| Instead::of(*refusal))?;
    let name = accounts.providers().find(|(key, _)| *key == posted.text("provider")).map(|(_, name)| name.to_owned());
    let Some(name) = name else { return Ok(not_found()) };
    match accounts.begin_elsewhere(posted.text("provider"), Errand::Connect, going.traveller()).await {
        Ok(url) => {
            Ok(way_there(&going, say("identities.connect-another-sign"), &name, url.as_str(), "/account/identities"))
        }
        Err(error) => said(&accounts, &going.session, &error).await,
    }
}

async fn said(accounts: &Accounts, session: &Session, error: &AccountError) -> Result<Response, Instead> {
    page(accounts, session, Some(problem(error, Next::Identities)?)).await
}

/// `POST /account/identities/disconnect`.
pub(super) async fn disconnect(State(accounts): State<Arc<Accounts>>, posted: Posted) -> Result<Response, Instead> {
    let signed_in = posted.of_session(Form::Identities).map_err(|refusal| Instead::of(*refusal))?;
    let Ok(id) = posted.text("id").parse() else { return Ok(not_found()) };
    match accounts.disconnect_elsewhere(&signed_in, id).await {
        Ok(()) => Ok(see_other("/account/identities")),
        Err(error) => said(&accounts, &posted.session, &error).await,
    }
}
