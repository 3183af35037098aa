//! What stands around every page of somebody signed in: where to go, whose records there are to look at, in which language.
//! It is looked up once for each request and is there for whatever page the request makes.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::consent::who_in;
use super::{Form, Posted, Session, forbidden, not_found, see_other};
use crate::accounts::Accounts;
use crate::authorization::{AuthorizationServer, SignedIn};
use crate::base::id::PersonId;
use crate::gateway::Gateway;
use crate::http::error::page_unavailable;
use crate::identity::Language;
use crate::storage::StorageError;

tokio::task_local! {
    static AROUND: Arc<Around>;
}

/// What stands around a page.
#[derive(Debug)]
pub(in crate::http) struct Around {
    pub(in crate::http) language: Language,
    /// Whose records the reader can look at; one's own first.
    pub(in crate::http) persons: Vec<Whose>,
    pub(in crate::http) form_token: String,
}

/// Somebody whose record can be looked at.
#[derive(Debug)]
pub(in crate::http) struct Whose {
    pub(in crate::http) id: PersonId,
    pub(in crate::http) who: String,
    /// Whether it is this one that pages are about.
    pub(in crate::http) is_in_view: bool,
}

/// What stands around the page that is being made, if somebody is signed in.
pub(in crate::http) fn head() -> Option<Arc<Around>> {
    AROUND.try_with(Arc::clone).ok()
}

/// The language of whoever reads the page.
pub(in crate::http) fn language() -> Language {
    AROUND.try_with(|around| around.language).unwrap_or(Language::English)
}

/// Whose record pages are about, as the reader chose.
pub(in crate::http) fn in_view() -> Option<PersonId> {
    AROUND.try_with(|around| around.persons.iter().find(|whose| whose.is_in_view).map(|whose| whose.id)).ok().flatten()
}

/// What somebody is called to the reader, if their record can be looked at.
pub(in crate::http) fn who(person: PersonId) -> Option<String> {
    head()?.persons.iter().find(|whose| whose.id == person).map(|whose| whose.who.clone())
}

/// Looks up what stands around the pages of whoever is signed in.
pub(crate) async fn surround(
    State(accounts): State<Arc<Accounts>>,
    State(server): State<Arc<AuthorizationServer>>,
    State(gateway): State<Arc<Gateway>>,
    session: Session,
    request: Request,
    next: Next,
) -> Response {
    let is_file = ["/static/", "/favicon.ico"].iter().any(|path| request.uri().path().starts_with(path));
    let Some(signed_in) = session.signed_in().filter(|_| !is_file) else { return next.run(request).await };
    let chosen = session.pages.person_in_view(request.headers()).map(str::to_owned);
    match around((&accounts, &server, &gateway), &session, signed_in, chosen.as_deref()).await {
        Ok(around) => AROUND.scope(Arc::new(around), next.run(request)).await,
        Err(error) => page_unavailable(&error),
    }
}

async fn around(
    (accounts, server, gateway): (&Accounts, &AuthorizationServer, &Gateway),
    session: &Session,
    signed_in: &SignedIn,
    chosen: Option<&str>,
) -> Result<Around, StorageError> {
    let language = accounts.language(signed_in.account).await?;
    let mut persons = Vec::new();
    for (person, basis) in server.in_reach(signed_in.account).await? {
        let is_seen = person
            .subject
            .standing
            .as_ref()
            .is_some_and(|standing| gateway.shows_anything(&person.subject.links, standing));
        if is_seen {
            let who = who_in(language, person.name.as_deref(), basis);
            persons.push(Whose { id: person.person, who, is_in_view: false });
        }
    }
    // What the browser says counts as far as it is somebody whose record can be looked at now.
    let index = persons.iter().position(|whose| chosen == Some(whose.id.to_string().as_str())).unwrap_or(0);
    if let Some(whose) = persons.get_mut(index) {
        whose.is_in_view = true;
    }
    let form_token = session.pages.form_token(Form::Switch, &signed_in.hash);
    Ok(Around { language, persons, form_token })
}

/// `POST /switch`: another person's record.
pub(super) async fn switch(posted: Posted) -> Response {
    let Some(signed_in) = posted.session.signed_in() else { return see_other("/sign-in") };
    // A name of its own: the form stands on every page, beside others.
    let (pages, token) = (&posted.browser.pages, Some(posted.text("switch_token")));
    if !pages.is_own_form(&posted.headers, Form::Switch, &signed_in.hash, token) {
        return forbidden();
    }
    let wanted = posted.text("person");
    let is_there = head().is_some_and(|around| around.persons.iter().any(|whose| whose.id.to_string() == wanted));
    if !is_there {
        return not_found();
    }
    let mut response = see_other("/");
    posted.browser.pages.set_person_in_view(&mut response, Some(wanted));
    response
}

#[cfg(test)]
pub(in crate::http) mod tests {
    use super::*;

    /// Makes a page as somebody reads it who can look at two records.
    pub(in crate::http) fn read_by<T>(language: Language, hostile: &str, make: impl FnOnce() -> T) -> T {
        let whose = |is_in_view| Whose {
            id: PersonId::mint(&crate::base::random::SeededRandom::new(u64::from(is_in_view))),
            who: hostile.to_owned(),
            is_in_view,
        };
        let persons = vec![whose(true), whose(false)];
        AROUND.sync_scope(Arc::new(Around { language, persons, form_token: hostile.to_owned() }), make)
    }
}
