//! Words in a record that may say something sensitive, for staff who look at them (portal design, 3.5 v).

use std::sync::Arc;

use futures_util::FutureExt;

use super::{Desk, DeskError, StaffMember, covered};
use crate::access::Subject;
use crate::audit::ActKind;
use crate::authorization::{active_links, page_subject};
use crate::base::id::{ConsentRuleId, PersonId};
use crate::base::source_key::SourceKey;
use crate::consent::{Labels, RuleKind, StandingRule};
use crate::gateway::{Doubtful, grants_of};
use crate::identity::{Period, StaffAct, StatusReason};
use crate::storage::consent::{self, ConsentRule};
use crate::storage::staff_tasks::{self, StaffTaskKind};
use crate::storage::{StorageError, accounts, persons};

/// A patient whose record is looked at for its words.
#[derive(Clone, Debug)]
pub struct ToReview {
    /// The patient's name.
    pub patient: String,
    /// Whose record it is.
    pub person: PersonId,
    /// The record as the patient sees it at this organization, and nowhere else.
    pub subject: Arc<Subject>,
    said: Vec<ConsentRule>,
}

/// What staff say of one item.
#[derive(Clone, Debug)]
pub struct Review {
    /// Where it is.
    pub source: SourceKey,
    /// Its type.
    pub resource_type: String,
    /// Its id there.
    pub id: String,
    /// The words that they looked at.
    pub words: String,
    /// What it is about.
    pub labels: Labels,
}

impl ToReview {
    /// What staff said of these words of this item, if they looked.
    #[must_use]
    pub fn said_of(&self, item: &Doubtful) -> Option<Labels> {
        let kind = item.resource_type.as_str();
        let place = (item.source.as_str(), kind, item.id.as_str(), item.suspicion.words.as_str());
        let of = self.said.iter().filter_map(|known| match &known.rule.kind {
            RuleKind::Reviewed { source, resource_type, id, words, labels }
                if (source.as_str(), resource_type.as_str(), id.as_str(), words.as_str()) == place =>
            {
                Some(*labels)
            }
            _ => None,
        });
        of.reduce(Labels::and)
    }
}

impl Desk {
    /// The record with this number, to be looked at for its words. The patient reads in the audit trail that staff looked.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn to_review(&self, member: &StaffMember, number: &str) -> Result<ToReview, DeskError> {
        covered(member, StaffAct::ReviewWords)?;
        let (patient, person) = self.linked(member, number).await?;
        let act = self.act(ActKind::Staff, member).about(person).by_way_of("review-words");
        if self.is_party(member, person).await? {
            self.acts.record(act.refused("own")).await?;
            return Err(DeskError::Refused("number", "somebody else of the staff must look at this record".to_owned()));
        }
        self.acts.record(act).await?;
        let own: Vec<_> = self.sources_of(member).await?.into_iter().map(|source| source.key).collect();
        let mut charts = active_links(&self.db, person).await?;
        // What other organizations hold is theirs to look at.
        charts.retain(|chart| own.contains(&chart.source));
        let subject = page_subject((member.account, person), charts, &*self.random, self.clock.now());
        let subject = Arc::new(subject.ok_or(DeskError::NotFound)?);
        Ok(ToReview { patient: patient.display(), person, subject, said: self.rules_about(person).await? })
    }

    /// Writes down what an item is about, in place of what was said of the same words before.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn review(&self, member: &StaffMember, number: &str, review: Review) -> Result<(), DeskError> {
        let looked = self.to_review(member, number).await?;
        if looked.subject.links.iter().all(|chart| chart.source != review.source) {
            return Err(DeskError::NotFound);
        }
        let now = self.clock.now();
        let Review { source, resource_type, id, words, labels } = review;
        let is_same = |kind: &RuleKind| {
            matches!(kind, RuleKind::Reviewed { source: s, resource_type: t, id: i, words: w, .. }
                if (s.as_str(), t, i, w) == (source.as_str(), &resource_type, &id, &words))
        };
        let before: Vec<_> = looked.said.iter().filter(|rule| is_same(&rule.rule.kind)).map(|rule| rule.id).collect();
        let evidence = format!("{resource_type}/{source}.{id}");
        let kind = RuleKind::Reviewed { source: source.to_string(), resource_type, id, words, labels };
        let rule = ConsentRule {
            id: ConsentRuleId::mint(&*self.random),
            person: looked.person,
            rule: StandingRule { period: Period { from: now, until: None }, kind },
            evidence,
            entered_by: Some(member.account),
            created: now,
        };
        let act = self.act(ActKind::Grant, member).by_way_of("rule").under("staff");
        let act = act.about(looked.person).on("ConsentRule", rule.id);
        let done = self.acts.write(move |tx| {
            async move {
                for id in before {
                    consent::end_rule(&mut *tx, id, now, StatusReason::Superseded).await?;
                }
                consent::insert_rule(&mut *tx, &rule).await?;
                Ok::<_, StorageError>(((), Some(act)))
            }
            .boxed()
        });
        Ok(done.await?)
    }

    /// Nothing of the record waits any more.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn all_reviewed(&self, member: &StaffMember, looked: &ToReview) -> Result<(), DeskError> {
        let (about, by) = ((member.organization, StaffTaskKind::WordsToReview), (self.clock.now(), member.account));
        let mut persons = persons::aliases_of(&self.db, looked.person).await?;
        persons.push(looked.person);
        let write = self.db.write(move |tx| {
            async move {
                for person in persons {
                    let object = format!("Person/{person}");
                    staff_tasks::close_about(tx, (about.0, about.1, &object), (by.0, by.1, "reviewed")).await?;
                }
                Ok::<_, StorageError>(())
            }
            .boxed()
        });
        Ok(write.await?)
    }

    /// Whether a member of staff is the patient, or acts for them: then it is not theirs to say what others see.
    async fn is_party(&self, member: &StaffMember, person: PersonId) -> Result<bool, StorageError> {
        let subject = accounts::by_person(&self.db, person).await?;
        let is_open = |grant: &crate::identity::Grant| super::grants::is_open(grant, self.clock.now());
        Ok(subject.is_some_and(|subject| subject.id == member.account)
            || grants_of(&self.db, person).await?.iter().any(|grant| grant.account == member.account && is_open(grant)))
    }

    async fn rules_about(&self, person: PersonId) -> Result<Vec<ConsentRule>, StorageError> {
        let now = self.clock.now();
        let mut all = consent::rules_of(&self.db, person).await?;
        for alias in persons::aliases_of(&self.db, person).await? {
            all.extend(consent::rules_of(&self.db, alias).await?);
        }
        all.retain(|rule| rule.rule.period.covers(now));
        Ok(all)
    }
}
