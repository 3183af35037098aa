//! The slow way: a narrative written anew from what is allowed in it.

use super::check::DEEPEST;
use super::policy::{self, XHTML};

/// What a reader sees where nothing could be kept (FHIR R4 txt-2: a narrative has content).
const NOTHING: &str = "This text cannot be shown.";

/// What is allowed of `xhtml`, within one `div`.
pub(super) fn clean(xhtml: &str) -> String {
    let mut writer = Writer::default();
    let mut rest = xhtml;
    while let Some(at) = rest.find('<') {
        let (text, markup) = rest.split_at_checked(at).unwrap_or((rest, ""));
        writer.text(text);
        rest = writer.markup(markup);
    }
    writer.text(rest);
    writer.end()
}

#[derive(Default)]
struct Writer {
    out: String,
    /// The root first.
    open: Vec<&'static str>,
    /// Whether a reader sees anything.
    visible: bool,
}

/// A start tag as it was found.
struct Tag<'a> {
    name: String,
    attributes: Vec<(String, &'a str)>,
    self_closing: bool,
}

impl Writer {
    /// Takes what begins with `<`, and returns what follows it.
    fn markup<'a>(&mut self, markup: &'a str) -> &'a str {
        let inner = markup.get(1..).unwrap_or_default();
        if let Some(comment) = inner.strip_prefix("!--") {
            return behind(comment, "-->");
        }
        if inner.starts_with(['!', '?']) {
            return behind(inner, ">");
        }
        if let Some(end) = inner.strip_prefix('/')
            && end.starts_with(|c: char| c.is_ascii_alphabetic())
        {
            self.end_tag(&name_of(end));
            return behind(end, ">");
        }
        if !inner.starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.text("<");
            return inner;
        }
        let Some((tag, rest)) = start_tag(inner) else { return "" };
        if policy::goes_whole(&tag.name) {
            return if tag.self_closing { rest } else { behind_element(rest, &tag.name) };
        }
        self.start_tag(&tag);
        rest
    }

    fn start_tag(&mut self, tag: &Tag<'_>) {
        let Some(element) = policy::element(tag.name.as_bytes()) else { return };
        if self.open.is_empty() {
            let root = element == "div";
            self.root(if root { &tag.attributes } else { &[] });
            if root {
                return;
            }
        }
        if policy::is_void(element) {
            self.visible |= element == "img";
            self.write_tag(element, &tag.attributes, "/>");
        } else if self.open.len() < DEEPEST {
            self.write_tag(element, &tag.attributes, ">");
            self.open.push(element);
            if tag.self_closing {
                self.end_tag(element);
            }
        }
    }

    fn root(&mut self, attributes: &[(String, &str)]) {
        if self.open.is_empty() {
            let mut all = vec![("xmlns".to_owned(), XHTML)];
            all.extend(attributes.iter().filter(|(name, _)| name != "xmlns").cloned());
            self.write_tag("div", &all, ">");
            self.open.push("div");
        }
    }

    fn write_tag(&mut self, element: &str, attributes: &[(String, &str)], end: &str) {
        self.out.push('<');
        self.out.push_str(element);
        let mut written: Vec<&str> = Vec::new();
        for (name, value) in attributes {
            let value = attribute_text(value);
            if !written.contains(&name.as_str()) && policy::allows(element, name.as_bytes(), value.as_bytes()) {
                self.out.extend([" ", name.as_str(), "=\"", value.as_str(), "\""]);
                written.push(name);
            }
        }
        self.out.push_str(end);
    }

    /// Closes the innermost element of this name and what is open in it; the root stays open to the end.
    fn end_tag(&mut self, name: &str) {
        let Some(at) = self.open.iter().rposition(|open| *open == name).filter(|at| *at > 0) else { return };
        for element in self.open.split_off(at).into_iter().rev() {
            self.out.extend(["</", element, ">"]);
        }
    }

    fn text(&mut self, text: &str) {
        if self.open.is_empty() && text.trim().is_empty() {
            return;
        }
        self.root(&[]);
        let before = self.out.len();
        escape_into(text, &mut self.out);
        self.visible |= self.out.get(before..).is_some_and(|written| !written.trim().is_empty());
    }

    fn end(mut self) -> String {
        if !self.visible {
            self.text(NOTHING);
        }
        for element in std::mem::take(&mut self.open).into_iter().rev() {
            self.out.extend(["</", element, ">"]);
        }
        self.out
    }
}

/// Text for XML: complete character references stay, control characters go.
fn escape_into(text: &str, out: &mut String) {
    for (at, c) in text.char_indices() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' if text.as_bytes().get(at..).and_then(policy::reference).is_none() => out.push_str("&amp;"),
            '\n' | '\t' | '\r' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
}

/// The value of an attribute between double quotes. White space is a space, and nothing in it needs an escape in JSON.
fn attribute_text(value: &str) -> String {
    let plain: String = value.chars().filter(|c| *c != '\\').map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let mut out = String::with_capacity(plain.len());
    escape_into(&plain, &mut out);
    out.replace('"', "&quot;")
}

/// What follows `end`; nothing when it never comes.
fn behind<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

/// What follows the end tag of an element, elements of the same name within it included; nothing when it never ends.
fn behind_element<'a>(text: &'a str, name: &str) -> &'a str {
    let (mut rest, mut depth) = (text, 1_usize);
    while let Some((_, markup)) = rest.split_once('<') {
        let (is_end, tag) = markup.strip_prefix('/').map_or((false, markup), |end| (true, end));
        rest = markup;
        if name_of(tag) != name {
            continue;
        }
        rest = behind(tag, ">");
        let is_empty = tag.split_once('>').is_some_and(|(tag, _)| tag.ends_with('/'));
        match is_end {
            true => depth = depth.saturating_sub(1),
            false if is_empty => {}
            false => depth = depth.saturating_add(1),
        }
        if depth == 0 {
            return rest;
        }
    }
    ""
}

/// The name of a tag, in lower case.
fn name_of(tag: &str) -> String {
    let end = tag.find(|c: char| c.is_whitespace() || matches!(c, '/' | '>' | '<' | '=')).unwrap_or(tag.len());
    tag.get(..end).unwrap_or_default().to_ascii_lowercase()
}

/// A start tag and what follows it; none when it never ends.
fn start_tag(text: &str) -> Option<(Tag<'_>, &str)> {
    let name = name_of(text);
    let mut rest = text.get(name.len()..)?;
    let mut attributes = Vec::new();
    let mut self_closing = false;
    loop {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        if first == '>' {
            return Some((Tag { name, attributes, self_closing }, rest.get(1..)?));
        }
        self_closing = first == '/';
        if matches!(first, '/' | '=' | '"' | '\'' | '<') {
            rest = rest.get(1..)?;
            continue;
        }
        let attribute = name_of(rest);
        rest = rest.get(attribute.len()..)?.trim_start();
        let Some(behind_equals) = rest.strip_prefix('=') else { continue };
        let value = behind_equals.trim_start();
        let (text, behind_value) = match value.chars().next()? {
            quote @ ('"' | '\'') => value.get(1..)?.split_once(quote)?,
            _ => value.split_at_checked(value.find(|c: char| c.is_whitespace() || c == '>')?)?,
        };
        attributes.push((attribute, text));
        rest = behind_value;
    }
}
