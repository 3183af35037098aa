//! Apps and backend services as somebody sees and registers them who runs the gateway: all of them, from the console.

use super::clients::Registrar;
use super::services::ServiceError;
use super::{AuthorizationServer, NewClient, RegisteredClient};
use crate::identity::{StaffAct, StaffMember};
use crate::oauth::client::{Client, ClientId};
use crate::storage::clients;

impl AuthorizationServer {
    /// Every client, oldest first.
    ///
    /// # Errors
    /// [`ServiceError::NotYours`], [`ServiceError::Storage`].
    pub async fn registered_apps(&self, staff: &StaffMember) -> Result<Vec<Client>, ServiceError> {
        may_edit(staff)?;
        Ok(clients::all(&self.db).await?)
    }

    /// Registers a client that may begin at once.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn register_app(&self, staff: &StaffMember, new: NewClient) -> Result<RegisteredClient, ServiceError> {
        may_edit(staff)?;
        Ok(self.register_for(Registrar::OperatorAtWork(staff.account), new).await?)
    }

    /// Lets one in that waits, or turns one off: then its tokens are dead.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn enable_app(&self, staff: &StaffMember, id: &ClientId, enabled: bool) -> Result<(), ServiceError> {
        may_edit(staff)?;
        if clients::get(&self.db, id).await?.is_none() {
            return Err(ServiceError::NotFound);
        }
        Ok(self.enable_for(Registrar::OperatorAtWork(staff.account), id, enabled).await?)
    }
}

fn may_edit(staff: &StaffMember) -> Result<(), ServiceError> {
    if staff.may(StaffAct::EditApps) { Ok(()) } else { Err(ServiceError::NotYours) }
}
