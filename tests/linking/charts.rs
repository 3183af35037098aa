//! Charts that are merged, given to somebody else, or end: what is shown, what is frozen, who is told.

use chartgate::organization::{Mapping, MappingError};
use chartgate::storage::{audit, links};
use serde_json::{Value, json};

use super::mergers::source;
use super::succession::{about_link, family, let_in};
use super::tightened::daniel_with_mail;
use super::*;
use crate::support::world::{EVERYTHING, World, run};

/// Changes a Patient in Riverside's EHR.
async fn change(world: &World, id: &str, change: impl FnOnce(&mut Value)) {
    let practice = world.practice("riverside");
    let mut patient = practice.find("Patient", id).unwrap().clone();
    change(&mut patient);
    put(world, id, &patient).await;
}

async fn put(world: &World, id: &str, patient: &Value) {
    let url = format!("{}/Patient/{id}", world.practice("riverside").base_url);
    let sent =
        world.http.put(url).header("content-type", "application/fhir+json").body(patient.to_string()).send().await;
    assert!(sent.unwrap().status().is_success());
}

/// Somebody linked by a code; then the chart changes, and links are looked at.
async fn after(change_chart: impl AsyncFnOnce(&World)) -> (World, Browser) {
    let world = world().await;
    let browser = daniel(&world, "daniel").await;
    change_chart(&world).await;
    world.clock.advance(hours(7));
    assert!(world.app.chart_check.run_once().await.unwrap() > 0);
    (world, browser)
}

async fn sees_riverside(browser: &mut Browser, world: &World) -> bool {
    let page = browser.get("/sign-in").await;
    let page = submit(browser, &page, "/sign-in", &[("username", "daniel"), ("password", PASSWORD)]).await;
    assert_eq!(page.status, 303, "{}", world.issuer);
    browser.get("/").await.body.contains("Riverside Family Practice")
}

#[test]
fn a_chart_that_stays_as_it_is_stays_linked() {
    run(async {
        let (world, mut browser) = after(async |world| {
            // A new address and a married name change nothing about who it is.
            change(world, DANIEL, |patient| {
                patient.as_object_mut().unwrap().remove("telecom");
                patient["name"][0]["family"] = json!("Okafor-Bell");
            })
            .await;
        })
        .await;
        assert!(sees_riverside(&mut browser, &world).await);
        assert!(waiting(&world).await.is_empty());
        assert_eq!(world.app.chart_check.run_once().await.unwrap(), 0, "once in six hours is enough");
    });
}

#[test]
fn i20_an_id_that_became_somebody_else_is_frozen_at_once() {
    run(async {
        let (world, mut browser) = after(async |world| {
            change(world, DANIEL, |patient| {
                patient["name"] = json!([{"family": "Vance", "given": ["Tom"]}]);
                patient["birthDate"] = json!("1970-01-02");
            })
            .await;
        })
        .await;
        assert!(!sees_riverside(&mut browser, &world).await);
        assert_eq!(waiting(&world).await, ["The chart is about somebody else than when it was linked."]);
    });
}

#[test]
fn i20_a_merge_into_the_same_human_is_followed() {
    run(async {
        let (world, mut browser) = after(async |world| {
            let mut survivor = world.practice("riverside").find("Patient", DANIEL).unwrap().clone();
            survivor["id"] = json!("pat-2010");
            put(world, "pat-2010", &survivor).await;
            change(world, DANIEL, |patient| {
                patient["active"] = json!(false);
                patient["link"] = json!([{"type": "replaced-by", "other": {"reference": "Patient/pat-2010"}}]);
            })
            .await;
        })
        .await;
        assert!(sees_riverside(&mut browser, &world).await);
        assert!(waiting(&world).await.is_empty());
        let source = world.practice("riverside").source.parse().unwrap();
        let db = &world.app.db;
        let moved = chartgate::storage::links::active_at(db, source, "pat-2010").await.unwrap();
        assert!(moved.is_some());
        assert!(chartgate::storage::links::active_at(db, source, DANIEL).await.unwrap().is_none());
    });
}

#[test]
fn i20_a_merge_into_somebody_else_is_frozen() {
    run(async {
        let (world, mut browser) = after(async |world| {
            // Amara Okafor: the family name agrees, nothing else does.
            change(world, DANIEL, |patient| {
                patient["active"] = json!(false);
                patient["link"] = json!([{"type": "replaced-by", "other": {"reference": "Patient/pat-1009"}}]);
            })
            .await;
        })
        .await;
        assert!(!sees_riverside(&mut browser, &world).await);
        assert_eq!(waiting(&world).await, ["The chart was merged into one that does not fit."]);
    });
}

#[test]
fn i20_records_that_replace_each_other_in_a_circle_are_frozen() {
    run(async {
        let (world, mut browser) = after(async |world| {
            let mut other = world.practice("riverside").find("Patient", DANIEL).unwrap().clone();
            other["id"] = json!("pat-2010");
            other["active"] = json!(false);
            other["link"] = json!([{"type": "replaced-by", "other": {"reference": format!("Patient/{DANIEL}")}}]);
            put(world, "pat-2010", &other).await;
            change(world, DANIEL, |patient| {
                patient["active"] = json!(false);
                patient["link"] = json!([{"type": "replaced-by", "other": {"reference": "Patient/pat-2010"}}]);
            })
            .await;
        })
        .await;
        assert!(!sees_riverside(&mut browser, &world).await);
        assert_eq!(waiting(&world).await, ["The chart was merged into one that does not fit."]);
    });
}

#[test]
fn the_record_of_somebody_who_died_is_closed() {
    run(async {
        let (world, mut browser) = after(async |world| {
            change(world, DANIEL, |patient| patient["deceasedDateTime"] = json!("2026-09-15")).await;
        })
        .await;
        assert!(!sees_riverside(&mut browser, &world).await);
        assert_eq!(waiting(&world).await, ["The chart says that the patient died."]);
    });
}

#[test]
fn an_ehr_that_does_not_answer_freezes_nobody() {
    run(async {
        let (world, mut browser) = after(async |world| world.practice("riverside").stop().await).await;
        assert!(sees_riverside(&mut browser, &world).await);
        assert!(waiting(&world).await.is_empty());
    });
}

/// What was recorded of links: how, and by which rule.
async fn link_acts(world: &World) -> Vec<(String, String)> {
    let rows = audit::recent(&world.app.db, 400).await.unwrap();
    let links = rows.into_iter().filter(|row| row.kind == "link");
    links.map(|row| (row.interaction.unwrap_or_default(), row.rule.unwrap_or_default())).collect()
}

fn holds(acts: &[(String, String)], how: &str, rule: &str) -> bool {
    acts.iter().any(|(known, by)| known == how && by == rule)
}

/// A second record of Daniel's at Riverside, with a number of its own.
async fn second_record(world: &World, id: &str, number: &str) {
    let mut copy = world.practice("riverside").find("Patient", DANIEL).unwrap().clone();
    copy["id"] = json!(id);
    copy["identifier"][0]["value"] = json!(number);
    put(world, id, &copy).await;
}

async fn replaced(world: &World, id: &str, by: &str) {
    change(world, id, |patient| {
        patient["active"] = json!(false);
        patient["link"] = json!([{"type": "replaced-by", "other": {"reference": format!("Patient/{by}")}}]);
    })
    .await;
}

async fn later(world: &World) {
    world.clock.advance(hours(7));
    world.app.chart_check.run_once().await.unwrap();
}

async fn home(world: &World, username: &str) -> String {
    let mut browser = stranger(world);
    let page = browser.get("/sign-in").await;
    let signed_in = submit(&mut browser, &page, "/sign-in", &[("username", username), ("password", PASSWORD)]).await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.body);
    browser.get("/").await.body
}

#[test]
fn i20_of_two_accounts_on_one_survivor_the_newer_is_frozen_and_neither_sees_the_others() {
    run(async {
        let world = world().await;
        daniel_with_mail(&world).await;
        second_record(&world, "pat-2010", "MRN-201010").await;
        world.clock.advance(hours(1));
        let code = own_code(&world, "MRN-201010").await;
        let mut double = stranger(&world);
        assert_eq!(answer(&mut double, &code, "1991-04-14", "Okafor").await.location(), "/invite/account");
        let confirm = new_account(&mut double, "double").await;
        let done = submit(&mut double, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert_eq!(done.location(), "/", "{}", done.body);
        replaced(&world, DANIEL, "pat-2010").await;
        let (db, key) = (&world.app.db, source(&world, "riverside"));
        let news = async || {
            let mails = world.mails().await;
            mails
                .iter()
                .filter(|mail| mail.to == "daniel@example.org" && mail.subject.contains("something new"))
                .count()
        };
        let before = news().await;
        later(&world).await;
        // However often it is looked at: the older does not come to see the newer's while nobody decided.
        for _ in 0..2 {
            assert!(!home(&world, "double").await.contains("Riverside"), "frozen");
            assert!(home(&world, "daniel@example.org").await.contains("Riverside"));
            assert!(links::active_at(db, key, DANIEL).await.unwrap().is_some());
            assert!(links::active_at(db, key, "pat-2010").await.unwrap().is_none());
            later(&world).await;
        }
        assert_eq!(waiting(&world).await, ["Two people came to one chart, or somebody to one that is stopped."]);
        assert_eq!(news().await, before, "nobody is told before staff decided");
        let acts = link_acts(&world).await;
        assert!(holds(&acts, "freeze", "two-on-one-chart") && !holds(&acts, "re-pointed", ""), "{acts:?}");
        // Staff find that the newer was not theirs: the older leads to the survivor then, and its holder hears of something.
        let mut officer = at_work(&world, "officer").await;
        let queue = officer.get("/clinic/queue").await;
        submit(&mut officer, &queue, "/clinic/links/end", &[]).await;
        later(&world).await;
        assert!(links::active_at(db, key, "pat-2010").await.unwrap().is_some());
        assert_eq!(news().await, before + 1);
        assert!(holds(&link_acts(&world).await, "re-pointed", ""));
    });
}

#[test]
fn i20_a_wrong_merge_is_stopped_told_of_and_undone() {
    run(async {
        let world = family().await;
        let token = world.token("amara").await;
        let own = world.get("/fhir/Condition", &token).await.ids().len();
        assert!(own > 0);
        let mut survivor = world.practice("riverside").find("Patient", "pat-1009").unwrap().clone();
        survivor["id"] = json!("pat-2009");
        survivor["identifier"][0]["value"] = json!("MRN-200909");
        put(&world, "pat-2009", &survivor).await;
        replaced(&world, "pat-1009", "pat-2009").await;
        later(&world).await;
        let (db, key) = (&world.app.db, source(&world, "riverside"));
        let link = links::active_at(db, key, "pat-2009").await.unwrap().expect("followed");
        // Hours have passed: the first token is over.
        let token = world.token_for("amara", "amara", "later", EVERYTHING).await;
        assert_eq!(world.get("/fhir/Patient", &token).await.matches().len(), 1);
        // The EHR takes it back: what is in the survivor was somebody else's. Staff flag it.
        let known = world.practice("riverside").find("Patient", "pat-1009").unwrap().clone();
        put(&world, "pat-1009", &known).await;
        let count = async || {
            let rows = audit::of_person(db, world.person("amara").id, 200).await.unwrap();
            rows.iter()
                .filter(|row| row.kind == "fhir" && row.resource_type.is_some_and(|t| t.as_str() == "Patient"))
                .count()
        };
        for _ in 0..500 {
            if count().await > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut officer = at_work(&world, "officer").await;
        let desk = officer.get("/clinic").await;
        let found = submit(&mut officer, &desk, "/clinic/find", &[("number", "MRN-200909")]).await;
        assert_eq!(submit(&mut officer, &found, "/clinic/links/freeze", &[]).await.status, 200);
        assert!(world.get("/fhir/Patient", &token).await.matches().is_empty(), "at once");
        // What was read in between, by whom and through which app: for whoever has to tell the other patient.
        let seen = about_link(&mut officer, "/clinic/links/exposure", &link).await.body;
        assert!(seen.contains("1 of Patient, by whoever it was linked to, through the app later"), "{seen}");
        let queue = officer.get("/clinic/queue").await;
        assert_eq!(submit(&mut officer, &queue, "/clinic/links/end", &[]).await.location(), "/clinic/queue");
        let code = own_code(&world, "MRN-416602").await;
        let mut amara = world.browser("amara").await;
        answer(&mut amara, &code, "1993-09-27", "Okafor").await;
        let confirm = amara.get("/invite/confirm").await;
        let done = submit(&mut amara, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert_eq!(done.location(), "/", "{}", done.body);
        assert_eq!(
            world.get("/fhir/Condition", &token).await.ids().len(),
            own,
            "her own, and nothing kept of the other"
        );
        let acts = link_acts(&world).await;
        for (how, rule) in
            [("re-pointed", ""), ("freeze", "staff"), ("exposure", key.as_str()), ("end", "wrong-record")]
        {
            assert!(holds(&acts, how, rule), "{how} {rule}: {acts:?}");
        }
    });
}

#[test]
fn i20_who_died_and_whose_id_is_anothers_are_closed_to_everybody_and_it_is_recorded() {
    run(async {
        let world = family().await;
        let_in(&world).await;
        let key = world.practice("riverside").source.clone();
        let sees = async |client: &str, holder: &str, person: &str| {
            let token = world.token_for(holder, person, client, EVERYTHING).await;
            let ids = world.get("/fhir/Condition?_count=200", &token).await.ids();
            ids.iter().any(|id| id.starts_with(key.as_str()))
        };
        for person in ["amara", "maria"] {
            assert!(sees("app", person, person).await && sees("app", "whole", person).await, "{person}");
        }
        let open = own_code(&world, "MRN-416602").await;
        change(&world, "pat-1009", |patient| patient["deceasedDateTime"] = json!("2026-09-15")).await;
        change(&world, "pat-1001", |patient| {
            patient["name"] = json!([{"family": "Vance", "given": ["Tom"]}]);
            patient["birthDate"] = json!("1970-01-02");
        })
        .await;
        let before = world.mails().await.len();
        later(&world).await;
        for person in ["amara", "maria"] {
            assert!(!sees("later", person, person).await && !sees("later", "whole", person).await, "{person}");
        }
        let other = &world.practice("lakeside").source;
        let token = world.token_for("maria", "maria", "later", EVERYTHING).await;
        let elsewhere = world.get("/fhir/Condition?_count=200", &token).await.ids();
        assert!(elsewhere.iter().any(|id| id.starts_with(other.as_str())), "what is elsewhere is seen as before");
        let mut waits = waiting(&world).await;
        waits.sort_unstable();
        assert_eq!(
            waits,
            ["The chart is about somebody else than when it was linked.", "The chart says that the patient died."]
        );
        assert_eq!(world.mails().await.len(), before, "no notice to one who died, nor of another's record");
        assert_ne!(answer(&mut stranger(&world), &open, "1993-09-27", "Okafor").await.status, 303, "codes end");
        let acts = link_acts(&world).await;
        assert!(holds(&acts, "freeze", "deceased") && holds(&acts, "freeze", "chart-changed"), "{acts:?}");
    });
}

/// Signs what a practice sends of its records: ES256, a compact JWS over the file's hash.
struct Signer(aws_lc_rs::signature::EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn jwk(&self) -> String {
        use aws_lc_rs::signature::KeyPair;
        let point = self.0.public_key().as_ref();
        let text = |part: &[u8]| data_encoding::BASE64URL_NOPAD.encode(part);
        json!({"kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..])}).to_string()
    }

    fn sign(&self, file: &[u8]) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, file);
        let claims = json!({"sha256": data_encoding::HEXLOWER.encode(digest.as_ref())}).to_string();
        let text = |part: &[u8]| data_encoding::BASE64URL_NOPAD.encode(part);
        let signed = format!("{}.{}", text(br#"{"alg":"ES256"}"#), text(claims.as_bytes()));
        let random = aws_lc_rs::rand::SystemRandom::new();
        format!("{signed}.{}", text(self.0.sign(&random, signed.as_bytes()).unwrap().as_ref()))
    }
}

#[test]
fn an_absorption_takes_the_file_that_was_signed_and_no_other() {
    run(async {
        let world = world().await;
        let browser = daniel(&world, "daniel").await;
        drop(browser);
        let (from, into) = (source(&world, "riverside"), source(&world, "lakeside"));
        super::mergers::copy_to_lakeside(&world, DANIEL, "lks-9001").await;
        let rows = json!({DANIEL: "lks-9001", "pat-1009": "lks-9002"});
        let file = json!({"from": from.as_str(), "into": into.as_str(), "rows": rows}).to_string();
        let signer = Signer::new();
        let (signature, key) = (signer.sign(file.as_bytes()), signer.jwk());
        let swapped = file.replace("lks-9001", "lks-9009");
        for (bad, why) in [
            (&file.as_bytes()[..file.len() - 1], MappingError::OtherFile),
            (&file.as_bytes()[..0], MappingError::OtherFile),
            (swapped.as_bytes(), MappingError::OtherFile),
        ] {
            assert_eq!(Mapping::read(bad, &signature, &key).unwrap_err(), why);
        }
        let cut = &signature[..signature.len() - 2];
        assert_eq!(Mapping::read(file.as_bytes(), cut, &key).unwrap_err(), MappingError::Signature);
        let other = Signer::new();
        assert_eq!(Mapping::read(file.as_bytes(), &signature, &other.jwk()).unwrap_err(), MappingError::Signature);
        // A file that was cut off before somebody signed it is no mapping either.
        let half = &file.as_bytes()[..file.len() - 1];
        assert_eq!(Mapping::read(half, &signer.sign(half), &key).unwrap_err(), MappingError::Malformed);
        let mapping = Mapping::read(file.as_bytes(), &signature, &key).unwrap();
        let (a, b) = (organization(&world, "riverside").await, organization(&world, "lakeside").await);
        let done = world.app.mergers.absorb(a, b, mapping, false).await.unwrap();
        assert_eq!((done.to_move, done.to_reconfirm), (1, 0));
        world.app.bring_links().await.unwrap();
        assert!(links::active_at(&world.app.db, into, "lks-9001").await.unwrap().is_some());
    });
}
