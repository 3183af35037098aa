//! From a source's ids, references and URLs to the gateway's: structurally, by splicing, never by text replacement.

use std::borrow::Cow;

use super::identifier::Identifiers;
use super::released::Released;
use crate::access::{Referent, is_served};
use crate::base::id::PersonId;
use crate::fhir::ResourceType;
use crate::fhir::edits::{EditError, Edits};
use crate::fhir::knowledge::{AuthorizationKind, Knowledge};
use crate::fhir::reference::{ReferenceForm, parse_reference};
use crate::fhir::scan::{self, RawResource, ReferenceSpan, ScanError, Span};
use crate::fhir::search::fragment::Fragment;
use crate::organization::SourceKey;
use crate::storage::hashed_ids::HashedId;

/// Stands where a reference to somebody else stood (FHIR R4 extension data-absent-reason: `masked`).
const MASKED: &[u8] =
    br#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;
/// Stands where a reference stood that nothing here can follow and that said nothing else.
const UNSUPPORTED: &[u8] =
    br#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unsupported"}]}"#;
/// Stands where a contained Patient stood: whoever it is, the person in context has a record of their own.
const CONTAINED_PATIENT: &[u8] = br#"{"resourceType":"Patient"}"#;

/// A resource that cannot be written safely: it is left out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwritable {
    #[error("two changes collide: {0}")]
    Edit(#[from] EditError),
    #[error("unreadable: {0}")]
    Scan(#[from] ScanError),
}

/// Writes released resources in the gateway's ids.
#[derive(Debug)]
pub(super) struct Rewriter<'a> {
    pub(super) knowledge: &'a Knowledge,
    pub(super) identifiers: &'a Identifiers,
    /// The gateway's FHIR base URL.
    pub(super) gateway_base: &'a str,
    /// Hosts of the person's sources: none may stand in an answer.
    pub(super) authorities: Vec<String>,
    /// Rows to store before the answer leaves.
    pub(super) hashed: Vec<HashedId>,
}

/// What becomes of a reference.
enum Fate {
    Keep,
    Rewrite(String),
    /// The reference leads nowhere here; what stands beside it (display, identifier) stays.
    Cut,
    /// It names somebody else: the whole Reference goes.
    Mask,
}

impl Rewriter<'_> {
    /// The id under which the gateway serves a released resource.
    pub(super) fn gateway_id(&mut self, released: &Released) -> String {
        self.id(released.chart().key(), released.raw().facts.resource_type, released.upstream_id())
    }

    fn id(&mut self, source: SourceKey, resource_type: ResourceType, upstream: &str) -> String {
        self.identifiers.encode(source, resource_type, upstream, &mut self.hashed)
    }

    /// Appends the resource to `out` under `gateway_id`.
    ///
    /// # Errors
    /// When two changes collide: the caller drops the resource.
    pub(super) fn write(&mut self, released: &Released, gateway_id: &str, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        let raw = released.raw();
        let mut edits = Edits::new();
        if let Some(id) = raw.facts.id {
            edits.replace(id, gateway_id.as_bytes());
        }
        let mut gone = self.contained_patients(raw, &mut edits);
        let mut redacted = !gone.is_empty();
        let fates: Vec<(&ReferenceSpan, Fate)> =
            raw.facts.references.iter().map(|reference| (reference, self.fate(released, reference))).collect();
        for (reference, fate) in &fates {
            if matches!(fate, Fate::Mask) && !encloses(&gone, reference.object) {
                edits.replace(reference.object, MASKED);
                gone.push(reference.object);
                redacted = true;
            }
        }
        if redacted {
            // The narrative may name whom the reference named.
            self.cut_narrative(raw, &mut edits, &mut gone);
        }
        self.clean_strings(released, &mut edits, &mut gone)?;
        for (reference, fate) in fates {
            if encloses(&gone, reference.value) {
                continue;
            }
            match fate {
                Fate::Keep | Fate::Mask => {}
                Fate::Rewrite(text) => edits.replace(reference.value, text.as_bytes()),
                Fate::Cut if reference.first && !reference.following_comma => {
                    edits.replace(reference.object, UNSUPPORTED);
                    gone.push(reference.object);
                }
                Fate::Cut => edits.cut(reference.member),
            }
        }
        Ok(edits.apply(&raw.bytes, out)?)
    }

    fn contained_patients(&self, raw: &RawResource, edits: &mut Edits) -> Vec<Span> {
        let patients = raw.facts.contained.iter().filter(|c| c.resource_type == Some(ResourceType::Patient));
        let mut gone = Vec::new();
        for contained in patients {
            let mut stub = CONTAINED_PATIENT.to_vec();
            if let Some(id) = contained.id {
                stub.truncate(stub.len().saturating_sub(1));
                stub.extend_from_slice(b",\"id\":\"");
                stub.extend_from_slice(id.of(&raw.bytes));
                stub.extend_from_slice(b"\"}");
            }
            edits.replace(contained.span, &stub);
            gone.push(contained.span);
        }
        gone
    }

    fn cut_narrative(&self, raw: &RawResource, edits: &mut Edits, gone: &mut Vec<Span>) {
        if let Some(text) = raw.facts.members.iter().find(|member| member.key.of(&raw.bytes) == b"text") {
            edits.cut(text.span());
            gone.push(text.span());
        }
    }

    fn fate(&mut self, released: &Released, reference: &ReferenceSpan) -> Fate {
        let raw = released.raw();
        let chart = released.chart();
        let Some(text) = scan::unescape(reference.value.of(&raw.bytes)) else { return Fate::Cut };
        let local = match parse_reference(&text, Some(chart.base_url())) {
            ReferenceForm::Contained(_) => return Fate::Keep,
            ReferenceForm::Local(local) => local,
            _ => return Fate::Cut,
        };
        if local.type_name == "Patient" {
            return if chart.is_patient(local.id) { Fate::Rewrite(person_reference(chart.person)) } else { Fate::Mask };
        }
        let Some(resource_type) = local.resource_type().filter(|kind| is_served(self.knowledge, *kind)) else {
            return Fate::Cut;
        };
        if matches!(&self.knowledge.of(resource_type).authorization,
            AuthorizationKind::Via { owners, .. } if owners.is_empty())
        {
            // Whether the caller sees it rests on what it points at, which is not known here. It can be searched for.
            return Fate::Cut;
        }
        let referent = Referent { resource_type: Some(resource_type), id: local.id.to_owned() };
        if self.points_at_owner(raw, reference) && !released.may_name(&referent) {
            return Fate::Mask;
        }
        let id = match resource_type {
            ResourceType::Binary => self.binary(released, &text),
            _ => self.id(chart.key(), resource_type, local.id),
        };
        Fate::Rewrite(format!("{resource_type}/{id}"))
    }

    /// Whether this reference is one of those that make a `via` resource visible.
    fn points_at_owner(&self, raw: &RawResource, reference: &ReferenceSpan) -> bool {
        let AuthorizationKind::Via { targets, .. } = &self.knowledge.of(raw.facts.resource_type).authorization else {
            return false;
        };
        raw.facts.captures.iter().any(|(id, span)| targets.contains(id) && *span == reference.object)
    }

    /// Attachment URLs, and any other string that names a source's host.
    fn clean_strings(
        &mut self,
        released: &Released,
        edits: &mut Edits,
        gone: &mut Vec<Span>,
    ) -> Result<(), Unwritable> {
        let raw = released.raw();
        for url in &raw.facts.attachment_urls {
            if encloses(gone, url.value) {
                continue;
            }
            let text = scan::unescape(url.value.of(&raw.bytes)).unwrap_or_default();
            if let Some(own) = self.attachment(released, &text) {
                edits.replace(url.value, own.as_bytes());
                gone.push(url.value);
            }
        }
        for authority in self.authorities.clone() {
            if !scan::mentions(&raw.bytes, &authority) {
                continue;
            }
            for found in scan::strings_that_mention(&raw.bytes, &authority)? {
                let is_reference = raw.facts.references.iter().any(|r| found.value.encloses(r.value));
                if is_reference || encloses(gone, found.value) || gone.iter().any(|span| found.value.encloses(*span)) {
                    continue;
                }
                if raw.facts.members.iter().any(|m| m.key.of(&raw.bytes) == b"text" && m.value.encloses(found.value)) {
                    self.cut_narrative(raw, edits, gone);
                    continue;
                }
                let text = Fragment::new(found.value.of(&raw.bytes)).text().unwrap_or_default();
                match self.url(released, &text) {
                    Some(url) => {
                        edits.replace(found.value, format!("\"{url}\"").as_bytes());
                        gone.push(found.value);
                    }
                    None => {
                        edits.cut(found.nearest);
                        gone.push(found.nearest);
                    }
                }
            }
        }
        Ok(())
    }

    /// The gateway's own URL of a resource that stands at the source under `url`.
    fn url(&mut self, released: &Released, url: &str) -> Option<String> {
        let chart = released.chart();
        let ReferenceForm::Local(local) = parse_reference(url, Some(chart.base_url())) else { return None };
        if local.type_name == "Patient" {
            let own = chart.is_patient(local.id);
            return own.then(|| format!("{}/{}", self.gateway_base, person_reference(chart.person)));
        }
        let resource_type = local.resource_type().filter(|kind| is_served(self.knowledge, *kind))?;
        if resource_type == ResourceType::Binary {
            return self.attachment(released, url);
        }
        let id = self.id(chart.key(), resource_type, local.id);
        Some(format!("{}/{resource_type}/{id}", self.gateway_base))
    }

    /// The gateway's URL for an attachment that lies at the source; `None` for one that lies elsewhere.
    fn attachment(&mut self, released: &Released, url: &str) -> Option<String> {
        let at_source = match parse_reference(url, Some(released.chart().base_url())) {
            ReferenceForm::Local(local) => local.type_name == "Binary",
            _ => false,
        };
        let id = at_source.then(|| self.binary(released, url))?;
        Some(format!("{}/Binary/{id}", self.gateway_base))
    }

    /// The id of a Binary: always hashed, with a row that names its owner, who decides at every read.
    fn binary(&mut self, released: &Released, url: &str) -> String {
        let upstream: Cow<'_, str> = match parse_reference(url, Some(released.chart().base_url())) {
            ReferenceForm::Local(local) => format!("Binary/{}", local.id).into(),
            _ => url.into(),
        };
        let raw = released.raw();
        let owner = (raw.facts.resource_type, released.upstream_id());
        self.identifiers.document(released.chart().key(), &upstream, owner, &mut self.hashed)
    }
}

pub(super) fn person_reference(person: PersonId) -> String {
    format!("Patient/{person}")
}

fn encloses(gone: &[Span], span: Span) -> bool {
    gone.iter().any(|outer| outer.encloses(span))
}
