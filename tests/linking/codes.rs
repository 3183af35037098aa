//! Activation codes, from the desk to the link.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use chartgate::accounts::{AnswerError, Answers, Typist};
use chartgate::base::random::SeededRandom;
use chartgate::base::secret::Secret;
use chartgate::identity::ActivationCode;
use chartgate::storage::staff_tasks::{self, StaffTaskKind};
use futures_util::future::join_all;

use super::*;
use crate::support::world::run;

#[test]
fn from_the_desk_to_the_record_in_few_pages_and_fields() {
    run(async {
        let world = world().await;
        let mut clerk = at_work(&world, "clerk").await;
        let slip = verify(&mut clerk, "MRN-994045", &[]).await;
        let code = code_of(&slip);
        // Neutral wording: neither the patient nor what kind of practice it is, to whoever finds the slip.
        for word in ["Daniel", "Okafor", "1991", "patient", "MRN-994045"] {
            let words = slip.body.split("<main").nth(1).unwrap();
            assert!(!words.contains(word), "{word} on the slip");
        }
        assert!(slip.body.contains("<svg") && slip.body.contains("/invite"));

        let mut browser = stranger(&world);
        let ready = answer(&mut browser, &code.to_lowercase().replace('-', " "), "4/14/1991", "OKAFOR").await;
        assert_eq!(ready.location(), "/invite/account", "{}", ready.body);
        let confirm = new_account(&mut browser, "daniel.okafor").await;
        for shown in ["D. O.", "1991", "Riverside Family Practice"] {
            assert!(confirm.body.contains(shown), "{shown} in {}", confirm.body);
        }
        for hidden in ["Daniel", "Okafor", "1991-04", "994045"] {
            assert!(!confirm.body.contains(hidden), "{hidden} before a yes");
        }
        assert!(!browser.get("/").await.body.contains("Riverside"), "nothing is linked before a yes");
        let done = submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert_eq!(done.location(), "/", "{}", done.body);
        let home = browser.get("/").await;
        assert!(home.body.contains("Riverside Family Practice"), "{}", home.body);
        // The staff see that it was used, and nothing of the account.
        let codes = clerk.get("/clinic/invitations").await;
        assert!(codes.body.contains(&format!("{}…: redeemed", &code[..4])), "{}", codes.body);
        assert!(!codes.body.contains("daniel.okafor") && !codes.body.contains(&code), "{}", codes.body);
    });
}

#[test]
fn a_second_practice_joins_the_same_record_without_a_new_account() {
    run(async {
        let world = world().await;
        let mut clerk = at_work(&world, "clerk").await;
        let first = code_of(&verify(&mut clerk, "MRN-334600", &[]).await);
        let mut other = at_work(&world, "other").await;
        let second = code_of(&verify(&mut other, "LKS-433220", &[]).await);
        let mut browser = stranger(&world);
        answer(&mut browser, &first, "1964-03-12", "Alvarez").await;
        let confirm = new_account(&mut browser, "maria").await;
        submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        // Lakeside knows her as Ruiz-Alvarez, one part of which is enough.
        let ready = answer(&mut browser, &second, "1964-03-12", "ruiz alvarez").await;
        assert_eq!(ready.location(), "/invite/confirm", "signed in: {}", ready.body);
        let confirm = browser.get("/invite/confirm").await;
        let done = submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert_eq!(done.status, 303, "{}", done.body);
        let home = browser.get("/").await.body;
        assert!(home.contains("Riverside Family Practice") && home.contains("Lakeside Cardiology"), "{home}");
        assert_eq!(home.matches("<h3>").count(), 1, "one record: {home}");
    });
}

#[test]
fn i02_every_refusal_has_the_same_bytes_until_the_answers_are_right() {
    run(async {
        let world = world().await;
        let code = own_code(&world, "MRN-994045").await;
        let unknown = {
            use chartgate::base::random::SeededRandom;
            chartgate::identity::ActivationCode::mint(&SeededRandom::new(99)).printed()
        };
        let mut shown = BTreeSet::new();
        let mut refused = async |code: &str, birth_date: &str, family: &str| {
            let mut browser = stranger(&world);
            let page = browser.get("/invite").await;
            let token = page.field("form_token").unwrap();
            let answer = answer(&mut browser, code, birth_date, family).await;
            assert_eq!(answer.status, 422, "{}", answer.body);
            // What was typed comes back, and the token is the browser's own.
            let body = answer.body.replace(code, "CODE").replace(birth_date, "DATE").replace(family, "NAME");
            shown.insert(body.replace(&token, "TOKEN"));
        };
        refused(&unknown, "1991-04-14", "Okafor").await;
        refused(&code, "1991-04-15", "Okafor").await;
        refused(&code, "1991-04-14", "Okafur").await;
        world.clock.advance(hours(31 * 24));
        refused(&code, "1991-04-13", "Okafor").await;
        assert_eq!(shown.len(), 1, "{shown:#?}");
        // With the right answers it says that it ended, and offers a new one.
        let mut browser = stranger(&world);
        let ended = answer(&mut browser, &code, "1991-04-14", "Okafor").await;
        assert_eq!(ended.status, 200);
        assert!(ended.body.contains("d***@m***.example"), "{}", ended.body);
        assert!(!ended.body.contains("daniel.okafor@mail.example"));
    });
}

#[test]
fn i01_five_wrong_answers_lock_a_code_and_staff_hear_of_it() {
    run(async {
        let world = world().await;
        let code = own_code(&world, "MRN-994045").await;
        // Mistyped codes spend nothing.
        let mut last = code.clone();
        let swapped = if last.ends_with('0') { "1" } else { "0" };
        last.replace_range(last.len() - 1.., swapped);
        for _ in 0..8 {
            let mut browser = stranger(&world);
            let slip = answer(&mut browser, &last, "1991-04-14", "Okafor").await;
            assert!(slip.body.contains("No try was used"), "{}", slip.body);
        }
        for day in 1..=5 {
            let mut browser = stranger(&world);
            let wrong = answer(&mut browser, &code, &format!("1991-04-0{day}"), "Okafor").await;
            assert_eq!(wrong.status, 422);
        }
        // Now the right answers are as wrong as the others: a locked code tells no birth date.
        let mut browser = stranger(&world);
        let locked = answer(&mut browser, &code, "1991-04-14", "Okafor").await;
        assert_eq!(locked.status, 422, "{}", locked.body);
        assert_eq!(waiting(&world).await, ["A code was tried with wrong answers until it was locked."]);
        // One browser has ten tries in an hour, whatever the codes.
        let mut browser = stranger(&world);
        let mut statuses = Vec::new();
        for seed in 0..12 {
            let random = chartgate::base::random::SeededRandom::new(1_000 + seed);
            let guess = chartgate::identity::ActivationCode::mint(&random).printed();
            statuses.push(answer(&mut browser, &guess, "1991-04-14", "Okafor").await.status);
        }
        assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 10, "{statuses:?}");
        assert_eq!(statuses[10..], [429, 429]);
    });
}

#[test]
fn i03_fifty_redemptions_of_one_code_make_one_link() {
    run(async {
        let world = world().await;
        let code = own_code(&world, "MRN-994045").await;
        // Five people have the code and stand before "Is this you?"; then everybody says yes, ten times each.
        let mut ready = Vec::new();
        for n in 0..5 {
            let mut browser = stranger(&world);
            let answered = answer(&mut browser, &code, "1991-04-14", "Okafor").await;
            assert_eq!(answered.status, 303, "{}", answered.body);
            let confirm = new_account(&mut browser, &format!("someone{n}")).await;
            let mut form = confirm.form_to("/invite/confirm");
            form.push(("answer".to_owned(), "yes".to_owned()));
            ready.push((browser, form));
        }
        let tries = (0..50).map(|n| {
            let (mut browser, form) = ready[n % 5].clone();
            tokio::spawn(async move { browser.post("/invite/confirm", &form).await.status })
        });
        let mut statuses = Vec::new();
        for one in tries.collect::<Vec<_>>() {
            statuses.push(one.await.unwrap());
        }
        assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 49, "{statuses:?}");
        let mut linked = 0;
        for (mut browser, _) in ready {
            linked += usize::from(browser.get("/").await.body.contains("Riverside Family Practice"));
        }
        assert_eq!(linked, 1);
    });
}

#[test]
fn i04_a_used_code_in_other_hands_gets_nothing_and_is_told() {
    run(async {
        let world = world().await;
        let code = own_code(&world, "MRN-994045").await;
        let mut daniel = stranger(&world);
        answer(&mut daniel, &code, "1991-04-14", "Okafor").await;
        let confirm = new_account(&mut daniel, "daniel").await;
        submit(&mut daniel, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        let before = world.mails().await.len();
        let mut thief = stranger(&world);
        let used = answer(&mut thief, &code, "1991-04-14", "Okafor").await;
        assert!(used.body.contains("This code has ended") && !used.body.contains("***"), "{}", used.body);
        assert_eq!(waiting(&world).await, ["A code that was used was tried again by somebody else."]);
        let mails = world.mails().await;
        let told = mails[before..].iter().filter(|mail| mail.to.contains("daniel.okafor@mail.example")).count();
        assert_eq!(told, 1, "{mails:?}");
        assert_eq!(thief.get("/invite/account").await.location(), "/invite", "it goes no further");
    });
}

/// The code in a mail.
fn mailed_code(mail: &crate::support::mail::Mail) -> String {
    let code = mail.text.split_whitespace().find(|word| word.len() == 14 && word.matches('-').count() == 2);
    code.unwrap_or_else(|| panic!("no code in {}", mail.text)).to_owned()
}

#[test]
fn i05_looking_at_the_link_of_a_mail_uses_nothing_up() {
    run(async {
        let world = world().await;
        let mut clerk = at_work(&world, "clerk").await;
        let sent = verify(&mut clerk, "MRN-994045", &[("channel", "email")]).await;
        assert!(sent.body.contains("d***@m***.example") && !sent.body.contains("class=\"code\""), "{}", sent.body);
        let mails = world.mails().await;
        let mail = mails.iter().find(|mail| mail.to.contains("daniel.okafor")).unwrap();
        let code = mailed_code(mail);
        let link = mail.text.split_whitespace().find(|word| word.contains("/invite")).unwrap();
        assert_eq!(link, format!("{}/invite", world.issuer), "no code in an address");
        // A scanner opens it, with the code tried on, too: neither uses it up nor fills it in.
        for path in ["/invite".to_owned(), format!("/invite?code={code}"), format!("/invite?token={code}")] {
            for _ in 0..10 {
                let page = stranger(&world).get(&path).await;
                assert_eq!(page.status, 200);
                assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
                assert!(!page.body.contains(&code), "{}", page.body);
            }
        }
        let ready = answer(&mut stranger(&world), &code, "1991-04-14", "Okafor").await;
        assert_eq!(ready.location(), "/invite/account", "{}", ready.body);
    });
}

#[test]
fn an_expired_slip_is_exchanged_at_the_contact_on_file_ten_times_in_all() {
    run(async {
        let world = world().await;
        let mut code = own_code(&world, "MRN-994045").await;
        world.clock.advance(hours(40 * 24));
        for round in 0..=10 {
            let mut browser = stranger(&world);
            let ended = answer(&mut browser, &code, "1991-04-14", "Okafor").await;
            assert!(ended.body.contains("has ended") && ended.body.contains("d***@m***.example"), "{}", ended.body);
            let sent = submit(&mut browser, &ended, "/invite/renew", &[]).await;
            if round == 10 {
                assert_eq!(sent.status, 429, "{}", sent.body);
                break;
            }
            assert_eq!(sent.status, 200, "{}", sent.body);
            // The old one is nothing any more, whatever is typed.
            let again = answer(&mut stranger(&world), &code, "1991-04-14", "Okafor").await;
            assert!(again.body.contains("This code has ended") && !again.body.contains("***"), "{}", again.body);
            code = mailed_code(world.mails().await.last().unwrap());
            if round < 9 {
                world.clock.advance(hours(25));
                continue;
            }
            // The code of a mail is as good as the slip was, for a day.
            let ready = answer(&mut stranger(&world), &code, "1991-04-14", "Okafor").await;
            assert_eq!(ready.location(), "/invite/account", "{}", ready.body);
            world.clock.advance(hours(25));
        }
    });
}

#[test]
fn after_ninety_days_an_old_slip_is_exchanged_by_staff_alone() {
    run(async {
        let world = world().await;
        let code = own_code(&world, "MRN-994045").await;
        world.clock.advance(hours(121 * 24));
        let mut browser = stranger(&world);
        let ended = answer(&mut browser, &code, "1991-04-14", "Okafor").await;
        assert!(ended.body.contains("has ended") && !ended.body.contains("***"), "{}", ended.body);
        // What was seen within a year is not asked for again: two clicks, and a new slip.
        let mut clerk = at_work(&world, "clerk").await;
        let codes = clerk.get("/clinic/invitations").await;
        let slip = submit(&mut clerk, &codes, "/clinic/invitations/reissue", &[]).await;
        let ready = answer(&mut browser, &code_of(&slip), "1991-04-14", "Okafor").await;
        assert_eq!(ready.location(), "/invite/account", "{}", ready.body);
        world.clock.advance(hours(250 * 24));
        let mut clerk = at_work(&world, "clerk").await;
        let codes = clerk.get("/clinic/invitations").await;
        let again = submit(&mut clerk, &codes, "/clinic/invitations/reissue", &[]).await;
        assert!(again.body.contains("must be seen again"), "{}", again.body);
    });
}

/// Rule: portal design 2.2. When all together try more codes than people do, staff of each practice find one task, however often
/// it goes on; after an hour and when it was closed, another one.
#[test]
fn i01_many_tries_from_many_places_are_a_task_for_staff() {
    run(async {
        let world = world().await;
        let try_codes = async |from: u32, count: u32| {
            let mut refused = 0;
            for first in (from..from + count).step_by(50) {
                let tries = (first..(from + count).min(first + 50)).map(|number| {
                    let code = ActivationCode::mint(&SeededRandom::new(u64::from(number) + 90_000));
                    let answers = Answers {
                        code: Secret::new(code.printed()),
                        birth_date: "1970-01-01".to_owned(),
                        family: "Nobody".to_owned(),
                        own_birth_date: String::new(),
                    };
                    let (browser, address) = (format!("b{number}"), IpAddr::from(Ipv4Addr::from(number << 8)));
                    let app = &world.app;
                    async move {
                        let typist = Typist { browser: &browser, address: Some(address), account: None };
                        matches!(app.redemptions.answer(answers, typist).await, Err(AnswerError::TooMany))
                    }
                });
                refused += join_all(tries).await.into_iter().filter(|refused| *refused).count();
            }
            refused
        };
        let told = async || {
            let mut found = Vec::new();
            for organization in organizations::all(&world.app.db).await.unwrap() {
                let open = staff_tasks::open(&world.app.db, organization.id).await.unwrap();
                found.push(open.iter().filter(|task| task.kind == StaffTaskKind::ManyTries).count());
            }
            found
        };
        assert_eq!(try_codes(0, 2_000).await, 0);
        assert_eq!(told().await, [0, 0]);
        assert_eq!(try_codes(2_000, 20).await, 20);
        assert_eq!(told().await, [1, 1]);
        let mut clerk = at_work(&world, "clerk").await;
        let queue = clerk.get("/clinic/queue").await;
        assert!(queue.body.contains("Far more codes are tried than usual."), "{}", queue.body);
        // An hour later it is there still, and once.
        world.clock.advance(hours(1));
        assert!(try_codes(10_000, 2_100).await > 0);
        assert_eq!(told().await, [1, 1]);
    });
}
