//! Data types in plain words, for people who decide about them.

use crate::fhir::ResourceType;

/// A heading under which data types are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Heading {
    /// Who the person is.
    Person,
    /// Health.
    Health,
    /// Care and appointments.
    Care,
    /// Bills and insurance.
    Money,
    /// Practices and people who work there.
    Directory,
    /// What keeps records together.
    Record,
}

impl Heading {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 6] = [Self::Person, Self::Health, Self::Care, Self::Money, Self::Directory, Self::Record];

    /// The heading's text.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Person => "About the person",
            Self::Health => "Health",
            Self::Care => "Care, visits and messages",
            Self::Money => "Bills and insurance",
            Self::Directory => "Practices and their staff",
            Self::Record => "Record keeping",
        }
    }
}

/// The heading of a type and its name in plain words.
#[must_use]
pub const fn plain_words(resource_type: ResourceType) -> (Heading, &'static str) {
    use Heading::{Care, Directory, Health, Money, Person, Record};
    use ResourceType as T;
    match resource_type {
        T::Patient => (Person, "Name, birth date, address and contact details"),
        T::RelatedPerson => (Person, "Family members and others who help with care"),
        T::Person => (Person, "Links between records of the same person"),
        T::AllergyIntolerance => (Health, "Allergies and intolerances"),
        T::Condition => (Health, "Health problems and diagnoses"),
        T::Observation => (Health, "Lab results, vital signs and other measurements"),
        T::DiagnosticReport => (Health, "Lab, imaging and other test reports"),
        T::Immunization => (Health, "Vaccinations"),
        T::Procedure => (Health, "Operations and other procedures"),
        T::Medication => (Health, "Details of medicines"),
        T::MedicationRequest => (Health, "Prescriptions"),
        T::MedicationDispense => (Health, "Medicines handed out by a pharmacy"),
        T::MedicationStatement => (Health, "Medicines being taken"),
        T::Device => (Health, "Implants and other medical devices"),
        T::Specimen => (Health, "Samples taken for tests"),
        T::DocumentReference => (Health, "Letters, notes and other documents"),
        T::Binary => (Health, "The contents of documents and pictures"),
        T::Media => (Health, "Pictures, sound and video"),
        T::QuestionnaireResponse => (Health, "Answers to questionnaires"),
        T::Goal => (Health, "Health goals"),
        T::Appointment => (Care, "Appointments"),
        T::Slot => (Care, "Free times for appointments"),
        T::Schedule => (Care, "Calendars of practices"),
        T::Encounter => (Care, "Visits and hospital stays"),
        T::CarePlan => (Care, "Care plans"),
        T::CareTeam => (Care, "Care teams"),
        T::ServiceRequest => (Care, "Referrals and orders for tests or treatment"),
        T::Communication => (Care, "Messages with the practice"),
        T::Task => (Care, "Requests and what became of them"),
        T::Coverage => (Money, "Health insurance"),
        T::Account => (Money, "Billing accounts"),
        T::Invoice => (Money, "Bills"),
        T::ChargeItem => (Money, "Items on bills"),
        T::PaymentNotice => (Money, "Notices of payments"),
        T::PaymentReconciliation => (Money, "Matching of payments to bills"),
        T::Organization => (Directory, "Practices and other organizations"),
        T::Location => (Directory, "Places where care is given"),
        T::HealthcareService => (Directory, "Services that practices offer"),
        T::Practitioner => (Directory, "Doctors, nurses and other staff"),
        T::PractitionerRole => (Directory, "What staff do and where"),
        T::Endpoint => (Directory, "Technical addresses of practices"),
        T::Consent => (Record, "Permissions given to others"),
        T::Provenance => (Record, "Where each entry comes from"),
        T::AuditEvent => (Record, "Who looked at the record"),
        T::Group => (Record, "Lists of people"),
        T::Subscription => (Record, "Notifications that were set up"),
        T::VerificationResult => (Record, "Checks of entries for correctness"),
    }
}

/// A part of a type that can be shared by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The category, as the value of the search parameter `category`.
    pub category: &'static str,
    /// In plain words.
    pub text: &'static str,
}

/// The parts of a type that people can choose one by one: the granular scopes of US Core 6.1.0.
#[must_use]
pub const fn parts(resource_type: ResourceType) -> &'static [Part] {
    match resource_type {
        ResourceType::Condition => &[
            Part {
                category: "http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item",
                text: "Problems on the problem list",
            },
            Part {
                category: "http://terminology.hl7.org/CodeSystem/condition-category|encounter-diagnosis",
                text: "Diagnoses made at visits",
            },
            Part {
                category: "http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern",
                text: "Health concerns",
            },
        ],
        ResourceType::Observation => &[
            Part {
                category: "http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
                text: "Lab results",
            },
            Part {
                category: "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs",
                text: "Vital signs such as weight and blood pressure",
            },
            Part {
                category: "http://terminology.hl7.org/CodeSystem/observation-category|social-history",
                text: "Ways of living such as smoking",
            },
            Part {
                category: "http://terminology.hl7.org/CodeSystem/observation-category|survey",
                text: "Results of questionnaires",
            },
            Part {
                category: "http://hl7.org/fhir/us/core/CodeSystem/us-core-category|sdoh",
                text: "Living conditions such as housing and food",
            },
        ],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_types_read_the_same() {
        let mut words: Vec<_> = ResourceType::ALL.iter().map(|t| plain_words(*t).1).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), ResourceType::ALL.len());
    }
}
