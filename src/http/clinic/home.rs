use askama::Template;
use axum::extract::State;
use axum::response::Response;
use std::sync::Arc;

use super::{Head, Staff, refusal};
use crate::http::pages::render;
use crate::identity::StaffAct;
use crate::practice::{Desk, DeskError};

#[derive(Template)]
#[template(path = "clinic/home.html")]
struct HomeTemplate {
    head: Head,
    finds: bool,
    sees_codes: bool,
    sees_queue: bool,
    edits_staff: bool,
    edits_services: bool,
    edits_organization: bool,
    waiting: usize,
    decides: bool,
    proxies: usize,
    explains: bool,
    reviews: bool,
    suspends: bool,
    opens_apps: bool,
    edits_apps: bool,
}

#[cfg(test)]
pub(super) fn sample(hostile: &str) -> Result<String, askama::Error> {
    let head = super::tests::head(hostile);
    HomeTemplate {
        head,
        finds: true,
        sees_codes: true,
        sees_queue: true,
        edits_staff: true,
        edits_services: true,
        edits_organization: true,
        waiting: 3,
        decides: true,
        proxies: 2,
        explains: true,
        reviews: true,
        suspends: true,
        opens_apps: true,
        edits_apps: true,
    }
    .render()
}

/// `GET /clinic`.
pub(super) async fn get(State(desk): State<Arc<Desk>>, staff: Staff) -> Response {
    match page(&desk, &staff).await {
        Ok(page) => render(&page),
        Err(error) => refusal(&error),
    }
}

async fn page(desk: &Desk, staff: &Staff) -> Result<HomeTemplate, DeskError> {
    let member = &staff.at_work.member;
    let mut waiting = 0;
    if member.may(StaffAct::SeeTasks) {
        waiting += desk.tasks(member).await?.len();
    }
    if member.may(StaffAct::DecideClaim) {
        waiting += desk.claims(member).await?.len();
    }
    let proxies = if member.may(StaffAct::ApproveProxy) { desk.proxy_requests(member).await?.len() } else { 0 };
    Ok(HomeTemplate {
        head: staff.head(),
        finds: member.may(StaffAct::FindPatient),
        sees_codes: member.may(StaffAct::SeeInvitations),
        sees_queue: member.may(StaffAct::SeeTasks),
        edits_staff: member.may(StaffAct::EditStaff),
        edits_services: member.may(StaffAct::EditServices),
        edits_organization: member.may(StaffAct::EditOrganization),
        waiting,
        decides: member.may(StaffAct::ApproveProxy),
        proxies,
        explains: member.may(StaffAct::ExplainAccess),
        reviews: member.may(StaffAct::ReviewWords),
        suspends: member.may(StaffAct::SuspendGrant),
        opens_apps: member.may(StaffAct::OpenApp),
        edits_apps: member.may(StaffAct::EditApps),
    })
}
