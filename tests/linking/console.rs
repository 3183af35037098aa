//! What staff may do and see, and where it ends.

use chartgate::base::clock::Clock as _;
use chartgate::oauth::client::ClientId;
use chartgate::storage::clients;
use serde_json::json;

use super::*;
use crate::support::keys::{Key, key_set};
use crate::support::world::{pairs, run};

#[test]
fn i21_staff_see_their_own_organization_only() {
    run(async {
        let world = world().await;
        let mut clerk = at_work(&world, "clerk").await;
        verify(&mut clerk, "MRN-994045", &[]).await;
        let mut other = at_work(&world, "other").await;
        let desk = other.get("/clinic").await;
        let found = submit(&mut other, &desk, "/clinic/find", &[("number", "MRN-994045")]).await;
        assert!(found.body.contains("Nobody was found") && !found.body.contains("Okafor"), "{}", found.body);
        let codes = other.get("/clinic/invitations").await;
        assert!(codes.body.contains("No code was handed out yet"), "{}", codes.body);
        // Ids of the other organization's codes and patients are not there.
        let id = clerk.get("/clinic/invitations").await.field("id").unwrap();
        let token = codes.form_to("/clinic/work/end");
        for path in ["/clinic/invitations/revoke", "/clinic/invitations/reissue"] {
            let mut form = token.clone();
            form.push(("id".to_owned(), id.clone()));
            assert_eq!(other.post(path, &form).await.status, 404, "{path}");
        }
        let mut form = token;
        let riverside = world.practice("riverside").source.clone();
        for (name, value) in [
            ("source", riverside.as_str()),
            ("patient", DANIEL),
            ("document", "DL"),
            ("photo_compared", "yes"),
            ("channel", "slip"),
        ] {
            form.push((name.to_owned(), value.to_owned()));
        }
        assert_eq!(other.post("/clinic/issue", &form).await.status, 404);
    });
}

#[test]
fn i19_roles_hold_and_nobody_appoints_or_decides_for_themselves() {
    run(async {
        let world = world().await;
        let mut clerk = at_work(&world, "clerk").await;
        verify(&mut clerk, "MRN-994045", &[]).await;
        // Support sees how codes fare, and nobody's name.
        let mut support = at_work(&world, "support").await;
        let codes = support.get("/clinic/invitations").await;
        assert!(codes.body.contains("issued") && !codes.body.contains("Okafor"), "{}", codes.body);
        let desk = support.get("/clinic").await;
        assert!(!desk.body.contains("Find a patient"));
        let token = desk.form_to("/clinic/work/end");
        let with = |fields: &[(&str, &str)]| {
            let mut form = token.clone();
            form.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            form
        };
        for (path, fields) in [
            ("/clinic/find", vec![("number", "MRN-994045")]),
            ("/clinic/verify", vec![("patient", DANIEL)]),
            ("/clinic/staff", vec![("username", "support"), ("role", "front-desk")]),
        ] {
            assert_eq!(support.post(path, &with(&fields)).await.status, 403, "{path}");
        }
        assert_eq!(support.get("/clinic/queue").await.status, 403);
        assert_eq!(clerk.get("/clinic/staff").await.status, 403);
        // The front desk hands out no codes for people who act for others.
        let proxy = [("proxy_family", "Reed"), ("proxy_given", "Marcus"), ("basis", "parent")];
        assert_eq!(verify(&mut clerk, "MRN-263881", &proxy).await.status, 403);
        // The administrator appoints others, never themselves, and a role that is gone is gone at once.
        let mut boss = at_work(&world, "boss").await;
        let page = boss.get("/clinic/staff").await;
        let own = submit(&mut boss, &page, "/clinic/staff", &[("username", "boss"), ("role", "front-desk")]).await;
        assert_eq!(own.status, 422, "{}", own.body);
        let dismissed = [("username", "clerk"), ("role", "front-desk"), ("do", "dismiss")];
        let gone = submit(&mut boss, &page, "/clinic/staff", &dismissed).await;
        assert_eq!(gone.status, 303, "{}", gone.body);
        assert_eq!(clerk.get("/clinic").await.location(), "/clinic/work");
    });
}

#[test]
fn work_is_apart_from_the_same_humans_own_session() {
    run(async {
        let world = world().await;
        let mut browser = world.browser("clerk").await;
        assert_eq!(browser.get("/clinic").await.location(), "/clinic/work", "signed in is not at work");
        // Six minutes after the sign-in, work does not begin.
        let page = browser.get("/clinic/work").await;
        world.clock.advance(std::time::Duration::from_secs(360));
        let late = submit(&mut browser, &page, "/clinic/work", &[]).await;
        assert_eq!(late.status, 403, "{}", late.body);
        let mut browser = at_work(&world, "clerk").await;
        assert_eq!(browser.get("/clinic").await.status, 200);
        // Twenty minutes without a click end work; the own session goes on.
        world.clock.advance(std::time::Duration::from_secs(20 * 60));
        assert_eq!(browser.get("/clinic").await.location(), "/clinic/work");
        // A staff cookie without roles opens nothing, and a form of another page does nothing.
        let mut stranger = stranger(&world);
        assert_eq!(stranger.get("/clinic").await.location(), "/clinic/work");
        assert_eq!(stranger.get("/clinic/work").await.location(), "/sign-in?next=/clinic");
    });
}

#[test]
fn who_cannot_get_a_code_is_told_why() {
    run(async {
        let world = world().await;
        let mut registrar = at_work(&world, "registrar").await;
        // A child has no account; whoever looks after them gets a code.
        let young = verify(&mut registrar, "MRN-263881", &[]).await;
        assert!(young.status == 422 && young.body.contains("Too young"), "{}", young.body);
        let alone = verify(&mut registrar, "MRN-994045", &[("document", "known")]).await;
        assert!(alone.body.contains("a second colleague"), "{}", alone.body);
        let myself = [("document", "known"), ("attested_by", "registrar")];
        assert!(verify(&mut registrar, "MRN-994045", &myself).await.body.contains("somebody else than you"));
        let month = verify(&mut registrar, "MRN-994045", &[("document_expires", "June")]).await;
        assert!(month.body.contains("type a month") || month.body.contains("Type a month"), "{}", month.body);
        // Lakeside's record of somebody who died.
        let mut other = at_work(&world, "other").await;
        let desk = other.get("/clinic").await;
        let merged = submit(&mut other, &desk, "/clinic/find", &[("number", "LKS-355869")]).await;
        assert!(merged.body.contains("has died") && !merged.body.contains("Verify in person"), "{}", merged.body);
    });
}

#[test]
fn a_code_for_a_parent_makes_a_grant_and_no_record_of_their_own() {
    run(async {
        let world = world().await;
        let mut registrar = at_work(&world, "registrar").await;
        let proxy = [
            ("proxy_family", "Reed"),
            ("proxy_given", "Marcus"),
            ("proxy_birth_date", "1982-01-30"),
            ("basis", "parent"),
        ];
        let code = code_of(&verify(&mut registrar, "MRN-263881", &proxy).await);
        // Leo's birth date with the father's name; the father's own birth date goes along.
        let mut browser = stranger(&world);
        let wrong = answer(&mut browser, &code, "2019-05-09", "Reed").await;
        assert_eq!(wrong.status, 422, "without his own birth date: {}", wrong.body);
        let page = browser.get("/invite").await;
        let fields =
            [("code", &*code), ("birth_date", "2019-05-09"), ("family", "Reed"), ("own_birth_date", "1982-01-30")];
        let ready = submit(&mut browser, &page, "/invite", &fields).await;
        assert_eq!(ready.location(), "/invite/account", "{}", ready.body);
        let confirm = new_account(&mut browser, "marcus").await;
        assert!(confirm.body.contains("Is this the person you act for?"), "{}", confirm.body);
        let done = submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert_eq!(done.status, 303, "{}", done.body);
        let home = browser.get("/").await.body;
        assert!(home.contains("Leo") && home.contains("(your child)"), "{home}");
    });
}

/// Administrators register services for their own practice and turn them off; nobody else does, and nobody another's.
#[test]
fn administrators_register_services_of_their_own_practice() {
    run(async {
        let world = world().await;
        let key = Key::es384("k");
        let keys = key_set(&[&key]).to_string();
        let path = "/clinic/services";
        let mut boss = at_work(&world, "boss").await;
        assert!(boss.get("/clinic").await.body.contains("Backend services"));
        let page = boss.get(path).await;
        let good =
            [("name", "Sync <b>"), ("keys", keys.as_str()), ("scope", "system/*.rs patient/*.rs"), ("do", "register")];
        let changed = |name: &str, value: &'static str| {
            let mut fields = good.to_vec();
            fields.iter_mut().filter(|field| field.0 == name).for_each(|field| field.1 = value);
            fields
        };
        for (field, value) in [
            ("name", ""),
            ("keys", "{}"),
            ("keys", "file:///etc/passwd"),
            ("keys", "nonsense"),
            ("scope", "patient/*.rs"),
            ("scope", "system/Nothing.rs"),
        ] {
            let refused = submit(&mut boss, &page, path, &changed(field, value)).await;
            assert_eq!(refused.status, 422, "{field} {value}: {}", refused.body);
            let tied = format!("id=\"{field}\"");
            let control = refused.body.split(&tied).nth(1).unwrap().split('>').next().unwrap();
            assert!(control.contains("aria-describedby=\"problem\""), "{field} {value}: {}", refused.body);
        }
        let form = page.form_to(path);
        assert_eq!(submit(&mut boss, &page, path, &good).await.status, 303);
        let listed = boss.get(path).await;
        assert!(listed.body.contains("Sync &#60;b&#62;"), "{}", listed.body);
        assert!(listed.body.contains("It waits for the operator") && listed.field("service").is_none());
        let id = listed.body.split("Client id: ").nth(1).unwrap().split(". May:").next().unwrap().to_owned();
        let client = clients::get(&world.app.db, &ClientId::parse(&id).unwrap()).await.unwrap().unwrap();
        let own: chartgate::base::source_key::SourceKey = world.practice("riverside").source.parse().unwrap();
        assert_eq!((client.sources.as_slice(), client.scopes.to_string().as_str()), ([own].as_slice(), "system/*.rs"));

        // Nobody but the operator lets it in. Then it works, and what another practice has is not there for it.
        let now = world.clock.now().seconds();
        let claims = json!({"iss": id, "sub": id, "aud": world.issuer, "exp": now + 240, "jti": "1"});
        let token = pairs(&[
            ("grant_type", "client_credentials"),
            ("scope", "system/*.rs"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &key.sign(&key.header(), &claims)),
        ]);
        assert_eq!(stranger(&world).post("/oauth/token", &token).await.status, 401);
        let on = [("service", id.as_str()), ("do", "enable")];
        assert_eq!(submit(&mut boss, &listed, path, &on).await.status, 404);
        assert_eq!(stranger(&world).post("/oauth/token", &token).await.status, 401);
        world.app.authorization.enable_client(&client.id, true).await.unwrap();
        let answer = stranger(&world).post("/oauth/token", &token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        let nobody = "/fhir/Patient/00000000-0000-4000-8000-000000000000";
        assert_eq!(world.get(nobody, &token).await.status, 404);

        // Others see and do nothing: by role, by practice.
        for key in ["clerk", "officer", "support", "registrar"] {
            let mut other = at_work(&world, key).await;
            assert_eq!(other.get(path).await.status, 403, "{key}");
            let own_token = other.get("/clinic").await.form_to("/clinic/work/end");
            for fields in [good.to_vec(), vec![("service", id.as_str()), ("do", "disable")]] {
                let mut form = own_token.clone();
                form.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
                assert_eq!(other.post(path, &form).await.status, 403, "{key}");
            }
        }
        super::appoint(&world, "other", "lakeside", chartgate::identity::StaffRole::Administrator).await;
        let mut there = at_work(&world, "other").await;
        let elsewhere = there.get(path).await;
        assert!(!elsewhere.body.contains(&id) && elsewhere.status == 200, "{}", elsewhere.body);
        let off = [("service", id.as_str()), ("do", "disable")];
        assert_eq!(submit(&mut there, &elsewhere, path, &off).await.status, 404);
        assert_eq!(world.get(nobody, &token).await.status, 404, "it goes on");
        let mut forged = form.clone();
        forged.retain(|(name, _)| name != "form_token");
        assert_eq!(boss.post(path, &forged).await.status, 403);

        assert_eq!(submit(&mut boss, &listed, path, &off).await.status, 303);
        assert_eq!(world.get(nobody, &token).await.status, 401, "off at once");
        assert!(boss.get(path).await.body.contains("or was turned off"));
    });
}
