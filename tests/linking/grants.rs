//! A power of attorney that a court's order supersedes (portal design, 3.8 scenario 44): the registrar suspends it, the privacy
//! officer decides, and both sides are told.

use chartgate::base::clock::Clock;
use chartgate::base::id::GrantId;
use chartgate::base::random::SystemRandom;
use chartgate::identity::GrantBasis;
use chartgate::practice::{self, NewGrant};
use chartgate::storage::{audit, grants, organizations, staff_tasks};
use serde_json::{Value, json};

use super::proxies::{mailbox, mailbox_of, told};
use super::{answer, at_work, code_of, daniel, stranger, submit, verify, waiting, world};
use crate::support::http::{Answer, Client as Browser};
use crate::support::world::{self, World, run};

const NUMBER: [(&str, &str); 1] = [("number", "MRN-994045")];

async fn grant(world: &World, holder: &str, person: &str, basis: GrantBasis) -> GrantId {
    let new = NewGrant { account: world.account(holder).await, person: person.parse().unwrap(), basis };
    let random = SystemRandom::default();
    practice::grant(&world.app.acts, &random, world.clock.now(), new).await.unwrap()
}

/// Whether somebody reads the record of Daniel, by page and by what People says.
async fn reads(browser: &mut Browser, person: &str) -> bool {
    let page = browser.get(&format!("/record/conditions?person={person}")).await.status;
    let people: Value = browser.get("/api/v1/people").await.json();
    let is_in_effect = people["seen_by_me"][0]["in_effect"] == json!(true);
    assert_eq!(page == 200, is_in_effect, "{page} {people}");
    is_in_effect
}

/// The page about Daniel in the console.
async fn looked_up(staff: &mut Browser) -> Answer {
    let form = staff.get("/clinic/grants").await;
    assert_eq!(form.status, 200, "{}", form.body);
    submit(staff, &form, "/clinic/grants", &NUMBER).await
}

#[test]
fn a_superseded_power_of_attorney_is_suspended_at_the_desk_and_the_privacy_officer_decides() {
    run(async {
        let world = world().await;
        let mut fay = daniel(&world, "fay").await;
        mailbox(&world, &mut fay, "fay@example.org").await;
        let person = fay.get("/api/v1/links").await.json()["persons"][0]["person"].as_str().unwrap().to_owned();
        let mut jo = world.browser("other").await;
        mailbox_of(&world, &mut jo, "jo@example.org", world::PASSWORD).await;
        let attorney = grant(&world, "other", &person, GrantBasis::HealthCarePowerOfAttorney).await;
        let court = grant(&world, "support", &person, GrantBasis::GuardianAdult).await;
        let mut max = world.browser("support").await;
        assert!(reads(&mut jo, &person).await && reads(&mut max, &person).await);

        // Neither the front desk nor another practice has a say in it.
        let mut clerk = at_work(&world, "clerk").await;
        assert_eq!(clerk.get("/clinic/grants").await.status, 403);
        let mut registrar = at_work(&world, "registrar").await;
        let page = looked_up(&mut registrar).await;
        assert!(page.status == 200 && page.body.contains("Health care power of attorney"), "{}", page.body);
        assert!(page.body.contains("Guardian of an adult, by a court"), "{}", page.body);
        let suspend = page.forms("/clinic/grants/suspend");
        let form = |id: GrantId| {
            let of = ("grant".to_owned(), id.to_string());
            suspend.iter().find(|form| form.contains(&of)).unwrap().clone()
        };
        assert_eq!(clerk.post("/clinic/grants/suspend", &form(attorney)).await.status, 403);
        assert!(reads(&mut jo, &person).await);

        assert_eq!(registrar.post("/clinic/grants/suspend", &form(attorney)).await.status, 303);
        assert!(!reads(&mut jo, &person).await, "at once");
        assert!(reads(&mut max, &person).await, "the court's order stands");
        assert_eq!((told(&world, "fay@example.org").await, told(&world, "jo@example.org").await), (1, 1));
        assert_eq!(registrar.post("/clinic/grants/suspend", &form(attorney)).await.status, 404, "once");
        // She reads why, he does not.
        let hers = fay.get("/api/v1/people").await.json();
        let line = hers["see_mine"].as_array().unwrap().iter().find(|line| line["name"] == "other").unwrap().clone();
        assert_eq!(line["suspended"], "ROLE_SUSPENDED_PENDING_REVIEW", "{hers}");
        assert!(fay.get("/people").await.body.contains("The practice has to look at it first."));
        let theirs = jo.get("/api/v1/people").await.json();
        assert_eq!(theirs["seen_by_me"][0]["suspended"], Value::Null, "{theirs}");
        // The privacy officer has a task; the registrar does not decide it.
        let open = async || {
            let all = organizations::all(&world.app.db).await.unwrap();
            let here = all.iter().find(|known| known.name.starts_with("Riverside")).unwrap().id;
            let open = staff_tasks::open(&world.app.db, here).await.unwrap();
            open.into_iter().map(|task| (task.kind.as_str(), task.object)).collect::<Vec<_>>()
        };
        assert_eq!(open().await, [("grant-suspended", format!("Grant/{attorney}"))]);
        let again = looked_up(&mut registrar).await;
        assert!(again.forms("/clinic/grants/settle").is_empty() && again.body.contains("suspended."), "{}", again.body);
        let mut officer = at_work(&world, "officer").await;
        let decide = looked_up(&mut officer).await.form_to("/clinic/grants/settle");
        let with = |more: &[(&str, &str)]| {
            let mut form: Vec<(String, String)> = decide.iter().filter(|(name, _)| name != "reason").cloned().collect();
            form.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            form
        };
        let mut stolen = with(&[("do", "resume")]);
        stolen.retain(|(name, _)| name != "form_token");
        let own = again.field("form_token").unwrap();
        stolen.push(("form_token".to_owned(), own));
        assert_eq!(registrar.post("/clinic/grants/settle", &stolen).await.status, 403);
        // It works again, and is suspended and ended for good then.
        assert_eq!(officer.post("/clinic/grants/settle", &with(&[("do", "resume")])).await.status, 303);
        assert!(reads(&mut jo, &person).await && open().await.is_empty());
        assert_eq!(officer.post("/clinic/grants/settle", &with(&[("do", "resume")])).await.status, 404);
        assert_eq!(registrar.post("/clinic/grants/suspend", &form(attorney)).await.status, 303);
        for wrong in ["because", "", "ROLE_DEACTIVATED_BY_HOLDER", "APPLICATION_REJECTED_NO_CONSENT", "OTHER"] {
            let answer = officer.post("/clinic/grants/settle", &with(&[("do", "end"), ("reason", wrong)])).await;
            assert_eq!(answer.status, 422, "{wrong}: {}", answer.body);
        }
        let ends = with(&[("do", "end"), ("reason", "ROLE_DEACTIVATED_SUPERSEDED")]);
        assert_eq!(officer.post("/clinic/grants/settle", &ends).await.status, 303);
        assert!(jo.get("/api/v1/people").await.json()["seen_by_me"].as_array().unwrap().is_empty());
        assert!(reads(&mut max, &person).await && open().await.is_empty());
        assert_eq!((told(&world, "fay@example.org").await, told(&world, "jo@example.org").await), (4, 4));
        // Why it is over stands in her list, in her language.
        let gone = fay.get("/api/v1/people").await.json()["gone"].clone();
        let gone = gone.as_array().unwrap();
        assert_eq!(gone.len(), 1, "{gone:?}");
        assert_eq!((&gone[0]["name"], &gone[0]["basis"]), (&json!("other"), &json!("hcpoa")));
        assert_eq!(gone[0]["reason"], "ROLE_DEACTIVATED_SUPERSEDED");
        let page = fay.get("/people").await.body;
        assert!(page.contains("Another document took its place."), "{page}");
        let steps: Vec<String> = {
            let rows = audit::of_person(&world.app.db, person.parse().unwrap(), 100).await.unwrap();
            let of_grant = rows.into_iter().filter(|row| row.object.as_deref() == Some(&format!("Grant/{attorney}")));
            of_grant
                .map(|row| format!("{} {}", row.interaction.unwrap_or_default(), row.rule.unwrap_or_default()))
                .collect()
        };
        assert_eq!(steps.len(), 5, "{steps:?}");
        assert!(grants::by_id(&world.app.db, court).await.unwrap().is_some());
    });
}

/// Portal design, 3.8 scenario 56.
#[test]
fn a_code_for_a_proxy_is_for_whom_it_names_and_locked_after_that() {
    run(async {
        let world = world().await;
        let mut registrar = at_work(&world, "registrar").await;
        let proxy = [("proxy_family", "Cole"), ("proxy_given", "Hana"), ("basis", "parent")];
        let code = code_of(&verify(&mut registrar, "MRN-263881", &proxy).await);
        // Daniel has a record of his own, which says that he is somebody else.
        let mut other = daniel(&world, "daniel").await;
        assert_eq!(answer(&mut other, &code, "2019-05-09", "Cole").await.location(), "/invite/confirm");
        let confirm = other.get("/invite/confirm").await;
        let refused = submit(&mut other, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert_eq!(refused.status, 409, "{}", refused.body);
        assert!(other.get("/api/v1/people").await.json()["seen_by_me"].as_array().unwrap().is_empty());
        assert_eq!(waiting(&world).await, ["A code for somebody who acts for a patient was tried by another person."]);
        // It is nobody's any more, not even Hana's.
        let mut hana = stranger(&world);
        let late = answer(&mut hana, &code, "2019-05-09", "Cole").await;
        assert_ne!(late.header("location"), Some("/invite/account"), "{}", late.body);
    });
}
