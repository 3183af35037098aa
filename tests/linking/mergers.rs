//! Organizations change; accounts, links and what waits stay their people's.

use std::collections::BTreeMap;

use chartgate::organization::{Mapping, SourceKey};
use chartgate::practice::MergerError;
use chartgate::storage::{audit, links};
use serde_json::json;

use super::tightened::daniel_with_mail;
use super::*;
use crate::support::world::run;

/// The linking world with two more people of Riverside: `amara` (`pat-1009`) and `maria` (`pat-1001`).
async fn practices() -> World {
    let (practices, _) = fixtures();
    let mut persons: Vec<PersonSpec> = ["clerk", "registrar", "support", "boss", "other", "officer"]
        .map(|key| PersonSpec { key: key.to_owned(), links: Vec::new() })
        .to_vec();
    for (key, patient) in [("amara", "pat-1009"), ("maria", "pat-1001")] {
        persons.push(PersonSpec { key: key.to_owned(), links: vec![("riverside".to_owned(), patient.to_owned())] });
    }
    let world = World::start(practices, persons, Limits::default()).await;
    for (key, practice, role) in [
        ("clerk", "riverside", StaffRole::FrontDesk),
        ("boss", "riverside", StaffRole::Administrator),
        ("officer", "riverside", StaffRole::PrivacyOfficer),
        ("other", "lakeside", StaffRole::FrontDesk),
    ] {
        appoint(&world, key, practice, role).await;
    }
    world
}

pub(super) fn source(world: &World, practice: &str) -> SourceKey {
    world.practice(practice).source.parse().unwrap()
}

/// Puts a copy of a Riverside patient into Lakeside's EHR under another id.
pub(super) async fn copy_to_lakeside(world: &World, from: &str, id: &str) {
    let mut patient = world.practice("riverside").find("Patient", from).unwrap().clone();
    patient["id"] = json!(id);
    let url = format!("{}/Patient/{id}", world.practice("lakeside").base_url);
    let sent =
        world.http.put(url).header("content-type", "application/fhir+json").body(patient.to_string()).send().await;
    assert!(sent.unwrap().status().is_success());
}

async fn queue_of(browser: &mut Browser) -> Vec<String> {
    let page = browser.get("/clinic/queue").await;
    page.body.split("<h3>").skip(1).map(|part| part.split('<').next().unwrap().to_owned()).collect()
}

pub(super) async fn acts(world: &World) -> Vec<String> {
    let rows = audit::recent(&world.app.db, 400).await.unwrap();
    rows.into_iter().map(|row| format!("{} {}", row.kind, row.interaction.unwrap_or_default())).collect()
}

#[test]
fn an_absorbed_practice_leaves_accounts_and_links_and_brings_over_what_fits() {
    run(async {
        let world = practices().await;
        let mut daniel = daniel_with_mail(&world).await;
        let slip = own_code(&world, "MRN-864673").await;
        let mut clerk = at_work(&world, "clerk").await;
        let amara = world.token("amara").await;
        let before = world.get("/fhir/Observation", &amara).await.ids().len();
        assert!(before > 0);
        copy_to_lakeside(&world, DANIEL, "lks-9001").await;
        copy_to_lakeside(&world, "pat-1009", "lks-9002").await;

        let (riverside, lakeside) = (organization(&world, "riverside").await, organization(&world, "lakeside").await);
        let rows = [(DANIEL, "lks-9001"), ("pat-1001", "lks-9002")];
        let rows: BTreeMap<_, _> = rows.map(|(old, new)| (old.to_owned(), new.to_owned())).into();
        let (from, into) = (source(&world, "riverside"), source(&world, "lakeside"));
        let mapping = Mapping { from, into, rows, digest: [7; 32] };
        let swapped = Mapping { from: into, into: from, ..mapping.clone() };
        let mergers = &world.app.mergers;
        assert!(matches!(mergers.absorb(riverside, lakeside, swapped, false).await, Err(MergerError::OtherSources)));
        let done = mergers.absorb(riverside, lakeside, mapping.clone(), false).await.unwrap();
        assert_eq!((done.to_move, done.to_reconfirm), (2, 1));
        assert!(matches!(mergers.absorb(riverside, lakeside, mapping, false).await, Err(MergerError::NoOrganization)));

        // Whoever is signed in stays it, and sees what goes on; nothing is lost meanwhile.
        let home = daniel.get("/").await.body;
        assert!(home.contains("Lakeside Cardiology (From Riverside Family Practice"), "{home}");
        assert!(home.contains("is being looked for"), "{home}");
        assert_eq!(world.app.bring_links().await.unwrap(), 2);
        assert_eq!(world.app.bring_links().await.unwrap(), 0, "each once");
        let home = daniel.get("/").await.body;
        assert!(home.contains("Lakeside Cardiology") && !home.contains("From Riverside"), "{home}");
        assert!(links::active_at(&world.app.db, into, "lks-9001").await.unwrap().is_some());
        // A row that is about another human moves nobody: the old record goes on, and the desk looks.
        let link = links::active_at(&world.app.db, from, "pat-1001").await.unwrap().unwrap();
        assert!(links::active_at(&world.app.db, into, "lks-9002").await.unwrap().is_none());
        let mut maria = world.browser("maria").await;
        let home = maria.get("/").await.body;
        assert!(home.contains("Please come to the desk"), "{home}");
        assert_eq!(link.person, world.person("maria").id);
        assert_eq!(world.get("/fhir/Observation", &amara).await.ids().len(), before, "still readable, without a row");

        // The staff of the one are no staff any more, those of the other have what waits.
        assert_eq!(clerk.get("/clinic").await.location(), "/clinic/work");
        let mut other = at_work(&world, "other").await;
        let waits = queue_of(&mut other).await;
        let reconfirm = waits.iter().filter(|text| text.starts_with("After the merger")).count();
        assert_eq!(reconfirm, 2, "{waits:?}");
        // A code from before is good, and says where it leads now.
        let mut browser = stranger(&world);
        let ready = answer(&mut browser, &slip, "1984-06-21", "Whitfield").await;
        if ready.status == 303 {
            let confirm = new_account(&mut browser, "whitfield").await;
            assert!(confirm.body.contains("Lakeside Cardiology"), "{}", confirm.body);
        } else {
            panic!("the code is not good any more: {}", ready.body);
        }
        // Found by its former name; old addresses lead on.
        let found = found(&world, "riverside").await;
        assert!(found.contains("Lakeside Cardiology") && found.contains("Riverside Family Practice"), "{found}");
        let moved = daniel.get(&format!("/claim?organization={riverside}")).await;
        assert_eq!((moved.status, moved.location()), (301, format!("/claim?organization={lakeside}").as_str()));
        // Told once, without a name.
        let mails = world.mails().await;
        let told: Vec<_> = mails.iter().filter(|mail| mail.to == "daniel@example.org").collect();
        let news: Vec<_> = told.iter().filter(|mail| mail.subject.contains("something new")).collect();
        assert_eq!(news.len(), 1, "{told:?}");
        assert!(!news[0].text.contains("Lakeside") && !news[0].text.contains("Riverside"));
        let acts = acts(&world).await;
        for act in ["organization absorb", "link absorbed"] {
            assert!(acts.iter().any(|known| known == act), "{act} in {acts:?}");
        }
    });
}

/// "Find your practice", as somebody sees it once the directory is read again.
async fn found(world: &World, name: &str) -> String {
    for _ in 0..100 {
        let page = stranger(world).get(&format!("/find?name={name}")).await.body;
        if page.contains("Lakeside") || page.contains("Rivers Edge") {
            return page;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    stranger(world).get(&format!("/find?name={name}")).await.body
}

#[test]
fn a_new_name_a_split_and_a_closing_leave_accounts_alone() {
    run(async {
        let world = practices().await;
        let mut maria = world.browser("maria").await;
        // Only the administrator gives a new name.
        let mut officer = at_work(&world, "officer").await;
        assert_eq!(officer.get("/clinic/organization").await.status, 403);
        let mut boss = at_work(&world, "boss").await;
        let page = boss.get("/clinic/organization").await;
        let short = submit(&mut boss, &page, "/clinic/organization", &[("name", " ")]).await;
        assert_eq!(short.status, 422);
        let done = submit(&mut boss, &page, "/clinic/organization", &[("name", "Rivers Edge Health")]).await;
        assert_eq!(done.location(), "/clinic/organization", "{}", done.body);
        assert!(boss.get("/clinic/organization").await.body.contains("<li>Riverside Family Practice</li>"));
        assert!(maria.get("/").await.body.contains("Rivers Edge Health"));
        assert!(found(&world, "riverside").await.contains("Rivers Edge Health"));

        let slip = own_code(&world, "MRN-864673").await;
        let key = source(&world, "riverside");
        let new = world.app.mergers.split(key, "Rivers Edge Surgery").await.unwrap();
        assert!(maria.get("/").await.body.contains("Rivers Edge Surgery"));
        let token = world.token("maria").await;
        assert!(!world.get("/fhir/Observation", &token).await.ids().is_empty());
        // The old organization's staff do not reach it any more.
        let mut clerk = at_work(&world, "clerk").await;
        let desk = clerk.get("/clinic").await;
        let gone = submit(&mut clerk, &desk, "/clinic/find", &[("number", "MRN-994045")]).await;
        assert!(gone.body.contains("Nobody was found"), "{}", gone.body);
        assert!(clerk.get("/clinic/invitations").await.body.contains("No code was handed out yet"));

        world.app.mergers.close(new).await.unwrap();
        assert!(!maria.get("/").await.body.contains("Rivers Edge Surgery"));
        assert_eq!(maria.get("/account").await.status, 200, "the account stays");
        assert!(world.get("/fhir/Observation", &token).await.ids().is_empty());
        let mut browser = stranger(&world);
        let ended = answer(&mut browser, &slip, "1984-06-21", "Whitfield").await;
        assert_ne!(ended.status, 303, "codes end");
        let frozen = links::of_person(&world.app.db, world.person("maria").id).await.unwrap();
        assert!(!frozen[0].state.is_active());
        let acts = acts(&world).await;
        for act in ["organization rename", "organization split", "organization close"] {
            assert!(acts.iter().any(|known| known == act), "{act} in {acts:?}");
        }
    });
}

#[test]
fn staff_stop_and_free_what_flows_and_the_privacy_officer_sees_what_was_looked_at() {
    run(async {
        let world = practices().await;
        let token = world.token("maria").await;
        assert!(!world.get("/fhir/Observation", &token).await.ids().is_empty());
        assert!(!world.get("/fhir/Condition", &token).await.ids().is_empty());
        let mut officer = at_work(&world, "officer").await;
        let stop = async |officer: &mut Browser, number: &str| {
            let desk = officer.get("/clinic").await;
            let found = submit(officer, &desk, "/clinic/find", &[("number", number)]).await;
            submit(officer, &found, "/clinic/links/freeze", &[]).await
        };
        let stopped = stop(&mut officer, "MRN-334600").await;
        let nobody = stop(&mut officer, "MRN-994045").await;
        assert_eq!((stopped.status, &stopped.body), (200, &nobody.body), "whether it is linked is not told");
        assert!(world.get("/fhir/Observation", &token).await.ids().is_empty());
        assert!(!world.browser("maria").await.get("/").await.body.contains("Riverside"));

        // The front desk does neither; another organization's officer finds no such link.
        let link = links::of_person(&world.app.db, world.person("maria").id).await.unwrap()[0].id.to_string();
        let with = |page: &Answer, fields: &[(&str, &str)]| {
            let mut form = page.form_to("/clinic/work/end");
            form.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            form
        };
        let mut clerk = at_work(&world, "clerk").await;
        let page = clerk.get("/clinic").await;
        for path in ["/clinic/links/free", "/clinic/links/exposure"] {
            assert_eq!(clerk.post(path, &with(&page, &[("link", &link)])).await.status, 403, "{path}");
        }
        let chart = [("source", world.practice("riverside").source.as_str()), ("patient", DANIEL)];
        assert_eq!(clerk.post("/clinic/links/freeze", &with(&page, &chart)).await.status, 403);
        appoint(&world, "other", "lakeside", StaffRole::PrivacyOfficer).await;
        let mut other = at_work(&world, "other").await;
        let page = other.get("/clinic").await;
        for path in ["/clinic/links/free", "/clinic/links/exposure"] {
            assert_eq!(other.post(path, &with(&page, &[("link", &link)])).await.status, 404, "{path}");
        }
        assert_eq!(other.post("/clinic/links/freeze", &with(&page, &chart)).await.status, 404);

        let page = officer.get("/clinic").await;
        // Entries of reads wait a moment before they are stored.
        let mut seen = String::new();
        for _ in 0..100 {
            seen = officer.post("/clinic/links/exposure", &with(&page, &[("link", &link)])).await.body;
            if seen.contains("of Observation") && seen.contains("of Condition") {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(seen.contains("of Observation, by whoever it was linked to, through the app app"), "{seen}");
        assert!(seen.contains("of Condition"), "{seen}");
        let freed = officer.post("/clinic/links/free", &with(&page, &[("link", &link)])).await;
        assert_eq!(freed.location(), "/clinic/queue", "{}", freed.body);
        assert!(!world.get("/fhir/Observation", &token).await.ids().is_empty());
        assert_eq!(officer.post("/clinic/links/free", &with(&page, &[("link", &link)])).await.status, 404, "it flows");
        let acts = acts(&world).await;
        for act in ["link freeze", "link free", "link exposure"] {
            assert!(acts.iter().any(|known| known == act), "{act} in {acts:?}");
        }
    });
}
