//! What cuts leave behind: FHIR JSON has no empty object or list (FHIR R4 json.html §2.6.2), and an Extension has a
//! `url` and either a value or extensions (invariant ext-1).

use super::search::fragment::Fragment;

/// The document without empty objects and lists, and without Extensions that cuts have left without a `url` or a
/// value. What stays keeps its bytes; the space between members goes.
#[must_use]
pub fn prune(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    if !write(Fragment::new(bytes), false, &mut out) {
        out.clear();
        out.extend_from_slice(b"{}");
    }
    out
}

/// Appends a value, unless nothing of it is left. `extensions` says that the value is the list of an element's
/// extensions, or one of them.
fn write(value: Fragment<'_>, extensions: bool, out: &mut Vec<u8>) -> bool {
    match value.bytes().first() {
        Some(b'{') => object(value, extensions, out),
        Some(b'[') => list(value, extensions, out),
        _ => {
            out.extend_from_slice(value.bytes());
            true
        }
    }
}

fn object(value: Fragment<'_>, is_extension: bool, out: &mut Vec<u8>) -> bool {
    let before = out.len();
    let mut separator = b'{';
    let (mut has_url, mut says_something) = (false, false);
    for (name, member) in value.members() {
        let mark = out.len();
        out.push(separator);
        out.push(b'"');
        out.extend_from_slice(name);
        out.extend_from_slice(b"\":");
        if !write(member, matches!(name, b"extension" | b"modifierExtension"), out) {
            out.truncate(mark);
            continue;
        }
        separator = b',';
        has_url |= name == b"url";
        says_something |= name == b"extension" || name.starts_with(b"value") || name.starts_with(b"_value");
    }
    let is_kept = separator == b',' && (!is_extension || (has_url && says_something));
    if is_kept {
        out.push(b'}');
    } else {
        out.truncate(before);
    }
    is_kept
}

fn list(value: Fragment<'_>, of_extensions: bool, out: &mut Vec<u8>) -> bool {
    let before = out.len();
    let mut separator = b'[';
    for item in value.items() {
        let mark = out.len();
        out.push(separator);
        if write(item, of_extensions, out) {
            separator = b',';
        } else {
            out.truncate(mark);
        }
    }
    if separator == b',' {
        out.push(b']');
        return true;
    }
    out.truncate(before);
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str) {
        assert_eq!(String::from_utf8(prune(before.as_bytes())).unwrap(), after, "{before}");
    }

    #[test]
    fn what_is_whole_keeps_its_values() {
        let whole = r#"{"a":1.00,"b":["x",null,{"c":"\u00e9 {}[]"}],"extension":[{"url":"u","valueCode":"v"}]}"#;
        check(whole, whole);
        check("{ \"a\" : [ 1 , 2e0 ] }", r#"{"a":[1,2e0]}"#);
    }

    #[test]
    fn empty_objects_and_lists_go_with_what_held_them() {
        check(r#"{"id":"1","a":{},"b":[],"c":[{"d":[{}]}],"e":""}"#, r#"{"id":"1","e":""}"#);
        check(r#"{"a":[{},1,[]]}"#, r#"{"a":[1]}"#);
        check(r#"{"a":{}}"#, "{}");
    }

    #[test]
    fn an_extension_without_url_or_value_goes_whole() {
        check(r#"{"id":"1","extension":[{"url":"u"}]}"#, r#"{"id":"1"}"#);
        check(
            r#"{"id":"1","extension":[{"valueCode":"v"},{"url":"w","valueCode":"v"}]}"#,
            r#"{"id":"1","extension":[{"url":"w","valueCode":"v"}]}"#,
        );
        check(r#"{"id":"1","modifierExtension":[{"url":"u","valueAttachment":{}}]}"#, r#"{"id":"1"}"#);
        // A value that is gone takes the Extensions around it along.
        check(r#"{"id":"1","a":{"extension":[{"url":"u","extension":[{"url":"v"}]}]}}"#, r#"{"id":"1"}"#);
        check(r#"{"a":[{"url":"u"}]}"#, r#"{"a":[{"url":"u"}]}"#);
        check(
            r#"{"extension":[{"url":"u","_valueDate":{"extension":[{"url":"v","valueCode":"w"}]}}]}"#,
            r#"{"extension":[{"url":"u","_valueDate":{"extension":[{"url":"v","valueCode":"w"}]}}]}"#,
        );
    }
}
