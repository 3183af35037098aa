//! The life of a FHIR request: authorise → plan → fetch → filter → evaluate → order → rewrite → answer.
//!
//! [`Gateway::handle`] is the only way in, for REST, pages and jobs alike, and [`Answer`] the only way out.

mod answer;
mod bundle;
mod care_dates;
mod chart;
mod compartment;
mod content;
mod docref;
mod doubtful;
mod duplicates;
mod everything;
mod explain;
mod fetch;
#[cfg(any(test, fuzzing))]
#[path = "../fuzz/targets.rs"]
pub mod fuzzing;
mod gathered;
mod guard;
mod hashed;
mod history;
#[cfg(test)]
mod hot_path;
mod identifier;
mod identify;
mod include;
mod lazy;
mod outcome;
mod outlook;
mod own;
mod page_link;
mod patient;
mod patient_tokens;
mod person;
mod plan;
mod rates;
mod read;
mod redaction;
mod released;
mod rewrite;
mod search;
mod searchset;
mod source;
mod specialty;
mod standing;
mod stream;
mod subset;
mod system;
mod targets;
mod via;
mod view;
mod vread;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::access::{self, Denial, Permit, Subject};
use crate::audit::{Act, ActKind, AuditLog, Entry as AuditEntry};
use crate::base::clock::SharedClock;
use crate::base::keys::MasterKey;
use crate::base::random::SharedRandom;
use crate::config::Limits;
use crate::fhir::interaction::Interaction;
use crate::fhir::knowledge::Knowledge;
use crate::organization::SourceKey;
use crate::storage::Db;

pub use answer::{Answer, Refusal};
pub use content::{Content, essence};
pub use doubtful::{Doubtful, Doubtfuls};
pub use explain::Explanation;
pub use outlook::Outlook;
pub(crate) use own::{audit_events, grants_of};
pub use patient_tokens::PatientTokens;
pub(crate) use source::ConnectedSource;
pub use source::{ClientParts, Mappings, SourceError, Sources};
pub use standing::{Practice, SourceStanding};

use doubtful::ToldOfDoubts;
use hashed::HashedIds;
use identifier::Identifiers;
use page_link::PageLinks;
use rates::Rates;
use specialty::LearnedSpecialties;
use view::TaintIndexes;

/// The federation of all connected sources.
#[derive(Debug)]
pub struct Gateway {
    knowledge: &'static Knowledge,
    sources: Arc<Sources>,
    audit: AuditLog,
    db: Db,
    hashed: HashedIds,
    identifiers: Identifiers,
    page_links: PageLinks,
    rates: Rates,
    taint: TaintIndexes,
    told_of_doubts: ToldOfDoubts,
    specialties: LearnedSpecialties,
    limits: Limits,
    clock: SharedClock,
    random: SharedRandom,
    /// The gateway's FHIR base URL, without a trailing slash.
    base_url: String,
    /// Host and port of it.
    authority: String,
}

/// What a [`Gateway`] is made of.
#[derive(Debug)]
pub struct GatewayParts {
    /// The knowledge tables.
    pub knowledge: &'static Knowledge,
    /// The connected sources.
    pub sources: Arc<Sources>,
    /// Where decisions are recorded.
    pub audit: AuditLog,
    /// Where hashed ids and grants are kept.
    pub db: Db,
    /// The master key.
    pub master_key: MasterKey,
    /// Budgets.
    pub limits: Limits,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub random: SharedRandom,
    /// The FHIR base URL, without a trailing slash.
    pub base_url: String,
}

impl Gateway {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: GatewayParts) -> Self {
        Self {
            identifiers: Identifiers::new(&parts.master_key),
            page_links: PageLinks::new(
                &parts.master_key,
                parts.clock.clone(),
                parts.random.clone(),
                parts.limits.page_link_seconds,
            ),
            hashed: HashedIds::new(parts.db.clone()),
            db: parts.db,
            rates: Rates::new(&parts.limits),
            taint: TaintIndexes::default(),
            told_of_doubts: ToldOfDoubts::default(),
            specialties: LearnedSpecialties::default(),
            knowledge: parts.knowledge,
            sources: parts.sources,
            audit: parts.audit,
            limits: parts.limits,
            clock: parts.clock,
            random: parts.random,
            authority: url::Url::parse(&parts.base_url)
                .map_or_else(|_| String::new(), |url| url.authority().to_owned()),
            base_url: parts.base_url,
        }
    }

    /// The knowledge tables it decides with.
    #[must_use]
    pub const fn knowledge(&self) -> &'static Knowledge {
        self.knowledge
    }

    /// The FHIR base URL, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    async fn interact(&self, permit: &Permit, interaction: Interaction) -> Result<Answer, Refusal> {
        // On the heap: a large future is copied once for every layer of the HTTP stack that it passes.
        match interaction {
            Interaction::Read { id, .. } => Box::pin(self.read(permit, &id)).await,
            Interaction::Vread { id, version, .. } => Box::pin(self.vread(permit, &id, &version)).await,
            Interaction::History { id, parameters, .. } => Box::pin(self.history(permit, &id, &parameters)).await,
            Interaction::Search { parameters, handling, .. } => {
                Box::pin(self.search(permit, &parameters, handling)).await
            }
            Interaction::Content { id } => Box::pin(self.content(permit, &id)).await,
            Interaction::Everything { id, parameters } => Box::pin(self.everything(permit, &id, &parameters)).await,
            Interaction::Docref { parameters } => Box::pin(self.docref(permit, &parameters)).await,
            Interaction::CompartmentSearch { patient, parameters, handling, .. } => {
                Box::pin(self.compartment_search(permit, &patient, &parameters, handling)).await
            }
        }
    }

    /// Answers one interaction of one subject, and records the decision. Without a place in the audit trail nothing is
    /// read.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn handle(&self, subject: Arc<Subject>, mut interaction: Interaction) -> Result<Answer, Refusal> {
        let place = self.audit.reserve().map_err(|_| Refusal::NoAudit)?;
        let (subject, unaddressed) = match subject.is_system() {
            false => (subject, None),
            // Boxed: users' requests should not hold room for it.
            true => Box::pin(self.address(subject, &mut interaction)).await,
        };
        let mut entry = AuditEntry::asked(&subject, &interaction, self.clock.now(), &*self.random);
        if let Err(exceeded) = self.rates.take(&subject, self.clock.now()) {
            // One entry for all of them: nobody can fill the trail by asking.
            if exceeded.is_first {
                entry.denied("throttled");
                place.record(entry);
            }
            return Err(Refusal::Throttled { retry_after: exceeded.retry_after });
        }
        // Whoever names an id chooses what the source sends; a search is for what is the person's.
        let chosen = matches!(
            interaction,
            Interaction::Read { .. }
                | Interaction::Vread { .. }
                | Interaction::History { .. }
                | Interaction::Content { .. }
        );
        // The record that the path of a backend service's request names is not there for it, if it is anywhere.
        let is_named = subject.is_system() && system::is_of_named_patient(&interaction);
        let decided = match unaddressed {
            Some(refusal) => Err(refusal),
            None => access::decide(self.knowledge, subject, &interaction).map_err(|denial| match denial {
                Denial::NoPerson if is_named => Refusal::NotFound,
                denial => Refusal::Denied(denial),
            }),
        };
        let outcome = match decided {
            Ok(permit) => {
                // Boxed: what few callers need, the others should not carry room for.
                let permit = if permit.needs_view() { Box::pin(self.viewed(permit)).await } else { permit };
                let decided_by = permit.view().and_then(|view| view.sources.values().next());
                if let Some(version) = decided_by.map(|source| source.sets.version_name()) {
                    entry.by_label_tables(&version);
                }
                let (permit, outcome) = if permit.needs_view() {
                    Box::pin(self.interact_viewed(permit, interaction)).await
                } else {
                    let outcome = self.interact(&permit, interaction).await;
                    (permit, outcome)
                };
                self.tell_of_doubts(&permit);
                if let Some(count) = self.alarm(&permit, chosen) {
                    entry.withheld(count);
                }
                self.rates.settle(permit.subject(), permit.calls().load(Ordering::Relaxed), self.clock.now());
                outcome
            }
            Err(refusal) => Err(refusal),
        };
        match &outcome {
            Ok(answer) => {
                entry.permitted(answer.resources);
                entry.from_sources(&answer.sources);
            }
            Err(refusal @ (Refusal::Denied(_) | Refusal::NotFound | Refusal::Invalid { .. })) => {
                entry.denied(refusal.rule());
            }
            Err(refusal) => entry.failed(refusal.rule()),
        }
        place.record(entry);
        outcome
    }

    /// Raises the alarm, once for each answer, about sources that sent what is not about the person in context: what
    /// they send to others may be about this person (security design, U12). Neither ids nor values: whose they are is
    /// not ours to say. A source that sends them again and again without having been asked for them (`chosen`: the
    /// caller named the id) is set aside. How many it were.
    fn alarm(&self, permit: &Permit, chosen: bool) -> Option<u64> {
        let by_source = permit.withheld().by_source();
        if by_source.is_empty() {
            return None;
        }
        let count = by_source.values().fold(0, |sum: u64, of| sum.saturating_add(of.count));
        if !permit.withheld().is_to_be_told() {
            return Some(count);
        }
        let sources = self.sources.all();
        for (key, of) in &by_source {
            if let Some(source) = sources.get(key) {
                source.foreign.fetch_add(of.count, Ordering::Relaxed);
                if of.is_foreign && !chosen && source.client.hear_of_others() {
                    self.report_set_aside(*key);
                }
            }
        }
        let keys: Vec<String> = by_source.keys().map(ToString::to_string).collect();
        tracing::error!(
            source.keys = keys.join(","),
            fhir.resource_type = %permit.resource_type(),
            count,
            "sources sent resources that are not about the person in context: none of them was released"
        );
        Some(count)
    }

    /// Says that a source is not asked from now on, in the log and in the audit trail.
    fn report_set_aside(&self, key: SourceKey) {
        let act = Act::new(ActKind::Source, self.clock.now(), &*self.random).by_way_of("set-aside");
        // Without a place nothing is read anyway, and the log has it.
        if let Ok(place) = self.audit.reserve() {
            place.record(AuditEntry::of_act(&act.on("Source", key).refused("foreign-records")));
        }
        tracing::error!(
            source.key = %key,
            "a source is set aside for an hour: it handed out other people's records again and again"
        );
    }
}
