//! The byte scanner against serde_json: it accepts what is JSON and keeps the rules, no less and no more, and what it
//! reports is what a walk over the tree finds.

use bytes::Bytes;

use super::setting::SETTING;
use super::tree::{self, NaiveReference, Tree};
use crate::fhir::scan::{self, RawResource, Span};

/// The tree of a span.
fn at(span: Span, bytes: &[u8]) -> Tree {
    tree::tree(span.of(bytes)).expect("a span holds a value")
}

/// The tree of a member's span as an object of its own.
fn member_at(span: Span, bytes: &[u8]) -> Tree {
    tree::tree(&[b"{", span.of(bytes), b"}"].concat()).expect("a span holds a member")
}

/// Holds what was reported of a resource against its tree.
pub(super) fn assert_agrees(raw: &RawResource, document: &Tree) {
    let (bytes, facts) = (&raw.bytes, &raw.facts);
    let mut expected = Vec::new();
    tree::references(document, false, true, &mut expected);
    let found = facts.references.iter().map(|reference| NaiveReference {
        object: at(reference.object, bytes),
        text: scan::unescape(reference.value.of(bytes)).expect("a string").into_owned(),
        escaped: reference.escaped,
        in_contained: reference.in_contained,
        first: reference.first,
        following_comma: reference.following_comma,
        display: reference.display.map(|span| member_at(span, bytes).get("display").expect("a display").clone()),
    });
    assert_eq!(found.collect::<Vec<_>>(), expected);
    let Tree::Object(members) = document else { panic!("a resource is an object") };
    let found: Vec<Tree> = facts.members.iter().map(|member| member_at(member.span(), bytes)).collect();
    let expected: Vec<Tree> = members.iter().map(|member| Tree::Object(vec![member.clone()])).collect();
    assert_eq!(found, expected);
    let contained: Vec<Tree> = facts.contained.iter().map(|contained| at(contained.span, bytes)).collect();
    let held = match document.get("contained") {
        Some(Tree::Array(items)) => items.as_slice(),
        _ => &[],
    };
    assert_eq!(contained, held);
    let known = SETTING.knowledge.of(facts.resource_type);
    for (id, span) in &facts.captures {
        let path = known.path(*id).expect("a capture has a path");
        let mut values = Vec::new();
        tree::at_path(document, &path.split('.').collect::<Vec<_>>(), &mut values);
        assert!(values.contains(&at(*span, bytes)), "{path}");
    }
}

pub(super) fn run(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let document = tree::tree(data);
    match (scan::scan_resource(bytes, SETTING.knowledge), &document) {
        (Ok(raw), Some(document)) => {
            assert!(!tree::is_refused(document), "accepted against the rules");
            assert_agrees(&raw, document);
        }
        (Ok(_), None) => panic!("accepted what is not JSON"),
        (Err(error), Some(document)) => assert!(tree::is_refused(document), "refused without a rule: {error}"),
        (Err(_), None) => {}
    }
    assert!(scan::scan_outcome(data).is_err() || document.is_some(), "accepted what is not JSON");
    let mentions = scan::mentions(data, "ehr.test");
    if let (Ok(found), Some(document)) = (scan::strings_that_mention(data, "ehr.test"), &document) {
        assert_eq!(mentions, tree::mentions(document, "ehr.test"));
        assert_eq!(mentions, !found.is_empty());
    }
    let _ = scan::unescape(data);
}
