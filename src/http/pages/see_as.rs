//! One's own record as the holder of a grant sees it: part by part, and item by item, through the filter that their own
//! requests pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde_json::Value;

use super::people::Practice;
use super::words::say;
use super::{Session, not_found, render, see_other};
use crate::access::Subject;
use crate::authorization::AuthorizationServer;
use crate::consent::Standing;
use crate::fhir::ResourceType;
use crate::fhir::interaction::Interaction;
use crate::fhir::search::Handling;
use crate::gateway::{Gateway, Refusal};
use crate::http::error::page_unavailable;
use crate::http::form::{field, query_pairs};

/// So many items of a kind are looked at.
const MOST: &str = "100";

/// What can be looked at item by item.
pub(super) const KINDS: [ResourceType; 10] = [
    ResourceType::Observation,
    ResourceType::MedicationRequest,
    ResourceType::Immunization,
    ResourceType::AllergyIntolerance,
    ResourceType::Condition,
    ResourceType::Encounter,
    ResourceType::Appointment,
    ResourceType::DocumentReference,
    ResourceType::Procedure,
    ResourceType::Invoice,
];

struct Kind {
    value: &'static str,
    text: &'static str,
    chosen: bool,
}

struct Item {
    text: String,
    how: &'static str,
}

/// What the page shows.
#[derive(Template)]
#[template(path = "see_as.html")]
pub(super) struct SeeAsTemplate {
    style: String,
    grant: String,
    practices: Vec<Practice>,
    kinds: Vec<Kind>,
    items: Option<Vec<Item>>,
    problem: bool,
}

impl SeeAsTemplate {
    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        Self {
            style: text(),
            grant: text(),
            practices: vec![Practice::sample(hostile)],
            kinds: vec![Kind { value: "Observation", text: "kind", chosen: true }],
            items: Some(vec![Item { text: text(), how: "how" }]),
            problem: true,
        }
    }
}

/// `GET /people/see-as?grant=…&kind=…`.
pub(super) async fn get(
    State(server): State<Arc<AuthorizationServer>>,
    State(gateway): State<Arc<Gateway>>,
    session: Session,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let pairs = query_pairs(query.as_deref());
    let Some(grant) = field(&pairs, "grant").and_then(|id| id.parse().ok()) else { return not_found() };
    let (subject, viewer) = match server.as_holder_sees(signed_in, grant).await {
        Ok(Some(found)) => found,
        Ok(None) => return not_found(),
        Err(error) => return page_unavailable(&error),
    };
    let kind = field(&pairs, "kind").and_then(ResourceType::parse).filter(|kind| KINDS.contains(kind));
    let practices = gateway.outlook(&subject.links, &viewer).iter().map(Practice::new).collect();
    let items = match kind {
        Some(kind) => Some(items(&gateway, subject, viewer, kind).await),
        None => None,
    };
    render(&SeeAsTemplate {
        style: super::style::path(),
        grant: grant.to_string(),
        practices,
        kinds: KINDS.iter().map(|known| choice(*known, kind)).collect(),
        problem: items.as_ref().is_some_and(Result::is_err),
        items: items.and_then(Result::ok),
    })
}

fn choice(known: ResourceType, chosen: Option<ResourceType>) -> Kind {
    Kind { value: known.as_str(), text: say(&format!("kind.{}", known.as_str())), chosen: chosen == Some(known) }
}

/// Whether items of this type are looked at one by one.
pub(in crate::http) fn is_compared(kind: ResourceType) -> bool {
    KINDS.contains(&kind)
}

/// How much a viewer sees of one item of the person's own.
#[derive(Clone, Copy)]
enum Seen {
    Not,
    Part,
    Whole,
}

/// Every item that the person sees, by its reference, and how much of it the viewer sees.
pub(in crate::http) async fn compared(
    gateway: &Gateway,
    subject: Arc<Subject>,
    viewer: Standing,
    kind: ResourceType,
) -> Result<Vec<(String, &'static str)>, Refusal> {
    let (own, theirs) = both(gateway, subject, viewer, kind).await?;
    let item = |(id, resource): (&String, &Value)| {
        let seen = match seen(theirs.get(id), resource) {
            Seen::Not => "not",
            Seen::Part => "part",
            Seen::Whole => "whole",
        };
        (format!("{kind}/{id}"), seen)
    };
    Ok(own.iter().map(item).collect())
}

async fn items(
    gateway: &Gateway,
    subject: Arc<Subject>,
    viewer: Standing,
    kind: ResourceType,
) -> Result<Vec<Item>, Refusal> {
    let (own, theirs) = both(gateway, subject, viewer, kind).await?;
    let item = |(id, resource): (&String, &Value)| Item {
        text: summary(resource),
        how: match seen(theirs.get(id), resource) {
            Seen::Not => say("see-as.not"),
            Seen::Whole => say("see-as.whole"),
            Seen::Part => say("see-as.part"),
        },
    };
    Ok(own.iter().map(item).collect())
}

fn seen(theirs: Option<&Value>, own: &Value) -> Seen {
    match theirs {
        None => Seen::Not,
        Some(seen) if seen == own => Seen::Whole,
        Some(_) => Seen::Part,
    }
}

/// What the person sees, and what the viewer does: the same request twice, each through the one filter.
async fn both(
    gateway: &Gateway,
    subject: Arc<Subject>,
    viewer: Standing,
    kind: ResourceType,
) -> Result<(BTreeMap<String, Value>, BTreeMap<String, Value>), Refusal> {
    let as_viewer = Arc::new(Subject { standing: Some(viewer), ..Subject::clone(&subject) });
    let own = found(gateway, subject, kind).await?;
    let theirs = found(gateway, as_viewer, kind).await?;
    Ok((own, theirs))
}

async fn found(
    gateway: &Gateway,
    subject: Arc<Subject>,
    kind: ResourceType,
) -> Result<BTreeMap<String, Value>, Refusal> {
    let parameters = vec![("_count".to_owned(), MOST.to_owned())];
    let interaction = Interaction::Search { resource_type: kind, parameters, handling: Handling::Strict };
    let answer = gateway.handle(subject, interaction).await?;
    let bundle: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let entries = bundle.get("entry").and_then(Value::as_array).cloned().unwrap_or_default();
    let resources = entries.into_iter().filter_map(|mut entry| entry.get_mut("resource").map(Value::take));
    let of_kind = resources.filter(|resource| resource.get("resourceType").is_some_and(|name| name == kind.as_str()));
    Ok(of_kind.filter_map(|resource| Some((resource.get("id")?.as_str()?.to_owned(), resource))).collect())
}

/// When and what, as far as the resource says.
fn summary(resource: &Value) -> String {
    const DATES: [&str; 8] = [
        "/effectiveDateTime",
        "/effectivePeriod/start",
        "/period/start",
        "/authoredOn",
        "/occurrenceDateTime",
        "/start",
        "/recordedDate",
        "/date",
    ];
    const CONCEPTS: [&str; 8] = [
        "/code",
        "/vaccineCode",
        "/medicationCodeableConcept",
        "/type",
        "/type/0",
        "/serviceType",
        "/serviceType/0",
        "/class",
    ];
    let text = |path: &str| resource.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let day = DATES.iter().find_map(|path| text(path)).and_then(|date| date.get(..10).map(str::to_owned));
    let named = |path: &&str| {
        ["/text", "/coding/0/display", "/display", "/coding/0/code"]
            .iter()
            .find_map(|end| text(&format!("{path}{end}")))
    };
    let what = CONCEPTS.iter().find_map(named).unwrap_or_else(|| say("see-as.unnamed").to_owned());
    day.map_or_else(|| what.clone(), |day| format!("{day}: {what}"))
}
