//! Pages: a searchset reads as its tree says, its `next` link never leaves the source, and a page link that was not made
//! here opens for nobody.

use bytes::Bytes;

use super::super::page_link::{PageLinks, Place};
use super::scan::assert_agrees;
use super::setting::{SETTING, SOURCE};
use super::tree::{self, Tree};
use crate::fhir::ResourceType;
use crate::fhir::scan;

pub(super) fn run(data: &[u8]) {
    let document = tree::tree(data);
    if let Ok(page) = scan::scan_bundle(Bytes::copy_from_slice(data), SETTING.knowledge) {
        let document = document.expect("accepted what is not JSON");
        let entries = match document.get("entry") {
            Some(Tree::Array(entries)) => entries.as_slice(),
            _ => &[],
        };
        let mut rest = entries.iter();
        for entry in &page.entries {
            // In order, none twice.
            let resource = tree::tree(&entry.resource.bytes).expect("a resource is JSON");
            assert!(!tree::is_refused(&resource), "accepted against the rules");
            assert_agrees(&entry.resource, &resource);
            assert!(rest.any(|held| held.get("resource") == Some(&resource)), "an entry from nowhere");
        }
        let outcomes = entries.iter().filter(|entry| {
            let kind = entry.get("resource").and_then(|resource| resource.get("resourceType"));
            matches!(kind, Some(Tree::Text(name, _)) if name == "OperationOutcome")
        });
        let read = page.entries.len() + usize::try_from(page.refused).expect("small") + outcomes.count();
        assert!(read >= entries.len(), "{} entries are not accounted for", entries.len() - read);
        if let Some(next) = &page.next {
            follow(next);
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        follow(text);
        open(text);
    }
}

const WHAT: &str = "search";

fn follow(next: &str) {
    let Some(url) = SETTING.chart.source.client.connection().page_url(next) else { return };
    let text = url.as_str();
    let rest = text.strip_prefix(SOURCE).expect("a page link that leaves the source");
    assert!(rest.is_empty() || rest.starts_with(['/', '?', '#']), "{text} is beside the source");
    assert!(!url.path().split('/').any(|segment| segment == ".."), "{text} climbs");
}

fn open(text: &str) {
    let links = PageLinks::new(&SETTING.master, SETTING.clock.clone(), SETTING.random.clone(), 600);
    let permit = SETTING.permit(ResourceType::Observation).expect("a served type");
    assert!(links.open::<Place>(&permit, WHAT, text).is_none(), "opened what was not sealed");
    let parameters = vec![("code".to_owned(), text.to_owned())];
    let place = Place::After { keys: Vec::new(), id: text.to_owned() };
    let position = links.position(parameters, place, Vec::new());
    let sealed = links.seal_short(&permit, WHAT, position.clone()).expect("sealed");
    let opened = links.open::<Place>(&permit, WHAT, &sealed).expect("opens");
    assert!(opened.parameters == position.parameters, "not what was sealed");
    assert!(matches!(opened.place, Place::After { id, .. } if id == text), "not what was sealed");
    let other = SETTING.permit(ResourceType::Condition).expect("a served type");
    assert!(links.open::<Place>(&other, WHAT, &sealed).is_none(), "opened for another search");
    assert!(links.open::<Place>(&permit, "history", &sealed).is_none(), "opened for another interaction");
}
