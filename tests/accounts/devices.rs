//! Where somebody is signed in, another password, and the end of an account.

use chartgate::identity::GrantBasis;

use super::person::{self, PASSWORD, last, minutes, prove, submit, verify_email};
use crate::support::world::run;

#[test]
fn sessions_are_listed_and_ended() {
    run(async {
        let world = person::world().await;
        let mut here = world.browser("dana").await;
        let mut there = world.browser("dana").await;
        let mut maria = world.browser("maria").await;
        let page = here.get("/account/sessions").await;
        assert_eq!(page.body.matches("<li>").count(), 2, "{}", page.body);
        assert_eq!(page.body.matches("(this one)").count(), 1);
        let of_there = page.forms("/account/sessions").remove(0);
        // Somebody else's session is not hers to end.
        let own = maria.get("/account/sessions").await;
        assert_eq!(own.body.matches("<li>").count(), 1);
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
