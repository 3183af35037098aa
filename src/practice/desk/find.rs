use super::{Desk, DeskError, StaffMember, covered};
use crate::access::Identification;
use crate::audit::ActKind;
use crate::fhir::search::escaped;
use crate::identity::StaffAct;
use crate::identity::matching::{ChartPatient, birth_date};
use crate::organization::SourceKey;

/// Whom staff look for: a number of the record, or a name with a birth date.
#[derive(Clone, Default)]
pub struct Wanted {
    /// Family name, or its beginning.
    pub family: String,
    /// Birth date as it was typed.
    pub birth_date: String,
    /// A number of the record.
    pub number: String,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wanted(…)")
    }
}

/// A patient that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where.
    pub source: SourceKey,
    /// Who.
    pub patient: ChartPatient,
}

impl Desk {
    /// Patients of the organization's own EHRs. Not whether any of them has an account.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn find(&self, member: &StaffMember, wanted: &Wanted) -> Result<Vec<Found>, DeskError> {
        let keys: Vec<SourceKey> = self.sources_of(member).await?.iter().map(|source| source.key).collect();
        let leave = Identification::by_staff(member, keys).ok_or(DeskError::NotYours)?;
        let pairs = pairs(wanted)?;
        self.acts.record(self.act(ActKind::Staff, member).by_way_of("find-patient")).await?;
        let mut found = Vec::new();
        for source in leave.sources() {
            let patients =
                self.sources.chart_patients(&leave, *source, &pairs).await.map_err(|_| DeskError::Unreachable)?;
            found.extend(patients.into_iter().map(|patient| Found { source: *source, patient }));
        }
        Ok(found)
    }

    /// One patient, as the EHR has them now.
    pub(super) async fn patient(
        &self,
        member: &StaffMember,
        (source, patient): (&str, &str),
    ) -> Result<(SourceKey, ChartPatient), DeskError> {
        covered(member, StaffAct::FindPatient)?;
        let key = self.own_source(member, source).await?;
        let leave = Identification::by_staff(member, vec![key]).ok_or(DeskError::NotYours)?;
        match self.sources.chart_patient(&leave, key, patient).await {
            Ok(patient) => Ok((key, patient)),
            Err(crate::upstream::SourceFailure::NotFound) => Err(DeskError::NotFound),
            Err(_) => Err(DeskError::Unreachable),
        }
    }
}

fn pairs(wanted: &Wanted) -> Result<Vec<(String, String)>, DeskError> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.trim().to_owned());
    if !wanted.number.trim().is_empty() {
        return Ok(vec![pair("identifier", &escaped(&wanted.number))]);
    }
    if wanted.family.trim().is_empty() {
        return Err(DeskError::Refused("family", "type a record number, or a family name and a birth date".to_owned()));
    }
    let date = birth_date(&wanted.birth_date)
        .ok_or_else(|| DeskError::Refused("birth_date", "type a whole date, such as 2010-02-28".to_owned()))?;
    Ok(vec![pair("family", &escaped(&wanted.family)), pair("birthdate", &date)])
}
