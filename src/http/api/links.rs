//! Which charts are whose, and the end of a link.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::Problem;
use super::account::{answer, done};
use super::body::Id;
use super::session::Caller;
use crate::accounts::{Accounts, ChartOverview, Connected, PersonOverview, UnlinkReason};
use crate::base::id::LinkId;

/// `GET /api/v1/links`: the persons that the account reaches, its holder first, with their charts.
pub(super) async fn list(State(accounts): State<Arc<Accounts>>, Caller(who): Caller) -> Result<Response, Problem> {
    let overview = accounts.overview(who.account).await?.ok_or(Problem::NOT_SIGNED_IN)?;
    let persons: Vec<Value> = overview.persons.iter().map(person).collect();
    Ok(answer(json!({ "persons": persons })))
}

fn person(person: &PersonOverview) -> Value {
    let charts: Vec<Value> = person.charts.iter().map(|chart| describe(chart, person.basis.is_none())).collect();
    json!({
        "person": person.person.to_string(),
        "name": person.name,
        "basis": person.basis.map(crate::identity::GrantBasis::as_str),
        "charts": charts,
    })
}

fn describe(chart: &ChartOverview, is_own: bool) -> Value {
    json!({
        "link": chart.link.to_string(),
        "practice": chart.practice,
        "connected": match chart.connected {
            Connected::Yes => "yes",
            Connected::NotYet => "not-yet",
            Connected::NoLonger => "no-longer",
        },
        "formerly": chart.left_behind.as_ref().map(|left| &left.formerly),
        "must_come_to_the_desk": chart.left_behind.as_ref().is_some_and(|left| left.must_come),
        "may_disconnect": chart.may_disconnect,
        "may_unlink": is_own,
    })
}

/// `DELETE /api/v1/links/{id}`.
pub(super) async fn unlink(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
    Id(id): Id<LinkId>,
) -> Result<Response, Problem> {
    let ended = accounts.unlink(&who, id, UnlinkReason::Unwanted).await?;
    if ended { Ok(done()) } else { Err(Problem::NOT_FOUND) }
}

/// `POST /api/v1/links/{id}/not-mine`: the record is somebody else's. The practice is told.
pub(super) async fn not_mine(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
    Id(id): Id<LinkId>,
) -> Result<Response, Problem> {
    let ended = accounts.unlink(&who, id, UnlinkReason::NotMine).await?;
    if ended { Ok(done()) } else { Err(Problem::NOT_FOUND) }
}
