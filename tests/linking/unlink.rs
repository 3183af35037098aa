//! The end of a link.

use super::*;
use crate::support::world::run;

async fn link_of(browser: &mut Browser) -> String {
    let home = browser.get("/").await.body;
    let link = home.split("/unlink?link=").nth(1).unwrap_or_else(|| panic!("no link in {home}"));
    link.split('"').next().unwrap().to_owned()
}

#[test]
fn unlinking_takes_one_click_and_a_new_code_links_again() {
    run(async {
        let world = world().await;
        let mut browser = daniel(&world, "daniel").await;
        let link = link_of(&mut browser).await;
        let page = browser.get(&format!("/unlink?link={link}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        // Nobody else can.
        let mut stranger = world.browser("boss").await;
        assert_eq!(stranger.get(&format!("/unlink?link={link}")).await.status, 404);
        let done = submit(&mut browser, &page, "/unlink", &[("why", "unwanted")]).await;
        assert_eq!(done.status, 303, "{}", done.body);
        assert!(!browser.get("/").await.body.contains("Riverside Family Practice"));
        let code = own_code(&world, "MRN-994045").await;
        let ready = answer(&mut browser, &code, "1991-04-14", "Okafor").await;
        assert_eq!(ready.location(), "/invite/confirm", "{}", ready.body);
        let confirm = browser.get("/invite/confirm").await;
        submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert!(browser.get("/").await.body.contains("Riverside Family Practice"));
    });
}

#[test]
fn a_record_that_is_not_mine_is_gone_and_the_practice_looks_at_it() {
    run(async {
        let world = world().await;
        let mut browser = daniel(&world, "daniel").await;
        let link = link_of(&mut browser).await;
        let page = browser.get(&format!("/unlink?link={link}")).await;
        let done = submit(&mut browser, &page, "/unlink", &[("why", "not-mine")]).await;
        assert_eq!(done.status, 200, "{}", done.body);
        assert!(!browser.get("/").await.body.contains("Riverside Family Practice"));
        assert_eq!(waiting(&world).await, ["Somebody says that a record linked to them is not theirs."]);
        let mut clerk = at_work(&world, "clerk").await;
        let queue = clerk.get("/clinic/queue").await;
        assert!(queue.body.contains("Daniel Obinna Okafor, born 1991-04-14"), "{}", queue.body);
        let closed =
            submit(&mut clerk, &queue, "/clinic/queue/close", &[("outcome", "called, mix-up at the desk")]).await;
        assert_eq!(closed.status, 303, "{}", closed.body);
        assert!(waiting(&world).await.is_empty());
    });
}

#[test]
fn not_me_before_the_link_locks_the_code_and_links_nothing() {
    run(async {
        let world = world().await;
        let code = own_code(&world, "MRN-994045").await;
        let mut browser = stranger(&world);
        answer(&mut browser, &code, "1991-04-14", "Okafor").await;
        let confirm = new_account(&mut browser, "wrong").await;
        let denied = submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "no")]).await;
        assert_eq!(denied.status, 200, "{}", denied.body);
        assert!(!browser.get("/").await.body.contains("Riverside Family Practice"));
        let again = answer(&mut browser, &code, "1991-04-14", "Okafor").await;
        assert!(again.body.contains("This code has ended"), "{}", again.body);
        assert_eq!(waiting(&world).await, ["Whoever had the code says that they are not this patient."]);
    });
}

#[test]
fn a_code_of_somebody_else_does_not_join_ones_record() {
    run(async {
        let world = world().await;
        let mut browser = daniel(&world, "daniel").await;
        // Amara's code in Daniel's hands, with Amara's answers.
        let code = own_code(&world, "MRN-416602").await;
        let ready = answer(&mut browser, &code, "1993-09-27", "Okafor").await;
        assert_eq!(ready.location(), "/invite/confirm", "{}", ready.body);
        let confirm = browser.get("/invite/confirm").await;
        let refused = submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert_eq!(refused.status, 409, "{}", refused.body);
        assert_eq!(waiting(&world).await, ["Two people came to one chart, or somebody to one that is stopped."]);
    });
}
