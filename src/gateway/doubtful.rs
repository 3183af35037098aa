//! Items that words keep from somebody until staff have looked: staff are told that there are some, and see which.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use moka::sync::Cache;

use super::Gateway;
use super::answer::Refusal;
use super::chart::{Chart, Charts};
use super::fetch;
use super::released::{Filter, Released};
use super::search::unavailable;
use super::view::{leads, mapped};
use crate::access::{self, Permit, Subject};
use crate::audit::Entry as AuditEntry;
use crate::base::id::{OrganizationId, PersonId, StaffTaskId};
use crate::base::source_key::SourceKey;
use crate::consent::{CodeSets, Detail, Labels, Lead, Passage, Suspicion, describe};
use crate::fhir::ResourceType;
use crate::fhir::interaction::Interaction;
use crate::fhir::knowledge::AuthorizationKind;
use crate::fhir::scan::RawResource;
use crate::storage::StorageError;
use crate::storage::staff_tasks::{self, StaffTask, StaffTaskKind};

/// How often staff are told of one person's record at most, if they close what they were told without looking.
const TOLD: Duration = Duration::from_secs(3_600);
/// Medications of one chart that are looked at.
const MAX_MEDICATIONS: usize = 200;

/// Of whose records staff were told, practice by practice.
#[derive(Clone, Debug)]
pub(super) struct ToldOfDoubts(Cache<(OrganizationId, PersonId), ()>);

impl Default for ToldOfDoubts {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(100_000).time_to_live(TOLD).build())
    }
}

/// An item with words that may say something sensitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubtful {
    /// Where it is.
    pub source: SourceKey,
    /// Its type.
    pub resource_type: ResourceType,
    /// Its id there.
    pub id: String,
    /// What the words may say that its labels do not say already.
    pub labels: Labels,
    /// The words.
    pub suspicion: Suspicion,
    /// The texts that they stand in.
    pub passages: Vec<Passage>,
}

/// What was found in a record.
#[derive(Clone, Debug, Default)]
pub struct Doubtfuls {
    /// All of them, source by source.
    pub items: Vec<Doubtful>,
    /// Whether some source did not give all that it has.
    pub is_partial: bool,
}

impl Gateway {
    /// Lets staff of each practice know that something of theirs waits for them, once a day at most. The answer does not wait
    /// for it, and says nothing of it.
    pub(super) fn tell_of_doubts(&self, permit: &Permit) {
        let (person, sources) = (permit.person(), self.sources.all());
        let of = |key: &SourceKey| sources.get(key).map(|source| source.source.organization);
        let organizations: BTreeSet<OrganizationId> = permit.doubts().take().iter().filter_map(of).collect();
        for organization in organizations {
            let told = &self.told_of_doubts.0;
            if !told.entry((organization, person)).or_insert(()).is_fresh() {
                continue;
            }
            let task = StaffTask {
                id: StaffTaskId::mint(&*self.random),
                organization,
                kind: StaffTaskKind::WordsToReview,
                object: format!("Person/{person}"),
                person: Some(person),
                created: self.clock.now(),
            };
            let (db, told) = (self.db.clone(), told.clone());
            tokio::spawn(async move {
                let write = db.write::<_, StorageError>(move |tx| {
                    async move { staff_tasks::insert_once(tx, &task).await }.boxed()
                });
                if let Err(error) = write.await {
                    // Whoever looks next tries again.
                    told.invalidate(&(organization, person));
                    tracing::error!(%error, "staff could not be told that words wait for their eye");
                }
            });
        }
    }

    /// The items of a record, as the person sees it, in which words stand that may say more than their labels do.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn doubtful(&self, subject: Arc<Subject>) -> Result<Doubtfuls, Refusal> {
        let place = self.audit.reserve().map_err(|_| Refusal::NoAudit)?;
        let person = subject.person.ok_or_else(unavailable)?;
        let interaction = Interaction::Everything { id: person.to_string(), parameters: Vec::new() };
        let mut entry = AuditEntry::asked(&subject, &interaction, self.clock.now(), &*self.random);
        let outcome = match access::decide(self.knowledge, subject, &interaction) {
            Ok(permit) => {
                // What comes after they looked is told anew.
                let all = self.sources.all();
                for source in permit.links().iter().filter_map(|link| all.get(&link.source)) {
                    self.told_of_doubts.0.invalidate(&(source.source.organization, person));
                }
                Ok(self.doubtful_in(&permit).await)
            }
            Err(denial) => Err(Refusal::Denied(denial)),
        };
        match &outcome {
            Ok(found) => entry.permitted(found.items.len()),
            Err(refusal) => entry.denied(refusal.rule()),
        }
        place.record(entry);
        outcome
    }

    async fn doubtful_in(&self, first: &Permit) -> Doubtfuls {
        let is_care = |kind: &ResourceType| {
            matches!(self.knowledge.of(*kind).authorization, AuthorizationKind::Subject { itself: false, .. })
        };
        let permits: Vec<Permit> = ResourceType::ALL
            .iter()
            .copied()
            .filter(is_care)
            .filter_map(|kind| first.for_search(self.knowledge, kind))
            .collect();
        let mut found = Doubtfuls::default();
        for chart in &Charts::of(first, &self.sources).connected {
            let Some(sets) = chart.source.consent.as_ref().map(|rules| rules.sets.clone()) else { continue };
            let mut medications = BTreeSet::new();
            for (permit, (resources, missing)) in
                permits.iter().zip(join_all(permits.iter().map(|permit| self.fetch_upstream(permit, chart, &[]))).await)
            {
                found.is_partial |= missing.iter().any(super::view::is_gap);
                let filter = Filter { knowledge: self.knowledge, permit, now: self.clock.now() };
                for released in resources.into_iter().filter_map(|raw| Released::release(filter, chart, raw, None)) {
                    leads(released.raw(), chart, &mut |to| {
                        if let Lead::To(ResourceType::Medication, id) = to {
                            medications.insert(id.to_owned());
                        }
                    });
                    found.items.extend(doubt(chart, released.raw(), released.upstream_id(), &sets));
                }
            }
            found.is_partial |= medications.len() > MAX_MEDICATIONS;
            for id in medications.iter().take(MAX_MEDICATIONS) {
                match fetch::read(self.knowledge, chart, ResourceType::Medication, id).await {
                    Ok(raw) => found.items.extend(doubt(chart, &mapped(chart, raw, self), id, &sets)),
                    Err(_) => found.is_partial = true,
                }
            }
        }
        found
    }
}

/// What of a resource has to be looked at, if anything.
fn doubt(chart: &Chart, raw: &RawResource, id: &str, sets: &CodeSets) -> Option<Doubtful> {
    let detail =
        Detail { id: false, codes: false, days: false, review: false, content: true, words: true, edition: false };
    let item = describe(raw, sets, detail);
    let suspicion = item.suspicion?;
    let labels = suspicion.labels.without(item.labels);
    (!labels.is_empty()).then(|| Doubtful {
        source: chart.key(),
        resource_type: raw.facts.resource_type,
        id: id.to_owned(),
        labels,
        suspicion: Suspicion::clone(&suspicion),
        passages: sets.words().passages(raw),
    })
}
