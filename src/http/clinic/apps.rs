//! A clinician opens an app for a patient (SMART App Launch 2.2 §2.0.7, EHR launch).

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::{Head, Staff, StaffForm, refusal, sentence};
use crate::authorization::{AuthorizationServer, LaunchError, LaunchableApp};
use crate::http::pages::{leave, render, told};
use crate::identity::StaffAct;
use crate::oauth::client::ClientId;
use crate::practice::{Desk, DeskError};

struct AppChoice {
    client: String,
    name: String,
}

#[derive(Template)]
#[template(path = "clinic/apps.html")]
struct AppsTemplate {
    head: Head,
    apps: Vec<AppChoice>,
    number: String,
    problem: Option<String>,
}

#[cfg(test)]
pub(super) fn sample(hostile: &'static str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    let apps = vec![AppChoice { client: text(), name: text() }];
    AppsTemplate { head: super::tests::head(hostile), apps, number: text(), problem: Some(text()) }.render()
}

async fn page(server: &AuthorizationServer, staff: &Staff, number: &str, problem: Option<String>) -> Response {
    let apps = match server.launchable_apps(true).await {
        Ok(apps) => apps,
        Err(error) => return refusal(&DeskError::Storage(error)),
    };
    let choice = |app: LaunchableApp| AppChoice { client: app.client.to_string(), name: app.name };
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let apps = apps.into_iter().map(choice).collect();
    (status, render(&AppsTemplate { head: staff.head(), apps, number: number.to_owned(), problem })).into_response()
}

/// `GET /clinic/apps`.
pub(super) async fn get(State(server): State<Arc<AuthorizationServer>>, staff: Staff) -> Response {
    match staff.at_work.member.may(StaffAct::OpenApp) {
        true => page(&server, &staff, "", None).await,
        false => refusal(&DeskError::NotYours),
    }
}

/// `POST /clinic/apps`: to the app's own page.
pub(super) async fn post(
    State(desk): State<Arc<Desk>>,
    State(server): State<Arc<AuthorizationServer>>,
    StaffForm { staff, posted }: StaffForm,
) -> Response {
    let (member, number) = (&staff.at_work.member, posted.text("number"));
    let Some(client) = ClientId::parse(posted.text("app")) else { return refusal(&DeskError::NotFound) };
    let person = match desk.patient_to_open_for(member, number).await {
        Ok(person) => person,
        Err(DeskError::Refused(_, problem)) => {
            return page(&server, &staff, number, Some(sentence(&told(problem)))).await;
        }
        Err(error) => return refusal(&error),
    };
    match server.open_app_at_work(member, &client, person).await {
        Ok(opened) => leave(opened),
        Err(LaunchError::Storage(error)) => refusal(&DeskError::Storage(error)),
        Err(LaunchError::NoApp | LaunchError::NoPerson) => refusal(&DeskError::NotFound),
    }
}
