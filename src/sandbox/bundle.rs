//! Bundles on their way in: entries unpacked, references within a bundle resolved (FHIR R4 Bundle, `http` §transaction).

use std::collections::HashMap;

use serde_json::Value;

use super::document::{Document, DocumentError, is_id, is_type_name};

/// Why a bundle cannot be taken apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// `entry` is not a list, or an entry not an object.
    #[error("Bundle.entry is malformed")]
    Malformed,
    /// An entry's resource is not one.
    #[error("entry {number}: {source}")]
    Entry {
        /// Position in the bundle, from 1.
        number: usize,
        /// What is wrong with it.
        source: DocumentError,
    },
    /// A batch or transaction entry asks for something that is not a create or an update.
    #[error("entry {number}: only POST and PUT can be loaded, not {method}")]
    Method {
        /// Position in the bundle, from 1.
        number: usize,
        /// The method it asks for.
        method: String,
    },
    /// `request.url` of a PUT names neither `Type/id` nor `Type?identifier=…`.
    #[error("entry {number}: request.url names no resource")]
    Url {
        /// Position in the bundle, from 1.
        number: usize,
    },
    /// Two entries have the same `fullUrl`.
    #[error("entry {number}: its fullUrl stands twice")]
    FullUrl {
        /// Position in the bundle, from 1.
        number: usize,
    },
}

/// One entry that is to be stored.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) document: Document,
    pub(super) full_url: Option<String>,
    /// The id that a `PUT Type/id` asks for.
    pub(super) wanted_id: Option<String>,
    /// The search of a conditional create or update: the part behind `?`.
    pub(super) condition: Option<String>,
    pub(super) conditional_update: bool,
}

/// Whether a bundle of this type is a parcel of resources; `document`, `message` and `history` are kept whole.
pub(super) fn is_parcel(document: &Document) -> bool {
    document.type_name == "Bundle"
        && matches!(
            document.body.get("type").and_then(Value::as_str),
            Some("collection" | "searchset" | "batch" | "transaction")
        )
}

/// The entries of a parcel, in order. Entries without a resource and outcome entries are left out.
pub(super) fn entries(mut bundle: Document) -> Result<Vec<Entry>, BundleError> {
    let list = match bundle.body.remove("entry") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(BundleError::Malformed),
    };
    let mut entries = Vec::with_capacity(list.len());
    let mut full_urls = HashMap::new();
    for (position, item) in list.into_iter().enumerate() {
        let number = position + 1;
        let Value::Object(mut item) = item else { return Err(BundleError::Malformed) };
        if item.get("search").and_then(|search| search.get("mode")).and_then(Value::as_str) == Some("outcome") {
            continue;
        }
        let Some(resource) = item.remove("resource") else { continue };
        let document = Document::from_value(resource).map_err(|source| BundleError::Entry { number, source })?;
        let full_url = item.get("fullUrl").and_then(Value::as_str).map(str::to_owned);
        if let Some(full_url) = &full_url
            && full_urls.insert(full_url.clone(), number).is_some()
        {
            return Err(BundleError::FullUrl { number });
        }
        let mut entry = Entry { document, full_url, wanted_id: None, condition: None, conditional_update: false };
        if let Some(request) = item.get("request") {
            apply_request(&mut entry, request, number)?;
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn apply_request(entry: &mut Entry, request: &Value, number: usize) -> Result<(), BundleError> {
    let text = |key: &str| request.get(key).and_then(Value::as_str);
    match text("method").unwrap_or_default() {
        "POST" => {
            entry.condition = text("ifNoneExist").map(|query| query.trim_start_matches('?').to_owned());
            Ok(())
        }
        "PUT" => {
            let url = text("url").unwrap_or_default();
            if let Some((type_name, query)) = url.split_once('?') {
                if type_name != entry.document.type_name {
                    return Err(BundleError::Url { number });
                }
                entry.condition = Some(query.to_owned());
                entry.conditional_update = true;
                return Ok(());
            }
            match url.rsplit_once('/') {
                Some((path, id)) if is_id(id) && path.rsplit('/').next() == Some(&entry.document.type_name) => {
                    entry.wanted_id = Some(id.to_owned());
                    Ok(())
                }
                _ => Err(BundleError::Url { number }),
            }
        }
        method => Err(BundleError::Method { number, method: method.to_owned() }),
    }
}

/// Replaces the references of `value` that `resolve` knows.
///
/// FHIR R4 `http` §transaction: elements of type uri, url, oid, uuid and Reference that match a `fullUrl`. An
/// `Identifier.value` that happens to be the same text is an identifier and stays.
pub(super) fn rewrite_references(value: &mut Value, resolve: &impl Fn(&str) -> Option<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members.iter_mut() {
                match member {
                    Value::String(text) if holds_a_reference(key) => {
                        if let Some(new) = resolve(text) {
                            *text = new;
                        }
                    }
                    other => rewrite_references(other, resolve),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite_references(item, resolve)),
        _ => {}
    }
}

fn holds_a_reference(key: &str) -> bool {
    matches!(key, "reference" | "url" | "valueUri" | "valueUrl" | "valueUuid" | "valueOid")
}

/// A conditional reference `Type?identifier=system|value` (FHIR R4 `http` §transaction): type and query.
pub(super) fn conditional_reference(text: &str) -> Option<(&str, &str)> {
    let (type_name, query) = text.split_once('?')?;
    is_type_name(type_name).then_some((type_name, query))
}

/// The identifier that a condition asks for as `system|value`; `None` for any other condition.
pub(super) fn identifier_condition(query: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let (name, value) = pairs.next()?;
    (name == "identifier" && pairs.next().is_none() && value.contains('|')).then(|| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(text: &str) -> Document {
        Document::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_document_bundle_is_kept_whole() {
        assert!(!is_parcel(&bundle(r#"{"resourceType":"Bundle","type":"document"}"#)));
        assert!(is_parcel(&bundle(r#"{"resourceType":"Bundle","type":"transaction"}"#)));
    }

    #[test]
    fn refuses_a_delete_and_a_put_of_another_type() {
        let deletes = r#"{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient"},
            "request":{"method":"DELETE","url":"Patient/1"}}]}"#;
        assert_eq!(
            entries(bundle(deletes)).unwrap_err(),
            BundleError::Method { number: 1, method: "DELETE".to_owned() }
        );
        let other = r#"{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient"},
            "request":{"method":"PUT","url":"Group/1"}}]}"#;
        assert_eq!(entries(bundle(other)).unwrap_err(), BundleError::Url { number: 1 });
    }

    #[test]
    fn an_identifier_that_looks_like_a_full_url_stays() {
        let mut value = serde_json::json!({
            "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:uuid:1"}],
            "subject": {"reference": "urn:uuid:1"}, "content": [{"attachment": {"url": "urn:uuid:1"}}]
        });
        rewrite_references(&mut value, &|text| (text == "urn:uuid:1").then(|| "Patient/1".to_owned()));
        assert_eq!(value["identifier"][0]["value"], "urn:uuid:1");
        assert_eq!(value["subject"]["reference"], "Patient/1");
        assert_eq!(value["content"][0]["attachment"]["url"], "Patient/1");
    }

    #[test]
    fn only_an_identifier_alone_is_a_condition_we_know() {
        assert_eq!(identifier_condition("identifier=http%3A%2F%2Fa%7Cb").as_deref(), Some("http://a|b"));
        assert_eq!(identifier_condition("identifier=b"), None);
        assert_eq!(identifier_condition("name=b"), None);
        assert_eq!(identifier_condition("identifier=a|b&active=true"), None);
    }
}
