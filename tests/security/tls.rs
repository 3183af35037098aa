//! U21 for the whole product: a source whose certificate cannot be trusted is as one that is down, and operators see why.

use chartgate::app::{self, Parts};
use chartgate::base::keys::MasterKey;
use chartgate::base::random::SeededRandom;
use chartgate::config::{Config, Limits, OrganizationEntry, SourceView};
use chartgate::gateway::Refusal;
use serde_json::json;
use std::sync::Arc;

use super::hostile::{World, observation};
use crate::support::tls::{TlsEhr, authority, pem_file, server_params, signed};

/// A gateway before an EHR that shows a certificate of one authority, and trusts the same one or another.
async fn before(is_trusted: bool) -> (World, TlsEhr) {
    let (root, other) = (authority(&[], &[]), authority(&[], &[]));
    let body = observation("o1", &json!({})).to_string();
    let ehr = TlsEhr::start(signed(&server_params(&["localhost"]), &root), &body).await;
    let folder = tempfile::tempdir().unwrap();
    let file = pem_file(&folder, if is_trusted { &root } else { &other });
    let world = World::configured(Limits::default(), SourceView::Patient, "standard", |config| {
        config.sources[0].base_url.clone_from(&ehr.base);
        config.sources[0].ca_file = Some(file);
    })
    .await;
    (world, ehr)
}

#[tokio::test]
async fn u21_each_source_has_its_own_authority() {
    let (world, mut ehr) = before(true).await;
    assert!(world.read("Observation", "o1").await.unwrap().contains("\"Observation\""));
    assert!(ehr.heard().await.starts_with("GET /fhir/Observation/o1 "));
    assert_eq!(world.app.gateway.standing()[0].failures, []);

    let (world, mut ehr) = before(false).await;
    let Err(Refusal::Unavailable { issues, .. }) = world.read("Observation", "o1").await else { panic!("answered") };
    assert_eq!(issues[0].code, "transient");
    assert_eq!(ehr.heard().await, "");
    assert_eq!(world.app.gateway.standing()[0].failures, [("untrusted", 1)]);
}

#[tokio::test]
async fn u21_an_authority_that_cannot_be_read_stops_the_start() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config { demo: true, ..Config::default() };
    config.server.public_url = "http://gateway.test".to_owned();
    config.storage.url = format!("sqlite:{}", folder.path().join("chartgate.db").display());
    config.organizations.push(OrganizationEntry {
        key: "x".to_owned(),
        name: "Practice X".to_owned(),
        release_policy: "standard".to_owned(),
        brand: chartgate::config::Brand::default(),
    });
    let source = json!({
        "organization": "x", "name": "X EHR", "base_url": "https://ehr.example/fhir", "ca_file": "/nowhere/ca.pem",
    });
    config.sources.push(serde_json::from_value(source).unwrap());
    let parts = Parts {
        config,
        master_key: MasterKey::new([9; 32]),
        clock: Arc::new(chartgate::base::clock::SystemClock),
        random: Arc::new(SeededRandom::new(5)),
    };
    let error = app::start(parts).await.unwrap_err().to_string();
    assert!(error.contains("ca_file /nowhere/ca.pem: "), "{error}");
}
