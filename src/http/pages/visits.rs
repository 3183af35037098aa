//! The visits of a person, to choose one of.

use std::sync::Arc;

use serde::Deserialize;

use crate::access::Subject;
use crate::fhir::ResourceType;
use crate::fhir::interaction::Interaction;
use crate::fhir::search::Handling;
use crate::gateway::{Gateway, Refusal};
use crate::http::pages::say;

/// So many of the latest are offered.
const OFFERED: &str = "30";

/// A visit as people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The Encounter's id at this gateway.
    pub id: String,
    /// When, and what for.
    pub text: String,
}

#[derive(Deserialize)]
struct Searchset {
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    resource: Option<Encounter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Encounter {
    resource_type: String,
    id: Option<String>,
    period: Option<Period>,
    #[serde(default, rename = "type")]
    kinds: Vec<Concept>,
    class: Option<Coding>,
    service_provider: Option<Reference>,
}

#[derive(Deserialize)]
struct Period {
    start: Option<String>,
}

#[derive(Deserialize)]
struct Concept {
    text: Option<String>,
    #[serde(default)]
    coding: Vec<Coding>,
}

#[derive(Deserialize)]
struct Coding {
    display: Option<String>,
}

#[derive(Deserialize)]
struct Reference {
    display: Option<String>,
}

impl Encounter {
    fn visit(self) -> Option<Visit> {
        if self.resource_type != "Encounter" {
            return None;
        }
        let day = self.period.and_then(|period| period.start).and_then(|start| start.get(..10).map(str::to_owned));
        let of_concept = |concept: Concept| concept.text.or_else(|| concept.coding.into_iter().find_map(|c| c.display));
        let kind = self.kinds.into_iter().find_map(of_concept).or_else(|| self.class.and_then(|class| class.display));
        let place = self.service_provider.and_then(|provider| provider.display);
        let text: Vec<String> = [day, kind, place].into_iter().flatten().collect();
        Some(Visit {
            id: self.id?,
            text: if text.is_empty() { say("visit.visit").to_owned() } else { text.join(", ") },
        })
    }
}

/// The latest visits of the person in context.
///
/// # Errors
/// [`Refusal`].
pub async fn latest(gateway: &Gateway, subject: Arc<Subject>) -> Result<Vec<Visit>, Refusal> {
    let parameters = [("_sort", "-date"), ("_count", OFFERED)];
    let interaction = Interaction::Search {
        resource_type: ResourceType::Encounter,
        parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        handling: Handling::Strict,
    };
    let answer = gateway.handle(subject, interaction).await?;
    // What the gateway wrote reads as a Bundle; an odd member of an Encounter leaves nothing to choose from.
    let found: Searchset = serde_json::from_slice(answer.body()).unwrap_or(Searchset { entry: Vec::new() });
    Ok(found.entry.into_iter().filter_map(|entry| entry.resource?.visit()).collect())
}

/// Whether the person's record has this resource.
///
/// # Errors
/// [`Refusal`], when that cannot be told.
pub async fn has(
    gateway: &Gateway,
    subject: Arc<Subject>,
    resource_type: ResourceType,
    id: &str,
) -> Result<bool, Refusal> {
    match gateway.handle(subject, Interaction::Read { resource_type, id: id.to_owned() }).await {
        Ok(_) => Ok(true),
        Err(Refusal::NotFound | Refusal::Denied(_) | Refusal::Invalid { .. }) => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_says_when_what_and_where_as_far_as_the_practice_does() {
        let read = |text: &str| serde_json::from_str::<Encounter>(text).unwrap().visit();
        let whole = r#"{"resourceType":"Encounter","id":"e","period":{"start":"2026-05-04T10:00:00Z"},
            "type":[{"coding":[{"code":"1"}]},{"coding":[{"display":"Check-up"}]}],
            "class":{"display":"ambulatory"},"serviceProvider":{"display":"Riverside"}}"#;
        assert_eq!(read(whole).unwrap().text, "2026-05-04, Check-up, Riverside");
        let class = r#"{"resourceType":"Encounter","id":"e","class":{"display":"ambulatory"}}"#;
        assert_eq!(read(class).unwrap().text, "ambulatory");
        let bare = r#"{"resourceType":"Encounter","id":"e","period":{"start":"2026"}}"#;
        assert_eq!(read(bare), Some(Visit { id: "e".to_owned(), text: "Visit".to_owned() }));
        assert_eq!(read(r#"{"resourceType":"OperationOutcome"}"#), None);
    }
}
