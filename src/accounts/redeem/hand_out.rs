//! Somebody is to act for somebody else: what people hand out for their own record, and what they ask a practice to decide.

use std::time::Duration;

use futures_util::FutureExt;

use super::Redemptions;
use crate::accounts::notice::letters_to;
use crate::accounts::proof::is_held;
use crate::audit::ActKind;
use crate::authorization::{SignedIn, active_links, current_person, is_of_age};
use crate::base::clock::Instant;
use crate::base::id::{InvitationId, OrganizationId, PersonId, ProxyRequestId};
use crate::base::secret::Secret;
use crate::consent::{GrantScope, RuleKind, Standing};
use crate::identity::matching::birth_date;
use crate::identity::{
    ActivationCode, Assurance, Channel, Demographics, GrantBasis, Invitation, InvitationState, Link, ProxyDraft,
    ProxyRequest, RequestOrigin, RequestState,
};
use crate::mail::template;
use crate::organization::OrganizationState;
use crate::storage::{StorageError, accounts, consent, invitations, organizations, proxy_requests, sources};

/// Codes that somebody hands out, or requests that somebody makes, in a day.
const MOST_IN_A_DAY: i64 = 5;
const DAY: Duration = Duration::from_secs(86_400);
/// The longest name that is kept, in bytes.
const LONGEST: usize = 200;

/// Who is to see one's record, and how far.
#[derive(Clone, Debug)]
pub struct NewProxy {
    /// Their given name.
    pub given: String,
    /// Their family name.
    pub family: String,
    /// Their birth date, where it is known.
    pub birth_date: String,
    /// How far.
    pub scope: GrantScope,
    /// Until when.
    pub until: Option<Instant>,
}

/// What somebody asks who has a document.
#[derive(Clone, Debug)]
pub struct NewAsk {
    /// Which practice.
    pub organization: OrganizationId,
    /// The patient's given name, family name and birth date.
    pub patient: (String, String, String),
    /// Who asks: their given and family name.
    pub own: (String, String),
    /// By what right.
    pub basis: GrantBasis,
    /// The paper that they will bring.
    pub document: String,
}

/// What came of it.
#[derive(Debug)]
pub enum HandedOut {
    /// A code, told once, good until then.
    Code(Secret<String>, Instant),
    /// The practice decides.
    Waits,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum HandOutError {
    /// There is no record of one's own that is sure enough.
    #[error("no record of one's own")]
    NoRecord,
    /// The account was recovered a short time ago.
    #[error("the account was recovered a short time ago")]
    Held,
    /// Too many in a day.
    #[error("too many in a day")]
    TooMany,
    /// A field: its name.
    #[error("{0} cannot be so")]
    Field(&'static str),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A request as whoever made it sees it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request.
    pub request: ProxyRequest,
    /// Who decides.
    pub organization: String,
    /// Whether a code of it can still be used.
    pub is_code_open: bool,
}

impl Redemptions {
    /// The record of one's own from which somebody hands out codes, with its charts. One that rests on a claim alone is none.
    async fn own_record(&self, session: &SignedIn) -> Result<Option<(PersonId, Vec<Link>)>, StorageError> {
        let own = accounts::by_id(&self.db, session.account).await?.and_then(|account| account.person);
        let Some(own) = own else { return Ok(None) };
        let Some(person) = current_person(&self.db, own).await? else { return Ok(None) };
        let links = active_links(&self.db, person).await?;
        let is_dead = consent::standing(&self.db, session.account, person, true).await?.right_until(self.clock.now());
        Ok((is_dead.is_some() && sure(&links).is_some()).then_some((person, links)))
    }

    /// Whether whoever is signed in is surely of age; none without a record of their own to let anybody see.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn is_of_age(&self, session: &SignedIn) -> Result<Option<bool>, StorageError> {
        match self.own_record(session).await? {
            Some((person, links)) => Ok(Some(self.decides_alone(session, person, &links).await?)),
            None => Ok(None),
        }
    }

    /// Whether somebody is surely of age, or counts as that (portal design, 3.8 scenario 54).
    async fn decides_alone(&self, session: &SignedIn, person: PersonId, links: &[Link]) -> Result<bool, StorageError> {
        let now = self.clock.now();
        if is_of_age(links, now) {
            return Ok(true);
        }
        let standing = consent::standing(&self.db, session.account, person, true).await?;
        Ok(standing.in_force(now).any(|rule| *rule == RuleKind::Emancipated))
    }

    /// What whoever is named would see: the charts and a standing that nobody has yet.
    ///
    /// # Errors
    /// [`HandOutError`].
    pub async fn preview(&self, session: &SignedIn, scope: GrantScope) -> Result<(Vec<Link>, Standing), HandOutError> {
        let (person, links) = self.own_record(session).await?.ok_or(HandOutError::NoRecord)?;
        let nobody = crate::base::id::AccountId::mint(&*self.random);
        let mut standing = consent::standing(&self.db, nobody, person, false).await?;
        standing.rights.push(crate::consent::Right {
            grant: crate::base::id::GrantId::mint(&*self.random),
            basis: GrantBasis::PatientConsent,
            period: crate::identity::Period { from: self.clock.now(), until: None },
            scope,
        });
        Ok((links, standing))
    }

    /// Lets somebody see one's own record: a code for whom is named. For a minor the practice decides.
    ///
    /// # Errors
    /// [`HandOutError`].
    pub async fn hand_out(&self, session: &SignedIn, new: NewProxy) -> Result<HandedOut, HandOutError> {
        let (person, links) = self.own_record(session).await?.ok_or(HandOutError::NoRecord)?;
        self.may_ask(session, RequestOrigin::Patient).await?;
        let link = sure(&links).ok_or(HandOutError::NoRecord)?;
        let source = sources::by_key(&self.db, link.source).await?.ok_or(HandOutError::NoRecord)?;
        let said = link.demographics.clone().ok_or(HandOutError::NoRecord)?;
        let is_of_age = self.decides_alone(session, person, &links).await?;
        let draft = ProxyDraft {
            scope: Some(serde_json::to_string(&new.scope).map_err(|_| HandOutError::Field("categories"))?),
            person: Some(person),
            is_own_word: is_of_age,
            until: new.until.map(Instant::micros),
            ..named((&new.given, &new.family), &new.birth_date, GrantBasis::PatientConsent)?
        };
        let mut request = self.request(session, (source.organization, RequestOrigin::Patient), said, draft);
        request.person = Some(person);
        request.chart = Some((link.source, link.patient.clone()));
        if !is_of_age {
            self.store(request, None).await?;
            return Ok(HandedOut::Waits);
        }
        let code = ActivationCode::mint(&*self.random);
        let invitation = self.invitation(&request, link, &code);
        request.state = RequestState::Issued;
        request.decided = Some(request.asked);
        request.invitation = Some(invitation.id);
        let until = invitation.expires;
        self.store(request, Some((invitation, self.hashes.of(&code)))).await?;
        Ok(HandedOut::Code(Secret::new(code.printed()), until))
    }

    /// Asks a practice to let somebody act by a document. Nothing is looked up, and the answer is the same whatever the
    /// practice knows (portal design, 2.7).
    ///
    /// # Errors
    /// [`HandOutError`].
    pub async fn ask(&self, session: &SignedIn, new: NewAsk) -> Result<(), HandOutError> {
        self.may_ask(session, RequestOrigin::Document).await?;
        let (given, family, born) = &new.patient;
        let birth_date = birth_date(born).ok_or(HandOutError::Field("birth_date"))?;
        let said = Demographics { family: line(family, "family")?, given: vec![line(given, "given")?], birth_date };
        let draft = named((&new.own.0, &new.own.1), "", new.basis)?;
        let known = organizations::by_id(&self.db, new.organization).await?;
        if known.is_none_or(|known| known.state != OrganizationState::Active) {
            return Err(HandOutError::Field("practice"));
        }
        let mut request = self.request(session, (new.organization, RequestOrigin::Document), said, draft);
        request.document = Some(line(&new.document, "document")?);
        Ok(self.store(request, None).await?)
    }

    async fn may_ask(&self, session: &SignedIn, origin: RequestOrigin) -> Result<(), HandOutError> {
        let now = self.clock.now();
        if is_held(&self.db, session.account, now).await? {
            return Err(HandOutError::Held);
        }
        let made = proxy_requests::count_of(&self.db, session.account, origin, now.minus(DAY)).await?;
        if made < MOST_IN_A_DAY { Ok(()) } else { Err(HandOutError::TooMany) }
    }

    fn request(
        &self,
        session: &SignedIn,
        (organization, origin): (OrganizationId, RequestOrigin),
        said: Demographics,
        draft: ProxyDraft,
    ) -> ProxyRequest {
        ProxyRequest {
            id: ProxyRequestId::mint(&*self.random),
            organization,
            origin,
            asked_by: session.account,
            asked: self.clock.now(),
            person: None,
            chart: None,
            said,
            draft,
            document: None,
            proofing: None,
            silent: None,
            approved: None,
            state: RequestState::Waiting,
            decided: None,
            reason: None,
            note: None,
            invitation: None,
        }
    }

    fn invitation(&self, request: &ProxyRequest, link: &Link, code: &ActivationCode) -> Invitation {
        let id = InvitationId::mint(&*self.random);
        Invitation {
            id,
            handle: code.handle(),
            organization: request.organization,
            source: link.source,
            patient: link.patient.clone(),
            demographics: request.said.clone(),
            proxy: Some(request.draft.clone()),
            channel: Channel::Slip,
            contact: None,
            proofing: None,
            assurance: link.assurance,
            issued_by: Some(request.asked_by),
            issued: request.asked,
            expires: request.asked.plus(request.draft.validity()),
            root: id,
            wrong_answers: 0,
            state: InvitationState::Issued,
        }
    }

    /// The request, its code if there is one, and the notice to whose record it is: one write.
    async fn store(&self, request: ProxyRequest, code: Option<(Invitation, [u8; 32])>) -> Result<(), StorageError> {
        let changed = template::SharingChanged { sign_in: self.outbox.link("/sign-in") };
        let letters = match request.origin {
            RequestOrigin::Patient => letters_to(&self.db, &self.outbox, request.asked_by, &changed).await?,
            _ => Vec::new(),
        };
        let act = self.new_act(ActKind::Grant).by(request.asked_by).about(request.person).by_way_of("proxy-request");
        let act = act.on("ProxyRequest", request.id).under(request.origin.as_str());
        self.acts
            .write(move |tx| {
                async move {
                    if let Some((invitation, hash)) = &code {
                        invitations::insert(tx, hash, invitation, false).await?;
                    }
                    proxy_requests::insert(tx, &request).await?;
                    for letter in letters {
                        letter.queue(&mut *tx).await?;
                    }
                    Ok::<_, StorageError>(((), Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// What somebody asked for, the newest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn asked(&self, session: &SignedIn) -> Result<Vec<Asked>, StorageError> {
        let mut found = Vec::new();
        for request in proxy_requests::asked_by(&self.db, session.account).await? {
            let code = match request.invitation {
                Some(id) => invitations::by_id(&self.db, id).await?,
                None => None,
            };
            let is_code_open = code.is_some_and(|code| code.is_open(self.clock.now()));
            let organization = self.organization_name(request.organization).await?;
            found.push(Asked { request, organization, is_code_open });
        }
        Ok(found)
    }

    /// Takes back what one asked for: what waits is not decided any more, and a code that was not used never will be. False
    /// when there is nothing to take back.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn take_back(&self, session: &SignedIn, id: ProxyRequestId) -> Result<bool, StorageError> {
        let found = proxy_requests::by_id(&self.db, id).await?.filter(|request| request.asked_by == session.account);
        let Some(mut request) = found.filter(|request| request.origin != RequestOrigin::Desk) else { return Ok(false) };
        let (before, now, by) = (request.state, self.clock.now(), session.account);
        if !before.is_open() && before != RequestState::Issued {
            return Ok(false);
        }
        request.state = RequestState::Withdrawn;
        request.decided = Some(now);
        let act = self.new_act(ActKind::Grant).by(by).about(request.person).by_way_of("proxy-request-withdrawn");
        let act = act.on("ProxyRequest", id).under("user");
        self.acts
            .write(move |tx| {
                async move {
                    if let Some(code) = request.invitation
                        && !invitations::end(tx, code, "revoked", now).await?
                    {
                        return Ok((false, None));
                    }
                    let done = proxy_requests::decide(tx, before, &request, Some(by)).await?;
                    Ok::<_, StorageError>((done, done.then_some(act)))
                }
                .boxed()
            })
            .await
    }
}

/// The first chart that is surely the person's.
fn sure(links: &[Link]) -> Option<&Link> {
    links.iter().find(|link| link.assurance != Assurance::Claimed && link.demographics.is_some())
}

fn line(text: &str, field: &'static str) -> Result<String, HandOutError> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(HandOutError::Field(field));
    }
    Ok(text.to_owned())
}

fn named((given, family): (&str, &str), born: &str, basis: GrantBasis) -> Result<ProxyDraft, HandOutError> {
    let birth_date = match born.trim() {
        "" => None,
        typed => Some(birth_date(typed).ok_or(HandOutError::Field("proxy_birth_date"))?),
    };
    Ok(ProxyDraft {
        basis: basis.as_str().to_owned(),
        family: line(family, "proxy_family")?,
        given: line(given, "proxy_given")?,
        birth_date,
        until: None,
        scope: None,
        person: None,
        is_own_word: false,
        sources: None,
    })
}
