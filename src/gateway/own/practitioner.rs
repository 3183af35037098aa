//! Staff who opened an app.

use serde_json::{Value, json};

use crate::base::id::{AccountId, OrganizationId};
use crate::gateway::Gateway;
use crate::identity::practitioner_id;
use crate::storage::{StorageError, accounts};

impl Gateway {
    /// The one Practitioner that an account is at a practice.
    pub(super) async fn practitioner(
        &self,
        account: AccountId,
        practice: OrganizationId,
    ) -> Result<Vec<Value>, StorageError> {
        let name = accounts::by_id(&self.db, account).await?.map(|account| account.username.typed().to_owned());
        let mut resource = json!({
            "resourceType": "Practitioner",
            "id": practitioner_id(account, practice),
            "active": true,
        });
        if let (Some(name), Some(map)) = (name, resource.as_object_mut()) {
            map.insert("name".to_owned(), json!([{"text": name}]));
        }
        Ok(vec![resource])
    }
}
