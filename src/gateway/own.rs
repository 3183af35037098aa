//! What Chartgate itself knows of a person, served under the reserved source key `self` beside what sources hold: who acts
//! for them (RelatedPerson), what was agreed on that (Consent) and who looked at the record (AuditEvent). The person sees
//! all of it; whoever acts for them sees the RelatedPerson that they are themselves, to which `fhirUser` leads, and the
//! Consent that lets them; staff who opened an app see the Practitioner that they are. To everybody else it is not there. It is found by reads and searches of its type, and is no part
//! of what gathers the record (`$everything`, includes): those show what practices hold.

mod audit_event;
mod consent;
mod practitioner;
mod related_person;

use bytes::Bytes;
use serde_json::Value;

use super::Gateway;
use super::answer::{Answer, Refusal};
use super::read::etag;
use super::search::unavailable;
use super::searchset::{Content, Entry};
use crate::access::Permit;
use crate::base::id::PersonId;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::{AuthorizationKind, Knowledge};
use crate::fhir::scan;
use crate::fhir::search::{self, Query};
use crate::identity::Grant;
use crate::storage::{Db, StorageError, grants, persons};

pub(crate) use audit_event::audit_events;

/// How the ids of what is kept here begin.
const OWN: &str = "self.";

/// Whether something of this type is kept here.
pub(super) const fn is_kept(kind: ResourceType) -> bool {
    matches!(kind, ResourceType::AuditEvent | ResourceType::Consent | ResourceType::RelatedPerson)
}

/// Whether an id can be of nothing but what is kept here.
pub(super) fn is_own_id(knowledge: &Knowledge, kind: ResourceType, id: &str) -> bool {
    // A Practitioner of ours is whom `fhirUser` leads to, and nobody that a record deals with: it is read, and not found.
    let can_be_ours = is_kept(kind) || kind == ResourceType::Practitioner;
    can_be_ours && (id.starts_with(OWN) || knowledge.of(kind).authorization == AuthorizationKind::Own)
}

impl Gateway {
    /// The read interaction.
    pub(super) async fn read_own(&self, permit: &Permit, id: &str) -> Result<Answer, Refusal> {
        let all = self.own(permit).await.map_err(|_| unavailable())?;
        let found = all.into_iter().find(|kept| id_of(kept) == id).ok_or(Refusal::NotFound)?;
        let body = found.to_string().into_bytes();
        let etag = Some(etag(&body, "1"));
        Ok(Answer { etag, last_modified: None, body: body.into(), resources: 1, sources: Vec::new(), content: None })
    }

    /// Those that a search finds.
    pub(super) async fn find_own(&self, permit: &Permit, query: &Query) -> Result<Vec<Entry>, Refusal> {
        let all = self.own(permit).await.map_err(|_| unavailable())?;
        let evaluation = self.evaluation(Some(&self.base_url));
        let found = all.into_iter().filter_map(|kept| {
            let id = id_of(&kept).to_owned();
            let raw = scan::scan_resource(Bytes::from(kept.to_string()), self.knowledge).ok()?;
            search::matches(query, &raw, &evaluation).then(|| Entry {
                resource_type: permit.resource_type(),
                keys: self.keys(query, &raw, None),
                id,
                content: Content::Kept(raw.bytes.to_vec()),
            })
        });
        Ok(found.collect())
    }

    /// Everything of the permit's type that its caller may see.
    async fn own(&self, permit: &Permit) -> Result<Vec<Value>, StorageError> {
        let subject = permit.subject();
        // A granular scope sifts by what sources say, and a service is nobody whom a person deals with.
        if permit.is_constrained() || subject.is_system() {
            return Ok(Vec::new());
        }
        let (person, kind) = (permit.person(), permit.resource_type());
        if let Some(practice) = subject.standing.as_ref().and_then(|standing| standing.staff_of) {
            return match (kind, subject.account()) {
                (ResourceType::Practitioner, Some(account)) => self.practitioner(account, practice).await,
                _ => Ok(Vec::new()),
            };
        }
        if subject.standing.as_ref().is_some_and(|standing| standing.is_own) {
            return match kind {
                ResourceType::AuditEvent => audit_events(&self.db, &self.base_url, person).await,
                ResourceType::Consent => self.consents(person).await,
                ResourceType::RelatedPerson => self.related_persons(person, None).await,
                _ => Ok(Vec::new()),
            };
        }
        match (kind, subject.account()) {
            (ResourceType::Consent, Some(holder)) => self.consents_of_holder(person, holder).await,
            (ResourceType::RelatedPerson, Some(holder)) => self.related_persons(person, Some(holder)).await,
            _ => Ok(Vec::new()),
        }
    }

    async fn grants_of(&self, person: PersonId) -> Result<Vec<Grant>, StorageError> {
        grants_of(&self.db, person).await
    }
}

/// Every grant to act for a person, also of the time before records were joined.
pub(crate) async fn grants_of(db: &Db, person: PersonId) -> Result<Vec<Grant>, StorageError> {
    let mut all = grants::of_person(db, person).await?;
    for alias in persons::aliases_of(db, person).await? {
        all.extend(grants::of_person(db, alias).await?);
    }
    Ok(all)
}

fn id_of(kept: &Value) -> &str {
    kept.get("id").and_then(Value::as_str).unwrap_or_default()
}
