//! Every way to an item over HTTP: whatever is seen by one way is seen by all, and by no other.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use chartgate::base::hash::{base32, sha256};

use crate::fhir::record_pages::{pages, shown};
use crate::support::world::{Reply, World};

pub(super) fn upstream_ids(resources: &[Value], kind: &str) -> BTreeSet<String> {
    let ids = resources.iter().filter(|resource| resource["resourceType"] == kind);
    ids.map(|resource| resource["id"].as_str().unwrap().split_once('.').map_or("merged", |(_, id)| id).to_owned())
        .collect()
}

pub(super) fn resources(bundle: &Value) -> Vec<Value> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries.into_iter().filter(|e| e["search"]["mode"] != "outcome").map(|e| e["resource"].clone()).collect()
}

pub(super) async fn batch(world: &World, token: &str, url: &str) -> Value {
    let bundle =
        json!({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}}]});
    let headers = [("content-type", "application/fhir+json")];
    world.send("POST", "/fhir", Some(token), &headers, &bundle.to_string()).await.json()["entry"][0].clone()
}

/// The part of the record in pages that holds a type.
pub(super) fn part(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "Observation" => "findings",
        "Immunization" => "immunizations",
        "Encounter" => "visits",
        "Appointment" => "appointments",
        "MedicationRequest" => "medications",
        "Condition" => "conditions",
        "DocumentReference" => "documents",
        "Invoice" => "bills",
        _ => return None,
    })
}

/// The same in pages, to whoever the token was given by. Where there is nothing for them there is no page.
pub(super) async fn on_pages(world: &World, token: &str, person: &str, kind: &str) -> Option<BTreeSet<String>> {
    let part = part(kind)?;
    let mut browser = world.browser_of(token).await;
    let address = format!("/record/{part}?person={}", world.person(person).id);
    if browser.get(&address).await.status == 404 {
        return Some(BTreeSet::new());
    }
    let found = shown(&pages(world, &mut browser, person, part).await, part);
    Some(found.iter().map(|id| id.split_once('.').unwrap().1.to_owned()).collect())
}

/// The same by what leads to it: every Provenance here speaks of an observation.
pub(super) async fn included(world: &World, token: &str, kind: &str) -> Option<BTreeSet<String>> {
    if kind != "Provenance" {
        return None;
    }
    let answer = world.get("/fhir/Observation?_revinclude=Provenance:target", token).await;
    let entries: Vec<Value> = answer.entries("include").into_iter().map(|entry| entry["resource"].clone()).collect();
    Some(upstream_ids(&entries, kind))
}

/// What a caller sees of one type, found out in every way there is; all of them must agree.
pub(super) async fn seen(world: &World, token: &str, person: &str, kind: &str) -> BTreeSet<String> {
    let got = world.get(&format!("/fhir/{kind}"), token).await;
    let found = upstream_ids(&got.matches(), kind);
    let total = got.json()["total"].as_u64();
    if let Some(total) = total {
        assert_eq!(total, found.len() as u64, "{person} {kind}: total");
    }
    let posted = world.search_by_post(kind, &[], token).await;
    assert_eq!(upstream_ids(&posted.matches(), kind), found, "{person} {kind}: POST");
    let pages = world.pages(&format!("/fhir/{kind}?_count=3"), token).await;
    let paged: Vec<Value> = pages.iter().flat_map(Reply::matches).collect();
    assert_eq!((upstream_ids(&paged, kind), paged.len()), (found.clone(), found.len()), "{person} {kind}: pages");
    let batched = batch(world, token, kind).await;
    assert_eq!(upstream_ids(&resources(&batched["resource"]), kind), found, "{person} {kind}: batch");
    let id = world.person(person).id;
    let everything = world.get(&format!("/fhir/Patient/{id}/$everything?_type={kind}"), token).await;
    assert_eq!(upstream_ids(&resources(&everything.json()), kind), found, "{person} {kind}: $everything");
    let compartment = world.get(&format!("/fhir/Patient/{id}/{kind}"), token).await;
    // What is seen through others is in no compartment.
    if compartment.status == 200 && kind != "Provenance" {
        assert_eq!(upstream_ids(&compartment.matches(), kind), found, "{person} {kind}: compartment");
    }
    assert_eq!(
        on_pages(world, token, person, kind).await.unwrap_or_else(|| found.clone()),
        found,
        "{person} {kind}: pages"
    );
    if let Some(included) = included(world, token, kind).await {
        assert_eq!(included, found, "{person} {kind}: what leads to it");
    }
    for practice in &world.practices {
        for resource in practice.resources.iter().filter(|resource| resource["resourceType"] == kind) {
            let upstream = resource["id"].as_str().unwrap();
            let place = format!("{kind}/{}.{upstream}", practice.source);
            let expected = if found.contains(upstream) { 200 } else { 404 };
            // Of others nothing is found; of the person's own, every way must agree.
            let is_own = upstream.starts_with(person);
            let ways = [place.clone(), format!("{place}/_history")];
            for way in ways.into_iter().take(if is_own { 2 } else { 1 }) {
                let status = world.get(&format!("/fhir/{way}"), token).await.status;
                assert_eq!(status, expected, "{person}: read of {way}");
            }
            if !is_own {
                continue;
            }
            let status = batch(world, token, &place).await["response"]["status"].as_str().unwrap().to_owned();
            assert!(status.starts_with(&expected.to_string()), "{person}: batched read of {place}: {status}");
        }
    }
    found
}

/// The same, by the last part of the ids at the first practice.
pub(super) async fn seen_at_one(world: &World, token: &str, person: &str, kind: &str) -> Vec<String> {
    let found = seen(world, token, person, kind).await;
    let prefix = format!("{person}-one-");
    found.iter().filter_map(|id| id.strip_prefix(&prefix)).map(str::to_owned).collect()
}

/// Everything of an answer but what names this one request and this one installation: whatever is drawn is as long in each.
pub(super) fn comparable(world: &World, reply: &Reply) -> String {
    let bytes = base32(&sha256(reply.text.as_bytes())[..10]);
    let headers = reply.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"));
    let mut headers: Vec<String> = headers
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        // Of what it says, and of nothing else: what it says is compared.
        .map(|line| if line.starts_with("etag: ") { line.replace(&bytes, "these bytes") } else { line })
        .collect();
    headers.sort();
    plain(world, &format!("{}\n{}\n\n{}", reply.status, headers.join("\n"), reply.text))
}

/// A text without what is another in each installation: its address, the keys of its sources, ids that are drawn, and links to
/// further pages, which are sealed. How long a seal is counts.
pub(super) fn plain(world: &World, text: &str) -> String {
    let mut text = text.replace(&world.issuer, "issuer");
    for (name, person) in &world.persons {
        text = text.replace(&person.id.to_string(), name);
    }
    for practice in &world.practices {
        text = text.replace(&practice.source, &practice.key);
    }
    let mut unsealed = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("page=") {
        let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.~%=".contains(c))).unwrap_or(after.len());
        unsealed.push_str(&format!("{before}page:sealed of {end}"));
        rest = &after[end..];
    }
    unsealed.push_str(rest);
    without_ids(&unsealed)
}

/// Ids that are drawn are alike everywhere.
fn without_ids(text: &str) -> String {
    let is_id = |part: &str| {
        let at = |place: usize| [8, 13, 18, 23].contains(&place);
        part.len() == 36
            && part
                .bytes()
                .enumerate()
                .all(|(place, byte)| (byte == b'-') == at(place) && (at(place) || byte.is_ascii_hexdigit()))
    };
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match rest.get(..36).filter(|part| is_id(part)) {
            Some(_) => {
                plain.push_str("id");
                rest = &rest[36..];
            }
            None => {
                plain.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    plain
}
