//! The first page after sign-in.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::consent::who_in;
use super::{Form, Session, language, render, say_with, see_other};
use crate::accounts::{Accounts, ChartOverview, Connected, Overview};
use crate::http::error::page_unavailable;

struct PersonRow {
    id: String,
    who: String,
    charts: Vec<ChartRow>,
}

struct ChartRow {
    practice: String,
    /// Where to connect it, when that has to be done.
    connect: Option<String>,
    again: bool,
    /// Where to disconnect it, when that can be done.
    disconnect: Option<String>,
    /// Where to unlink it, when it is one's own.
    unlink: Option<String>,
    /// What became of its practice.
    note: Option<String>,
}

/// What the first page shows.
#[derive(Template)]
#[template(path = "home.html")]
pub(super) struct HomeTemplate {
    style: String,
    form_token: String,
    username: String,
    persons: Vec<PersonRow>,
}

impl HomeTemplate {
    fn new(overview: Overview, form_token: String) -> Self {
        let mut persons = overview.persons;
        // The record in view first; the others keep their order.
        let in_view = super::around::in_view();
        persons.sort_by_key(|person| in_view.is_some_and(|shown| shown != person.person));
        let persons = persons.into_iter();
        Self {
            style: super::style::path(),
            form_token,
            username: overview.username,
            persons: persons
                .map(|person| PersonRow {
                    id: person.person.to_string(),
                    who: who_in(language(), person.name.as_deref(), person.basis),
                    charts: person
                        .charts
                        .into_iter()
                        .map(|chart| ChartRow::new(chart, person.basis.is_none()))
                        .collect(),
                })
                .collect(),
        }
    }

    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        let chart = |connect, again| ChartRow {
            practice: text(),
            connect,
            again,
            disconnect: again.then(text),
            unlink: Some(text()),
            note: Some(text()),
        };
        Self {
            style: text(),
            form_token: text(),
            username: text(),
            persons: vec![
                PersonRow { id: text(), who: text(), charts: vec![chart(None, false), chart(Some(text()), true)] },
                PersonRow { id: text(), who: text(), charts: vec![chart(Some(text()), false)] },
                PersonRow { id: text(), who: text(), charts: vec![] },
            ],
        }
    }
}

impl ChartRow {
    fn new(chart: ChartOverview, is_own: bool) -> Self {
        let connect = (chart.connected != Connected::Yes).then(|| format!("/connect?link={}", chart.link));
        let disconnect = chart.may_disconnect.then(|| format!("/disconnect?link={}", chart.link));
        let unlink = is_own.then(|| format!("/unlink?link={}", chart.link));
        let note = chart.left_behind.map(|left| {
            let formerly = left.formerly;
            let practice = [("practice", formerly.as_str())];
            if left.must_come { say_with("home.must-come", &practice) } else { say_with("home.looked-for", &practice) }
        });
        let again = chart.connected == Connected::NoLonger;
        Self { practice: chart.practice, connect, again, disconnect, unlink, note }
    }
}

/// `GET /`.
pub(super) async fn get(State(accounts): State<Arc<Accounts>>, session: Session) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    match accounts.overview(signed_in.account).await {
        Ok(Some(overview)) => {
            let form_token = session.pages.form_token(Form::SignOut, &signed_in.hash);
            render(&HomeTemplate::new(overview, form_token))
        }
        Ok(None) => see_other("/sign-in"),
        Err(error) => page_unavailable(&error),
    }
}
