//! How people are linked to their charts: codes from the desk, claims, and what ends a link. Everything goes through the
//! pages, in browsers of patients and of staff.

mod api;
mod charts;
mod claims;
mod codes;
mod console;
mod elsewhere;
mod grants;
mod mergers;
mod minors;
mod proxies;
mod registered_apps;
mod spanish;
mod staff_apps;
mod succession;
mod tightened;
mod unlink;
mod view_as;

use std::time::Duration;

use chartgate::base::id::OrganizationId;
use chartgate::config::Limits;
use chartgate::identity::{StaffRole, Username};
use chartgate::practice;
use chartgate::storage::{accounts, organizations};

use crate::support::http::{Answer, Client as Browser};
use crate::support::world::{PersonSpec, World, fixtures};

/// A patient of Riverside whom nobody linked yet: `MRN-994045`.
pub(crate) const DANIEL: &str = "pat-1010";
pub(crate) const PASSWORD: &str = "seven green bicycles at noon";

/// Both practices of the fixtures with nobody linked; staff of Riverside (`clerk`, `registrar`, `support`, `boss`) and of
/// Lakeside (`other`).
pub(crate) async fn world() -> World {
    let (practices, _) = fixtures();
    let staff = ["clerk", "registrar", "support", "boss", "other", "officer"];
    let persons = staff.map(|key| PersonSpec { key: key.to_owned(), links: Vec::new() }).to_vec();
    let world = World::start(practices, persons, Limits::default()).await;
    appoint(&world, "clerk", "riverside", StaffRole::FrontDesk).await;
    appoint(&world, "registrar", "riverside", StaffRole::ProxyRegistrar).await;
    appoint(&world, "support", "riverside", StaffRole::Support).await;
    appoint(&world, "boss", "riverside", StaffRole::Administrator).await;
    appoint(&world, "officer", "riverside", StaffRole::PrivacyOfficer).await;
    appoint(&world, "other", "lakeside", StaffRole::FrontDesk).await;
    world
}

pub(crate) async fn organization(world: &World, practice: &str) -> OrganizationId {
    let name = &world.practice(practice).name;
    organizations::all(&world.app.db).await.unwrap().into_iter().find(|known| known.name == *name).unwrap().id
}

pub(crate) async fn appoint(world: &World, key: &str, practice: &str, role: StaffRole) {
    world.browser(key).await;
    let username = Username::new(key).unwrap();
    let account = accounts::by_username(&world.app.db, &username).await.unwrap().unwrap().id;
    let organization = organization(world, practice).await;
    let random = chartgate::base::random::SeededRandom::new(5);
    let now = chartgate::base::clock::Clock::now(&*world.clock);
    practice::appoint(&world.app.acts, &random, now, (account, organization, role)).await.unwrap();
}

/// A browser of somebody at work.
pub(crate) async fn at_work(world: &World, key: &str) -> Browser {
    let mut browser = world.browser(key).await;
    let page = browser.get("/clinic/work").await;
    assert_eq!(page.status, 200, "{}", page.body);
    let begun = submit(&mut browser, &page, "/clinic/work", &[]).await;
    assert_eq!((begun.status, begun.location()), (303, "/clinic"), "{}", begun.body);
    browser
}

/// Fills the first form that leads there and sends it.
pub(crate) async fn submit(browser: &mut Browser, page: &Answer, action: &str, fields: &[(&str, &str)]) -> Answer {
    let mut form = page.form_to(action);
    for (name, value) in fields {
        form.retain(|(known, _)| known != name);
        form.push(((*name).to_owned(), (*value).to_owned()));
    }
    browser.post(action, &form).await
}

/// Has staff verify a patient and hand out a code; the page that comes of it.
pub(crate) async fn verify(staff: &mut Browser, number: &str, fields: &[(&str, &str)]) -> Answer {
    let desk = staff.get("/clinic").await;
    let found = submit(staff, &desk, "/clinic/find", &[("number", number)]).await;
    assert_eq!(found.status, 200, "{}", found.body);
    let form = submit(staff, &found, "/clinic/verify", &[]).await;
    assert_eq!(form.status, 200, "{}", form.body);
    let mut all = vec![("document", "DL"), ("photo_compared", "yes"), ("channel", "slip"), ("proxy_family", "")];
    all.extend(fields);
    submit(staff, &form, "/clinic/issue", &all).await
}

/// The code on a slip.
pub(crate) fn code_of(slip: &Answer) -> String {
    let code = slip.body.split("<p class=\"code\">").nth(1);
    let code = code.unwrap_or_else(|| panic!("no code: {} {}", slip.status, slip.body));
    code.split('<').next().unwrap().to_owned()
}

/// A code for one's own record, from a slip.
pub(crate) async fn own_code(world: &World, number: &str) -> String {
    let mut clerk = at_work(world, "clerk").await;
    code_of(&verify(&mut clerk, number, &[]).await)
}

/// Types a code and what goes with it.
pub(crate) async fn answer(browser: &mut Browser, code: &str, birth_date: &str, family: &str) -> Answer {
    let page = browser.get("/invite").await;
    submit(browser, &page, "/invite", &[("code", code), ("birth_date", birth_date), ("family", family)]).await
}

/// Somebody new: types a code, makes an account, and stands before "Is this you?".
pub(crate) async fn new_account(browser: &mut Browser, username: &str) -> Answer {
    let page = browser.get("/invite/account").await;
    assert_eq!(page.status, 200, "{}", page.body);
    let fields = [("username", username), ("password", PASSWORD)];
    let done = submit(browser, &page, "/invite/account", &fields).await;
    assert_eq!((done.status, done.location()), (303, "/invite/confirm"), "{}", done.body);
    browser.get("/invite/confirm").await
}

/// A browser that nobody is signed in with.
pub(crate) fn stranger(world: &World) -> Browser {
    Browser::new(world.issuer.strip_prefix("http://").unwrap().parse().unwrap())
}

/// A person with an account of their own and the chart of Daniel Okafor at Riverside.
pub(crate) async fn daniel(world: &World, username: &str) -> Browser {
    let code = own_code(world, "MRN-994045").await;
    let mut browser = stranger(world);
    let ready = answer(&mut browser, &code, "1991-04-14", "Okafor").await;
    assert_eq!((ready.status, ready.location()), (303, "/invite/account"), "{}", ready.body);
    let confirm = new_account(&mut browser, username).await;
    let done = submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
    assert_eq!((done.status, done.location()), (303, "/"), "{}", done.body);
    browser
}

/// The texts of what waits for Riverside's staff.
pub(crate) async fn waiting(world: &World) -> Vec<String> {
    let mut clerk = at_work(world, "clerk").await;
    let page = clerk.get("/clinic/queue").await;
    page.body.split("<h3>").skip(1).map(|part| part.split('<').next().unwrap().to_owned()).collect()
}

pub(crate) fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}
