//! From a source's ids, references and URLs to the gateway's: structurally, by splicing, never by text replacement.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use memchr::memmem::Finder;

use super::guard;
use super::identifier::Identifiers;
use super::released::Released;
use crate::access::is_served;
use crate::fhir::ResourceType;
use crate::fhir::edits::{EditError, Edits};
use crate::fhir::knowledge::{AuthorizationKind, Knowledge};
use crate::fhir::narrative;
use crate::fhir::prune::prune;
use crate::fhir::reference::{ReferenceForm, parse_reference, plain};
use crate::fhir::scan::{self, Needle, RawResource, ReferenceSpan, ScanError, Span};
use crate::fhir::search::fragment::Fragment;
use crate::organization::SourceKey;
use crate::storage::hashed_ids::HashedId;
use crate::upstream::DocumentAddress;

/// Stands where a reference to somebody else stood (FHIR R4 extension data-absent-reason: `masked`).
const MASKED: &[u8] =
    br#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;
/// Stands where a reference stood that nothing here can follow and that said nothing else.
const UNSUPPORTED: &[u8] =
    br#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unsupported"}]}"#;
/// The most strings of one resource that may name a source's host: each is compared with every other change.
const MAX_MENTIONS: usize = 2_000;

/// A resource that cannot be written safely: it is left out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwritable {
    #[error("two changes collide: {0}")]
    Edit(#[from] EditError),
    #[error("unreadable: {0}")]
    Scan(#[from] ScanError),
    #[error("too many strings name a source")]
    TooManyMentions,
    /// The last guard: it should never come to this.
    #[error("the outcome still names {0}")]
    Leak(&'static str),
}

/// Writes released resources in the gateway's ids.
#[derive(Debug)]
pub(super) struct Rewriter<'a> {
    pub(super) knowledge: &'a Knowledge,
    pub(super) identifiers: &'a Identifiers,
    /// The gateway's FHIR base URL.
    pub(super) gateway_base: &'a str,
    /// Hosts of the person's sources: none may stand in an answer.
    pub(super) authorities: Arc<[Arc<Needle>]>,
    /// Those of them at which the gateway itself stands.
    pub(super) shared: Arc<[Arc<Needle>]>,
    /// The hosts that no answer may name: those of the sources, unless the gateway itself stands there too.
    pub(super) foreign: Vec<Arc<Needle>>,
    /// Rows to store before the answer leaves.
    pub(super) hashed: Vec<HashedId>,
    /// Those of the resource at hand: one list for all of an answer.
    pub(super) edits: Edits,
}

/// Which hosts a resource's strings are searched for.
#[derive(Clone, Copy)]
enum Hosts {
    /// Those that the guard does not look for.
    Shared,
    All,
}

/// What becomes of a reference.
enum Fate<'a> {
    Keep,
    Rewrite(Cow<'a, str>),
    /// The reference leads nowhere here; what stands beside it (display, identifier) stays.
    Cut,
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
        let mut edits = std::mem::take(&mut self.edits);
        let (start, hashed) = (out.len(), self.hashed.len());
        let mut written = Ok(());
        // Seldom does anything but ids and references name a source. The guard looks at what was written in any case, so
        // the strings are searched only when it finds something.
        for hosts in [Hosts::Shared, Hosts::All] {
            edits.clear();
            out.truncate(start);
            self.hashed.truncate(hashed);
            written = self.write_with(&mut edits, hosts, released, gateway_id, out);
            if !matches!(written, Err(Unwritable::Leak(_))) {
                break;
            }
        }
        self.edits = edits;
        if let Err(Unwritable::Leak(leak)) = &written {
            tracing::error!(source.key = %released.chart().key(), leak, "a rewritten resource was held back");
        }
        written
    }

    fn write_with(
        &mut self,
        edits: &mut Edits,
        hosts: Hosts,
        released: &Released,
        gateway_id: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), Unwritable> {
        let raw = released.raw();
        if let Some(id) = raw.facts.id {
            edits.replace(id, gateway_id.as_bytes());
        }
        let redaction = released.redaction();
        redaction.masked().iter().for_each(|object| edits.replace(*object, MASKED));
        redaction.contained().iter().for_each(|resource| edits.cut(*resource));
        let mut gone = Vec::new();
        if !redaction.is_empty() || narrative_leads_to_patient(raw) {
            // The narrative may name whom the reference named, and a link in it leads to somebody.
            self.cut_narrative(raw, edits, &mut gone);
        }
        self.clean_strings(hosts, released, edits, &mut gone)?;
        for (narrative, clean) in narrative::unclean(raw) {
            if !redaction.takes(narrative) && !encloses(&gone, narrative) {
                edits.replace(narrative, &clean);
            }
        }
        for reference in &raw.facts.references {
            if redaction.takes(reference.value) || encloses(&gone, reference.value) {
                continue;
            }
            match self.fate(released, reference) {
                Fate::Keep => {}
                Fate::Rewrite(text) => edits.replace(reference.value, text.as_bytes()),
                Fate::Cut if reference.first && !reference.following_comma => {
                    edits.replace(reference.object, UNSUPPORTED);
                    gone.push(reference.object);
                }
                Fate::Cut => edits.cut(reference.member),
            }
        }
        let start = out.len();
        edits.apply(&raw.bytes, out)?;
        if edits.has_cuts() {
            let pruned = prune(out.get(start..).unwrap_or_default());
            out.truncate(start);
            out.extend_from_slice(&pruned);
        }
        guard::check(out.get(start..).unwrap_or_default(), released.chart(), &self.foreign)
    }

    fn cut_narrative(&self, raw: &RawResource, edits: &mut Edits, gone: &mut Vec<Span>) {
        if let Some(text) = raw.facts.members.iter().find(|member| member.key.of(&raw.bytes) == b"text") {
            edits.cut(text.span());
            gone.push(text.span());
        }
    }

    fn fate<'a>(&mut self, released: &'a Released, reference: &ReferenceSpan) -> Fate<'a> {
        let raw = released.raw();
        let chart = released.chart();
        // What is in every resource, told in one look.
        if !reference.escaped
            && let Some((b"Patient", id)) = plain(reference.value.of(&raw.bytes))
        {
            let own = chart.is_patient_id(id);
            return if own { Fate::Rewrite(Cow::Borrowed(&chart.reference)) } else { Fate::Cut };
        }
        let Some(text) = reference.text(&raw.bytes) else { return Fate::Cut };
        let local = match parse_reference(&text, Some(chart.base_url())) {
            ReferenceForm::Contained(_) => return Fate::Keep,
            ReferenceForm::Local(local) => local,
            _ => return Fate::Cut,
        };
        if local.type_name == "Patient" {
            let own = chart.is_patient(local.id);
            return if own { Fate::Rewrite(Cow::Borrowed(&chart.reference)) } else { Fate::Cut };
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
        let mut own = String::with_capacity(128);
        own.push_str(resource_type.as_str());
        own.push('/');
        if resource_type == ResourceType::Binary {
            own.push_str(&self.binary(released, &DocumentAddress::Binary(local.id.to_owned())));
        } else {
            self.identifiers.encode_into(&mut own, chart.key(), resource_type, local.id, &mut self.hashed);
        }
        Fate::Rewrite(Cow::Owned(own))
    }

    /// Attachment URLs, and any other string that names a source's host.
    fn clean_strings(
        &mut self,
        hosts: Hosts,
        released: &Released,
        edits: &mut Edits,
        gone: &mut Vec<Span>,
    ) -> Result<(), Unwritable> {
        let raw = released.raw();
        for url in &raw.facts.attachment_urls {
            if released.redaction().takes(url.value) || encloses(gone, url.value) {
                continue;
            }
            let text = scan::unescape(url.value.of(&raw.bytes)).unwrap_or_default();
            if let Some(own) = self.attachment(released, &text) {
                edits.replace(url.value, own.as_bytes());
                gone.push(url.value);
            }
        }
        let searched = match hosts {
            Hosts::Shared => self.shared.clone(),
            Hosts::All => self.authorities.clone(),
        };
        for authority in searched.iter() {
            if !authority.is_mentioned_in(raw) {
                continue;
            }
            let mentions = authority.strings(&raw.bytes)?;
            if mentions.len() > MAX_MENTIONS {
                return Err(Unwritable::TooManyMentions);
            }
            for found in mentions {
                if released.redaction().takes(found.value) {
                    continue;
                }
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
            return own.then(|| format!("{}/{}", self.gateway_base, chart.reference));
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
        let address = released.chart().source.client.connection().document(url)?;
        let id = self.binary(released, &address);
        Some(format!("{}/Binary/{id}", self.gateway_base))
    }

    /// The id of a Binary: always hashed, with a row that names its owner, who decides at every read.
    fn binary(&mut self, released: &Released, address: &DocumentAddress) -> String {
        let raw = released.raw();
        let owner = (raw.facts.resource_type, released.upstream_id());
        self.identifiers.document(released.chart().key(), &address.text(), owner, &mut self.hashed)
    }
}

/// Whether the narrative has a link to a Patient: nothing in it is rewritten.
fn narrative_leads_to_patient(raw: &RawResource) -> bool {
    let text = raw.facts.members.iter().find(|member| member.key.of(&raw.bytes) == b"text");
    let narrative = text.map(|text| text.value.of(&raw.bytes)).unwrap_or_default();
    static PATIENT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"Patient/"));
    PATIENT.find_iter(narrative).any(|at| {
        let before = narrative.get(..at).and_then(<[u8]>::last);
        before.is_some_and(|byte| matches!(byte, b'"' | b'\'' | b'/'))
    })
}

fn encloses(gone: &[Span], span: Span) -> bool {
    gone.iter().any(|outer| outer.encloses(span))
}
