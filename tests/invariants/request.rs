//! Requests: searches that the model can answer, and requests from the edges of the grammar.

use std::sync::LazyLock;

use chartgate::fhir::ResourceType;
use chartgate::fhir::knowledge::{Knowledge, SearchKind};

use super::dice::Dice;
use super::gateway::{Caller, GATEWAY, Pairs};
use super::model::Model;
use super::world::{CATEGORIES, CODES, DATES, STATUSES, World};
use crate::naive::{Kind, kind_of};

/// The parameters that the worlds have values for.
const SEARCHED: &[(&str, &[&str])] = &[
    (
        "Observation",
        &["status", "code", "category", "date", "encounter", "performer", "subject", "patient", "value-quantity"],
    ),
    ("Condition", &["clinical-status", "code", "category", "onset-date", "encounter", "patient"]),
    ("MedicationRequest", &["status", "authoredon", "encounter", "medication", "patient"]),
    ("Medication", &["code"]),
    ("Encounter", &["status", "date", "patient"]),
    ("Appointment", &["status", "actor", "practitioner", "patient"]),
    ("Communication", &["status", "sent", "sender", "recipient"]),
    ("DiagnosticReport", &["status", "code", "category", "date", "encounter", "patient"]),
    ("DocumentReference", &["status", "category", "patient"]),
    ("Procedure", &["status", "code", "date", "patient"]),
    ("Immunization", &["status", "patient"]),
    ("Task", &["status", "patient"]),
    ("Coverage", &["status", "patient"]),
    ("Device", &["status", "patient"]),
    ("Practitioner", &["name"]),
    ("Organization", &["name"]),
    ("Location", &["name"]),
    ("Provenance", &["recorded", "target"]),
    ("PaymentNotice", &["request"]),
];

/// A type that can be searched, the common ones more often.
pub(super) fn searched_type(dice: &mut Dice) -> &'static str {
    if dice.percent(75) {
        return dice.pick(SEARCHED).0;
    }
    loop {
        let kind = dice.pick(ResourceType::ALL).as_str();
        if !matches!(kind_of(kind), Kind::Never) && !["Binary", "Patient"].contains(&kind) {
            return kind;
        }
    }
}

/// A search of the type whose answer the model can tell.
pub(super) fn search(model: &Model<'_>, world: &World, caller: &Caller, kind: &str, dice: &mut Dice) -> Pairs {
    let names = SEARCHED.iter().find(|(known, _)| *known == kind).map_or(&[][..], |(_, names)| names);
    let mut pairs = Pairs::new();
    // Few conditions as a rule: what finds nothing shows nothing.
    for _ in 0..*dice.pick(&[0, 0, 0, 1, 1, 1, 2, 3]) {
        if names.is_empty() || dice.percent(12) {
            pairs.push(("_id".to_owned(), ids(model, world, kind, dice)));
            continue;
        }
        let name = *dice.pick(names);
        pairs.push(value(model, world, caller, name, dice));
    }
    pairs
}

fn value(model: &Model<'_>, world: &World, caller: &Caller, name: &str, dice: &mut Dice) -> (String, String) {
    let person = caller.person;
    let text = match name {
        "status" | "clinical-status" => match dice.below(6) {
            0 => return (format!("{name}:not"), (*dice.pick(STATUSES)).to_owned()),
            1 => format!("{},{}", dice.pick(STATUSES), dice.pick(STATUSES)),
            2 => return (format!("{name}:missing"), (*dice.pick(&["true", "false"])).to_owned()),
            _ => (*dice.pick(STATUSES)).to_owned(),
        },
        "code" | "category" => {
            let code = escape(dice.pick::<&str>(if name == "code" { CODES } else { CATEGORIES }));
            match dice.below(6) {
                0 => format!("http://loinc.org|{code}"),
                1 => format!("|{code}"),
                2 => "http://loinc.org|".to_owned(),
                3 => format!("{code},nothing"),
                _ => code,
            }
        }
        "date" | "onset-date" | "authoredon" | "sent" | "recorded" => {
            let prefix = dice.pick(&["", "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb"]);
            format!("{prefix}{}", dice.pick(DATES))
        }
        "value-quantity" => format!("{}{}", dice.pick(&["", "gt", "le", "ne"]), dice.below(20)),
        "name" => (*dice.pick(&["a", "Am", "NORTH", "okon", "none"])).to_owned(),
        "patient" | "subject" | "actor" if dice.percent(70) => match dice.below(3) {
            0 => person.to_string(),
            1 => format!("Patient/{person}"),
            _ => format!("{GATEWAY}/Patient/{person}"),
        },
        "patient" | "subject" | "actor" => stranger(model, world, dice),
        "encounter" => format!("Encounter/{}", ids(model, world, "Encounter", dice)),
        "medication" => format!("Medication/{}", ids(model, world, "Medication", dice)),
        "practitioner" => format!("Practitioner/{}", ids(model, world, "Practitioner", dice)),
        "performer" | "sender" | "recipient" => match dice.below(3) {
            0 => format!("Patient/{person}"),
            1 => stranger(model, world, dice),
            _ => format!("Practitioner/{}", ids(model, world, "Practitioner", dice)),
        },
        "target" | "request" => {
            let kind =
                *dice.pick(&["Observation", "Condition", "Medication", "Practitioner", "Encounter", "Provenance"]);
            format!("{kind}/{}", ids(model, world, kind, dice))
        }
        other => panic!("no values for {other}"),
    };
    (name.to_owned(), text)
}

/// Somebody else, in the forms in which they can be named.
fn stranger(model: &Model<'_>, world: &World, dice: &mut Dice) -> String {
    match dice.below(3) {
        0 => format!("Patient/p{}", dice.below(world.recipe.patients)),
        1 => "Patient/0b7c2e1a-3d4f-4a5b-8c6d-7e8f9a0b1c2d".to_owned(),
        _ => format!("Patient/{}", model.stranger(dice.below(world.held.len())).unwrap_or("none".to_owned())),
    }
}

/// The id at the gateway of some resource of the type, whoever's it is.
fn ids(model: &Model<'_>, world: &World, kind: &str, dice: &mut Dice) -> String {
    let source = dice.below(world.held.len());
    let held: Vec<&str> = world.held[source]
        .iter()
        .filter(|resource| resource["resourceType"] == *kind)
        .filter_map(|resource| resource["id"].as_str())
        .collect();
    let known = (!held.is_empty()).then(|| *dice.pick(&held)).and_then(|id| model.gateway_id(source, kind, id));
    known.unwrap_or_else(|| "never.never".to_owned())
}

fn escape(text: &str) -> String {
    text.chars().flat_map(|c| if "\\,|$".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}

/// One place of the table of requests: type, interaction, parameter, by index into what [`cells`] lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) kind: ResourceType,
    /// `None` for a read.
    pub(super) parameter: Option<String>,
}

/// Parameters that are no search parameters of a type.
const CONTROLS: &[&str] = &[
    "_id",
    "_lastUpdated",
    "_sort",
    "_count",
    "_total",
    "_summary",
    "_elements",
    "_include",
    "_revinclude",
    "_has",
    "_filter",
    "_list",
    "_query",
    "_text",
    "_content",
    "_security",
    "_page",
    "nonsense",
    "",
];

/// Every type with a read, and with each parameter of a search.
pub(super) fn cells() -> &'static [Cell] {
    static CELLS: LazyLock<Vec<Cell>> = LazyLock::new(every_cell);
    &CELLS
}

fn every_cell() -> Vec<Cell> {
    let knowledge = Knowledge::embedded().unwrap();
    let mut cells = Vec::new();
    for kind in ResourceType::ALL.iter().copied() {
        cells.push(Cell { kind, parameter: None });
        let own = knowledge.of(kind).parameters.iter().map(|parameter| parameter.name.clone());
        let names: std::collections::BTreeSet<String> =
            own.chain(CONTROLS.iter().map(|name| (*name).to_owned())).collect();
        cells.extend(names.into_iter().map(|name| Cell { kind, parameter: Some(name) }));
    }
    cells
}

const MODIFIERS: &[&str] = &[
    "",
    "",
    "",
    "",
    ":not",
    ":missing",
    ":exact",
    ":contains",
    ":text",
    ":identifier",
    ":Patient",
    ":above",
    ".name",
    ":",
];

const EDGES: &[&str] = &[
    "",
    ",",
    "\\",
    "|",
    "||",
    "$",
    "a|b|c",
    "\\,\\|\\$",
    "eq",
    "ge2020",
    "2020-13",
    "-0.0",
    "1e400",
    "true",
    "*",
    "..",
    "%2e",
    "é",
    "\u{0}",
    "\u{202e}",
    "Patient/",
    "Patient/*",
    "Patient?x",
    "#c",
    "urn:uuid:x",
    "'",
    "\"",
    "{}",
    "0",
];

/// An id or reference that a caller might try.
fn bait(world: &World, keys: &[String], caller: &Caller, kind: &str, dice: &mut Dice) -> String {
    let source = dice.below(world.held.len());
    let resource = dice.pick(&world.held[source]);
    let (held_kind, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
    let key = &keys[source];
    match dice.below(12) {
        0 => caller.person.to_string(),
        1 => format!("Patient/{}", caller.person),
        2 => id.to_owned(),
        3 => format!("{key}.{id}"),
        4 => format!("{held_kind}/{key}.{id}"),
        5 => format!("Patient/{key}.p{}", dice.below(world.recipe.patients)),
        6 => format!("{}/{held_kind}/{id}", world.bases[source]),
        7 => format!("{GATEWAY}/{kind}/{key}.{id}"),
        8 => format!("p{}", dice.below(world.recipe.patients)),
        9 => format!("{key}.h-{}", "a".repeat(26)),
        10 => format!("{key}.{id},{key}.{id}x"),
        _ => (*dice.pick(EDGES)).to_owned(),
    }
}

/// The id of a read in this cell.
pub(super) fn read_id(world: &World, keys: &[String], caller: &Caller, kind: &str, dice: &mut Dice) -> String {
    let source = dice.below(world.held.len());
    let held: Vec<_> = world.held[source].iter().filter(|resource| resource["resourceType"] == *kind).collect();
    if held.is_empty() || dice.percent(15) {
        return bait(world, keys, caller, kind, dice);
    }
    format!("{}.{}", keys[source], dice.pick(&held)["id"].as_str().unwrap())
}

/// The parameters of a search in this cell.
pub(super) fn parameters(
    world: &World,
    keys: &[String],
    caller: &Caller,
    (kind, name): (ResourceType, &str),
    dice: &mut Dice,
) -> Pairs {
    let known = Knowledge::embedded().unwrap().of(kind);
    let mut pairs = Pairs::new();
    let names: Vec<&str> = known.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let others = if dice.percent(70) { 0 } else { 1 + dice.below(3) };
    for at in 0..=others {
        let name = if at == 0 || names.is_empty() { name } else { *dice.pick(&names) };
        let modifier = if dice.percent(75) { "" } else { *dice.pick(MODIFIERS) };
        let search_kind = known.parameter(name).map(|parameter| parameter.kind);
        let value = match (name, search_kind) {
            ("_count", _) => (*dice.pick(&["0", "1", "3", "500", "-1", "x"])).to_owned(),
            ("_summary", _) => (*dice.pick(&["true", "text", "data", "count", "false", "x"])).to_owned(),
            ("_total", _) => (*dice.pick(&["none", "accurate", "estimate"])).to_owned(),
            ("_sort" | "_elements", _) => {
                (*dice.pick(&["-date", "status,code", "_id", "id", "subject", "-_lastUpdated"])).to_owned()
            }
            ("_include", _) => format!("{kind}:{}", if names.is_empty() { "subject" } else { *dice.pick(&names) }),
            ("_revinclude", _) => {
                (*dice.pick(&["Provenance:target", "Observation:subject", "*", "Task:focus"])).to_owned()
            }
            (_, Some(SearchKind::Reference)) => bait(world, keys, caller, kind.as_str(), dice),
            (_, Some(SearchKind::Date)) if dice.percent(70) => {
                format!("{}{}", dice.pick(&["", "ge", "lt", "ap"]), dice.pick(DATES))
            }
            (_, Some(SearchKind::Token)) if dice.percent(70) => {
                let words = if dice.percent(50) { STATUSES } else { CODES };
                (*dice.pick(words)).to_owned()
            }
            (_, Some(SearchKind::Quantity | SearchKind::Number)) if dice.percent(70) => format!("ge{}", dice.below(20)),
            _ if dice.percent(40) => bait(world, keys, caller, kind.as_str(), dice),
            _ => (*dice.pick(EDGES)).to_owned(),
        };
        pairs.push((format!("{name}{modifier}"), value));
    }
    pairs
}
