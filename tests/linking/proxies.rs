//! Somebody is to act for somebody else: what patients hand out, what they ask staff for, and what takes two.

use chartgate::base::clock::Clock;
use chartgate::base::random::SeededRandom;
use chartgate::consent::RuleKind;
use chartgate::identity::{GrantBasis, Language, Period};
use chartgate::practice::{self, NewGrant, NewRule};
use chartgate::storage::staff_tasks::{self, StaffTaskKind};
use chartgate::storage::{StorageError, accounts, organizations};
use serde_json::{Value, json};

use super::{PASSWORD, answer, at_work, code_of, daniel, new_account, stranger, submit, verify, world};
use crate::support::http::{Answer, Client as Browser};
use crate::support::world::{self, World, run};

/// Sends the first form of a page that leads there, with the boxes of `boxes` ticked alone.
async fn hand_out(browser: &mut Browser, what: &str, fields: &[(&str, &str)], boxes: &[(&str, &str)]) -> Answer {
    let page = browser.get("/people/invite").await;
    assert_eq!(page.status, 200, "{}", page.header("location").unwrap_or_default());
    let mut form = page.form_to("/people/invite");
    form.retain(|(name, _)| !matches!(name.as_str(), "category" | "label" | "acts" | "uses_app"));
    for (name, value) in fields {
        form.retain(|(known, _)| known != name);
        form.push(((*name).to_owned(), (*value).to_owned()));
    }
    form.extend([("do", what)].iter().chain(boxes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    browser.post("/people/invite", &form).await
}

/// The registrar's queue and the first page, once in another language: every word of them, and what they say of it.
async fn in_spanish(world: &World, registrar: &mut Browser) {
    let account = world.account("registrar").await;
    let speak = async |language: Language| {
        let done: Result<(), StorageError> =
            world.app.db.write(move |tx| Box::pin(accounts::set_language(tx, account, language))).await;
        done.unwrap();
    };
    speak(Language::Spanish).await;
    let queue = registrar.get("/clinic/proxies").await.body;
    assert!(queue.contains("<html lang=\"es\">") && queue.contains("Quién actúa por quién"), "{queue}");
    assert!(queue.contains("Marcus Reed por Leo Reed, fecha de nacimiento 2019-05-09"), "{queue}");
    assert!(queue.contains("Lo pidió quien quiere actuar."), "{queue}");
    for (page, words) in [
        ("/clinic/queue", "Por revisar"),
        ("/clinic/grants", "Mostrar quién actúa por él"),
        ("/account", "Usted entra como registrar."),
        ("/clinic", "Buscar a un paciente"),
        ("/clinic/invitations", "Códigos"),
        ("/clinic/work", "Trabajar en Riverside Family Practice"),
        ("/clinic/staff", "No le corresponde"),
        ("/apps", "No hay ninguna aplicación conectada."),
        ("/find", "Tengo un código de Riverside Family Practice"),
        ("/invite", "Escriba lo que tiene"),
        ("/account/sessions", "Un navegador"),
        ("/nowhere", "No hay ninguna página en esta dirección."),
    ] {
        let page = registrar.get(page).await.body;
        assert!(page.contains("<html lang=\"es\">") && page.contains(words), "{page}");
    }
    let home = registrar.get("/").await.body;
    assert!(home.contains("<html lang=\"es\">") && home.contains("Hola, registrar"), "{home}");
    for english in ["Since ", "Document:", "Who ", "Refuse", "Why not", "Queue", "Passport", "End work"] {
        assert!(!queue.contains(english), "{english}: {queue}");
    }
    for english in ["Hello", "Sign out", "Connected apps", "People:", "Your account"] {
        assert!(!home.contains(english), "{english}: {home}");
    }
    speak(Language::English).await;
}

const SAM: [(&str, &str); 2] = [("given", "Sam"), ("family", "Cole")];

pub(super) async fn mailbox(world: &World, browser: &mut Browser, address: &str) {
    mailbox_of(world, browser, address, PASSWORD).await;
}

pub(super) async fn mailbox_of(world: &World, browser: &mut Browser, address: &str, password: &str) {
    for (page, action, fields) in [
        ("/account/prove?next=contact", "/account/prove", vec![("password", password)]),
        ("/account/contact", "/account/contact", vec![("email", address)]),
    ] {
        let page = browser.get(page).await;
        assert_eq!(submit(browser, &page, action, &fields).await.status, 303);
    }
    let mails = world.mails().await;
    let code = mails.iter().rfind(|mail| mail.to == address).unwrap().code();
    let page = browser.get("/account/contact").await;
    assert_eq!(submit(browser, &page, "/account/contact/code", &[("code", &code)]).await.status, 303);
}

/// How often somebody was told that who sees their record changes.
pub(super) async fn told(world: &World, address: &str) -> usize {
    let mails = world.mails().await;
    mails.iter().filter(|mail| mail.to == address && mail.text.contains("Who can see a record of yours")).count()
}

#[test]
fn a_patient_hands_out_a_code_for_whom_they_name_and_takes_it_back() {
    run(async {
        let world = world().await;
        let mut owner = daniel(&world, "daniel").await;
        mailbox(&world, &mut owner, "daniel@example.org").await;
        // What they would see, before anything is given.
        let seen = hand_out(&mut owner, "see", &SAM, &[("category", "results")]).await;
        assert_eq!(seen.status, 200, "{}", seen.body);
        let part = |title: &str| {
            let rest = seen.body.split(title).nth(1).unwrap_or_else(|| panic!("no {title}: {}", seen.body));
            rest.split("<dd>").nth(1).unwrap().split("</dd>").next().unwrap().to_owned()
        };
        assert_eq!(part("Sees all of:"), "test results, name, address and contact");
        assert!(part("Sees nothing of:").contains("notes and documents"));
        assert_eq!(told(&world, "daniel@example.org").await, 0);
        // What has to be there.
        for (fields, boxes, problem) in [
            (vec![("given", ""), ("family", "Cole")], vec![("category", "results")], "given name and a family name"),
            (SAM.to_vec(), vec![], "tick at least one part"),
            ([&SAM[..], &[("birth_date", "soon")]].concat(), vec![("category", "results")], "whole dates"),
            ([&SAM[..], &[("until", "soon")]].concat(), vec![("category", "results")], "whole dates"),
        ] {
            let page = hand_out(&mut owner, "hand-out", &fields, &boxes).await;
            assert!(page.status == 422 && page.body.contains(problem), "{problem}: {}", page.body);
            assert!(page.body.contains("aria-describedby=\"problem\"") && !page.body.contains("class=\"code\""));
        }
        let boxes = [("category", "results"), ("category", "demographics"), ("label", "mental-health")];
        let code = code_of(&hand_out(&mut owner, "hand-out", &SAM, &boxes).await);
        assert_eq!(told(&world, "daniel@example.org").await, 1, "at once, so that a thief cannot do it unseen");
        // Whoever finds it cannot use it under another name.
        let mut sam = stranger(&world);
        assert_eq!(answer(&mut sam, &code, "1991-04-14", "Okafor").await.status, 422);
        assert_eq!(answer(&mut sam, &code, "1991-04-14", "Cole").await.location(), "/invite/account");
        let confirm = new_account(&mut sam, "sam").await;
        assert_eq!(submit(&mut sam, &confirm, "/invite/confirm", &[("answer", "yes")]).await.status, 303);
        assert_eq!(told(&world, "daniel@example.org").await, 2);
        let mine: Value = sam.get("/api/v1/people").await.json();
        let grant = &mine["seen_by_me"][0];
        assert_eq!((&grant["basis"], &grant["in_effect"]), (&"patient-consent".into(), &true.into()), "{grant}");
        assert_eq!(grant["scope"]["categories"], serde_json::json!(["results", "demographics"]));
        let seen = &grant["sees"][0]["categories"];
        assert_eq!((&seen["results"], &seen["notes"]), (&"part".into(), &"nothing".into()), "{grant}");
        // The privacy officer sees who sees what at this practice, and by which rule; nobody else of the staff does.
        let mut registrar = at_work(&world, "registrar").await;
        assert_eq!(registrar.get("/clinic/access").await.status, 403);
        let mut officer = at_work(&world, "officer").await;
        let form = officer.get("/clinic/access").await;
        let is_daniels =
            |r: &&Value| r["resourceType"] == "Condition" && r["subject"]["reference"] == "Patient/pat-1010";
        let practice = world.practice("riverside");
        let id = practice.resources.iter().find(is_daniels).unwrap()["id"].as_str().unwrap();
        let item = format!("Condition/{}.{id}", practice.source);
        let asked = [("number", "MRN-994045"), ("item", item.as_str()), ("reason", "PATADMIN")];
        let shown = submit(&mut officer, &form, "/clinic/access", &asked).await;
        assert_eq!(shown.status, 200, "{}", shown.body);
        assert!(
            shown.body.contains("<h3>sam</h3>") && shown.body.contains("The patient wants it, active"),
            "{}",
            shown.body
        );
        assert!(shown.body.contains("not seen, by the rule scope-category"), "{}", shown.body);
        // What somebody would see before they are let in: an executor nothing while the patient lives.
        assert!(!shown.body.contains("Somebody new"), "{}", shown.body);
        let would = async |officer: &mut Browser, right: &str| {
            let fields = [("number", "MRN-994045"), ("item", item.as_str()), ("new", right), ("reason", "PATADMIN")];
            let page = submit(officer, &form, "/clinic/access", &fields).await.body;
            let line = page.split("<h3>Somebody new</h3>").nth(1).unwrap_or_else(|| panic!("{page}"));
            line.split("</li>").next().unwrap().to_owned()
        };
        let attorney = would(&mut officer, "hcpoa").await;
        assert!(attorney.contains("Health care power of attorney, not let in. The item: seen"), "{attorney}");
        assert!(attorney.contains("Sees all of:") && attorney.contains("conditions"), "{attorney}");
        let executor = would(&mut officer, "executor").await;
        assert!(executor.contains("not seen, by the rule not-yet-in-effect"), "{executor}");
        let parent = would(&mut officer, "parent").await;
        assert!(parent.contains("not seen, by the rule age-band"), "of somebody of age: {parent}");
        let nobody =
            submit(&mut officer, &form, "/clinic/access", &[("number", "MRN-0"), ("reason", "PATADMIN")]).await;
        assert!(nobody.status == 422 && nobody.body.contains("of no one record"), "{}", nobody.body);
        // Used codes are not taken back, others are, and are dead then.
        let people = owner.get("/people").await;
        assert!(people.body.contains("The code was used, or has ended."), "{}", people.body);
        let second = code_of(&hand_out(&mut owner, "hand-out", &SAM, &boxes[..1]).await);
        let people = owner.get("/people").await;
        assert_eq!(people.forms("/people/take-back").len(), 1, "{}", people.body);
        let form = people.forms("/people/take-back").remove(0);
        assert_eq!(sam.post("/people/take-back", &form).await.status, 403, "another one's form");
        assert_eq!(owner.post("/people/take-back", &form).await.status, 303);
        assert_eq!(owner.post("/people/take-back", &form).await.status, 404);
        let mut late = stranger(&world);
        let page = answer(&mut late, &second, "1991-04-14", "Cole").await;
        assert!(page.header("location") != Some("/invite/account"), "{} {}", page.status, page.body);
        // Five in a day, and no more.
        for _ in 0..3 {
            code_of(&hand_out(&mut owner, "hand-out", &SAM, &boxes[..1]).await);
        }
        let page = hand_out(&mut owner, "hand-out", &SAM, &boxes[..1]).await;
        assert!(page.status == 422 && page.body.contains("try again tomorrow"), "{}", page.body);
        // Who has no record hands out none.
        assert_eq!(sam.get("/people/invite").await.location(), "/people");
    });
}

async fn ask(browser: &mut Browser, world: &World, fields: &[(&str, &str)]) -> Answer {
    let page = browser.get("/people/ask").await;
    let practice = super::organization(world, "riverside").await.to_string();
    let mut all =
        vec![("practice", practice.as_str()), ("own_given", "Marcus"), ("own_family", "Reed"), ("basis", "parent")];
    all.extend([("document", "birth certificate")]);
    all.extend(fields);
    submit(browser, &page, "/people/ask", &all).await
}

/// The first form of the queue, with these fields.
async fn decide(staff: &mut Browser, fields: &[(&str, &str)]) -> Answer {
    let queue = staff.get("/clinic/proxies").await;
    assert_eq!(queue.status, 200, "{}", queue.body);
    submit(staff, &queue, "/clinic/proxies/decide", fields).await
}

const LEO: [(&str, &str); 3] = [("given", "Leo"), ("family", "Reed"), ("birth_date", "2019-05-09")];

#[test]
fn staff_decide_by_a_document_and_the_answer_tells_nothing() {
    run(async {
        let world = world().await;
        let mut father = daniel(&world, "marcus").await;
        let sent = ask(&mut father, &world, &LEO).await;
        let nobody =
            ask(&mut father, &world, &[("given", "No"), ("family", "Body"), ("birth_date", "2000-01-01")]).await;
        let text = |page: &Answer| page.body.split("<main").nth(1).unwrap().to_owned();
        assert_eq!((sent.status, text(&sent)), (200, text(&nobody)), "nothing tells who is a patient");
        for (field, value) in
            [("birth_date", "2019"), ("given", ""), ("document", ""), ("practice", "x"), ("basis", "patient-consent")]
        {
            let page = ask(&mut father, &world, &[&LEO[..], &[(field, value)]].concat()).await;
            assert!(page.status == 422 && page.body.contains("role=\"alert\""), "{field}: {}", page.body);
        }
        // The front desk does not decide it.
        let mut clerk = at_work(&world, "clerk").await;
        assert_eq!(clerk.get("/clinic/proxies").await.status, 403);
        let mut registrar = at_work(&world, "registrar").await;
        let queue = registrar.get("/clinic/proxies").await.body;
        assert!(queue.contains("Marcus Reed for Leo Reed, born 2019-05-09"), "{queue}");
        in_spanish(&world, &mut registrar).await;
        let yes =
            |number: &'static str| [("answer", "approve"), ("number", number), ("document", "DL"), ("silent", "")];
        for (number, problem) in
            [("MRN-994045", "not about whom the request names"), ("MRN-0", "that of no one record")]
        {
            let page = decide(&mut registrar, &yes(number)).await;
            assert!(page.status == 422 && page.body.contains(problem), "{number}: {}", page.body);
        }
        let code = code_of(&decide(&mut registrar, &yes("MRN-263881")).await);
        assert!(!registrar.get("/clinic/proxies").await.body.contains("Leo Reed"), "it is decided");
        // The code is for whom it names: the account of Daniel, who has another name and birth date, does not get it.
        let mut browser = stranger(&world);
        assert_eq!(answer(&mut browser, &code, "2019-05-09", "Reed").await.location(), "/invite/account");
        let confirm = new_account(&mut browser, "marcus-reed").await;
        submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert_eq!(browser.get("/api/v1/people").await.json()["seen_by_me"][0]["basis"], "parent");
        // A no, with the reason, which whoever asked does not read.
        for (reason, note, problem) in [
            ("no paper", "", "Choose why."),
            ("ROLE_DEACTIVATED_SAFEGUARDING", "", "Choose why."),
            ("APPLICATION_REJECTED_PRACTICE_CLOSED", "", "Choose why."),
            ("OTHER", " ", "Say in a few words why."),
        ] {
            let no = decide(&mut registrar, &[("answer", "refuse"), ("reason", reason), ("note", note)]).await;
            assert!(no.status == 422 && no.body.contains(problem), "{reason}: {}", no.body);
        }
        let no = [("answer", "refuse"), ("reason", "APPLICATION_REJECTED_NO_LEGAL_BASIS"), ("note", "no paper")];
        let refused = decide(&mut registrar, &no).await;
        assert_eq!(refused.status, 303, "{}", refused.body);
        let people = father.get("/people").await.body;
        assert!(people.contains("The practice did not agree") && people.contains("has a code for you"), "{people}");
        assert!(!people.contains("no paper") && !people.contains("No document shows"), "{people}");
        let account = chartgate::identity::Username::new("marcus").unwrap();
        let account = chartgate::storage::accounts::by_username(&world.app.db, &account).await.unwrap().unwrap().id;
        let asked = chartgate::storage::proxy_requests::asked_by(&world.app.db, account).await.unwrap();
        let reasons: Vec<_> =
            asked.into_iter().filter_map(|asked| Some((asked.reason?.as_str(), asked.note?))).collect();
        assert_eq!(reasons, [("APPLICATION_REJECTED_NO_LEGAL_BASIS", "no paper".to_owned())]);
    });
}

#[test]
fn a_power_of_attorney_takes_two_of_the_staff() {
    run(async {
        let world = world().await;
        let mut owner = daniel(&world, "daniel").await;
        mailbox(&world, &mut owner, "daniel@example.org").await;
        let mut registrar = at_work(&world, "registrar").await;
        let proxy = [("proxy_family", "Okafor"), ("proxy_given", "Ada"), ("basis", "hcpoa")];
        for silent in ["", "she threatened him"] {
            let before = told(&world, "daniel@example.org").await;
            let begun = verify(&mut registrar, "MRN-994045", &proxy).await;
            assert_eq!((begun.status, begun.header("location")), (303, Some("/clinic/proxies")), "{}", begun.body);
            let queue = registrar.get("/clinic/proxies").await;
            assert!(queue.body.contains("Somebody else of the staff must decide this"), "{}", queue.body);
            // Not even by hand.
            let mut form = queue.form_to("/clinic/proxies/decide");
            form.push(("answer".to_owned(), "approve".to_owned()));
            assert_eq!(registrar.post("/clinic/proxies/decide", &form).await.status, 422);
            assert_eq!(registrar.get("/clinic/invitations").await.body.matches("Ada").count(), 0);
            let mut officer = at_work(&world, "officer").await;
            let slip = decide(&mut officer, &[("answer", "approve"), ("silent", silent)]).await;
            let code = code_of(&slip);
            let mut ada = stranger(&world);
            assert_eq!(answer(&mut ada, &code, "1991-04-14", "Okafor").await.location(), "/invite/account");
            let confirm = new_account(&mut ada, if silent.is_empty() { "ada" } else { "ada-two" }).await;
            let done = submit(&mut ada, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
            assert_eq!(done.status, 303, "{}", done.body);
            let told = told(&world, "daniel@example.org").await - before;
            assert_eq!(told, if silent.is_empty() { 2 } else { 0 }, "at issue and at use, unless that would harm");
        }
        // What staff saw of those who act for him is not his to read, least of all what nobody was told of.
        let seen = owner.get("/api/v1/verifications").await.json();
        assert_eq!(seen["entry"].as_array().unwrap().len(), 2, "his own, as two resources: {seen}");
    });
}

#[test]
fn people_are_told_before_what_they_share_changes() {
    run(async {
        let world = world().await;
        let mut owner = daniel(&world, "daniel").await;
        mailbox(&world, &mut owner, "daniel@example.org").await;
        let until = [&SAM[..], &[("until", "2026-11-30")]].concat();
        let code = code_of(&hand_out(&mut owner, "hand-out", &until, &[("category", "results")]).await);
        let mut sam = stranger(&world);
        answer(&mut sam, &code, "1991-04-14", "Cole").await;
        let confirm = new_account(&mut sam, "sam").await;
        assert_eq!(submit(&mut sam, &confirm, "/invite/confirm", &[("answer", "yes")]).await.status, 303);
        mailbox(&world, &mut sam, "sam@example.org").await;
        let told = || async {
            let count = world.app.sharing_notices.look().await.unwrap();
            let mails = world.mails().await;
            let ends =
                |to: &str| mails.iter().filter(|mail| mail.to == to && mail.subject.contains("changes soon")).count();
            (count, ends("daniel@example.org"), ends("sam@example.org"))
        };
        // 2026-09-15: the end is 77 days away. Each notice goes out once, to both.
        assert_eq!(told().await, (1, 1, 1));
        assert_eq!(told().await, (0, 1, 1));
        for (days, expected) in [(46, (0, 1, 1)), (1, (1, 2, 2)), (23, (1, 3, 3)), (3, (0, 3, 3))] {
            world.clock.advance(super::hours(24 * days));
            assert_eq!(told().await, expected, "{days} days later");
        }
        let mails = world.mails().await;
        let last = mails.iter().rfind(|mail| mail.to == "sam@example.org").unwrap();
        assert!(last.text.contains("December 1, 2026") && !last.text.contains("Daniel"), "{}", last.text);
    });
}

/// Rule: portal design 2.10: whose record it is hears that whoever they let in has died, once; the dead are not written to.
#[test]
fn who_shares_is_told_once_that_whoever_they_let_in_has_died() {
    run(async {
        let world = world().await;
        let mut owner = daniel(&world, "daniel").await;
        mailbox(&world, &mut owner, "daniel@example.org").await;
        let mut sam = world.browser("other").await;
        mailbox_of(&world, &mut sam, "sam@example.org", world::PASSWORD).await;
        let person = owner.get("/api/v1/links").await.json()["persons"][0]["person"].as_str().unwrap().parse().unwrap();
        let (acts, now, random) = (&world.app.acts, world.clock.now(), SeededRandom::new(5));
        let basis = GrantBasis::PatientConsent;
        let new = NewGrant { account: world.account("other").await, person, basis };
        practice::grant(acts, &random, now, new).await.unwrap();
        let told = || async {
            let count = world.app.sharing_notices.look().await.unwrap();
            (count, told(&world, "daniel@example.org").await, told(&world, "sam@example.org").await)
        };
        assert_eq!(told().await, (0, 0, 0));
        let from = now.plus(super::hours(24));
        let death = NewRule {
            person: world.person("other").id,
            kind: RuleKind::Deceased,
            period: Period { from, until: None },
            evidence: "Provenance/1".to_owned(),
            by: None,
        };
        practice::lay_down(acts, &random, now, death).await.unwrap();
        assert_eq!(told().await, (0, 0, 0), "it is laid down from tomorrow on");
        world.clock.advance(super::hours(24));
        assert_eq!(told().await, (1, 1, 0));
        world.clock.advance(super::hours(24));
        assert_eq!(told().await, (0, 1, 0));
    });
}

#[test]
fn a_review_that_was_missed_is_a_task_for_staff_and_told_to_both_sides_once() {
    run(async {
        let world = world().await;
        let mut owner = daniel(&world, "daniel").await;
        mailbox(&world, &mut owner, "daniel@example.org").await;
        let mut sam = world.browser("other").await;
        mailbox_of(&world, &mut sam, "sam@example.org", world::PASSWORD).await;
        let person = owner.get("/api/v1/links").await.json()["persons"][0]["person"].as_str().unwrap().parse().unwrap();
        let (acts, now, random) = (&world.app.acts, world.clock.now(), SeededRandom::new(5));
        let due = now.plus(super::hours(24 * 10)).micros();
        let mut grants = Vec::new();
        for (basis, level) in [(GrantBasis::HealthCarePowerOfAttorney, "manage"), (GrantBasis::PatientConsent, "view")]
        {
            let new = NewGrant { account: world.account("other").await, person, basis };
            let id = practice::grant(acts, &random, now, new).await.unwrap();
            let scope = serde_json::from_value(json!({"level": level, "review_by": due})).unwrap();
            practice::limit_grant(acts, &random, now, id, scope).await.unwrap();
            grants.push(id);
        }
        let told = || async {
            let count = world.app.sharing_notices.look().await.unwrap();
            (count, told(&world, "daniel@example.org").await, told(&world, "sam@example.org").await)
        };
        let tasks = |practice: &'static str| {
            let world = &world;
            async move {
                let all = organizations::all(&world.app.db).await.unwrap();
                let id = all.iter().find(|organization| organization.name.starts_with(practice)).unwrap().id;
                let open = staff_tasks::open(&world.app.db, id).await.unwrap();
                open.into_iter().filter(|task| task.kind == StaffTaskKind::ReviewOverdue).map(|task| task.object)
            }
        };
        // Before the day there are notices, and nothing for staff.
        assert_eq!(told().await, (2, 0, 0));
        world.clock.advance(super::hours(24 * 10));
        // Over: both grants do nothing, of both both sides are told, and staff have the one that is not the patient's own.
        assert_eq!(told().await, (2, 2, 2));
        assert_eq!(tasks("Riverside").await.collect::<Vec<_>>(), [format!("Grant/{}", grants[0])]);
        assert_eq!(tasks("Lakeside").await.count(), 0, "he is no patient there");
        assert_eq!(told().await, (0, 2, 2), "once");
        assert_eq!(tasks("Riverside").await.count(), 1);
        let mut registrar = at_work(&world, "registrar").await;
        let page = registrar.get("/clinic/queue").await.body;
        assert!(page.contains("was to be looked at again by now") && page.contains("Okafor"), "{page}");
    });
}
