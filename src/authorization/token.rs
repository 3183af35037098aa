//! The token endpoint: codes for tokens (RFC 6749 §4.1.3), and what every token answer holds.

use data_encoding::BASE64URL_NOPAD;
use futures_util::FutureExt;
use serde_json::{Value, json};

use super::revoke::of_authorization;
use super::signing::{ID_TOKEN, SigningError};
use super::{AuthorizationServer, ClientRequest, CredentialsError, put};
use crate::audit::ActKind;
use crate::base::clock::Instant;
use crate::base::hash::hmac_sha256;
use crate::base::id::{AccountId, OrganizationId, PersonId};
use crate::base::secret::Secret;
use crate::consent::Standing;
use crate::consent::exchange::related_person_id;
use crate::identity::practitioner_id;
use crate::oauth::client::Client;
use crate::oauth::dpop::Thumbprint;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::grant::{AccessToken, Authorization, Redeemed, Redemption, RefreshToken};
use crate::oauth::launch::LaunchContext;
use crate::oauth::parameters::Parameters;
use crate::oauth::scope::{Scope, ScopeSet};
use crate::oauth::token::{TokenKind, access_token};
use crate::storage::{StorageError, Tx, accounts, authorizations, consent as consents, tokens};

/// Why no token is given.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The request is refused.
    #[error(transparent)]
    Refused(#[from] OauthError),
    /// No id_token can be signed.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<CredentialsError> for TokenError {
    fn from(error: CredentialsError) -> Self {
        Self::Refused(error.0)
    }
}

/// A token answer (RFC 6749 §5.1, SMART App Launch 2.2 §2.0.14).
#[derive(Debug)]
pub struct TokenResponse {
    pub(super) access_token: Secret<String>,
    pub(super) expires_in: u64,
    pub(super) scopes: ScopeSet,
    pub(super) key: Option<Thumbprint>,
    pub(super) patient: Option<PersonId>,
    pub(super) context: LaunchContext,
    pub(super) style: String,
    pub(super) refresh_token: Option<Secret<String>>,
    pub(super) id_token: Option<String>,
}

impl TokenResponse {
    /// The answer's body.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut body = json!({
            "access_token": self.access_token.expose(),
            "token_type": token_type(self.key),
            "expires_in": self.expires_in,
            "scope": self.scopes.to_string(),
        });
        if let Some(patient) = self.patient {
            put(&mut body, "patient", json!(patient.to_string()));
            // Unless whoever opened the app shows around it whose record it is, nothing else does.
            put(&mut body, "need_patient_banner", json!(!self.context.banner_shown));
            put(&mut body, "smart_style_url", json!(self.style));
        }
        if let Some(encounter) = &self.context.encounter {
            put(&mut body, "encounter", json!(encounter));
        }
        if !self.context.fhir_context.is_empty() {
            put(&mut body, "fhirContext", json!(self.context.fhir_context));
        }
        if let Some(intent) = &self.context.intent {
            put(&mut body, "intent", json!(intent));
        }
        if let Some(refresh_token) = &self.refresh_token {
            put(&mut body, "refresh_token", json!(refresh_token.expose()));
        }
        if let Some(id_token) = &self.id_token {
            put(&mut body, "id_token", json!(id_token));
        }
        body
    }
}

/// How a token is to be shown (RFC 6750, RFC 9449 §5).
pub(super) const fn token_type(key: Option<Thumbprint>) -> &'static str {
    if key.is_some() { "DPoP" } else { "Bearer" }
}

pub(super) const INVALID_GRANT: OauthError =
    OauthError::new(ErrorCode::InvalidGrant, "the code or token is invalid, expired, revoked or used");

/// What tokens are asked for with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grant {
    Code,
    Refresh,
    Credentials,
}

/// Tokens to be stored together: minted before the write, so that the write does nothing but statements.
#[derive(Debug)]
pub(super) struct Minted {
    pub(super) access: Secret<String>,
    pub(super) access_hash: [u8; 32],
    pub(super) key: Option<Thumbprint>,
    pub(super) issued: Instant,
    pub(super) expires: Instant,
}

impl Minted {
    /// Stores the access token, tied to the refresh token that comes with it if that one rotates.
    pub(super) async fn store(
        &self,
        tx: &mut Tx,
        authorization: &Authorization,
        scopes: &ScopeSet,
        refresh_hash: Option<[u8; 32]>,
    ) -> Result<(), StorageError> {
        let token = AccessToken {
            authorization: authorization.id,
            refresh_hash,
            scopes: scopes.clone(),
            key: self.key,
            issued: self.issued,
            expires: self.expires,
        };
        tokens::insert_access(tx, &self.access_hash, &token).await
    }
}

impl AuthorizationServer {
    /// Answers a token request.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn token(&self, mut request: ClientRequest<'_>) -> Result<TokenResponse, TokenError> {
        let parameters = Parameters::new(std::mem::take(&mut request.form))?;
        let grant = match parameters.raw("grant_type") {
            Some("authorization_code") => Grant::Code,
            Some("refresh_token") => Grant::Refresh,
            Some("client_credentials") => Grant::Credentials,
            Some(_) => {
                return Err(OauthError::new(ErrorCode::UnsupportedGrantType, "grant_type is not supported").into());
            }
            None => return Err(OauthError::new(ErrorCode::InvalidRequest, "grant_type is missing").into()),
        };
        if grant == Grant::Refresh {
            return self.refresh(&request, parameters).await;
        }
        let client = self.authenticate_client(&request, &parameters).await?;
        let key = self.possession(&client, &request).await?;
        if grant == Grant::Credentials {
            // Boxed: a person's app should not hold room for it.
            return Box::pin(self.client_credentials(client, key, &parameters)).await;
        }
        self.redeem_code(client, key, &parameters).await
    }

    pub(super) fn mint_access(&self, key: Option<Thumbprint>) -> Minted {
        let issued = self.clock.now();
        let (access, access_hash) = access_token(&*self.random, issued);
        Minted { access, access_hash, key, issued, expires: issued.plus(self.lifetimes.access_token) }
    }

    async fn redeem_code(
        &self,
        client: Client,
        key: Option<Thumbprint>,
        parameters: &Parameters,
    ) -> Result<TokenResponse, TokenError> {
        let Some(code) = parameters.get("code") else {
            return Err(OauthError::new(ErrorCode::InvalidRequest, "code is missing").into());
        };
        let hash = TokenKind::Code.hash(code).ok_or(INVALID_GRANT)?;
        let (redirect_uri, verifier) =
            (parameters.get("redirect_uri").map(str::to_owned), parameters.get("code_verifier").map(str::to_owned));
        let minted = self.mint_access(key);
        let refresh = TokenKind::Refresh.mint(&*self.random);
        let refresh_hash = crate::base::hash::sha256(refresh.expose().as_bytes());
        let (now, refresh_lifetime) = (minted.issued, self.lifetimes.refresh_token);
        let act = self.new_act(ActKind::Token).by_way_of("authorization_code");
        let (minted, redeemed) = self
            .act(move |tx| {
                async move {
                    let shown = Redemption {
                        client: &client.id,
                        redirect_uri: redirect_uri.as_deref(),
                        verifier: verifier.as_deref(),
                        key,
                    };
                    let (authorization, nonce) = match redeem(tx, &hash, &shown, now).await? {
                        Exchange::Good(authorization, nonce) => (authorization, nonce),
                        Exchange::Refused => return Ok(((minted, None), None)),
                        Exchange::Burned(authorization) => {
                            let act = of_authorization(act, &authorization).refused("code-misused");
                            return Ok(((minted, None), Some(act)));
                        }
                    };
                    let scopes = authorization.scopes.intersection(&client.scopes);
                    let refreshes = refreshes(&scopes);
                    if refreshes {
                        let expires = now.plus(refresh_lifetime);
                        // It has no predecessor, so there is nothing that its first use would end.
                        let token = RefreshToken {
                            authorization: authorization.id,
                            key: key.filter(|_| !client.is_confidential()),
                            issued: now,
                            expires,
                            activated: Some(now),
                            used: None,
                        };
                        tokens::insert_refresh(tx, &refresh_hash, &token).await?;
                    }
                    let rotating = (refreshes && !client.is_confidential()).then_some(refresh_hash);
                    minted.store(tx, &authorization, &scopes, rotating).await?;
                    let act = of_authorization(act, &authorization);
                    Ok(((minted, Some((authorization, nonce, scopes, refreshes))), Some(act)))
                }
                .boxed()
            })
            .await?;
        let (authorization, nonce, scopes, refreshes) = redeemed.ok_or(INVALID_GRANT)?;
        let id_token = match scopes.contains(&Scope::OpenId) {
            true => Some(self.id_token(&authorization, &scopes, nonce.as_deref(), now).await?),
            false => None,
        };
        Ok(TokenResponse {
            access_token: minted.access,
            expires_in: self.lifetimes.access_token.as_secs(),
            scopes,
            key,
            patient: authorization.person,
            context: authorization.context,
            style: self.endpoints.style(),
            refresh_token: refreshes.then_some(refresh),
            id_token,
        })
    }

    /// The `sub` of an account: the same for every client, and neither its id nor its name.
    pub(super) fn subject_identifier(&self, account: AccountId) -> String {
        BASE64URL_NOPAD.encode(&hmac_sha256(self.subject_key.expose(), &[account.uuid().as_bytes()]))
    }

    /// The FHIR resource that the user is: the account holder's own record; where another person's record was chosen, the
    /// RelatedPerson that the user is to them; for staff of a practice the Practitioner that they are there (SMART App Launch
    /// 2.2 §2.0.12).
    pub(super) async fn fhir_user(
        &self,
        account: AccountId,
        person: Option<PersonId>,
        staff_of: Option<OrganizationId>,
    ) -> Result<Option<String>, StorageError> {
        if let Some(practice) = staff_of {
            return Ok(Some(self.practitioner_url(account, practice)));
        }
        let own = accounts::by_id(&self.db, account).await?.and_then(|account| account.person);
        if let Some(person) = person
            && let Some(person) = super::rights::current_person(&self.db, person).await?
            && !super::rights::is_own(&self.db, own, person).await?
        {
            let standing = consents::standing(&self.db, account, person, false).await?;
            return Ok(self.fhir_user_by(&standing, person));
        }
        let Some(own) = own else { return Ok(None) };
        let current = super::rights::current_person(&self.db, own).await?;
        Ok(current.map(|person| self.patient_url(person)))
    }

    /// The same of somebody with a person in context, from what their right to it hangs on.
    pub(super) fn fhir_user_by(&self, standing: &Standing, person: PersonId) -> Option<String> {
        if let Some(practice) = standing.staff_of {
            return Some(self.practitioner_url(standing.account, practice));
        }
        if standing.is_own {
            return Some(self.patient_url(person));
        }
        let now = self.clock.now();
        let right = standing.rights.iter().find(|right| standing.lets_act(right, now).is_ok())?;
        Some(format!("{}/RelatedPerson/{}", self.endpoints.fhir_base(), related_person_id(right.grant)))
    }

    fn practitioner_url(&self, account: AccountId, practice: OrganizationId) -> String {
        format!("{}/Practitioner/{}", self.endpoints.fhir_base(), practitioner_id(account, practice))
    }

    fn patient_url(&self, person: PersonId) -> String {
        format!("{}/Patient/{person}", self.endpoints.fhir_base())
    }

    /// OpenID Connect Core §2, with `fhirUser` of SMART App Launch 2.2 §2.0.12.
    async fn id_token(
        &self,
        authorization: &Authorization,
        scopes: &ScopeSet,
        nonce: Option<&str>,
        now: Instant,
    ) -> Result<String, TokenError> {
        let mut claims = json!({
            "iss": self.endpoints.issuer(),
            "sub": self.subject_identifier(authorization.account),
            "aud": authorization.client.as_str(),
            "iat": now.seconds(),
            "exp": now.plus(ID_TOKEN).seconds(),
            "auth_time": authorization.signed_in.seconds(),
        });
        if let Some(nonce) = nonce {
            put(&mut claims, "nonce", json!(nonce));
        }
        if scopes.contains(&Scope::FhirUser)
            && let Some(fhir_user) =
                self.fhir_user(authorization.account, authorization.person, authorization.staff_of).await?
        {
            put(&mut claims, "fhirUser", json!(fhir_user));
        }
        let keys = self.signing_keys().await?;
        Ok(keys.sign(&claims, now).map_err(SigningError::Key)?)
    }
}

/// Whether these scopes come with a refresh token.
fn refreshes(scopes: &ScopeSet) -> bool {
    scopes.contains(&Scope::OfflineAccess) || scopes.contains(&Scope::OnlineAccess)
}

/// What came of showing a code.
enum Exchange {
    /// What it stands for, and the nonce of the request.
    Good(Authorization, Option<String>),
    Refused,
    /// It was shown twice or by somebody else: what it stood for has ended.
    Burned(Authorization),
}

/// Uses a code up and returns what it stands for. A refusal that must kill tokens is stored, so it is no error here.
async fn redeem(tx: &mut Tx, hash: &[u8; 32], shown: &Redemption<'_>, now: Instant) -> Result<Exchange, StorageError> {
    let Some(code) = authorizations::code(&mut *tx, hash).await? else { return Ok(Exchange::Refused) };
    let Some(authorization) = authorizations::get(&mut *tx, code.authorization).await? else {
        return Ok(Exchange::Refused);
    };
    match code.judge(&authorization.client, shown, now) {
        Redeemed::Good => {
            let won = authorizations::redeem(tx, hash, now).await?;
            Ok(match won && authorization.revoked.is_none() {
                true => Exchange::Good(authorization, code.nonce),
                false => Exchange::Refused,
            })
        }
        Redeemed::Refused => Ok(Exchange::Refused),
        Redeemed::Burn => {
            authorizations::redeem(tx, hash, now).await?;
            if authorizations::revoke(tx, authorization.id, now).await? {
                tracing::warn!(
                    client.id = %authorization.client,
                    authorization.id = %authorization.id,
                    "an authorization code was replayed or shown by another client: its authorization is revoked"
                );
                return Ok(Exchange::Burned(authorization));
            }
            Ok(Exchange::Refused)
        }
    }
}
