use crate::fhir::ResourceType;
use crate::identity::Assurance;

/// What somebody sees who claimed a chart and answered at the contact on file, and has shown no papers: who they are there,
/// when to come, whom they see, and what harms nobody to know (portal design, 2.4: sensitive categories are off until they
/// come to the desk). Anything that is not here waits.
const CLAIMED: [ResourceType; 12] = [
    ResourceType::Patient,
    ResourceType::AllergyIntolerance,
    ResourceType::Appointment,
    ResourceType::Endpoint,
    ResourceType::HealthcareService,
    ResourceType::Immunization,
    ResourceType::Location,
    ResourceType::Organization,
    ResourceType::Practitioner,
    ResourceType::PractitionerRole,
    ResourceType::Schedule,
    ResourceType::Slot,
];

/// Whether a link of this assurance is sure enough for resources of this type to come through it, to whomever.
#[must_use]
pub fn shows(assurance: Assurance, resource_type: ResourceType) -> bool {
    assurance > Assurance::Claimed || CLAIMED.contains(&resource_type)
}
