//! Starting without a code.

use std::collections::BTreeSet;

use super::*;
use crate::support::world::run;

/// Somebody with an account and no record, who says who they are.
async fn says(world: &World, browser: &mut Browser, fields: &[(&str, &str)]) -> Answer {
    let id = organization(world, "riverside").await;
    let page = browser.get(&format!("/claim?organization={id}")).await;
    assert_eq!(page.status, 200, "{}", page.body);
    submit(browser, &page, "/claim", fields).await
}

const DANIEL_SAYS: [(&str, &str); 4] =
    [("given", "Daniel"), ("family", "Okafor"), ("birth_date", "1991-04-14"), ("number", "994045")];

#[test]
fn a_claim_and_the_phone_on_file_make_a_limited_link() {
    run(async {
        let world = world().await;
        // `boss` stands for anybody with an account and no record.
        let mut browser = world.browser("boss").await;
        let said = says(&world, &mut browser, &DANIEL_SAYS).await;
        assert!(said.body.contains("If those details match"), "{}", said.body);
        world.app.claims.look().await.unwrap();
        let mails = world.mails().await;
        let mail = mails.last().unwrap();
        assert_eq!(mail.to, "+14135550129", "{mail:?}");
        let code = mail.text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6).unwrap().to_owned();
        for wrong in ["000000", "1", ""] {
            let refused = submit(&mut browser, &said, "/claim/code", &[("code", wrong)]).await;
            assert_eq!(refused.status, 422, "{wrong}");
        }
        let done = submit(&mut browser, &said, "/claim/code", &[("code", &code)]).await;
        assert_eq!((done.status, done.location()), (303, "/"), "{}", done.body);
        assert!(browser.get("/").await.body.contains("Riverside Family Practice"));
        // Who has shown no papers sees what harms nobody; the rest waits for the desk.
        let token = world.token("boss").await;
        assert!(!world.get("/fhir/Immunization", &token).await.ids().is_empty());
        for hidden in ["Observation", "Condition", "MedicationRequest", "DiagnosticReport", "Encounter"] {
            assert!(world.get(&format!("/fhir/{hidden}"), &token).await.ids().is_empty(), "{hidden}");
        }
        let again = submit(&mut browser, &said, "/claim/code", &[("code", &code)]).await;
        assert_eq!(again.status, 422, "a code is good once");
    });
}

#[test]
fn i06_right_and_wrong_look_alike_and_five_a_day_are_enough() {
    run(async {
        let world = world().await;
        let mut browser = world.browser("boss").await;
        let mut shown = BTreeSet::new();
        for (field, value) in
            [("given", "Daniel"), ("given", "Xenia"), ("birth_date", "1991-04-15"), ("number", "1"), ("number", "2")]
        {
            let mut fields = DANIEL_SAYS.to_vec();
            fields.retain(|(name, _)| *name != field);
            fields.push((field, value));
            let answer = says(&world, &mut browser, &fields).await;
            assert_eq!(answer.status, 200);
            shown.insert(answer.body);
        }
        // The sixth of the day is not even looked at, and looks the same.
        shown.insert(says(&world, &mut browser, &DANIEL_SAYS).await.body);
        assert_eq!(shown.len(), 1, "{shown:#?}");
        world.app.claims.look().await.unwrap();
        let told = world.mails().await;
        assert_eq!(told.iter().filter(|mail| mail.to == "+14135550129").count(), 1, "the first alone: {told:?}");
        // The invitation of the true owner is not blocked by it.
        daniel(&world, "daniel").await;
    });
}

#[test]
fn what_does_not_match_waits_for_staff_who_call_back() {
    run(async {
        let world = world().await;
        let mut browser = world.browser("boss").await;
        let mut fields = DANIEL_SAYS.to_vec();
        fields[3] = ("number", "999");
        says(&world, &mut browser, &fields).await;
        world.app.claims.look().await.unwrap();
        assert!(world.mails().await.is_empty());
        let mut clerk = at_work(&world, "clerk").await;
        let queue = clerk.get("/clinic/queue").await;
        for shown in ["Daniel Okafor, born 1991-04-14, number 999", "number", "413-555-0129"] {
            assert!(queue.body.contains(shown), "{shown} in {}", queue.body);
        }
        let accepted = submit(&mut clerk, &queue, "/clinic/queue/decide", &[("answer", "accept")]).await;
        assert_eq!(accepted.status, 303, "{}", accepted.body);
        assert!(browser.get("/").await.body.contains("Riverside Family Practice"));
        assert!(!clerk.get("/clinic/queue").await.body.contains("Daniel Okafor"), "decided");
        // Staff called back at the number on file: the whole record is there.
        let token = world.token("boss").await;
        assert!(!world.get("/fhir/Observation", &token).await.ids().is_empty());
    });
}

#[test]
fn i19_nobody_decides_their_own_claim() {
    run(async {
        let world = world().await;
        let mut browser = world.browser("clerk").await;
        let mut fields = DANIEL_SAYS.to_vec();
        fields[3] = ("number", "999");
        says(&world, &mut browser, &fields).await;
        world.app.claims.look().await.unwrap();
        let mut clerk = at_work(&world, "clerk").await;
        let queue = clerk.get("/clinic/queue").await;
        let own = submit(&mut clerk, &queue, "/clinic/queue/decide", &[("answer", "accept")]).await;
        assert_eq!(own.status, 403, "{}", own.body);
        assert!(!browser.get("/").await.body.contains("Riverside Family Practice"));
    });
}

#[test]
fn a_minor_comes_to_the_desk() {
    run(async {
        let world = world().await;
        let mut browser = world.browser("boss").await;
        let zoe = [("given", "Zoe"), ("family", "Reed"), ("birth_date", "2011-02-17"), ("number", "MRN-752999")];
        says(&world, &mut browser, &zoe).await;
        world.app.claims.look().await.unwrap();
        assert!(world.mails().await.is_empty());
        let mut clerk = at_work(&world, "clerk").await;
        assert!(clerk.get("/clinic/queue").await.body.contains("too-young"));
    });
}
