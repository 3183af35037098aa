//! The console of an organization's staff: plain pages, one file each. Every page finds out anew who is at work, and every
//! act is asked of [`Desk`], which knows what each role may do.

mod apps;
mod find;
mod grants;
mod home;
mod invitations;
mod issue;
mod links;
mod organization;
mod proxies;
mod queue;
mod registered_apps;
mod reviews;
mod services;
mod staff;
mod viewers;
mod work;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef, FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use super::error::page_unavailable;
use super::form::LONGEST_FORM;
use super::pages::{ErrorPage, Form, Pages, Posted, Session, forbidden, not_found, render_with, see_other};
use crate::accounts::Accounts;
use crate::authorization::{AuthorizationServer, SignedIn};
use crate::gateway::Gateway;
use crate::http::pages::{say, told};
use crate::http::route::{get, post};
use crate::practice::{AtWork, Desk, DeskError};

#[cfg(test)]
pub(in crate::http) fn samples(hostile: &'static str) -> Vec<Result<String, askama::Error>> {
    let mut all = vec![work::sample(hostile), home::sample(hostile), find::sample(hostile), staff::sample(hostile)];
    all.extend(issue::samples(hostile));
    all.extend([
        invitations::sample(hostile),
        queue::sample(hostile),
        proxies::sample(hostile),
        grants::sample(hostile),
        viewers::sample(hostile),
        reviews::sample(hostile),
        services::sample(hostile),
        apps::sample(hostile),
        registered_apps::sample(hostile),
    ]);
    all.extend([links::sample(hostile), organization::sample(hostile)]);
    all
}

/// The console's routes.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Accounts>: FromRef<S>,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Desk>: FromRef<S>,
    Arc<Gateway>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    Router::new()
        .route("/clinic", get(home::get))
        .route("/clinic/work", get(work::get).merge(post(work::begin)))
        .route("/clinic/work/end", post(work::end))
        .route("/clinic/find", post(find::post))
        .route("/clinic/verify", post(issue::verify))
        .route("/clinic/issue", post(issue::post))
        .route("/clinic/invitations", get(invitations::get))
        .route("/clinic/invitations/reissue", post(invitations::reissue))
        .route("/clinic/invitations/revoke", post(invitations::revoke))
        .route("/clinic/proxies", get(proxies::get))
        .route("/clinic/proxies/decide", post(proxies::decide))
        .route("/clinic/grants", get(grants::get).merge(post(grants::post)))
        .route("/clinic/grants/suspend", post(grants::suspend))
        .route("/clinic/grants/settle", post(grants::settle))
        .route("/clinic/queue", get(queue::get))
        .route("/clinic/queue/close", post(queue::close))
        .route("/clinic/queue/decide", post(queue::decide))
        .route("/clinic/access", get(viewers::get).merge(post(viewers::post)))
        .route("/clinic/reviews", get(reviews::get).merge(post(reviews::post)))
        .route("/clinic/reviews/say", post(reviews::say_what))
        .route("/clinic/links/freeze", post(links::freeze))
        .route("/clinic/links/free", post(links::free))
        .route("/clinic/links/end", post(links::end))
        .route("/clinic/links/exposure", post(links::exposure))
        .route("/clinic/organization", get(organization::get).merge(post(organization::post)))
        .route("/clinic/staff", get(staff::get).merge(post(staff::post)))
        .route("/clinic/apps", get(apps::get).merge(post(apps::post)))
        .route("/clinic/registered-apps", get(registered_apps::get).merge(post(registered_apps::post)))
        .route("/clinic/services", get(services::get).merge(post(services::post)))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
}

/// What every page of the console shows at its head.
pub(super) struct Head {
    style: String,
    form_token: String,
    organization: String,
}

/// Somebody at work.
pub(super) struct Staff {
    pages: Arc<Pages>,
    at_work: AtWork,
}

impl Staff {
    fn head(&self) -> Head {
        Head {
            style: super::pages::style_path(),
            form_token: self.pages.form_token(Form::Clinic, &self.at_work.hash),
            organization: self.at_work.organization.name.clone(),
        }
    }
}

async fn at_work<S>(parts: &Parts, state: &S) -> Result<Staff, Response>
where
    Arc<Desk>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    let pages = Arc::<Pages>::from_ref(state);
    let Some(cookie) = pages.staff(&parts.headers) else { return Err(see_other("/clinic/work")) };
    match Arc::<Desk>::from_ref(state).at_work(cookie).await {
        Ok(Some(at_work)) => Ok(Staff { pages, at_work }),
        Ok(None) => Err(see_other("/clinic/work")),
        Err(error) => Err(page_unavailable(&error)),
    }
}

impl<S> FromRequestParts<S> for Staff
where
    S: Send + Sync,
    Arc<Desk>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        at_work(parts, state).await
    }
}

/// A form that somebody at work posted from a page of the console.
pub(super) struct StaffForm {
    staff: Staff,
    posted: Posted,
}

impl<S> FromRequest<S> for StaffForm
where
    S: Send + Sync,
    Arc<Accounts>: FromRef<S>,
    Arc<Desk>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let staff = at_work(&parts, state).await?;
        let posted = Posted::from_request(Request::from_parts(parts, body), state).await?;
        if posted.is_own(Form::Clinic, &staff.at_work.hash) { Ok(Self { staff, posted }) } else { Err(forbidden()) }
    }
}

/// The session of the same human, who has not begun work.
pub(super) struct Arriving {
    pages: Arc<Pages>,
    signed_in: SignedIn,
}

impl<S> FromRequestParts<S> for Arriving
where
    S: Send + Sync,
    Arc<Accounts>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let session = Session::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let signed_in = session.signed_in().cloned().ok_or_else(|| see_other("/sign-in?next=/clinic"))?;
        Ok(Self { pages: Arc::<Pages>::from_ref(state), signed_in })
    }
}

/// What staff read when something was not done. A field's own problem stands on the page of the form.
pub(super) fn refusal(error: &DeskError) -> Response {
    let (status, title, text) = match error {
        DeskError::NotFound => return not_found(),
        DeskError::Storage(error) => return page_unavailable(error),
        DeskError::NotYours => (StatusCode::FORBIDDEN, say("work.not-yours-do"), say("work.your-role-does").to_owned()),
        DeskError::NeedsSecondFactor => {
            (StatusCode::FORBIDDEN, say("work.second-factor-needed"), say("work.work-begins-after").to_owned())
        }
        DeskError::Unreachable => {
            (StatusCode::BAD_GATEWAY, say("work.ehr-does-not"), say("error.please-try-again-moment").to_owned())
        }
        DeskError::Refused(_, text) => (StatusCode::UNPROCESSABLE_ENTITY, say("work.not-done"), sentence(&told(text))),
    };
    render_with(status, &ErrorPage::new(title, &text), None)
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::Head;

    pub(super) fn head(hostile: &str) -> Head {
        let text = || hostile.to_owned();
        Head { style: text(), form_token: text(), organization: text() }
    }
}
