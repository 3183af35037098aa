use std::collections::BTreeMap;
use std::sync::Arc;

use super::source::{ConnectedSource, Sources};
use crate::access::Permit;
use crate::base::id::PersonId;
use crate::organization::SourceKey;
use crate::upstream::Errand;

/// What one person has at one source.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) source: Arc<ConnectedSource>,
    /// What this request asks of the source: for these charts, and within one deadline.
    pub(super) errand: Errand,
    pub(super) person: PersonId,
    /// `Patient/{person}`: how every reference to the person is spelled at the gateway.
    pub(super) reference: String,
    /// The person's Patient ids there, the primary one first. Never empty.
    pub(super) patients: Arc<[String]>,
    /// The best rank among them: whose demographics come first.
    pub(super) rank: i64,
}

impl Chart {
    pub(super) fn key(&self) -> SourceKey {
        self.source.source.key
    }

    pub(super) fn base_url(&self) -> &str {
        self.source.base_url()
    }

    pub(super) fn is_patient(&self, upstream_id: &str) -> bool {
        self.patients.iter().any(|patient| patient == upstream_id)
    }
}

/// A chart under construction: the links come one by one.
struct Linked<'s> {
    source: &'s Arc<ConnectedSource>,
    patients: Vec<String>,
    rank: i64,
}

impl Linked<'_> {
    fn chart(self, person: PersonId) -> Chart {
        let patients: Arc<[String]> = self.patients.into();
        Chart {
            source: self.source.clone(),
            errand: self.source.client.errand(patients.clone()),
            person,
            reference: person_reference(person),
            patients,
            rank: self.rank,
        }
    }
}

/// The person's charts, by rank, and the keys of sources that are linked but not connected.
#[derive(Debug, Default)]
pub(super) struct Charts {
    pub(super) connected: Vec<Arc<Chart>>,
    pub(super) missing: Vec<SourceKey>,
}

impl Charts {
    /// The charts that a permit opens. A source without a link is not among them: nothing can be sent to it.
    pub(super) fn of(permit: &Permit, sources: &Sources) -> Self {
        let all = sources.all();
        let mut by_source: BTreeMap<SourceKey, Linked<'_>> = BTreeMap::new();
        let mut missing = Vec::new();
        for link in permit.links().iter().filter(|link| link.state.is_active()) {
            let Some(source) = all.get(&link.source) else {
                missing.push(link.source);
                continue;
            };
            let linked = by_source.entry(link.source).or_insert_with(|| Linked {
                source,
                patients: Vec::new(),
                rank: link.rank,
            });
            linked.rank = linked.rank.min(link.rank);
            linked.patients.push(link.patient.clone());
        }
        let chart = |linked: Linked<'_>| Arc::new(linked.chart(permit.person()));
        let mut connected: Vec<Arc<Chart>> = by_source.into_values().map(chart).collect();
        connected.sort_by_key(|chart| (chart.rank, chart.key()));
        missing.dedup();
        Self { connected, missing }
    }

    pub(super) fn at(&self, key: SourceKey) -> Option<&Arc<Chart>> {
        self.connected.iter().find(|chart| chart.key() == key)
    }
}

pub(super) fn person_reference(person: PersonId) -> String {
    format!("Patient/{person}")
}
