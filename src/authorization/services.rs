//! Backend services as the administrators of a practice see and register them: those that reach its own sources, all of
//! them and no other client.

use std::collections::BTreeSet;

use super::clients::Registrar;
use super::{AuthorizationServer, NewClient, NewProof, RegistrationError};
use crate::base::id::OrganizationId;
use crate::base::source_key::SourceKey;
use crate::config::SourceAuthentication;
use crate::identity::{StaffAct, StaffMember};
use crate::oauth::client::{Client, ClientId, ClientKeys};
use crate::oauth::scope::ScopeSet;
use crate::storage::{StorageError, clients, sources};

/// What an administrator says of a new service.
#[derive(Clone, Debug)]
pub struct NewService {
    /// Its name.
    pub name: String,
    /// Its public keys, or where they are.
    pub keys: ClientKeys,
    /// What it may do; `system/` scopes count.
    pub scopes: ScopeSet,
}

/// Why something was not done for a service.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// No role of theirs covers it.
    #[error("your role does not cover this")]
    NotYours,
    /// It is not there, or reaches another organization.
    #[error("there is no such service here")]
    NotFound,
    /// It cannot be registered so.
    #[error(transparent)]
    Refused(#[from] RegistrationError),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl AuthorizationServer {
    /// The services that reach the organization's sources, oldest first.
    ///
    /// # Errors
    /// [`ServiceError::NotYours`], [`ServiceError::Storage`].
    pub async fn services(&self, staff: &StaffMember) -> Result<Vec<Client>, ServiceError> {
        let own = self.own_sources(staff).await?;
        let all = clients::all(&self.db).await?;
        let is_own = |client: &Client| client.sources.iter().any(|source| own.contains(source));
        Ok(all.into_iter().filter(is_own).collect())
    }

    /// Registers a service for all sources of the organization that have a credential of their own. It waits until the
    /// operator lets it in.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn register_service(&self, staff: &StaffMember, new: NewService) -> Result<Client, ServiceError> {
        may_edit(staff)?;
        let all = sources::all(&self.db).await?;
        let reaches = all.into_iter().filter(|source| {
            let by_itself = !matches!(source.authentication, SourceAuthentication::PerPatient { .. });
            source.organization == staff.organization && source.state.is_active() && by_itself
        });
        let client = NewClient {
            name: new.name,
            // Nobody signs in to a service: scopes of people have no meaning for it.
            scopes: new.scopes.of_system(),
            proof: NewProof::Keys(new.keys),
            sources: reaches.map(|source| source.key).collect(),
            ..NewClient::default()
        };
        Ok(self.register_for(Registrar::Staff(staff.account), client).await?.client)
    }

    /// Turns a service of the organization off, and its tokens are dead. Only the operator turns it on.
    ///
    /// # Errors
    /// [`ServiceError`]; of what is not the organization's it is not said whether it is there.
    pub async fn disable_service(&self, staff: &StaffMember, id: &ClientId) -> Result<(), ServiceError> {
        if !self.services(staff).await?.iter().any(|service| service.id == *id) {
            return Err(ServiceError::NotFound);
        }
        Ok(self.enable_for(Registrar::Staff(staff.account), id, false).await?)
    }

    async fn own_sources(&self, staff: &StaffMember) -> Result<BTreeSet<SourceKey>, ServiceError> {
        may_edit(staff)?;
        let organization: OrganizationId = staff.organization;
        let all = sources::all(&self.db).await?;
        Ok(all.into_iter().filter(|source| source.organization == organization).map(|source| source.key).collect())
    }
}

fn may_edit(staff: &StaffMember) -> Result<(), ServiceError> {
    if staff.may(StaffAct::EditServices) { Ok(()) } else { Err(ServiceError::NotYours) }
}
