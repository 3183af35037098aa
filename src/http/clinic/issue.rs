//! "Verify in person": what was shown, and the code that comes of it. Two clicks from a patient to the slip.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::{Head, StaffForm, refusal};
use crate::http::pages::{Posted, qr_path, render, render_with, say, see_other, told};
use crate::identity::matching::birth_date;
use crate::identity::{Channel, Document, GrantBasis, ProxyDraft, StaffAct, StatusReason};
use crate::practice::{Desk, DeskError, Handed, Issued, NewInvitation, NewProofing};

pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) words: &'static str,
}

#[derive(Template)]
#[template(path = "clinic/verify.html")]
struct VerifyTemplate {
    head: Head,
    source: String,
    patient: String,
    name: String,
    documents: Vec<Choice>,
    bases: Vec<Choice>,
    proxies: bool,
    problem: Option<String>,
}

/// A code on paper: neutral words, so that the slip says nothing to whoever finds it.
#[derive(Template)]
#[template(path = "clinic/slip.html")]
pub(super) struct SlipTemplate {
    pub(super) head: Head,
    pub(super) code: Option<String>,
    pub(super) sent_to: Option<String>,
    pub(super) handle: String,
    pub(super) address: String,
    pub(super) until: String,
    pub(super) qr: String,
    pub(super) qr_size: usize,
}

#[cfg(test)]
pub(super) fn samples(hostile: &'static str) -> [Result<String, askama::Error>; 2] {
    let text = || hostile.to_owned();
    let choice = || vec![Choice { value: hostile, words: hostile }];
    [
        VerifyTemplate {
            head: super::tests::head(hostile),
            source: text(),
            patient: text(),
            name: text(),
            documents: choice(),
            bases: choice(),
            proxies: true,
            problem: Some(text()),
        }
        .render(),
        SlipTemplate {
            head: super::tests::head(hostile),
            code: Some(text()),
            sent_to: Some(text()),
            handle: text(),
            address: text(),
            until: text(),
            qr: text(),
            qr_size: 29,
        }
        .render(),
    ]
}

/// `POST /clinic/verify`: the form for one patient.
pub(super) async fn verify(StaffForm { staff, posted }: StaffForm) -> Response {
    if !staff.at_work.member.may(StaffAct::Verify) {
        return refusal(&DeskError::NotYours);
    }
    render(&form(&staff, &posted, None))
}

/// The papers to choose from.
fn documents() -> Vec<Choice> {
    Document::ALL.iter().map(|d| Choice { value: d.as_str(), words: say(&format!("paper.{}", d.as_str())) }).collect()
}

fn form(staff: &super::Staff, posted: &Posted, problem: Option<String>) -> VerifyTemplate {
    VerifyTemplate {
        head: staff.head(),
        source: posted.text("source").to_owned(),
        patient: posted.text("patient").to_owned(),
        name: posted.text("name").to_owned(),
        documents: documents(),
        bases: GrantBasis::ALL
            .iter()
            .filter(|basis| **basis != GrantBasis::Executor)
            .map(|basis| Choice { value: basis.as_str(), words: basis_words(*basis) })
            .collect(),
        proxies: staff.at_work.member.may(StaffAct::IssueProxy),
        problem,
    }
}

pub(super) fn basis_words(basis: GrantBasis) -> &'static str {
    say(&format!("basis.{}", basis.as_str()))
}

/// The reasons of one kind that staff choose from, in the reader's language.
pub(super) fn reasons(is_one: fn(StatusReason) -> bool) -> Vec<Choice> {
    let all = StatusReason::ALL.iter().filter(|reason| is_one(**reason) && reason.is_for_staff());
    all.map(|reason| Choice { value: reason.as_str(), words: say(&format!("reason.{}", reason.as_str())) }).collect()
}

/// `POST /clinic/issue`.
pub(super) async fn post(State(desk): State<Arc<Desk>>, StaffForm { staff, posted }: StaffForm) -> Response {
    let chart = (posted.text("source"), posted.text("patient"));
    let (seen, new) = match read(&posted) {
        Ok(read) => read,
        Err(problem) => return again(&staff, &posted, problem),
    };
    match desk.verify_and_issue(&staff.at_work.member, chart, seen, new).await {
        Ok(Handed::Code(issued)) => slip(&staff, &issued),
        Ok(Handed::Waits) => see_other("/clinic/proxies"),
        Err(DeskError::Refused(_, problem)) => again(&staff, &posted, &problem),
        Err(error) => refusal(&error),
    }
}

fn again(staff: &super::Staff, posted: &Posted, problem: &str) -> Response {
    render_with(StatusCode::UNPROCESSABLE_ENTITY, &form(staff, posted, Some(super::sentence(&told(problem)))), None)
}

/// What staff say that they saw.
pub(super) fn seen(posted: &Posted) -> Result<NewProofing, &'static str> {
    Ok(NewProofing {
        document: Document::parse(posted.text("document")).ok_or("say what was shown")?,
        issuer: posted.filled("issuer"),
        expires: posted.filled("document_expires"),
        photo_compared: posted.text("photo_compared") == "yes",
        attested_by: posted.filled("attested_by"),
    })
}

fn read(posted: &Posted) -> Result<(NewProofing, NewInvitation), &'static str> {
    let proofing = seen(posted)?;
    let channel = Channel::parse(posted.text("channel")).ok_or("say how the code is handed over")?;
    let proxy = match posted.filled("proxy_family") {
        None => None,
        Some(family) => Some(proxy(posted, family)?),
    };
    Ok((proofing, NewInvitation { channel, proxy }))
}

fn proxy(posted: &Posted, family: String) -> Result<ProxyDraft, &'static str> {
    let date = |name: &str| match posted.filled(name) {
        None => Ok(None),
        Some(typed) => birth_date(&typed).map(Some).ok_or("type whole dates, such as 1980-02-28"),
    };
    Ok(ProxyDraft {
        basis: posted.text("basis").to_owned(),
        family,
        given: posted.text("proxy_given").trim().to_owned(),
        birth_date: date("proxy_birth_date")?,
        until: date("until")?.and_then(|day| {
            let day: jiff::civil::Date = day.parse().ok()?;
            let end = day.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
            Some(end.timestamp().as_microsecond())
        }),
        scope: None,
        person: None,
        is_own_word: false,
        sources: None,
    })
}

/// The page to print or to read out.
pub(super) fn slip(staff: &super::Staff, issued: &Issued) -> Response {
    let address = format!("{}/invite", staff.pages.issuer());
    let code = issued.code.as_ref().map(|code| code.expose().clone());
    // The address alone: a code in it would stand in histories and logs (security design, I05).
    let (qr, qr_size) = qr_path(&address);
    render(&SlipTemplate {
        head: staff.head(),
        code,
        sent_to: issued.sent_to.clone(),
        handle: issued.invitation.handle.clone(),
        until: issued.invitation.expires.to_fhir().chars().take(10).collect(),
        address,
        qr,
        qr_size,
    })
}
