use super::{Desk, DeskError, StaffMember, covered};
use crate::base::clock::Instant;
use crate::identity::StaffAct;
use crate::practice::mergers::{MergerError, Mergers};
use crate::storage::{mergers, organizations};

/// The longest name of an organization, in characters.
const LONGEST: usize = 200;

/// An organization as its administrators see it.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Names it had.
    pub former_names: Vec<String>,
    /// Organizations that became part of it: name and when.
    pub absorbed: Vec<(String, Instant)>,
}

impl Desk {
    /// How the organization stands.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn organization(&self, member: &StaffMember) -> Result<Standing, DeskError> {
        covered(member, StaffAct::EditOrganization)?;
        let own = organizations::by_id(&self.db, member.organization).await?.ok_or(DeskError::NotFound)?;
        let mut absorbed = Vec::new();
        for merger in mergers::into(&self.db, member.organization).await? {
            if let Some(from) = organizations::by_id(&self.db, merger.from_organization).await? {
                absorbed.push((from.name, merger.effective));
            }
        }
        Ok(Standing { name: own.name, former_names: own.former_names, absorbed })
    }

    /// Gives the organization a new name; the old one is found as well from now on.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn rename(&self, member: &StaffMember, name: &str) -> Result<(), DeskError> {
        covered(member, StaffAct::EditOrganization)?;
        let name = name.trim();
        let is_name = (2..=LONGEST).contains(&name.chars().count()) && !name.contains(char::is_control);
        if !is_name {
            return Err(DeskError::Refused("name", "type a name of 2 to 200 characters".to_owned()));
        }
        let by = Mergers::new(self.acts.clone(), self.outbox.clone(), self.clock.clone(), self.random.clone());
        match by.rename(member.organization, name, Some(member.account)).await {
            Ok(()) => Ok(()),
            Err(MergerError::Storage(error)) => Err(error.into()),
            Err(_) => Err(DeskError::NotFound),
        }
    }
}
