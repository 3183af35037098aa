//! An expired code is exchanged for a new one, which goes to the contact on file and nowhere else: the old one, with the
//! right answers, is evidence and no dead end (portal design, 2.3).

use std::time::Duration;

use futures_util::FutureExt;

use super::Redemptions;
use super::confirm::fits;
use crate::access::Identification;
use crate::audit::ActKind;
use crate::base::clock::Instant;
use crate::base::id::InvitationId;
use crate::identity::matching::ChartPatient;
use crate::identity::{
    ActivationCode, Channel, Invitation, InvitationState, RENEWALS, RENEWALS_IN_A_DAY, mask_contact,
};
use crate::mail::{Day, InvitationCode, template};
use crate::storage::{StorageError, Taken, invitations};

const DAY: Duration = Duration::from_secs(86_400);

/// Why no new code is sent.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// It took too long, or the code did not end by time.
    #[error("there is nothing to renew")]
    Gone,
    /// The organization must give a new one: there is no contact, or too many were asked for.
    #[error("ask the practice for a new code")]
    AskStaff,
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Redemptions {
    /// Sends a new code to the contact on file, and says where that is as others may see it.
    ///
    /// # Errors
    /// [`RenewError`].
    pub async fn renew(&self, sealed: &str, browser: &str) -> Result<String, RenewError> {
        let now = self.clock.now();
        let old = self.opened(sealed, browser).await?.filter(|old| old.is_exchangeable(now)).ok_or(RenewError::Gone)?;
        // The contact on file is the patient's: a code for somebody else does not go there.
        if old.proxy.is_some() {
            return Err(RenewError::AskStaff);
        }
        // Where the record names another contact by now, or another human, nothing is sent.
        let leave = Identification::for_link(old.source);
        let chart = self.sources.chart_patient(&leave, old.source, &old.patient).await;
        let is_there = |chart: &ChartPatient| {
            fits(chart, &old.demographics)
                && chart.contacts.iter().any(|known| Some(known.contact.text()) == old.contact.as_deref())
        };
        if !chart.is_ok_and(|chart| is_there(&chart)) {
            return Err(RenewError::AskStaff);
        }
        let contact = old.contact.clone().ok_or(RenewError::AskStaff)?;
        let today = invitations::renewed(&self.db, old.root, now.minus(DAY)).await?;
        let ever = invitations::renewed(&self.db, old.root, Instant::from_micros(0)).await?;
        if today >= RENEWALS_IN_A_DAY || ever >= RENEWALS {
            return Err(RenewError::AskStaff);
        }
        let code = ActivationCode::mint(&*self.random);
        let new = successor(&old, &code, InvitationId::mint(&*self.random), now);
        let (link, typed) = (self.outbox.link("/invite"), InvitationCode::new(&code));
        let renewed = template::InvitationRenewed { link, code: typed, until: Day(new.expires) };
        let letter = self.outbox.letter_to(&contact, &renewed).ok_or(RenewError::AskStaff)?;
        let letter = letter.good_for(new.expires.since(now));
        let act = self.new_act(ActKind::Invitation).by_way_of("renew").on("Invitation", new.id);
        let hash = self.hashes.of(&code);
        self.acts
            .write(move |tx| {
                async move {
                    if !invitations::end(tx, old.id, "superseded", now).await? {
                        return Err(StorageError::AlreadyTaken(Taken::Key));
                    }
                    invitations::insert(tx, &hash, &new, true).await?;
                    letter.queue(tx).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
            .map_err(|error| match error {
                StorageError::AlreadyTaken(_) => RenewError::Gone,
                other => RenewError::Storage(other),
            })?;
        Ok(mask_contact(&contact))
    }
}

/// The code that takes the place of another: the same chart, the same proofing, the contact's own channel.
fn successor(old: &Invitation, code: &ActivationCode, id: InvitationId, now: Instant) -> Invitation {
    let is_email = old.contact.as_deref().is_some_and(|contact| contact.contains('@'));
    let channel = if is_email { Channel::Email } else { Channel::Sms };
    Invitation {
        id,
        handle: code.handle(),
        channel,
        issued: now,
        expires: now.plus(channel.validity()),
        wrong_answers: 0,
        state: InvitationState::Issued,
        ..old.clone()
    }
}
