//! The UserInfo endpoint (OpenID Connect Core §5.3).

use serde_json::{Value, json};

use super::{AuthorizationServer, put};
use crate::access::Subject;
use crate::oauth::scope::Scope;
use crate::storage::{StorageError, accounts};

/// A UserInfo answer.
#[derive(Clone, Debug)]
pub struct UserInfo(Value);

impl UserInfo {
    /// The answer's body.
    #[must_use]
    pub const fn to_json(&self) -> &Value {
        &self.0
    }
}

impl AuthorizationServer {
    /// What the scopes of `subject` let its client know of the user; `None` without `openid`.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn userinfo(&self, subject: &Subject) -> Result<Option<UserInfo>, StorageError> {
        let Some(account) = subject.account().filter(|_| subject.scopes.contains(&Scope::OpenId)) else {
            return Ok(None);
        };
        let mut body = json!({"sub": self.subject_identifier(account)});
        let staff_of = subject.standing.as_ref().and_then(|standing| standing.staff_of);
        if subject.scopes.contains(&Scope::FhirUser)
            && let Some(fhir_user) = self.fhir_user(account, subject.person, staff_of).await?
        {
            put(&mut body, "fhirUser", json!(fhir_user));
        }
        if subject.scopes.contains(&Scope::Profile)
            && let Some(account) = accounts::by_id(&self.db, account).await?
        {
            put(&mut body, "preferred_username", json!(account.username.typed()));
        }
        Ok(Some(UserInfo(body)))
    }
}
