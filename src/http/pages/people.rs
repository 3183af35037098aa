//! People: who sees one's record, whose records one sees, part by part, and the end of it. To a minor it speaks otherwise.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::around::language;
use super::consent::who_in;
use super::words::{find, say, say_with};
use super::{Form, Posted, Session, not_found, render, see_other};
use crate::accounts::{Asked, Redemptions};
use crate::authorization::{AuthorizationServer, Gone, Shared};
use crate::base::clock::Instant;
use crate::consent::{Category, Extent, Label, Labels, Level};
use crate::gateway::{Gateway, Outlook};
use crate::http::error::page_unavailable;
use crate::identity::{Language, RequestOrigin, RequestState, StatusReason};
use crate::mail::Day;

/// One grant, in words.
struct Row {
    id: String,
    who: String,
    why: &'static str,
    practices: Vec<Practice>,
    may: Vec<String>,
    waits: bool,
    suspended: Option<&'static str>,
    until: Option<String>,
    last_look: Option<String>,
    may_end: bool,
    /// What the holder, as a minor, may add: nothing to choose where there is none.
    choices: Vec<Choice>,
    assented: bool,
}

/// What is seen of one practice's part, category by category.
pub(in crate::http) struct Practice {
    pub(in crate::http) name: String,
    /// Why nothing is, where nothing is.
    pub(in crate::http) shut: Option<&'static str>,
    pub(in crate::http) all: Vec<&'static str>,
    pub(in crate::http) part: Vec<&'static str>,
    pub(in crate::http) outline: Vec<&'static str>,
    pub(in crate::http) nothing: Vec<&'static str>,
}

/// Somebody who sees it no longer.
struct GoneLine {
    who: String,
    since: String,
    why: &'static str,
}

/// What one asked for, and what became of it.
struct Request {
    id: String,
    what: String,
    how: &'static str,
    since: String,
    is_open: bool,
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
    is_minor: bool,
    see_mine: Vec<Row>,
    seen_by_me: Vec<Row>,
    requests: Vec<Request>,
    gone: Vec<GoneLine>,
}

/// What a teenager may show beyond what has no label.
pub(super) const CHOICES: [(&str, &[Label]); 3] = [
    ("mental-health", &[Label::Mh, Label::Bh, Label::Psy, Label::Psythpn, Label::Emotdis]),
    ("sexual-health", &[Label::Sex, Label::Std, Label::Hiv, Label::Pregnant]),
    ("substances", &[Label::Sud, Label::Eth, Label::Ethud, Label::Opioidud]),
];

impl Row {
    fn new(gateway: &Gateway, shared: &Shared, is_mine: bool) -> Self {
        let name = shared.name.as_deref();
        let who = match is_mine {
            true => name.unwrap_or(say("head.somebody")).to_owned(),
            false => who_in(language(), name, Some(shared.basis)),
        };
        let shown = shared.assented.unwrap_or_default();
        let outlook = gateway.outlook(&shared.links, &shared.standing);
        let choice = |(value, labels): &(&'static str, &'static [Label])| Choice {
            value,
            text: say(&format!("topic.{value}")),
            ticked: labels.iter().all(|label| shown.has(*label)),
        };
        Self {
            id: shared.grant.to_string(),
            why: if is_mine { say(&format!("why.{}", shared.basis.as_str())) } else { "" },
            practices: outlook.iter().filter(|outlook| shared.tells_of(outlook)).map(Practice::new).collect(),
            may: may(shared),
            waits: !shared.is_in_effect,
            suspended: shared.suspended.map(why),
            until: shared.until.map(day),
            last_look: shared.last_look.map(day),
            may_end: shared.may_end,
            choices: if shared.takes_assent { CHOICES.iter().map(choice).collect() } else { Vec::new() },
            assented: shared.assented.is_some(),
            who,
        }
    }
}

impl GoneLine {
    fn new(gone: &Gone) -> Self {
        let who = gone.name.as_deref().unwrap_or(say("head.somebody")).to_owned();
        Self { who, since: day(gone.at), why: why(gone.reason) }
    }
}

fn why(reason: StatusReason) -> &'static str {
    say(&format!("reason.{}", reason.as_str()))
}

impl Practice {
    pub(in crate::http) fn new(outlook: &Outlook) -> Self {
        let of = |wanted: Extent| -> Vec<&'static str> {
            let named = Category::ALL.iter().filter_map(|category| {
                let extent = *outlook.extents.as_ref().ok()?.get(category)?;
                (extent == wanted).then(|| find(language(), &format!("category.{}", category.as_str()))).flatten()
            });
            named.collect()
        };
        Self {
            name: outlook.organization.clone(),
            shut: outlook.extents.as_ref().err().map(|rule| say(&format!("rule.{}", rule.as_str()))),
            all: of(Extent::All),
            part: of(Extent::Part),
            outline: of(Extent::Outline),
            nothing: of(Extent::Nothing),
        }
    }

    #[cfg(test)]
    pub(in crate::http) fn sample(hostile: &str) -> Self {
        Self {
            name: hostile.to_owned(),
            shut: Some("shut"),
            all: vec!["a"],
            part: vec!["b"],
            outline: vec!["c"],
            nothing: vec!["d"],
        }
    }
}

impl Request {
    fn new(asked: &Asked) -> Self {
        let request = &asked.request;
        let (draft, said) = (&request.draft, &request.said);
        let proxy = format!("{} {}", draft.given, draft.family);
        let patient = format!("{} {}", said.given.join(" "), said.family);
        let what = match request.origin {
            RequestOrigin::Patient => say_with("people.asked-own", &[("who", &proxy)]),
            _ => say_with("people.asked-for", &[("who", &patient), ("practice", &asked.organization)]),
        };
        let how = match request.state {
            RequestState::Waiting | RequestState::Approved => say("people.request-waits"),
            RequestState::Issued if asked.is_code_open => say("people.request-code"),
            RequestState::Issued if request.origin == RequestOrigin::Patient => say("people.request-done"),
            RequestState::Issued => say("people.request-yes"),
            RequestState::Refused => say("people.request-no"),
            RequestState::Withdrawn => say("people.request-back"),
        };
        // A code that staff hand over is not whoever asked for it to end.
        let is_own_code = asked.is_code_open && request.origin == RequestOrigin::Patient;
        let is_open = request.state.is_open() || is_own_code;
        Self { id: request.id.to_string(), what, how, since: day(request.asked), is_open }
    }
}

/// What a grant lets do, and between which dates, in words.
fn may(shared: &Shared) -> Vec<String> {
    let scope = &shared.scope;
    let mut lines = Vec::new();
    if let Some(period) = &scope.data_period {
        let day = |day: Option<jiff::civil::Date>| day.map_or_else(|| "…".to_owned(), |day| day.to_string());
        lines.push(say_with("people.dated", &[("from", &day(period.from)), ("until", &day(period.until))]));
    }
    if scope.sensitivity != crate::consent::Sensitivity::All {
        lines.push(say("people.not-all-private").to_owned());
    }
    let level = match scope.level {
        Level::View => say("people.may-look"),
        Level::Act | Level::Manage => say("people.may-act"),
    };
    lines.push(level.to_owned());
    lines
}

/// A day in words.
pub(super) fn day(at: Instant) -> String {
    match language() {
        Language::English => Day(at).english(),
        Language::Spanish => Day(at).spanish(),
    }
}

impl PeopleTemplate {
    /// The words for `key`, to a minor in other ones where there are some.
    fn word(&self, key: &str) -> &'static str {
        let simple = key.strip_prefix("people.").filter(|_| self.is_minor);
        let simple = simple.and_then(|key| find(language(), &format!("people-teen.{key}")));
        simple.unwrap_or_else(|| say(key))
    }

    /// The same, with somebody in it.
    fn word_with(&self, key: &str, who: &str) -> String {
        let simple = key.strip_prefix("people.").map(|key| format!("people-teen.{key}"));
        let simple = simple.filter(|simple| self.is_minor && find(language(), simple).is_some());
        say_with(simple.as_deref().unwrap_or(key), &[("who", who)])
    }

    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        let row = |is_full: bool| Row {
            id: text(),
            who: text(),
            why: "why",
            practices: vec![Practice::sample(hostile)],
            may: vec![text()],
            waits: is_full,
            suspended: is_full.then_some("why"),
            until: is_full.then(text),
            last_look: is_full.then(text),
            may_end: is_full,
            choices: CHOICES.iter().map(|(value, _)| Choice { value, text: "topic", ticked: is_full }).collect(),
            assented: is_full,
        };
        Self {
            style: text(),
            form_token: text(),
            is_minor: true,
            see_mine: vec![row(true), row(false)],
            seen_by_me: vec![row(true)],
            requests: vec![Request { id: text(), what: text(), how: "how", since: text(), is_open: true }],
            gone: vec![GoneLine { who: text(), since: text(), why: "why" }],
        }
    }
}

/// `GET /people`.
pub(super) async fn get(
    State(server): State<Arc<AuthorizationServer>>,
    State(gateway): State<Arc<Gateway>>,
    State(redemptions): State<Arc<Redemptions>>,
    session: Session,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let found = futures_util::try_join!(server.people(signed_in), redemptions.asked(signed_in));
    match found {
        Ok((people, asked)) => render(&PeopleTemplate {
            style: super::style::path(),
            form_token: session.pages.form_token(Form::People, &signed_in.hash),
            is_minor: people.is_minor,
            see_mine: people.see_mine.iter().map(|shared| Row::new(&gateway, shared, true)).collect(),
            seen_by_me: people.seen_by_me.iter().map(|shared| Row::new(&gateway, shared, false)).collect(),
            requests: asked.iter().map(Request::new).collect(),
            gone: people.gone.iter().map(GoneLine::new).collect(),
        }),
        Err(error) => page_unavailable(&error),
    }
}

/// `POST /people`: ends a grant, or says what a minor lets a parent see.
pub(super) async fn post(State(server): State<Arc<AuthorizationServer>>, posted: Posted) -> Response {
    let signed_in = match posted.of_session(Form::People) {
        Ok(signed_in) => signed_in,
        Err(response) => return *response,
    };
    let Ok(grant) = posted.text("grant").parse() else { return not_found() };
    let done = match posted.text("do") {
        "end" => server.end_grant(&signed_in, grant).await,
        "show" => server.assent(&signed_in, grant, Some(ticked(&posted))).await,
        "hide" => server.assent(&signed_in, grant, None).await,
        _ => return not_found(),
    };
    match done {
        Ok(true) => see_other("/people"),
        Ok(false) => not_found(),
        Err(error) => page_unavailable(&error),
    }
}

/// The labels of the topics that were ticked; what is no topic is none.
pub(super) fn ticked(posted: &Posted) -> Labels {
    let known = posted.all("label").filter(|ticked| CHOICES.iter().any(|(value, _)| value == ticked));
    labels_of(known).unwrap_or_default()
}

/// The labels of these topics; `None` when one of them is none.
pub(in crate::http) fn labels_of<'t>(mut topics: impl Iterator<Item = &'t str>) -> Option<Labels> {
    topics.try_fold(Labels::default(), |labels, topic| {
        let (_, of_topic) = CHOICES.iter().find(|(value, _)| *value == topic)?;
        Some(labels.and(of_topic.iter().copied().collect()))
    })
}
