//! The way back in: the same answer for everybody, nothing from a link alone, and the rightful holder is told.

use super::authenticator::{items, set_up};
use super::person::{self, PASSWORD, last, minutes, send, submit, to, verify_email};
use crate::support::http::{Answer, Client};
use crate::support::world::{World, run};

const NEW: &str = "a quiet lake in spring rain";

async fn ask(world: &World, name: &str) -> Answer {
    // What was written before sorts before what comes now.
    world.clock.advance(std::time::Duration::from_millis(1));
    let mut browser = world.stranger();
    browser.cookies.insert("chartgate-browser".to_owned(), "x".repeat(43));
    submit(&mut browser, "/recover", "/recover", &[("name", name)]).await
}

async fn open(world: &World, token: &str) -> (Client, Answer) {
    let mut browser = world.stranger();
    let answer = submit(&mut browser, &format!("/recover/link?token={token}"), "/recover/link", &[]).await;
    (browser, answer)
}

/// Dana with a verified address and saved codes.
async fn dana(world: &World) -> Vec<String> {
    let mut browser = world.browser("dana").await;
    verify_email(world, &mut browser, "dana@example.org").await;
    let codes = submit(&mut browser, "/account/saved-codes", "/account/saved-codes", &[]).await;
    items(&codes.body)
}

#[test]
fn i11_the_answer_tells_nobody_who_is_known_here() {
    run(async {
        let world = person::world().await;
        dana(&world).await;
        let mut answers = Vec::new();
        let long = "x".repeat(5_000);
        for name in ["dana", "DANA@example.org", "maria", "nobody", "nobody@example.org", "", "\u{0}", &long] {
            let answer = ask(&world, name).await;
            assert_eq!(answer.status, 200, "{name}");
            answers.push((answer.headers("set-cookie").len(), answer.body));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        let mails = world.mails().await;
        let sent = mails.iter().filter(|mail| mail.subject == "The way back to your account").count();
        assert!((1..=2).contains(&sent), "to dana alone: {mails:?}");
        assert!(mails.iter().all(|mail| mail.to.ends_with("dana@example.org")));
    });
}

#[test]
fn i09_a_link_works_once_in_time_and_opens_nothing_alone() {
    run(async {
        let world = person::world().await;
        let codes = dana(&world).await;
        ask(&world, "dana@example.org").await;
        let mail = last(&world, "dana@example.org").await;
        assert!(mail.text.contains(&format!("{}/recover/link?token=", world.issuer)), "our own address: {}", mail.text);
        let token = mail.token("/recover/link");
        assert_eq!(token.len(), 43, "256 bits");
        let mut scanner = world.stranger();
        for _ in 0..3 {
            assert_eq!(scanner.get(&format!("/recover/link?token={token}")).await.status, 200);
        }
        let (mut browser, answer) = open(&world, &token).await;
        assert_eq!((answer.status, answer.location()), (303, "/recover/finish"));
        for path in ["/", "/account", "/account/contact", "/apps"] {
            assert_eq!(browser.get(path).await.location(), "/sign-in", "{path}: the link alone opens nothing");
        }
        assert_eq!(open(&world, &token).await.1.status, 422, "once");
        let page = browser.get("/recover/finish").await;
        assert!(page.body.contains("Your username is dana."), "for who forgot it: {}", page.body);
        let fields = |code, password| [("code", code), ("new_password", password)];
        for (code, password) in [("aaaa-bbbb-cccc-dddd", NEW), ("000000", NEW), (codes[0].as_str(), "short")] {
            let answer = send(&mut browser, &page, "/recover/finish", &fields(code, password)).await;
            assert_eq!(answer.status, 422, "{code} {password}");
        }
        let mut thief = world.browser("dana").await;
        let done = send(&mut browser, &page, "/recover/finish", &fields(&codes[0], NEW)).await;
        assert_eq!((done.status, done.location()), (303, "/account/sessions"), "{}", done.body);
        assert_eq!(thief.get("/account").await.location(), "/sign-in", "everybody else is signed out");
        assert_eq!(last(&world, "dana@example.org").await.subject, "Your account was recovered");
        let old = [("username", "dana"), ("password", PASSWORD)];
        assert_eq!(submit(&mut world.stranger(), "/sign-in", "/sign-in", &old).await.status, 422);

        // For 24 hours addresses stay as they are.
        let change = [("email", "thief@example.org")];
        let held = submit(&mut browser, "/account/contact", "/account/contact", &change).await;
        assert!(held.status == 422 && held.body.contains("24 hours"), "{}", held.body);
        assert!(to(&world.mails().await, "thief@example.org").is_empty());

        // Too late, and withdrawn by a newer one or another password.
        world.clock.advance(minutes(61));
        ask(&world, "dana").await;
        let first = last(&world, "dana@example.org").await.token("/recover/link");
        ask(&world, "dana").await;
        let second = last(&world, "dana@example.org").await.token("/recover/link");
        assert_eq!(open(&world, &first).await.1.status, 422, "a newer one was sent");
        world.clock.advance(minutes(30));
        assert_eq!(open(&world, &second).await.1.status, 422, "too late");
        ask(&world, "dana").await;
        let third = last(&world, "dana@example.org").await.token("/recover/link");
        let mut signed_in = world.stranger();
        submit(&mut signed_in, "/sign-in", "/sign-in", &[("username", "dana"), ("password", NEW)]).await;
        let change = [("new_password", "the old mill by the river bend")];
        submit(&mut signed_in, "/account/password", "/account/password", &change).await;
        assert_eq!(open(&world, &third).await.1.status, 422, "the password was changed");
    });
}

#[test]
fn without_a_second_factor_the_way_leads_to_a_desk() {
    run(async {
        let world = person::world().await;
        let mut browser = world.browser("maria").await;
        verify_email(&world, &mut browser, "maria@example.org").await;
        ask(&world, "maria").await;
        let (mut back, _) = open(&world, &last(&world, "maria@example.org").await.token("/recover/link")).await;
        let page = back.get("/recover/finish").await;
        assert!(page.body.contains("desk of your practice for a slip"), "{}", page.body);
        // Forged by hand: still nothing.
        let form_page = back.get("/recover").await;
        let mut form = form_page.forms("/recover").remove(0);
        form.push(("code".to_owned(), "000000".to_owned()));
        form.push(("new_password".to_owned(), NEW.to_owned()));
        assert_eq!(back.post("/recover/finish", &form).await.status, 422);
        let old = [("username", "maria"), ("password", PASSWORD)];
        assert_eq!(submit(&mut world.stranger(), "/sign-in", "/sign-in", &old).await.status, 303, "nothing changed");
    });
}

#[test]
fn an_authenticator_does_as_well_as_a_saved_code() {
    run(async {
        let world = person::world().await;
        let mut browser = world.browser("dana").await;
        verify_email(&world, &mut browser, "dana@example.org").await;
        let (app, _) = set_up(&world, &mut browser).await;
        world.clock.advance(minutes(1));
        ask(&world, "dana").await;
        let (mut back, _) = open(&world, &last(&world, "dana@example.org").await.token("/recover/link")).await;
        let fields = [("code", app.shows(&world)), ("new_password", NEW.to_owned())];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let done = submit(&mut back, "/recover/finish", "/recover/finish", &fields).await;
        assert_eq!(done.status, 303, "{}", done.body);
        assert_eq!(prove_with(&mut back, NEW).await, 303);
    });
}

async fn prove_with(browser: &mut Client, password: &str) -> u16 {
    submit(browser, "/account/prove", "/account/prove", &[("password", password)]).await.status
}

#[test]
fn i12_fifty_wrong_passwords_disable_it_and_the_way_back_enables_it() {
    run(async {
        let world = person::world().await;
        let codes = dana(&world).await;
        let mut browser = world.stranger();
        let mut refused = 0;
        for _ in 0..50 {
            world.clock.advance(minutes(61));
            let typed = [("username", "dana"), ("password", "wrong")];
            refused += usize::from(submit(&mut browser, "/sign-in", "/sign-in", &typed).await.status == 422);
        }
        assert_eq!(refused, 50);
        world.clock.advance(minutes(61));
        let right = [("username", "dana"), ("password", PASSWORD)];
        assert_eq!(submit(&mut browser, "/sign-in", "/sign-in", &right).await.status, 422, "even the right one");
        world.clock.advance(minutes(61));
        ask(&world, "dana").await;
        let (mut back, _) = open(&world, &last(&world, "dana@example.org").await.token("/recover/link")).await;
        let fields = [("code", codes[0].as_str()), ("new_password", NEW)];
        assert_eq!(submit(&mut back, "/recover/finish", "/recover/finish", &fields).await.status, 303);
        world.clock.advance(minutes(61));
        let new = [("username", "dana"), ("password", NEW)];
        assert_eq!(submit(&mut browser, "/sign-in", "/sign-in", &new).await.status, 303);
    });
}
