//! Token introspection (RFC 7662), for confidential clients on their own tokens.

use serde_json::{Value, json};

use super::token::token_type;
use super::{AuthorizationServer, ClientRequest, TokenError, Unauthenticated, put};
use crate::access::Subject;
use crate::base::id::PersonId;
use crate::consent::Standing;
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::grant::Authorization;
use crate::oauth::parameters::Parameters;
use crate::oauth::scope::{Scope, ScopeSet};
use crate::oauth::token::TokenKind;
use crate::storage::{authorizations, refreshes, sessions};

/// An introspection answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspection(Value);

impl Introspection {
    /// The one answer for every token that is not good, not the client's, or no token at all (RFC 7662 §2.2).
    #[must_use]
    pub fn inactive() -> Self {
        Self(json!({"active": false}))
    }

    /// The answer's body.
    #[must_use]
    pub const fn to_json(&self) -> &Value {
        &self.0
    }
}

impl AuthorizationServer {
    /// Says what a token is, to the confidential client that it was given to.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn introspect(&self, mut request: ClientRequest<'_>) -> Result<Introspection, TokenError> {
        let parameters = Parameters::new(std::mem::take(&mut request.form))?;
        let client = self.authenticate_client(&request, &parameters).await?;
        if !client.is_confidential() {
            let text = "introspection is for clients that authenticate";
            return Err(OauthError::new(ErrorCode::InvalidClient, text).into());
        }
        let Some(token) = parameters.get("token") else {
            return Err(OauthError::new(ErrorCode::InvalidRequest, "token is missing").into());
        };
        let found = match TokenKind::Refresh.hash(token) {
            None => self.introspect_access(&client, token).await?,
            Some(hash) => self.introspect_refresh(&client, &hash).await?,
        };
        Ok(found.map_or_else(Introspection::inactive, Introspection))
    }

    async fn introspect_access(&self, client: &Client, token: &str) -> Result<Option<Value>, TokenError> {
        let subject = match self.look_up(token).await {
            Ok(subject) if subject.client == client.id => subject,
            Ok(_) | Err(Unauthenticated::Invalid | Unauthenticated::Proof) => return Ok(None),
            Err(Unauthenticated::Unavailable(error)) => return Err(error.into()),
        };
        let mut body = match subject.authorization() {
            None => self.describe_system(&subject),
            Some(id) => {
                let Some(authorization) = authorizations::get(&self.db, id).await? else { return Ok(None) };
                let right = subject.person.zip(subject.standing.as_ref());
                self.describe(&authorization, &subject.scopes, right).await?
            }
        };
        put(&mut body, "token_type", json!(token_type(subject.key)));
        put(&mut body, "exp", json!(subject.expires_at.seconds()));
        if let Some(key) = subject.key {
            // RFC 9449 §6.2.
            put(&mut body, "cnf", json!({"jkt": key.to_string()}));
        }
        Ok(Some(body))
    }

    async fn introspect_refresh(&self, client: &Client, hash: &[u8; 32]) -> Result<Option<Value>, TokenError> {
        let found = refreshes::find(&self.db, Some(&client.id), Some(hash)).await?;
        let Some(held) = found.held else { return Ok(None) };
        let (authorization, now) = (&held.authorization, self.clock.now());
        if authorization.client != client.id || held.token.used.is_some() || !held.is_live(now) {
            return Ok(None);
        }
        if let Some(session) = &authorization.session
            && sessions::get(&self.db, session).await?.is_none_or(|session| now >= session.expires)
        {
            return Ok(None);
        }
        let right = held.right.as_ref().map(|(person, standing)| (*person, standing));
        let scopes = authorization.scopes.intersection(&client.scopes);
        let mut body = self.describe(authorization, &scopes, right).await?;
        put(&mut body, "exp", json!(held.token.expires.seconds()));
        Ok(Some(body))
    }

    /// What RFC 7662 §2.2 and SMART App Launch 2.2 §5 say of a good token. Who it is that uses the app is asked of the
    /// database only without a `right` to a person.
    async fn describe(
        &self,
        authorization: &Authorization,
        scopes: &ScopeSet,
        right: Option<(PersonId, &Standing)>,
    ) -> Result<Value, TokenError> {
        let mut body = json!({
            "active": true,
            "scope": scopes.to_string(),
            "client_id": authorization.client.as_str(),
            "iss": self.endpoints.issuer(),
            "sub": self.subject_identifier(authorization.account),
        });
        if let Some(person) = authorization.person {
            put(&mut body, "patient", json!(person.to_string()));
            // What the token answer said of the launch is said again (SMART App Launch 2.2 §7.1).
            put(&mut body, "need_patient_banner", json!(!authorization.context.banner_shown));
            put(&mut body, "smart_style_url", json!(self.endpoints.style()));
        }
        if let Some(encounter) = &authorization.context.encounter {
            put(&mut body, "encounter", json!(encounter));
        }
        if !authorization.context.fhir_context.is_empty() {
            put(&mut body, "fhirContext", json!(authorization.context.fhir_context));
        }
        if scopes.contains(&Scope::FhirUser) {
            let fhir_user = match right {
                Some((person, standing)) => self.fhir_user_by(standing, person),
                None => self.fhir_user(authorization.account, authorization.person, authorization.staff_of).await?,
            };
            if let Some(fhir_user) = fhir_user {
                put(&mut body, "fhirUser", json!(fhir_user));
            }
        }
        Ok(body)
    }

    /// A backend service is nobody's subject: no user's identifier has a colon.
    fn describe_system(&self, subject: &Subject) -> Value {
        json!({
            "active": true,
            "scope": subject.scopes.to_string(),
            "client_id": subject.client.as_str(),
            "iss": self.endpoints.issuer(),
            "sub": format!("client:{}", subject.client),
        })
    }
}
