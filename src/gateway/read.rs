//! The read interaction (FHIR R4 http.html §3.1.0.1).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Gateway;
use super::answer::{Answer, Refusal, tally};
use super::chart::{Chart, Charts};
use super::fetch;
use super::identifier::GatewayId;
use super::outcome::Missing;
use super::own;
use super::patient::Joined;
use super::person::Merged;
use super::released::{Filter, Released, VisibleOwners};
use super::search::unavailable;
use crate::access::Permit;
use crate::base::hash::{base32, sha256};
use crate::base::source_key::SourceKey;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::AuthorizationKind;
use crate::fhir::scan::{self, RawResource};
use crate::upstream::SourceFailure;

/// What an id stands for.
pub(super) enum Located<'r> {
    /// The person in context: the merged record.
    Person,
    /// A resource at a source.
    At(Place<'r>),
}

/// Where one resource is, at a source where the person has a chart.
pub(super) struct Place<'r> {
    pub(super) charts: &'r Charts,
    pub(super) chart: &'r Arc<Chart>,
    /// Its id there.
    pub(super) upstream: String,
    /// Its id here, as the client wrote it.
    pub(super) id: &'r str,
}

impl Gateway {
    pub(super) async fn read(&self, permit: &Permit, id: &str) -> Result<Answer, Refusal> {
        if permit.resource_type() == ResourceType::Binary {
            return Box::pin(self.read_binary(permit, id)).await;
        }
        if own::is_own_id(self.knowledge, permit.resource_type(), id) {
            return Box::pin(self.read_own(permit, id)).await;
        }
        let charts = Charts::of(permit, &self.sources);
        let place = match self.locate(permit, &charts, id).await? {
            Located::Person => return Box::pin(self.read_person(permit, &charts)).await,
            Located::At(place) => place,
        };
        let released = self.read_at(permit, &place).await?;
        self.write_one(&released, &place).await
    }

    /// Where the resource with this id is to be asked for.
    pub(super) async fn locate<'r>(
        &self,
        permit: &Permit,
        charts: &'r Charts,
        id: &'r str,
    ) -> Result<Located<'r>, Refusal> {
        let resource_type = permit.resource_type();
        let resolved = self.hashed.resolve(&[resource_type], std::iter::once(id)).await.map_err(|_| unavailable())?;
        let (key, upstream) = match GatewayId::parse(resource_type, id) {
            GatewayId::Person(person) if person == permit.person() => return Ok(Located::Person),
            GatewayId::Upstream(key, upstream) => (key, upstream.to_owned()),
            GatewayId::Hashed(key, hashed) => {
                (key, resolved.upstream_id(resource_type, hashed).ok_or(Refusal::NotFound)?)
            }
            _ => return Err(Refusal::NotFound),
        };
        // A source where the person has no chart is not asked: there is nothing it could say about them.
        let chart = charts.at(key).ok_or(Refusal::NotFound)?;
        // Whose record it is shows before it is asked for: nobody else's is.
        if resource_type == ResourceType::Patient && !chart.is_patient(&upstream) {
            return Err(Refusal::NotFound);
        }
        Ok(Located::At(Place { charts, chart, upstream, id }))
    }

    /// The answer that one released resource makes.
    pub(super) async fn write_one(&self, released: &Released, place: &Place<'_>) -> Result<Answer, Refusal> {
        let mut rewriter = self.rewriter(place.charts);
        let mut body = Vec::with_capacity(released.raw().bytes.len().saturating_add(256));
        rewriter.write(released, place.id, &mut body).map_err(|_| Refusal::NotFound)?;
        self.hashed.store(rewriter.hashed).await.map_err(|_| unavailable())?;
        let (raw, facts) = (released.raw(), &released.raw().facts);
        let version = text(raw, facts.version_id).unwrap_or_default();
        Ok(answer(body, &version, text(raw, facts.last_updated), place.chart.key()))
    }

    async fn read_person(&self, permit: &Permit, charts: &Charts) -> Result<Answer, Refusal> {
        let mut rewriter = self.rewriter(charts);
        let Merged { joined, missing } = self.merged(permit, charts, &mut rewriter).await;
        let Some(Joined { bytes, version }) = joined else {
            return Err(if missing.is_empty() { Refusal::NotFound } else { self.all_down(&missing) });
        };
        self.hashed.store(rewriter.hashed).await.map_err(|_| unavailable())?;
        // No single time says when what several sources show together last changed: a chart that was linked today may
        // be years old. The version covers all that is shown.
        let etag = Some(format!("W/\"{version}\""));
        let sources = tally(charts.connected.iter().map(|chart| chart.key()));
        Ok(Answer { etag, last_modified: None, body: bytes.into(), resources: 1, sources, content: None })
    }

    /// Fetches one resource and lets it through the filter. Hidden and missing are the same, in the calls that are made
    /// and in the time that is taken once the source has answered.
    pub(super) async fn read_at(&self, permit: &Permit, place: &Place<'_>) -> Result<Released, Refusal> {
        let outcome = self.fetch_at(permit, place).await;
        if matches!(outcome, Err(Refusal::NotFound)) {
            // Before, as it takes time as well.
            self.alarm(permit, true);
            place.chart.errand.settle().await;
        }
        outcome
    }

    async fn fetch_at(&self, permit: &Permit, place: &Place<'_>) -> Result<Released, Refusal> {
        // What its owners point at is asked for once they do.
        let owners = match &self.knowledge.of(permit.resource_type()).authorization {
            AuthorizationKind::Via { owners, .. } if !owners.is_empty() => {
                Some(Box::pin(self.pointed_at(permit, place)).await?)
            }
            _ => None,
        };
        let fetched = fetch::read(self.knowledge, place.chart, permit.resource_type(), &place.upstream).await;
        let asked = permit.calls().load(Ordering::Relaxed);
        if owners.is_none() {
            let outcome = match fetched {
                Ok(raw) => self.release_at(permit, place, raw).await,
                Err(failure) => Err(self.refusal_of(place.chart, failure)),
            };
            if matches!(outcome, Err(Refusal::NotFound)) && permit.calls().load(Ordering::Relaxed) == asked {
                Box::pin(self.ask_in_vain(permit, place.chart, std::slice::from_ref(&place.upstream))).await;
            }
            return outcome;
        }
        let raw = fetched.map_err(|failure| self.refusal_of(place.chart, failure))?;
        let filter = Filter { knowledge: self.knowledge, permit, now: self.clock.now() };
        Released::release(filter, place.chart, raw, owners.as_ref()).ok_or(Refusal::NotFound)
    }

    /// The owners that point at the resource at this place; refused when none does.
    async fn pointed_at(&self, permit: &Permit, place: &Place<'_>) -> Result<Arc<VisibleOwners>, Refusal> {
        let (owners, missing) = self.owners_of(permit, place, None).await;
        match owners.filter(|owners| owners.owned.contains(&place.upstream)) {
            Some(owners) => Ok(owners),
            None => {
                let outage: Vec<Missing> = missing.into_iter().filter(Missing::is_outage).collect();
                Err(if outage.is_empty() { Refusal::NotFound } else { self.all_down(&outage) })
            }
        }
    }

    /// What a failed read is to the caller.
    pub(super) fn refusal_of(&self, chart: &Chart, failure: SourceFailure) -> Refusal {
        match failure {
            // Many an EHR says 403 of what belongs to somebody else, and 404 of what it does not have: one answer.
            SourceFailure::NotFound | SourceFailure::Forbidden | SourceFailure::Refused { .. } => Refusal::NotFound,
            failure => self.all_down(&[fetch::missing(chart, failure)]),
        }
    }

    /// Lets one fetched resource through the filter.
    pub(super) async fn release_at(
        &self,
        permit: &Permit,
        place: &Place<'_>,
        raw: RawResource,
    ) -> Result<Released, Refusal> {
        let (owners, missing) = match &self.knowledge.of(permit.resource_type()).authorization {
            // Boxed: most types have no owners, and their reads should not carry room for the search for them.
            AuthorizationKind::Via { owners, .. } => {
                Box::pin(self.owners_of(permit, place, owners.is_empty().then_some(&raw))).await
            }
            _ => (None, Vec::new()),
        };
        let filter = Filter { knowledge: self.knowledge, permit, now: self.clock.now() };
        Released::release(filter, place.chart, raw, owners.as_ref()).ok_or_else(|| {
            let outage: Vec<Missing> = missing.into_iter().filter(Missing::is_outage).collect();
            if outage.is_empty() { Refusal::NotFound } else { self.all_down(&outage) }
        })
    }

    /// What makes a resource of a `via` type visible: its targets, where the type has them, or what points at it.
    async fn owners_of(
        &self,
        permit: &Permit,
        place: &Place<'_>,
        with_targets: Option<&RawResource>,
    ) -> (Option<Arc<VisibleOwners>>, Vec<Missing>) {
        let Place { charts, chart, upstream, .. } = place;
        if let Some(raw) = with_targets {
            let (visible, missing) =
                self.visible_targets(permit, chart, std::slice::from_ref(raw), BTreeSet::new()).await;
            return (Some(visible), missing);
        }
        let here = Charts { connected: charts.at(chart.key()).into_iter().cloned().collect(), missing: Vec::new() };
        let mut visibility = self.owned(permit, &here, Some(upstream)).await;
        (visibility.at.remove(&chart.key()), visibility.missing)
    }
}

/// ETag = the source's version and a hash of what is shown: two callers never share a tag for different bytes.
pub(super) fn etag(body: &[u8], version: &str) -> String {
    let digest = sha256(body);
    let (view, _) = digest.split_at(10);
    format!("W/\"{version}.{}\"", base32(view))
}

/// The text at a span of `meta`.
pub(super) fn text(raw: &RawResource, span: Option<scan::Span>) -> Option<String> {
    scan::unescape(span?.of(&raw.bytes)).map(std::borrow::Cow::into_owned)
}

fn answer(body: Vec<u8>, version: &str, last_modified: Option<String>, source: SourceKey) -> Answer {
    let etag = Some(etag(&body, version));
    Answer { etag, last_modified, body: body.into(), resources: 1, sources: tally([source]), content: None }
}
