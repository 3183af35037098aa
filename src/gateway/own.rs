//! What Chartgate itself knows of a person, served under the reserved source key `self`: so far the RelatedPerson that the
//! holder of a grant is, to which `fhirUser` leads. The person whose record it is and the holder see it; to everybody else it
//! is not there.

use super::Gateway;
use super::answer::{Answer, Refusal};
use super::read::etag;
use super::search::unavailable;
use crate::access::Permit;
use crate::base::id::GrantId;
use crate::consent::exchange::related_person;
use crate::identity::{Grant, PersonState};
use crate::storage::{StorageError, accounts, consent, grants, persons};

impl Gateway {
    /// The RelatedPerson of a grant.
    pub(super) async fn read_related_person(&self, permit: &Permit, grant: GrantId) -> Result<Answer, Refusal> {
        let found = self.party_to(permit, grant).await.map_err(|_| unavailable())?;
        // A granular scope sifts by what sources say: nothing of this has any.
        let (grant, name, is_active) = found.filter(|_| !permit.is_constrained()).ok_or(Refusal::NotFound)?;
        let body = related_person(&grant, permit.person(), name.as_deref(), is_active).to_string().into_bytes();
        let etag = Some(etag(&body, "1"));
        Ok(Answer { etag, last_modified: None, body: body.into(), resources: 1, sources: Vec::new(), content: None })
    }

    /// A grant to act for the permit's person, if the caller is one of its two sides: with the name of its holder, and
    /// whether it is in force.
    async fn party_to(
        &self,
        permit: &Permit,
        id: GrantId,
    ) -> Result<Option<(Grant, Option<String>, bool)>, StorageError> {
        let Some(grant) = grants::by_id(&self.db, id).await? else { return Ok(None) };
        let subject = permit.subject();
        let is_own = subject.standing.as_ref().is_some_and(|standing| standing.is_own);
        let is_party = !subject.is_system() && (is_own || subject.account() == Some(grant.account));
        let person = persons::by_id(&self.db, grant.person).await?.map(|person| match person.state {
            PersonState::Current => person.id,
            PersonState::MergedInto { person, .. } => person,
        });
        if !is_party || person != Some(permit.person()) {
            return Ok(None);
        }
        let (now, name) = (self.clock.now(), accounts::by_id(&self.db, grant.account).await?);
        let standing = consent::standing(&self.db, grant.account, permit.person(), false).await?;
        let is_dead = standing.is_deceased(now);
        let right = standing.rights.iter().find(|right| right.grant == grant.id);
        let is_active = grant.is_active(now) && right.is_some_and(|right| right.in_force(now, is_dead).is_ok());
        Ok(Some((grant, name.map(|holder| holder.username.typed().to_owned()), is_active)))
    }
}
