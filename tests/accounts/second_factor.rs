//! The second step of a sign-in: not skipped, not replayed, not guessed.

use std::collections::BTreeSet;

use super::authenticator::{items, set_up};
use super::person::{self, PASSWORD, minutes, prove, submit};
use crate::support::http::Client;
use crate::support::world::{World, run};

async fn first_step(world: &World) -> Client {
    let mut browser = world.stranger();
    let typed = [("username", "dana"), ("password", PASSWORD)];
    let answer = submit(&mut browser, "/sign-in", "/sign-in", &typed).await;
    assert_eq!((answer.status, answer.location()), (303, "/sign-in/second-factor"));
    browser
}

async fn second_step(browser: &mut Client, code: &str) -> u16 {
    submit(browser, "/sign-in/second-factor", "/sign-in/second-factor", &[("code", code)]).await.status
}

#[test]
fn i13_the_second_step_cannot_be_skipped_replayed_or_guessed() {
    run(async {
        let world = person::world().await;
        let mut here = world.browser("dana").await;
        let (app, codes) = set_up(&world, &mut here).await;
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), 10);
        assert!(codes.iter().all(|code| code.replace('-', "").len() == 16), "80 bits each: {codes:?}");

        // Skipped: the cookie of the first step opens nothing.
        let mut browser = first_step(&world).await;
        for path in ["/", "/account", "/account/password", "/account/second-factor", "/apps", "/launch"] {
            assert_eq!(browser.get(path).await.location(), "/sign-in", "{path}");
        }
        assert_eq!(browser.get("/api/v1/apps").await.status, 401);

        // The password of a step is used once: the one that set the authenticator up as well.
        assert_eq!(second_step(&mut browser, &app.shows(&world)).await, 422, "used at the set-up");
        world.clock.advance(minutes(1));
        let shown = app.shows(&world);
        let mut other = first_step(&world).await;
        let before = browser.cookies["chartgate-session"].clone();
        assert_eq!(second_step(&mut browser, &shown).await, 303);
        assert_ne!(browser.cookies["chartgate-session"], before, "i14: another cookie");
        assert_eq!(browser.get("/account").await.status, 200);
        assert_eq!(second_step(&mut other, &shown).await, 422, "a step is used once");

        // A saved code: once, in whatever spelling, and another one takes its place.
        let code = codes[3].replace('-', " ").to_uppercase();
        let page = submit(&mut other, "/sign-in/second-factor", "/sign-in/second-factor", &[("code", &code)]).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let [new] = items(&page.body).try_into().unwrap();
        assert_eq!(other.get("/account").await.status, 200);
        world.clock.advance(minutes(10));
        let mut third = first_step(&world).await;
        assert_eq!(second_step(&mut third, &codes[3]).await, 422, "used");
        assert_eq!(second_step(&mut third, &new).await, 200);

        // Guessed: five tries, then waiting, whatever the cookie.
        let mut guesser = first_step(&world).await;
        let mut answers = Vec::new();
        for n in 0..8 {
            answers.push(second_step(&mut guesser, &format!("{n}00000")).await);
        }
        assert_eq!(answers.iter().filter(|status| **status == 429).count(), 3, "{answers:?}");
        let mut fresh = first_step(&world).await;
        assert_eq!(second_step(&mut fresh, &app.shows(&world)).await, 429, "the account waits, not the browser");
        world.clock.advance(minutes(1));
        assert_eq!(second_step(&mut fresh, &app.shows(&world)).await, 303);

        // Ten minutes for the second step.
        world.clock.advance(minutes(10));
        let mut slow = first_step(&world).await;
        world.clock.advance(minutes(10));
        assert_eq!(second_step(&mut slow, &app.shows(&world)).await, 303);
        assert_eq!(slow.get("/account").await.location(), "/sign-in", "too late");
    });
}

#[test]
fn i13_parallel_uses_of_one_password_or_code_sign_in_once() {
    run(async {
        let world = person::world().await;
        let mut here = world.browser("dana").await;
        let (app, codes) = set_up(&world, &mut here).await;
        world.clock.advance(minutes(1));
        for code in [app.shows(&world), codes[0].clone()] {
            let mut browsers = Vec::new();
            for _ in 0..4 {
                browsers.push(first_step(&world).await);
            }
            let steps = browsers.iter_mut().map(|browser| second_step(browser, &code));
            let answers = futures_util::future::join_all(steps).await;
            assert_eq!(answers.iter().filter(|status| matches!(**status, 200 | 303)).count(), 1, "{answers:?}");
            world.clock.advance(minutes(70));
        }
    });
}

#[test]
fn an_authenticator_ends_with_the_password_and_a_proof() {
    run(async {
        let world = person::world().await;
        let mut here = world.browser("dana").await;
        let (_, codes) = set_up(&world, &mut here).await;
        world.clock.advance(minutes(5));
        let path = "/account/second-factor";
        assert_eq!(here.get(path).await.location(), "/account/prove?next=second-factor");
        prove(&mut here, "second-factor").await;
        let off = "/account/second-factor/off";
        assert_eq!(submit(&mut here, path, off, &[("password", "another one")]).await.status, 422);
        let done = submit(&mut here, path, off, &[("password", PASSWORD)]).await;
        assert_eq!(done.status, 200, "{}", done.body);
        world.browser("dana").await.get("/account").await;
        // Saved codes stay, and are renewed as a whole.
        prove(&mut here, "saved-codes").await;
        let renewed = submit(&mut here, "/account/saved-codes", "/account/saved-codes", &[]).await;
        let new = items(&renewed.body);
        assert_eq!(new.len(), 10);
        assert!(new.iter().all(|code| !codes.contains(code)));
    });
}
