//! Backend services have no person in context: each request names one (DESIGN section 14), who must have a chart at a
//! source that the service reaches. From then on it goes the way of every other request, with these charts alone.

use std::sync::Arc;

use super::Gateway;
use super::answer::Refusal;
use super::identifier::GatewayId;
use super::search::unavailable;
use crate::access::{Behalf, Subject};
use crate::base::id::PersonId;
use crate::fhir::ResourceType;
use crate::fhir::interaction::Interaction;
use crate::fhir::knowledge::Knowledge;
use crate::identity::{Link, PersonState};
use crate::organization::SourceKey;
use crate::storage::{StorageError, links, persons};

/// Parameters that name the patient of a search.
const PATIENT: [&str; 4] = ["patient", "patient:Patient", "subject", "subject:Patient"];

impl Gateway {
    /// The service with the person whom the request names in context, if it reaches a chart of theirs. What is looked
    /// up here is ours alone: no source is asked.
    pub(super) async fn address(
        &self,
        subject: Arc<Subject>,
        interaction: &mut Interaction,
    ) -> (Arc<Subject>, Option<Refusal>) {
        let Behalf::System { sources } = &subject.behalf else { return (subject, None) };
        let found = match named_patient(interaction, &self.base_url) {
            None => Ok(None),
            Some(id) => self.charts_of(&id, sources).await,
        };
        leave_out_name(self.knowledge, interaction);
        match found {
            Ok(None) => (subject, None),
            Ok(Some((person, links))) => {
                (Arc::new(Subject { person: Some(person), links, ..Subject::clone(&subject) }), None)
            }
            Err(error) => {
                tracing::error!(%error, "the patient of a request cannot be looked up");
                (subject, Some(unavailable()))
            }
        }
    }

    /// Whom an id stands for now, and their charts at these sources; none when there is no chart there.
    async fn charts_of(&self, id: &str, sources: &[SourceKey]) -> Result<Option<(PersonId, Vec<Link>)>, StorageError> {
        let db = self.hashed.db();
        let named = match GatewayId::parse(ResourceType::Patient, id) {
            GatewayId::Person(person) => Some(person),
            // Ids of other practices are not there: whose they are is not for the service to find out.
            GatewayId::Upstream(key, _) | GatewayId::Hashed(key, _) if !sources.contains(&key) => None,
            GatewayId::Upstream(key, patient) => links::active_at(db, key, patient).await?.map(|link| link.person),
            GatewayId::Hashed(key, hashed) => {
                let resolved = self.hashed.resolve(&[ResourceType::Patient], std::iter::once(id)).await?;
                match resolved.upstream_id(ResourceType::Patient, hashed) {
                    Some(patient) => links::active_at(db, key, &patient).await?.map(|link| link.person),
                    None => None,
                }
            }
            GatewayId::Unknown => None,
        };
        let Some(named) = named else { return Ok(None) };
        let Some(person) = persons::by_id(db, named).await? else { return Ok(None) };
        let person = match person.state {
            PersonState::Current => person.id,
            PersonState::MergedInto { person, .. } => person,
        };
        let mut charts = links::active_of_person(db, person).await?;
        for alias in persons::aliases_of(db, person).await? {
            charts.extend(links::active_of_person(db, alias).await?);
        }
        let connected = self.sources.all();
        // What a patient's own sign-in at the EHR opens is opened for that patient alone.
        let reaches =
            |key: &SourceKey| sources.contains(key) && connected.get(key).is_none_or(|source| source.smart.is_none());
        charts.retain(|link| reaches(&link.source));
        Ok((!charts.is_empty()).then_some((person, charts)))
    }
}

/// Whether the path is that of a patient's record: one that is not reached is not there.
pub(super) const fn is_of_named_patient(interaction: &Interaction) -> bool {
    match interaction {
        Interaction::Read { resource_type, .. }
        | Interaction::Vread { resource_type, .. }
        | Interaction::History { resource_type, .. } => matches!(resource_type, ResourceType::Patient),
        Interaction::Everything { .. } | Interaction::CompartmentSearch { .. } => true,
        Interaction::Content { .. } | Interaction::Docref { .. } | Interaction::Search { .. } => false,
    }
}

/// The id of the one patient that a request is about, as its client wrote it.
fn named_patient(interaction: &Interaction, base_url: &str) -> Option<String> {
    let id = match interaction {
        Interaction::Read { id, .. } | Interaction::Vread { id, .. } | Interaction::History { id, .. } => {
            is_of_named_patient(interaction).then_some(id.as_str())?
        }
        Interaction::Everything { id, .. } => id,
        Interaction::CompartmentSearch { patient, .. } => patient,
        Interaction::Content { .. } => return None,
        Interaction::Docref { parameters } => only(parameters, &PATIENT)?,
        Interaction::Search { resource_type: ResourceType::Patient, parameters, .. } => {
            // The links to further pages of a search name them as all others do.
            only(parameters, &["_id"]).or_else(|| only(parameters, &["patient"]))?
        }
        Interaction::Search { parameters, .. } => only(parameters, &PATIENT)?,
    };
    let id = id.strip_prefix(base_url).and_then(|rest| rest.strip_prefix('/')).unwrap_or(id);
    Some(id.strip_prefix("Patient/").unwrap_or(id).to_owned())
}

/// The first parameter with one of these names. One that could stand for several patients names none.
fn only<'p>(parameters: &'p [(String, String)], names: &[&str]) -> Option<&'p str> {
    let (_, value) = parameters.iter().find(|(name, _)| names.contains(&name.as_str()))?;
    (!value.contains(',')).then_some(value)
}

/// Types that are about nobody have no parameter for a patient: there it only says in whose context they are asked for.
fn leave_out_name(knowledge: &Knowledge, interaction: &mut Interaction) {
    if let Interaction::Search { resource_type, parameters, .. } = interaction {
        let facts = knowledge.of(*resource_type);
        parameters.retain(|(name, _)| name != "patient" || facts.parameter("patient").is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::search::Handling;

    #[test]
    fn a_request_names_one_patient_or_none() {
        let search = |kind: &str, query: &str| {
            let parameters = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let resource_type = ResourceType::parse(kind).unwrap();
            let search = Interaction::Search { resource_type, parameters, handling: Handling::Lenient };
            named_patient(&search, "https://gw.test/fhir")
        };
        for (kind, query) in [
            ("Observation", "patient=x"),
            ("Observation", "code=1&patient=Patient/x"),
            ("Observation", "subject:Patient=x"),
            ("Observation", "patient=https://gw.test/fhir/Patient/x"),
            ("Practitioner", "patient=x"),
            ("Patient", "_id=x"),
        ] {
            assert_eq!(search(kind, query).as_deref(), Some("x"), "{kind}?{query}");
        }
        for (kind, query) in [
            ("Observation", ""),
            ("Observation", "_id=x"),
            ("Observation", "patient=x,y"),
            ("Observation", "subject.name=x"),
            ("Observation", "patient:identifier=x"),
            ("Patient", "name=x"),
            ("Patient", "_id=x,y"),
        ] {
            assert_eq!(search(kind, query), None, "{kind}?{query}");
        }
        let read = |kind: &str| {
            let resource_type = ResourceType::parse(kind).unwrap();
            named_patient(&Interaction::Read { resource_type, id: "x".to_owned() }, "https://gw.test/fhir")
        };
        assert_eq!((read("Patient").as_deref(), read("Observation")), (Some("x"), None));
    }
}
