//! Sign-in at somebody else's: the way there, and back.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::StatusCode;
use http::request::Parts;

use super::account::{Instead, Next, problem, waiting};
use super::agent::browser_in_words;
use super::form_page::FormPage;
use super::sign_in::{next_page, on_from};
use super::{Browser, Pages, PeerAddress, Session, see_other};
use crate::accounts::{AccountError, Accounts, Arrived, ElsewhereAnswer, Errand, NewSession, Redemptions, Traveller};
use crate::authorization::AuthorizationServer;
use crate::base::secret::Secret;
use crate::http::form::{field, query_pairs};
use crate::http::pages::{say, say_with};
use crate::storage::sessions::SessionState;

/// A browser that goes elsewhere or comes back.
pub(super) struct Going {
    pub(super) browser: Browser,
    pub(super) session: Session,
    address: PeerAddress,
    words: String,
    headers: HeaderMap,
}

impl Going {
    pub(super) fn traveller(&self) -> Traveller<'_> {
        Traveller {
            browser: self.browser.value(),
            signed_in: self.session.signed_in(),
            address: self.address.0,
            words: &self.words,
            previous: self.session.cookie.as_deref(),
        }
    }
}

impl<S> FromRequestParts<S> for Going
where
    S: Send + Sync,
    Arc<Pages>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let Ok(browser) = Browser::from_request_parts(parts, state).await;
        let Ok(address) = PeerAddress::from_request_parts(parts, state).await;
        let session = Session::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let (words, headers) = (browser_in_words(&parts.headers), parts.headers.clone());
        Ok(Self { browser, session, address, words, headers })
    }
}

/// `GET /sign-in/with/{provider}?request=…&next=…`: goes there. Nothing is changed by it but that an answer is awaited.
pub(super) async fn get(
    State(accounts): State<Arc<Accounts>>,
    State(server): State<Arc<AuthorizationServer>>,
    Path(provider): Path<String>,
    RawQuery(query): RawQuery,
    going: Going,
) -> Result<Response, Instead> {
    let pairs = query_pairs(query.as_deref());
    let request = field(&pairs, "request").filter(|sealed| server.is_resumable(sealed, going.browser.value()));
    let errand = match field(&pairs, "for") {
        Some("account") => Errand::SignUp,
        _ => Errand::SignIn {
            request: request.map(str::to_owned),
            next: next_page(field(&pairs, "next")).map(str::to_owned),
            again: field(&pairs, "again") == Some("yes"),
        },
    };
    let begun = accounts.begin_elsewhere(&provider, errand, going.traveller()).await;
    let mut response = match begun {
        Ok(url) => see_other(url.as_str()),
        Err(error) => refused(&error, Next::Identities)?,
    };
    going.browser.remember(&mut response);
    Ok(response)
}

/// A page that leads there by a link, as a form of ours may lead nowhere else.
pub(super) fn way_there(going: &Going, title: &str, name: &str, url: &str, back: &'static str) -> Response {
    let page = FormPage::new(title)
        .says(say_with("elsewhere.go", &[("name", name)]))
        .link_to(url.to_owned(), say("sign-in.go-on"))
        .link(back, say("chart.not-now"));
    let mut response = page.respond();
    going.browser.remember(&mut response);
    response
}

/// `GET /sign-in/with/{provider}/callback`: comes back.
pub(super) async fn callback(
    State(accounts): State<Arc<Accounts>>,
    State(redemptions): State<Arc<Redemptions>>,
    Path(provider): Path<String>,
    RawQuery(query): RawQuery,
    going: Going,
) -> Result<Response, Instead> {
    let sealed = going.browser.pages.redemption(&going.headers).unwrap_or_default();
    let may_open = redemptions.pending(sealed, going.browser.value()).await?.is_some();
    let answer = answer(provider, query.as_deref());
    match accounts.finish_elsewhere(answer, going.traveller(), may_open).await {
        Ok(Arrived::SignedIn { session, request, next }) => {
            Ok(signed_in(&going.browser.pages, &session, request.as_deref(), next.as_deref()))
        }
        Ok(Arrived::Connected) => Ok(see_other("/account/identities")),
        Ok(Arrived::Unknown) => Ok(unknown()),
        Ok(Arrived::Proved) => Ok(see_other("/claim/proved")),
        Err(error) => refused(&error, Next::Identities),
    }
}

fn answer(provider: String, query: Option<&str>) -> ElsewhereAnswer {
    let pairs = query_pairs(query);
    // A parameter that comes twice is none (RFC 6749 §3.1).
    let one = |name: &str| {
        let mut values = pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone());
        values.next().filter(|_| values.next().is_none())
    };
    ElsewhereAnswer {
        provider,
        state: Secret::new(one("state").unwrap_or_default()),
        code: one("code").filter(|code| !code.is_empty() && one("error").is_none()).map(Secret::new),
        issuer: one("iss"),
    }
}

fn signed_in(pages: &Pages, begun: &NewSession, request: Option<&str>, next: Option<&str>) -> Response {
    let next = next_page(next);
    let mut response = match (begun.state, request, next) {
        (SessionState::Open, request, next) => see_other(&on_from(request, next)),
        (_, Some(request), _) => see_other(&format!("/sign-in/second-factor?request={request}")),
        (_, None, Some(next)) => see_other(&format!("/sign-in/second-factor?next={next}")),
        (_, None, None) => see_other("/sign-in/second-factor"),
    };
    pages.set_session(&mut response, begun.cookie.expose());
    response
}

/// The same for everybody, whatever addresses the provider knows: an address joins no accounts.
fn unknown() -> Response {
    FormPage::new(say("elsewhere.no-account-connected"))
        .says(say("elsewhere.you-have-an"))
        .says(say("elsewhere.you-new-begin"))
        .link("/sign-in?next=/account", say("sign-in.sign-in"))
        .link("/invite", say("sign-in.use-code"))
        .respond()
}

/// What is said of a refusal; whoever must show once more who they are goes on to `next` from there.
pub(super) fn refused(error: &AccountError, next: Next) -> Result<Response, Instead> {
    let text = match error {
        AccountError::Wrong => say("elsewhere.took-too-long").to_owned(),
        other => problem(other, next)?,
    };
    let page =
        FormPage::new(say("elsewhere.not-signed-in")).says(text).link("/sign-in", say("recover.back-to-sign-in"));
    Ok(waiting(page.respond_with(StatusCode::UNPROCESSABLE_ENTITY), error))
}
