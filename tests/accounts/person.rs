//! Somebody with an account, a browser and a mailbox.

use std::time::Duration;

use crate::support::http::{Answer, Client};
use crate::support::mail::Mail;
use crate::support::world::{World, set};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A world with no practices, in which `dana` has an account.
pub(crate) async fn world() -> World {
    use chartgate::config::Limits;
    World::start(Vec::new(), ["dana", "maria"].map(World::nobody).to_vec(), Limits::default()).await
}

/// Opens a page, fills its first form that posts to `action` in, and sends it.
pub(crate) async fn submit(browser: &mut Client, path: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
    let page = browser.get(path).await;
    assert_eq!(page.status, 200, "{path}: {} {}", page.status, page.header("location").unwrap_or_default());
    send(browser, &page, action, fields).await
}

/// Fills in a form of this page that posts to `action` and has these fields, and sends it.
pub(crate) async fn send(browser: &mut Client, page: &Answer, action: &str, fields: &[(&str, &str)]) -> Answer {
    let forms = page.forms(action);
    let has = |form: &[(String, String)], name: &str| form.iter().any(|(known, _)| known == name);
    let form = forms.into_iter().find(|form| fields.iter().all(|(name, _)| has(form, name)));
    let mut form = form.unwrap_or_else(|| panic!("no form to {action} with {fields:?} in {}", page.body));
    for (name, value) in fields {
        set(&mut form, name, value);
    }
    browser.post(action, &form).await
}

/// Shows who it is once more.
pub(crate) async fn prove(browser: &mut Client, next: &str) -> Answer {
    submit(browser, &format!("/account/prove?next={next}"), "/account/prove", &[("password", PASSWORD)]).await
}

/// Enters an e-mail address and types the code that comes.
pub(crate) async fn verify_email(world: &World, browser: &mut Client, email: &str) -> Mail {
    prove(browser, "contact").await;
    let entered = submit(browser, "/account/contact", "/account/contact", &[("email", email)]).await;
    assert_eq!(entered.status, 303, "{}", entered.body);
    let mail = last(world, email).await;
    let confirmed = submit(browser, "/account/contact", "/account/contact/code", &[("code", &mail.code())]).await;
    assert_eq!(confirmed.status, 303, "{}", confirmed.body);
    mail
}

/// The last mail to an address.
#[track_caller]
pub(crate) fn to<'m>(mails: &'m [Mail], address: &str) -> Vec<&'m Mail> {
    mails.iter().filter(|mail| mail.to == address).collect()
}

pub(crate) async fn last(world: &World, address: &str) -> Mail {
    let mails = world.mails().await;
    (*to(&mails, address).last().unwrap_or_else(|| panic!("nothing was written to {address}: {mails:?}"))).clone()
}

pub(crate) fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}
