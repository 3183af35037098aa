//! The consent page.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::{Form, Session, render_with, words};
use crate::authorization::{AtWork, ConsentItem, ConsentPage, Problem};
use crate::http::pages::{say, say_with, told};
use crate::identity::{GrantBasis, Language};
use crate::smart::words::Heading;

struct PersonChoice {
    value: String,
    who: String,
    chosen: bool,
}

struct Box {
    value: String,
    text: String,
    is_part: bool,
    ticked: bool,
}

struct Group {
    heading: String,
    boxes: Vec<Box>,
}

/// What the consent page shows.
#[derive(Template)]
#[template(path = "consent.html")]
pub struct ConsentTemplate {
    style: String,
    form_token: String,
    request: String,
    app: String,
    is_unchecked: bool,
    at_work: Option<AtWork>,
    destination: String,
    persons: Vec<PersonChoice>,
    groups: Vec<Group>,
    others: Vec<Box>,
    tells_person: bool,
    person_problem: bool,
    nothing_problem: bool,
}

/// Who a record belongs to, in words.
pub(super) fn who(name: Option<&str>, basis: Option<GrantBasis>) -> String {
    who_in(super::around::language(), name, basis)
}

/// The same in a language.
pub(super) fn who_in(language: Language, name: Option<&str>, basis: Option<GrantBasis>) -> String {
    let word = |key: &str| words::find(language, key).unwrap_or_default();
    match (basis, name) {
        (None, None) => word("head.you").to_owned(),
        (None, Some(name)) => format!("{name} ({})", word("head.own")),
        (Some(basis), name) => {
            format!("{} ({})", name.unwrap_or(word("head.somebody")), word(&format!("who.{}", basis.as_str())))
        }
    }
}

/// What limits, where it has words. They have a group of their own: another text may read the same.
fn limit_word(code: &str) -> Option<&'static str> {
    words::find(super::around::language(), &format!("limit.{code}"))
}

/// A limit, with every alternative of its value: what is granted is what people read.
fn limit((name, value): &(String, String)) -> String {
    // A token search value: the code says more to people than the address of its code system.
    let code = |token: &str| {
        let code = token.rsplit('|').next().filter(|code| !code.is_empty()).unwrap_or(token);
        limit_word(code).map_or_else(|| code.replace('-', " "), str::to_owned)
    };
    let codes: Vec<String> = value.split(',').map(code).collect();
    format!("{}: {}", limit_word(name).unwrap_or(name), codes.join(&format!(" {} ", say("sign-in.or"))))
}

/// What a box stands for, in words.
pub(in crate::http) fn box_text(item: &ConsentItem) -> String {
    let mut text = told(item.text);
    if !item.limits.is_empty() {
        let limits: Vec<String> = item.limits.iter().map(limit).collect();
        text = say_with("consent.limited", &[("what", &text), ("limits", &limits.join(say("consent.and")))]);
    }
    if item.writes {
        text.push_str(say("consent.writes"));
    }
    text
}

fn tick_box(item: &ConsentItem) -> Box {
    Box { value: item.value.clone(), text: box_text(item), is_part: item.is_part, ticked: item.ticked }
}

impl ConsentTemplate {
    fn new(page: &ConsentPage, form_token: String) -> Self {
        let of = |heading: Option<Heading>| -> Vec<Box> {
            page.items.iter().filter(|item| item.heading == heading).map(tick_box).collect()
        };
        let groups = Heading::ALL
            .into_iter()
            .map(|heading| Group { heading: told(heading.text()), boxes: of(Some(heading)) })
            .filter(|group| !group.boxes.is_empty());
        Self {
            style: super::style::path(),
            form_token,
            request: page.request.clone(),
            app: page.app.clone(),
            is_unchecked: page.is_unchecked,
            at_work: page.at_work.clone(),
            destination: destination(&page.redirect_uri),
            persons: page
                .persons
                .iter()
                .map(|person| PersonChoice {
                    value: person.person.to_string(),
                    who: match &page.at_work {
                        Some(_) => {
                            person.name.clone().unwrap_or_else(|| say("consent.patient-without-name").to_owned())
                        }
                        None => who(person.name.as_deref(), person.basis),
                    },
                    chosen: person.chosen,
                })
                .collect(),
            groups: groups.collect(),
            others: of(None),
            tells_person: page.tells_person,
            person_problem: page.problem == Some(Problem::Person),
            nothing_problem: page.problem == Some(Problem::Nothing),
        }
    }

    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        let tick_box = || Box { value: text(), text: text(), is_part: true, ticked: true };
        Self {
            style: text(),
            form_token: text(),
            request: text(),
            app: text(),
            is_unchecked: true,
            at_work: Some(AtWork { practice: text(), minutes: 60 }),
            destination: text(),
            persons: vec![PersonChoice { value: text(), who: text(), chosen: true }],
            groups: vec![Group { heading: text(), boxes: vec![tick_box()] }],
            others: vec![tick_box()],
            tells_person: true,
            person_problem: true,
            nothing_problem: true,
        }
    }
}

/// The origin that a redirect URI leads to, or its scheme when it is an app's own: for people, and for `form-action`,
/// without which Chromium blocks the redirect that answers the form.
fn destination(redirect_uri: &str) -> String {
    match url::Url::parse(redirect_uri) {
        Ok(url) if url.origin().is_tuple() => url.origin().ascii_serialization(),
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => String::new(),
    }
}

/// The page.
pub(super) fn page(page: &ConsentPage, session: &Session) -> Response {
    let owner = session.signed_in().map(|signed_in| signed_in.hash).unwrap_or_default();
    let template = ConsentTemplate::new(page, session.pages.form_token(Form::Consent, &owner));
    let status = if page.problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    render_with(status, &template, Some(&template.destination))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alternative_of_a_limit_is_shown() {
        for (value, expected) in [
            ("laboratory", "category: laboratory"),
            ("http://a.example|vital-signs", "category: vital signs"),
            ("http://a.example|mental-health,http://a.example|laboratory", "category: mental health or laboratory"),
            ("mental-health,x|laboratory", "category: mental health or laboratory"),
            ("http://a.example|", "category: http://a.example|"),
        ] {
            assert_eq!(limit(&("category".to_owned(), value.to_owned())), expected);
        }
    }

    #[test]
    fn destinations_are_origins_or_schemes() {
        for (uri, expected) in [
            ("https://app.test/cb?x=1", "https://app.test"),
            ("http://127.0.0.1:5000/cb", "http://127.0.0.1:5000"),
            ("http://[::1]:5000/cb", "http://[::1]:5000"),
            ("com.example.app:/cb", "com.example.app:"),
        ] {
            assert_eq!(destination(uri), expected);
        }
    }
}
