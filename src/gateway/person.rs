//! The person's own record: read and searched as one merged Patient.

use bytes::Bytes;
use futures_util::future::join_all;

use super::Gateway;
use super::chart::{Chart, Charts};
use super::fetch;
use super::gathered::Found;
use super::outcome::Missing;
use super::patient::{self, Joined, Record};
use super::released::{Filter, Released};
use super::rewrite::Rewriter;
use super::searchset::{Content, Entry};
use crate::access::Permit;
use crate::fhir::ResourceType;
use crate::fhir::scan;
use crate::fhir::search::Query;
use crate::upstream::SourceFailure;

/// The merged record.
pub(super) struct Merged {
    pub(super) joined: Option<Joined>,
    pub(super) missing: Vec<Missing>,
}

impl Gateway {
    /// Reads the person at every source and joins what is visible.
    pub(super) async fn merged(&self, permit: &Permit, charts: &Charts, rewriter: &mut Rewriter<'_>) -> Merged {
        let reads = charts.connected.iter().flat_map(|chart| {
            chart.patients.iter().map(move |patient| async move {
                (chart, fetch::read(self.knowledge, chart, ResourceType::Patient, patient).await)
            })
        });
        let filter = Filter { knowledge: self.knowledge, permit, now: self.clock.now() };
        let mut records = Vec::new();
        let mut missing = Vec::new();
        for (chart, outcome) in join_all(reads).await {
            match outcome {
                Ok(raw) => {
                    let Some(released) = Released::release(filter, chart, raw, None) else { continue };
                    match record(chart, &released, rewriter) {
                        Some(record) => records.push(record),
                        // It cannot be shown safely: said, not passed over.
                        None => missing.push(fetch::missing(chart, SourceFailure::Malformed)),
                    }
                }
                // The source no longer has the chart: nothing is missing that it could give.
                Err(SourceFailure::NotFound) => {}
                Err(failure) => missing.push(fetch::missing(chart, failure)),
            }
        }
        let mut names: Vec<String> = missing.iter().map(|missing: &Missing| missing.organization.clone()).collect();
        names.dedup();
        Merged { joined: patient::merge(permit.person(), &records, &names), missing }
    }

    /// A search for Patient finds the person in context or nobody.
    pub(super) async fn find_person(
        &self,
        permit: &Permit,
        charts: &Charts,
        query: &Query,
        rewriter: &mut Rewriter<'_>,
    ) -> Found {
        let Merged { joined, missing } = self.merged(permit, charts, rewriter).await;
        let raw = joined.and_then(|joined| scan::scan_resource(Bytes::from(joined.bytes), self.knowledge).ok());
        let evaluation = self.evaluation(Some(&self.base_url));
        let entries = raw
            .filter(|raw| crate::fhir::search::matches(query, raw, &evaluation))
            .map(|raw| Entry {
                resource_type: ResourceType::Patient,
                keys: self.keys(query, &raw, None),
                id: permit.person().to_string(),
                content: Content::Merged(raw.bytes.to_vec()),
            })
            .into_iter()
            .collect();
        Found { entries, missing, extras: Vec::new() }
    }
}

fn record<'a>(chart: &'a Chart, released: &Released, rewriter: &mut Rewriter<'_>) -> Option<Record<'a>> {
    let id = rewriter.gateway_id(released);
    let mut bytes = Vec::with_capacity(released.raw().bytes.len().saturating_add(128));
    rewriter.write(released, &id, &mut bytes).ok()?;
    Some(Record { id, organization: &chart.source.organization, bytes })
}
