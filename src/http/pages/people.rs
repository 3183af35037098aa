//! People: who sees one's record, whose records one sees, and the end of it.

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::consent::who;
use super::{Form, Session, forbidden, not_found, render, see_other};
use crate::authorization::{AuthorizationServer, Shared};
use crate::base::clock::Instant;
use crate::consent::{Label, Labels, Level};
use crate::http::error::page_unavailable;
use crate::http::form::{field, form_pairs};
use crate::identity::GrantBasis;

/// One grant, in words.
struct Row {
    id: String,
    who: String,
    why: String,
    sees: Vec<String>,
    waits: bool,
    until: Option<String>,
    may_end: bool,
    /// What the holder, as a minor, may add: nothing to choose where there is none.
    choices: Vec<Choice>,
    assented: bool,
}

struct Choice {
    value: &'static str,
    text: &'static str,
    ticked: bool,
}

/// What the page shows.
#[derive(Template)]
#[template(path = "people.html")]
pub(super) struct PeopleTemplate {
    style: String,
    form_token: String,
    see_mine: Vec<Row>,
    seen_by_me: Vec<Row>,
}

/// What a teenager may show beyond what has no label, in their words.
const CHOICES: [(&str, &str, &[Label]); 3] = [
    ("mental-health", "Mental health", &[Label::Mh, Label::Bh, Label::Psy, Label::Psythpn, Label::Emotdis]),
    (
        "sexual-health",
        "Sexual health, birth control and pregnancy",
        &[Label::Sex, Label::Std, Label::Hiv, Label::Pregnant],
    ),
    ("substances", "Alcohol and drugs", &[Label::Sud, Label::Eth, Label::Ethud, Label::Opioidud]),
];

impl Row {
    fn new(shared: &Shared, is_mine: bool) -> Self {
        let name = shared.name.as_deref();
        let who = if is_mine { name.unwrap_or("Somebody").to_owned() } else { who(name, Some(shared.basis)) };
        let shown = shared.assented.unwrap_or_default();
        let choice = |(value, text, labels): &(&'static str, &'static str, &[Label])| Choice {
            value,
            text,
            ticked: labels.iter().all(|label| shown.has(*label)),
        };
        Self {
            id: shared.grant.to_string(),
            who,
            why: if is_mine { right(shared.basis).to_owned() } else { String::new() },
            sees: sees(shared),
            waits: !shared.is_in_effect,
            until: shared.until.map(day),
            may_end: shared.may_end,
            choices: if shared.takes_assent { CHOICES.iter().map(choice).collect() } else { Vec::new() },
            assented: shared.assented.is_some(),
        }
    }
}

/// By what right somebody sees one's record, in words.
const fn right(basis: GrantBasis) -> &'static str {
    match basis {
        GrantBasis::Parent => "is your parent",
        GrantBasis::GuardianMinor | GrantBasis::GuardianAdult => "is your guardian",
        GrantBasis::HealthCarePowerOfAttorney => "holds your power of attorney for health care",
        GrantBasis::PatientConsent => "because you said so",
        GrantBasis::BestInterest => "because a clinician said that it is best for you",
        GrantBasis::Foster => "cares for you",
        GrantBasis::Executor => "will be your executor",
    }
}

/// What a grant shows and lets do, in words.
fn sees(shared: &Shared) -> Vec<String> {
    let scope = &shared.scope;
    let mut lines = vec![match &scope.categories {
        None => "May see every part of the record that the rules allow".to_owned(),
        Some(some) => {
            let names: Vec<&str> = some.iter().map(|category| category.as_str()).collect();
            format!("May see: {}", names.join(", "))
        }
    }];
    if let Some(period) = &scope.data_period {
        let day = |day: Option<jiff::civil::Date>| day.map_or_else(|| "…".to_owned(), |day| day.to_string());
        lines.push(format!("Only what is dated {} to {}", day(period.from), day(period.until)));
    }
    if scope.sensitivity != crate::consent::Sensitivity::All {
        lines.push("Not all sensitive information".to_owned());
    }
    lines.push(match scope.level {
        Level::View => "May look, and not act".to_owned(),
        Level::Act | Level::Manage => "May act with the practice, as far as the rules allow".to_owned(),
    });
    lines
}

fn day(at: Instant) -> String {
    at.to_fhir().split('T').next().unwrap_or_default().to_owned()
}

impl PeopleTemplate {
    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        let row = |is_full: bool| Row {
            id: text(),
            who: text(),
            why: text(),
            sees: vec![text()],
            waits: is_full,
            until: is_full.then(text),
            may_end: is_full,
            choices: CHOICES.iter().map(|(value, text, _)| Choice { value, text, ticked: is_full }).collect(),
            assented: is_full,
        };
        Self { style: text(), form_token: text(), see_mine: vec![row(true), row(false)], seen_by_me: vec![row(true)] }
    }
}

/// `GET /people`.
pub(super) async fn get(State(server): State<Arc<AuthorizationServer>>, session: Session) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    match server.people(signed_in).await {
        Ok(people) => render(&PeopleTemplate {
            style: super::style::path(),
            form_token: session.pages.form_token(Form::People, &signed_in.hash),
            see_mine: people.see_mine.iter().map(|shared| Row::new(shared, true)).collect(),
            seen_by_me: people.seen_by_me.iter().map(|shared| Row::new(shared, false)).collect(),
        }),
        Err(error) => page_unavailable(&error),
    }
}

/// `POST /people`: ends a grant, or says what a minor lets a parent see.
pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let form = form_pairs(&headers, &body).unwrap_or_default();
    if !session.pages.is_own_form(&headers, Form::People, &signed_in.hash, field(&form, "form_token")) {
        return forbidden();
    }
    let Some(grant) = field(&form, "grant").and_then(|id| id.parse().ok()) else { return not_found() };
    let done = match field(&form, "do") {
        Some("end") => server.end_grant(signed_in, grant).await,
        Some("show") => server.assent(signed_in, grant, Some(ticked(&form))).await,
        Some("hide") => server.assent(signed_in, grant, None).await,
        _ => return not_found(),
    };
    match done {
        Ok(true) => see_other("/people"),
        Ok(false) => not_found(),
        Err(error) => page_unavailable(&error),
    }
}

fn ticked(form: &[(String, String)]) -> Labels {
    let is_ticked = |value: &str| form.iter().any(|(name, ticked)| name == "label" && ticked == value);
    CHOICES.iter().filter(|(value, ..)| is_ticked(value)).flat_map(|(_, _, labels)| labels.iter().copied()).collect()
}
