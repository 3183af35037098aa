use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{Head, Staff, StaffForm, refusal};
use crate::http::pages::{render, say, say_with, see_other, told};
use crate::identity::StaffAct;
use crate::practice::{Desk, DeskError, QueuedClaim, Ruling, Stopped, TaskLine};

struct Task {
    id: String,
    words: &'static str,
    patient: String,
    since: String,
    /// The link that it is about.
    link: Option<String>,
    /// Whether words wait for whoever looks.
    has_words: bool,
}

struct Claim {
    id: String,
    said: String,
    since: String,
    doubts: String,
    candidate: Option<Candidate>,
}

/// A link that is stopped, or ended as wrong.
struct Stop {
    link: String,
    patient: String,
    why: String,
    since: String,
    is_frozen: bool,
}

struct Candidate {
    source: String,
    patient: String,
    name: String,
    birth_date: String,
    numbers: String,
    phones: String,
}

#[derive(Template)]
#[template(path = "clinic/queue.html")]
struct QueueTemplate {
    head: Head,
    tasks: Vec<Task>,
    claims: Vec<Claim>,
    stops: Vec<Stop>,
    frees: bool,
    sees_exposure: bool,
}

#[cfg(test)]
pub(super) fn sample(hostile: &'static str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    let candidate = Candidate {
        source: text(),
        patient: text(),
        name: text(),
        birth_date: text(),
        numbers: text(),
        phones: text(),
    };
    let claim = Claim { id: text(), said: text(), since: text(), doubts: text(), candidate: Some(candidate) };
    let task = Task { id: text(), words: hostile, patient: text(), since: text(), link: Some(text()), has_words: true };
    let stop = Stop { link: text(), patient: text(), why: text(), since: text(), is_frozen: true };
    let head = super::tests::head(hostile);
    let (tasks, claims, stops) = (vec![task], vec![claim], vec![stop]);
    QueueTemplate { head, tasks, claims, stops, frees: true, sees_exposure: true }.render()
}

fn day(at: crate::base::clock::Instant) -> String {
    at.to_fhir().chars().take(10).collect()
}

impl Task {
    fn new(line: TaskLine, reviews: bool) -> Self {
        let has_words = reviews && line.is_about_words();
        Self {
            id: line.task.id.to_string(),
            words: say(&format!("task.{}", line.task.kind.as_str())),
            patient: line.patient.unwrap_or_default(),
            since: day(line.task.created),
            link: line.task.object.strip_prefix("Link/").map(str::to_owned),
            has_words,
        }
    }
}

impl Claim {
    fn new(queued: QueuedClaim) -> Self {
        let QueuedClaim { claim, candidate } = queued;
        let said = &claim.said;
        let name = format!("{} {}", said.given, said.family);
        let who = [("name", name.as_str()), ("day", said.birth_date.as_str())];
        let chart = claim.chart.clone();
        let candidate = candidate.zip(chart).map(|(patient, (source, id))| Candidate {
            source: source.to_string(),
            patient: id,
            name: patient.display(),
            birth_date: patient.birth_date.clone().unwrap_or_default(),
            numbers: patient.numbers.join(", "),
            phones: patient.contacts.iter().map(|known| known.contact.text()).collect::<Vec<_>>().join(", "),
        });
        Self {
            id: claim.id.to_string(),
            said: if said.number.is_empty() {
                say_with("queue.elsewhere", &who)
            } else {
                say_with("queue.numbered", &[who.as_slice(), &[("number", said.number.as_str())]].concat())
            },
            since: day(claim.made),
            doubts: claim.reasons.iter().map(told).collect::<Vec<_>>().join(", "),
            candidate,
        }
    }
}

impl Stop {
    fn new(stopped: Stopped) -> Self {
        Self {
            link: stopped.link.to_string(),
            patient: stopped.patient,
            why: told(stopped.reason),
            since: day(stopped.at),
            is_frozen: stopped.is_frozen,
        }
    }
}

/// `GET /clinic/queue`: everything that waits, with its age.
pub(super) async fn get(State(desk): State<Arc<Desk>>, staff: Staff) -> Response {
    match page(&desk, &staff).await {
        Ok(page) => render(&page),
        Err(error) => refusal(&error),
    }
}

async fn page(desk: &Desk, staff: &Staff) -> Result<QueueTemplate, DeskError> {
    let member = &staff.at_work.member;
    let tasks = desk.tasks(member).await?.into_iter();
    let tasks = tasks.map(|line| Task::new(line, member.may(StaffAct::ReviewWords))).collect();
    let claims = if member.may(StaffAct::DecideClaim) { desk.claims(member).await? } else { Vec::new() };
    let stops = if member.may(StaffAct::SeeExposure) { desk.stopped(member).await? } else { Vec::new() };
    Ok(QueueTemplate {
        head: staff.head(),
        tasks,
        stops: stops.into_iter().map(Stop::new).collect(),
        claims: claims.into_iter().map(Claim::new).collect(),
        frees: member.may(StaffAct::FreezeLink),
        sees_exposure: member.may(StaffAct::SeeExposure),
    })
}

/// `POST /clinic/queue/close`.
pub(super) async fn close(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let Ok(id) = posted.text("id").parse() else { return refusal(&DeskError::NotFound) };
    match desk.close_task(&staff.at_work.member, id, posted.text("outcome")).await {
        Ok(()) => see_other("/clinic/queue"),
        Err(error) => refusal(&error),
    }
}

/// `POST /clinic/queue/decide`.
pub(super) async fn decide(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let Ok(id) = posted.text("id").parse() else { return refusal(&DeskError::NotFound) };
    let text = |name: &str| posted.text(name).to_owned();
    let ruling = if posted.text("answer") == "accept" {
        Ruling::Accept { source: text("source"), patient: text("patient") }
    } else {
        Ruling::Refuse
    };
    match desk.decide(&staff.at_work.member, id, ruling).await {
        Ok(()) => see_other("/clinic/queue"),
        Err(error) => refusal(&error),
    }
}
