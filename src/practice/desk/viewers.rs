//! Who sees what of a patient's record at this organization, for its privacy officer.

use std::sync::Arc;

use super::{Desk, DeskError, StaffMember, Wanted, covered};
use crate::access::Subject;
use crate::audit::ActKind;
use crate::authorization::{active_links, current_person, page_subject};
use crate::consent::Standing;
use crate::identity::{GrantBasis, GrantState, StaffAct};
use crate::storage::{accounts, consent, grants, links, persons};

/// Somebody who may act for a patient.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The name they sign in with.
    pub name: String,
    /// By what right.
    pub basis: GrantBasis,
    /// How the grant stands, in a word.
    pub state: &'static str,
    /// What their right hangs on.
    pub standing: Standing,
}

/// A patient with everybody who may act for them.
#[derive(Clone, Debug)]
pub struct Viewed {
    /// The patient's name.
    pub patient: String,
    /// The record as the patient sees it at this organization, and nowhere else.
    pub subject: Arc<Subject>,
    /// Who may act for them.
    pub viewers: Vec<Viewer>,
}

impl Desk {
    /// Everybody who may act for the patient with this record number. A patient of whom nobody is linked has none.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn viewers(&self, member: &StaffMember, number: &str) -> Result<Viewed, DeskError> {
        covered(member, StaffAct::ExplainAccess)?;
        let wanted = Wanted { number: number.to_owned(), family: String::new(), birth_date: String::new() };
        let mut found = self.find(member, &wanted).await?;
        let (Some(only), true) = (found.pop(), found.is_empty()) else {
            return Err(DeskError::Refused("number", "this number is that of no one record".to_owned()));
        };
        let link = links::active_at(&self.db, only.source, &only.patient.id).await?;
        let link = link.ok_or_else(|| DeskError::Refused("number", "nobody has linked this record".to_owned()))?;
        let person = current_person(&self.db, link.person).await?.unwrap_or(link.person);
        self.acts.record(self.act(ActKind::Staff, member).about(person).by_way_of("explain-access")).await?;
        let own: Vec<_> = self.sources_of(member).await?.into_iter().map(|source| source.key).collect();
        let mut charts = active_links(&self.db, person).await?;
        // What other organizations know of the patient is not this one's to see.
        charts.retain(|chart| own.contains(&chart.source));
        let mut all = grants::of_person(&self.db, person).await?;
        for alias in persons::aliases_of(&self.db, person).await? {
            all.extend(grants::of_person(&self.db, alias).await?);
        }
        let mut viewers = Vec::new();
        for grant in all {
            let account = accounts::by_id(&self.db, grant.account).await?;
            let mut standing = consent::standing(&self.db, grant.account, person, false).await?;
            standing.rights.retain(|right| right.grant == grant.id);
            let state = match grant.state {
                GrantState::Pending => "waits",
                GrantState::Active => "active",
                GrantState::Suspended { .. } => "suspended",
                GrantState::Ended { .. } => "ended",
            };
            let name = account.map_or_else(String::new, |account| account.username.typed().to_owned());
            viewers.push(Viewer { name, basis: grant.basis, state, standing });
        }
        let subject = page_subject((member.account, person), charts, &*self.random, self.clock.now());
        let subject = subject.ok_or(DeskError::NotFound)?;
        Ok(Viewed { patient: only.patient.display(), subject: Arc::new(subject), viewers })
    }
}
