//! The pages that people see: plain forms that work without JavaScript.

mod access;
pub mod account;
mod agent;
mod apps;
mod around;
mod browser;
mod claim;
mod claim_elsewhere;
mod connect;
mod consent;
mod elsewhere;
mod encounter;
mod error_page;
mod find;
mod form_page;
mod home;
mod icon;
mod invite;
mod invite_account;
mod invite_confirm;
mod launch;
mod own_form;
mod passkey_sign_in;
mod people;
mod people_ask;
mod people_invite;
mod posted;
mod qr;
mod record;
pub mod recover;
mod second_step;
mod see_as;
mod sign_in;
mod sign_out;
mod style;
mod unlink;
pub mod visits;
mod words;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::brands::Directory;
use super::form::LONGEST_FORM;
use crate::accounts::{Accounts, ChartAccess, Claims, Redemptions};
use crate::authorization::{AuthorizationServer, AuthorizeAnswer};
use crate::base::keys::{KeyUse, MasterKey};
use crate::base::random::SharedRandom;
use crate::base::secret::Secret;
use crate::config::{Config, IdentityProvider};
use crate::gateway::Gateway;
use crate::http::route::{get, post};
use crate::storage::Db;

pub(in crate::http) use access::looks;
pub(in crate::http) use agent::browser_in_words;
pub(in crate::http) use around::{head, language};
pub(crate) use around::{speak, surround};
pub use browser::{Browser, PeerAddress, Session};
pub use consent::ConsentTemplate;
pub(in crate::http) use consent::box_text;
pub use encounter::encounter_page;
pub use error_page::{ErrorPage, forbidden, head_too_large, not_found};
pub(in crate::http) use launch::leave;
pub use own_form::Form;
pub(in crate::http) use people::{Practice, labels_of};
pub(in crate::http) use people_ask::right_of;
pub(in crate::http) use people_invite::{Ticked, last_moment};
pub(in crate::http) use posted::Posted;
pub(in crate::http) use qr::qr_path;
pub(in crate::http) use see_as::{compared, is_compared};
pub use sign_in::SignInTemplate;
pub(in crate::http) use style::path as style_path;
pub(in crate::http) use words::{parts, say, say_with, told};

/// What pages need to know of this installation.
pub struct Pages {
    issuer: String,
    secure: bool,
    form_key: Secret<[u8; 32]>,
    random: SharedRandom,
    trusted_proxies: Vec<IpAddr>,
    providers: Vec<(String, String)>,
    provers: Vec<(String, String)>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("issuer", &self.issuer).field("secure", &self.secure).finish_non_exhaustive()
    }
}

impl Pages {
    /// Pages of this configuration.
    #[must_use]
    pub fn new(config: &Config, master_key: &MasterKey, random: SharedRandom) -> Arc<Self> {
        let issuer = config.server.public_url.clone();
        // Some clients never send Secure cookies over http, loopback or not: plain ones in the demo, and only there.
        let plain = config.demo && is_loopback_http(&issuer);
        let named = |one: &IdentityProvider| (one.key.clone(), one.name.clone());
        Arc::new(Self {
            issuer,
            secure: !plain,
            form_key: master_key.derive(KeyUse::FormToken),
            random,
            trusted_proxies: config.server.trusted_proxies.clone(),
            providers: config.identity_providers.iter().map(named).collect(),
            provers: config.identity_providers.iter().filter(|one| !one.ial2_acr.is_empty()).map(named).collect(),
        })
    }
}

impl Pages {
    /// Where else people can sign in: key and name.
    fn providers(&self) -> &[(String, String)] {
        &self.providers
    }

    /// Those of them who prove who people are.
    fn provers(&self) -> &[(String, String)] {
        &self.provers
    }

    /// The address of this installation.
    pub(in crate::http) fn issuer(&self) -> &str {
        &self.issuer
    }
}

fn is_loopback_http(issuer: &str) -> bool {
    url::Url::parse(issuer)
        .is_ok_and(|url| url.scheme() == "http" && matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")))
}

/// The page routes.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    Router::new()
        .route("/", get(home::get))
        .route("/sign-in", get(sign_in::get).merge(post(sign_in::post)))
        .route("/sign-in/passkey", get(passkey_sign_in::get).merge(post(passkey_sign_in::post)))
        .route("/sign-in/second-factor", get(second_step::get).merge(post(second_step::post)))
        .route("/sign-out", post(sign_out::post))
        .route("/unlink", get(unlink::get).merge(post(unlink::post)))
        .route("/switch", post(around::switch))
        .route("/apps", get(apps::get))
        .route("/apps/disconnect", post(apps::disconnect))
        .route("/favicon.ico", get(icon::get))
        .route("/static/{file}", get(style::get))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
}

/// The pages on which people look at who sees what.
pub fn people_router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
    Arc<Directory>: FromRef<S>,
    Arc<Gateway>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
    Arc<Redemptions>: FromRef<S>,
    Db: FromRef<S>,
{
    Router::new()
        .route("/people", get(people::get).merge(post(people::post)))
        .route("/people/invite", get(people_invite::get).merge(post(people_invite::post)))
        .route("/people/see-as", get(see_as::get))
        .route("/access", get(access::get))
        .route("/people/ask", get(people_ask::get).merge(post(people_ask::post)))
        .route("/people/take-back", post(people_ask::take_back))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
}

/// The pages on which people connect and disconnect their charts.
pub fn connect_router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Accounts>: FromRef<S>,
    Arc<ChartAccess>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    Router::new()
        .route("/connect", get(connect::get).merge(post(connect::post)))
        .route("/connect/callback/{source}", get(connect::callback))
        .route("/disconnect", get(connect::confirm).merge(post(connect::disconnect)))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
}

/// The pages on which records are linked: with a code, and without one.
pub fn link_router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
    Arc<Claims>: FromRef<S>,
    Arc<Directory>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
    Arc<Redemptions>: FromRef<S>,
    Db: FromRef<S>,
{
    Router::new()
        .route("/sign-in/with/{provider}", get(elsewhere::get))
        .route("/sign-in/with/{provider}/callback", get(elsewhere::callback))
        .route("/invite", get(invite::get).merge(post(invite::post)))
        .route("/invite/renew", post(invite::renew))
        .route("/invite/account", get(invite_account::get).merge(post(invite_account::post)))
        .route("/invite/confirm", get(invite_confirm::get).merge(post(invite_confirm::post)))
        .route("/find", get(find::get))
        .route("/claim", get(claim::get).merge(post(claim::post)))
        .route("/claim/code", post(claim::code))
        .route("/claim/elsewhere", post(claim_elsewhere::begin))
        .route("/claim/proved", get(claim_elsewhere::get).merge(post(claim_elsewhere::confirm)))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
}

/// The pages on which records are read.
pub fn record_router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
    Arc<Gateway>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    Router::new()
        .route("/record", get(record::summary))
        .route("/record/file/{id}", get(record::file))
        .route("/record/{part}", get(record::list))
        .route("/record/{part}/{id}", get(record::entry))
}

/// The pages on which apps are opened.
pub fn launch_router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
    Arc<Gateway>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    Router::new()
        .route("/launch", get(launch::get).merge(post(launch::post)))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
}

/// 303: the browser goes on with a GET, whatever it sent (RFC 9700 §4.12 forbids 307 after credentials).
#[must_use]
pub fn see_other(location: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, location);
    protect(response, None)
}

/// 301: the page has another address for good.
#[must_use]
fn moved(location: &str) -> Response {
    let mut response = see_other(location);
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response
}

/// A page with status 200.
#[must_use]
pub fn render(page: &impl Template) -> Response {
    render_with(StatusCode::OK, page, None)
}

/// A page; its forms may also lead to `form_target`, an origin or scheme, by way of a redirect.
#[must_use]
pub fn render_with(status: StatusCode, page: &impl Template, form_target: Option<&str>) -> Response {
    match page.render() {
        Ok(html) => protect((status, Html(html)).into_response(), form_target),
        Err(error) => {
            tracing::error!(%error, "a template failed");
            protect(StatusCode::INTERNAL_SERVER_ERROR.into_response(), None)
        }
    }
}

/// A page with a script of our own: everything but that works without it.
fn render_scripted(status: StatusCode, page: &impl Template) -> Response {
    let mut response = render_with(status, page, None);
    let headers = response.headers_mut();
    let policy =
        headers.get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok()).unwrap_or_default();
    let policy = format!("{policy}; script-src 'self'");
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// A page for somebody who is not signed in, whose browser is to be known again.
fn page_for(browser: &Browser, status: StatusCode, page: &impl Template) -> Response {
    let mut response = render_with(status, page, None);
    browser.remember(&mut response);
    response
}

/// Nothing from elsewhere, in no frame, kept by nobody, no address passed on.
fn protect(mut response: Response, form_target: Option<&str>) -> Response {
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; \
         form-action 'self'{}{}",
        if form_target.is_some() { " " } else { "" },
        form_target.unwrap_or_default()
    );
    let headers = response.headers_mut();
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The page or redirect for an answer of the authorization endpoint.
#[must_use]
pub fn answer(answer: AuthorizeAnswer, browser: &Browser, session: &Session) -> Response {
    match answer {
        AuthorizeAnswer::Redirect(redirect) => see_other(&redirect.0),
        AuthorizeAnswer::SignIn { request, hint } => sign_in::page(browser, Some(request), hint),
        AuthorizeAnswer::Encounter { request } => see_other(&format!("/oauth/encounter?request={request}")),
        AuthorizeAnswer::Consent(page) => {
            let mut response = consent::page(&page, session);
            browser.remember(&mut response);
            response
        }
    }
}

#[cfg(test)]
pub(in crate::http) use around::tests::read_by;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A page with what stands around it, in Spanish.
    fn surrounded(hostile: &str) -> Result<String, askama::Error> {
        around::tests::read_by(crate::identity::Language::Spanish, hostile, || {
            people::PeopleTemplate::sample(hostile).render()
        })
    }

    #[test]
    fn a_page_speaks_the_readers_language_and_says_whose_record_it_is_about() {
        let html = surrounded("Ana").unwrap();
        assert!(html.contains("<html lang=\"es\">") && html.contains("Quién puede ver lo mío"), "{html}");
        assert_eq!(html.matches("name=\"person\"").count(), 2, "{html}");
        assert_eq!(html.matches("aria-current=\"true\"").count(), 1, "{html}");
        let alone = people::PeopleTemplate::sample("Ana").render().unwrap();
        assert!(alone.contains("<html lang=\"en\">") && !alone.contains("action=\"/switch\""), "{alone}");
    }

    /// The pages on which records are linked, and the console.
    fn linking(hostile: &'static str) -> Vec<Result<String, askama::Error>> {
        let mut all = crate::http::clinic::samples(hostile);
        all.extend(invite::samples(hostile));
        all.extend(claim::samples(hostile));
        all.extend(record::samples(hostile));
        all.push(invite_account::InviteAccountTemplate::sample(hostile).render());
        all.push(invite_confirm::ConfirmTemplate::sample(hostile).render());
        all.extend([find::sample(hostile), unlink::sample(hostile), claim_elsewhere::sample(hostile)]);
        all.extend(people_invite::InviteProxyTemplate::samples(hostile));
        all
    }

    /// Every template, filled with one value.
    fn all(value: &'static str) -> Vec<Result<String, askama::Error>> {
        let mut all = vec![
            SignInTemplate::sample(value).render(),
            ConsentTemplate::sample(value).render(),
            home::HomeTemplate::sample(value).render(),
            ErrorPage::sample(value).render(),
            people::PeopleTemplate::sample(value).render(),
            access::AccessTemplate::sample(value).render(),
            see_as::SeeAsTemplate::sample(value).render(),
            people_ask::AskTemplate::sample(value).render(),
            apps::AppsTemplate::sample(value).render(),
            form_page::FormPage::sample(value).render(),
            account::AccountTemplate::sample(value).render(),
            account::ContactTemplate::sample(value).render(),
            account::PasskeysTemplate::sample(value).render(),
            passkey_sign_in::PasskeySignInTemplate::sample(value).render(),
            account::SessionsTemplate::sample(value).render(),
            account::IdentitiesTemplate::sample(value).render(),
            launch::LaunchTemplate::sample(value).render(),
            launch::OpenAppTemplate::sample(value).render(),
            encounter::EncounterTemplate::sample(value).render(),
        ];
        all.extend(connect::samples(value));
        all.extend(linking(value));
        all
    }

    /// Every page as it is read in both languages, for the browser tests to look at (`tests/clients/pages.mjs`).
    #[test]
    fn every_page_is_written_down() {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), std::path::PathBuf::from);
        let folder = target.join("page-samples");
        let _absent = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for language in [crate::identity::Language::English, crate::identity::Language::Spanish] {
            let pages = around::tests::read_by(language, "Ana Reed", || all("Ana Reed"));
            assert!(pages.len() > 40);
            for (number, page) in pages.into_iter().enumerate() {
                let name = format!("{number:02}-{}.html", language.as_str());
                std::fs::write(folder.join(name), page.unwrap()).unwrap();
            }
        }
    }

    /// What a page shows, piece by piece, without a value that is in it: text, and what is read out.
    fn shown(html: &str, value: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for part in html.split('<').skip(1) {
            let (tag, text) = part.split_once('>').unwrap_or((part, ""));
            let labels = ["aria-label=\"", "placeholder=\"", "title=\"", "alt=\""];
            let labels = labels.iter().filter_map(|name| tag.split_once(name)?.1.split('"').next());
            found.extend(labels.chain([text]).map(|text| text.replace(value, "").trim().to_owned()));
        }
        found.retain(|text| text.chars().filter(|c| c.is_alphabetic()).count() > 1);
        found
    }

    /// Rule: what a page says in English it does not say to somebody who reads Spanish. Names are the same to all.
    #[test]
    fn a_page_in_spanish_has_no_english_left() {
        use crate::identity::Language::{English, Spanish};
        let read = |language| around::tests::read_by(language, "Ana Reed", || all("Ana Reed"));
        let names = ["Chartgate", "English", "Español", "No"];
        // What samples hold where a page is given words by its handler.
        let samples = ["how", "kind", "problem", "topic", "why", "Back"];
        let is_known = |text: &&String| {
            let text = text.trim_matches(|c: char| !c.is_alphabetic());
            names.contains(&text) || samples.contains(&text)
        };
        let mut left = BTreeSet::new();
        for (english, spanish) in read(English).into_iter().zip(read(Spanish)) {
            let (english, spanish) = (english.unwrap(), spanish.unwrap());
            assert!(spanish.contains("<html lang=\"es\">") && english.contains("<html lang=\"en\">"), "{spanish}");
            let (english, spanish) = (shown(&english, "Ana Reed"), shown(&spanish, "Ana Reed"));
            left.extend(english.intersection(&spanish).filter(|text| !is_known(text)).cloned());
        }
        assert_eq!(left, BTreeSet::new());
    }

    /// Rule: whatever a value holds, the page has no more tags and attributes than it has with a harmless one.
    #[test]
    fn w03_no_template_lets_a_value_out_of_its_place() {
        let hostile = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";
        let surroundings = [(surrounded("x"), surrounded(hostile))];
        let pairs = all("x").into_iter().zip(all(hostile)).chain(surroundings);
        for (harmless, hostile) in pairs {
            let (harmless, hostile) = (harmless.unwrap(), hostile.unwrap());
            let count = |html: &str, c: char| html.matches(c).count();
            for c in ['<', '>', '"', '\''] {
                assert_eq!(count(&harmless, c), count(&hostile, c), "{c} in {hostile}");
            }
            assert!(hostile.contains("&#60;script&#62;"), "{hostile}");
        }
    }

    /// House rule: pages load nothing from elsewhere, run nothing, and tie every field to a label.
    #[test]
    fn w17_pages_are_plain_and_labelled() {
        // The one page with a script of its own is looked at in a browser.
        let is_plain = |html: &String| !html.contains("passkey");
        for html in all("x").into_iter().map(Result::unwrap).filter(is_plain) {
            for forbidden in ["<script", "http://", "https://", "style=\"", " onclick", "javascript:"] {
                assert!(!html.contains(forbidden), "{forbidden} in {html}");
            }
            for needed in ["<html lang=\"en\">", "<main", "<h1", "<title>", "name=\"viewport\""] {
                assert!(html.contains(needed), "{needed} in {html}");
            }
            let fields: usize =
                ["<input", "<select", "<textarea"].iter().map(|field| html.matches(field).count()).sum();
            let visible = fields - html.matches("type=\"hidden\"").count();
            assert_eq!(html.matches("<label").count(), visible, "{html}");
        }
    }
}
