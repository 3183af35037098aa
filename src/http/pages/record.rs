//! The record in pages: what REST answers to an app, for people to read. Nothing is read here but what the gateway
//! releases for the one who is signed in.

mod entry;
mod file;
mod find;
mod line;
mod list;
mod part;
mod summary;

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use super::{Session, not_found, see_other};
use crate::access::Subject;
use crate::accounts::Accounts;
use crate::authorization::AuthorizationServer;
use crate::base::id::{AccountId, PersonId};
use crate::gateway::{Gateway, Refusal};
use crate::http::error::page_unavailable;
use crate::http::form::{field, query_pairs};
use crate::http::pages::say;
use crate::http::pages::{Pages, told};
use crate::identity::Assurance;

#[cfg(test)]
pub(super) use self::samples::samples;
pub(super) use self::{entry::get as entry, file::get as file, list::get as list, summary::get as summary};

/// Whose record is open, and what the one who opened it may read of it.
pub(super) struct Viewed {
    gateway: Arc<Gateway>,
    subject: Arc<Subject>,
    header: Header,
    query: Vec<(String, String)>,
}

/// What every page of a record says above all: whose it is, and how to change that.
#[derive(Clone, Debug)]
struct Header {
    person: String,
    who: String,
    /// It is somebody else's: their rules say how much of it is shown.
    is_partial: bool,
    /// A practice has not seen yet that this is who they say: it shows little until then.
    is_limited: bool,
}

impl Viewed {
    async fn open(
        (server, gateway): (Arc<AuthorizationServer>, Arc<Gateway>),
        account: AccountId,
        query: Vec<(String, String)>,
    ) -> Result<Self, Response> {
        let asked = match field(&query, "person") {
            Some(id) => Some(id.parse::<PersonId>().map_err(|_| not_found())?),
            None => super::around::in_view(),
        };
        let Some(asked) = asked else { return Err(see_other("/")) };
        let reached = server.reached(account, asked).await.map_err(|error| page_unavailable(&error))?;
        let reached = reached.ok_or_else(not_found)?;
        let header = Header {
            person: reached.person.to_string(),
            // As the head of the page calls them; somebody of whom nothing is shown is not in it.
            who: super::around::who(reached.person)
                .or(reached.name)
                .unwrap_or_else(|| say("launch.this-person").to_owned()),
            is_partial: !reached.subject.standing.as_ref().is_some_and(|standing| standing.is_own),
            is_limited: reached.subject.links.iter().any(|link| link.assurance == Assurance::Claimed),
        };
        Ok(Self { gateway, subject: reached.subject, header, query })
    }

    fn asked(&self, name: &str) -> Option<&str> {
        field(&self.query, name).filter(|text| !text.is_empty())
    }
}

impl<S> FromRequestParts<S> for Viewed
where
    S: Send + Sync,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
    Arc<Gateway>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let session = Session::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let Some(signed_in) = session.signed_in() else { return Err(see_other("/sign-in?next=/record")) };
        let from = (FromRef::from_ref(state), FromRef::from_ref(state));
        Self::open(from, signed_in.account, query_pairs(parts.uri.query())).await
    }
}

/// What a page says in place of entries that cannot be had.
fn refused(refusal: &Refusal) -> Vec<String> {
    let issues = refusal.issues();
    match refusal {
        Refusal::Unavailable { .. } if !issues.is_empty() => {
            issues.into_iter().map(|issue| told(issue.details_text)).collect()
        }
        Refusal::Denied(_) => vec![say("record.part-record-not").to_owned()],
        Refusal::Throttled { .. } => vec![say("record.too-many-pages").to_owned()],
        _ => vec![say("record.not-now").to_owned()],
    }
}

/// The addresses of the parts, each the last of the key of its words.
#[cfg(test)]
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    part::PARTS.iter().map(|part| part.path)
}

#[cfg(test)]
mod samples {
    use askama::Template as _;

    use super::line::{Fact, File, Line};
    use super::*;

    pub(super) fn header(hostile: &str) -> Header {
        let text = || hostile.to_owned();
        Header { person: text(), who: text(), is_partial: true, is_limited: true }
    }

    pub(super) fn line(hostile: &str) -> Line {
        let text = || hostile.to_owned();
        Line {
            id: text(),
            title: text(),
            when: text(),
            state: Some(text()),
            facts: vec![Fact { name: "Note", text: text() }, Fact { name: "Value", text: text() }],
            files: vec![File { name: text(), id: text() }],
            practice: text(),
            codes: vec![text()],
        }
    }

    /// Every page of a record, with this text wherever a text from elsewhere stands.
    pub(in crate::http::pages) fn samples(hostile: &str) -> Vec<Result<String, askama::Error>> {
        vec![
            summary::SummaryTemplate::sample(hostile).render(),
            list::ListTemplate::sample(hostile).render(),
            entry::EntryTemplate::sample(hostile).render(),
        ]
    }
}
