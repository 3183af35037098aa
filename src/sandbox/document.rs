//! Resources on their way in: JSON text to checked trees. Number text and member order survive.

use serde_json::{Map, Value};

/// A JSON object with a `resourceType`.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) type_name: String,
    pub(super) body: Map<String, Value>,
}

/// Why a text is not a resource. The text says no value of the resource but its type and id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON; the line counts from the start of the text.
    #[error("not JSON at line {line}, column {column}: {reason}")]
    NotJson {
        /// Line of the text, from 1.
        line: usize,
        /// Column of the line, from 1.
        column: usize,
        /// What the parser says.
        reason: String,
    },
    /// JSON, but not an object with a string member `resourceType`.
    #[error("no resourceType")]
    NoResourceType,
    /// `resourceType` is not a capital letter followed by letters.
    #[error("{0:?} is not the name of a resource type")]
    TypeName(String),
    /// The id breaks FHIR R4 `id`: 1 to 64 of `A-Z a-z 0-9 - .`.
    #[error("{0:?} is not a FHIR id")]
    Id(String),
}

impl Document {
    pub(super) fn parse(text: &[u8]) -> Result<Self, DocumentError> {
        let value: Value = serde_json::from_slice(text).map_err(|error| DocumentError::NotJson {
            line: error.line(),
            column: error.column(),
            reason: parser_reason(&error),
        })?;
        Self::from_value(value)
    }

    pub(super) fn from_value(value: Value) -> Result<Self, DocumentError> {
        let Value::Object(body) = value else { return Err(DocumentError::NoResourceType) };
        let Some(type_name) = body.get("resourceType").and_then(Value::as_str) else {
            return Err(DocumentError::NoResourceType);
        };
        if !is_type_name(type_name) {
            return Err(DocumentError::TypeName(type_name.to_owned()));
        }
        let type_name = type_name.to_owned();
        match body.get("id") {
            None => {}
            Some(Value::String(id)) if is_id(id) => {}
            Some(other) => return Err(DocumentError::Id(other.as_str().unwrap_or("(not a string)").to_owned())),
        }
        Ok(Self { type_name, body })
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.body.get("id").and_then(Value::as_str)
    }

    /// Puts the id right behind `resourceType`, where readers look for it.
    pub(super) fn set_id(&mut self, id: &str) {
        if let Some(present) = self.body.get_mut("id") {
            *present = Value::String(id.to_owned());
        } else {
            let after_type = self.body.keys().position(|key| key == "resourceType").map_or(0, |at| at + 1);
            self.body.shift_insert(after_type, "id".to_owned(), Value::String(id.to_owned()));
        }
    }

    /// Sets `meta.versionId` (or takes it away) and `meta.lastUpdated`; what else stands in `meta` stays.
    pub(super) fn set_meta(&mut self, version: Option<u64>, last_updated: &str) {
        if !self.body.get("meta").is_some_and(Value::is_object) {
            self.body.remove("meta");
            let after_id = self.body.keys().position(|key| key == "id").map_or(0, |at| at + 1);
            self.body.shift_insert(after_id, "meta".to_owned(), Value::Object(Map::new()));
        }
        if let Some(Value::Object(meta)) = self.body.get_mut("meta") {
            match version {
                Some(version) => meta.insert("versionId".to_owned(), Value::String(version.to_string())),
                None => meta.shift_remove("versionId"),
            };
            meta.insert("lastUpdated".to_owned(), Value::String(last_updated.to_owned()));
        }
    }

    pub(super) fn meta_text(&self, key: &str) -> Option<&str> {
        self.body.get("meta").and_then(|meta| meta.get(key)).and_then(Value::as_str)
    }

    /// The type and id of every resource that a literal reference anywhere in the resource names, each once.
    pub(super) fn referenced(&self, base: &str) -> Vec<String> {
        let mut found = Vec::new();
        for value in self.body.values() {
            each_reference(value, &mut |text| {
                if let Some(key) = local_key(text, base)
                    && !found.contains(&key)
                {
                    found.push(key);
                }
            });
        }
        found
    }

    /// `system|value` of each top-level identifier.
    pub(super) fn identifiers(&self) -> Vec<String> {
        let one_or_many = match self.body.get("identifier") {
            Some(Value::Array(many)) => many.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        one_or_many
            .iter()
            .filter_map(|identifier| {
                let value = identifier.get("value")?.as_str()?;
                let system = identifier.get("system").and_then(Value::as_str).unwrap_or_default();
                Some(format!("{system}|{value}"))
            })
            .collect()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Writing a tree of strings, numbers and lists to memory has no way to fail.
        serde_json::to_vec(&self.body).unwrap_or_default()
    }
}

/// serde_json appends "at line L column C" to its messages; that is said already.
fn parser_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

pub(super) fn is_type_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// FHIR R4 datatype `id`.
pub(super) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

/// Calls `seen` with the text of every string member `reference`, at any depth.
fn each_reference(value: &Value, seen: &mut impl FnMut(&str)) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member {
                    Value::String(text) if key == "reference" => seen(text),
                    _ => each_reference(member, seen),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each_reference(item, seen)),
        _ => {}
    }
}

/// `Type/id` of a literal reference that is relative or lies under `base`; a version is dropped.
pub(super) fn local_key(reference: &str, base: &str) -> Option<String> {
    let relative = match reference.strip_prefix(base) {
        Some(rest) => rest.strip_prefix('/')?,
        None => reference,
    };
    let mut parts = relative.split('/');
    let (type_name, id) = (parts.next()?, parts.next()?);
    let whole = match (parts.next(), parts.next()) {
        (None, _) => true,
        (Some("_history"), Some(_)) => parts.next().is_none(),
        _ => false,
    };
    (whole && is_type_name(type_name) && is_id(id)).then(|| format!("{type_name}/{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_number_text_and_member_order() {
        let text =
            br#"{"resourceType":"Observation","id":"a","valueQuantity":{"value":1.00,"code":"kg"},"status":"final"}"#;
        let document = Document::parse(text).unwrap();
        assert_eq!(document.to_bytes(), text);
    }

    #[test]
    fn names_line_and_column_of_bad_json() {
        let error = Document::parse(b"{\"resourceType\":\"Patient\",\n \"id\": oops}").unwrap_err();
        assert!(matches!(error, DocumentError::NotJson { line: 2, column: 8, .. }), "{error}");
    }

    #[test]
    fn refuses_what_is_not_a_resource() {
        for (text, error) in [
            ("[]", DocumentError::NoResourceType),
            (r#"{"id":"a"}"#, DocumentError::NoResourceType),
            (r#"{"resourceType":"../etc"}"#, DocumentError::TypeName("../etc".to_owned())),
            (r#"{"resourceType":"Patient","id":"a/b"}"#, DocumentError::Id("a/b".to_owned())),
            (r#"{"resourceType":"Patient","id":""}"#, DocumentError::Id(String::new())),
        ] {
            assert_eq!(Document::parse(text.as_bytes()).unwrap_err(), error);
        }
    }

    #[test]
    fn meta_and_id_are_set_beside_what_stands_there() {
        let mut document =
            Document::parse(br#"{"resourceType":"Patient","meta":{"tag":[1.50]},"active":true}"#).unwrap();
        document.set_id("p");
        document.set_meta(Some(3), "2026-01-01T00:00:00.000Z");
        assert_eq!(
            String::from_utf8(document.to_bytes()).unwrap(),
            r#"{"resourceType":"Patient","id":"p","meta":{"tag":[1.50],"versionId":"3","lastUpdated":"2026-01-01T00:00:00.000Z"},"active":true}"#
        );
    }

    #[test]
    fn only_local_references_have_a_key() {
        let base = "http://127.0.0.1:1/fhir";
        for (text, key) in [
            ("Patient/a", Some("Patient/a")),
            ("http://127.0.0.1:1/fhir/Patient/a", Some("Patient/a")),
            ("Patient/a/_history/2", Some("Patient/a")),
            ("http://127.0.0.1:1/fhir2/Patient/a", None),
            ("http://elsewhere/fhir/Patient/a", None),
            ("#a", None),
            ("urn:uuid:0", None),
            ("Patient?identifier=a", None),
            ("Patient/a/b", None),
        ] {
            assert_eq!(local_key(text, base).as_deref(), key, "{text}");
        }
    }
}
