//! What a Binary holds: read through a document that names it and that the caller sees, decided anew each time (FHIR R4
//! binary.html: nothing else says whose the bytes are). As a FHIR resource, or as the bytes themselves.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use data_encoding::{BASE64, BASE64_NOPAD};

use super::Gateway;
use super::answer::{Answer, Refusal, tally};
use super::chart::{Chart, Charts};
use super::fetch;
use super::identifier::GatewayId;
use super::outcome::Missing;
use super::read::Place;
use super::released::{Filter, Released, VisibleOwners};
use super::search::unavailable;
use crate::access::Permit;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::{AuthorizationKind, Knowledge};
use crate::fhir::reference::{ReferenceForm, parse_reference};
use crate::fhir::scan::{self, RawResource, quoted};
use crate::fhir::search::fragment::Fragment;
use crate::storage::hashed_ids::HashedTarget;
use crate::upstream::{Document, DocumentAddress, DocumentBody, SourceFailure};

/// Owners that are asked for one document: more name it, but these will do.
const MAX_OWNERS: usize = 8;
/// The id of a file that is no resource at its source, until it gets the gateway's.
const FILE: &str = "file";
/// The form in which a source is asked for a Binary.
const FHIR: &str = "application/fhir+json";
/// Any form: that in which it is kept.
const NATIVE: &str = "*/*";

/// A document that the caller may see, and where it lies.
struct Readable {
    chart: Arc<Chart>,
    address: DocumentAddress,
    /// By what the filter knows that it may be shown.
    owners: Arc<VisibleOwners>,
}

/// Bytes with their type.
#[derive(Debug)]
pub struct Content {
    /// The media type, as the source says it.
    pub content_type: Option<String>,
    /// How many bytes there are, where it is known.
    pub length: Option<u64>,
    /// The bytes.
    pub body: DocumentBody,
}

impl Gateway {
    /// A Binary as a FHIR resource.
    pub(super) async fn read_binary(&self, permit: &Permit, id: &str) -> Result<Answer, Refusal> {
        let charts = Charts::of(permit, &self.sources);
        let readable = self.readable(permit, &charts, id).await?;
        let document = self.open(&readable, FHIR).await?;
        let raw = self.representation(&readable, document).await;
        let raw = raw.map_err(|failure| self.refusal_of(&readable.chart, failure))?;
        let filter = Filter { knowledge: self.knowledge, permit, now: self.clock.now() };
        let released =
            Released::release(filter, &readable.chart, raw, Some(&readable.owners)).ok_or(Refusal::NotFound)?;
        let upstream = released.upstream_id().to_owned();
        let place = Place { charts: &charts, chart: &readable.chart, upstream, id };
        self.write_one(&released, &place).await
    }

    /// What a Binary holds, as it is.
    pub(super) async fn content(&self, permit: &Permit, id: &str) -> Result<Answer, Refusal> {
        let charts = Charts::of(permit, &self.sources);
        let readable = self.readable(permit, &charts, id).await?;
        let document = self.open(&readable, NATIVE).await?;
        let mut content = self.native(&readable, document).await;
        if matches!(content, Err(SourceFailure::Malformed)) && matches!(readable.address, DocumentAddress::Binary(_)) {
            // Another resource, or a document that is itself written in FHIR: only as a Binary can it be told.
            let document = self.open(&readable, FHIR).await?;
            content = self.native(&readable, document).await;
        }
        let content = content.map_err(|failure| self.refusal_of(&readable.chart, failure))?;
        Ok(Answer {
            body: Bytes::new(),
            etag: None,
            last_modified: None,
            resources: 1,
            sources: tally([readable.chart.key()]),
            content: Some(content),
        })
    }

    async fn open(&self, readable: &Readable, accept: &'static str) -> Result<Document, Refusal> {
        let client = &readable.chart.source.client;
        let mut failure = SourceFailure::NotFound;
        for link in readable.chart.credentials() {
            match client.document(link, &readable.address, accept).await {
                Ok(document) => return Ok(document),
                Err(other) => failure = fetch::telling(failure, other),
            }
        }
        Err(self.refusal_of(&readable.chart, failure))
    }

    /// The document behind an id, if a resource that the caller sees names it.
    async fn readable(&self, permit: &Permit, charts: &Charts, id: &str) -> Result<Readable, Refusal> {
        let GatewayId::Hashed(key, id) = GatewayId::parse(ResourceType::Binary, id) else {
            return Err(Refusal::NotFound);
        };
        let chart = charts.at(key).ok_or(Refusal::NotFound)?;
        let asked = permit.calls().load(Ordering::Relaxed);
        let outcome = self.readable_at(permit, chart, id).await;
        if matches!(outcome, Err(Refusal::NotFound)) {
            // An id that stands for nothing costs what one costs that is hidden: the look at an owner, in vain (security
            // design, F32).
            let mut owners = owner_types(self.knowledge).filter_map(|kind| permit.for_owner(self.knowledge, kind));
            if permit.calls().load(Ordering::Relaxed) == asked
                && let Some(owner) = owners.next()
            {
                let _ = fetch::read(self.knowledge, chart, owner.resource_type(), id).await;
            }
            self.alarm(permit, true);
            chart.errand.settle().await;
        }
        outcome
    }

    async fn readable_at(&self, permit: &Permit, chart: &Arc<Chart>, id: &str) -> Result<Readable, Refusal> {
        let resolved =
            self.hashed.resolve(&[ResourceType::Binary], std::iter::once(id)).await.map_err(|_| unavailable())?;
        let Some(HashedTarget::Document { url, .. }) = resolved.row(ResourceType::Binary, id).map(|row| &row.target)
        else {
            return Err(Refusal::NotFound);
        };
        let address = chart.source.client.connection().document(url).ok_or(Refusal::NotFound)?;
        let mut missing: Vec<Missing> = Vec::new();
        for (owner_type, owner_id) in self.hashed.owners(id).await.map_err(|_| unavailable())?.iter().take(MAX_OWNERS) {
            let Some(permit) = permit.for_owner(self.knowledge, *owner_type) else { continue };
            match fetch::read(self.knowledge, chart, *owner_type, owner_id).await {
                Ok(raw) => {
                    let filter = Filter { knowledge: self.knowledge, permit: &permit, now: self.clock.now() };
                    // A document that was taken off its owner has none.
                    let released = Released::release(filter, chart, raw, None);
                    if released.is_some_and(|owner| names(&owner, &address)) {
                        let upstream = match &address {
                            DocumentAddress::Binary(id) => id.clone(),
                            DocumentAddress::File(_) => FILE.to_owned(),
                        };
                        let owned = std::iter::once(upstream).collect();
                        let owners = Arc::new(VisibleOwners { owned, ..VisibleOwners::default() });
                        return Ok(Readable { chart: chart.clone(), address, owners });
                    }
                }
                Err(SourceFailure::NotFound | SourceFailure::Forbidden | SourceFailure::Refused { .. }) => {}
                Err(failure) => missing.push(fetch::missing(chart, failure)),
            }
        }
        Err(if missing.is_empty() { Refusal::NotFound } else { self.all_down(&missing) })
    }

    /// The Binary, as the source writes it or, where the source sends the bytes alone, as FHIR writes it.
    async fn representation(&self, readable: &Readable, document: Document) -> Result<RawResource, SourceFailure> {
        let content_type = document.content_type.clone();
        let bytes = document.body.whole(self.limits.body_bytes).await?;
        if is_fhir(content_type.as_deref())
            && let Some(raw) = self.as_binary(readable, bytes.clone())?
        {
            return Ok(raw);
        }
        let id = match &readable.address {
            DocumentAddress::Binary(id) => id.as_str(),
            DocumentAddress::File(_) => FILE,
        };
        let kind = essence(content_type.as_deref());
        let (id, kind, data) = (quoted(id), quoted(&kind), BASE64.encode(&bytes));
        let wrapped = format!(r#"{{"resourceType":"Binary","id":{id},"contentType":{kind},"data":"{data}"}}"#);
        scan::scan_resource(Bytes::from(wrapped), self.knowledge).map_err(|_| SourceFailure::Malformed)
    }

    /// The bytes, taken out of the resource where the source knows no other form.
    async fn native(&self, readable: &Readable, document: Document) -> Result<Content, SourceFailure> {
        let Document { content_type, length, body } = document;
        if !is_fhir(content_type.as_deref()) {
            return Ok(Content { content_type, length, body });
        }
        let bytes = body.whole(self.limits.body_bytes).await?;
        let Some(raw) = self.as_binary(readable, bytes.clone())? else {
            let length = u64::try_from(bytes.len()).ok();
            return Ok(Content { content_type, length, body: DocumentBody::of(bytes) });
        };
        let view = Fragment::new(&raw.bytes);
        let data = view.text_of("data").unwrap_or_default();
        let data: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let plain =
            BASE64.decode(&data).or_else(|_| BASE64_NOPAD.decode(&data)).map_err(|_| SourceFailure::Malformed)?;
        Ok(Content {
            content_type: view.text_of("contentType").map(std::borrow::Cow::into_owned),
            length: u64::try_from(plain.len()).ok(),
            body: DocumentBody::of(plain.into()),
        })
    }

    /// The bytes as the Binary that was asked for; `None` when they are JSON and no resource. Any other resource may be
    /// anybody's.
    fn as_binary(&self, readable: &Readable, bytes: Bytes) -> Result<Option<RawResource>, SourceFailure> {
        // Wherever the words stand: what is not a resource has no use for them.
        if !scan::mentions(&bytes, "resourceType") && memchr::memmem::find(&bytes, b"resourceType").is_none() {
            return Ok(None);
        }
        let raw = scan::scan_resource(bytes, self.knowledge).map_err(|_| SourceFailure::Malformed)?;
        let is_it = matches!(&readable.address, DocumentAddress::Binary(id) if raw.id() == Some(id.as_str()));
        let is_binary = raw.facts.resource_type == ResourceType::Binary;
        if is_it && is_binary { Ok(Some(raw)) } else { Err(SourceFailure::Malformed) }
    }
}

/// What a Binary may be visible through.
fn owner_types(knowledge: &Knowledge) -> impl Iterator<Item = ResourceType> {
    let owners = match &knowledge.of(ResourceType::Binary).authorization {
        AuthorizationKind::Via { owners, .. } => owners.as_slice(),
        _ => &[],
    };
    owners.iter().map(|edge| edge.owner)
}

/// Whether a visible resource names this document, in a part of it that is shown.
fn names(owner: &Released, address: &DocumentAddress) -> bool {
    let (raw, chart) = (owner.raw(), owner.chart());
    let connection = chart.source.client.connection();
    let is_it = |text: &str| connection.document(text).as_ref() == Some(address);
    let text = |span: scan::Span| scan::unescape(span.of(&raw.bytes)).is_some_and(|text| is_it(&text));
    let attached = raw.facts.attachment_urls.iter().filter(|url| !owner.redaction().takes(url.value));
    if attached.map(|url| url.value).any(text) {
        return true;
    }
    let DocumentAddress::Binary(id) = address else { return false };
    let refers =
        raw.facts.references.iter().filter(|reference| !owner.redaction().takes(reference.value)).any(|found| {
            let text = scan::unescape(found.value.of(&raw.bytes)).unwrap_or_default();
            matches!(parse_reference(&text, Some(chart.base_url())),
            ReferenceForm::Local(local) if local.type_name == "Binary" && local.id == id)
        });
    refers
        || scan::strings_that_mention(&raw.bytes, &format!("Binary/{id}")).is_ok_and(|found| {
            let shown = found.iter().filter(|found| !owner.redaction().takes(found.value));
            shown
                .map(|found| Fragment::new(found.value.of(&raw.bytes)))
                .any(|value| value.text().is_some_and(|t| is_it(&t)))
        })
}

/// The media type without its parameters, in small letters; that of unknown bytes when there is none.
#[must_use]
pub fn essence(content_type: Option<&str>) -> String {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    match essence.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) => essence,
        _ => "application/octet-stream".to_owned(),
    }
}

fn is_fhir(content_type: Option<&str>) -> bool {
    matches!(
        essence(content_type).as_str(),
        "application/fhir+json" | "application/json+fhir" | "application/json" | "text/json"
    )
}
