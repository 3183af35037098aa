//! The invariants, by number. Each test makes worlds until it has made its requests; a failure is shrunk to fewer
//! resources, patients and sources before it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use chartgate::fhir::ResourceType;
use chartgate::fhir::knowledge::Knowledge;
use chartgate::fhir::search::{self, Handling};
use chartgate::gateway::Refusal;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Value, json};

use super::dice::Dice;
use super::ehr::{Asked, Manner};
use super::gateway::{Caller, Gateway, entries, next_of};
use super::model::Model;
use super::request;
use super::role::ROLES;
use super::world::{Recipe, World, tag_of};
use crate::naive::{Kind, kind_of};
use crate::support::world::run;

/// Cases of each invariant; the environment makes it more.
const CASES: usize = 2_000;
/// Cases in one world.
pub(super) const ROUNDS: usize = 25;

fn recipes() -> impl Strategy<Value = Recipe> {
    (any::<u64>(), 2..=5_usize, 1..=20_usize, 50..=500_usize).prop_map(|(seed, sources, patients, resources)| Recipe {
        seed,
        sources,
        patients,
        resources,
    })
}

/// Runs `check` on worlds before a gateway of its own.
fn in_worlds(invariant: &str, check: &impl AsyncFn(&Gateway, &Recipe) -> Result<usize, String>) -> usize {
    in_worlds_before(invariant, &run(Gateway::start()), check)
}

/// Runs `check` on worlds until there were enough cases, and says how many; it says how many a world gave. Without a number in
/// `CHARTGATE_PROOF_SEED` every run makes the same worlds.
pub(super) fn in_worlds_before<T>(
    invariant: &str,
    subject: &T,
    check: &impl AsyncFn(&T, &Recipe) -> Result<usize, String>,
) -> usize {
    let number = |name: &str, usual: usize| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let wanted = number("CHARTGATE_PROOF_CASES", CASES);
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number("CHARTGATE_PROOF_SEED", 8).to_le_bytes());
    let worlds = u32::try_from(wanted.div_ceil(ROUNDS)).unwrap();
    let config = Config {
        cases: worlds,
        max_shrink_iters: u32::try_from(number("CHARTGATE_PROOF_SHRINK", 40)).unwrap(),
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let cases = AtomicUsize::new(0);
    let result = runner.run(&recipes(), |recipe| {
        let done = run(check(subject, &recipe)).map_err(TestCaseError::fail)?;
        cases.fetch_add(done, Ordering::Relaxed);
        Ok(())
    });
    let cases = cases.into_inner();
    println!("{invariant}: {cases} cases");
    if let Err(error) = result {
        panic!("{invariant} does not hold, found after {cases} cases: {error}");
    }
    assert!(cases >= wanted * 9 / 10, "only {cases} cases");
    cases
}

pub(super) fn manner(recipe: &Recipe) -> Manner {
    if recipe.seed.is_multiple_of(2) { Manner::Honest } else { Manner::Sloppy }
}

/// One who sees much, as a rule.
fn someone(gateway: &Gateway, world: &World, dice: &mut Dice) -> Caller {
    // As often as everything: some of everything, where what is left out must not show through the rest.
    let granular = ROLES.iter().find(|role| role.name == "granular").unwrap();
    let any = dice.pick(&ROLES);
    gateway.caller(&world.links, **dice.pick(&[&ROLES[0], granular, any]))
}

pub(super) fn tags(pages: &[Value]) -> Vec<String> {
    let found = pages.iter().flat_map(|page| entries(page, "match"));
    found.map(|resource| tag_of(resource).unwrap_or("none").to_owned()).collect()
}

fn outcomes(pages: &[Value]) -> Vec<String> {
    pages.iter().flat_map(|page| entries(page, "outcome")).map(|outcome| outcome["issue"].to_string()).collect()
}

/// What two answers to one request may differ in.
fn comparable(answer: &Result<Value, Refusal>) -> String {
    let mut answer = match answer {
        Ok(answer) => answer.clone(),
        Err(refusal) => return format!("{refusal:?}"),
    };
    if answer["resourceType"] == "Bundle" {
        answer["id"] = json!("");
        for link in answer["link"].as_array_mut().into_iter().flatten() {
            if link["relation"] == "next" {
                link["url"] = json!("");
            }
        }
    }
    answer.to_string()
}

/// What each request to an EHR must keep to: a source of the person, and there their own patient.
fn unconfined(asked: &[Asked], world: &World) -> Vec<String> {
    let strays = |asked: &Asked| {
        let own = world.patients(asked.source);
        let names = |value: &str| {
            let mut found = value.match_indices("Patient/").map(|(at, text)| &value[at + text.len()..]);
            found.any(|rest| !own.iter().any(|id| rest.split([',', '?', '&', '/', '|']).next() == Some(id)))
        };
        let clause = |(_, value): &(String, String)| {
            own.iter().any(|id| *value == format!("Patient/{id}") || (asked.resource_type == "Patient" && value == id))
        };
        let about = ResourceType::parse(&asked.resource_type).map(|_| kind_of(&asked.resource_type));
        let confined = match (about, &asked.id) {
            (None | Some(Kind::Never), _) => false,
            (Some(_), Some(id)) => asked.resource_type != "Patient" || own.contains(&id.as_str()),
            (Some(Kind::Subject(_) | Kind::AnySubject(_)), None) => asked.pairs.first().is_some_and(clause),
            _ => true,
        };
        own.is_empty() || !confined || asked.pairs.iter().any(|(_, value)| names(value))
    };
    asked.iter().filter(|asked| strays(asked)).map(|asked| format!("{asked:?}")).collect()
}

#[test]
fn i01_i04_i06_all_that_is_visible_is_found_nothing_else_and_no_ehr_is_asked_about_others() {
    let found = AtomicUsize::new(0);
    let cases = in_worlds("I-1, I-4 and I-6", &async |gateway, recipe| {
        let world = gateway.world(recipe, manner(recipe));
        let mut dice = Dice::new(recipe.seed ^ 1);
        let callers = [gateway.caller(&world.links, ROLES[0]), someone(gateway, &world, &mut dice)];
        let models = callers.each_ref().map(|caller| Model::new(gateway, &world, caller));
        for round in 0..ROUNDS {
            let (caller, model) = (&callers[round % 2], &models[round % 2]);
            let kind = request::searched_type(&mut dice);
            let mut query = request::search(model, &world, caller, kind, &mut dice);
            let expected = model.found(kind, &query);
            query.push(("_count".to_owned(), "500".to_owned()));
            gateway.asked();
            let pages = gateway.pages(caller, kind, &query).await;
            let says = |what: String| Err(format!("{} {kind}?{query:?}: {what}", caller.role.name));
            let strays = unconfined(&gateway.asked(), &world);
            if !strays.is_empty() {
                return says(format!("asked {strays:?}"));
            }
            match (pages, caller.role.coverage(kind, 's')) {
                (Err(Refusal::Denied(_)), None) => {}
                (Ok(pages), Some(_)) => {
                    let faults: Vec<_> = pages.iter().flat_map(|page| model.faults_of_page(page)).collect();
                    let shown = tags(&pages);
                    let distinct: BTreeSet<String> = shown.iter().cloned().collect();
                    if !faults.is_empty() || distinct != expected || distinct.len() != shown.len() {
                        let extra: Vec<_> = distinct.difference(&expected).collect();
                        let missing: Vec<_> = expected.difference(&distinct).collect();
                        return says(format!("extra {extra:?}, missing {missing:?}, of {}: {faults:?}", shown.len()));
                    }
                    if !outcomes(&pages).is_empty() {
                        return says(format!("{:?}", outcomes(&pages)));
                    }
                    found.fetch_add(shown.len(), Ordering::Relaxed);
                }
                (other, coverage) => return says(format!("{other:?} with {coverage:?}")),
            }
        }
        Ok(ROUNDS)
    });
    let found = found.into_inner();
    println!("I-4: {found} resources found");
    assert!(found * 2 > cases, "only {found} resources were found: the worlds show nothing");
}

/// A world that differs in what the caller does not see, and in nothing else.
fn disturbed(world: &World, model: &Model<'_>, dice: &mut Dice) -> World {
    let mut other = world.clone();
    for (source, held) in other.held.iter_mut().enumerate() {
        let patients = world.patients(source);
        let mut kept = Vec::new();
        for mut resource in std::mem::take(held) {
            let own = resource["resourceType"] == "Patient" && patients.contains(&resource["id"].as_str().unwrap());
            if own || model.sees(source, &resource, 'r') || model.sees(source, &resource, 's') {
                kept.push(resource);
                continue;
            }
            match dice.below(3) {
                0 => continue,
                1 => resource["disturbed"] = json!(dice.next()),
                _ => {}
            }
            kept.push(resource);
        }
        if dice.percent(50) {
            let recipe = Recipe { seed: dice.next(), resources: 30, ..world.recipe.clone() };
            let strangers = World::new(&recipe, &world.bases);
            let known: BTreeSet<String> =
                kept.iter().map(|held| format!("{}/{}", held["resourceType"], held["id"])).collect();
            for stranger in strangers.held[source].iter().filter(|held| held["resourceType"] != "Patient") {
                let is_new = !known.contains(&format!("{}/{}", stranger["resourceType"], stranger["id"]));
                // What visible things may point at would become visible with it.
                let is_personal = matches!(kind_of(stranger["resourceType"].as_str().unwrap()), Kind::Subject(_));
                if is_new && is_personal && !model.sees(source, stranger, 'r') && !model.sees(source, stranger, 's') {
                    kept.push(stranger.clone());
                }
            }
        }
        *held = kept;
    }
    other
}

#[test]
fn i02_what_is_not_visible_changes_no_byte_of_an_answer() {
    in_worlds("I-2", &async |gateway, recipe| {
        let world = gateway.world(recipe, manner(recipe));
        let mut dice = Dice::new(recipe.seed ^ 2);
        let caller = someone(gateway, &world, &mut dice);
        let model = Model::new(gateway, &world, &caller);
        let other = disturbed(&world, &model, &mut dice);
        let mut requests = Vec::new();
        for _ in 0..ROUNDS {
            let kind = request::searched_type(&mut dice);
            let mut query = request::search(&model, &world, &caller, kind, &mut dice);
            let sort = dice.pick(&["", "_lastUpdated", "-_id"]);
            if !sort.is_empty() && *sort != "-_id" {
                query.push(("_sort".to_owned(), (*sort).to_owned()));
            }
            query.push(("_count".to_owned(), (1 + dice.below(30)).to_string()));
            requests.push((kind, query));
        }
        let mut answers = Vec::new();
        for held in [&world, &other] {
            gateway.hold(held, manner(recipe));
            let mut all = Vec::new();
            for (kind, query) in &requests {
                // An EHR that mixes others in makes pages come short, with a link to the rest: what is shown on all
                // of them together is the same.
                if manner(recipe) == Manner::Sloppy {
                    let pages = gateway.pages(&caller, kind, query).await;
                    let shown = |pages: Vec<Value>| -> Vec<String> {
                        pages.iter().flat_map(|page| entries(page, "match")).map(Value::to_string).collect()
                    };
                    all.push(format!("{:?}", pages.map(shown)));
                    all.push(String::new());
                    continue;
                }
                let first = gateway.search(&caller, kind, query, Handling::Strict).await;
                all.push(comparable(&first));
                // The page after it as well.
                if let Some(next) = first.ok().as_ref().and_then(next_of) {
                    all.push(comparable(&gateway.search(&caller, kind, &next, Handling::Strict).await));
                } else {
                    all.push(String::new());
                }
            }
            answers.push(all);
        }
        for (index, (one, two)) in answers[0].iter().zip(&answers[1]).enumerate() {
            if one != two {
                return Err(format!("{:?}\n{one}\n{two}", requests[index / 2]));
            }
        }
        Ok(ROUNDS)
    });
}

#[test]
fn i03_less_leave_never_shows_more() {
    in_worlds("I-3", &async |gateway, recipe| {
        let world = gateway.world(recipe, manner(recipe));
        let mut dice = Dice::new(recipe.seed ^ 3);
        let whole = gateway.caller(&world.links, ROLES[0]);
        let model = Model::new(gateway, &world, &whole);
        for _ in 0..ROUNDS {
            let kind = request::searched_type(&mut dice);
            let mut query = request::search(&model, &world, &whole, kind, &mut dice);
            query.push(("_count".to_owned(), "500".to_owned()));
            // The same person with a chart less, or with narrower scopes.
            let (mut subject, mut role) = ((*whole.subject).clone(), whole.role);
            if dice.percent(50) {
                subject.links.remove(dice.below(world.links.len()));
            } else {
                role = *dice.pick(&ROLES);
                subject.scopes = chartgate::oauth::scope::ScopeSet::parse(role.scopes).0;
            }
            let less = Caller { subject: subject.into(), person: whole.person, role };
            let (Ok(all), Ok(some)) =
                (gateway.pages(&whole, kind, &query).await, gateway.pages(&less, kind, &query).await)
            else {
                continue;
            };
            let (all, some): (BTreeSet<_>, BTreeSet<_>) =
                (tags(&all).into_iter().collect(), tags(&some).into_iter().collect());
            if !some.is_subset(&all) {
                let more: Vec<_> = some.difference(&all).collect();
                return Err(format!("{} {kind}?{query:?} shows {more:?} more", less.role.name));
            }
        }
        Ok(ROUNDS)
    });
}

#[test]
fn i05_pages_are_the_whole_and_open_for_nobody_else() {
    in_worlds("I-5", &async |gateway, recipe| {
        let world = gateway.world(recipe, manner(recipe));
        let mut dice = Dice::new(recipe.seed ^ 5);
        let caller = gateway.caller(&world.links, ROLES[0]);
        let model = Model::new(gateway, &world, &caller);
        for _ in 0..ROUNDS {
            let kind = request::searched_type(&mut dice);
            let mut query = request::search(&model, &world, &caller, kind, &mut dice);
            if ["Observation", "DiagnosticReport", "Encounter"].contains(&kind) && dice.percent(60) {
                query.push(("_sort".to_owned(), (*dice.pick(&["date", "-date", "status,-date"])).to_owned()));
            }
            let with = |count: usize| {
                let mut query = query.clone();
                query.push(("_count".to_owned(), count.to_string()));
                query
            };
            let whole = gateway.pages(&caller, kind, &with(500)).await.map_err(|refusal| format!("{refusal:?}"))?;
            let all = tags(&whole);
            let count = 1 + all.len() / (1 + dice.below(3));
            let pages = gateway.pages(&caller, kind, &with(count)).await.map_err(|refusal| format!("{refusal:?}"))?;
            let says = |what: String| Err(format!("{kind}?{query:?} in pages of {count}: {what}"));
            if tags(&pages) != all {
                return says(format!("{:?}, not {all:?}", tags(&pages)));
            }
            if let Some(full) = pages.iter().find(|page| entries(page, "match").count() > count) {
                return says(format!("{} on a page", entries(full, "match").count()));
            }
            // A handle is bound to whom it was made for, to what they may do, and to their charts.
            let Some(next) = next_of(&pages[0]) else { continue };
            let stranger = gateway.caller(&world.links, ROLES[0]);
            let mut narrower = (*caller.subject).clone();
            narrower.scopes = chartgate::oauth::scope::ScopeSet::parse("patient/Observation.rs patient/*.s").0;
            let narrower = Caller { subject: narrower.into(), ..caller.clone() };
            let mut unlinked = (*caller.subject).clone();
            unlinked.links.remove(0);
            let unlinked = Caller { subject: unlinked.into(), ..caller.clone() };
            for (who, other) in [("a stranger", stranger), ("other scopes", narrower), ("a chart less", unlinked)] {
                match gateway.search(&other, kind, &next, Handling::Strict).await {
                    Err(Refusal::Invalid { .. } | Refusal::Denied(_)) => {}
                    other => return says(format!("{who}: {other:?}")),
                }
            }
        }
        Ok(ROUNDS)
    });
}

#[test]
fn i09_ids_lead_back_and_what_is_hidden_is_what_is_not_there() {
    in_worlds("I-9", &async |gateway, recipe| {
        let world = gateway.world(recipe, Manner::Honest);
        let mut dice = Dice::new(recipe.seed ^ 9);
        let caller = someone(gateway, &world, &mut dice);
        let model = Model::new(gateway, &world, &caller);
        // Every id that was given out leads to what it was given for, and to nothing else.
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        let kind = request::searched_type(&mut dice);
        let pages = gateway.pages(&caller, kind, &[("_count".to_owned(), "500".to_owned())]).await.unwrap_or_default();
        for resource in pages.iter().flat_map(|page| entries(page, "match")) {
            let (id, tag) = (resource["id"].as_str().unwrap().to_owned(), tag_of(resource).unwrap_or_default());
            if let Some(other) = given.insert(id.clone(), tag.to_owned()) {
                return Err(format!("{kind}/{id} is {tag} and {other}"));
            }
        }
        let readable = caller.role.coverage(kind, 'r').is_some();
        for (id, tag) in given.iter().take(8).filter(|_| readable) {
            let (_, held) = world.find(tag).ok_or("an untagged resource")?;
            let source = world.held.iter().position(|all| all.iter().any(|one| std::ptr::eq(one, held))).unwrap();
            match gateway.read(&caller, kind, id).await {
                Ok(read) if tag_of(&read) == Some(tag) => {}
                Err(Refusal::NotFound) if !model.sees(source, held, 'r') => {}
                other => return Err(format!("{kind}/{id} was given for {tag} and reads {other:?}")),
            }
        }
        for _ in 0..ROUNDS {
            let source = dice.below(world.held.len());
            let held = dice.pick(&world.held[source]);
            let (kind, id) = (held["resourceType"].as_str().unwrap(), held["id"].as_str().unwrap());
            let plain = format!("{}.{id}", gateway.keys[source]);
            if kind == "Binary" || plain.len() > 64 || id.starts_with("h-") {
                continue;
            }
            gateway.asked();
            let read = gateway.read(&caller, kind, &plain).await;
            let strays = unconfined(&gateway.asked(), &world);
            if !strays.is_empty() {
                return Err(format!("{kind}/{plain}: asked {strays:?}"));
            }
            let visible = match kind {
                "Patient" => caller.role.coverage("Patient", 'r').is_some() && world.patients(source).contains(&id),
                _ => model.sees(source, held, 'r'),
            };
            match &read {
                Ok(shown) if visible => {
                    let faults = model.faults(shown, 'r');
                    if !faults.is_empty() {
                        return Err(format!("{} {kind}/{plain}: {faults:?}", caller.role.name));
                    }
                }
                Err(_) if !visible => {
                    let never = gateway.read(&caller, kind, &format!("{}.never", gateway.keys[source])).await;
                    if comparable(&read) != comparable(&never) {
                        return Err(format!("{kind}/{plain} is hidden as {read:?}, not there is {never:?}"));
                    }
                }
                other => return Err(format!("{} {kind}/{plain}, visible {visible}: {other:?}", caller.role.name)),
            }
        }
        Ok(ROUNDS)
    });
}

#[test]
fn i10_hostile_ehrs_make_nobody_see_more() {
    in_worlds("I-10", &async |gateway, recipe| {
        let world = gateway.world(recipe, Manner::Hostile);
        super::leaks::attack(gateway, &world, ROUNDS, &mut super::leaks::Grid::new(recipe.seed)).await.map(|_| ROUNDS)
    });
}

#[test]
fn i14_a_denial_tells_nothing_of_the_data() {
    in_worlds("I-14", &async |gateway, recipe| {
        let world = gateway.world(recipe, Manner::Honest);
        let mut dice = Dice::new(recipe.seed ^ 14);
        let keys: Vec<String> = gateway.keys.iter().map(ToString::to_string).collect();
        let cells = request::cells();
        let mut requests = Vec::new();
        for _ in 0..ROUNDS {
            let caller = gateway.caller(&world.links, *dice.pick(&ROLES));
            let cell = dice.pick(cells);
            let pairs = cell
                .parameter
                .as_ref()
                .map(|name| request::parameters(&world, &keys, &caller, (cell.kind, name), &mut dice));
            let id = request::read_id(&world, &keys, &caller, cell.kind.as_str(), &mut dice);
            requests.push((caller, cell.kind.as_str(), pairs, id));
        }
        // The same charts at EHRs that hold something else and do harm.
        let mut other = World::new(&Recipe { seed: recipe.seed ^ 77, ..recipe.clone() }, &world.bases);
        other.links.clone_from(&world.links);
        let mut denials = Vec::new();
        for (held, manner) in [(&world, Manner::Honest), (&other, Manner::Hostile)] {
            gateway.hold(held, manner);
            let mut all = Vec::new();
            for (caller, kind, pairs, id) in &requests {
                let answer = match pairs {
                    Some(pairs) => gateway.search(caller, kind, pairs, Handling::Strict).await,
                    None => gateway.read(caller, kind, id).await,
                };
                all.push(match answer {
                    Err(refusal @ (Refusal::Denied(_) | Refusal::Invalid { .. })) => Some(refusal),
                    _ => None,
                });
            }
            denials.push(all);
        }
        for (index, (one, two)) in denials[0].iter().zip(&denials[1]).enumerate() {
            if one != two {
                let (caller, kind, pairs, id) = &requests[index];
                return Err(format!("{} {kind} {pairs:?} {id}: {one:?}, then {two:?}", caller.role.name));
            }
        }
        Ok(ROUNDS)
    });
}

#[test]
fn i16_a_query_prints_as_it_reads_and_every_spelling_asks_the_same() {
    let knowledge = Knowledge::embedded().unwrap();
    in_worlds("I-16", &async |gateway, recipe| {
        let world = gateway.world(recipe, manner(recipe));
        let mut dice = Dice::new(recipe.seed ^ 16);
        let keys: Vec<String> = gateway.keys.iter().map(ToString::to_string).collect();
        let cells = request::cells();
        let caller = gateway.caller(&world.links, ROLES[0]);
        let model = Model::new(gateway, &world, &caller);
        for _ in 0..ROUNDS {
            // From the grammar's edges: what is read prints to a fixed point.
            let cell = dice.pick(cells);
            let name = cell.parameter.as_deref().unwrap_or("_id");
            let pairs = request::parameters(&world, &keys, &caller, (cell.kind, name), &mut dice);
            let handling = if dice.percent(50) { Handling::Strict } else { Handling::Lenient };
            if let Ok(mut query) = search::parse(knowledge, cell.kind, &pairs, handling) {
                query.ignored.clear();
                let printed = query.to_pairs();
                let again = search::parse(knowledge, cell.kind, &printed, Handling::Strict);
                if again.as_ref() != Ok(&query) {
                    return Err(format!("{} {pairs:?} prints as {printed:?}, which reads as {again:?}", cell.kind));
                }
            }
            // Two spellings, one plan.
            let kind = request::searched_type(&mut dice);
            let query = request::search(&model, &world, &caller, kind, &mut dice);
            let mut respelled: Vec<(String, String)> = query.iter().rev().cloned().collect();
            let person = caller.person.to_string();
            for (name, value) in &mut respelled {
                if ["patient", "subject"].contains(&name.as_str()) && value.ends_with(&person) {
                    *value = (*dice.pick(&[person.clone(), format!("Patient/{person}")])).clone();
                }
            }
            let mut asked = Vec::new();
            let mut found = Vec::new();
            for query in [&query, &respelled] {
                gateway.asked();
                let pages = gateway.pages(&caller, kind, query).await.map_err(|refusal| format!("{refusal:?}"))?;
                found.push(tags(&pages));
                let mut calls = gateway.asked();
                calls.iter_mut().for_each(|call| call.pairs.sort());
                calls.sort();
                calls.dedup();
                asked.push(calls);
            }
            if found[0] != found[1] || asked[0] != asked[1] {
                return Err(format!("{kind} {query:?} and {respelled:?} ask {asked:?}"));
            }
        }
        Ok(ROUNDS)
    });
}
