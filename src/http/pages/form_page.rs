//! A page that says something and asks for little: what most pages about an account are.

use std::borrow::Cow;

use askama::Template;
use axum::response::Response;
use http::StatusCode;

/// A line that somebody types.
#[derive(Clone, Debug)]
pub(super) struct Field {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    autocomplete: &'static str,
    value: String,
}

impl Field {
    pub(super) const fn text(name: &'static str, label: &'static str, autocomplete: &'static str) -> Self {
        Self { name, label, kind: "text", autocomplete, value: String::new() }
    }

    pub(super) const fn password(name: &'static str, label: &'static str, autocomplete: &'static str) -> Self {
        Self { name, label, kind: "password", autocomplete, value: String::new() }
    }

    #[cfg(test)]
    pub(super) fn holding(mut self, value: &str) -> Self {
        value.clone_into(&mut self.value);
        self
    }
}

/// The page.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "form.html")]
pub(super) struct FormPage {
    style: String,
    title: String,
    paragraphs: Vec<String>,
    items: Vec<String>,
    action: &'static str,
    form_token: String,
    hidden: Vec<(&'static str, String)>,
    fields: Vec<Field>,
    problem: Option<String>,
    submit: Option<String>,
    links: Vec<(String, Cow<'static, str>)>,
}

impl FormPage {
    pub(super) fn new(title: &str) -> Self {
        Self { style: super::style::path(), title: title.to_owned(), ..Self::default() }
    }

    pub(super) fn says(mut self, text: impl Into<String>) -> Self {
        self.paragraphs.push(text.into());
        self
    }

    pub(super) fn lists(mut self, items: Vec<String>) -> Self {
        self.items = items;
        self
    }

    /// A form that posts to `action`.
    pub(super) fn asks(mut self, action: &'static str, form_token: String, submit: &str) -> Self {
        self.action = action;
        self.form_token = form_token;
        self.submit = Some(submit.to_owned());
        self
    }

    pub(super) fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    pub(super) fn hidden(mut self, name: &'static str, value: &str) -> Self {
        self.hidden.push((name, value.to_owned()));
        self
    }

    pub(super) fn link(self, path: &'static str, text: &'static str) -> Self {
        self.link_to(path.to_owned(), text)
    }

    pub(super) fn link_to(mut self, address: String, text: &'static str) -> Self {
        self.links.push((address, Cow::Borrowed(text)));
        self
    }

    pub(super) fn link_named(mut self, address: String, text: String) -> Self {
        self.links.push((address, Cow::Owned(text)));
        self
    }

    pub(super) fn problem(mut self, problem: Option<String>) -> Self {
        self.problem = problem;
        self
    }

    pub(super) fn respond(&self) -> Response {
        self.respond_with(if self.problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK })
    }

    pub(super) fn respond_with(&self, status: StatusCode) -> Response {
        super::render_with(status, self, None)
    }

    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        Self::new(hostile)
            .says(text())
            .lists(vec![text()])
            .asks("/x", text(), hostile)
            .field(Field::text("a", "A", "off").holding(hostile))
            .field(Field::password("b", "B", "current-password"))
            .hidden("c", hostile)
            .link_to(text(), "Back")
            .problem(Some(text()))
    }
}
