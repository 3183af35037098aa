use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::{Arriving, StaffForm, refusal};
use crate::http::error::page_unavailable;
use crate::http::pages::say;
use crate::http::pages::{ErrorPage, Form, Posted, render, render_with, see_other, style_path, told};
use crate::practice::{Desk, DeskError};

struct Place {
    id: String,
    name: String,
    roles: String,
}

#[derive(Template)]
#[template(path = "clinic/work.html")]
struct WorkTemplate {
    style: String,
    form_token: String,
    places: Vec<Place>,
}

#[cfg(test)]
pub(super) fn sample(hostile: &str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    let places = vec![Place { id: text(), name: text(), roles: text() }];
    WorkTemplate { style: text(), form_token: text(), places }.render()
}

/// `GET /clinic/work`: where to work.
pub(super) async fn get(State(desk): State<Arc<Desk>>, arriving: Arriving) -> Response {
    let memberships = match desk.memberships(arriving.signed_in.account).await {
        Ok(memberships) => memberships,
        Err(error) => return page_unavailable(&error),
    };
    let places = memberships.into_iter().map(|(organization, member)| Place {
        id: organization.id.to_string(),
        name: organization.name,
        roles: member.roles.iter().map(|role| told(role.as_str())).collect::<Vec<_>>().join(", "),
    });
    render(&WorkTemplate {
        style: style_path(),
        form_token: arriving.pages.form_token(Form::Clinic, &arriving.signed_in.hash),
        places: places.collect(),
    })
}

/// `POST /clinic/work`.
pub(super) async fn begin(State(desk): State<Arc<Desk>>, posted: Posted) -> Response {
    let Some(signed_in) = posted.session.signed_in() else { return see_other("/sign-in?next=/clinic") };
    if !posted.is_own(Form::Clinic, &signed_in.hash) {
        return crate::http::pages::forbidden();
    }
    let Ok(organization) = posted.text("organization").parse() else { return refusal(&DeskError::NotFound) };
    match desk.begin_work(signed_in, organization).await {
        Ok(cookie) => {
            let mut response = see_other("/clinic");
            posted.browser.pages.set_staff(&mut response, Some(cookie.expose()));
            response
        }
        Err(DeskError::NotYours) => {
            let text = say("work.work-begins-within");
            let page = ErrorPage::new(say("work.sign-again"), text)
                .leading_to("/sign-in?next=/clinic", say("sign-in.sign-in"));
            render_with(StatusCode::FORBIDDEN, &page, None)
        }
        Err(DeskError::NeedsSecondFactor) => {
            let text = say("work.set-up-second-factor");
            let page =
                ErrorPage::new(say("work.second-factor-needed"), text).leading_to("/account", say("home.account"));
            render_with(StatusCode::FORBIDDEN, &page, None)
        }
        Err(error) => refusal(&error),
    }
}

/// `POST /clinic/work/end`.
pub(super) async fn end(State(desk): State<Arc<Desk>>, StaffForm { staff, .. }: StaffForm) -> Response {
    match desk.end_work(&staff.at_work).await {
        Ok(()) => {
            let mut response = see_other("/");
            staff.pages.set_staff(&mut response, None);
            response
        }
        Err(error) => page_unavailable(&error),
    }
}
