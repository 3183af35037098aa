//! Why somebody sees an item of a record or does not, as the person whose record it is may ask.

use std::sync::Arc;

use super::Gateway;
use super::answer::Refusal;
use super::chart::{Chart, Charts};
use super::read::Located;
use super::search::unavailable;
use super::specialty::note_unknown;
use super::view::{births, leads};
use crate::access::{self, Permit, Subject};
use crate::audit::Entry as AuditEntry;
use crate::consent::{Action, Asking, Assurance, Lens, Rule, Standing, Verdict};
use crate::fhir::ResourceType;
use crate::fhir::interaction::Interaction;
use crate::fhir::scan::RawResource;

/// What is decided about one item for one viewer, and by which rule of which policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The rule by which it is not seen; `None` when it is.
    pub withheld: Option<Rule>,
    /// Whether only when, where and how much is seen.
    pub is_outline: bool,
    /// Whether contact data are left out.
    pub hides_contacts: bool,
    /// The practice that it comes from.
    pub organization: String,
    /// The practice's policy, its version, and the law behind it; `None` where it has none that can be used.
    pub policy: Option<(String, u32, String)>,
    /// The version of the tables that say what is sensitive; `None` likewise.
    pub label_tables: Option<String>,
}

impl Gateway {
    /// What `viewer` sees of one item that `subject`, whose record it is, sees.
    ///
    /// # Errors
    /// [`Refusal`], as for a read by `subject`.
    pub async fn explain(
        &self,
        subject: Arc<Subject>,
        viewer: Standing,
        (resource_type, id): (ResourceType, String),
    ) -> Result<Explanation, Refusal> {
        let place = self.audit.reserve().map_err(|_| Refusal::NoAudit)?;
        let interaction = Interaction::Read { resource_type, id: id.clone() };
        let mut entry = AuditEntry::asked(&subject, &interaction, self.clock.now(), &*self.random);
        let outcome = self.explained(subject, viewer, &interaction, &id).await;
        match &outcome {
            Ok(_) => entry.permitted(1),
            Err(refusal) => entry.denied(refusal.rule()),
        }
        place.record(entry);
        outcome
    }

    async fn explained(
        &self,
        subject: Arc<Subject>,
        viewer: Standing,
        interaction: &Interaction,
        id: &str,
    ) -> Result<Explanation, Refusal> {
        let as_viewer = Arc::new(Subject { standing: Some(viewer), ..Subject::clone(&subject) });
        let decide = |subject| access::decide(self.knowledge, subject, interaction).map_err(Refusal::Denied);
        let permit = self.viewed(decide(subject)?).await;
        let charts = Charts::of(&permit, &self.sources);
        let Located::At(place) = self.locate(&permit, &charts, id).await? else { return Err(Refusal::NotFound) };
        let released = self.read_at(&permit, &place).await?;
        let (raw, source) = (released.raw(), &place.chart.source);
        let theirs = self.viewed(decide(as_viewer)?).await;
        let theirs = self.knowing_those_named(theirs, raw, place.chart).await;
        let mut explanation = Explanation {
            withheld: Some(Rule::Undecidable),
            is_outline: false,
            hides_contacts: false,
            organization: source.organization.clone(),
            policy: None,
            label_tables: None,
        };
        let Some(rules) = &source.consent else { return Ok(explanation) };
        let policy = &rules.policy;
        explanation.label_tables = Some(rules.sets.version_name());
        explanation.policy = Some((policy.name.clone(), policy.version, policy.legal.clone()));
        let key = place.chart.key();
        let verdict = match theirs.view().and_then(|view| view.sources.get(&key)) {
            Some(view) => view.judge(view.describe(raw), |visit| leads(raw, place.chart, visit)),
            None => {
                let asking = Asking {
                    standing: theirs.standing().ok_or_else(unavailable)?,
                    policy,
                    zone: &rules.zone,
                    organization: source.source.organization,
                    source: key,
                    births: &births(theirs.links(), key),
                    action: Action::Read,
                    assurance: Assurance::Aal1,
                    now: self.clock.now(),
                };
                Verdict::Withheld(Lens::of(&asking).err().unwrap_or(Rule::Undecidable))
            }
        };
        match verdict {
            Verdict::Withheld(rule) => explanation.withheld = Some(rule),
            Verdict::Shown(shown) => {
                explanation.withheld = None;
                explanation.is_outline = shown.is_outline;
                explanation.hides_contacts = shown.hides_contacts;
            }
        }
        Ok(explanation)
    }

    /// The viewer's permit after those whom the item names were looked up.
    async fn knowing_those_named(&self, permit: Permit, raw: &RawResource, chart: &Chart) -> Permit {
        if let Some(view) = permit.view().and_then(|view| view.sources.get(&chart.key())) {
            note_unknown(&permit, view, raw, chart);
        }
        if self.learn_unknown(&permit).await { self.with_specialties(permit) } else { permit }
    }
}
