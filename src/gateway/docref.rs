//! US Core `DocumentReference/$docref`: which documents there are. None is made: what a practice has not written does not
//! exist here.

use std::collections::BTreeSet;

use super::Gateway;
use super::answer::{Answer, Refusal, tally};
use super::bundle::{self, Frame, Link};
use super::care_dates::CareDates;
use super::chart::Charts;
use super::identifier::GatewayId;
use super::outcome::{self, Missing, issue};
use super::search::{nobody_answered, unavailable, unconnected};
use super::searchset::Content;
use crate::access::Permit;
use crate::fhir::ResourceType;
use crate::fhir::model::Issue;
use crate::fhir::search::{self, Handling};

/// Summarization of episode note: what C-CDA's continuity of care document is (US Core: the default).
const CCD: &str = "http://loinc.org|34133-9";

/// What is asked for.
#[derive(Default)]
struct Asked {
    patient: Option<String>,
    types: Vec<String>,
    dates: CareDates,
    on_demand_only: bool,
    ignored: Vec<String>,
}

impl Gateway {
    pub(super) async fn docref(&self, permit: &Permit, parameters: &[(String, String)]) -> Result<Answer, Refusal> {
        let asked = self.asked_of_docref(parameters)?;
        let charts = Charts::of(permit, &self.sources);
        let mut rewriter = self.rewriter(&charts);
        let patient = asked.patient.as_deref().unwrap_or_default();
        let is_person = GatewayId::parse(ResourceType::Patient, patient) == GatewayId::Person(permit.person());
        // US Core: an empty Bundle when there is no such patient; anybody else is no such patient.
        let (mut entries, mut missing) = if is_person && !asked.on_demand_only {
            let types = if asked.types.is_empty() { CCD.to_owned() } else { asked.types.join(",") };
            let pairs = [("type".to_owned(), types), ("_sort".to_owned(), "-date".to_owned())];
            let query = search::parse(self.knowledge, permit.resource_type(), &pairs, Handling::Strict)
                .map_err(|error| Refusal::Invalid { code: error.code.as_str(), details: error.to_string() })?;
            self.all_of(permit, &charts, &query, &mut rewriter).await?
        } else {
            (Vec::new(), Vec::new())
        };
        if is_person && !asked.on_demand_only {
            missing.extend(unconnected(&charts));
            if entries.is_empty() && nobody_answered(&charts, &missing) {
                return Err(self.all_down(&missing));
            }
        }
        let in_scope = asked.dates.of(self.knowledge, permit.resource_type());
        let mut sources = BTreeSet::new();
        entries.retain(|entry| {
            let Content::Released(released) = &entry.content else { return false };
            if asked.dates.is_limited() {
                return in_scope.holds(released.raw(), &self.evaluation(Some(released.chart().base_url())));
            }
            // The most recent of each practice: none of them knows what the others have written.
            sources.insert(released.chart().key())
        });
        let mut issues: Vec<Issue> = missing.iter().map(Missing::issue).collect();
        issues.dedup();
        issues.extend(outcome::ignored(&asked.ignored));
        if asked.on_demand_only {
            let details = "No documents are made on demand".to_owned();
            issues.push(issue("information", "not-supported", details));
        }
        let mut written = Vec::new();
        for entry in &entries {
            let mut bytes = Vec::new();
            let Content::Released(released) = &entry.content else { continue };
            let full_url = [self.base_url.as_str(), "/DocumentReference/", &entry.id];
            let content = |out: &mut Vec<u8>| rewriter.write(released, &entry.id, out).ok();
            if bundle::write_entry(&mut bytes, &full_url, "match", content).is_some() {
                written.push(bytes);
            } else {
                issues.push(issue("warning", "incomplete", "A resource could not be shown safely.".to_owned()));
            }
        }
        self.hashed.store(rewriter.hashed).await.map_err(|_| unavailable())?;
        let resources = written.len();
        let url = format!("{}/DocumentReference/$docref", self.base_url);
        let known: Vec<(String, String)> =
            parameters.iter().filter(|(name, _)| !asked.ignored.contains(name)).cloned().collect();
        let frame = Frame {
            bundle_type: "searchset",
            bundle_id: self.random.uuid().to_string(),
            last_updated: self.clock.now().to_fhir(),
            total: missing.is_empty().then_some(resources),
            links: vec![Link { relation: "self", url: bundle::url(&url, &known) }],
        };
        let body = bundle::write(&frame, &written, &issues);
        let sources = tally(entries.iter().filter_map(|entry| match &entry.content {
            Content::Released(released) => Some(released.chart().key()),
            Content::Merged(_) | Content::Kept(_) => None,
        }));
        Ok(Answer { body: body.into(), etag: None, last_modified: None, resources, sources, content: None })
    }

    fn asked_of_docref(&self, parameters: &[(String, String)]) -> Result<Asked, Refusal> {
        let invalid = |name: &str| {
            let details = format!("{name} is missing, given twice, or has a value that it cannot have");
            Refusal::Invalid { code: "value", details }
        };
        let mut asked = Asked::default();
        for (name, value) in parameters {
            match name.as_str() {
                "patient" => {
                    let id = value.strip_prefix("Patient/").unwrap_or(value).to_owned();
                    if asked.patient.replace(id).is_some() {
                        return Err(invalid("patient"));
                    }
                }
                "start" | "end" => {
                    asked.dates.limit(self.knowledge, name == "start", value).ok_or_else(|| invalid(name))?;
                }
                "type" if !value.is_empty() => asked.types.push(value.clone()),
                "on-demand" => {
                    asked.on_demand_only = match value.as_str() {
                        "true" => true,
                        "false" => false,
                        _ => return Err(invalid("on-demand")),
                    };
                }
                "_format" | "_pretty" => {}
                other => asked.ignored.push(other.chars().take(64).collect()),
            }
        }
        if asked.patient.is_none() {
            return Err(invalid("patient"));
        }
        Ok(asked)
    }
}
