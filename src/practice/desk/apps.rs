//! Apps that clinicians open for patients of their practice.

use super::{Desk, DeskError, StaffMember, covered};
use crate::base::id::PersonId;
use crate::identity::StaffAct;

impl Desk {
    /// The patient with this record number, for whom the member opens an app.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn patient_to_open_for(&self, member: &StaffMember, number: &str) -> Result<PersonId, DeskError> {
        covered(member, StaffAct::OpenApp)?;
        Ok(self.linked(member, number).await?.1)
    }
}
