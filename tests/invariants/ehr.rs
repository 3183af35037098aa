//! EHRs that hold a world: honest ones, ones that ignore whatever they are asked, and ones that do harm.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::dice::Dice;
use super::world::World;
use crate::naive::{self, Kind, kind_of};

/// How an EHR answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// What was asked for by patient and id; any other parameter is ignored.
    Honest,
    /// Everything of the type, whatever was asked.
    Sloppy,
    /// What would hurt most.
    Hostile,
}

/// One request to an EHR.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    pub(super) source: usize,
    pub(super) resource_type: String,
    pub(super) id: Option<String>,
    pub(super) pairs: Vec<(String, String)>,
}

struct Holding {
    manner: Manner,
    page_size: usize,
    by_type: BTreeMap<String, Vec<(Value, String)>>,
    dice: Mutex<Dice>,
    links: Vec<String>,
}

/// One EHR. What it holds is exchanged between worlds.
pub(super) struct Ehr {
    source: usize,
    pub(super) base: String,
    pub(super) authority: String,
    holding: Mutex<Arc<Holding>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Ehr {
    pub(super) async fn start(source: usize, asked: Arc<Mutex<Vec<Asked>>>) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let nothing = Holding {
            manner: Manner::Honest,
            page_size: 50,
            by_type: BTreeMap::new(),
            dice: Mutex::new(Dice::new(0)),
            links: Vec::new(),
        };
        let base = format!("http://{authority}/fhir");
        let ehr = Arc::new(Self { source, base, authority, holding: Mutex::new(Arc::new(nothing)), asked });
        let router = Router::new().fallback(answer).with_state(ehr.clone());
        tokio::spawn(async move {
            let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
            axum::serve(listener, router).await
        });
        ehr
    }

    pub(super) fn hold(&self, world: &World, manner: Manner) {
        let mut by_type: BTreeMap<String, Vec<(Value, String)>> = BTreeMap::new();
        for resource in world.held.get(self.source).into_iter().flatten() {
            let kind = resource["resourceType"].as_str().unwrap().to_owned();
            by_type.entry(kind).or_default().push((resource.clone(), resource.to_string()));
        }
        let mut dice = Dice::of(world.recipe.seed, 1_000_000 + self.source);
        let page_size = *dice.pick(&[7, 40, 1_000]);
        let links = world.patients(self.source).into_iter().map(str::to_owned).collect();
        let holding = Holding { manner, page_size, by_type, dice: Mutex::new(dice), links };
        *self.holding.lock().unwrap() = Arc::new(holding);
    }

    fn answer(&self, path: &str, pairs: Vec<(String, String)>) -> (u16, String) {
        let mut segments = path.trim_start_matches("/fhir").trim_matches('/').split('/');
        let (kind, id) = (segments.next().unwrap_or_default().to_owned(), segments.next().map(str::to_owned));
        let asked = Asked { source: self.source, resource_type: kind.clone(), id: id.clone(), pairs: pairs.clone() };
        self.asked.lock().unwrap().push(asked);
        let holding = self.holding.lock().unwrap().clone();
        if holding.manner == Manner::Hostile
            && let Some(reply) = holding.harm(&self.base, &kind, id.as_deref())
        {
            return reply;
        }
        let held = holding.by_type.get(&kind).map(Vec::as_slice).unwrap_or_default();
        if let Some(id) = id {
            let found = held.iter().find(|(resource, _)| resource["id"] == *id);
            return found.map_or((404, "{}".to_owned()), |(_, text)| (200, text.clone()));
        }
        let chosen = held.iter().filter(|(resource, _)| holding.answers(resource, &pairs, &self.base));
        let texts: Vec<&str> = chosen.map(|(_, text)| text.as_str()).collect();
        (200, holding.page(&texts, &self.base, &kind, pairs))
    }
}

impl Holding {
    /// Whether an EHR of this manner gives the resource for this search.
    fn answers(&self, resource: &Value, pairs: &[(String, String)], base: &str) -> bool {
        if self.manner != Manner::Honest {
            return true;
        }
        let kind = resource["resourceType"].as_str().unwrap();
        pairs.iter().all(|(name, value)| match name.as_str() {
            "_id" => value.split(',').any(|id| resource["id"] == *id),
            // Which of a message's parties: the one that the parameter names.
            "sender" | "recipient" if kind == "Communication" => {
                let parties = naive::at(resource, name).into_iter().filter_map(|party| party["reference"].as_str());
                parties.filter_map(|text| naive::local(text, base)).any(|(kind, id)| format!("{kind}/{id}") == *value)
            }
            _ => match (value.strip_prefix("Patient/"), kind_of(kind)) {
                (Some(patient), Kind::Subject(path) | Kind::AnySubject(path)) => {
                    let named = naive::at(resource, path).into_iter().filter_map(|one| one["reference"].as_str());
                    named
                        .filter_map(|text| naive::local(text, base))
                        .any(|(kind, id)| kind == "Patient" && id == patient)
                }
                _ => true,
            },
        })
    }

    /// One page, and a link to the next.
    fn page(&self, texts: &[&str], base: &str, kind: &str, mut pairs: Vec<(String, String)>) -> String {
        let start = pairs.iter().find(|(name, _)| name == "__page").map_or(0, |(_, page)| page.parse().unwrap_or(0));
        pairs.retain(|(name, _)| name != "__page");
        let end = texts.len().min(start + self.page_size);
        let mut next = String::new();
        if end < texts.len() {
            pairs.push(("__page".to_owned(), end.to_string()));
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let url = json!(format!("{base}/{kind}?{query}"));
            next = format!(r#","link":[{{"relation":"next","url":{url}}}]"#);
        }
        let entries: Vec<String> = texts.get(start..end).unwrap_or_default().iter().map(|text| entry(text)).collect();
        bundle(&next, &entries)
    }

    /// Something that no EHR should answer; `None` when this time it is only sloppy.
    fn harm(&self, base: &str, kind: &str, id: Option<&str>) -> Option<(u16, String)> {
        let mut dice = self.dice.lock().unwrap();
        let held = self.by_type.get(kind).map(Vec::as_slice).unwrap_or_default();
        let patient = |dice: &mut Dice| -> String {
            if self.links.is_empty() { "p0".to_owned() } else { dice.pick(&self.links).clone() }
        };
        let any = |dice: &mut Dice| held.get(dice.below(held.len())).map_or("{}".to_owned(), |(_, text)| text.clone());
        if let Some(id) = id {
            return match dice.below(6) {
                // Another one under the id that was asked for. (Who a Patient is, only the EHR can say.)
                0 if kind != "Patient" => {
                    let (resource, _) = held.get(dice.below(held.len()))?;
                    let mut forged = resource.clone();
                    forged["id"] = json!(id);
                    Some((200, forged.to_string()))
                }
                1 => Some((200, any(&mut dice))),
                2 if matches!(kind_of_name(kind), Some(Kind::Subject(_) | Kind::AnySubject(_))) => {
                    Some((200, evil(kind, id, &patient(&mut dice), base, &mut dice)))
                }
                3 => Some((*dice.pick(&[302, 401, 410, 500]), "{\"canary-raw\":1}".to_owned())),
                4 => Some((200, broken(&any(&mut dice), &mut dice))),
                _ => None,
            };
        }
        let mut entries: Vec<String> = held.iter().map(|(_, text)| entry(text)).collect();
        // Shared reference data is about nobody, whatever its subject.
        let is_personal = matches!(kind_of_name(kind), Some(Kind::Subject(_) | Kind::AnySubject(_)));
        let count = if is_personal { dice.below(4) } else { 0 };
        for index in 0..count {
            let patient = patient(&mut dice);
            entries.push(entry(&evil(kind, &format!("e{index}"), &patient, base, &mut dice)));
        }
        match dice.below(9) {
            // Other types among them, as matches and as includes.
            0 => {
                for held in self.by_type.values() {
                    entries.extend(held.iter().take(3).map(|(_, text)| entry(text)));
                }
            }
            1 => {
                let includes =
                    held.iter().map(|(_, text)| format!(r#"{{"resource":{text},"search":{{"mode":"include"}}}}"#));
                entries = includes.collect();
            }
            2 => entries.extend(entries.clone()),
            3 => {
                let url =
                    *dice.pick(&["http://evil.example/fhir/x", "//evil.example/x", "/other", "?__page=0", "x\\u0000"]);
                let next = format!(r#","total":99999,"link":[{{"relation":"next","url":"{url}"}}]"#);
                return Some((200, bundle(&next, &entries)));
            }
            4 => return Some((*dice.pick(&[302, 401, 429, 500, 503]), "{\"canary-raw\":1}".to_owned())),
            5 => return Some((200, broken(&bundle("", &entries), &mut dice))),
            6 => return Some((200, any(&mut dice))),
            7 => {
                // An entry that says one thing around another.
                let one = any(&mut dice);
                entries.push(format!(r#"{{"resource":{one},"resource":{one}}}"#));
                entries.push(format!(
                    r#"{{"fullUrl":"http://evil.example/canary-raw","response":{one},"resource":{one}}}"#
                ));
            }
            _ => {}
        }
        Some((200, bundle("", &entries)))
    }
}

fn entry(text: &str) -> String {
    format!(r#"{{"resource":{text},"search":{{"mode":"match"}}}}"#)
}

fn bundle(more: &str, entries: &[String]) -> String {
    format!(r#"{{"resourceType":"Bundle","type":"searchset"{more},"entry":[{}]}}"#, entries.join(","))
}

/// Bytes gone wrong.
fn broken(text: &str, dice: &mut Dice) -> String {
    let mut bytes = text.as_bytes().to_vec();
    match dice.below(4) {
        0 => bytes.truncate(dice.below(bytes.len())),
        1 => {
            let place = dice.below(bytes.len());
            if let Some(byte) = bytes.get_mut(place) {
                // Nowhere allowed in JSON: what came through is what the EHR holds.
                *byte = 1;
            }
        }
        2 => bytes = format!("{}{text}{}", "[".repeat(500), "]".repeat(500)).into_bytes(),
        _ => bytes.extend_from_slice(b"{\"canary-raw\":1}"),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A resource that must look like nobody's: two readings of it would name two people, or none. Its tag is never shown.
fn evil(kind: &str, id: &str, own: &str, base: &str, dice: &mut Dice) -> String {
    let path = match kind_of_name(kind) {
        Some(Kind::Subject(path)) if path != "id" => path,
        _ => "subject",
    };
    let other = "p-nobody";
    let subject = match dice.below(13) {
        0 => format!(r#""{path}":{{"reference":"Patient/{own}"}},"{path}":{{"reference":"Patient/{other}"}}"#),
        1 => format!(r#""{path}":{{"reference":"Patient/{other}"}},"{path}":{{"reference":"Patient/{own}"}}"#),
        2 => format!(r#""{path}":{{"reference":"Patient/{own}","reference":"Patient/{other}"}}"#),
        3 => format!(r#""\u0073{}":{{"reference":"Patient/{own}"}}"#, &path[1..]),
        4 => format!(r#""{path}":[{{"reference":"Patient/{own}"}},{{"reference":"Patient/{other}"}}]"#),
        5 => format!(r#""{path}":{{"reference":"https://elsewhere.example/fhir/Patient/{own}"}}"#),
        6 => format!(r#""{path}":{{"reference":"Patient/%7{}{own}"}}"#, "0"),
        7 => format!(r#""{path}":{{"reference":"Patient/{own} "}}"#),
        8 => format!(r#""{path}":{{"reference":"patient/{own}"}}"#),
        9 => format!(r#""{path}":{{"reference":"{base}x/Patient/{own}"}}"#),
        10 => format!(r#""{path}":{{"identifier":{{"value":"{own}"}},"type":"Patient"}}"#),
        11 => format!(r#""{path}":{{"extension":[{{"url":"u","valueReference":{{"reference":"Patient/{own}"}}}}]}}"#),
        _ => format!(r#""x":{{"{path}":{{"reference":"Patient/{own}"}}}}"#),
    };
    let tag = r#""meta":{"tag":[{"system":"urn:x:tag","code":"evil"}]}"#;
    format!(r#"{{"resourceType":"{kind}","id":"{id}",{tag},"status":"final","valueString":"canary-evil",{subject}}}"#)
}

fn kind_of_name(name: &str) -> Option<Kind> {
    chartgate::fhir::ResourceType::parse(name).map(|_| kind_of(name))
}

async fn answer(State(ehr): State<Arc<Ehr>>, request: Request) -> Response {
    let uri = request.uri().clone();
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let (status, body) = ehr.answer(uri.path(), pairs);
    let response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    let response = response.header("content-type", "application/fhir+json").header("location", "/elsewhere");
    response.body(Body::from(body)).unwrap()
}
