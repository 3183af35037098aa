//! The authorization endpoint (RFC 6749 §3.1): from a request to a sign-in, a decision, and an answer to the client.

use futures_util::FutureExt;

use super::AuthorizationServer;
use super::challenges::ChallengeUse;
use super::consent::{self, AtWork, ConsentPage};
use super::pushed;
use super::seal::Binding;
use crate::audit::{AT_WORK, ActKind};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, AuthorizationId, OrganizationId, SessionId};
use crate::identity::StaffAct;
use crate::oauth::client::{Client, ClientId};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::grant::{Authorization, Code};
use crate::oauth::launch::{Launch, LaunchContext};
use crate::oauth::parameters::Parameters;
use crate::oauth::request::{self, AuthorizationRequest, CONSTANT_CHALLENGE, UNKNOWN_LAUNCH, with_parameters};
use crate::oauth::scope::{Scope, ScopeSet};
use crate::oauth::token::TokenKind;
use crate::storage::{StorageError, authorizations, clients, launches, staff, staff_sessions};

/// A browser that is signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub account: AccountId,
    /// When they signed in.
    pub signed_in: Instant,
    /// When the session ends, whatever happens.
    pub expires: Instant,
    /// The session's key: the hash of its cookie.
    pub hash: [u8; 32],
    /// The session's name in lists.
    pub session: SessionId,
    /// When whoever sits there last showed who they are.
    pub proved: Instant,
    /// What was shown to begin it: `password`, `password totp`, `passkey`, ….
    pub factors: String,
}

impl SignedIn {
    /// Whether more than one thing was shown: an authenticator or a saved code beside a password, or a passkey, which
    /// asks for a finger or a PIN by itself.
    #[must_use]
    pub fn is_by_two_factors(&self) -> bool {
        self.factors.split(' ').any(|factor| matches!(factor, "totp" | "saved-code" | "passkey"))
    }
}

/// Where the browser goes next: a client's redirect URI with its answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Redirect(pub String);

// It may hold a code.
impl std::fmt::Debug for Redirect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redirect(…)")
    }
}

/// What to answer a browser at the authorization endpoint.
#[derive(Debug)]
pub enum AuthorizeAnswer {
    /// The sign-in page, with the sealed request to come back with.
    SignIn {
        /// The sealed request.
        request: String,
        /// The name that the app proposes (`login_hint`).
        hint: Option<String>,
    },
    /// The consent page.
    Consent(Box<ConsentPage>),
    /// The page on which a visit is chosen (`launch/encounter`), with the sealed request and what was decided so far.
    Encounter {
        /// The sealed request.
        request: String,
    },
    /// Back to the client.
    Redirect(Redirect),
}

/// A request that cannot be answered at the client.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    /// Said on a page of ours, because the client is unknown or named a redirect URI that is not its own.
    #[error(transparent)]
    Page(#[from] OauthError),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What somebody decided on the consent page.
#[derive(Clone, Debug)]
pub struct Decision {
    /// `allow` or not.
    pub allow: bool,
    /// The chosen person.
    pub person: Option<String>,
    /// The values of the ticked boxes.
    pub scopes: Vec<String>,
}

pub(super) const LOST: OauthError = OauthError::new(
    ErrorCode::InvalidRequest,
    "this request is too old or was begun in another browser: go back to the app and start again",
);

const NOT_PUSHED: OauthError =
    OauthError::new(ErrorCode::InvalidRequest, "this app's authorization requests must be pushed (RFC 9126)");

impl AuthorizationServer {
    /// Answers `GET /oauth/authorize`: `browser` is the cookie that the request is bound to.
    ///
    /// # Errors
    /// [`AuthorizeError`].
    pub async fn authorize(
        &self,
        query: Vec<(String, String)>,
        browser: &str,
        session: Option<&SignedIn>,
    ) -> Result<AuthorizeAnswer, AuthorizeError> {
        match self.check(query).await? {
            Ok((request, client)) => self.proceed(request, client, browser, session).await,
            Err(redirect) => Ok(AuthorizeAnswer::Redirect(redirect)),
        }
    }

    /// Takes `POST /oauth/authorize` (SMART App Launch 2.2, `authorize-post`): the sealed request, to be got with
    /// [`AuthorizationServer::resume_posted`], because a form on another site comes without our cookies.
    ///
    /// # Errors
    /// [`AuthorizeError`].
    pub async fn authorize_posted(
        &self,
        parameters: Vec<(String, String)>,
    ) -> Result<Result<String, Redirect>, AuthorizeError> {
        Ok(self.check(parameters).await?.map(|(request, _)| self.seal(&request, Binding::Posted)))
    }

    /// Goes on with what [`AuthorizationServer::authorize_posted`] sealed.
    ///
    /// # Errors
    /// [`AuthorizeError`].
    pub async fn resume_posted(
        &self,
        sealed: &str,
        browser: &str,
        session: Option<&SignedIn>,
    ) -> Result<AuthorizeAnswer, AuthorizeError> {
        let request = self.unseal(sealed, Binding::Posted).ok_or(LOST)?;
        let client = self.enabled_client(&request.client).await?;
        self.proceed(request, client, browser, session).await
    }

    /// Goes on with a request of this browser, after sign-in for example.
    ///
    /// # Errors
    /// [`AuthorizeError`].
    pub async fn resume(
        &self,
        sealed: &str,
        browser: &str,
        session: Option<&SignedIn>,
    ) -> Result<AuthorizeAnswer, AuthorizeError> {
        let request = self.unseal(sealed, Binding::Browser(browser)).ok_or(LOST)?;
        let client = self.enabled_client(&request.client).await?;
        self.proceed(request, client, browser, session).await
    }

    /// Whether `sealed` is a request that this browser began and that can still be answered.
    #[must_use]
    pub fn is_resumable(&self, sealed: &str, browser: &str) -> bool {
        self.unseal(sealed, Binding::Browser(browser)).is_some()
    }

    /// Acts on a decision.
    ///
    /// # Errors
    /// [`AuthorizeError`].
    pub async fn decide(
        &self,
        sealed: &str,
        browser: &str,
        session: &SignedIn,
        decision: Decision,
    ) -> Result<AuthorizeAnswer, AuthorizeError> {
        let request = self.unseal(sealed, Binding::Browser(browser)).ok_or(LOST)?;
        let client = self.enabled_client(&request.client).await?;
        if !fresh(&request, session) {
            return self.proceed(request, client, browser, Some(session)).await;
        }
        if !decision.allow {
            let act = self.new_act(ActKind::Consent).by(session.account).through(&client.id).refused("user");
            self.acts.record(act).await?;
            let error = OauthError::new(ErrorCode::AccessDenied, "the user did not allow it");
            return Ok(AuthorizeAnswer::Redirect(self.error(&request, error)));
        }
        let launch = match self.launch_of(&request, session).await? {
            Ok(launch) => launch,
            Err(redirect) => return Ok(AuthorizeAnswer::Redirect(redirect)),
        };
        let staff_of = launch.as_ref().and_then(|launch| launch.staff_of);
        let context = launch.as_ref().map(|launch| launch.context.clone()).unwrap_or_default();
        let asks_for_visit = |scopes: &ScopeSet| {
            scopes.contains(&Scope::LaunchEncounter) && context.encounter.is_none() && staff_of.is_none()
        };
        let mut page = self.consent_page(&request, &client, browser, session, launch).await?;
        match page.granted(&request.scopes, &decision) {
            Ok((Some(person), scopes)) if asks_for_visit(&scopes) => {
                let request = AuthorizationRequest { scopes, decided: Some(person), ..request };
                Ok(AuthorizeAnswer::Encounter { request: self.seal(&request, Binding::Browser(browser)) })
            }
            Ok((person, scopes)) => {
                let request = AuthorizationRequest { scopes, decided: person, ..request };
                Ok(AuthorizeAnswer::Redirect(self.grant(request, &client, session, (context, staff_of)).await?))
            }
            Err(problem) => {
                page.show_again(&decision, problem);
                Ok(AuthorizeAnswer::Consent(Box::new(page)))
            }
        }
    }

    /// The request and its client, or the error to take to the client.
    async fn check(
        &self,
        parameters: Vec<(String, String)>,
    ) -> Result<Result<(AuthorizationRequest, Client), Redirect>, AuthorizeError> {
        let parameters = Parameters::new(parameters)?;
        let unknown = OauthError::new(ErrorCode::InvalidRequest, "client_id is missing or unknown");
        let id = parameters.get("client_id").and_then(ClientId::parse).ok_or(unknown)?;
        let client = self.enabled_client(&id).await?;
        if let Some(pushed) = parameters.raw("request_uri").filter(|uri| uri.starts_with(pushed::PREFIX)) {
            return Ok(Ok((self.take_pushed(pushed, &client.id).await?, client)));
        }
        let redirect_uri = request::redirect_uri(&parameters, &client)?;
        if client.requirements.pushed_requests {
            return Ok(Err(self.error_redirect(&redirect_uri, parameters.get("state"), NOT_PUSHED)));
        }
        let fhir_base = self.endpoints.fhir_base();
        match request::validate(&parameters, &client, redirect_uri, fhir_base, self.clock.now()) {
            Ok(request) => Ok(Ok((request, client))),
            Err(bad) => Ok(Err(self.error_redirect(&bad.redirect_uri, bad.state.as_deref(), bad.error))),
        }
    }

    pub(super) async fn enabled_client(&self, id: &ClientId) -> Result<Client, AuthorizeError> {
        let client = clients::get(&self.db, id).await?.filter(|client| client.enabled);
        let unknown = OauthError::new(ErrorCode::InvalidRequest, "client_id is missing or unknown");
        client.ok_or(AuthorizeError::Page(unknown))
    }

    pub(super) async fn proceed(
        &self,
        request: AuthorizationRequest,
        client: Client,
        browser: &str,
        session: Option<&SignedIn>,
    ) -> Result<AuthorizeAnswer, AuthorizeError> {
        let session = session.filter(|session| fresh(&request, session));
        Ok(match (session, request.silent) {
            (None, true) => {
                let error = OauthError::new(ErrorCode::LoginRequired, "nobody is signed in");
                AuthorizeAnswer::Redirect(self.error(&request, error))
            }
            (Some(_), true) => {
                // Every launch is decided anew, by a page.
                let error = OauthError::new(ErrorCode::ConsentRequired, "the user has to decide");
                AuthorizeAnswer::Redirect(self.error(&request, error))
            }
            (None, false) => AuthorizeAnswer::SignIn {
                request: self.seal(&request, Binding::Browser(browser)),
                hint: request.login_hint,
            },
            (Some(session), false) => match self.launch_of(&request, session).await? {
                Err(redirect) => AuthorizeAnswer::Redirect(redirect),
                Ok(launch) => {
                    let page = self.consent_page(&request, &client, browser, session, launch).await?;
                    AuthorizeAnswer::Consent(Box::new(page))
                }
            },
        })
    }

    /// The launch that the request names, if this user may use it; or the error to take to the client.
    pub(super) async fn launch_of(
        &self,
        request: &AuthorizationRequest,
        session: &SignedIn,
    ) -> Result<Result<Option<Launch>, Redirect>, StorageError> {
        let Some(hash) = request.launch else { return Ok(Ok(None)) };
        let launch = launches::get(&self.db, &hash).await?;
        let now = self.clock.now();
        let mut good =
            launch.filter(|launch| launch.is_good_for(&request.client, now) && launch.account == session.account);
        if let Some(practice) = good.as_ref().and_then(|launch| launch.staff_of)
            && !self.opens_apps_at(session.account, practice).await?
        {
            good = None;
        }
        Ok(good.map(Some).ok_or_else(|| self.error(request, UNKNOWN_LAUNCH)))
    }

    /// Whether the account is at work at a practice in a role that opens apps: a launch does not outlive the work that it was made
    /// at.
    async fn opens_apps_at(&self, account: AccountId, practice: OrganizationId) -> Result<bool, StorageError> {
        if !staff_sessions::is_at_work(&self.db, (account, practice), self.clock.now()).await? {
            return Ok(false);
        }
        let roles = staff::of_account(&self.db, account).await?;
        Ok(roles.iter().any(|row| row.organization == practice && row.role.may(StaffAct::OpenApp)))
    }

    async fn consent_page(
        &self,
        request: &AuthorizationRequest,
        client: &Client,
        browser: &str,
        session: &SignedIn,
        launch: Option<Launch>,
    ) -> Result<ConsentPage, StorageError> {
        if let Some((launch, practice)) = launch.as_ref().and_then(|launch| Some((launch, launch.staff_of?))) {
            let (patient, name) = self.consent_patient(launch.person, practice).await?;
            let page = consent::page(request, client, patient, self.seal(request, Binding::Browser(browser)));
            let minutes = self.lifetimes.access_token.as_secs().div_ceil(60);
            return Ok(ConsentPage { at_work: Some(AtWork { practice: name, minutes }), ..page });
        }
        let mut persons = self.consent_persons(session.account).await?;
        if let Some(launch) = launch {
            // The app was opened for one person: consent is not the place to make it another one.
            let person = super::rights::current_person(&self.db, launch.person).await?;
            persons.retain(|choice| Some(choice.person) == person);
            if let Some(only) = persons.first_mut() {
                only.chosen = true;
            }
        }
        let page = consent::page(request, client, persons, self.seal(request, Binding::Browser(browser)));
        Ok(ConsentPage { is_unchecked: self.is_unchecked(client), ..page })
    }

    pub(super) async fn grant(
        &self,
        request: AuthorizationRequest,
        client: &Client,
        session: &SignedIn,
        (context, staff_of): (LaunchContext, Option<OrganizationId>),
    ) -> Result<Redirect, StorageError> {
        let (person, mut scopes) = (request.decided, request.scopes.clone());
        if staff_of.is_some() {
            // No app goes on with a patient's record by itself: it is opened anew.
            scopes.remove(&Scope::OfflineAccess);
            scopes.remove(&Scope::OnlineAccess);
            scopes.remove(&Scope::LaunchEncounter);
        }
        let (lost_launch, constant) = (self.error(&request, UNKNOWN_LAUNCH), self.error(&request, CONSTANT_CHALLENGE));
        let challenge = ChallengeUse::of(&request);
        let is_public = !client.is_confidential();
        let now = self.clock.now();
        let code = TokenKind::Code.mint(&*self.random);
        let hash = crate::base::hash::sha256(code.expose().as_bytes());
        let online = scopes.contains(&Scope::OnlineAccess) && !scopes.contains(&Scope::OfflineAccess);
        let authorization = Authorization {
            id: AuthorizationId::mint(&*self.random),
            client: request.client,
            account: session.account,
            person,
            staff_of,
            context,
            scopes,
            signed_in: session.signed_in,
            session: online.then_some(session.hash),
            revoked: None,
        };
        let stored = Code {
            authorization: authorization.id,
            redirect_uri: request.redirect_uri.clone(),
            challenge: request.challenge,
            nonce: request.nonce,
            key: request.key,
            expires: now.plus(self.lifetimes.code),
            redeemed: None,
        };
        let act = self.new_act(ActKind::Consent).on("Authorization", authorization.id).under("user");
        let act = if staff_of.is_some() { act.by_way_of(AT_WORK) } else { act };
        let launch = request.launch;
        let granted = self
            .act(move |tx| {
                async move {
                    let is_again = challenge.is_again(&mut *tx, now).await?;
                    if is_again && is_public {
                        let act = act.by(authorization.account).through(&authorization.client);
                        return Ok((Granted::ConstantChallenge, Some(act.refused("code-challenge-again"))));
                    }
                    if let Some(launch) = launch
                        && !launches::use_up(tx, &launch, now).await?
                    {
                        return Ok((Granted::LaunchLost, None));
                    }
                    authorizations::insert(tx, &authorization, now).await?;
                    authorizations::insert_code(tx, &hash, &stored).await?;
                    let act = act.by(authorization.account).through(&authorization.client).about(authorization.person);
                    Ok((Granted::Code { is_again }, Some(act)))
                }
                .boxed()
            })
            .await?;
        if matches!(granted, Granted::ConstantChallenge | Granted::Code { is_again: true }) {
            self.count_challenge_again(&client.id);
        }
        match granted {
            Granted::Code { .. } => {}
            Granted::LaunchLost => return Ok(lost_launch),
            Granted::ConstantChallenge => return Ok(constant),
        }
        let answer = [("code", code.expose().as_str()), ("state", &request.state), ("iss", self.endpoints.issuer())];
        Ok(Redirect(with_parameters(&request.redirect_uri, &answer)))
    }

    fn error(&self, request: &AuthorizationRequest, error: OauthError) -> Redirect {
        self.error_redirect(&request.redirect_uri, Some(&request.state), error)
    }

    /// RFC 6749 §4.1.2.1, with `iss` of RFC 9207 on errors too.
    fn error_redirect(&self, redirect_uri: &str, state: Option<&str>, error: OauthError) -> Redirect {
        let mut answer = vec![("error", error.code.as_str()), ("error_description", error.description)];
        answer.extend(state.map(|state| ("state", state)));
        answer.push(("iss", self.endpoints.issuer()));
        Redirect(with_parameters(redirect_uri, &answer))
    }
}

/// What came of a grant.
enum Granted {
    /// `is_again`: the challenge had been used, by an app that proves itself in another way as well.
    Code {
        is_again: bool,
    },
    LaunchLost,
    ConstantChallenge,
}

/// Whether the sign-in is recent enough for the request.
pub(super) fn fresh(request: &AuthorizationRequest, session: &SignedIn) -> bool {
    request.sign_in_after.is_none_or(|after| session.signed_in >= after)
}
