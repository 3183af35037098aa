//! The invariants that speak of requests as they arrive: batches, methods, what is shared and kept, changes of rights,
//! the audit trail. In random worlds as the others; what must come out is told from requests sent alone, and from the
//! model.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chartgate::config::Config;
use chartgate::fhir::ResourceType;
use chartgate::storage::audit::{self, AuditOutcome, AuditRow};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::dice::Dice;
use super::door::{Answer, Door, comparable, encoded};
use super::gateway::{Pairs, entries};
use super::model::Model;
use super::properties::{ROUNDS, in_worlds_before, manner};
use super::request;
use super::role::{ROLES, Role};
use super::world::{World, tag_of};
use crate::support::world::run;

/// A request for a resource or for a search, some of them for what is not there or not allowed.
struct Asking {
    kind: &'static str,
    /// Path without query.
    path: String,
    pairs: Pairs,
    interaction: &'static str,
}

impl Asking {
    fn target(&self) -> String {
        if self.pairs.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, encoded(&self.pairs)) }
    }
}

/// A request from the model's grammar or from its edges.
fn asking(door: &Door, world: &World, model: &Model<'_>, role: Role, dice: &mut Dice) -> Asking {
    let keys: Vec<String> = door.gateway.keys.iter().map(ToString::to_string).collect();
    let caller = door.caller(&world.links, role);
    let cells = request::cells().iter();
    // The list of who looked grows with each look.
    let cells: Vec<_> = cells.filter(|cell| cell.kind != ResourceType::AuditEvent).collect();
    let cell = *dice.pick(&cells);
    match dice.below(10) {
        0..=2 => {
            let kind = cell.kind.as_str();
            let id = request::read_id(world, &keys, &caller, kind, dice);
            // What is no path segment is another request.
            let plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
            let id =
                if id.is_empty() || id.starts_with('.') || !id.chars().all(plain) { "never".to_owned() } else { id };
            let (rest, interaction) =
                *dice.pick(&[("", "read"), ("", "read"), ("/_history/1", "vread"), ("/_history", "history-instance")]);
            Asking { kind, path: format!("/{kind}/{id}{rest}"), pairs: Pairs::new(), interaction }
        }
        3..=6 => {
            let kind = request::searched_type(dice);
            let mut pairs = request::search(model, world, &caller, kind, dice);
            pairs.push(("_count".to_owned(), (1 + dice.below(40)).to_string()));
            Asking { kind, path: format!("/{kind}"), pairs, interaction: "search-type" }
        }
        _ => {
            let kind = cell.kind.as_str();
            let name = cell.parameter.as_deref().unwrap_or("_id");
            let pairs = request::parameters(world, &keys, &caller, (cell.kind, name), dice);
            Asking { kind, path: format!("/{kind}"), pairs, interaction: "search-type" }
        }
    }
}

fn someone(dice: &mut Dice) -> Role {
    if dice.percent(60) { ROLES[0] } else { *dice.pick(&ROLES) }
}

#[test]
fn i07_an_entry_of_a_batch_is_answered_as_it_is_alone() {
    let door = run(Door::open(|_| {}));
    in_worlds_before("I-7", &door, &async |door, recipe| {
        let world = door.gateway.world(recipe, manner(recipe));
        door.relink(&world.links).await;
        let mut dice = Dice::new(recipe.seed ^ 7);
        let role = someone(&mut dice);
        let caller = door.caller(&world.links, role);
        let model = Model::new(&door.gateway, &world, &caller);
        let mut left = ROUNDS;
        while left > 0 {
            let many = left.min(1 + dice.below(10));
            left -= many;
            let mut alone = Vec::new();
            let mut requests = Vec::new();
            for _ in 0..many {
                let method = *dice.pick(&["GET", "GET", "GET", "GET", "HEAD", "POST", "DELETE"]);
                let asking = asking(door, &world, &model, role, &mut dice);
                let target = asking.target();
                requests.push(json!({"request": {"method": method, "url": target.trim_start_matches('/')}}));
                let method = if matches!(method, "POST" | "DELETE") { "DELETE" } else { method };
                alone.push((method, target.clone(), door.send(&role, method, &target, None).await));
            }
            let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": requests}).to_string();
            let whole = door.send(&role, "POST", "/", Some(&bundle)).await;
            let says = |what: String| Err(format!("{} {bundle}: {what}", role.name));
            if whole.status != 200 || whole.json()["type"] != "batch-response" {
                return says(format!("{} {}", whole.status, whole.text));
            }
            let body = whole.json();
            let answered = body["entry"].as_array().cloned().unwrap_or_default();
            if answered.len() != alone.len() {
                return says(format!("{} entries", answered.len()));
            }
            for (entry, (method, target, alone)) in answered.into_iter().zip(&alone) {
                let wanted = entry_for(method, alone);
                let mut shown = entry;
                if let Some(resource) = shown.get_mut("resource") {
                    *resource = comparable(resource.take());
                }
                if shown != wanted {
                    return says(format!("{method} {target}: {shown}\nalone {wanted}"));
                }
            }
        }
        Ok(ROUNDS)
    });
}

/// What a batch answers in place of a request that was answered so when it was sent alone (FHIR R4 http.html
/// §3.1.0.11.2): status line and entity tag, the resource when there is one, else the outcome.
fn entry_for(method: &str, alone: &Answer) -> Value {
    let reason = match alone.status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        503 => "Service Unavailable",
        other => panic!("{other} was not expected"),
    };
    let mut response = json!({"status": format!("{} {reason}", alone.status)});
    if let Some(etag) = alone.header("etag") {
        response["etag"] = etag.into();
    }
    if method == "HEAD" {
        return json!({"response": response});
    }
    if alone.status == 200 {
        return json!({"resource": alone.comparable(), "response": response});
    }
    response["outcome"] = alone.json();
    json!({"response": response})
}

#[test]
fn i08_get_post_and_head_agree() {
    let door = run(Door::open(|_| {}));
    in_worlds_before("I-8", &door, &async |door, recipe| {
        let world = door.gateway.world(recipe, manner(recipe));
        door.relink(&world.links).await;
        let mut dice = Dice::new(recipe.seed ^ 8);
        for _ in 0..ROUNDS {
            let role = someone(&mut dice);
            let caller = door.caller(&world.links, role);
            let model = Model::new(&door.gateway, &world, &caller);
            let asking = asking(door, &world, &model, role, &mut dice);
            let target = asking.target();
            let says = |what: String| Err(format!("{} {target}: {what}", role.name));
            let get = door.get(&role, &target).await;
            let head = door.send(&role, "HEAD", &target, None).await;
            if (head.status, &head.headers, head.text.as_str()) != (get.status, &get.headers, "") {
                return says(format!(
                    "GET {} {:?}, HEAD {} {:?} {}",
                    get.status, get.headers, head.status, head.headers, head.text
                ));
            }
            if asking.interaction != "search-type" {
                continue;
            }
            // All in the form, all in the URL, and some in each.
            let search = format!("{}/_search", asking.path);
            let cut = dice.below(asking.pairs.len() + 1);
            let (first, second) = asking.pairs.split_at(cut);
            let (first, second) = (encoded(&first.to_vec()), encoded(&second.to_vec()));
            let whole = encoded(&asking.pairs);
            for (target, form) in [
                (search.clone(), Some(whole.as_str())),
                (format!("{search}?{whole}"), None),
                (format!("{search}?{first}"), Some(second.as_str())),
            ] {
                // A form of nothing is no form.
                let form = form.filter(|form| !form.is_empty());
                let post = door.send(&role, "POST", &target, form).await;
                if (post.status, post.comparable(), &post.headers) != (get.status, get.comparable(), &get.headers) {
                    return says(format!(
                        "GET {} {}\nPOST {target} {form:?} {} {}",
                        get.status, get.text, post.status, post.text
                    ));
                }
            }
        }
        Ok(ROUNDS)
    });
}

#[test]
fn i11_what_is_shared_and_kept_changes_no_byte() {
    let keeping = |config: &mut Config| {
        config.cache.bytes = 64 << 20;
        config.cache.fresh_seconds = 60;
        config.cache.stale_seconds = 600;
    };
    let doors =
        run(async { [Door::open(keeping).await, Door::open(|config| config.limits.single_flight = false).await] });
    // Made alike, so that what they answer can be compared byte by byte.
    assert_eq!((&doors[0].gateway.keys, doors[0].person), (&doors[1].gateway.keys, doors[1].person));
    let saved = AtomicUsize::new(0);
    let cases = in_worlds_before("I-11", &doors, &async |doors, recipe| {
        let mut dice = Dice::new(recipe.seed ^ 11);
        let mut worlds = Vec::new();
        for door in doors {
            // What was kept of the world before is over.
            door.gateway.clock.advance(Duration::from_secs(3_600));
            let world = door.gateway.world(recipe, manner(recipe));
            door.relink(&world.links).await;
            door.gateway.asked();
            worlds.push(world);
        }
        let questions: Vec<(Role, String)> = {
            let caller = doors[0].caller(&worlds[0].links, ROLES[0]);
            let model = Model::new(&doors[0].gateway, &worlds[0], &caller);
            let mut question = || {
                let role = someone(&mut dice);
                (role, asking(&doors[0], &worlds[0], &model, role, &mut dice).target())
            };
            (0..6).map(|_| question()).collect()
        };
        let mut left = ROUNDS;
        while left > 0 {
            let many = left.min(5);
            left -= many;
            let batch: Vec<&(Role, String)> = (0..many).map(|_| dice.pick(&questions)).collect();
            let mut answers = Vec::new();
            for door in doors {
                let asked = batch.iter().map(|(role, target)| door.get(role, target));
                answers.push(join_all(asked).await);
            }
            for (((role, target), with), without) in batch.iter().zip(&answers[0]).zip(&answers[1]) {
                let plain = |answer: &Answer| {
                    // The sources' ports and what hangs on them are each gateway's own.
                    let mut body = answer.comparable();
                    body["meta"]["versionId"] = Value::Null;
                    (answer.status, body)
                };
                if plain(with) != plain(without) {
                    return Err(format!("{} {target}: {}\nwithout {}", role.name, with.text, without.text));
                }
            }
            if dice.percent(30) {
                // What was kept has had its time: whatever the EHRs hold from now on is what is shown.
                let gone: Vec<usize> = worlds[0].held.iter().map(|held| dice.below(held.len())).collect();
                for (door, world) in doors.iter().zip(&mut worlds) {
                    door.gateway.clock.advance(Duration::from_secs(61));
                    for (held, gone) in world.held.iter_mut().zip(&gone) {
                        held.drain(..held.len().min(*gone));
                    }
                    door.gateway.hold(world, manner(recipe));
                }
            }
        }
        let (with, without) = (doors[0].gateway.asked().len(), doors[1].gateway.asked().len());
        saved.fetch_add(without.saturating_sub(with), Ordering::Relaxed);
        Ok(ROUNDS)
    });
    let saved = saved.into_inner();
    println!("I-11: {saved} calls saved");
    assert!(saved * 2 > cases, "only {saved} calls were saved: nothing was shared or kept");
}

#[test]
fn i12_after_a_change_of_rights_nothing_is_shown_under_the_old_ones() {
    // With answers kept, so that what was fetched under the old rights is there to be shown.
    let door = run(Door::open(|config| {
        config.cache.bytes = 64 << 20;
        config.cache.fresh_seconds = 600;
        config.cache.stale_seconds = 600;
    }));
    in_worlds_before("I-12", &door, &async |door, recipe| {
        door.gateway.clock.advance(Duration::from_secs(3_600));
        let mut world = door.gateway.world(recipe, manner(recipe));
        let mut dice = Dice::new(recipe.seed ^ 12);
        let charts: Vec<(usize, String)> = (0..recipe.sources)
            .flat_map(|source| (0..recipe.patients.min(2)).map(move |patient| (source, format!("p{patient}"))))
            .collect();
        for _ in 0..ROUNDS {
            // Some of them, other ones each time.
            let mut held: Vec<(usize, String)> = charts.iter().filter(|_| dice.percent(50)).cloned().collect();
            if held.is_empty() {
                held.push(dice.pick(&charts).clone());
            }
            world.links.clone_from(&held);
            let role = ROLES[0];
            let kind = *dice.pick(&["Observation", "Condition", "Encounter", "Provenance", "MedicationRequest"]);
            // One is on its way while the rights change: it may be answered under either.
            let first = format!("/{kind}?_count=500");
            let ((), _) = tokio::join!(door.relink(&held), door.get(&role, &first));
            let caller = door.caller(&held, role);
            let model = Model::new(&door.gateway, &world, &caller);
            let mut pages = Vec::new();
            let mut target = format!("/{kind}?_count=500");
            loop {
                let page = door.get(&role, &target).await;
                if page.status != 200 {
                    return Err(format!("{kind} with {held:?}: {} {}", page.status, page.text));
                }
                pages.push(page.json());
                let Some(next) = super::gateway::next_of(pages.last().unwrap()) else { break };
                target = format!("/{kind}?{}", encoded(&next));
            }
            let shown: BTreeSet<String> = pages
                .iter()
                .flat_map(|page| entries(page, "match"))
                .map(|one| tag_of(one).unwrap_or("none").to_owned())
                .collect();
            let expected = model.found(kind, &[]);
            if shown != expected {
                let more: Vec<_> = shown.difference(&expected).collect();
                let less: Vec<_> = expected.difference(&shown).collect();
                return Err(format!("{kind} with {held:?}: {more:?} too many, {less:?} missing"));
            }
        }
        Ok(ROUNDS)
    });
}

/// What is recorded of a request, as far as it follows from the request and its answer.
type Recorded = (String, String, AuditOutcome, Vec<String>, Option<i64>, bool);

#[test]
fn i13_every_request_is_recorded_once_with_what_it_was_given() {
    let door = run(Door::open(|_| {}));
    let seen = Mutex::new(BTreeSet::new());
    in_worlds_before("I-13", &door, &async |door, recipe| {
        let world = door.gateway.world(recipe, manner(recipe));
        door.relink(&world.links).await;
        let mut dice = Dice::new(recipe.seed ^ 13);
        let mut wanted: Vec<Recorded> = Vec::new();
        let mut left = ROUNDS;
        while left > 0 {
            let role = someone(&mut dice);
            let caller = door.caller(&world.links, role);
            let model = Model::new(&door.gateway, &world, &caller);
            let many = left.min(if dice.percent(30) { 1 + dice.below(4) } else { 1 });
            left -= many;
            let askings: Vec<Asking> = (0..many).map(|_| asking(door, &world, &model, role, &mut dice)).collect();
            let answers: Vec<(u16, Value)> = if many == 1 && dice.percent(80) {
                let answer = door.get(&role, &askings[0].target()).await;
                vec![(answer.status, answer.json())]
            } else {
                let entries: Vec<Value> = askings
                    .iter()
                    .map(|asking| json!({"request": {"method": "GET", "url": asking.target().trim_start_matches('/')}}))
                    .collect();
                let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries}).to_string();
                let answer = door.send(&role, "POST", "/", Some(&bundle)).await.json();
                let of = |entry: &Value| {
                    let status = entry["response"]["status"].as_str().unwrap()[..3].parse().unwrap();
                    (status, entry["resource"].clone())
                };
                answer["entry"].as_array().unwrap().iter().map(of).collect()
            };
            for (asking, (status, body)) in askings.iter().zip(answers) {
                let (outcome, released) = match status {
                    200 => {
                        let given = match body["resourceType"].as_str() {
                            Some("Bundle") if body["type"] == "history" => body["entry"].as_array().map_or(0, Vec::len),
                            Some("Bundle") => entries(&body, "match").count() + entries(&body, "include").count(),
                            _ => 1,
                        };
                        (AuditOutcome::Permitted, Some(i64::try_from(given).unwrap()))
                    }
                    400 | 403 | 404 => (AuditOutcome::Denied, None),
                    503 => (AuditOutcome::Failed, None),
                    other => return Err(format!("{other} for {}", asking.target())),
                };
                let names = asking.pairs.iter().map(|(name, _)| recorded_name(name)).collect();
                wanted.push((
                    asking.kind.to_owned(),
                    asking.interaction.to_owned(),
                    outcome,
                    names,
                    released,
                    role.has_person,
                ));
            }
        }
        let rows = rows(door, &seen, wanted.len()).await?;
        let mut found: Vec<Recorded> = rows.iter().map(recorded).collect();
        for row in &rows {
            if row.person.is_some_and(|person| person != door.person) {
                return Err(format!("another person is recorded: {row:?}"));
            }
        }
        let key = |one: &Recorded| format!("{one:?}");
        found.sort_by_key(key);
        wanted.sort_by_key(key);
        if found != wanted {
            let odd: Vec<_> = found.iter().filter(|one| !wanted.contains(one)).collect();
            let lost: Vec<_> = wanted.iter().filter(|one| !found.contains(one)).collect();
            return Err(format!("recorded {odd:?}, not {lost:?}"));
        }
        Ok(ROUNDS)
    });
}

/// A name as it may stand in the trail: what a client puts in its place is not kept.
fn recorded_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-:.".contains(c);
    if name.len() <= 64 && name.chars().all(plain) { name.to_owned() } else { "?".to_owned() }
}

fn recorded(row: &AuditRow) -> Recorded {
    (
        row.resource_type.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        row.interaction.clone().unwrap_or_default(),
        row.outcome,
        row.parameters.clone(),
        row.released,
        row.person.is_some(),
    )
}

/// The rows that were not seen before, once there are as many as wanted. One too many is found in the next world.
async fn rows(door: &Door, seen: &Mutex<BTreeSet<String>>, wanted: usize) -> Result<Vec<AuditRow>, String> {
    for _ in 0..300 {
        let mut rows = audit::recent(&door.gateway.app.db, wanted * 2 + 20).await.unwrap();
        rows.retain(|row| row.kind == "fhir" && !seen.lock().unwrap().contains(&row.id.to_string()));
        if rows.len() >= wanted {
            seen.lock().unwrap().extend(rows.iter().map(|row| row.id.to_string()));
            return Ok(rows);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err("rows are missing".to_owned())
}
