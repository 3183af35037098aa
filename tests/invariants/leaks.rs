//! Hostile EHRs and callers who try everything: every place of the table type × interaction × parameter × role is
//! visited in turn, and whatever comes out is held against the model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use chartgate::fhir::search::Handling;
use chartgate::gateway::Refusal;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use super::dice::Dice;
use super::ehr::Manner;
use super::gateway::{Gateway, entries, next_of};
use super::model::Model;
use super::request::{self, Cell};
use super::role::ROLES;
use super::world::{Recipe, World};
use crate::support::world::run;

/// Where the walk through the table stands, and what it met.
pub(super) struct Grid {
    cells: &'static [Cell],
    at: usize,
    dice: Dice,
    /// Places that were visited: cell and role.
    pub(super) visited: BTreeSet<(usize, usize)>,
    /// How requests ended.
    pub(super) ended: BTreeMap<&'static str, usize>,
    pub(super) resources: usize,
}

impl Grid {
    /// Begins somewhere.
    pub(super) fn new(seed: u64) -> Self {
        let cells = request::cells();
        let mut dice = Dice::new(seed);
        let at = dice.below(cells.len() * ROLES.len());
        Self { cells, at, dice, visited: BTreeSet::new(), ended: BTreeMap::new(), resources: 0 }
    }

    fn size(&self) -> usize {
        self.cells.len() * ROLES.len()
    }
}

/// Sends so many requests, each from the next place of the table.
pub(super) async fn attack(gateway: &Gateway, world: &World, requests: usize, grid: &mut Grid) -> Result<(), String> {
    let keys: Vec<String> = gateway.keys.iter().map(ToString::to_string).collect();
    let callers: Vec<_> = ROLES.iter().map(|role| gateway.caller(&world.links, *role)).collect();
    let models: Vec<_> = callers.iter().map(|caller| Model::new(gateway, world, caller).before_forgers()).collect();
    let mut planned = Vec::new();
    for _ in 0..requests {
        // A step that shares no factor with the size of the table visits all of it.
        grid.at = (grid.at + 7_919) % grid.size();
        let (cell_at, mut role) = (grid.at / ROLES.len(), grid.at % ROLES.len());
        grid.visited.insert((cell_at, role));
        let cell = grid.cells[cell_at].clone();
        let whole = grid.visited.len() == grid.size();
        let dice = &mut grid.dice;
        // Once every place was visited: more often those who are shown something.
        if whole && dice.percent(80) {
            let action = if cell.parameter.is_some() { 's' } else { 'r' };
            let sees = |role: &usize| ROLES[*role].coverage(cell.kind.as_str(), action).is_some();
            let seeing: Vec<usize> = (0..ROLES.len()).filter(sees).collect();
            role = if seeing.is_empty() { role } else { *dice.pick(&seeing) };
        }
        let pairs = cell
            .parameter
            .as_ref()
            .map(|name| request::parameters(world, &keys, &callers[role], (cell.kind, name), dice));
        let id = request::read_id(world, &keys, &callers[role], cell.kind.as_str(), dice);
        let handling = if dice.percent(50) { Handling::Strict } else { Handling::Lenient };
        planned.push((cell, role, pairs, id, handling));
    }
    let sent = planned.iter().map(async |(cell, role, pairs, id, handling)| {
        let (caller, model, kind) = (&callers[*role], &models[*role], cell.kind.as_str());
        let mut answers = Vec::new();
        match pairs {
            None => answers.push(gateway.read(caller, kind, id).await),
            Some(pairs) => {
                answers.push(gateway.search(caller, kind, pairs, *handling).await);
                if let Some(next) = answers[0].as_ref().ok().and_then(next_of) {
                    answers.push(gateway.search(caller, kind, &next, *handling).await);
                }
            }
        }
        let mut faults = Vec::new();
        for answer in &answers {
            if let Ok(shown) = answer {
                let is_page = shown["resourceType"] == "Bundle";
                let found = if is_page { entries(shown, "match").collect() } else { vec![shown] };
                let others = found.iter().filter(|one| one["resourceType"] != kind);
                faults.extend(others.map(|one| format!("another type: {}", one["resourceType"])));
            }
            faults.extend(match answer {
                Ok(page) if page["resourceType"] == "Bundle" => model.faults_of_page(page),
                // A Binary has no mark: its bytes and names are looked at.
                Ok(shown) if kind == "Binary" => {
                    let mut faults = Vec::new();
                    model.names(shown, &[], &mut faults);
                    faults
                }
                Ok(shown) => model.faults(shown, 'r'),
                Err(refusal) => {
                    let mut faults = Vec::new();
                    model.names(&Value::String(format!("{refusal:?}")), &[], &mut faults);
                    // The caller's own words come back in a refusal; nothing else does.
                    faults.retain(|_| !matches!(refusal, Refusal::Invalid { .. }));
                    faults
                }
            });
        }
        if faults.is_empty() {
            Ok(answers)
        } else {
            Err(format!("{} {kind} {pairs:?} {id}: {faults:?}", caller.role.name))
        }
    });
    let results: Vec<_> = stream::iter(sent).buffer_unordered(8).collect().await;
    for result in results {
        for answer in result? {
            let (end, resources) = match &answer {
                Ok(page) => {
                    let entries = page["entry"].as_array().map_or(0, Vec::len);
                    let is_page = page["resourceType"] == "Bundle";
                    (if is_page && entries == 0 { "empty" } else { "answered" }, if is_page { entries } else { 1 })
                }
                Err(Refusal::Denied(_)) => ("denied", 0),
                Err(Refusal::Invalid { .. }) => ("invalid", 0),
                Err(Refusal::NotFound) => ("not found", 0),
                Err(_) => ("unavailable", 0),
            };
            *grid.ended.entry(end).or_default() += 1;
            grid.resources += resources;
        }
    }
    Ok(())
}

/// The long form: `scripts/prove leaks`.
#[test]
#[ignore = "long: scripts/prove leaks"]
fn a_million_hostile_requests_leak_nothing() {
    let wanted: usize = std::env::var("CHARTGATE_PROOF_REQUESTS").map_or(20_000, |text| text.parse().unwrap());
    let seed: u64 = std::env::var("CHARTGATE_PROOF_SEED").map_or(1, |text| text.parse().unwrap());
    let sent = AtomicUsize::new(0);
    let grids = run(async {
        let gateways = futures_util::future::join_all([Gateway::start(), Gateway::start()]).await;
        let walks = gateways.iter().zip(1_u64..).map(async |(gateway, part)| {
            let mut dice = Dice::of(seed, usize::try_from(part).unwrap());
            let mut grid = Grid::new(dice.next());
            while sent.load(Ordering::Relaxed) < wanted || grid.visited.len() < grid.size() {
                let recipe = Recipe {
                    seed: dice.next(),
                    sources: 2 + dice.below(4),
                    patients: 1 + dice.below(20),
                    resources: 50 + dice.below(451),
                };
                let manner = *dice.pick(&[Manner::Hostile, Manner::Hostile, Manner::Hostile, Manner::Sloppy]);
                let world = gateway.world(&recipe, manner);
                let result = attack(gateway, &world, 400, &mut grid).await;
                let count = sent.fetch_add(400, Ordering::Relaxed) + 400;
                assert!(
                    result.is_ok(),
                    "a leak after {count} requests, {recipe:?} {manner:?}: {}",
                    result.unwrap_err()
                );
                if count.is_multiple_of(100_000) {
                    println!("{count} requests");
                }
                gateway.asked();
            }
            grid
        });
        futures_util::future::join_all(walks).await
    });
    let mut ended: BTreeMap<&str, usize> = BTreeMap::new();
    for (end, count) in grids.iter().flat_map(|grid| &grid.ended) {
        *ended.entry(end).or_default() += count;
    }
    let size = grids[0].size();
    let visited: BTreeSet<_> = grids.iter().flat_map(|grid| grid.visited.iter().copied()).collect();
    let resources: usize = grids.iter().map(|grid| grid.resources).sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim();
    println!("{} requests, {resources} resources shown and checked, 0 leaks", sent.into_inner());
    println!("{} of {size} places of type × interaction × parameter × role", visited.len());
    println!("ends: {ended:?}; peak memory {peak}");
    assert_eq!(visited.len(), size, "not every place was visited");
}
