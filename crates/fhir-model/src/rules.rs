//! FHIR's rules for JSON (R4 §2.6.2) and for primitive values, checked on the tree before the model sees the bytes.

use crate::elements;
use crate::json::Json;
use crate::primitive::{Primitive, is_id};
use crate::problem::{Location, Problem, ProblemCode, is_element_name};

/// After this many problems the sender has enough to do.
const MAX_PROBLEMS: usize = 20;

/// Everything wrong with a resource, as far as this module sees.
pub(crate) fn problems_of(resource_type: &str, resource: &Json<'_>) -> Vec<Problem> {
    let mut walk = Walk { location: Location::default(), problems: Vec::new() };
    walk.location.set_root(resource_type);
    walk.object(resource_type, resource, Kind::Resource);
    walk.problems
}

/// What an object stands for: only a resource has an `id` with the form of one, and a `resourceType` that restarts
/// the path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Resource,
    Element,
}

struct Walk {
    location: Location,
    problems: Vec<Problem>,
}

impl Walk {
    fn report(&mut self, code: ProblemCode, details: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(self.location.problem(code, details));
        }
    }

    /// `path` is the element's name in the tables: from its resource, without indices.
    fn object(&mut self, path: &str, object: &Json<'_>, kind: Kind) {
        let Json::Object(members) = object else { return };
        if members.is_empty() {
            self.report(ProblemCode::Structure, "an object may not be empty");
        }
        for (name, value) in members {
            self.location.enter_member(name);
            if is_element_name(name) {
                self.member(path, name, value, object, kind);
            } else {
                self.report(ProblemCode::Structure, "holds a member whose name no element can have");
            }
            self.location.leave();
        }
    }

    fn member(&mut self, path: &str, name: &str, value: &Json<'_>, siblings: &Json<'_>, kind: Kind) {
        let child = elements::child(path, name);
        if name.starts_with('_') {
            return self.companion(&child, name, value, siblings);
        }
        match value {
            Json::Null => self.report(ProblemCode::Structure, "null stands for nothing here"),
            Json::Array(items) => self.array(&child, name, items, siblings),
            Json::Object(_) => self.object_at(&child, value),
            _ if kind == Kind::Resource && name == "id" => {
                if !value.as_str().is_some_and(is_id) {
                    self.report(ProblemCode::Value, Primitive::Id.rule());
                }
            }
            // In a resource the type; in Consent.provision.data, for one, an ordinary element of that name.
            _ => self.primitive(&child, value),
        }
    }

    fn object_at(&mut self, path: &str, value: &Json<'_>) {
        // A resource inside another (contained, Bundle.entry.resource, Parameters) starts the names anew. An element
        // that merely has a `resourceType` is known by its path's place in the tables.
        match value.get("resourceType").and_then(Json::as_str) {
            Some(inner) if path.ends_with(".contained") || path.ends_with(".resource") => {
                if path.ends_with(".contained") && value.get("contained").is_some() {
                    self.report(ProblemCode::Structure, "a contained resource may not contain others");
                }
                self.object(inner, value, Kind::Resource);
            }
            _ => self.object(path, value, Kind::Element),
        }
    }

    fn array(&mut self, path: &str, name: &str, items: &[Json<'_>], siblings: &Json<'_>) {
        if items.is_empty() {
            self.report(ProblemCode::Structure, "an array may not be empty");
        }
        for (index, item) in items.iter().enumerate() {
            self.location.enter_index(index);
            match item {
                Json::Null => self.gap(index, &format!("_{name}"), siblings),
                Json::Array(_) => self.report(ProblemCode::Structure, "an array may not hold an array"),
                Json::Object(_) => self.object_at(path, item),
                _ => self.primitive(path, item),
            }
            self.location.leave();
        }
    }

    /// The `_name` half of a primitive: `id` and extensions, an object or an array of them with gaps.
    fn companion(&mut self, path: &str, name: &str, value: &Json<'_>, siblings: &Json<'_>) {
        match value {
            Json::Object(_) => self.object(path, value, Kind::Element),
            Json::Array(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    self.location.enter_index(index);
                    match item {
                        Json::Object(_) => self.object(path, item, Kind::Element),
                        Json::Null => self.gap(index, name.trim_start_matches('_'), siblings),
                        _ => self.report(ProblemCode::Structure, "only an id and extensions may stand here"),
                    }
                    self.location.leave();
                }
            }
            _ => self.report(ProblemCode::Structure, "only an id and extensions may stand here"),
        }
    }

    /// A null in an array keeps the place of an item whose other half stands in the sibling array.
    fn gap(&mut self, index: usize, other: &str, siblings: &Json<'_>) {
        let filled = match siblings.get(other) {
            Some(Json::Array(items)) => items.get(index).is_some_and(|item| *item != Json::Null),
            _ => false,
        };
        if !filled {
            self.report(ProblemCode::Structure, "null stands for nothing here");
        }
    }

    fn primitive(&mut self, path: &str, value: &Json<'_>) {
        if let Json::String(text) = value {
            if text.is_empty() {
                return self.report(ProblemCode::Structure, "a string may not be empty");
            }
            if text.chars().any(|c| c < ' ' && !matches!(c, '\t' | '\n' | '\r')) {
                return self.report(ProblemCode::Value, "a string may not hold control characters");
            }
        }
        let Some(kind) = elements::primitive(path) else { return };
        let fits = match value {
            Json::Number(text) => kind.is_number() && kind.allows(text),
            Json::String(text) => !kind.is_number() && kind.allows(text),
            _ => false,
        };
        if !fits {
            self.report(ProblemCode::Value, kind.rule());
        } else if kind == Primitive::Code && !value.as_str().is_some_and(|code| elements::is_bound(path, code)) {
            self.report(ProblemCode::Value, "must be a code of the element's required value set");
        }
    }
}
