use std::time::Duration;

use futures_util::FutureExt;

use super::{Desk, DeskError, StaffMember, covered};
use crate::accounts::letters_to;
use crate::audit::ActKind;
use crate::authorization::current_person;
use crate::base::clock::Instant;
use crate::base::id::{AccountId, InvitationId, ProofingId};
use crate::base::secret::Secret;
use crate::identity::matching::{ChartPatient, birth_date};
use crate::identity::{
    ActivationCode, Channel, Demographics, Document, GrantBasis, Invitation, InvitationState, Proofing, ProxyDraft,
    ProxyRequest, RequestState, StaffAct, mask_contact, takes_two,
};
use crate::mail::{Day, InvitationCode, Letter, template};
use crate::organization::SourceKey;
use crate::storage::{StorageError, accounts, invitations, links, proofings, proxy_requests};

/// Nobody younger has an account of their own (portal design, 2.4), in years.
const FLOOR_AGE: i64 = 13;

/// What staff saw.
#[derive(Clone, Debug)]
pub struct NewProofing {
    /// Which paper.
    pub document: Document,
    /// Who issued it.
    pub issuer: Option<String>,
    /// The month in which it ends, `YYYY-MM`.
    pub expires: Option<String>,
    /// Whether picture and face were compared.
    pub photo_compared: bool,
    /// The colleague who knows the person as well, by the name they sign in with; needed where there is no paper.
    pub attested_by: Option<String>,
}

/// What is to be handed out.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    /// How.
    pub channel: Channel,
    /// For somebody who acts for the patient.
    pub proxy: Option<ProxyDraft>,
}

/// A code that was just made. The code is told once.
#[derive(Debug)]
pub struct Issued {
    /// Its record.
    pub invitation: Invitation,
    /// The code as it is printed; none where it was sent.
    pub code: Option<Secret<String>>,
    /// Where it was sent, as others may see it.
    pub sent_to: Option<String>,
}

/// What came of a wish for a code.
#[derive(Debug)]
pub enum Handed {
    /// A code.
    Code(Box<Issued>),
    /// It takes two: it waits for the second one.
    Waits,
}

/// What a code is made of, and what changes with it.
pub(super) struct Handing {
    pub(super) new: NewInvitation,
    /// The code whose place it takes.
    pub(super) old: Option<InvitationId>,
    /// Whether what staff saw was written down before.
    pub(super) is_stored: bool,
    /// The request that it answers, as it was and as it is now.
    pub(super) request: Option<(RequestState, ProxyRequest)>,
}

/// A code as staff see it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its record.
    pub invitation: Invitation,
    /// How it stands, in a word.
    pub standing: &'static str,
    /// The contact on it, as others may see it.
    pub contact: Option<String>,
    /// The patient, for those who may know.
    pub patient: Option<String>,
}

impl Desk {
    /// Writes down what staff saw, and hands out a code for the chart; where it takes two, it is the first yes.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn verify_and_issue(
        &self,
        member: &StaffMember,
        chart: (&str, &str),
        seen: NewProofing,
        new: NewInvitation,
    ) -> Result<Handed, DeskError> {
        covered(member, StaffAct::Verify)?;
        covered(member, act_of(new.proxy.as_ref()))?;
        let (source, patient) = self.patient(member, chart).await?;
        let proofing = self.proofing(member, (source, &patient), seen).await?;
        if new.proxy.as_ref().and_then(|draft| GrantBasis::parse(&draft.basis)).is_some_and(takes_two) {
            check(&new, &proofing.demographics, self.clock.now())?;
            self.begin(member, (source, &patient), (proofing, new)).await?;
            return Ok(Handed::Waits);
        }
        let handing = Handing { new, old: None, is_stored: false, request: None };
        // Boxed, as the other ways to a code do: none of them carries room for what comes of it.
        Ok(Handed::Code(Box::new(Box::pin(self.issue(member, (source, &patient), proofing, handing)).await?)))
    }

    /// What staff saw, as it is written down.
    pub(super) async fn proofing(
        &self,
        member: &StaffMember,
        (source, patient): (SourceKey, &ChartPatient),
        seen: NewProofing,
    ) -> Result<Proofing, DeskError> {
        let demographics = linkable(patient)?;
        let attested_by = self.second(member, &seen).await?;
        let proofing = Proofing {
            id: ProofingId::mint(&*self.random),
            organization: member.organization,
            source,
            patient: patient.id.clone(),
            demographics,
            verified_by: Some(member.account),
            attested_by,
            document: seen.document,
            issuer: seen.issuer.filter(|text| !text.trim().is_empty()),
            document_expires: seen.expires.filter(|text| !text.trim().is_empty()),
            photo_compared: seen.photo_compared,
            recorded: self.clock.now(),
        };
        is_month(proofing.document_expires.as_deref())?;
        Ok(proofing)
    }

    /// Hands out a code again: what was seen within the last year is not asked for twice (portal design, 2.3).
    ///
    /// # Errors
    /// [`DeskError`]; `Refused` when the person must be seen again.
    pub async fn reissue(&self, member: &StaffMember, id: InvitationId, channel: Channel) -> Result<Issued, DeskError> {
        let old = self.own_invitation(member, id).await?;
        covered(member, act_of(old.proxy.as_ref()))?;
        if old.proxy.as_ref().and_then(|draft| GrantBasis::parse(&draft.basis)).is_some_and(takes_two) {
            return Err(DeskError::Refused("code", "this takes two of the staff: begin again at the desk".to_owned()));
        }
        let (source, patient) = self.patient(member, (old.source.as_str(), &old.patient)).await?;
        if matches!(old.state, InvitationState::Redeemed { .. }) {
            return Err(DeskError::Refused("code", "it was used: verify the person for another one".to_owned()));
        }
        // What was seen for this code, not for another at the same chart.
        let proofing = match old.proofing {
            Some(id) => proofings::by_id(&self.db, id).await?,
            None => None,
        };
        let is_same = |proofing: &Proofing| linkable(&patient).is_ok_and(|now| now == proofing.demographics);
        let still = proofing.filter(|proofing| self.clock.now() < proofing.valid_until() && is_same(proofing));
        let proofing = still.ok_or_else(|| {
            DeskError::Refused(
                "proofing",
                "this person must be seen again: it is a year ago, or the record changed".into(),
            )
        })?;
        // Whoever hands it out now gives leave for what is theirs now.
        let proxy = old.proxy.map(|draft| ProxyDraft { sources: None, ..draft });
        let new = NewInvitation { channel, proxy };
        let handing = Handing { new, old: Some(old.id), is_stored: true, request: None };
        Box::pin(self.issue(member, (source, &patient), proofing, handing)).await
    }

    pub(super) async fn issue(
        &self,
        member: &StaffMember,
        (source, patient): (SourceKey, &ChartPatient),
        proofing: Proofing,
        handing: Handing,
    ) -> Result<Issued, DeskError> {
        let Handing { new, old, is_stored, request } = handing;
        let now = self.clock.now();
        check(&new, &proofing.demographics, now)?;
        let contact = contact(patient, new.channel)?;
        let code = ActivationCode::mint(&*self.random);
        let id = InvitationId::mint(&*self.random);
        let validity = new.proxy.as_ref().map_or(Duration::MAX, ProxyDraft::validity).min(new.channel.validity());
        let invitation = Invitation {
            id,
            handle: code.handle(),
            organization: member.organization,
            source,
            patient: patient.id.clone(),
            demographics: proofing.demographics.clone(),
            assurance: proofing.assurance(),
            proofing: Some(proofing.id),
            proxy: new.proxy,
            channel: new.channel,
            contact,
            issued_by: Some(member.account),
            issued: now,
            expires: now.plus(validity),
            root: id,
            wrong_answers: 0,
            state: InvitationState::Issued,
        };
        let mut letters: Vec<Letter> = self.letter(&invitation, &code)?.into_iter().collect();
        letters.extend(self.told(&invitation, request.as_ref().map(|(_, request)| request)).await?);
        let request = request.map(|(before, request)| (before, ProxyRequest { invitation: Some(id), ..request }));
        let beside = Beside { proofing: (!is_stored).then_some(proofing), old, letters, request };
        self.store(member, &invitation, &code, beside).await?;
        let is_sent = invitation.channel.is_sent();
        Ok(Issued {
            code: (!is_sent).then(|| Secret::new(code.printed())),
            sent_to: invitation.contact.as_deref().filter(|_| is_sent).map(mask_contact),
            invitation,
        })
    }

    async fn store(
        &self,
        member: &StaffMember,
        invitation: &Invitation,
        code: &ActivationCode,
        beside: Beside,
    ) -> Result<(), StorageError> {
        let Beside { proofing, old, letters, request } = beside;
        let by = member.account;
        let (invitation, hash) = (invitation.clone(), self.hashes.of(code));
        let act = self.act(ActKind::Invitation, member).by_way_of("issue").on("Invitation", invitation.id);
        self.acts
            .write(move |tx| {
                async move {
                    if let Some(proofing) = &proofing {
                        proofings::insert(tx, proofing).await?;
                    }
                    if let Some(old) = old {
                        invitations::end(tx, old, "superseded", invitation.issued).await?;
                    }
                    if invitation.proxy.is_none() {
                        let now = invitation.issued;
                        invitations::supersede_own(tx, invitation.source, &invitation.patient, now).await?;
                    }
                    invitations::insert(tx, &hash, &invitation, false).await?;
                    if let Some((before, request)) = &request
                        && !proxy_requests::decide(tx, *before, request, Some(by)).await?
                    {
                        return Err(StorageError::NotFound { table: "proxy_requests" });
                    }
                    for letter in letters {
                        letter.queue(&mut *tx).await?;
                    }
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// Whose record it is hears that somebody is to act for them, if they have an account, unless staff wrote down why not
    /// (portal design, 2.5).
    async fn told(&self, invitation: &Invitation, request: Option<&ProxyRequest>) -> Result<Vec<Letter>, StorageError> {
        if invitation.proxy.is_none() || request.is_some_and(|request| request.silent.is_some()) {
            return Ok(Vec::new());
        }
        if let Some(proofing) = invitation.proofing
            && proxy_requests::is_silent(&self.db, proofing).await?
        {
            return Ok(Vec::new());
        }
        let link = links::active_at(&self.db, invitation.source, &invitation.patient).await?;
        let Some(link) = link else { return Ok(Vec::new()) };
        let person = current_person(&self.db, link.person).await?.unwrap_or(link.person);
        let Some(subject) = accounts::by_person(&self.db, person).await? else { return Ok(Vec::new()) };
        let changed = template::SharingChanged { sign_in: self.outbox.link("/sign-in") };
        letters_to(&self.db, &self.outbox, subject.id, &changed).await
    }

    /// What is sent, where something is: to the contact on file, as long as the code holds.
    fn letter(&self, invitation: &Invitation, code: &ActivationCode) -> Result<Option<Letter>, DeskError> {
        if !invitation.channel.is_sent() {
            return Ok(None);
        }
        let (link, code) = (self.outbox.link("/invite"), InvitationCode::new(code));
        let invited = template::Invitation { link, code, until: Day(invitation.expires) };
        let to = invitation.contact.as_deref().and_then(|to| self.outbox.letter_to(to, &invited));
        let letter =
            to.ok_or_else(|| DeskError::Refused("channel", "nothing can be sent to the contact on file".into()))?;
        Ok(Some(letter.good_for(invitation.expires.since(invitation.issued))))
    }

    /// Ends a code.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn revoke(&self, member: &StaffMember, id: InvitationId) -> Result<(), DeskError> {
        covered(member, StaffAct::Revoke)?;
        let invitation = self.own_invitation(member, id).await?;
        let now = self.clock.now();
        let act = self.act(ActKind::Invitation, member).by_way_of("revoke").on("Invitation", invitation.id);
        let ended = self.acts.write(move |tx| {
            Box::pin(async move {
                let ended = invitations::end(tx, id, "revoked", now).await?;
                Ok::<_, StorageError>((ended, ended.then_some(act)))
            })
        });
        if ended.await? { Ok(()) } else { Err(DeskError::Refused("code", "it had ended before".to_owned())) }
    }

    /// The organization's codes, the newest first. Who sees no record sees no names either.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn invitations(&self, member: &StaffMember) -> Result<Vec<Seen>, DeskError> {
        covered(member, StaffAct::SeeInvitations)?;
        let now = self.clock.now();
        let knows = member.may(StaffAct::FindPatient);
        let all = invitations::of_organization(&self.db, member.organization).await?;
        Ok(all
            .into_iter()
            .map(|invitation| Seen {
                standing: invitation.standing(now),
                contact: invitation.contact.as_deref().map(mask_contact),
                patient: knows.then(|| name(&invitation.demographics)),
                invitation,
            })
            .collect())
    }

    async fn own_invitation(&self, member: &StaffMember, id: InvitationId) -> Result<Invitation, DeskError> {
        let found = invitations::by_id(&self.db, id).await?;
        found.filter(|found| found.organization == member.organization).ok_or(DeskError::NotFound)
    }

    /// The second one who knows the person, where there was no paper: another one of the same staff.
    async fn second(&self, member: &StaffMember, seen: &NewProofing) -> Result<Option<AccountId>, DeskError> {
        let refused = |text: &str| DeskError::Refused("attested_by", text.to_owned());
        let Some(name) = seen.attested_by.as_deref().filter(|name| !name.trim().is_empty()) else {
            let needed = seen.document == Document::KnownToClinic;
            return if needed {
                Err(refused("without a paper a second colleague must know the person"))
            } else {
                Ok(None)
            };
        };
        let unknown = || refused("this is nobody of your staff");
        let username = crate::identity::Username::new(name).map_err(|_| unknown())?;
        let account = accounts::by_username(&self.db, &username).await?.ok_or_else(unknown)?;
        let memberships = self.memberships(account.id).await?;
        let is_staff = memberships.iter().any(|(organization, _)| organization.id == member.organization);
        match is_staff {
            true if account.id == member.account => Err(refused("it must be somebody else than you")),
            true => Ok(Some(account.id)),
            false => Err(unknown()),
        }
    }
}

/// What is written together with a code.
struct Beside {
    proofing: Option<Proofing>,
    old: Option<InvitationId>,
    letters: Vec<Letter>,
    request: Option<(RequestState, ProxyRequest)>,
}

const fn act_of(proxy: Option<&ProxyDraft>) -> StaffAct {
    if proxy.is_some() { StaffAct::IssueProxy } else { StaffAct::IssueSelf }
}

fn name(known: &Demographics) -> String {
    let parts = known.given.iter().map(String::as_str).chain([known.family.as_str()]);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Who a chart is about, if it can be linked at all: in use, with a name and a whole birth date.
pub(super) fn linkable(patient: &ChartPatient) -> Result<Demographics, DeskError> {
    let refused = |text: &str| Err(DeskError::Refused("patient", text.to_owned()));
    if !patient.is_active() {
        return refused("this record is not in use, or was merged into another");
    }
    if patient.is_deceased {
        return refused("this patient has died");
    }
    match patient.demographics() {
        Some(known) if birth_date(&known.birth_date).is_some() => Ok(known),
        _ => refused("this record has no name or no whole birth date: complete it in the EHR first"),
    }
}

/// Whether such a code may be handed out for such a patient.
fn check(new: &NewInvitation, patient: &Demographics, now: Instant) -> Result<(), DeskError> {
    let refused = |field: &'static str, text: &str| Err(DeskError::Refused(field, text.to_owned()));
    let Some(proxy) = &new.proxy else {
        let is_young = age(&patient.birth_date, now).is_none_or(|age| age < FLOOR_AGE);
        return if is_young { refused("patient", "too young for an account: give a code to a parent") } else { Ok(()) };
    };
    if new.channel.is_sent() {
        return refused("channel", "a code for somebody else is handed over or posted: the contact is the patient's");
    }
    if proxy.family.trim().is_empty() || proxy.given.trim().is_empty() {
        return refused("proxy", "write down the name of whoever will act for the patient");
    }
    if proxy.birth_date.as_deref().is_some_and(|date| birth_date(date).is_none()) {
        return refused("proxy_birth_date", "type a whole date, such as 1980-02-28");
    }
    if GrantBasis::parse(&proxy.basis).is_none() {
        return refused("basis", "say by what right");
    }
    if proxy.until.is_some_and(|until| Instant::from_micros(until) <= now) {
        return refused("until", "this day is over");
    }
    Ok(())
}

fn age(birth_date: &str, now: Instant) -> Option<i64> {
    let born: jiff::civil::Date = birth_date.parse().ok()?;
    let today = jiff::Timestamp::from_microsecond(now.micros()).ok()?.to_zoned(jiff::tz::TimeZone::UTC).date();
    let had = (today.month(), today.day()) >= (born.month(), born.day());
    Some(i64::from(today.year()) - i64::from(born.year()) - i64::from(!had))
}

/// The contact that goes with a code: needed where it is sent, kept where it is not, so that it can be renewed.
fn contact(patient: &ChartPatient, channel: Channel) -> Result<Option<String>, DeskError> {
    use crate::identity::matching::Contact;
    let of = |wanted: fn(&Contact) -> bool| {
        patient.contacts.iter().map(|known| &known.contact).find(|contact| wanted(contact)).map(|c| c.text().to_owned())
    };
    let (email, phone) = (of(|c| matches!(c, Contact::Email(_))), of(|c| matches!(c, Contact::Phone(_))));
    let missing =
        |what: &str| DeskError::Refused("channel", format!("the record has no {what}: enter it in the EHR first"));
    match channel {
        Channel::Email => email.map(Some).ok_or_else(|| missing("e-mail address")),
        Channel::Sms => phone.map(Some).ok_or_else(|| missing("telephone number")),
        Channel::Slip | Channel::Post => Ok(email.or(phone)),
    }
}

fn is_month(text: Option<&str>) -> Result<(), DeskError> {
    let is_month = |text: &str| {
        let parsed: Option<(i16, i8)> =
            text.split_once('-').and_then(|(year, month)| Some((year.parse().ok()?, month.parse().ok()?)));
        parsed.is_some_and(|(year, month)| (1_900..=2_200).contains(&year) && (1..=12).contains(&month))
    };
    match text {
        Some(text) if !is_month(text) => {
            Err(DeskError::Refused("document_expires", "type a month, such as 2030-06".to_owned()))
        }
        _ => Ok(()),
    }
}
