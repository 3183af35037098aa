//! "Ask to act for somebody": by a document that staff look at; what one asked for, and taking it back.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::people_invite::{field_of, problem};
use super::words::say;
use super::{Form, Posted, Session, not_found, render, render_with, see_other};
use crate::accounts::{HandOutError, NewAsk, Redemptions};
use crate::authorization::SignedIn;
use crate::http::brands::Directory;
use crate::http::error::page_unavailable;
use crate::identity::GrantBasis;
use crate::organization::brands::Wanted;
use crate::storage::{Db, StorageError};

struct Choice {
    value: String,
    text: String,
    chosen: bool,
}

/// What was typed.
#[derive(Default)]
struct Typed {
    given: String,
    family: String,
    birth_date: String,
    own_given: String,
    own_family: String,
    document: String,
}

/// What the page shows.
#[derive(Template)]
#[template(path = "people_ask.html")]
pub(super) struct AskTemplate {
    style: String,
    form_token: String,
    practices: Vec<Choice>,
    rights: Vec<Choice>,
    typed: Typed,
    field: &'static str,
    problem: Option<&'static str>,
    sent: bool,
}

/// The rights that a document can give.
const RIGHTS: [GrantBasis; 6] = [
    GrantBasis::Parent,
    GrantBasis::GuardianMinor,
    GrantBasis::Foster,
    GrantBasis::GuardianAdult,
    GrantBasis::HealthCarePowerOfAttorney,
    GrantBasis::Executor,
];

/// The right of this name, if a document can give it.
pub(in crate::http) fn right_of(name: &str) -> Option<GrantBasis> {
    GrantBasis::parse(name).filter(|basis| RIGHTS.contains(basis))
}

impl AskTemplate {
    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        let choice = || vec![Choice { value: text(), text: text(), chosen: true }];
        Self {
            style: text(),
            form_token: text(),
            practices: choice(),
            rights: choice(),
            typed: Typed {
                given: text(),
                family: text(),
                birth_date: text(),
                own_given: text(),
                own_family: text(),
                document: text(),
            },
            field: "given",
            problem: Some("problem"),
            sent: false,
        }
    }
}

async fn page(
    (directory, db): (&Directory, &Db),
    form_token: String,
    posted: Option<&Posted>,
) -> Result<AskTemplate, StorageError> {
    let brands = directory.brands(db).await?;
    let text = |name: &str| posted.map(|posted| posted.text(name).to_owned()).unwrap_or_default();
    let all = Wanted { name: String::new(), city: String::new() };
    let practices = brands.found(&all).into_iter().map(|(organization, _)| Choice {
        value: organization.id.to_string(),
        text: organization.name.clone(),
        chosen: text("practice") == organization.id.to_string(),
    });
    let right = |basis: &GrantBasis| Choice {
        value: basis.as_str().to_owned(),
        text: say(&format!("right.{}", basis.as_str())).to_owned(),
        chosen: text("basis") == basis.as_str(),
    };
    Ok(AskTemplate {
        style: super::style::path(),
        form_token,
        practices: practices.collect(),
        rights: RIGHTS.iter().map(right).collect(),
        typed: Typed {
            given: text("given"),
            family: text("family"),
            birth_date: text("birth_date"),
            own_given: text("own_given"),
            own_family: text("own_family"),
            document: text("document"),
        },
        field: "",
        problem: None,
        sent: false,
    })
}

/// `GET /people/ask`.
pub(super) async fn get(State(directory): State<Arc<Directory>>, State(db): State<Db>, session: Session) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let token = session.pages.form_token(Form::Proxy, &signed_in.hash);
    match page((&directory, &db), token, None).await {
        Ok(page) => render(&page),
        Err(error) => page_unavailable(&error),
    }
}

/// `POST /people/ask`.
pub(super) async fn post(
    State(redemptions): State<Arc<Redemptions>>,
    State(directory): State<Arc<Directory>>,
    State(db): State<Db>,
    posted: Posted,
) -> Response {
    let signed_in = match posted.of_session(Form::Proxy) {
        Ok(signed_in) => signed_in,
        Err(response) => return *response,
    };
    let token = posted.browser.pages.form_token(Form::Proxy, &signed_in.hash);
    let mut page = match page((&directory, &db), token, Some(&posted)).await {
        Ok(page) => page,
        Err(error) => return page_unavailable(&error),
    };
    match ask(&redemptions, &signed_in, &posted).await {
        Ok(()) => page.sent = true,
        Err(HandOutError::Storage(error)) => return page_unavailable(&error),
        Err(error) => (page.field, page.problem) = (field_of(&error), Some(problem(&error))),
    }
    let status = if page.sent { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    render_with(status, &page, None)
}

async fn ask(redemptions: &Redemptions, signed_in: &SignedIn, posted: &Posted) -> Result<(), HandOutError> {
    let text = |name: &str| posted.text(name).to_owned();
    let basis = right_of(posted.text("basis"));
    let new = NewAsk {
        organization: posted.text("practice").parse().map_err(|_| HandOutError::Field("practice"))?,
        patient: (text("given"), text("family"), text("birth_date")),
        own: (text("own_given"), text("own_family")),
        basis: basis.ok_or(HandOutError::Field("document"))?,
        document: text("document"),
    };
    redemptions.ask(signed_in, new).await
}

/// `POST /people/take-back`.
pub(super) async fn take_back(State(redemptions): State<Arc<Redemptions>>, posted: Posted) -> Response {
    let signed_in = match posted.of_session(Form::People) {
        Ok(signed_in) => signed_in,
        Err(response) => return *response,
    };
    let Ok(id) = posted.text("request").parse() else { return not_found() };
    match redemptions.take_back(&signed_in, id).await {
        Ok(true) => see_other("/people"),
        Ok(false) => not_found(),
        Err(error) => page_unavailable(&error),
    }
}
