//! Starting without a code: somebody says who they are, and what comes back from the contact on file makes the link
//! (portal design, 2.4, P2). Whoever asks learns nothing: the answer is the same whatever they said, and the work is done
//! beside the request.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::activation::{CodeHashes, network};
use super::place::{is_one_human, own_place};
use super::proved_elsewhere::ProvedElsewhere;
use crate::access::Identification;
use crate::audit::{Act, ActKind, Acts};
use crate::authorization::Brake;
use crate::base::clock::{Instant, SharedClock};
use crate::base::id::{AccountId, ClaimId, OrganizationId, PersonId};
use crate::base::keys::MasterKey;
use crate::base::random::SharedRandom;
use crate::base::secret::Secret;
use crate::fhir::search::escaped;
use crate::gateway::Sources;
use crate::identity::matching::{self, Contact, Doubt, Verdict};
use crate::identity::{Assurance, Claim, ClaimState, Demographics, LinkMethod, Said};
use crate::mail::{Letter, Minutes, OneTimeCode, Outbox, template};
use crate::organization::SourceKey;
use crate::storage::{Db, StorageError, claims, sources};

const DAY: Duration = Duration::from_secs(86_400);
/// Claims of one account, one network, or about one patient in a day (security design, I06).
const CLAIMS_IN_A_DAY: u32 = 5;
/// A code by text message holds so long, in minutes (NIST SP 800-63A: confirmation codes).
const PHONE_MINUTES: u32 = 10;
/// A code by e-mail holds so long, in minutes.
const EMAIL_MINUTES: u32 = 24 * 60;
/// Nobody younger starts alone: they come to the desk (portal design, 2.4), in years.
const ADULT: i16 = 18;
/// The longest answer, in bytes.
const LONGEST: usize = 200;

/// Claims of this installation.
pub struct Claims {
    db: Db,
    acts: Acts,
    clock: SharedClock,
    random: SharedRandom,
    hashes: CodeHashes,
    networks: Brake<Vec<u8>>,
    sources: Arc<Sources>,
    outbox: Outbox,
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").finish_non_exhaustive()
    }
}

/// What somebody types.
#[derive(Clone)]
pub struct NewClaim {
    /// Where their chart is.
    pub organization: OrganizationId,
    /// Given name.
    pub given: String,
    /// Family name.
    pub family: String,
    /// Birth date.
    pub birth_date: String,
    /// The number of the record, or of an account on a bill.
    pub number: String,
}

impl fmt::Debug for NewClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewClaim").field("organization", &self.organization).finish_non_exhaustive()
    }
}

/// What comes of a one-time code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// The chart is linked to this person.
    Linked(PersonId),
    /// It was right, and staff must look all the same: the chart is somebody else's here.
    Queued,
}

/// Why nothing comes of it.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Something that was typed cannot be so: the field, and what is wrong with it. Depends on what was typed alone.
    #[error("{0}: {1}")]
    Refused(&'static str, &'static str),
    /// The one-time code is wrong, too old, or there is none.
    #[error("this code is not right")]
    Wrong,
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Claims {
    /// Claims of this installation.
    #[must_use]
    pub fn new(
        (acts, sources, outbox): (Acts, Arc<Sources>, Outbox),
        master_key: &MasterKey,
        clock: SharedClock,
        random: SharedRandom,
    ) -> Self {
        Self {
            db: acts.db().clone(),
            hashes: CodeHashes::new(master_key),
            networks: Brake::new(CLAIMS_IN_A_DAY, DAY / CLAIMS_IN_A_DAY),
            acts,
            clock,
            random,
            sources,
            outbox,
        }
    }

    /// Takes down what somebody says. Nothing is looked up; beyond the limits it is dropped, and the answer is the same.
    ///
    /// # Errors
    /// [`ClaimError::Refused`] for what cannot be an answer, [`ClaimError::Storage`].
    pub async fn make(&self, account: AccountId, address: Option<IpAddr>, new: NewClaim) -> Result<(), ClaimError> {
        let claim = self.claim(account, new.organization, said(&new)?);
        let act = self.new_act(ActKind::Claim).by(account).by_way_of("make").on("Claim", claim.id);
        if !self.passes(&claim, address).await? {
            self.acts.record(act.refused("too-many")).await?;
            return Ok(());
        }
        self.acts
            .write(move |tx| {
                async move {
                    claims::insert(tx, &claim).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
            .map_err(not_written)
    }

    fn claim(&self, account: AccountId, organization: OrganizationId, said: Said) -> Claim {
        Claim {
            id: ClaimId::mint(&*self.random),
            account,
            organization,
            said,
            made: self.clock.now(),
            chart: None,
            reasons: Vec::new(),
            wrong_codes: 0,
            state: ClaimState::Open,
        }
    }

    /// Whether the account, the network and whoever it is about have claims left today.
    async fn passes(&self, claim: &Claim, address: Option<IpAddr>) -> Result<bool, StorageError> {
        let (most, since) = (i64::from(CLAIMS_IN_A_DAY), claim.made.minus(DAY));
        let by_account = claims::made_by(&self.db, claim.account, since).await?;
        let of_target = claims::made_for(&self.db, claim, since).await?;
        Ok(self.networks.passes(network(address), claim.made) && by_account < most && of_target < most)
    }

    /// Looks at the claims that came in: sends a code to the contact on file, or hands them to staff. How many it were.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn look(&self) -> Result<usize, StorageError> {
        let open = claims::open(&self.db).await?;
        for claim in &open {
            self.look_at(claim).await?;
        }
        Ok(open.len())
    }

    async fn look_at(&self, claim: &Claim) -> Result<(), StorageError> {
        let now = self.clock.now();
        match self.verdict(claim, now).await? {
            Ok((source, patient, contact)) => self.send_code(claim, (source, patient), &contact, now).await,
            Err((chart, doubts)) => self.queue(claim, chart, doubts).await,
        }
    }

    /// The chart that a claim is about and where to ask, or what staff are told.
    async fn verdict(&self, claim: &Claim, now: Instant) -> Result<Judged, StorageError> {
        if is_minor(&claim.said.birth_date, now) {
            return Ok(Err((None, vec![Doubt::TooYoung])));
        }
        let (mut accepted, mut doubted, mut unreachable) = (Vec::new(), Vec::new(), false);
        for source in sources::all(&self.db).await? {
            if source.organization != claim.organization || !source.state.is_active() {
                continue;
            }
            match self.candidates(source.key, &claim.said).await {
                None => unreachable = true,
                Some(candidates) => match matching::verdict(&claim.said, &candidates, now) {
                    Verdict::Accept { patient, contact } => accepted.push((source.key, patient, contact)),
                    Verdict::Queue { patient, doubts } => doubted.push((patient.map(|id| (source.key, id)), doubts)),
                },
            }
        }
        // Whether another source has somebody who fits as well is not known.
        if unreachable {
            return Ok(Err((None, vec![Doubt::Unreachable])));
        }
        match (accepted.pop(), accepted.is_empty()) {
            (Some(only), true) => Ok(Ok(only)),
            (Some(_), false) => Ok(Err((None, vec![Doubt::SeveralCandidates]))),
            (None, _) => Ok(Err(doubted.pop().unwrap_or((None, vec![Doubt::NoCandidate])))),
        }
    }

    /// Everybody at a source whom the claim may be about; none when it does not answer.
    async fn candidates(&self, source: SourceKey, said: &Said) -> Option<Vec<matching::ChartPatient>> {
        let leave = Identification::for_claim(vec![source]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let by_birth = [pair("birthdate", &said.birth_date)];
        let by_number = [pair("identifier", &escaped(&said.number))];
        let mut found = self.sources.chart_patients(&leave, source, &by_birth).await.ok()?;
        for patient in self.sources.chart_patients(&leave, source, &by_number).await.ok()? {
            if !found.iter().any(|known| known.id == patient.id) {
                found.push(patient);
            }
        }
        Some(found)
    }

    async fn send_code(
        &self,
        claim: &Claim,
        (source, patient): (SourceKey, String),
        to: &Contact,
        now: Instant,
    ) -> Result<(), StorageError> {
        let code = OneTimeCode::six_digits(self.random.bytes());
        let hash = self.hashes.of_one_time(&claim.id.to_string(), code.expose());
        let minutes = if matches!(to, Contact::Phone(_)) { PHONE_MINUTES } else { EMAIL_MINUTES };
        let lasts = Duration::from_secs(u64::from(minutes) * 60);
        let letter = self.outbox.letter_to(to.text(), &template::Code { code, minutes: Minutes(minutes) });
        let Some(letter) = letter.map(|letter: Letter| letter.good_for(lasts)) else {
            return self.queue(claim, Some((source, patient)), vec![Doubt::NoContact]).await;
        };
        let id = claim.id;
        let act = self.new_act(ActKind::Claim).by(claim.account).by_way_of("send-code").on("Claim", id);
        self.acts
            .write(move |tx| {
                async move {
                    let sent = claims::send_code(tx, id, (source, &patient), (&hash, now.plus(lasts))).await?;
                    if sent {
                        letter.queue(tx).await?;
                    }
                    Ok(((), sent.then_some(act)))
                }
                .boxed()
            })
            .await
    }

    async fn queue(
        &self,
        claim: &Claim,
        chart: Option<(SourceKey, String)>,
        doubts: Vec<Doubt>,
    ) -> Result<(), StorageError> {
        let reasons: Vec<String> = doubts.iter().map(|doubt| doubt.as_str().to_owned()).collect();
        let id = claim.id;
        let act = self.new_act(ActKind::Claim).by(claim.account).by_way_of("queue").on("Claim", id);
        self.acts
            .write(move |tx| {
                async move {
                    let chart = chart.as_ref().map(|(source, patient)| (*source, patient.as_str()));
                    let queued = claims::queue(tx, id, chart, &reasons).await?;
                    Ok(((), queued.then_some(act)))
                }
                .boxed()
            })
            .await
    }

    /// Takes the one-time code of the account's newest claim. A claim without a code costs the same as a wrong code.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub async fn prove(&self, account: AccountId, code: &Secret<String>) -> Result<ClaimAnswer, ClaimError> {
        let now = self.clock.now();
        let Some(claim) = claims::newest(&self.db, account).await? else { return Err(ClaimError::Wrong) };
        let typed: String = code.expose().chars().filter(char::is_ascii_digit).take(12).collect();
        let (id, hash) = (claim.id, self.hashes.of_one_time(&claim.id.to_string(), &typed));
        let act = self.new_act(ActKind::Claim).by(account).by_way_of("prove").on("Claim", id);
        let right = self.acts.write(move |tx| {
            async move {
                let right = claims::prove(tx, id, account, &hash, now).await?;
                Ok::<_, StorageError>((right, Some(if right { act } else { act.refused("code") })))
            }
            .boxed()
        });
        match (right.await?, claim.chart.clone()) {
            (true, Some(chart)) => self.link(&claim, chart, now).await,
            _ => Err(ClaimError::Wrong),
        }
    }

    /// The code came back from the contact on file.
    async fn link(
        &self,
        claim: &Claim,
        (source, patient): (SourceKey, String),
        now: Instant,
    ) -> Result<ClaimAnswer, ClaimError> {
        let leave = Identification::for_link(source);
        let chart = Some((source, patient.clone()));
        let known = self.sources.chart_patient(&leave, source, &patient).await.ok();
        // It may be about somebody else than when the code was sent.
        let still = known.filter(|known| known.is_active() && !known.is_deceased);
        let about = still.and_then(|known| known.demographics());
        let Some(about) = about.filter(|about| is_one_human(about, &of_claim(&claim.said))) else {
            self.queue(claim, chart, vec![Doubt::Unreachable]).await?;
            return Ok(ClaimAnswer::Queued);
        };
        let place = own_place(&self.db, &*self.random, claim.account, (source, &patient), &about).await?;
        // A chart that somebody else looks after by a link of theirs is handed over by staff, not by a telephone that may be
        // theirs.
        let Some(place) = place.filter(|place| !place.takes_over()) else {
            self.queue(claim, chart, vec![Doubt::Taken]).await?;
            return Ok(ClaimAnswer::Queued);
        };
        let how = (LinkMethod::ClaimAndContact, Assurance::Claimed);
        let link = place.new_link(&*self.random, (source, patient, about), how, now);
        let (id, account, person) = (claim.id, claim.account, place.person);
        let act = self.new_act(ActKind::Link).by(account).about(person).by_way_of("claim").on("Claim", id);
        let done = self.acts.write(move |tx| {
            async move {
                place.put(tx, link, account, now).await?;
                claims::decide(tx, id, "accepted", now, None).await?;
                Ok::<_, StorageError>(((), Some(act)))
            }
            .boxed()
        });
        match done.await {
            Ok(()) => Ok(ClaimAnswer::Linked(person)),
            Err(StorageError::AlreadyTaken(_) | StorageError::NotFound { .. }) => {
                self.queue(claim, chart, vec![Doubt::Taken]).await?;
                Ok(ClaimAnswer::Queued)
            }
            Err(error) => Err(ClaimError::Storage(error)),
        }
    }

    /// Somebody whose identity was proved elsewhere at IAL2 is linked if exactly one record of the organization has the same
    /// names, birth date and a contact that the provider verified; else staff look (portal design, 2.4, P3). The limits are
    /// those of every claim, and beyond them the answer is the same.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub async fn proofed(
        &self,
        account: AccountId,
        address: Option<IpAddr>,
        proved: ProvedElsewhere,
    ) -> Result<ClaimAnswer, ClaimError> {
        let ProvedElsewhere { organization, demographics, contacts, .. } = proved;
        let claim = self.claim(account, organization, said_elsewhere(&demographics)?);
        if !self.passes(&claim, address).await? {
            let act = self.new_act(ActKind::Claim).by(account).by_way_of("identity-provider").on("Claim", claim.id);
            self.acts.record(act.refused("too-many")).await?;
            return Ok(ClaimAnswer::Queued);
        }
        let now = claim.made;
        let found = if is_minor(&claim.said.birth_date, now) {
            Err(vec![Doubt::TooYoung])
        } else {
            self.proofed_chart(&claim, &contacts).await?
        };
        let (chart, about) = match found {
            Ok(found) => found,
            Err(doubts) => return self.hand_over(claim, None, doubts).await,
        };
        let (source, patient) = chart.clone();
        let place = own_place(&self.db, &*self.random, account, (source, &patient), &about).await?;
        let Some(place) = place.filter(|place| !place.takes_over()) else {
            return self.hand_over(claim, Some(chart), vec![Doubt::Taken]).await;
        };
        let how = (LinkMethod::IdentityProvider, Assurance::Ial2);
        let link = place.new_link(&*self.random, (source, patient, about), how, now);
        let (id, person, stored) = (claim.id, place.person, claim.clone());
        let act = self.new_act(ActKind::Link).by(account).about(person).by_way_of("identity-provider").on("Claim", id);
        let done = self.acts.write(move |tx| {
            async move {
                claims::insert(&mut *tx, &stored).await?;
                place.put(&mut *tx, link, account, now).await?;
                claims::decide(tx, id, "accepted", now, None).await?;
                Ok::<_, StorageError>(((), Some(act)))
            }
            .boxed()
        });
        match done.await {
            Ok(()) => Ok(ClaimAnswer::Linked(person)),
            Err(StorageError::AlreadyTaken(_) | StorageError::NotFound { .. }) => {
                self.hand_over(claim, Some(chart), vec![Doubt::Taken]).await
            }
            Err(error) => Err(not_written(error)),
        }
    }

    async fn proofed_chart(&self, claim: &Claim, contacts: &[String]) -> Result<Proofed, StorageError> {
        let mut found = Vec::new();
        for source in sources::all(&self.db).await? {
            if source.organization != claim.organization || !source.state.is_active() {
                continue;
            }
            let leave = Identification::for_claim(vec![source.key]);
            let by_birth = [("birthdate".to_owned(), claim.said.birth_date.clone())];
            let Ok(candidates) = self.sources.chart_patients(&leave, source.key, &by_birth).await else {
                return Ok(Err(vec![Doubt::Unreachable]));
            };
            match matching::proofed(&claim.said, contacts, &candidates) {
                Ok(patient) => {
                    found.extend(patient.demographics().map(|about| ((source.key, patient.id.clone()), about)))
                }
                Err(Doubt::NoCandidate) => {}
                Err(doubt) => return Ok(Err(vec![doubt])),
            }
        }
        Ok(match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(_), false) => Err(vec![Doubt::SeveralCandidates]),
            (None, _) => Err(vec![Doubt::NoCandidate]),
        })
    }

    /// Takes a claim down for staff at once: nobody else looks at it in between.
    async fn hand_over(
        &self,
        claim: Claim,
        chart: Option<(SourceKey, String)>,
        doubts: Vec<Doubt>,
    ) -> Result<ClaimAnswer, ClaimError> {
        let reasons: Vec<String> = doubts.iter().map(|doubt| doubt.as_str().to_owned()).collect();
        let id = claim.id;
        let act = self.new_act(ActKind::Claim).by(claim.account).by_way_of("identity-provider").on("Claim", id);
        let done = self.acts.write(move |tx| {
            async move {
                claims::insert(&mut *tx, &claim).await?;
                let chart = chart.as_ref().map(|(source, patient)| (*source, patient.as_str()));
                claims::queue(tx, id, chart, &reasons).await?;
                Ok::<_, StorageError>(((), Some(act)))
            }
            .boxed()
        });
        done.await.map_err(not_written)?;
        Ok(ClaimAnswer::Queued)
    }

    fn new_act(&self, kind: ActKind) -> Act {
        Act::new(kind, self.clock.now(), &*self.random)
    }
}

/// The chart and where to ask, or a chart that it may be and the doubts.
type Judged = Result<(SourceKey, String, Contact), (Option<(SourceKey, String)>, Vec<Doubt>)>;

/// The chart of somebody who was proofed, with whom it is about, or why staff must look.
type Proofed = Result<((SourceKey, String), Demographics), Vec<Doubt>>;

/// An organization that is not there is refused as any other field is: which ones there are, everybody may know.
fn not_written(error: StorageError) -> ClaimError {
    match error {
        StorageError::ReferenceMissing => ClaimError::Refused("organization", "choose a practice from the list"),
        other => ClaimError::Storage(other),
    }
}

fn text(field: &'static str, typed: &str) -> Result<String, ClaimError> {
    match typed.trim() {
        "" => Err(ClaimError::Refused(field, "fill this in")),
        long if long.len() > LONGEST => Err(ClaimError::Refused(field, "this is too long")),
        other => Ok(other.to_owned()),
    }
}

fn whole_date(typed: &str) -> Result<String, ClaimError> {
    matching::birth_date(typed).ok_or(ClaimError::Refused("birth_date", "type a whole date, such as 1964-03-12"))
}

fn said(new: &NewClaim) -> Result<Said, ClaimError> {
    Ok(Said {
        given: text("given", &new.given)?,
        family: text("family", &new.family)?,
        birth_date: whole_date(&new.birth_date)?,
        number: text("number", &new.number)?,
    })
}

/// What a provider proved has no number.
fn said_elsewhere(about: &Demographics) -> Result<Said, ClaimError> {
    Ok(Said {
        given: text("given", &about.given.join(" "))?,
        family: text("family", &about.family)?,
        birth_date: whole_date(&about.birth_date)?,
        number: String::new(),
    })
}

fn of_claim(said: &Said) -> Demographics {
    Demographics { family: said.family.clone(), given: vec![said.given.clone()], birth_date: said.birth_date.clone() }
}

pub(super) fn is_minor(birth_date: &str, now: Instant) -> bool {
    let born: Option<jiff::civil::Date> = birth_date.parse().ok();
    let today = jiff::Timestamp::from_microsecond(now.micros()).map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date());
    match (born, today) {
        (Some(born), Ok(today)) => {
            let had = (today.month(), today.day()) >= (born.month(), born.day());
            today.year() - born.year() - i16::from(!had) < ADULT
        }
        _ => true,
    }
}
