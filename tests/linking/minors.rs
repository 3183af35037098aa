//! A minor's account is theirs alone: what is written to it must not be read by a parent (portal design, 3.8 scenario 20).

use super::proxies::mailbox_of;
use super::{answer, new_account, own_code, stranger, submit, waiting, world};
use crate::support::world::{self, in_both_worlds};

in_both_worlds!(
    s20_of_a_minor_who_names_somebody_else_s_address_staff_hear_and_it_is_not_taken,
    s20_staff_hear_of_it_as_well_when_it_is_entered_later,
);

async fn s20_of_a_minor_who_names_somebody_else_s_address_staff_hear_and_it_is_not_taken() {
    for (number, born, family, address, is_shared, is_heard) in [
        ("MRN-994045", "1991-04-14", "Okafor", "gil+daniel@example.org", true, false),
        ("MRN-752999", "2011-02-17", "Reed", "zoe@example.org", false, false),
        ("MRN-752999", "2011-02-17", "Reed", "Gil+zoe@example.org", true, true),
    ] {
        let world = world().await;
        let mut gil = world.browser("support").await;
        mailbox_of(&world, &mut gil, "gil@example.org", world::PASSWORD).await;
        let code = own_code(&world, number).await;
        let mut browser = stranger(&world);
        let ready = answer(&mut browser, &code, born, family).await;
        assert_eq!((ready.status, ready.location()), (303, "/invite/account"), "{}", ready.body);
        let confirm = new_account(&mut browser, address).await;
        let done = submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert_eq!((done.status, done.location()), (303, "/"), "{}", done.body);
        assert!(browser.get("/account").await.body.contains("No address is confirmed yet"), "{address}");
        let heard = waiting(&world).await;
        let words = "This minor named an address for their account that belongs to somebody else.";
        assert_eq!(heard.iter().filter(|line| line.starts_with(words)).count(), usize::from(is_heard), "{heard:?}");
        assert_eq!(heard.len(), usize::from(is_heard), "{number}: {heard:?}");
        // No code for it went to a mailbox that somebody else reads: its reader is told, of what is shared alone.
        let mails = world.mails().await;
        let to_gil = mails.iter().filter(|mail| mail.to == "gil@example.org").skip(1);
        let told: Vec<&str> = to_gil.map(|mail| mail.subject.as_str()).collect();
        let expected = if is_shared { vec!["You already have an account"] } else { Vec::new() };
        assert_eq!(told, expected, "{address}");
    }
}

/// Rule: the same when the address is entered in an account that is there already: once, however often it is tried.
async fn s20_staff_hear_of_it_as_well_when_it_is_entered_later() {
    for (number, born, family, is_minor) in
        [("MRN-994045", "1991-04-14", "Okafor", false), ("MRN-752999", "2011-02-17", "Reed", true)]
    {
        let world = world().await;
        let mut gil = world.browser("support").await;
        mailbox_of(&world, &mut gil, "gil@example.org", world::PASSWORD).await;
        let code = own_code(&world, number).await;
        let mut browser = stranger(&world);
        answer(&mut browser, &code, born, family).await;
        let confirm = new_account(&mut browser, "zoe").await;
        let done = submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert_eq!((done.status, done.location()), (303, "/"), "{}", done.body);
        let mut enter = async |address: &str| {
            let page = browser.get("/account/contact").await;
            submit(&mut browser, &page, "/account/contact", &[("email", address)]).await
        };
        enter("zoe@example.org").await;
        assert_eq!(waiting(&world).await, Vec::<String>::new(), "nobody's");
        for _ in 0..2 {
            let taken = enter("gil@example.org").await;
            assert!([200, 303].contains(&taken.status), "{}", taken.body);
            let heard = waiting(&world).await;
            let words = "This minor named an address for their account that belongs to somebody else.";
            assert_eq!(heard.iter().filter(|line| line.starts_with(words)).count(), usize::from(is_minor), "{heard:?}");
            assert_eq!(heard.len(), usize::from(is_minor), "{heard:?}");
        }
    }
}
