//! Activation codes as people redeem them: what is asked, what is said, and the link that comes of it.

mod confirm;
mod hand_out;
mod many_tries;
mod renew;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};

use super::activation::{CodeBrakes, CodeHashes, Held};
use crate::audit::{Act, ActKind, Acts};
use crate::base::clock::{Instant, SharedClock};
use crate::base::id::{InvitationId, OrganizationId, PersonId, StaffTaskId};
use crate::base::keys::{KeyUse, MasterKey, Sealer};
use crate::base::random::SharedRandom;
use crate::base::secret::Secret;
use crate::gateway::Sources;
use crate::identity::{
    ActivationCode, ActivationCodeError, Invitation, InvitationState, MOST_WRONG_ANSWERS, initials, mask_contact,
    matching,
};
use crate::mail::{Outbox, template};
use crate::storage::staff_tasks::{self, StaffTask, StaffTaskKind};
use crate::storage::{Db, StorageError, invitations, organizations};

pub use confirm::{ConfirmError, Confirmed};
pub use hand_out::{Asked, HandOutError, HandedOut, NewAsk, NewProxy};
pub use renew::RenewError;

/// From the right answers to the end of it.
const REDEMPTION_LASTS: Duration = Duration::from_secs(30 * 60);
/// Codes that this installation lets be tried in an hour; beyond it nobody can try, and somebody must look.
const TRIES_IN_AN_HOUR: u32 = 2_000;

/// Activation codes on their way to links and grants.
pub struct Redemptions {
    db: Db,
    acts: Acts,
    clock: SharedClock,
    random: SharedRandom,
    hashes: CodeHashes,
    sealer: Sealer,
    brakes: CodeBrakes,
    sources: Arc<Sources>,
    outbox: Outbox,
}

impl fmt::Debug for Redemptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redemptions").finish_non_exhaustive()
    }
}

/// What somebody types, always all of it.
#[derive(Debug)]
pub struct Answers {
    /// The code.
    pub code: Secret<String>,
    /// The patient's birth date.
    pub birth_date: String,
    /// The family name: the patient's, or of whom the code names as acting for the patient.
    pub family: String,
    /// The birth date of whoever acts for the patient, where they are asked for it.
    pub own_birth_date: String,
}

/// Who types it.
#[derive(Clone, Copy, Debug)]
pub struct Typist<'t> {
    /// The browser's cookie.
    pub browser: &'t str,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// Who is signed in there.
    pub account: Option<crate::base::id::AccountId>,
}

/// What comes of right answers.
#[derive(Debug)]
pub enum Answered {
    /// It goes on with this sealed value.
    Ready(String),
    /// The code ended by time: it can be exchanged for a new one, if there is a contact to send that to.
    Expired {
        /// What the exchange goes on with.
        sealed: String,
        /// Where the new one goes, as others may see it.
        contact: Option<String>,
    },
    /// The code was used or ended; the organization can give a new one.
    Ended,
}

/// Why nothing comes of it.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The code cannot be one: it was mistyped. No try was spent.
    #[error("the code was mistyped")]
    Mistyped,
    /// No such code, or a wrong answer, or too many of them before.
    #[error("code, birth date and name do not go together")]
    Wrong,
    /// Too many tries.
    #[error("too many tries")]
    TooMany,
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A redemption between two pages.
#[derive(Serialize, Deserialize)]
struct Redemption {
    invitation: String,
    at: i64,
}

/// A redemption that waits for a yes.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The code's record.
    pub invitation: Invitation,
    /// Who handed it out.
    pub organization: String,
    /// The patient's initials.
    pub initials: String,
    /// The year in which the patient was born.
    pub birth_year: String,
}

impl Redemptions {
    /// Redemptions of this installation.
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
            sealer: master_key.sealer(KeyUse::Redemption),
            brakes: CodeBrakes::new(TRIES_IN_AN_HOUR),
            acts,
            clock,
            random,
            sources,
            outbox,
        }
    }

    /// Holds what somebody typed against the code. A code that nobody has costs the same as a wrong answer: another one is
    /// looked up, compared and written in its place, and the audit trail has one entry.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub async fn answer(&self, answers: Answers, typist: Typist<'_>) -> Result<Answered, AnswerError> {
        let now = self.clock.now();
        let code = match ActivationCode::parse(answers.code.expose()) {
            Ok(code) => code,
            Err(ActivationCodeError::Form | ActivationCodeError::Mistyped) => return Err(AnswerError::Mistyped),
        };
        if let Err(held) = self.brakes.pass(typist.browser, typist.address, now) {
            if held == Held::All {
                self.tell_of_many_tries(now).await?;
            }
            return Err(AnswerError::TooMany);
        }
        let hash = self.hashes.of(&code);
        let (act, task) = (self.new_act(ActKind::Invitation).by_way_of("answer"), StaffTaskId::mint(&*self.random));
        let by = typist.account;
        let right = self
            .acts
            .write(move |tx| {
                async move {
                    let nearest = invitations::hold_nearest(&mut *tx, &hash).await?;
                    let act = act.by(by);
                    let Some(nearest) = nearest else { return Ok((None, Some(act.refused("answers")))) };
                    let fits = is_right(&nearest.invitation, &answers);
                    let act = if nearest.is_it { act.on("Invitation", nearest.invitation.id) } else { act };
                    if nearest.is_it && fits {
                        invitations::opened(tx, &hash, now).await?;
                        return Ok((Some(nearest.invitation), Some(act)));
                    }
                    if invitations::wrong_answer(tx, &nearest, now).await? {
                        let task = task_of(&nearest.invitation, (task, StaffTaskKind::CodeLocked), None, now);
                        staff_tasks::insert(tx, &task).await?;
                    }
                    Ok((None, Some(act.refused("answers"))))
                }
                .boxed()
            })
            .await
            .map_err(|error: StorageError| AnswerError::Storage(error))?;
        match right {
            Some(invitation) => self.said(&invitation, typist, now).await,
            None => Err(AnswerError::Wrong),
        }
    }

    async fn said(&self, known: &Invitation, typist: Typist<'_>, now: Instant) -> Result<Answered, AnswerError> {
        let sealed = self.seal(known.id, typist.browser, now);
        match known.state {
            InvitationState::Issued | InvitationState::Opened { .. } if known.is_open(now) => {
                Ok(Answered::Ready(sealed))
            }
            InvitationState::Issued | InvitationState::Opened { .. } if known.is_exchangeable(now) => {
                let contact = known.contact.as_deref().filter(|_| known.proxy.is_none()).map(mask_contact);
                Ok(Answered::Expired { sealed, contact })
            }
            InvitationState::Redeemed { account, .. } if typist.account != Some(account) => {
                self.reused(known, now).await?;
                Ok(Answered::Ended)
            }
            _ => Ok(Answered::Ended),
        }
    }

    /// Somebody else has a code that was used: the clinic and whoever used it are told (security design, I04).
    async fn reused(&self, known: &Invitation, now: Instant) -> Result<(), StorageError> {
        let task = task_of(known, (StaffTaskId::mint(&*self.random), StaffTaskKind::CodeReused), None, now);
        let act = self.new_act(ActKind::Invitation).by_way_of("answer").on("Invitation", known.id).refused("used");
        let used = template::CodeUsed { sign_in: self.outbox.link("/sign-in") };
        let letter = known.contact.as_deref().and_then(|to| self.outbox.letter_to(to, &used));
        self.acts
            .write(move |tx| {
                async move {
                    staff_tasks::insert(tx, &task).await?;
                    if let Some(letter) = letter {
                        letter.queue(tx).await?;
                    }
                    Ok::<_, StorageError>(((), Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// What the confirming page shows; `None` when it took too long, belongs to another browser, or the code ended.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn pending(&self, sealed: &str, browser: &str) -> Result<Option<Pending>, StorageError> {
        let Some(invitation) = self.opened(sealed, browser).await? else { return Ok(None) };
        if !invitation.is_open(self.clock.now()) {
            return Ok(None);
        }
        let organization = self.organization_name(invitation.organization).await?;
        let known = &invitation.demographics;
        Ok(Some(Pending {
            organization,
            initials: initials(&known.given, &known.family),
            birth_year: known.birth_date.chars().take(4).collect(),
            invitation,
        }))
    }

    async fn organization_name(&self, id: OrganizationId) -> Result<String, StorageError> {
        let organization = organizations::by_id(&self.db, id).await?;
        Ok(organization.map_or_else(|| "the practice".to_owned(), |organization| organization.name))
    }

    async fn opened(&self, sealed: &str, browser: &str) -> Result<Option<Invitation>, StorageError> {
        let Some(id) = self.unseal(sealed, browser) else { return Ok(None) };
        invitations::by_id(&self.db, id).await
    }

    fn seal(&self, id: InvitationId, browser: &str, now: Instant) -> String {
        let redemption = Redemption { invitation: id.to_string(), at: now.micros() };
        let plain = serde_json::to_vec(&redemption).unwrap_or_default();
        BASE64URL_NOPAD.encode(&self.sealer.seal(&*self.random, browser.as_bytes(), &plain))
    }

    fn unseal(&self, sealed: &str, browser: &str) -> Option<InvitationId> {
        let sealed = BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let plain = self.sealer.open(browser.as_bytes(), &sealed).ok()?;
        let redemption: Redemption = serde_json::from_slice(&plain).ok()?;
        let is_fresh = self.clock.now() < Instant::from_micros(redemption.at).plus(REDEMPTION_LASTS);
        is_fresh.then(|| redemption.invitation.parse().ok()).flatten()
    }

    /// Whether a sealed value is of a redemption under way in this browser.
    #[must_use]
    pub fn is_under_way(&self, sealed: &str, browser: &str) -> bool {
        self.unseal(sealed, browser).is_some()
    }

    fn new_act(&self, kind: ActKind) -> Act {
        Act::new(kind, self.clock.now(), &*self.random)
    }
}

/// Whether what was typed goes with the code. After too many wrong answers nothing does: a code that ended must not tell
/// a birth date either.
fn is_right(known: &Invitation, answers: &Answers) -> bool {
    if known.wrong_answers >= MOST_WRONG_ANSWERS {
        return false;
    }
    let is_date = |typed: &str, known: &str| matching::birth_date(typed).is_some_and(|typed| typed == known);
    let patient = &known.demographics;
    let is_patient = is_date(&answers.birth_date, &patient.birth_date);
    match &known.proxy {
        None => is_patient && matching::same_family_name(&answers.family, &patient.family),
        Some(proxy) => {
            let is_self = proxy.birth_date.as_deref().is_none_or(|known| is_date(&answers.own_birth_date, known));
            is_patient && is_self && matching::same_family_name(&answers.family, &proxy.family)
        }
    }
}

fn task_of(
    known: &Invitation,
    (id, kind): (StaffTaskId, StaffTaskKind),
    person: Option<PersonId>,
    created: Instant,
) -> StaffTask {
    let object = format!("Invitation/{}", known.id);
    StaffTask { id, organization: known.organization, kind, object, person, created }
}
