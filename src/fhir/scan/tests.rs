//! The scan against documents written by hand, each with one trap.

mod codings;
mod fuzz;
mod hostile;
mod model;
mod property;

use bytes::Bytes;

use super::*;
use crate::fhir::shape::ShapeBuilder;

/// One shape for every type.
pub(super) struct OneShape(pub(super) Shape);

impl Shapes for OneShape {
    fn shape(&self, _: ResourceType) -> &Shape {
        &self.0
    }
}

pub(super) fn shapes(paths: &[&str], attachments: &[&str]) -> OneShape {
    let mut builder: ShapeBuilder = Shape::builder();
    for path in paths {
        builder.capture(path);
    }
    for path in attachments {
        builder.attachment(path);
    }
    OneShape(builder.build())
}

fn resource(text: &str) -> Result<RawResource, ScanError> {
    let shapes =
        shapes(&["subject.reference", "code", "participant.actor", "meta.security"], &["content.attachment.url"]);
    scan_resource(Bytes::copy_from_slice(text.as_bytes()), &shapes)
}

fn page(text: &str) -> Result<ScannedBundle, ScanError> {
    scan_bundle(Bytes::copy_from_slice(text.as_bytes()), &shapes(&["subject.reference"], &[]))
}

#[test]
fn a_resource_is_scanned_whatever_the_order_of_its_members() {
    let text = r##" {"id":"o1","meta":{"versionId":"7","lastUpdated":"2024-01-02T03:04:05Z","security":[{"code":"R"},{"code":"V"}]},
        "subject":{"reference":"Patient/1","display":"A"},"resourceType":"Observation",
        "contained":[{"id":"p","resourceType":"Patient","code":{"text":"not captured"},"generalPractitioner":[{"display":"D","reference":"Practitioner/2"}]}]} "##;
    let scanned = resource(text).unwrap();
    let facts = &scanned.facts;
    let shown = |span: Span| std::str::from_utf8(span.of(&scanned.bytes)).unwrap();
    assert_eq!(&scanned.bytes[..], text.trim().as_bytes());
    assert_eq!(facts.resource_type, ResourceType::Observation);
    assert_eq!(scanned.id(), Some("o1"));
    assert_eq!(facts.version_id.map(shown), Some("7"));
    assert_eq!(facts.last_updated.map(shown), Some("2024-01-02T03:04:05Z"));
    let keys: Vec<_> = facts.members.iter().map(|member| shown(member.key)).collect();
    assert_eq!(keys, ["id", "meta", "subject", "resourceType", "contained"]);
    assert_eq!(shown(facts.members[0].span()), r#""id":"o1""#);
    let captures: Vec<_> = facts.captures.iter().map(|(id, span)| (*id, shown(*span))).collect();
    assert_eq!(captures, [(3, r#"{"code":"R"}"#), (3, r#"{"code":"V"}"#), (0, r#""Patient/1""#)]);
    let [own, inner] = &facts.references[..] else { panic!("two references") };
    assert_eq!(shown(own.object), r#"{"reference":"Patient/1","display":"A"}"#);
    assert_eq!((shown(own.member), shown(own.value)), (r#""reference":"Patient/1""#, "Patient/1"));
    assert_eq!((own.first, own.following_comma, own.in_contained, own.escaped), (true, true, false, false));
    assert_eq!(own.display.map(shown), Some(r#""display":"A""#));
    assert_eq!((inner.first, inner.following_comma, inner.in_contained), (false, false, true));
    assert_eq!(inner.display.map(shown), Some(r#""display":"D""#));
    let [contained] = &facts.contained[..] else { panic!("one contained resource") };
    assert_eq!((contained.resource_type, contained.id.map(shown)), (Some(ResourceType::Patient), Some("p")));
    assert!(shown(contained.span).starts_with(r#"{"id":"p""#) && shown(contained.span).ends_with("]}"));
}

#[test]
fn a_page_gives_its_entries_and_its_next_link() {
    let text = r##"{"entry":[
        {"fullUrl":"http:\/\/h\/Observation\/a","resource":{"resourceType":"Observation","id":"a","subject":{"reference":"Patient/1"}},"search":{"mode":"match"}},
        {"resource":{"resourceType":"Basic","id":"b"}},
        {"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"throttled","diagnostics":"secret"}]},"search":{"mode":"outcome"}},
        {"resource":{"id":"c","id":"d","resourceType":"Observation"}},
        {"resource":{"id":"e","resourceType":"Patient"},"search":{"mode":"include"}}],
        "link":[{"relation":"self","url":"x"},{"relation":"next","url":"http://h/next?a=\u0062"}],"total":5,"type":"searchset","resourceType":"Bundle"}"##;
    let page = page(text).unwrap();
    assert_eq!((page.bundle_type.as_str(), page.total, page.refused), ("searchset", Some(5), 2));
    assert_eq!(page.next.as_deref(), Some("http://h/next?a=b"));
    assert_eq!(page.outcomes, [OutcomeIssue { severity: IssueSeverity::Warning, code: IssueCode::Throttled }]);
    let [first, second] = &page.entries[..] else { panic!("two entries") };
    assert_eq!((first.mode, first.resource.id()), (SearchMode::Match, Some("a")));
    let captured: Vec<_> = first.resource.captured(0).filter_map(Fragment::text).collect();
    assert_eq!(captured, ["Patient/1"]);
    assert_eq!((second.mode, second.resource.id()), (SearchMode::Include, Some("e")));
}
