//! The flow of data from a record, stopped and freed, and what was looked at through a link that was wrong.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::{Head, StaffForm, refusal};
use crate::http::pages::say;
use crate::http::pages::{ErrorPage, render, render_with, see_other};
use crate::practice::{Desk, DeskError, Exposed, Exposure, LookedBy};

struct Look {
    at: String,
    by: &'static str,
    app: String,
    what: String,
    count: i64,
}

#[derive(Template)]
#[template(path = "clinic/exposure.html")]
struct ExposureTemplate {
    head: Head,
    from: String,
    until: String,
    looks: Vec<Look>,
    is_cut: bool,
}

#[cfg(test)]
pub(super) fn sample(hostile: &'static str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    let look = Look { at: text(), by: hostile, app: text(), what: text(), count: 3 };
    let head = super::tests::head(hostile);
    ExposureTemplate { head, from: text(), until: text(), looks: vec![look], is_cut: true }.render()
}

impl Look {
    fn new(look: Exposed) -> Self {
        Self {
            at: look.at.to_fhir(),
            by: match look.by {
                LookedBy::Holder => say("work.whoever-was-linked"),
                LookedBy::Proxy => say("work.somebody-who-acts"),
                LookedBy::Staff => say("work.staff-practice-at"),
                LookedBy::Service => say("work.service"),
            },
            app: look.app,
            what: look.what,
            count: look.count,
        }
    }
}

/// `POST /clinic/links/freeze`: from a patient that was found.
pub(super) async fn freeze(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let chart = (posted.text("source"), posted.text("patient"));
    match desk.freeze(&staff.at_work.member, chart).await {
        Ok(()) => {
            let text = say("work.nothing-flows-from");
            let page = ErrorPage::new(say("work.stopped"), text).leading_to("/clinic", say("work.back-desk"));
            render_with(StatusCode::OK, &page, None)
        }
        Err(error) => refusal(&error),
    }
}

/// `POST /clinic/links/free`: from something that waits.
pub(super) async fn free(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let Ok(link) = posted.text("link").parse() else { return refusal(&DeskError::NotFound) };
    match desk.free(&staff.at_work.member, link).await {
        Ok(()) => see_other("/clinic/queue"),
        Err(error) => refusal(&error),
    }
}

/// `POST /clinic/links/end`: it was not this person's record.
pub(super) async fn end(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let Ok(link) = posted.text("link").parse() else { return refusal(&DeskError::NotFound) };
    match desk.end_wrong(&staff.at_work.member, link).await {
        Ok(()) => see_other("/clinic/queue"),
        Err(error) => refusal(&error),
    }
}

/// `POST /clinic/links/exposure`: by POST, as looking is recorded.
pub(super) async fn exposure(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let Ok(link) = posted.text("link").parse() else { return refusal(&DeskError::NotFound) };
    match desk.exposure(&staff.at_work.member, link).await {
        Ok(Exposure { from, until, looks, is_cut }) => render(&ExposureTemplate {
            head: staff.head(),
            from: from.to_fhir(),
            until: until.to_fhir(),
            looks: looks.into_iter().map(Look::new).collect(),
            is_cut,
        }),
        Err(error) => refusal(&error),
    }
}
