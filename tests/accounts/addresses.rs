//! Addresses: verified before they count, changed with a way back, one mailbox for one account.

use super::person::{self, last, minutes, prove, submit, to, verify_email};
use crate::support::world::run;

#[test]
fn an_address_counts_once_its_code_comes_back() {
    run(async {
        let world = person::world().await;
        let mut browser = world.browser("dana").await;
        world.clock.advance(minutes(5));
        let asked = browser.get("/account/contact").await;
        assert_eq!(asked.location(), "/account/prove?next=contact", "a proof is good for five minutes");
        let refused = submit(&mut browser, "/account/prove?next=contact", "/account/prove", &[("password", "x")]).await;
        assert_eq!(refused.status, 422);
        let before = browser.cookies.clone();
        assert_eq!(prove(&mut browser, "contact").await.location(), "/account/contact");
        assert_ne!(browser.cookies, before, "i14: the cookie is another one after each proof");

        for wrong in ["dana", "dana@localhost", "d\u{131}na@example.org"] {
            let answer = submit(&mut browser, "/account/contact", "/account/contact", &[("email", wrong)]).await;
            assert_eq!(answer.status, 422, "{wrong}");
            assert!(answer.body.contains("aria-describedby=\"problem\""));
        }
        submit(&mut browser, "/account/contact", "/account/contact", &[("email", "Dana@Example.org")]).await;
        assert!(browser.get("/account").await.body.contains("No address is confirmed yet"));
        let code = last(&world, "Dana@example.org").await.code();
        let wrong = if code == "000000" { "000001" } else { "000000" };
        for _ in 0..4 {
            let answer = submit(&mut browser, "/account/contact", "/account/contact/code", &[("code", wrong)]).await;
            assert_eq!(answer.status, 422);
        }
        let right = submit(&mut browser, "/account/contact", "/account/contact/code", &[("code", &code)]).await;
        assert_eq!(right.status, 303);
        assert!(browser.get("/account").await.body.contains("Dana@example.org"));

        // Five wrong ones, and the right one comes too late.
        submit(&mut browser, "/account/contact", "/account/contact", &[("email", "other@example.org")]).await;
        let code = last(&world, "other@example.org").await.code();
        let wrong = if code == "000000" { "000001" } else { "000000" };
        for typed in [wrong, wrong, wrong, wrong, wrong, &code] {
            let answer = submit(&mut browser, "/account/contact", "/account/contact/code", &[("code", typed)]).await;
            assert_eq!(answer.status, 422, "{typed}");
        }
        // A day later the code of another one is no good either.
        submit(&mut browser, "/account/contact", "/account/contact", &[("email", "third@example.org")]).await;
        let code = last(&world, "third@example.org").await.code();
        world.clock.advance(minutes(24 * 60));
        let mut browser = world.browser("dana").await;
        let late = submit(&mut browser, "/account/contact", "/account/contact/code", &[("code", &code)]).await;
        assert_eq!(late.status, 422);
    });
}

#[test]
fn i08_a_stolen_session_cannot_take_an_account_by_its_address() {
    run(async {
        let world = person::world().await;
        let mut owner = world.browser("dana").await;
        verify_email(&world, &mut owner, "dana@example.org").await;
        // A thief with the cookie, later than the last proof: no way to change it.
        let mut thief = owner.clone();
        world.clock.advance(minutes(6));
        assert_eq!(thief.get("/account/contact").await.location(), "/account/prove?next=contact");
        let form = [("form_token", "x"), ("kind", "email"), ("email", "thief@example.org")];
        let form: Vec<(String, String)> = form.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(thief.post("/account/contact", &form).await.status, 403);

        // A thief who has the password, too, changes it, and signs everybody else out by it.
        let mut thief = world.browser("dana").await;
        verify_email(&world, &mut thief, "thief@example.org").await;
        assert_eq!(owner.get("/account").await.location(), "/sign-in", "other sessions end");
        let notice = last(&world, "dana@example.org").await;
        assert_eq!(notice.subject, "Your address was changed");
        let token = notice.token("/undo-contact");

        // Mail scanners open links: that changes nothing.
        let mut mailbox = world.stranger();
        let link = format!("/undo-contact?token={token}");
        for _ in 0..3 {
            assert_eq!(mailbox.get(&link).await.status, 200);
        }
        assert!(thief.get("/account").await.body.contains("thief@example.org"));
        world.clock.advance(minutes(71 * 60));
        let undone = submit(&mut mailbox, &link, "/undo-contact", &[]).await;
        assert_eq!(undone.status, 200, "{}", undone.body);
        assert_eq!(thief.get("/account").await.location(), "/sign-in", "everybody is signed out");
        let again = submit(&mut mailbox, &link, "/undo-contact", &[]).await;
        assert_eq!(again.status, 422, "once");
        let mut owner = world.browser("dana").await;
        let page = owner.get("/account").await;
        assert!(page.body.contains("dana@example.org") && !page.body.contains("thief@example.org"), "{}", page.body);

        // After 72 hours it stays as it is.
        verify_email(&world, &mut owner, "new@example.org").await;
        let token = last(&world, "dana@example.org").await.token("/undo-contact");
        world.clock.advance(minutes(72 * 60));
        let late = submit(&mut mailbox, &format!("/undo-contact?token={token}"), "/undo-contact", &[]).await;
        assert_eq!(late.status, 422);
    });
}

#[test]
fn i23_one_mailbox_belongs_to_one_account_and_only_its_reader_is_told() {
    run(async {
        let world = person::world().await;
        let mut dana = world.browser("dana").await;
        verify_email(&world, &mut dana, "dana@example.org").await;
        let mut maria = world.browser("maria").await;
        prove(&mut maria, "contact").await;
        let fresh = submit(&mut maria, "/account/contact", "/account/contact", &[("email", "maria@example.org")]).await;
        let page_of_fresh = maria.get("/account/contact").await.body;
        for spelling in ["DANA@example.org", "dana+clinic@example.org", "dana@EXAMPLE.ORG"] {
            let answer = submit(&mut maria, "/account/contact", "/account/contact", &[("email", spelling)]).await;
            assert_eq!((answer.status, answer.body.as_str()), (fresh.status, fresh.body.as_str()), "{spelling}");
            let mail = last(&world, "dana@example.org").await;
            assert_eq!(mail.subject, "You already have an account", "{spelling}");
            assert!(!mail.text.contains("code"), "{}", mail.text);
            // The page says the same as of any other address.
            let local = spelling.split('@').next().unwrap();
            let page = maria.get("/account/contact").await.body;
            let waiting = |page: &str| page.matches("We sent a code there").count();
            assert_eq!(waiting(&page), waiting(&page_of_fresh), "{local}");
            world.clock.advance(minutes(1));
        }
        assert_eq!(to(&world.mails().await, "maria@example.org").len(), 1);
    });
}

#[test]
fn a_link_confirms_only_where_the_account_is_signed_in() {
    run(async {
        let world = person::world().await;
        let mut dana = world.browser("dana").await;
        prove(&mut dana, "contact").await;
        submit(&mut dana, "/account/contact", "/account/contact", &[("email", "dana@example.org")]).await;
        let token = last(&world, "dana@example.org").await.token("/account/contact/confirm");
        let link = format!("/account/contact/confirm?token={token}");
        assert_eq!(world.stranger().get(&link).await.location(), "/sign-in");
        let mut maria = world.browser("maria").await;
        assert_eq!(submit(&mut maria, &link, "/account/contact/confirm", &[]).await.status, 422);
        assert!(dana.get("/account").await.body.contains("No address is confirmed yet"));
        assert_eq!(submit(&mut dana, &link, "/account/contact/confirm", &[]).await.status, 303);
        assert!(dana.get("/account").await.body.contains("dana@example.org"));
        assert_eq!(submit(&mut dana, &link, "/account/contact/confirm", &[]).await.status, 422, "once");
    });
}

#[test]
fn notices_are_in_the_language_that_was_chosen() {
    run(async {
        let world = person::world().await;
        let mut dana = world.browser("dana").await;
        prove(&mut dana, "contact").await;
        let page = dana.get("/account/contact").await;
        let mut form = page.forms("/account/language").remove(0);
        form.push(("language".to_owned(), "es".to_owned()));
        assert_eq!(dana.post("/account/language", &form).await.status, 303);
        let mail = verify_email(&world, &mut dana, "dana@example.org").await;
        assert_eq!(mail.subject, "Confirme su dirección");
    });
}
