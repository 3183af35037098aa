//! Staff see who sees what of a record: for a reason, under the patient's eyes, and with nothing that they could change.

use chartgate::config::Limits;
use chartgate::identity::{StaffRole, ViewReason};
use serde_json::Value;

use super::{appoint, at_work, submit};
use crate::support::world::{EVERYTHING, PersonSpec, World, fixtures, run};

/// Maria's number at Riverside.
const MARIA: &str = "MRN-334600";

/// What staff did with her record, as the API tells her.
async fn sharers(world: &World) -> Vec<Value> {
    let mut browser = world.browser("maria").await;
    let history = format!("/api/v1/access/history?person={}", world.person("maria").id);
    let entries = browser.get(&history).await.json()["entries"].as_array().unwrap().clone();
    entries.into_iter().filter(|entry| entry["kind"] == "sharers").collect()
}

#[test]
fn i22_staff_look_for_a_reason_that_the_patient_reads_and_change_nothing() {
    run(async {
        let (practices, mut persons) = fixtures();
        persons.retain(|person| person.key == "maria");
        persons.push(PersonSpec { key: "officer".to_owned(), links: Vec::new() });
        let world = World::start(practices, persons, Limits::default()).await;
        appoint(&world, "officer", "riverside", StaffRole::PrivacyOfficer).await;
        let mut maria = world.browser("maria").await;
        let people = maria.get("/api/v1/people").await.json();
        let mut officer = at_work(&world, "officer").await;
        let form = officer.get("/clinic/access").await;
        // Without a reason, or with one that is none, nothing is shown and nothing was looked at.
        for reason in ["", "CURIOSITY", "patrqt", "TREAT"] {
            let page = submit(&mut officer, &form, "/clinic/access", &[("number", MARIA), ("reason", reason)]).await;
            assert_eq!(page.status, 422, "{reason}: {}", page.body);
            assert!(page.body.contains("Say why you look") && !page.body.contains("Alvarez"), "{}", page.body);
        }
        assert!(sharers(&world).await.is_empty());
        let token = world.token_for("maria", "maria", "app", EVERYTHING).await;
        for (reason, words) in [
            (ViewReason::PatientRequest, "Whose record it is asked"),
            (ViewReason::Compliance, "A complaint, or a check that the rules are kept"),
            (ViewReason::Legal, "A court or an authority asked"),
            (ViewReason::Administration, "Somebody is to be let in, or no longer"),
        ] {
            let asked = [("number", MARIA), ("reason", reason.as_str()), ("new", "hcpoa")];
            let shown = submit(&mut officer, &form, "/clinic/access", &asked).await;
            assert_eq!(shown.status, 200, "{}", shown.body);
            assert!(shown.body.contains("Alvarez") && shown.body.contains("Sees all of:"), "{}", shown.body);
            // There is nothing to press but the question itself and what every page of the console has.
            let actions: Vec<&str> =
                shown.body.split(" action=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
            assert!(
                actions.iter().all(|action| ["/clinic/access", "/clinic/work/end"].contains(action)),
                "{actions:?}"
            );
            // She reads it: on her page, by the API, and as an AuditEvent.
            let page = maria.get("/access").await;
            let line = format!("Looked at who sees what of the record: {words}");
            assert!(page.body.contains(&line) && page.body.contains("Staff"), "{line}: {}", page.body);
            let newest = sharers(&world).await.remove(0);
            assert_eq!((&newest["who"], &newest["reason"]), (&"staff".into(), &reason.as_str().into()), "{newest}");
            assert!(newest["name"].is_null() && newest["resource_type"].is_null(), "{newest}");
            let events = world.get("/fhir/AuditEvent?_sort=-date&_count=100", &token).await.matches();
            let purposes = events.iter().filter_map(|event| event["purposeOfEvent"][0]["coding"][0]["code"].as_str());
            assert_eq!(purposes.filter(|code| *code == reason.as_str()).count(), 1, "{events:?}");
        }
        assert_eq!(sharers(&world).await.len(), 4, "once for each reason");
        // Nothing changed, and the record itself stays closed to staff.
        assert_eq!(maria.get("/api/v1/people").await.json(), people);
        let person = world.person("maria").id;
        for path in ["/record", "/people", "/access", "/apps"] {
            let page = officer.get(&format!("{path}?person={person}")).await;
            assert!(!page.body.contains("Alvarez") && !page.body.contains("Maria"), "{path}: {}", page.body);
        }
        let history = officer.get(&format!("/api/v1/access/history?person={person}")).await;
        assert_eq!(history.status, 404, "{}", history.body);
    });
}
