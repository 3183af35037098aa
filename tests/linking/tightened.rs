//! What an account may not do so soon, with so little, or so often.

use serde_json::json;

use super::*;
use crate::support::world::run;

/// What an authenticator shows for a secret as the page spells it.
fn shown(world: &World, secret: &str) -> String {
    let plain: String = secret.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    let key = data_encoding::BASE32_NOPAD.decode(plain.to_uppercase().as_bytes()).unwrap();
    let step = u64::try_from(chartgate::base::clock::Clock::now(&*world.clock).seconds()).unwrap() / 30;
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = aws_lc_rs::hmac::sign(&key, &step.to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 15);
    let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

#[test]
fn i13_work_begins_with_two_factors_where_it_is_asked_for() {
    run(async {
        let (practices, _) = fixtures();
        let persons = vec![PersonSpec { key: "clerk".to_owned(), links: Vec::new() }];
        let world = World::configured(practices, persons, |config| config.oauth.staff_second_factor = Some(true)).await;
        appoint(&world, "clerk", "riverside", StaffRole::FrontDesk).await;
        let mut browser = world.browser("clerk").await;
        let page = browser.get("/clinic/work").await;
        let refused = submit(&mut browser, &page, "/clinic/work", &[]).await;
        assert_eq!(refused.status, 403, "{}", refused.body);
        assert!(refused.body.contains("A second factor is needed"), "{}", refused.body);
        assert_eq!(browser.get("/clinic").await.location(), "/clinic/work");

        let own = [("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
        let begun = browser.send("POST", "/api/v1/account/second-factor", &own, "").await;
        let secret = begun.json()["secret"].as_str().unwrap().to_owned();
        let code = json!({"code": shown(&world, &secret)}).to_string();
        let path = "/api/v1/account/second-factor/confirmation";
        assert_eq!(browser.send("POST", path, &own, &code).await.status, 200);
        // The old session showed a password alone: it is still not enough.
        let page = browser.get("/clinic/work").await;
        assert_eq!(submit(&mut browser, &page, "/clinic/work", &[]).await.status, 403);

        world.clock.advance(std::time::Duration::from_secs(31));
        let mut browser = stranger(&world);
        let sign_in = json!({"username": "clerk", "password": "correct horse battery"}).to_string();
        let half = browser.send("POST", "/api/v1/sessions", &own, &sign_in).await;
        assert_eq!(half.json()["state"], "second-factor");
        assert_eq!(browser.get("/clinic/work").await.location(), "/sign-in?next=/clinic", "half is nothing");
        let code = json!({"code": shown(&world, &secret)}).to_string();
        let whole = browser.send("POST", "/api/v1/sessions/second-factor", &own, &code).await;
        assert_eq!(whole.status, 200, "{}", whole.body);
        let page = browser.get("/clinic/work").await;
        let begun = submit(&mut browser, &page, "/clinic/work", &[]).await;
        assert_eq!((begun.status, begun.location()), (303, "/clinic"), "{}", begun.body);
    });
}

#[test]
fn i06_guesses_about_one_human_are_counted_however_they_are_spelled() {
    run(async {
        let world = world().await;
        let organization = organization(&world, "riverside").await;
        let claim = |family: &str, given: &str, number: &str| chartgate::accounts::NewClaim {
            organization,
            given: given.to_owned(),
            family: family.to_owned(),
            birth_date: "1991-04-14".to_owned(),
            number: number.to_owned(),
        };
        let mut made = 0;
        // Six accounts, six networks, one human.
        let guesses = [
            ("boss", "Okafor", "Daniel", "1"),
            ("clerk", "OKAFOR", "daniel", "2"),
            ("support", "O'kafor", "Daniel J.", "3"),
            ("officer", "Okafor Jr.", "Daníel", "4"),
            ("registrar", "okafor", "DANIEL", "5"),
            ("other", "Okafor", "Daniel", "994045"),
        ];
        for (at, (who, family, given, number)) in guesses.into_iter().enumerate() {
            let account = world.account(who).await;
            let address = format!("10.0.{at}.1").parse().ok();
            world.app.claims.make(account, address, claim(family, given, number)).await.unwrap();
            made += world.app.claims.look().await.unwrap();
        }
        assert_eq!(made, 5, "the sixth about this human is dropped, though nobody said it before");
        // By the number alone as well: other names, one number in other spellings.
        world.clock.advance(hours(25));
        let mut made = 0;
        for (at, number) in ["MRN-7001", "7001", "mrn 7001", "0007001", "MRN7001", "70-01"].into_iter().enumerate() {
            let account = world.account(guesses[at].0).await;
            let address = format!("10.0.{at}.1").parse().ok();
            let new = claim(&format!("Family{}", "abcdef".chars().nth(at).unwrap()), "Someone", number);
            world.app.claims.make(account, address, new).await.unwrap();
            made += world.app.claims.look().await.unwrap();
        }
        assert_eq!(made, 5);
    });
}

/// Somebody with a verified address asks for the way back and opens the link.
pub(super) async fn returning(world: &World, name: &str) -> Browser {
    let mut browser = stranger(world);
    let page = browser.get("/recover").await;
    submit(&mut browser, &page, "/recover", &[("name", name)]).await;
    let mail = world.mails().await.into_iter().rfind(|mail| mail.text.contains("/recover/link?token=")).unwrap();
    let path = format!("/recover/link?token={}", mail.token("/recover/link"));
    let page = browser.get(&path).await;
    let done = submit(&mut browser, &page, "/recover/link", &[]).await;
    assert_eq!((done.status, done.location()), (303, "/recover/finish"), "{}", done.body);
    browser
}

/// Daniel's account, with the address that its name is, confirmed.
pub(super) async fn daniel_with_mail(world: &World) -> Browser {
    let mut browser = daniel(world, "daniel@example.org").await;
    let page = browser.get("/account/contact").await;
    let mail = world.mails().await.into_iter().rfind(|mail| mail.to == "daniel@example.org").unwrap();
    let path = format!("/account/contact/confirm?token={}", mail.token("/account/contact/confirm"));
    let _ = page;
    let page = browser.get(&path).await;
    assert_eq!(submit(&mut browser, &page, "/account/contact/confirm", &[]).await.status, 303);
    browser
}

#[test]
fn a_slip_counts_for_two_days_after_a_proofing_of_its_own_by_others() {
    run(async {
        let world = world().await;
        daniel_with_mail(&world).await;
        let tried = async |code: &str| {
            // A wait that the tries before it made is over.
            world.clock.advance(std::time::Duration::from_secs(1_200));
            let mut browser = returning(&world, "daniel@example.org").await;
            let page = browser.get("/recover/finish").await;
            let fields = [("code", code), ("new_password", "a quiet lake in spring rain")];
            submit(&mut browser, &page, "/recover/finish", &fields).await.status
        };
        let seen = async |fields: &[(&str, &str)]| {
            let mut clerk = at_work(&world, "clerk").await;
            code_of(&verify(&mut clerk, "MRN-994045", fields).await)
        };
        let old = seen(&[]).await;
        world.clock.advance(hours(48));
        assert_eq!(tried(&old).await, 422, "two days ago");
        let known = [("document", "known"), ("attested_by", "support")];
        assert_eq!(tried(&seen(&known).await).await, 422, "no paper");
        assert_eq!(tried(&seen(&[("photo_compared", "")]).await).await, 422, "no look at the picture");
        assert_eq!(tried(&seen(&[("document", "BCT")]).await).await, 422, "no picture");

        // Handed out again, a minute later, to whoever stands there then.
        let first = seen(&[]).await;
        let mut clerk = at_work(&world, "clerk").await;
        let codes = clerk.get("/clinic/invitations").await;
        let second = code_of(&submit(&mut clerk, &codes, "/clinic/invitations/reissue", &[]).await);
        assert_eq!(tried(&second).await, 422, "handed out again");
        assert_eq!(tried(&first).await, 422, "and the first one has ended");

        // Of one's own making, at work.
        let random = chartgate::base::random::SeededRandom::new(6);
        let now = || chartgate::base::clock::Clock::now(&*world.clock);
        let username = Username::new("daniel@example.org").unwrap();
        let daniel = accounts::by_username(&world.app.db, &username).await.unwrap().unwrap().id;
        let riverside = organization(&world, "riverside").await;
        let role = (daniel, riverside, StaffRole::FrontDesk);
        practice::appoint(&world.app.acts, &random, now(), role).await.unwrap();
        let mut browser = stranger(&world);
        let page = browser.get("/sign-in").await;
        submit(&mut browser, &page, "/sign-in", &[("username", "daniel@example.org"), ("password", PASSWORD)]).await;
        let page = browser.get("/clinic/work").await;
        assert_eq!(submit(&mut browser, &page, "/clinic/work", &[]).await.location(), "/clinic");
        let own = code_of(&verify(&mut browser, "MRN-994045", &[]).await);
        assert_eq!(tried(&own).await, 422, "by themselves");
        // Attested by themselves is no better, whatever the paper.
        let attested = seen(&[("attested_by", "daniel@example.org")]).await;
        assert_eq!(tried(&attested).await, 422, "attested by themselves");

        let fresh = seen(&[]).await;
        world.clock.advance(hours(47));
        assert_eq!(tried(&fresh).await, 303, "within two days");
    });
}

#[test]
fn a_slip_from_the_desk_leads_back_in_and_a_sent_or_foreign_one_does_not() {
    run(async {
        const NEW: &str = "a quiet lake in spring rain";
        let world = world().await;
        daniel_with_mail(&world).await;
        let foreign = own_code(&world, "MRN-334600").await;
        let slip = own_code(&world, "MRN-994045").await;
        let mut browser = returning(&world, "daniel@example.org").await;
        let finish = async |browser: &mut Browser, code: &str| {
            let page = browser.get("/recover/finish").await;
            assert!(page.body.contains("Ask at the desk of your practice for a slip"), "{}", page.body);
            submit(browser, &page, "/recover/finish", &[("code", code), ("new_password", NEW)]).await
        };
        assert_eq!(finish(&mut browser, &foreign).await.status, 422, "another patient's");
        let done = finish(&mut browser, &slip).await;
        assert_eq!((done.status, done.location()), (303, "/account/sessions"), "{}", done.body);
        assert!(browser.get("/").await.body.contains("Riverside Family Practice"), "nothing was lost");
        let mut again = stranger(&world);
        let used = answer(&mut again, &slip, "1991-04-14", "Okafor").await;
        assert!(used.body.contains("This code has ended") || used.status != 303, "spent: {}", used.body);

        // Nobody else's record comes to it so soon.
        let mut registrar = at_work(&world, "registrar").await;
        let proxy = [
            ("proxy_family", "Okafor"),
            ("proxy_given", "Daniel"),
            ("proxy_birth_date", "1991-04-14"),
            ("basis", "parent"),
        ];
        let issued = verify(&mut registrar, "MRN-263881", &proxy).await;
        let code = code_of(&issued);
        let born = world.practice("riverside").resources.iter().find(|resource| {
            resource["resourceType"] == "Patient" && resource["identifier"].to_string().contains("MRN-263881")
        });
        let born = born.unwrap()["birthDate"].as_str().unwrap().to_owned();
        let page = browser.get("/invite").await;
        let fields =
            [("code", code.as_str()), ("birth_date", &born), ("family", "Okafor"), ("own_birth_date", "1991-04-14")];
        let ready = submit(&mut browser, &page, "/invite", &fields).await;
        assert_eq!(ready.location(), "/invite/confirm", "{}", ready.body);
        let confirm = browser.get("/invite/confirm").await;
        let held = submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert!(held.status == 403 && held.body.contains("24 hours"), "{} {}", held.status, held.body);
        world.clock.advance(hours(25));
        let mut browser = stranger(&world);
        let page = browser.get("/sign-in").await;
        submit(&mut browser, &page, "/sign-in", &[("username", "daniel@example.org"), ("password", NEW)]).await;
        let page = browser.get("/invite").await;
        submit(&mut browser, &page, "/invite", &fields).await;
        let confirm = browser.get("/invite/confirm").await;
        let done = submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert_eq!((done.status, done.location()), (303, "/"), "{}", done.body);
    });
}
