//! Where somebody is signed in, another password, and the end of an account.

use chartgate::identity::GrantBasis;

use super::person::{self, PASSWORD, last, minutes, prove, send, submit, verify_email};
use crate::support::http::Client;
use crate::support::world::run;

#[test]
fn sessions_are_listed_and_ended() {
    run(async {
        let world = person::world().await;
        let mut here = world.browser("dana").await;
        let mut there = world.browser("dana").await;
        let mut maria = world.browser("maria").await;
        let page = here.get("/account/sessions").await;
        assert_eq!(page.body.matches("<li>\n<h2>").count(), 2, "{}", page.body);
        assert_eq!(page.body.matches("(this one)").count(), 1);
        let of_there = page.forms("/account/sessions").remove(0);
        // Somebody else's session is not hers to end.
        let own = maria.get("/account/sessions").await;
        assert_eq!(own.body.matches("<li>\n<h2>").count(), 1);
        assert_eq!(maria.post("/account/sessions", &of_there).await.status, 403);
        assert_eq!(there.get("/account").await.status, 200);
        assert_eq!(here.post("/account/sessions", &of_there).await.status, 303);
        assert_eq!(there.get("/account").await.location(), "/sign-in");

        let mut third = world.browser("dana").await;
        let mut fourth = world.browser("dana").await;
        submit(&mut here, "/account/sessions", "/account/sessions", &[("session", "others")]).await;
        assert_eq!(third.get("/account").await.location(), "/sign-in");
        assert_eq!(fourth.get("/account").await.location(), "/sign-in");
        assert_eq!(here.get("/account").await.status, 200);
        assert_eq!(maria.get("/account").await.status, 200);
    });
}

#[test]
fn another_password_needs_a_proof_and_signs_everybody_else_out() {
    run(async {
        let world = person::world().await;
        let mut here = world.browser("dana").await;
        verify_email(&world, &mut here, "dana@example.org").await;
        let mut there = world.browser("dana").await;
        world.clock.advance(minutes(5));
        assert_eq!(here.get("/account/password").await.location(), "/account/prove?next=password");
        prove(&mut here, "password").await;
        let path = "/account/password";
        for (wrong, reason) in [("too short", "at least 15"), ("password-password-1", "tried first")] {
            let answer = submit(&mut here, path, path, &[("new_password", wrong)]).await;
            assert!(answer.status == 422 && answer.body.contains(reason), "{wrong}: {}", answer.body);
        }
        let changed = submit(&mut here, path, path, &[("new_password", "a quiet lake in spring rain")]).await;
        assert_eq!(changed.status, 200, "{}", changed.body);
        assert_eq!(here.get("/account").await.status, 200);
        assert_eq!(there.get("/account").await.location(), "/sign-in");
        assert_eq!(last(&world, "dana@example.org").await.subject, "How you sign in was changed");
        let mut stranger = world.stranger();
        let old = [("username", "dana"), ("password", PASSWORD)];
        assert_eq!(submit(&mut stranger, "/sign-in", "/sign-in", &old).await.status, 422);
        let new = [("username", "dana"), ("password", "a quiet lake in spring rain")];
        assert_eq!(submit(&mut stranger, "/sign-in", "/sign-in", &new).await.status, 303);
    });
}

#[test]
fn an_account_that_is_closed_lets_nobody_in() {
    run(async {
        let world = person::world().await;
        world.grant("dana", "maria", GrantBasis::PatientConsent).await;
        let mut here = world.browser("dana").await;
        verify_email(&world, &mut here, "dana@example.org").await;
        let mut there = world.browser("dana").await;
        let token = world.token("dana").await;
        assert_eq!(world.get("/fhir/Patient", &token).await.status, 200);
        world.clock.advance(minutes(5));
        assert_eq!(here.get("/account/close").await.location(), "/account/prove?next=close");
        prove(&mut here, "close").await;
        let page = here.get("/account/close").await;
        assert!(page.body.contains("Connected apps are let in no more: 1."), "{}", page.body);
        assert!(page.body.contains("You cannot act for other people any more: 1."), "{}", page.body);
        let closed = submit(&mut here, "/account/close", "/account/close", &[]).await;
        assert!(closed.body.contains("Your account is closed"), "{}", closed.body);
        assert!(!here.cookies.contains_key("chartgate-session"));
        assert_eq!(there.get("/account").await.location(), "/sign-in");
        assert_eq!(world.get("/fhir/Patient", &token).await.status, 401, "apps are let in no more");
        assert_eq!(last(&world, "dana@example.org").await.subject, "Your account is closed");
        let again = [("username", "dana"), ("password", PASSWORD)];
        assert_eq!(submit(&mut world.stranger(), "/sign-in", "/sign-in", &again).await.status, 422);
        // The mailbox is free for another account.
        let mut maria = world.browser("maria").await;
        verify_email(&world, &mut maria, "dana@example.org").await;
    });
}

/// The cookie of before is good for nothing after each step that gives it more weight, and after each one that ends it.
#[test]
fn i14_w06_a_cookie_is_another_one_after_every_step_and_the_old_one_is_dead() {
    run(async {
        let world = person::world().await;
        let cookie = |browser: &Client| browser.cookies["chartgate-session"].clone();
        let opens = async |value: &str| {
            let mut copy = world.stranger();
            copy.cookies.insert("chartgate-session".to_owned(), value.to_owned());
            (copy.get("/account").await.status, copy.get("/api/v1/apps").await.status)
        };
        let mut here = world.browser("dana").await;
        let mut dead = vec![cookie(&here)];

        // Signing in again, with the cookie that somebody may have put there.
        let planted = cookie(&here);
        let mut page = here.clone();
        page.cookies.remove("chartgate-session");
        let form = page.get("/sign-in").await;
        here.cookies.extend(page.cookies);
        let again = send(&mut here, &form, "/sign-in", &[("username", "dana"), ("password", PASSWORD)]).await;
        assert_eq!(again.status, 303, "{}", again.body);
        assert_ne!(cookie(&here), planted);
        dead.push(cookie(&here));

        // Showing who it is once more.
        world.clock.advance(minutes(6));
        prove(&mut here, "password").await;
        assert_ne!(cookie(&here), dead[1]);

        // Another password: asked for with that proof, so this browser goes on as it is.
        let path = "/account/password";
        let changed = submit(&mut here, path, path, &[("new_password", "a quiet lake in spring rain")]).await;
        assert_eq!(changed.status, 200, "{}", changed.body);

        for (number, value) in dead.iter().enumerate() {
            assert_eq!(opens(value).await, (303, 401), "cookie {number}");
        }
        let last = cookie(&here);
        assert_eq!(opens(&last).await, (200, 200));
        let home = here.get("/").await;
        here.post("/sign-out", &home.form()).await;
        assert_eq!(opens(&last).await, (303, 401), "after the end of it");
    });
}
