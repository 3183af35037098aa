use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{Head, Staff, StaffForm, issue, refusal};
use crate::http::pages::say;
use crate::http::pages::{render, see_other};
use crate::identity::{Channel, MOST_WRONG_ANSWERS, StaffAct};
use crate::practice::{Desk, DeskError, Seen};

struct Line {
    id: String,
    handle: String,
    patient: String,
    kind: &'static str,
    standing: &'static str,
    channel: &'static str,
    contact: String,
    issued: String,
    until: String,
    tries_left: i64,
    can_reissue: bool,
    can_revoke: bool,
}

#[derive(Template)]
#[template(path = "clinic/invitations.html")]
struct InvitationsTemplate {
    head: Head,
    lines: Vec<Line>,
}

#[cfg(test)]
pub(super) fn sample(hostile: &'static str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    let line = Line {
        id: text(),
        handle: text(),
        patient: text(),
        kind: hostile,
        standing: hostile,
        channel: hostile,
        contact: text(),
        issued: text(),
        until: text(),
        tries_left: 2,
        can_reissue: true,
        can_revoke: true,
    };
    InvitationsTemplate { head: super::tests::head(hostile), lines: vec![line] }.render()
}

/// `GET /clinic/invitations`: codes and how they fare. Never a code, and never whether somebody has an account elsewhere.
pub(super) async fn get(State(desk): State<Arc<Desk>>, staff: Staff) -> Response {
    let member = &staff.at_work.member;
    let line = |seen: Seen| {
        let is_open = matches!(seen.standing, "issued" | "opened");
        let issues = if seen.invitation.proxy.is_some() { StaffAct::IssueProxy } else { StaffAct::IssueSelf };
        let day = |at: crate::base::clock::Instant| at.to_fhir().chars().take(10).collect::<String>();
        Line {
            id: seen.invitation.id.to_string(),
            kind: if seen.invitation.proxy.is_some() { say("desk.somebody-who-acts") } else { say("desk.for") },
            patient: seen.patient.unwrap_or_else(|| say("desk.a-patient").to_owned()),
            standing: seen.standing,
            channel: seen.invitation.channel.as_str(),
            contact: seen.contact.unwrap_or_else(|| say("desk.none-file").to_owned()),
            issued: day(seen.invitation.issued),
            until: day(seen.invitation.expires),
            tries_left: MOST_WRONG_ANSWERS.saturating_sub(seen.invitation.wrong_answers),
            can_reissue: seen.standing != "redeemed" && member.may(issues),
            can_revoke: is_open && member.may(StaffAct::Revoke),
            handle: seen.invitation.handle,
        }
    };
    match desk.invitations(member).await {
        Ok(all) => render(&InvitationsTemplate { head: staff.head(), lines: all.into_iter().map(line).collect() }),
        Err(error) => refusal(&error),
    }
}

/// `POST /clinic/invitations/reissue`.
pub(super) async fn reissue(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let Ok(id) = posted.text("id").parse() else { return refusal(&DeskError::NotFound) };
    let channel = Channel::parse(posted.text("channel")).unwrap_or(Channel::Slip);
    match desk.reissue(&staff.at_work.member, id, channel).await {
        Ok(issued) => issue::slip(&staff, &issued),
        Err(error) => refusal(&error),
    }
}

/// `POST /clinic/invitations/revoke`.
pub(super) async fn revoke(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let Ok(id) = posted.text("id").parse() else { return refusal(&DeskError::NotFound) };
    match desk.revoke(&staff.at_work.member, id).await {
        Ok(()) => see_other("/clinic/invitations"),
        Err(error) => refusal(&error),
    }
}
