//! What stands around every page of somebody signed in: where to go, whose records there are to look at, in which language.
//! It is looked up once for each request and is there for whatever page the request makes.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, header};

use super::browser::SessionUnavailable;
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
    /// The language of a page with nothing around it.
    static ALONE: Language;
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

/// The language of whoever reads the page: the one they chose, before a sign-in the one that their browser asks for.
pub(in crate::http) fn language() -> Language {
    let chosen = AROUND.try_with(|around| around.language);
    chosen.or_else(|_| ALONE.try_with(|language| *language)).unwrap_or(Language::English)
}

/// The best of `Accept-Language` that pages are written in (RFC 9110 §12.5.4); English where it asks for none of them.
fn asked_for(headers: &HeaderMap) -> Language {
    let mut best = (0.0, Language::English);
    let lists = headers.get_all(header::ACCEPT_LANGUAGE).into_iter().filter_map(|value| value.to_str().ok());
    for range in lists.flat_map(|list| list.split(',')) {
        let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok()).unwrap_or(0.0);
        let primary = tag.split('-').next().unwrap_or_default().trim().to_ascii_lowercase();
        match Language::parse(&primary) {
            Some(language) if weight > best.0 => best = (weight, language),
            _ => {}
        }
    }
    best.1
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
    let Some(signed_in) = session.signed_in().filter(|_| !is_file) else {
        return ALONE.scope(asked_for(request.headers()), next.run(request)).await;
    };
    let chosen = session.pages.person_in_view(request.headers()).map(str::to_owned);
    match around((&accounts, &server, &gateway), &session, signed_in, chosen.as_deref()).await {
        Ok(around) => AROUND.scope(Arc::new(around), next.run(request)).await,
        Err(error) => page_unavailable(&error),
    }
}

/// Finds out in which language a page is read that has nothing around it: what an app asks, and the way back in.
pub(crate) async fn speak(
    State(accounts): State<Arc<Accounts>>,
    session: Result<Session, SessionUnavailable>,
    request: Request,
    next: Next,
) -> Response {
    let chosen = match session.as_ref().map(Session::signed_in) {
        Ok(Some(signed_in)) => accounts.language(signed_in.account).await.ok(),
        _ => None,
    };
    // Without an answer the page speaks as the browser asks: it is not the page's to say that something is broken.
    let language = chosen.unwrap_or_else(|| asked_for(request.headers()));
    ALONE.scope(language, next.run(request)).await
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

    /// By hand, from RFC 9110 §12.5.4: the greatest weight counts, of equals the first, and zero means no.
    #[test]
    fn before_a_sign_in_the_browser_says_which_language() {
        use Language::{English, Spanish};
        for (asked, language) in [
            ("es", Spanish),
            ("es-MX,es;q=0.9,en;q=0.8", Spanish),
            ("en-US,en;q=0.9,es;q=0.8", English),
            ("en;q=0.5, ES-us;q=0.7", Spanish),
            ("fr-FR,es;q=0.3", Spanish),
            ("es;q=0", English),
            ("es;q=x", English),
            ("fr", English),
            ("est", English),
            ("", English),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, asked.parse().unwrap());
            assert_eq!(asked_for(&headers), language, "{asked}");
        }
        assert_eq!(asked_for(&HeaderMap::new()), English);
    }
}
