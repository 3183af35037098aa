//! A second reading of the scan's rules, over a tree that serde_json builds: slow, plain, and sharing no code with it.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON value that remembers the order of members, members met twice, and which strings were written with escapes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Number(String),
    Text(String, Escaped),
    Array(Vec<Tree>),
    Object(Vec<(String, Escaped, Tree)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Escaped {
    No,
    Yes,
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned(), Escaped::No))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned(), Escaped::Yes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Tree::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(key) = members.next_key::<Tree>()? {
            let Tree::Text(key, escaped) = key else { return Err(A::Error::custom("key")) };
            // How serde_json hands over a number when it keeps its digits.
            if key == "$serde_json::private::Number" {
                return members.next_value().map(Tree::Number);
            }
            object.push((key, escaped, members.next_value()?));
        }
        Ok(Tree::Object(object))
    }
}

/// The tree of a document, read by serde_json.
pub(super) fn tree(bytes: &[u8]) -> Option<Tree> {
    serde_json::from_slice(bytes).ok()
}

impl Tree {
    pub(super) fn get(&self, name: &str) -> Option<&Tree> {
        let Tree::Object(members) = self else { return None };
        members.iter().find(|(key, ..)| key == name).map(|(_, _, value)| value)
    }

    fn plain_text(&self) -> Option<&str> {
        match self {
            Tree::Text(text, Escaped::No) => Some(text),
            _ => None,
        }
    }
}

/// Whether a document breaks a rule of the scan, given that it is JSON.
pub(super) fn is_refused(root: &Tree) -> bool {
    let Some(name) = root.get("resourceType").and_then(Tree::plain_text) else { return true };
    let unknown = crate::fhir::ResourceType::parse(name).is_none();
    let bad_id = match root.get("id") {
        None => false,
        Some(id) => !id.plain_text().is_some_and(|id| {
            let allowed = |c: char| {
                c.is_ascii_digit() || c.is_ascii_uppercase() || c.is_ascii_lowercase() || c == '-' || c == '.'
            };
            !id.is_empty() && id.chars().count() <= 192 && id.chars().all(allowed) && ![".", ".."].contains(&id)
        }),
    };
    let bad_contained = match root.get("contained") {
        None => false,
        Some(Tree::Array(items)) => items.iter().any(|item| {
            let no_type = item.get("resourceType").and_then(Tree::plain_text).is_none();
            no_type || item.get("id").is_some_and(|id| id.plain_text().is_none())
        }),
        Some(_) => true,
    };
    unknown || bad_id || bad_contained || breaks_a_rule(root, Place::Root)
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    ContainedList,
    ContainedResource,
    Inside,
}

fn breaks_a_rule(tree: &Tree, place: Place) -> bool {
    match tree {
        Tree::Array(items) => {
            let inner = if place == Place::ContainedList { Place::ContainedResource } else { Place::Inside };
            items.iter().any(|item| breaks_a_rule(item, inner))
        }
        Tree::Object(members) => {
            let is_resource = matches!(place, Place::Root | Place::ContainedResource);
            members.len() > 256
                || members.iter().enumerate().any(|(index, (key, escaped, value))| {
                    let inner = match (place, key.as_str()) {
                        (Place::Root, "contained") => Place::ContainedList,
                        _ => Place::Inside,
                    };
                    *escaped == Escaped::Yes
                        || members[..index].iter().any(|(earlier, ..)| earlier == key)
                        || (key == "resourceType" && !is_resource)
                        || (key == "reference" && matches!(value, Tree::Array(_)))
                        || breaks_a_rule(value, inner)
                })
        }
        _ => false,
    }
}

/// The values at a dotted path, arrays taken apart and null left out.
pub(super) fn at_path(tree: &Tree, path: &[&str], found: &mut Vec<Tree>) {
    match (tree, path) {
        (Tree::Array(items), _) => items.iter().for_each(|item| at_path(item, path, found)),
        (Tree::Null, []) => {}
        (value, []) => found.push(value.clone()),
        (value, [step, rest @ ..]) => {
            if let Some(value) = value.get(step) {
                at_path(value, rest, found);
            }
        }
    }
}

/// A Reference as the naive walk meets it.
#[derive(Debug, PartialEq)]
pub(super) struct NaiveReference {
    pub(super) object: Tree,
    pub(super) text: String,
    pub(super) escaped: bool,
    pub(super) in_contained: bool,
    pub(super) first: bool,
    pub(super) following_comma: bool,
    pub(super) display: Option<Tree>,
}

pub(super) fn references(tree: &Tree, in_contained: bool, is_root: bool, found: &mut Vec<NaiveReference>) {
    match tree {
        Tree::Array(items) => items.iter().for_each(|item| references(item, in_contained, false, found)),
        Tree::Object(members) => {
            for (index, (key, _, value)) in members.iter().enumerate() {
                references(value, in_contained || (is_root && key == "contained"), false, found);
                if let ("reference", Tree::Text(text, escaped)) = (key.as_str(), value) {
                    found.push(NaiveReference {
                        object: tree.clone(),
                        text: text.clone(),
                        escaped: *escaped == Escaped::Yes,
                        in_contained,
                        first: index == 0,
                        following_comma: index + 1 < members.len(),
                        display: tree.get("display").cloned(),
                    });
                }
            }
        }
        _ => {}
    }
}

/// Whether some string, key or value, contains the text, in either case of its ASCII letters.
pub(super) fn mentions(tree: &Tree, needle: &str) -> bool {
    let contains = |text: &str| text.to_ascii_lowercase().contains(&needle.to_ascii_lowercase());
    match tree {
        Tree::Text(text, _) => contains(text),
        Tree::Array(items) => items.iter().any(|item| mentions(item, needle)),
        Tree::Object(members) => members.iter().any(|(key, _, value)| contains(key) || mentions(value, needle)),
        _ => false,
    }
}
