//! Compartment search (FHIR R4 http.html §3.1.0.10.1): a search with the patient named. The compartment is what the
//! person in context may see, not what R4's definition lists: being asserter or payor makes nobody the subject.

use super::Gateway;
use super::answer::{Answer, Refusal};
use super::identifier::GatewayId;
use crate::access::Permit;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::AuthorizationKind;
use crate::fhir::search::Handling;

impl Gateway {
    pub(super) async fn compartment_search(
        &self,
        permit: &Permit,
        patient: &str,
        parameters: &[(String, String)],
        handling: Handling,
    ) -> Result<Answer, Refusal> {
        // Anybody else, and an id that was never issued: one answer, and no call.
        if GatewayId::parse(ResourceType::Patient, patient) != GatewayId::Person(permit.person()) {
            return Err(Refusal::NotFound);
        }
        let named = match &self.knowledge.of(permit.resource_type()).authorization {
            // Who sent or got a message that is about nobody is not found by its subject. Every search is confined to
            // the person in any case.
            AuthorizationKind::Subject { alternative: Some(_), .. } => None,
            AuthorizationKind::Subject { parameter, .. } => Some(parameter.clone()),
            _ => Some("patient".to_owned()),
        };
        let clause = named.map(|parameter| (parameter, format!("Patient/{}", permit.person())));
        let parameters: Vec<(String, String)> = clause.into_iter().chain(parameters.iter().cloned()).collect();
        self.search(permit, &parameters, handling).await
    }
}
