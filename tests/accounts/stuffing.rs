//! I12: lists of names and passwords tried by the thousand.

use std::time::Duration;

use super::person::{self, PASSWORD};
use crate::support::http::Client;
use crate::support::world::{World, run, set};

const PAIRS: u32 = 10_000;

/// Tries that came as far as the password, of `PAIRS` that are `apart`: each a name of `names` and a wrong password.
async fn stuffed(world: &World, apart: Duration, names: impl Fn(u32) -> String) -> u64 {
    let mut browser: Client = world.stranger();
    let page = browser.get("/sign-in").await;
    let mut form = page.forms("/sign-in").into_iter().next().expect("a form to sign in");
    let before = world.app.accounts.password_runs();
    for number in 0..PAIRS {
        world.clock.advance(apart);
        set(&mut form, "username", &names(number));
        set(&mut form, "password", &format!("wrong {number}"));
        let status = browser.post("/sign-in", &form).await.status;
        assert!(matches!(status, 422 | 429), "{number}: {status}");
    }
    world.app.accounts.password_runs() - before
}

/// Fifty are free; then each wait is twice the one before, from a second to a quarter of an hour. An hour has room for
/// ten more until then and for two or three behind them.
#[test]
fn i12_an_hour_of_names_from_one_address_brings_some_sixty_guesses() {
    run(async {
        let world = person::world().await;
        world.account("dana").await;
        let guesses = stuffed(&world, Duration::from_millis(360), |number| format!("name-{number}")).await;
        assert!((50..=64).contains(&guesses), "{guesses} guesses");
        // What nobody could know while the brake held: the right one goes in when it is over.
        world.clock.advance(person::minutes(16));
        let typed = [("username", "dana"), ("password", PASSWORD)];
        let entered = person::submit(&mut world.stranger(), "/sign-in", "/sign-in", &typed).await;
        assert_eq!(entered.status, 303, "{}", entered.body);
    });
}

/// NIST SP 800-63B-4 §3.2.2: no more than a hundred failures in a row for one account, however long somebody tries.
#[test]
fn i12_a_day_of_passwords_for_one_account_brings_less_than_a_hundred_guesses() {
    run(async {
        let world = person::world().await;
        world.account("dana").await;
        let guesses = stuffed(&world, Duration::from_secs(10), |_| "dana".to_owned()).await;
        assert!((12..=50).contains(&guesses), "{guesses} guesses");
    });
}
