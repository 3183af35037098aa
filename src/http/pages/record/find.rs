//! Asks the gateway for entries of a record, as every app does, and puts them into words.

use std::sync::Arc;

use serde_json::Value;

use super::line::{Line, Reader, is_withdrawn};
use super::part::{Part, Summary};
use crate::access::Subject;
use crate::fhir::ResourceType;
use crate::fhir::interaction::Interaction;
use crate::fhir::search::Handling;
use crate::gateway::{Gateway, Refusal};
use crate::http::pages::told;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) lines: Vec<Line>,
    /// What is missing, and why, in the gateway's words.
    pub(super) notes: Vec<String>,
    /// The seal of the page after this one.
    pub(super) next: Option<String>,
    /// Entries that the practice has taken back: named, and not shown.
    pub(super) withdrawn: usize,
}

/// What one asks of a part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) resource_type: ResourceType,
    pub(super) parameters: &'a [(&'a str, &'a str)],
    pub(super) count: &'a str,
}

impl Found {
    /// Whether there is nothing, as against nothing that can be shown here and now.
    pub(super) const fn is_surely_empty(&self) -> bool {
        self.lines.is_empty() && self.notes.is_empty() && self.next.is_none() && self.withdrawn == 0
    }
}

impl<'a> Ask<'a> {
    /// A page of a part.
    pub(super) const fn list(part: &'a Part) -> Self {
        Self { resource_type: part.resource_type, parameters: part.parameters, count: "25" }
    }
}

/// What the gateway answers to this question.
///
/// # Errors
/// [`Refusal`].
pub(super) async fn find(gateway: &Gateway, subject: Arc<Subject>, ask: Ask<'_>) -> Result<Found, Refusal> {
    let mut parameters: Vec<(String, String)> =
        ask.parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    parameters.push(("_count".to_owned(), ask.count.to_owned()));
    search(gateway, subject, ask.resource_type, parameters).await
}

/// So many further pages are asked for where what was found first had been taken back.
const FURTHER: usize = 4;

/// What of a part stands on the first page: as many entries as it may show, if there are so many.
///
/// # Errors
/// [`Refusal`].
pub(super) async fn latest(
    gateway: &Gateway,
    subject: Arc<Subject>,
    part: &Part,
    summary: Summary,
) -> Result<Found, Refusal> {
    let from = format!("ge{}", gateway.now().to_fhir());
    let ahead = [("date", from.as_str())];
    let parameters = [summary.parameters, if summary.is_ahead { &ahead } else { &[] }].concat();
    let count = summary.shown.to_string();
    let ask = Ask { resource_type: part.resource_type, parameters: &parameters, count: &count };
    let mut found = find(gateway, subject.clone(), ask).await?;
    for _ in 0..FURTHER {
        if found.lines.len() >= summary.shown {
            break;
        }
        let Some(seal) = found.next.take() else { break };
        let more = follow(gateway, subject.clone(), part.resource_type, &seal).await?;
        found.lines.extend(more.lines);
        found.withdrawn = found.withdrawn.saturating_add(more.withdrawn);
        found.next = more.next;
    }
    if found.lines.len() > summary.shown {
        found.lines.truncate(summary.shown);
    }
    Ok(found)
}

/// The page that a seal of an earlier one leads to.
///
/// # Errors
/// [`Refusal`].
pub(super) async fn follow(
    gateway: &Gateway,
    subject: Arc<Subject>,
    resource_type: ResourceType,
    seal: &str,
) -> Result<Found, Refusal> {
    search(gateway, subject, resource_type, vec![("_page".to_owned(), seal.to_owned())]).await
}

async fn search(
    gateway: &Gateway,
    subject: Arc<Subject>,
    resource_type: ResourceType,
    parameters: Vec<(String, String)>,
) -> Result<Found, Refusal> {
    let interaction = Interaction::Search { resource_type, parameters, handling: Handling::Strict };
    let answer = gateway.handle(subject, interaction).await?;
    // What the gateway wrote reads as a Bundle.
    let bundle: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    Ok(found(gateway, &bundle))
}

fn found(gateway: &Gateway, bundle: &Value) -> Found {
    let entries = |mode: &'static str| {
        let all = bundle.get("entry").and_then(Value::as_array).into_iter().flatten();
        all.filter(move |entry| entry.pointer("/search/mode").and_then(Value::as_str) == Some(mode))
            .filter_map(|entry| entry.get("resource"))
    };
    let reader = Reader::new(entries("include"), |id| gateway.practice_of(id));
    let lines: Vec<Line> = entries("match")
        .filter(|resource| !is_withdrawn(resource))
        .filter_map(|resource| reader.read(resource))
        .collect();
    let issues = entries("outcome").flat_map(|outcome| outcome.get("issue").and_then(Value::as_array)).flatten();
    // Who acts for others is told on every page, whether or not something was kept back: it is no gap.
    let issues = issues.filter(|issue| issue.get("code").and_then(Value::as_str) != Some("suppressed"));
    let texts = issues.filter_map(|issue| issue.pointer("/details/text").and_then(Value::as_str));
    let withdrawn = entries("match").filter(|resource| is_withdrawn(resource)).count();
    Found { notes: texts.map(told).collect(), next: next_of(bundle), lines, withdrawn }
}

fn next_of(bundle: &Value) -> Option<String> {
    let mut links = bundle.get("link").and_then(Value::as_array).into_iter().flatten();
    let next = links.find(|link| link.get("relation").and_then(Value::as_str) == Some("next"))?;
    let url = url::Url::parse(next.get("url")?.as_str()?).ok()?;
    url.query_pairs().find(|(name, _)| name == "_page").map(|(_, seal)| seal.into_owned())
}
