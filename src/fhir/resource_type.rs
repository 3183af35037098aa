//! The resource types that Chartgate knows: a closed set. Any other type is refused, never passed through.

use std::fmt;

macro_rules! resource_types {
    ($($name:ident),* $(,)?) => {
        /// A FHIR R4 resource type for which every table of `fhir-profiles/` has a row.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the names are FHIR's own")]
        pub enum ResourceType { $($name),* }

        impl ResourceType {
            /// Every type, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The type's name as FHIR spells it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// The type with exactly this name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self::$name),)* _ => None }
            }
        }
    };
}

resource_types! {
    Account,
    AllergyIntolerance,
    Appointment,
    AuditEvent,
    Binary,
    CarePlan,
    CareTeam,
    ChargeItem,
    Communication,
    Condition,
    Consent,
    Coverage,
    Device,
    DiagnosticReport,
    DocumentReference,
    Encounter,
    Endpoint,
    Goal,
    Group,
    HealthcareService,
    Immunization,
    Invoice,
    Location,
    Media,
    Medication,
    MedicationDispense,
    MedicationRequest,
    MedicationStatement,
    Observation,
    Organization,
    Patient,
    PaymentNotice,
    PaymentReconciliation,
    Person,
    Practitioner,
    PractitionerRole,
    Procedure,
    Provenance,
    QuestionnaireResponse,
    RelatedPerson,
    Schedule,
    ServiceRequest,
    Slot,
    Specimen,
    Subscription,
    Task,
    VerificationResult,
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
