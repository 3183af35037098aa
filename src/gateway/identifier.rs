//! Ids at the gateway and at the sources, one to one (DESIGN: `Patient/{uuid}`, `{source key}.{upstream id}`, or the
//! hashed form with a stored row when that would not be a FHIR id).

use crate::base::hash::{base32, hmac_sha256};
use crate::base::id::PersonId;
use crate::base::keys::{KeyUse, MasterKey};
use crate::base::secret::Secret;
use crate::fhir::ResourceType;
use crate::fhir::interaction::is_id;
use crate::fhir::reference;
use crate::organization::SourceKey;
use crate::storage::hashed_ids::{HashedId, HashedTarget};

/// The longest FHIR id.
const MAX_ID: usize = 64;

/// A logical id as a client wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GatewayId<'a> {
    /// A person: `Patient` only.
    Person(PersonId),
    /// A resource at a source, by its upstream id.
    Upstream(SourceKey, &'a str),
    /// A resource at a source, by the hash of its upstream id: the stored row knows which.
    Hashed(SourceKey, &'a str),
    /// Nothing that was ever issued.
    Unknown,
}

impl<'a> GatewayId<'a> {
    pub(super) fn parse(resource_type: ResourceType, id: &'a str) -> Self {
        if resource_type == ResourceType::Patient
            && let Ok(person) = id.parse()
        {
            return Self::Person(person);
        }
        let Some((key, rest)) = id.split_once('.') else { return Self::Unknown };
        let Ok(key) = key.parse::<SourceKey>() else { return Self::Unknown };
        // `.` and `..` are no ids: in a URL they would name another place, a whole type for instance.
        if !is_id(id) || !reference::is_id(rest.as_bytes()) {
            Self::Unknown
        } else if rest.starts_with("h-") {
            Self::Hashed(key, id)
        } else {
            Self::Upstream(key, rest)
        }
    }
}

/// Turns upstream ids into gateway ids.
#[derive(Debug)]
pub(super) struct Identifiers {
    key: Secret<[u8; 32]>,
}

impl Identifiers {
    pub(super) fn new(master: &MasterKey) -> Self {
        Self { key: master.derive(KeyUse::HashedId) }
    }

    /// The gateway id of an upstream id. A hashed one is added to `hashed`: its row must be stored before the answer
    /// leaves.
    pub(super) fn encode(
        &self,
        source: SourceKey,
        resource_type: ResourceType,
        upstream: &str,
        hashed: &mut Vec<HashedId>,
    ) -> String {
        let mut id = String::with_capacity(MAX_ID);
        self.encode_into(&mut id, source, resource_type, upstream, hashed);
        id
    }

    /// [`Self::encode`], appended to `out`.
    pub(super) fn encode_into(
        &self,
        out: &mut String,
        source: SourceKey,
        resource_type: ResourceType,
        upstream: &str,
        hashed: &mut Vec<HashedId>,
    ) {
        let length = SourceKey::LENGTH.saturating_add(upstream.len()).saturating_add(1);
        if length <= MAX_ID && reference::is_id(upstream.as_bytes()) && !upstream.starts_with("h-") {
            out.push_str(source.as_str());
            out.push('.');
            out.push_str(upstream);
            return;
        }
        let id = self.hashed_id(source, resource_type, upstream);
        out.push_str(&id);
        let target = HashedTarget::Resource { id: upstream.to_owned() };
        hashed.push(HashedId { resource_type, gateway_id: id, source, target });
    }

    /// The id of a document that hangs on a resource. Always hashed: the row says who decides about it.
    pub(super) fn document(
        &self,
        source: SourceKey,
        url: &str,
        (owner_type, owner_id): (ResourceType, &str),
        hashed: &mut Vec<HashedId>,
    ) -> String {
        let gateway_id = self.hashed_id(source, ResourceType::Binary, url);
        let target = HashedTarget::Document { url: url.to_owned(), owner_type, owner_id: owner_id.to_owned() };
        let id = gateway_id.clone();
        hashed.push(HashedId { resource_type: ResourceType::Binary, gateway_id, source, target });
        id
    }

    fn hashed_id(&self, source: SourceKey, resource_type: ResourceType, upstream: &str) -> String {
        let mac = hmac_sha256(
            self.key.expose(),
            &[source.to_string().as_bytes(), resource_type.as_str().as_bytes(), upstream.as_bytes()],
        );
        let (half, _) = mac.split_at(16);
        format!("{source}.h-{}", base32(half))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifiers() -> Identifiers {
        Identifiers::new(&MasterKey::new([7; 32]))
    }

    fn key() -> SourceKey {
        "k7m2".parse().unwrap()
    }

    #[test]
    fn short_ids_keep_their_text_and_come_back() {
        let mut hashed = Vec::new();
        let id = identifiers().encode(key(), ResourceType::Observation, "obs-1.A", &mut hashed);
        assert_eq!(id, "k7m2.obs-1.A");
        assert!(hashed.is_empty());
        assert_eq!(GatewayId::parse(ResourceType::Observation, &id), GatewayId::Upstream(key(), "obs-1.A"));
    }

    #[test]
    fn long_reserved_and_foreign_ids_are_hashed_by_type_and_source() {
        let identifiers = identifiers();
        let mut seen = std::collections::BTreeSet::new();
        for upstream in ["h-1", &"x".repeat(60), "with_underscore", "ä"] {
            for resource_type in [ResourceType::Observation, ResourceType::Condition] {
                for source in ["k7m2", "aaaa"] {
                    let mut hashed = Vec::new();
                    let id = identifiers.encode(source.parse().unwrap(), resource_type, upstream, &mut hashed);
                    assert!(is_id(&id) && id.len() == 33, "{id}");
                    assert_eq!(hashed.len(), 1);
                    assert!(seen.insert(id.clone()), "{id} stands for two resources");
                    assert!(matches!(GatewayId::parse(resource_type, &id), GatewayId::Hashed(..)));
                }
            }
        }
    }

    #[test]
    fn nothing_else_is_an_id() {
        for id in ["", ".", "k7m2.", "k7m2..", "k7m2...", "k7m2", "k7m.x", "K7M2.x", "k7m2.a/b", "k7m2.a b", "iiii.x"] {
            assert_eq!(GatewayId::parse(ResourceType::Observation, id), GatewayId::Unknown, "{id}");
        }
        let uuid = "0b7c2e1a-3d4f-4a5b-8c6d-7e8f9a0b1c2d";
        assert!(matches!(GatewayId::parse(ResourceType::Patient, uuid), GatewayId::Person(_)));
        assert_eq!(GatewayId::parse(ResourceType::Observation, uuid), GatewayId::Unknown);
    }
}
