use crate::http::pages::say;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

/// A page that says what went wrong.
#[derive(Clone, Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    style: String,
    title: String,
    text: String,
    /// Where it leads: an address of ours, and what it is called.
    link: Option<(&'static str, &'static str)>,
}

impl ErrorPage {
    /// A page with this title and text.
    #[must_use]
    pub fn new(title: &str, text: &str) -> Self {
        Self { style: super::style::path(), title: title.to_owned(), text: text.to_owned(), link: None }
    }

    /// The same, with a way on.
    #[must_use]
    pub fn leading_to(self, address: &'static str, words: &'static str) -> Self {
        Self { link: Some((address, words)), ..self }
    }

    /// The page with values that must be escaped.
    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        Self::new(hostile, hostile)
    }
}

/// A request whose head is too large.
#[must_use]
pub fn head_too_large() -> Response {
    let text = say("error.your-browser-sent");
    super::render_with(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, &ErrorPage::new(say("error.too-much"), text), None)
}

/// A path that no route has.
#[must_use]
pub fn not_found() -> Response {
    let text = say("error.there-no-page");
    super::render_with(StatusCode::NOT_FOUND, &ErrorPage::new(say("error.not-found"), text), None)
}

/// A form that did not come from a page of ours, or from one that is too old.
#[must_use]
pub fn forbidden() -> Response {
    let text = say("error.form-too-old");
    super::render_with(StatusCode::FORBIDDEN, &ErrorPage::new(say("error.please-try-again"), text), None)
}
