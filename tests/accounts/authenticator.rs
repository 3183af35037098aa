//! An authenticator app of a few lines (RFC 6238), which shares no code with the product.

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;

use chartgate::base::clock::Clock as _;

use super::person::{prove, send, submit};
use crate::support::http::Client;
use crate::support::world::World;

pub(super) struct Authenticator(Vec<u8>);

impl Authenticator {
    fn at(&self, seconds: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &(seconds / 30).to_be_bytes());
        let mac = tag.as_ref();
        let at = (mac[19] & 15) as usize;
        let number = u32::from_be_bytes([mac[at] & 127, mac[at + 1], mac[at + 2], mac[at + 3]]);
        format!("{:06}", number % 1_000_000)
    }

    /// What it shows now.
    pub(super) fn shows(&self, world: &World) -> String {
        self.at(world.clock.now().seconds())
    }
}

/// The items of a page's list.
pub(super) fn items(body: &str) -> Vec<String> {
    let list = body.split("<ul class=\"items\">").nth(1).unwrap_or_else(|| panic!("no list in {body}"));
    let list = list.split("</ul>").next().unwrap();
    list.split("<li>").skip(1).map(|item| item.split("</li>").next().unwrap().to_owned()).collect()
}

/// Sets up an authenticator for who is signed in: it, and the saved codes that came with it.
pub(super) async fn set_up(world: &World, browser: &mut Client) -> (Authenticator, Vec<String>) {
    prove(browser, "second-factor").await;
    let page = submit(browser, "/account/second-factor", "/account/second-factor", &[]).await;
    let secret = items(&page.body).remove(0).replace(' ', "");
    assert!(page.body.contains(&secret), "and as a link for this device: {}", page.body);
    let app = Authenticator(BASE32_NOPAD.decode(secret.as_bytes()).unwrap());
    let shown = app.shows(world);
    let wrong = if shown == "000000" { "000001" } else { "000000" };
    let page = send(browser, &page, "/account/second-factor/confirm", &[("code", wrong)]).await;
    assert_eq!(page.status, 422, "{}", page.body);
    let page = send(browser, &page, "/account/second-factor/confirm", &[("code", &shown)]).await;
    assert_eq!(page.status, 200, "{}", page.body);
    (app, items(&page.body))
}
