//! "Let somebody see my record": who, how far, what they would see, and the code for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::account::{Instead, Next, proved};
use super::around::language;
use super::people::{CHOICES, Practice, day, ticked};
use super::words::{find, say};
use super::{Form, Posted, Session, render_with, see_other};
use crate::accounts::{Accounts, HandOutError, HandedOut, NewProxy, Redemptions};
use crate::authorization::SignedIn;
use crate::base::clock::Instant;
use crate::consent::{Action, Category, GrantScope, Labels, Level, Sensitivity};
use crate::gateway::Gateway;
use crate::http::error::page_unavailable;

struct Choice {
    value: &'static str,
    text: &'static str,
    ticked: bool,
}

/// What was typed.
#[derive(Default)]
struct Typed {
    given: String,
    family: String,
    birth_date: String,
    until: String,
    acts: bool,
    uses_app: bool,
}

/// What the page shows.
#[derive(Template)]
#[template(path = "people_invite.html")]
pub(super) struct InviteProxyTemplate {
    style: String,
    form_token: String,
    is_of_age: bool,
    typed: Typed,
    categories: Vec<Choice>,
    topics: Vec<Choice>,
    preview: Option<Vec<Practice>>,
    /// The field that has to be looked at again; empty for none in particular.
    field: &'static str,
    problem: Option<&'static str>,
    /// The code and the last day on which it can be used; or that the practice decides.
    code: Option<(String, String)>,
    waits: bool,
}

impl InviteProxyTemplate {
    fn new(session_token: String, is_of_age: bool, posted: Option<&Posted>) -> Self {
        let is_ticked = |name: &str, value: &str| posted.is_some_and(|posted| posted.all(name).any(|v| v == value));
        let of_category = |category: &Category| {
            let text = find(language(), &format!("category.{}", category.as_str()))?;
            let ticked = posted.is_none() || is_ticked("category", category.as_str());
            Some(Choice { value: category.as_str(), text, ticked })
        };
        let of_topic = |(value, _): &(&'static str, _)| Choice {
            value,
            text: say(&format!("topic.{value}")),
            ticked: is_ticked("label", value),
        };
        let text = |name: &str| posted.map(|posted| posted.text(name).to_owned()).unwrap_or_default();
        Self {
            style: super::style::path(),
            form_token: session_token,
            is_of_age,
            typed: Typed {
                given: text("given"),
                family: text("family"),
                birth_date: text("birth_date"),
                until: text("until"),
                acts: is_ticked("acts", "yes"),
                uses_app: is_ticked("uses_app", "yes"),
            },
            categories: Category::ALL.iter().filter_map(of_category).collect(),
            topics: CHOICES.iter().map(of_topic).collect(),
            preview: None,
            field: "",
            problem: None,
            code: None,
            waits: false,
        }
    }

    #[cfg(test)]
    pub(super) fn samples(hostile: &'static str) -> Vec<Result<String, askama::Error>> {
        let text = || hostile.to_owned();
        let page = |code: Option<(String, String)>, waits| Self {
            style: text(),
            typed: Typed { given: text(), family: text(), birth_date: text(), until: text(), ..Typed::default() },
            preview: Some(vec![Practice::sample(hostile)]),
            field: "proxy_family",
            problem: Some("problem"),
            code,
            waits,
            ..Self::new(text(), true, None)
        };
        vec![page(None, false).render(), page(Some((text(), text())), false).render(), page(None, true).render()]
    }
}

/// `GET /people/invite`.
pub(super) async fn get(
    State(accounts): State<Arc<Accounts>>,
    State(redemptions): State<Arc<Redemptions>>,
    session: Session,
) -> Result<Response, Instead> {
    let signed_in = proved(&accounts, &session, Next::Share)?;
    let Some(is_of_age) = redemptions.is_of_age(signed_in).await? else { return Ok(see_other("/people")) };
    let token = session.pages.form_token(Form::Proxy, &signed_in.hash);
    Ok(super::render(&InviteProxyTemplate::new(token, is_of_age, None)))
}

/// `POST /people/invite`: what they would see, or the code for them.
pub(super) async fn post(
    State(accounts): State<Arc<Accounts>>,
    State(redemptions): State<Arc<Redemptions>>,
    State(gateway): State<Arc<Gateway>>,
    posted: Posted,
) -> Result<Response, Instead> {
    let signed_in = posted.of_session(Form::Proxy).map_err(|response| Instead::of(*response))?;
    proved(&accounts, &posted.session, Next::Share)?;
    let Some(is_of_age) = redemptions.is_of_age(&signed_in).await? else { return Ok(see_other("/people")) };
    let token = posted.browser.pages.form_token(Form::Proxy, &signed_in.hash);
    let mut page = InviteProxyTemplate::new(token, is_of_age, Some(&posted));
    let done = match posted.text("do") {
        "see" => {
            see(&redemptions, &gateway, &signed_in, &posted, is_of_age).await.map(|seen| page.preview = Some(seen))
        }
        _ => hand_out(&redemptions, &signed_in, &posted, is_of_age).await.map(|done| match done {
            HandedOut::Code(code, until) => page.code = Some((code.expose().clone(), day(until))),
            HandedOut::Waits => page.waits = true,
        }),
    };
    match done {
        Ok(()) => Ok(super::render(&page)),
        Err(HandOutError::Storage(error)) => Ok(page_unavailable(&error)),
        Err(error) => {
            (page.field, page.problem) = (field_of(&error), Some(problem(&error)));
            Ok(render_with(StatusCode::UNPROCESSABLE_ENTITY, &page, None))
        }
    }
}

async fn see(
    redemptions: &Redemptions,
    gateway: &Gateway,
    signed_in: &SignedIn,
    posted: &Posted,
    is_of_age: bool,
) -> Result<Vec<Practice>, HandOutError> {
    let (links, standing) = redemptions.preview(signed_in, scope(posted, is_of_age)?).await?;
    Ok(gateway.outlook(&links, &standing).iter().map(Practice::new).collect())
}

async fn hand_out(
    redemptions: &Redemptions,
    signed_in: &SignedIn,
    posted: &Posted,
    is_of_age: bool,
) -> Result<HandedOut, HandOutError> {
    let text = |name: &str| posted.text(name).to_owned();
    let new = NewProxy {
        given: text("given"),
        family: text("family"),
        birth_date: text("birth_date"),
        scope: scope(posted, is_of_age)?,
        until: last_moment(posted.text("until"))?,
    };
    redemptions.hand_out(signed_in, new).await
}

fn scope(posted: &Posted, is_of_age: bool) -> Result<GrantScope, HandOutError> {
    Ticked {
        categories: posted.all("category").filter_map(Category::parse).collect(),
        labels: ticked(posted),
        acts: posted.text("acts") == "yes",
        uses_app: posted.text("uses_app") == "yes",
    }
    .scope(is_of_age)
}

/// What somebody ticked of how far another one is to see their record.
pub(in crate::http) struct Ticked {
    pub(in crate::http) categories: BTreeSet<Category>,
    pub(in crate::http) labels: Labels,
    pub(in crate::http) acts: bool,
    pub(in crate::http) uses_app: bool,
}

impl Ticked {
    /// How far that is. Who is of age ticks what is left out; of a minor's private topics nothing is seen but what is ticked.
    pub(in crate::http) fn scope(self, is_of_age: bool) -> Result<GrantScope, HandOutError> {
        let Self { categories, labels, acts, uses_app } = self;
        if categories.is_empty() {
            return Err(HandOutError::Field("categories"));
        }
        let offered = Category::ALL.iter().filter(|c| !matches!(c, Category::Derived | Category::Directory));
        let is_all = offered.into_iter().all(|category| categories.contains(category));
        Ok(GrantScope {
            actions: uses_app.then_some(Action::ConnectApp).into_iter().collect(),
            categories: (!is_all).then_some(categories),
            sensitivity: match is_of_age {
                true if labels.is_empty() => Sensitivity::All,
                true => Sensitivity::AllBut(labels),
                false => Sensitivity::Only(labels),
            },
            ..GrantScope::whole(if acts { Level::Act } else { Level::View })
        })
    }
}

/// The end of the last day, where one was typed.
pub(in crate::http) fn last_moment(typed: &str) -> Result<Option<Instant>, HandOutError> {
    if typed.trim().is_empty() {
        return Ok(None);
    }
    let wrong = || HandOutError::Field("until");
    let day: jiff::civil::Date = typed.trim().parse().map_err(|_| wrong())?;
    let end = day.tomorrow().and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC)).map_err(|_| wrong())?;
    Ok(Some(Instant::from_micros(end.timestamp().as_microsecond())))
}

/// The field that an error is about.
pub(super) const fn field_of(error: &HandOutError) -> &'static str {
    match error {
        HandOutError::Field(name) => name,
        _ => "",
    }
}

/// What a page says of an error.
pub(super) fn problem(error: &HandOutError) -> &'static str {
    match error {
        HandOutError::Held => say("invite.held"),
        HandOutError::TooMany => say("invite.too-many"),
        HandOutError::NoRecord => say("invite.no-record"),
        HandOutError::Field("proxy_given" | "proxy_family" | "given" | "family") => say("invite.field-name"),
        HandOutError::Field("categories") => say("invite.field-categories"),
        HandOutError::Field("practice") => say("invite.field-practice"),
        HandOutError::Field("document") => say("invite.field-document"),
        HandOutError::Field(_) => say("invite.field-date"),
        HandOutError::Storage(_) => "",
    }
}
