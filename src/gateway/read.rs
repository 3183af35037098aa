//! The read interaction (FHIR R4 http.html §3.1.0.1).

use std::sync::Arc;

use super::Gateway;
use super::answer::{Answer, Refusal};
use super::chart::{Chart, Charts};
use super::fetch;
use super::hashed::ResolvedIds;
use super::identifier::GatewayId;
use super::outcome::Missing;
use super::patient::Joined;
use super::person::Merged;
use super::released::{Filter, Released, VisibleOwners};
use super::search::unavailable;
use crate::access::Permit;
use crate::base::hash::{base32, sha256};
use crate::fhir::ResourceType;
use crate::fhir::knowledge::AuthorizationKind;
use crate::fhir::scan::{self, RawResource};
use crate::storage::hashed_ids::{HashedId, HashedTarget};
use crate::upstream::SourceFailure;

impl Gateway {
    pub(super) async fn read(&self, permit: &Permit, id: &str) -> Result<Answer, Refusal> {
        let charts = Charts::of(permit, &self.sources);
        let resource_type = permit.resource_type();
        let resolved = self.hashed.resolve(&[resource_type], std::iter::once(id)).await.map_err(|_| unavailable())?;
        let (key, upstream) = match GatewayId::parse(resource_type, id) {
            GatewayId::Person(person) if person == permit.person() => {
                return Box::pin(self.read_person(permit, &charts)).await;
            }
            GatewayId::Upstream(key, upstream) if resource_type != ResourceType::Binary => (key, upstream.to_owned()),
            GatewayId::Hashed(key, hashed) => {
                (key, upstream_of(&resolved, resource_type, hashed).ok_or(Refusal::NotFound)?)
            }
            _ => return Err(Refusal::NotFound),
        };
        // A source where the person has no chart is not asked: there is nothing it could say about them.
        let chart = charts.at(key).ok_or(Refusal::NotFound)?;
        // Whose record it is shows before it is asked for: nobody else's is.
        if resource_type == ResourceType::Patient && !chart.is_patient(&upstream) {
            return Err(Refusal::NotFound);
        }
        let released = self.read_at(permit, &charts, chart, &upstream, (id, &resolved)).await?;
        let mut rewriter = self.rewriter(&charts);
        let mut body = Vec::with_capacity(released.raw().bytes.len().saturating_add(256));
        rewriter.write(&released, id, &mut body).map_err(|_| Refusal::NotFound)?;
        self.hashed.store(rewriter.hashed).await.map_err(|_| unavailable())?;
        let (raw, facts) = (released.raw(), &released.raw().facts);
        let text = |span: scan::Span| scan::unescape(span.of(&raw.bytes)).map(std::borrow::Cow::into_owned);
        let version = facts.version_id.and_then(text).unwrap_or_default();
        Ok(answer(body, &version, facts.last_updated.and_then(text)))
    }

    async fn read_person(&self, permit: &Permit, charts: &Charts) -> Result<Answer, Refusal> {
        let mut rewriter = self.rewriter(charts);
        let Merged { joined, missing } = self.merged(permit, charts, &mut rewriter).await;
        let Some(Joined { bytes, version, last_updated }) = joined else {
            return Err(if missing.is_empty() { Refusal::NotFound } else { self.all_down(&missing) });
        };
        self.hashed.store(rewriter.hashed).await.map_err(|_| unavailable())?;
        Ok(answer(bytes, &version, last_updated))
    }

    /// Fetches one resource and lets it through the filter. Hidden and missing are the same.
    async fn read_at(
        &self,
        permit: &Permit,
        charts: &Charts,
        chart: &Arc<Chart>,
        upstream: &str,
        (id, resolved): (&str, &ResolvedIds),
    ) -> Result<Released, Refusal> {
        let raw = match fetch::read(self.knowledge, chart, permit.resource_type(), upstream).await {
            Ok(raw) => raw,
            // Many an EHR says 403 of what belongs to somebody else, and 404 of what it does not have: one answer.
            Err(SourceFailure::NotFound | SourceFailure::Forbidden | SourceFailure::Refused { .. }) => {
                return Err(Refusal::NotFound);
            }
            Err(failure) => return Err(self.all_down(&[fetch::missing(chart, failure)])),
        };
        let (owners, missing) = match &self.knowledge.of(permit.resource_type()).authorization {
            // Boxed: most types have no owners, and their reads should not carry room for the search for them.
            AuthorizationKind::Via { owners, .. } => {
                let has_targets = owners.is_empty();
                Box::pin(self.owners_of(permit, charts, chart, (id, resolved), &raw, has_targets)).await
            }
            _ => (None, Vec::new()),
        };
        let filter = Filter { knowledge: self.knowledge, permit, now: self.clock.now() };
        Released::release(filter, chart, raw, owners.as_ref()).ok_or_else(|| {
            let outage: Vec<Missing> = missing.into_iter().filter(Missing::is_outage).collect();
            if outage.is_empty() { Refusal::NotFound } else { self.all_down(&outage) }
        })
    }

    /// What makes a resource of a `via` type visible.
    async fn owners_of(
        &self,
        permit: &Permit,
        charts: &Charts,
        chart: &Arc<Chart>,
        (id, resolved): (&str, &ResolvedIds),
        raw: &RawResource,
        has_targets: bool,
    ) -> (Option<Arc<VisibleOwners>>, Vec<Missing>) {
        let upstream = raw.id().unwrap_or_default();
        if permit.resource_type() == ResourceType::Binary {
            return self.owner_of_binary(permit, chart, upstream, resolved.row(ResourceType::Binary, id)).await;
        }
        if has_targets {
            let (visible, missing) = self.visible_targets(permit, chart, std::slice::from_ref(raw)).await;
            return (Some(visible), missing);
        }
        let here = Charts { connected: charts.at(chart.key()).into_iter().cloned().collect(), missing: Vec::new() };
        let mut visibility = self.owned(permit, &here, Some(upstream)).await;
        (visibility.at.remove(&chart.key()), visibility.missing)
    }

    /// A Binary is decided by the resource that it hangs on, read anew each time.
    async fn owner_of_binary(
        &self,
        permit: &Permit,
        chart: &Arc<Chart>,
        upstream: &str,
        row: Option<&HashedId>,
    ) -> (Option<Arc<VisibleOwners>>, Vec<Missing>) {
        let Some(HashedTarget::Document { owner_type, owner_id, .. }) = row.map(|row| &row.target) else {
            return (None, Vec::new());
        };
        let Some(owner_permit) = permit.for_owner(self.knowledge, *owner_type) else { return (None, Vec::new()) };
        match fetch::read(self.knowledge, chart, *owner_type, owner_id).await {
            Ok(raw) => {
                let filter = Filter { knowledge: self.knowledge, permit: &owner_permit, now: self.clock.now() };
                // A document that was taken off its owner has none.
                let names_it = |owner: &Released| scan::mentions(&owner.raw().bytes, &format!("Binary/{upstream}"));
                let visible = Released::release(filter, chart, raw, None).filter(names_it).map(|_| {
                    let owned = std::iter::once(upstream.to_owned()).collect();
                    Arc::new(VisibleOwners { owned, ..VisibleOwners::default() })
                });
                (visible, Vec::new())
            }
            Err(SourceFailure::Forbidden) => (None, Vec::new()),
            Err(failure) => (None, vec![fetch::missing(chart, failure)]),
        }
    }
}

/// The id at the source: of the resource, or of the Binary that a document's URL names.
fn upstream_of(resolved: &ResolvedIds, resource_type: ResourceType, hashed: &str) -> Option<String> {
    match &resolved.row(resource_type, hashed)?.target {
        HashedTarget::Resource { id } => Some(id.clone()),
        HashedTarget::Document { url, .. } => url.strip_prefix("Binary/").map(str::to_owned),
    }
}

/// ETag = the source's version and a hash of what is shown: two callers never share a tag for different bytes.
fn answer(body: Vec<u8>, version: &str, last_modified: Option<String>) -> Answer {
    let digest = sha256(&body);
    let (view, _) = digest.split_at(10);
    Answer { etag: Some(format!("W/\"{version}.{}\"", base32(view))), last_modified, body: body.into(), resources: 1 }
}
