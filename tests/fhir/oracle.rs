//! What one person must see, worked out from what the EHRs hold: a walk over plain JSON with the rules of
//! `tests/naive`. And the other way round: what an answered resource is upstream, and whether it was changed only as it
//! had to be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use chartgate::fhir::ResourceType;
use chartgate::storage::hashed_ids::{self, HashedTarget};

use crate::naive::{self, Kind, at, kind_of, local};
use crate::support::world::{Person, Practice, World};

/// A resource at a practice: index of the practice, type, id there.
pub(super) type Upstream = (usize, String, String);

/// What a person may see.
pub(super) struct Visible<'w> {
    pub(super) world: &'w World,
    pub(super) person: &'w Person,
    pub(super) resources: BTreeMap<Upstream, &'w Value>,
}

impl<'w> Visible<'w> {
    pub(super) fn of(world: &'w World, person: &str) -> Self {
        let person = world.person(person);
        let mut resources = BTreeMap::new();
        let practices: BTreeSet<usize> = person.links.iter().map(|(practice, _)| *practice).collect();
        for index in practices {
            for (resource_type, id) in visible_at(&world.practices[index], &patients(person, index)) {
                let resource = world.practices[index].find(&resource_type, &id).unwrap();
                resources.insert((index, resource_type, id), resource);
            }
        }
        Self { world, person, resources }
    }

    /// Those of one type.
    pub(super) fn of_type(&self, resource_type: &str) -> BTreeMap<Upstream, &'w Value> {
        let of_type = self.resources.iter().filter(|((_, kind, _), _)| kind == resource_type);
        of_type.map(|(key, value)| (key.clone(), *value)).collect()
    }

    pub(super) fn shows(&self, practice: usize, resource_type: &str, id: &str) -> bool {
        self.resources.contains_key(&(practice, resource_type.to_owned(), id.to_owned()))
    }
}

/// The person's patient ids at one practice.
pub(super) fn patients(person: &Person, practice: usize) -> Vec<&str> {
    person.links.iter().filter(|(index, _)| *index == practice).map(|(_, patient)| patient.as_str()).collect()
}

fn key_of(resource: &Value) -> (String, String) {
    (resource["resourceType"].as_str().unwrap().to_owned(), resource["id"].as_str().unwrap().to_owned())
}

fn visible_at(practice: &Practice, patients: &[&str]) -> BTreeSet<(String, String)> {
    let mut visible = BTreeSet::new();
    let base = &practice.base_url;
    let served = |resource: &&Value| ResourceType::parse(resource["resourceType"].as_str().unwrap()).is_some();
    let held: Vec<&Value> = practice.resources.iter().filter(served).collect();
    for resource in &held {
        let shown = match kind_of(resource["resourceType"].as_str().unwrap()) {
            Kind::Subject(_) | Kind::AnySubject(_) => naive::is_about(resource, patients, base),
            Kind::Directory => !names_a_person(resource, base),
            Kind::Through(..) | Kind::PointedAt | Kind::Never => false,
        };
        if shown {
            visible.insert(key_of(resource));
        }
    }
    let mut through = BTreeSet::new();
    for resource in &held {
        let (resource_type, id) = key_of(resource);
        match kind_of(&resource_type) {
            Kind::Through(path, quantity) => {
                let targets = at(resource, path);
                let shows = |target: &&Value| {
                    let to = target["reference"].as_str().and_then(|text| local(text, base));
                    to.is_some_and(|to| is_personal(&to.0) && visible.contains(&to))
                };
                let any = quantity == naive::Quantity::Any;
                if if any { targets.iter().any(shows) } else { !targets.is_empty() && targets.iter().all(shows) } {
                    through.insert((resource_type, id));
                }
            }
            Kind::Subject(_) if names_a_medicine(&resource_type) && visible.contains(&(resource_type.clone(), id)) => {
                let to = resource["medicationReference"]["reference"].as_str().and_then(|text| local(text, base));
                through.extend(to.filter(|(kind, _)| kind == "Medication"));
            }
            _ => {}
        }
    }
    through.retain(|(resource_type, id)| practice.find(resource_type, id).is_some());
    visible.extend(through);
    visible
}

fn names_a_medicine(resource_type: &str) -> bool {
    ["MedicationRequest", "MedicationDispense", "MedicationStatement"].contains(&resource_type)
}

/// About somebody: what makes a Provenance or a payment visible.
fn is_personal(resource_type: &str) -> bool {
    let known = ResourceType::parse(resource_type).is_some();
    known && matches!(kind_of(resource_type), Kind::Subject(_) | Kind::AnySubject(_))
}

/// A place, calendar or slot that points at a person says something about them.
fn names_a_person(resource: &Value, base: &str) -> bool {
    let careful = ["Location", "Schedule", "Slot"].contains(&resource["resourceType"].as_str().unwrap());
    let mut named = false;
    naive::each_string(resource, &mut Vec::new(), &mut |path, text| {
        let to = local(text, base).filter(|_| path.last() == Some(&"reference"));
        named |= to.is_some_and(|(kind, _)| ["Patient", "RelatedPerson", "Person"].contains(&kind.as_str()));
    });
    careful && named
}

/// What the ids in an answer stand for. The hashed ones are looked up in the rows that the gateway keeps for itself;
/// what they point at is checked against the content.
#[derive(Clone, Default)]
pub(super) struct Decoder {
    rows: BTreeMap<(String, String), String>,
}

impl Decoder {
    /// Learns the hashed ids that occur in an answer.
    pub(super) async fn learn(&mut self, world: &World, answer: &Value) {
        let mut found = BTreeSet::new();
        naive::each_string(answer, &mut Vec::new(), &mut |_, text| {
            let parts: Vec<&str> = text.split('/').collect();
            for window in parts.windows(2).filter(|window| is_hashed(window[1])) {
                found.insert((window[0].to_owned(), window[1].to_owned()));
            }
        });
        let own = (answer["resourceType"].as_str(), answer["id"].as_str());
        if let (Some(resource_type), Some(id)) = own
            && is_hashed(id)
        {
            found.insert((resource_type.to_owned(), id.to_owned()));
        }
        for (resource_type, id) in found {
            let Some(kind) = ResourceType::parse(&resource_type) else { continue };
            if let Some(row) = hashed_ids::by_id(&world.app.db, kind, &id).await.unwrap() {
                let upstream = match row.target {
                    HashedTarget::Resource { id } => id,
                    HashedTarget::Document { url, .. } => url.trim_start_matches("Binary/").to_owned(),
                };
                self.rows.insert((resource_type, id), upstream);
            }
        }
    }

    /// Index of the practice and the id there.
    pub(super) fn decode(&self, world: &World, resource_type: &str, id: &str) -> Option<(usize, String)> {
        let (source, rest) = id.split_once('.')?;
        let practice = world.practices.iter().position(|practice| practice.source == source)?;
        let hashed = rest.starts_with("h-") || resource_type == "Binary";
        if hashed {
            return self.rows.get(&(resource_type.to_owned(), id.to_owned())).map(|id| (practice, id.clone()));
        }
        Some((practice, rest.to_owned()))
    }

    /// The id at the gateway of a resource, as far as it is plain or was seen.
    pub(super) fn encode(&self, world: &World, practice: usize, resource_type: &str, id: &str) -> Option<String> {
        let source = &world.practices[practice].source;
        let plain = format!("{source}.{id}");
        if plain.len() <= 64 && !id.starts_with("h-") && resource_type != "Binary" {
            return Some(plain);
        }
        let mut known =
            self.rows.iter().filter(|((kind, hashed), _)| kind == resource_type && hashed.starts_with(source));
        known.find(|(_, upstream)| *upstream == id).map(|((_, hashed), _)| hashed.clone())
    }
}

fn is_hashed(id: &str) -> bool {
    id.len() == 33 && id.get(4..7) == Some(".h-")
}

/// Compares an answered resource with what the EHR holds. Says what is wrong.
pub(super) struct Comparison<'a> {
    pub(super) visible: &'a Visible<'a>,
    pub(super) decoder: &'a Decoder,
    pub(super) practice: usize,
    /// Where a redacted person stood, the narrative may go.
    pub(super) wrong: Vec<String>,
}

const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

impl Comparison<'_> {
    fn held_at(&self) -> &Practice {
        &self.visible.world.practices[self.practice]
    }

    pub(super) fn resource(&mut self, held: &Value, shown: &Value) {
        let resource_type = held["resourceType"].as_str().unwrap();
        let id = self.decoder.decode(self.visible.world, resource_type, shown["id"].as_str().unwrap());
        if id.as_ref().map(|(_, id)| id.as_str()) != held["id"].as_str() {
            self.wrong.push(format!("{resource_type}/{} is shown as {}", held["id"], shown["id"]));
        }
        let path = format!("{resource_type}/{}", held["id"].as_str().unwrap());
        self.members(held, shown, &path, true);
    }

    fn names_host(&self, value: &Value) -> bool {
        let authority = &self.held_at().authority;
        let mut names = false;
        naive::each_string(value, &mut Vec::new(), &mut |_, text| names |= text.contains(authority.as_str()));
        names
    }

    fn names_others(&self, value: &Value) -> bool {
        let (base, mine) = (&self.held_at().base_url, patients(self.visible.person, self.practice));
        let mut names = false;
        naive::each_string(value, &mut Vec::new(), &mut |path, text| {
            let to = local(text, base).filter(|_| path.last() == Some(&"reference"));
            names |= to.is_some_and(|(kind, id)| kind == "Patient" && !mine.contains(&id.as_str()));
        });
        names
    }

    fn members(&mut self, held: &Value, shown: &Value, path: &str, root: bool) {
        let (Some(before), Some(after)) = (held.as_object(), shown.as_object()) else {
            self.wrong.push(format!("{path} is {shown}, not an object"));
            return;
        };
        for (name, value) in before {
            let here = format!("{path}.{name}");
            match after.get(name) {
                Some(_) if root && name == "id" => {}
                Some(shown) => self.value(value, shown, &here, name),
                None if self.names_host(value) => {}
                None if root && name == "text" && self.masks_something(held) => {}
                None => self.wrong.push(format!("{here} is gone")),
            }
        }
        // The EHR stamps what it was given without a version and a time.
        let stamped = |name: &str| {
            (root && name == "meta") || (path.ends_with(".meta") && ["versionId", "lastUpdated"].contains(&name))
        };
        for name in after.keys().filter(|name| !before.contains_key(*name) && !stamped(name)) {
            self.wrong.push(format!("{path}.{name} was added"));
        }
    }

    fn masks_something(&self, held: &Value) -> bool {
        self.names_others(held) || held["resourceType"] == "Provenance" || self.names_host(&held["text"])
    }

    fn value(&mut self, held: &Value, shown: &Value, path: &str, name: &str) {
        match held {
            Value::Array(before) => match shown.as_array() {
                Some(after) if after.len() == before.len() => {
                    for (index, (held, shown)) in before.iter().zip(after).enumerate() {
                        self.value(held, shown, &format!("{path}[{index}]"), name);
                    }
                }
                // An item that is nothing but a URL at the EHR goes whole.
                _ if self.names_host(held) => {}
                _ => self.wrong.push(format!("{path} has another length")),
            },
            Value::Object(before) => match before.get("reference") {
                Some(Value::String(text)) => self.reference(held, text, shown, path),
                _ if name == "contained" && held["resourceType"] == "Patient" => {
                    let kept: Vec<&String> = shown.as_object().unwrap().keys().collect();
                    if kept.iter().any(|key| !["resourceType", "id"].contains(&key.as_str())) {
                        self.wrong.push(format!("{path} still tells of a contained Patient"));
                    }
                }
                _ => self.members(held, shown, path, false),
            },
            Value::String(text) => self.string(text, shown, path, name),
            // Numbers keep their text: serde_json is built to.
            other if other != shown => self.wrong.push(format!("{path} was {other} and is {shown}")),
            _ => {}
        }
    }

    fn string(&mut self, held: &str, shown: &Value, path: &str, name: &str) {
        let base = &self.held_at().base_url;
        let gateway = &self.visible.world.fhir;
        let shown_text = shown.as_str().unwrap_or_default();
        if name == "url" && local(held, base).is_some_and(|(kind, _)| kind == "Binary") {
            if !shown_text.starts_with(&format!("{gateway}/Binary/")) {
                self.wrong.push(format!("{path}: an attachment at the EHR is shown as {shown}"));
            }
        } else if held.contains(&self.held_at().authority) {
            if !shown_text.starts_with(gateway.as_str()) {
                self.wrong.push(format!("{path}: a URL at the EHR is shown as {shown}"));
            }
        } else if shown_text != held {
            self.wrong.push(format!("{path} was {held:?} and is {shown}"));
        }
    }

    /// What must become of a reference.
    fn reference(&mut self, held: &Value, text: &str, shown: &Value, path: &str) {
        let base = self.held_at().base_url.clone();
        let masked = serde_json::json!({"extension": [{"url": ABSENT, "valueCode": "masked"}]});
        let unsupported = serde_json::json!({"extension": [{"url": ABSENT, "valueCode": "unsupported"}]});
        let mut without = held.clone();
        without.as_object_mut().unwrap().shift_remove("reference");
        let to = local(text, &base);
        let served = |kind: &str| ResourceType::parse(kind).is_some_and(|_| kind_of(kind) != Kind::Never);
        let fits = match &to {
            _ if text.starts_with('#') => shown == held,
            Some((kind, id)) if kind == "Patient" => {
                let mine = patients(self.visible.person, self.practice).contains(&id.as_str());
                let mut expected = held.clone();
                expected["reference"] = format!("Patient/{}", self.visible.person.id).into();
                if mine { *shown == expected } else { *shown == masked }
            }
            // Whether that one is visible hangs on what it points at, so nothing here may promise it.
            Some((kind, _)) if served(kind) && matches!(kind_of(kind), Kind::Through(..)) => {
                if without.as_object().unwrap().is_empty() { *shown == unsupported } else { *shown == without }
            }
            Some((kind, id)) if served(kind) => {
                let is_target = path.contains(".target[") || path.contains(".request");
                let through = matches!(kind_of(path.split('/').next().unwrap()), Kind::Through(..));
                if through && is_target && !self.visible.shows(self.practice, kind, id) {
                    *shown == masked
                } else {
                    let pointed = shown["reference"].as_str().and_then(|text| text.split_once('/'));
                    let back = pointed.filter(|(shown_kind, _)| shown_kind == kind);
                    let back = back.and_then(|(_, id)| self.decoder.decode(self.visible.world, kind, id));
                    let mut rest = shown.clone();
                    rest.as_object_mut().unwrap().shift_remove("reference");
                    back == Some((self.practice, id.clone())) && rest == without
                }
            }
            _ if without.as_object().unwrap().is_empty() => *shown == unsupported,
            _ => *shown == without,
        };
        if !fits {
            self.wrong.push(format!("{path}: {held} is shown as {shown}"));
        }
    }
}
