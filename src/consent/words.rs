//! The words that grants and policies are written in.

use crate::fhir::ResourceType;
use crate::identity::named;

named! {
    /// What a person of the record would call a part of it.
    Category {
        /// Laboratory, imaging and other results.
        Results = "results",
        /// Growth and vital signs.
        Vitals = "vitals",
        /// Prescriptions, dispenses, statements.
        Medications = "meds",
        /// Encounters and appointments.
        Visits = "visits",
        /// Notes and documents.
        Notes = "notes",
        /// Forms for school, camp and sport.
        Forms = "forms",
        /// Messages with the practice.
        Messages = "messages",
        /// Bills, coverage and payments.
        Billing = "billing",
        /// Who the person is and how to reach them.
        Demographics = "demographics",
        /// Vaccinations.
        Immunizations = "immunizations",
        /// Allergies and intolerances.
        Allergies = "allergies",
        /// Problems and diagnoses.
        Conditions = "conditions",
        /// Procedures, plans, goals, orders, devices and whatever else is care.
        Care = "care",
        /// Seen by whoever sees what it belongs to: where something came from, what a document holds.
        Derived = "derived",
        /// Who works where: about nobody's health.
        Directory = "directory",
    }
}

named! {
    /// What somebody does.
    Action {
        /// Looks.
        Read = "read",
        /// Writes to the practice.
        Message = "message",
        /// Asks for, changes or cancels appointments.
        Schedule = "schedule",
        /// Asks for a prescription to be renewed.
        Renew = "renew",
        /// Pays a bill.
        Pay = "pay",
        /// Asks for a correction.
        Correct = "correct",
        /// Takes a copy of everything away.
        Export = "export",
        /// Lets an app in.
        ConnectApp = "connect-app",
        /// Lets others in.
        GrantOthers = "grant-others",
    }
}

named! {
    /// How much somebody may do.
    Level {
        /// Look.
        View = "view",
        /// And act towards the practice.
        Act = "act",
        /// And take copies away and let apps in.
        Manage = "manage",
    }
}

named! {
    /// How sure it is that a session is its account's (NIST SP 800-63B), in rising order.
    Assurance {
        /// One factor.
        Aal1 = "aal1",
        /// Two.
        Aal2 = "aal2",
    }
}

impl Level {
    /// Whether it brings this action along. To let others in is never implied.
    #[must_use]
    pub const fn implies(self, action: Action) -> bool {
        match action {
            Action::Read => true,
            Action::Message | Action::Schedule | Action::Renew | Action::Pay | Action::Correct => {
                !matches!(self, Self::View)
            }
            Action::Export | Action::ConnectApp => matches!(self, Self::Manage),
            Action::GrantOthers => false,
        }
    }
}

impl Category {
    /// The category of a type as a whole; observations and documents are told apart by their codes.
    #[must_use]
    pub const fn of_type(resource_type: ResourceType) -> Self {
        use ResourceType as T;
        match resource_type {
            T::Observation | T::DiagnosticReport | T::Specimen | T::Media => Self::Results,
            T::MedicationRequest | T::MedicationDispense | T::MedicationStatement => Self::Medications,
            T::Encounter | T::Appointment => Self::Visits,
            T::DocumentReference | T::QuestionnaireResponse => Self::Notes,
            T::Binary | T::Medication | T::Provenance => Self::Derived,
            T::Communication => Self::Messages,
            T::Account | T::ChargeItem | T::Coverage | T::Invoice | T::PaymentNotice | T::PaymentReconciliation => {
                Self::Billing
            }
            T::Patient | T::RelatedPerson | T::Person | T::VerificationResult => Self::Demographics,
            T::Immunization => Self::Immunizations,
            T::AllergyIntolerance => Self::Allergies,
            T::Condition => Self::Conditions,
            T::Endpoint
            | T::HealthcareService
            | T::Location
            | T::Organization
            | T::Practitioner
            | T::PractitionerRole
            | T::Schedule
            | T::Slot => Self::Directory,
            _ => Self::Care,
        }
    }
}

/// Stored and exchanged by name.
macro_rules! by_name {
    ($($name:ident),+ $(,)?) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("unknown word {text}")))
            }
        }
    )+};
}
pub(super) use by_name;

by_name!(Category, Action, Level, Assurance);
