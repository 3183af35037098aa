use std::collections::BTreeMap;
use std::sync::Arc;

use super::source::{ConnectedSource, Sources};
use crate::access::Permit;
use crate::base::id::{LinkId, PersonId};
use crate::fhir::ResourceType;
use crate::identity::Assurance;
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
    /// The link to each of them, in the same order.
    pub(super) links: Vec<LinkId>,
    /// The best rank among them: whose demographics come first.
    pub(super) rank: i64,
    /// The least that is known of whose they are.
    pub(super) assurance: Assurance,
}

impl Chart {
    pub(super) fn key(&self) -> SourceKey {
        self.source.source.key
    }

    pub(super) fn base_url(&self) -> &str {
        self.source.base_url()
    }

    /// What asks about one of the patients: with the credential of the link to it, where each link has its own.
    pub(super) fn errand_for(&self, patient: &str) -> Errand {
        let link = self.own_links().find(|(known, _)| *known == patient);
        link.map_or_else(|| self.errand.clone(), |(patient, link)| self.errand.for_link(patient, link))
    }

    /// What asks for one resource: where each link has a credential of its own, that of the patient it is, else each in
    /// turn, as what one of them may not see another may.
    pub(super) fn errands(&self, resource_type: ResourceType, upstream_id: &str) -> Vec<Errand> {
        if self.source.smart.is_none() {
            return vec![self.errand.clone()];
        }
        let is_one = resource_type == ResourceType::Patient && self.is_patient(upstream_id);
        let links = self.own_links().filter(|(patient, _)| !is_one || *patient == upstream_id);
        links.map(|(patient, link)| self.errand.for_link(patient, link)).collect()
    }

    /// Whose credentials may open what is not about one of the patients in particular: none where the source has its own.
    pub(super) fn credentials(&self) -> Vec<Option<LinkId>> {
        if self.source.smart.is_none() {
            return vec![None];
        }
        self.links.iter().copied().map(Some).collect()
    }

    /// The patients with the links to them, where links have credentials of their own.
    fn own_links(&self) -> impl Iterator<Item = (&str, LinkId)> {
        let count = if self.source.smart.is_some() { self.patients.len() } else { 0 };
        self.patients.iter().map(String::as_str).zip(self.links.iter().copied()).take(count)
    }

    pub(super) fn is_patient(&self, upstream_id: &str) -> bool {
        self.is_patient_id(upstream_id.as_bytes())
    }

    /// [`Self::is_patient`], of an id that stands in a resource.
    pub(super) fn is_patient_id(&self, upstream_id: &[u8]) -> bool {
        self.patients.iter().any(|patient| patient.as_bytes() == upstream_id)
    }
}

/// A chart under construction: the links come one by one.
struct Linked<'s> {
    source: &'s Arc<ConnectedSource>,
    patients: Vec<String>,
    links: Vec<LinkId>,
    rank: i64,
    assurance: Assurance,
}

impl Linked<'_> {
    fn chart(self, permit: &Permit) -> Chart {
        let patients: Arc<[String]> = self.patients.into();
        Chart {
            source: self.source.clone(),
            errand: self.source.client.errand(patients.clone()).counted_in(permit.calls()),
            person: permit.person(),
            reference: person_reference(permit.person()),
            patients,
            links: self.links,
            rank: self.rank,
            assurance: self.assurance,
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
            // Where nothing is seen, nothing is asked.
            if permit.view().is_some_and(|view| !view.sources.contains_key(&link.source)) {
                continue;
            }
            let linked = by_source.entry(link.source).or_insert_with(|| Linked {
                source,
                patients: Vec::new(),
                links: Vec::new(),
                rank: link.rank,
                assurance: link.assurance,
            });
            linked.assurance = linked.assurance.min(link.assurance);
            linked.rank = linked.rank.min(link.rank);
            linked.patients.push(link.patient.clone());
            linked.links.push(link.id);
        }
        let chart = |linked: Linked<'_>| Arc::new(linked.chart(permit));
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
