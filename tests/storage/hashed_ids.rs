//! Served ids that cannot be read back.

use chartgate::fhir::resource_type::ResourceType;
use chartgate::storage::StorageError;
use chartgate::storage::hashed_ids::{self, HashedId, HashedTarget};

use super::sample;
use crate::support::database::{Database, on_both};

on_both!(
    a_document_has_every_owner_once,
    ids_are_kept_as_they_were_first_entered,
    a_source_that_is_not_there_is_refused
);

async fn ids_are_kept_as_they_were_first_entered(database: Database) {
    let db = &database.db;
    let source = db.write(|tx| Box::pin(sample::stored_source(tx))).await.unwrap();
    let gateway_id = format!("{source}.h-0123456789abcdefghjkmnpqrs");
    let resource = HashedId {
        resource_type: ResourceType::Observation,
        gateway_id: gateway_id.clone(),
        source,
        target: HashedTarget::Resource { id: "h-\"quoted\" — \\ ünïcode, 😀".to_owned() },
    };
    let document = HashedId {
        resource_type: ResourceType::Binary,
        gateway_id: gateway_id.clone(),
        source,
        target: HashedTarget::Document {
            url: "https://ehr.example/files/1?a=b&c=%20".to_owned(),
            owner_type: ResourceType::DocumentReference,
            owner_id: "d-1".to_owned(),
        },
    };
    let mut other = resource.clone();
    other.target = HashedTarget::Resource { id: "another".to_owned() };

    let rows = [resource.clone(), document.clone(), resource.clone()];
    let new: Result<u64, StorageError> =
        db.write(move |tx| Box::pin(async move { hashed_ids::insert_missing(tx, &rows).await })).await;
    assert_eq!(new, Ok(2));
    let again: Result<u64, StorageError> =
        db.write(move |tx| Box::pin(async move { hashed_ids::insert_missing(tx, &[other]).await })).await;
    assert_eq!(again, Ok(0));
    let none: Result<u64, StorageError> =
        db.write(|tx| Box::pin(async move { hashed_ids::insert_missing(tx, &[]).await })).await;
    assert_eq!(none, Ok(0));

    // The same id as another type is another thing; as a third type it is nothing.
    for (resource_type, expected) in [
        (ResourceType::Observation, Some(resource)),
        (ResourceType::Binary, Some(document)),
        (ResourceType::Patient, None),
    ] {
        assert!(hashed_ids::by_id(db, resource_type, &gateway_id).await.unwrap() == expected);
    }
}

async fn a_document_has_every_owner_once(database: Database) {
    let db = &database.db;
    let source = db.write(|tx| Box::pin(sample::stored_source(tx))).await.unwrap();
    let named_by = |owner_type: ResourceType, owner_id: &str| HashedId {
        resource_type: ResourceType::Binary,
        gateway_id: format!("{source}.h-document"),
        source,
        target: HashedTarget::Document { url: "Binary/b".to_owned(), owner_type, owner_id: owner_id.to_owned() },
    };
    let first = named_by(ResourceType::DocumentReference, "d-2");
    let resource = HashedId {
        resource_type: ResourceType::Observation,
        gateway_id: format!("{source}.h-resource"),
        source,
        target: HashedTarget::Resource { id: "x".to_owned() },
    };
    for rows in [
        vec![first.clone(), resource],
        vec![named_by(ResourceType::DocumentReference, "d-1"), first.clone()],
        vec![named_by(ResourceType::DiagnosticReport, "r-1"), named_by(ResourceType::DiagnosticReport, "r-1")],
    ] {
        let stored: Result<u64, StorageError> =
            db.write(move |tx| Box::pin(async move { hashed_ids::insert_missing(tx, &rows).await })).await;
        stored.unwrap();
    }
    let owners = hashed_ids::owners(db, &first.gateway_id).await.unwrap();
    let wanted = [
        (ResourceType::DiagnosticReport, "r-1".to_owned()),
        (ResourceType::DocumentReference, "d-1".to_owned()),
        (ResourceType::DocumentReference, "d-2".to_owned()),
    ];
    assert_eq!(owners, wanted);
    assert!(hashed_ids::by_id(db, ResourceType::Binary, &first.gateway_id).await.unwrap() == Some(first));
    assert_eq!(hashed_ids::owners(db, &format!("{source}.h-resource")).await.unwrap(), []);
}

async fn a_source_that_is_not_there_is_refused(database: Database) {
    let id = HashedId {
        resource_type: ResourceType::Observation,
        gateway_id: "0000.h-x".to_owned(),
        source: "0000".parse().unwrap(),
        target: HashedTarget::Resource { id: "x".to_owned() },
    };
    let result: Result<u64, StorageError> =
        database.db.write(move |tx| Box::pin(async move { hashed_ids::insert_missing(tx, &[id]).await })).await;
    assert_eq!(result, Err(StorageError::ReferenceMissing));
}
