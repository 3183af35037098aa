//! Entities to store.

use chartgate::base::clock::Instant;
use chartgate::base::id::{AccountId, GrantId, LinkId, OrganizationId, PersonId, SourceId};
use chartgate::base::random::SystemRandom;
use chartgate::base::secret::Secret;
use chartgate::config::Brand;
use chartgate::config::{SourceAuthentication, SourceView};
use chartgate::identity::{
    Account, AccountState, Assurance, Demographics, Grant, GrantBasis, GrantState, Link, LinkMethod, LinkState, Period,
    Username,
};
use chartgate::organization::{Organization, OrganizationState, Source, SourceKey, SourceState};
use chartgate::storage::{StorageError, Tx, organizations, persons, sources};

/// A fixed moment: 2026-03-01T12:00:00Z, plus so many microseconds.
pub(crate) fn at(micros: i64) -> Instant {
    Instant::from_micros(1_772_366_400_000_000 + micros)
}

pub(crate) fn organization() -> Organization {
    Organization {
        id: OrganizationId::mint(&SystemRandom::default()),
        name: "Riverside Clinic — Ärzte".to_owned(),
        alias: vec!["Riverside".to_owned(), "\"quoted\"".to_owned()],
        former_names: vec![],
        release_policy: "standard".to_owned(),
        brand: Brand { city: Some("Northfield".to_owned()), ..Brand::default() },
        created: at(0),
        changed: None,
        state: OrganizationState::Active,
    }
}

pub(crate) fn source(organization: OrganizationId) -> Source {
    let random = SystemRandom::default();
    Source {
        id: SourceId::mint(&random),
        key: SourceKey::mint(&random),
        organization,
        name: "Main EHR".to_owned(),
        base_url: "https://ehr.example/fhir".to_owned(),
        vendor: "generic".to_owned(),
        authentication: SourceAuthentication::BackendServices {
            client_id: "gateway".to_owned(),
            token_url: "https://ehr.example/token".to_owned(),
            algorithm: "ES384".to_owned(),
            key_file: "/etc/chartgate/ehr.pem".into(),
            key_id: "k1".to_owned(),
            scope: "system/*.rs".to_owned(),
        },
        view: SourceView::Patient,
        private_addresses: vec!["10.0.0.0/8".to_owned()],
        ca_file: None,
        created: at(1),
        state: SourceState::Active,
    }
}

pub(crate) fn account(username: &str, person: Option<PersonId>) -> Account {
    Account {
        id: AccountId::mint(&SystemRandom::default()),
        username: Username::new(username).unwrap(),
        password_hash: Some(Secret::new("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned())),
        person,
        created: at(2),
        state: AccountState::Active,
    }
}

pub(crate) fn link(person: PersonId, source: SourceKey, patient: &str) -> Link {
    Link {
        id: LinkId::mint(&SystemRandom::default()),
        person,
        source,
        patient: patient.to_owned(),
        rank: 0,
        method: LinkMethod::ActivationCode,
        assurance: Assurance::Ial2,
        demographics: Some(Demographics {
            family: "Lindqvist".to_owned(),
            given: vec!["Maja".to_owned(), "Åsa".to_owned()],
            birth_date: "1984-02".to_owned(),
        }),
        linked: at(3),
        state: LinkState::Active,
    }
}

pub(crate) fn grant(account: AccountId, person: PersonId) -> Grant {
    Grant {
        id: GrantId::mint(&SystemRandom::default()),
        account,
        person,
        basis: GrantBasis::Parent,
        period: Period { from: at(0), until: Some(at(1_000)) },
        evidence: "Provenance/1".to_owned(),
        created: at(4),
        state: GrantState::Active,
    }
}

/// Enters a person and says who.
pub(crate) async fn stored_person(tx: &mut Tx) -> Result<PersonId, StorageError> {
    let id = PersonId::mint(&SystemRandom::default());
    persons::insert(tx, id, at(0)).await?;
    Ok(id)
}

/// Enters an organization with one source and gives back the source's key.
pub(crate) async fn stored_source(tx: &mut Tx) -> Result<SourceKey, StorageError> {
    let organization = organization();
    organizations::insert(tx, &organization).await?;
    let source = source(organization.id);
    sources::insert(tx, &source).await?;
    Ok(source.key)
}
