//! What a caller may see of a world, and what is wrong with what they were shown: the rules of `tests/naive`, applied to
//! plain JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::gateway::{Caller, GATEWAY, Gateway};
use super::world::{World, canary, tag_of};
use crate::naive::{self, Evaluation, Kind, Quantity, at, kind_of, local};

/// A caller in a world.
pub(super) struct Model<'a> {
    world: &'a World,
    caller: &'a Caller,
    /// Source keys and authorities, by source.
    keys: Vec<String>,
    authorities: Vec<String>,
    /// Source, type and id of what makes other things visible to this caller.
    owners: BTreeSet<(usize, String, String)>,
    /// Whether EHRs may give one resource under the id of another.
    forged: bool,
}

const PRESCRIPTIONS: [&str; 3] = ["MedicationRequest", "MedicationDispense", "MedicationStatement"];

fn key_of(resource: &Value) -> (String, String) {
    (resource["resourceType"].as_str().unwrap().to_owned(), resource["id"].as_str().unwrap().to_owned())
}

impl<'a> Model<'a> {
    pub(super) fn new(gateway: &Gateway, world: &'a World, caller: &'a Caller) -> Self {
        let keys = gateway.keys.iter().map(ToString::to_string).collect();
        let authorities = gateway.ehrs.iter().map(|ehr| ehr.authority.clone()).collect();
        let mut model = Self { world, caller, keys, authorities, owners: BTreeSet::new(), forged: false };
        let of_kind = |wanted: fn(Kind) -> bool| -> Vec<(usize, &'a Value)> {
            let all =
                world.held.iter().enumerate().flat_map(|(source, held)| held.iter().map(move |one| (source, one)));
            all.filter(|(_, one)| wanted(kind_of(one["resourceType"].as_str().unwrap()))).collect()
        };
        for (source, resource) in of_kind(|kind| matches!(kind, Kind::Subject(_) | Kind::AnySubject(_))) {
            if model.is_about(source, resource) && model.is_covered_at_all(source, resource) {
                let (kind, id) = key_of(resource);
                model.owners.insert((source, kind, id));
            }
        }
        // Then what those make visible.
        let mut pointed = BTreeSet::new();
        for (source, resource) in of_kind(|kind| kind == Kind::PointedAt) {
            if model.is_pointed_at(source, resource) && model.is_covered_at_all(source, resource) {
                let (kind, id) = key_of(resource);
                pointed.insert((source, kind, id));
            }
        }
        model.owners.extend(pointed);
        model
    }

    /// The same before EHRs that give one resource under the id of another, as long as both are the caller's: which of
    /// them it is only the EHR can say.
    pub(super) fn before_forgers(self) -> Self {
        Self { forged: true, ..self }
    }

    fn is_about(&self, source: usize, resource: &Value) -> bool {
        let patients = self.world.patients(source);
        !patients.is_empty() && naive::is_about(resource, &patients, &self.world.bases[source])
    }

    /// Named as the medication of a prescription that the caller sees.
    fn is_pointed_at(&self, source: usize, resource: &Value) -> bool {
        let me = key_of(resource);
        me.0 == "Medication"
            && self.world.held[source].iter().any(|owner| {
                // Most are no prescriptions.
                if !PRESCRIPTIONS.contains(&owner["resourceType"].as_str().unwrap()) {
                    return false;
                }
                let (kind, id) = key_of(owner);
                let to = owner["medicationReference"]["reference"].as_str();
                to.and_then(|text| local(text, &self.world.bases[source])).as_ref() == Some(&me)
                    && self.owners.contains(&(source, kind, id))
            })
    }

    /// The id at the gateway, where it can be told without looking.
    pub(super) fn gateway_id(&self, source: usize, kind: &str, id: &str) -> Option<String> {
        if kind == "Patient" {
            return self.world.patients(source).contains(&id).then(|| self.caller.person.to_string());
        }
        let plain = format!("{}.{id}", self.keys[source]);
        (plain.len() <= 64 && !id.starts_with("h-") && kind != "Binary").then_some(plain)
    }

    /// The id at the gateway of the record of a Patient who is somebody else.
    pub(super) fn stranger(&self, source: usize) -> Option<String> {
        let own = self.world.patients(source);
        let strangers = (0..self.world.recipe.patients).map(|patient| format!("p{patient}"));
        strangers.rev().find(|id| !own.contains(&id.as_str())).map(|id| format!("{}.{id}", self.keys[source]))
    }

    fn evaluate<T>(&self, source: usize, f: impl FnOnce(Evaluation<'_>) -> T) -> T {
        let gateway_id = |kind: &str, id: &str| self.gateway_id(source, kind, id);
        f(Evaluation { base: &self.world.bases[source], gateway: GATEWAY, gateway_id: &gateway_id })
    }

    fn covers(&self, source: usize, resource: &Value, action: char) -> bool {
        let shown = self.redacted(source, resource);
        self.evaluate(source, |cx| self.caller.role.covers(&shown, action, cx))
    }

    fn is_covered_at_all(&self, source: usize, resource: &Value) -> bool {
        let kind = resource["resourceType"].as_str().unwrap();
        // A scope without criteria needs no look at the resource.
        if ['r', 's'].iter().any(|action| self.caller.role.covers_all(kind, *action)) {
            return true;
        }
        let shown = self.redacted(source, resource);
        self.evaluate(source, |cx| ['r', 's'].iter().any(|action| self.caller.role.covers(&shown, *action, cx)))
    }

    /// Whether the caller may see a resource by this action.
    pub(super) fn sees(&self, source: usize, resource: &Value, action: char) -> bool {
        let (kind, _) = key_of(resource);
        let linked = !self.world.patients(source).is_empty();
        let shown = match kind_of(&kind) {
            Kind::Subject(_) | Kind::AnySubject(_) => self.is_about(source, resource),
            Kind::Directory => linked && !self.names_a_person(source, resource),
            Kind::PointedAt => self.is_pointed_at(source, resource),
            Kind::Through(path, quantity) => {
                let targets = at(resource, path);
                let mut owned = targets.iter().map(|target| self.is_owner(source, target));
                match quantity {
                    Quantity::Any => owned.any(|owned| owned),
                    Quantity::All => !targets.is_empty() && owned.all(|owned| owned),
                }
            }
            Kind::Never => false,
        };
        shown && self.covers(source, resource, action)
    }

    fn is_owner(&self, source: usize, reference: &Value) -> bool {
        let to = reference["reference"].as_str().and_then(|text| local(text, &self.world.bases[source]));
        to.is_some_and(|(kind, id)| {
            let is_self = kind == "Patient" && self.world.patients(source).contains(&id.as_str());
            is_self || self.owners.contains(&(source, kind, id))
        })
    }

    fn names_a_person(&self, source: usize, resource: &Value) -> bool {
        let mut named = false;
        naive::each_string(resource, &mut Vec::new(), &mut |path, text| {
            let to = local(text, &self.world.bases[source]).filter(|_| path.last() == Some(&"reference"));
            named |= to.is_some_and(|(kind, _)| ["Patient", "RelatedPerson", "Person"].contains(&kind.as_str()));
        });
        named && ["Location", "Schedule", "Slot"].contains(&resource["resourceType"].as_str().unwrap())
    }

    /// The resource without what names others: searches look at that.
    fn redacted(&self, source: usize, resource: &Value) -> Value {
        let mut shown = self.without_others(source, resource);
        if let Kind::Through(path, _) = kind_of(resource["resourceType"].as_str().unwrap()) {
            let (outer, inner) = path.split_once('>').unwrap_or((path, ""));
            let mask = |item: &mut Value| {
                let reference = if inner.is_empty() { item } else { &mut item[inner] };
                let to = reference["reference"].as_str().and_then(|text| local(text, &self.world.bases[source]));
                let directory = to.is_some_and(|(kind, _)| {
                    chartgate::fhir::ResourceType::parse(&kind).is_some() && kind_of(&kind) == Kind::Directory
                });
                if !directory && !self.is_owner(source, reference) {
                    *reference = Value::Object(Map::new());
                }
            };
            match &mut shown[outer] {
                Value::Array(items) => items.iter_mut().for_each(mask),
                item => mask(item),
            }
        }
        shown
    }

    fn without_others(&self, source: usize, value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| self.without_others(source, item)).collect(),
            Value::Object(members) => {
                let to = value["reference"].as_str().and_then(|text| local(text, &self.world.bases[source]));
                if to.is_some_and(|(kind, id)| kind == "Patient" && !self.world.patients(source).contains(&id.as_str()))
                {
                    return Value::Object(Map::new());
                }
                let keep = members.iter().filter(|(name, _)| *name != "contained");
                keep.map(|(name, member)| (name.clone(), self.without_others(source, member))).collect()
            }
            other => other.clone(),
        }
    }

    /// What the caller sees of a type by this action, by tag.
    pub(super) fn visible(&self, kind: &str, action: char) -> BTreeMap<String, (usize, &'a Value)> {
        let mut visible = BTreeMap::new();
        for (source, held) in self.world.held.iter().enumerate() {
            for resource in held.iter().filter(|resource| resource["resourceType"] == *kind) {
                if self.sees(source, resource, action) {
                    visible.insert(tag_of(resource).unwrap().to_owned(), (source, resource));
                }
            }
        }
        visible
    }

    /// The tags of what a search must find.
    pub(super) fn found(&self, kind: &str, query: &[(String, String)]) -> BTreeSet<String> {
        let visible = self.visible(kind, 's').into_iter();
        let matching = visible.filter(|(_, (source, resource))| {
            let shown = self.redacted(*source, resource);
            self.evaluate(*source, |cx| naive::matches(&shown, query, cx))
        });
        matching.map(|(tag, _)| tag).collect()
    }

    fn by_gateway_id(&self, kind: &str, id: &str) -> Option<&Value> {
        let (key, upstream) = id.split_once('.')?;
        let source = self.keys.iter().position(|known| known == key)?;
        let mut held = self.world.held.get(source)?.iter();
        held.find(|one| one["resourceType"] == *kind && one["id"] == *upstream)
    }

    /// A visible resource with an id that is hashed, of which this one is a part: neither mark nor id tell which.
    fn by_words(&self, kind: &str, id: &str, shown: &Value, action: char) -> Option<&str> {
        let (key, _) = id.split_once(".h-")?;
        let source = self.keys.iter().position(|known| known == key)?;
        let held = self.world.held.get(source)?.iter().filter(|one| one["resourceType"] == *kind);
        let hashed = held.filter(|one| self.gateway_id(source, kind, one["id"].as_str().unwrap_or_default()).is_none());
        let mut visible = hashed.filter(|one| self.sees(source, one, action));
        let is_part = |one: &&Value| {
            let mut faults = Vec::new();
            self.words(one, shown, &mut faults);
            faults.is_empty()
        };
        visible.find(is_part).and_then(tag_of)
    }

    /// What is wrong with a resource that was shown: nothing, as a rule.
    pub(super) fn faults(&self, shown: &Value, action: char) -> Vec<String> {
        let mut faults = Vec::new();
        let Some(kind) = shown["resourceType"].as_str() else { return vec![format!("no resource: {shown}")] };
        let id = shown["id"].as_str().unwrap_or_default();
        // `_elements` and `_summary` may leave the mark out: then it is told by its id.
        let by_id = || self.by_gateway_id(kind, id).and_then(tag_of);
        let tag = tag_of(shown).or_else(by_id).or_else(|| self.by_words(kind, id, shown, action)).unwrap_or_default();
        let mut keys: Vec<&str> = self.world.links.iter().map(|(source, _)| self.keys[*source].as_str()).collect();
        if kind == "Patient" {
            let records = self.world.links.iter().map(|(source, patient)| format!("{}.{patient}", self.keys[*source]));
            let own = id == self.caller.person.to_string() || records.into_iter().any(|record| record == id);
            faults.extend((!own).then(|| format!("Patient/{id} is somebody else")));
            if self.caller.role.coverage("Patient", action).is_none() {
                faults.push("a Patient without a scope".to_owned());
            }
        } else if let Some((source, held)) =
            self.world.find(tag).filter(|(source, held)| self.sees(*source, held, action))
        {
            keys = vec![&self.keys[source]];
            if held["resourceType"] != *kind {
                faults.push(format!("{tag} is shown as {kind}"));
            }
            let expected = self.gateway_id(source, kind, held["id"].as_str().unwrap());
            let hashed = id.starts_with(&format!("{}.h-", self.keys[source]));
            if !self.forged && expected.as_deref().map_or(!hashed, |expected| expected != id) {
                faults.push(format!("{tag} is shown as {id}"));
            }
            self.words(held, shown, &mut faults);
            self.targets(source, shown, &mut faults);
        } else {
            faults.push(format!("{kind}/{id} ({tag}) is not for {}", self.caller.role.name));
        }
        self.names(shown, &keys, &mut faults);
        faults
    }

    /// What a resource is about is named only as far as the caller sees it.
    fn targets(&self, source: usize, shown: &Value, faults: &mut Vec<String>) {
        let Kind::Through(path, _) = kind_of(shown["resourceType"].as_str().unwrap()) else { return };
        for text in at(shown, path).into_iter().filter_map(|target| target["reference"].as_str()) {
            let Some((kind, id)) = text.split_once('/').filter(|(kind, _)| *kind != "Patient") else { continue };
            let plain = id.strip_prefix(&format!("{}.", self.keys[source])).unwrap_or_default();
            let owner = self.owners.contains(&(source, kind.to_owned(), plain.to_owned()));
            if !owner && !plain.starts_with("h-") && kind_of(kind) != Kind::Directory {
                faults.push(format!("a hidden target is named: {text}"));
            }
        }
    }

    /// Nothing is said that the source did not say.
    fn words(&self, held: &Value, shown: &Value, faults: &mut Vec<String>) {
        let mut said = BTreeSet::new();
        scalars(held, "", &mut |key, text| {
            said.insert((key.to_owned(), text.to_owned()));
        });
        scalars(shown, "", &mut |key, text| {
            let rewritten = key == "reference" || key == "id" || text.starts_with(GATEWAY);
            let mask = ["masked", "unsupported"].contains(&text) || text.ends_with("/data-absent-reason");
            let mask = mask || text == "SUBSETTED" || text.ends_with("/CodeSystem/v3-ObservationValue");
            if !rewritten && !mask && !said.contains(&(key.to_owned(), text.to_owned())) {
                faults.push(format!("{key} says {text}"));
            }
        });
    }

    /// Nobody else is named, and nothing at a source.
    pub(super) fn names(&self, shown: &Value, keys: &[&str], faults: &mut Vec<String>) {
        let own: Vec<String> = self.world.links.iter().map(|(source, patient)| canary(*source, patient)).collect();
        naive::each_string(shown, &mut Vec::new(), &mut |path, text| {
            for (place, _) in text.match_indices("canary-") {
                if !own.iter().any(|own| text[place..].starts_with(own.as_str())) {
                    faults.push(format!("{} tells of {text}", path.join(".")));
                }
            }
            if text.contains("Patient/p") || self.authorities.iter().any(|authority| text.contains(authority)) {
                faults.push(format!("{} leads to {text}", path.join(".")));
            }
            if path.last() == Some(&"reference") && !text.starts_with('#') {
                let known = text.split_once('/').is_some_and(|(kind, id)| match kind {
                    "Patient" if id == self.caller.person.to_string() => true,
                    _ => keys.iter().any(|key| id.starts_with(&format!("{key}."))),
                });
                faults.extend((!known).then(|| format!("{} points at {text}", path.join("."))));
            }
        });
    }

    /// What is wrong with a page: entries, includes and outcomes alike.
    pub(super) fn faults_of_page(&self, page: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        for entry in page["entry"].as_array().into_iter().flatten() {
            if entry["search"]["mode"] == "outcome" {
                self.names(&entry["resource"], &[], &mut faults);
            } else {
                faults.extend(self.faults(&entry["resource"], 's'));
                let full_url = entry["fullUrl"].as_str().unwrap_or_default();
                if !full_url.starts_with(GATEWAY) {
                    faults.push(format!("fullUrl {full_url}"));
                }
            }
        }
        faults
    }
}

fn scalars(value: &Value, key: &str, f: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| scalars(item, key, f)),
        Value::Object(members) => members.iter().for_each(|(key, member)| scalars(member, key, f)),
        Value::String(text) => f(key, text),
        Value::Null => {}
        other => f(key, &other.to_string()),
    }
}
