//! The search interaction (FHIR R4 search.html), gathered: fetched whole within the budgets, then evaluated, ordered
//! and paged here.

use std::sync::Arc;
use std::time::Duration;

use super::Gateway;
use super::answer::{Answer, Refusal};
use super::bundle::{self, Content, Entry, Frame};
use super::chart::{Chart, Charts};
use super::fetch;
use super::hashed::ResolvedIds;
use super::outcome::{self, Missing};
use super::page_link::Position;
use super::plan::{self, Call, Translation};
use super::released::{Filter, Released, VisibleOwners};
use super::rewrite::Rewriter;
use super::subset::Subset;
use crate::access::Permit;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::AuthorizationKind;
use crate::fhir::scan::RawResource;
use crate::fhir::search::{self, Evaluation, Handling, Query, SearchError, Summary, TotalMode};
use crate::upstream::SourceFailure;

/// Everything that matches, before it is ordered and paged.
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    pub(super) missing: Vec<Missing>,
}

/// Rows of hashed ids that are looked up for one search.
const MAX_LOOKUPS: usize = 4_000;

/// The parameter of a sealed page link.
const PAGE: &str = "_page";

impl Gateway {
    pub(super) async fn search(
        &self,
        permit: &Permit,
        parameters: &[(String, String)],
        handling: Handling,
    ) -> Result<Answer, Refusal> {
        let position = self.position(permit, parameters)?;
        let asked = position.as_ref().map_or(parameters, |position| position.parameters.as_slice());
        let query =
            search::parse(self.knowledge, permit.resource_type(), asked, handling).map_err(|error| invalid(&error))?;
        if let Some(include) = query.includes.first().or_else(|| query.revincludes.first()) {
            let details = format!("_include and _revinclude of {} are not supported", include.parameter);
            return Err(Refusal::Invalid { code: "not-supported", details });
        }
        let charts = Charts::of(permit, &self.sources);
        let resolved = self.resolve(permit.resource_type(), asked).await?;
        let mut rewriter = self.rewriter(&charts);
        let mut found = self.find(permit, &charts, &query, &resolved, &mut rewriter).await?;
        found.missing.extend(
            charts
                .missing
                .iter()
                .map(|_| Missing { organization: "A practice".to_owned(), failure: SourceFailure::Unreachable }),
        );
        if found.entries.is_empty() && nobody_answered(&charts, &found.missing) {
            return Err(self.all_down(&found.missing));
        }
        bundle::order(&mut found.entries);
        self.page(permit, &query, asked, position.as_ref(), found, rewriter).await
    }

    async fn find(
        &self,
        permit: &Permit,
        charts: &Charts,
        query: &Query,
        resolved: &ResolvedIds,
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Found, Refusal> {
        let (released, missing) = match &self.knowledge.of(permit.resource_type()).authorization {
            AuthorizationKind::Subject { itself: true, .. } => {
                return Ok(self.find_person(permit, charts, query, rewriter).await);
            }
            AuthorizationKind::Via { .. } if permit.resource_type() == ResourceType::Binary => {
                let details = "Binary is read by its id, not searched".to_owned();
                return Err(Refusal::Invalid { code: "not-supported", details });
            }
            AuthorizationKind::Via { .. } => self.gather_via(permit, charts, query, resolved).await,
            _ => self.gather(permit, &plan::search(self.translation(resolved), permit, charts, query), None).await,
        };
        let entries = released
            .into_iter()
            .map(|released| Entry {
                keys: self.keys(query, released.raw(), Some(released.chart())),
                id: rewriter.gateway_id(&released),
                content: Content::Released(Box::new(released)),
            })
            .collect();
        Ok(Found { entries, missing })
    }

    /// Fetches, filters and evaluates.
    pub(super) async fn gather(
        &self,
        permit: &Permit,
        calls: &[Call],
        owners: Option<&Arc<VisibleOwners>>,
    ) -> (Vec<Released>, Vec<Missing>) {
        let replies = fetch::search(self.knowledge, calls, self.limits.source_page_size).await;
        let filter = Filter { knowledge: self.knowledge, permit, now: self.clock.now() };
        let mut released = Vec::new();
        let mut missing = Vec::new();
        for reply in replies {
            missing.extend(reply.missing());
            let chart = &reply.call.chart;
            let visible = reply.resources.into_iter().filter_map(|raw| Released::release(filter, chart, raw, owners));
            released.extend(visible.filter(|released| self.matches(&reply.call.query, released.raw(), chart)));
        }
        (released, missing)
    }

    /// The hashed ids in a query: a bare one may be of the type itself or of any type that its parameters point to.
    async fn resolve(&self, kind: ResourceType, asked: &[(String, String)]) -> Result<ResolvedIds, Refusal> {
        let mut likely = vec![kind];
        for (name, _) in asked.iter().filter(|(_, value)| value.contains(".h-")) {
            let base = name.split(':').next().unwrap_or_default();
            likely.extend(self.knowledge.of(kind).parameter(base).into_iter().flat_map(|p| p.targets.iter().copied()));
        }
        likely.sort_unstable();
        likely.dedup();
        let ids: usize = asked.iter().map(|(_, value)| value.matches(".h-").count()).sum();
        if ids.saturating_mul(likely.len()) > MAX_LOOKUPS {
            let details = "The search names more ids than are looked up for one request".to_owned();
            return Err(Refusal::Invalid { code: "too-costly", details });
        }
        let texts = asked.iter().map(|(_, value)| value.as_str());
        self.hashed.resolve(&likely, texts).await.map_err(|_| unavailable())
    }

    pub(super) fn matches(&self, query: &Query, raw: &RawResource, chart: &Chart) -> bool {
        search::matches(query, raw, &self.evaluation(Some(chart.base_url())))
    }

    pub(super) fn evaluation<'a>(&self, base: Option<&'a str>) -> Evaluation<'a>
    where
        Self: 'a,
    {
        Evaluation { knowledge: self.knowledge, base, now: self.clock.now() }
    }

    pub(super) fn keys(&self, query: &Query, raw: &RawResource, chart: Option<&Arc<Chart>>) -> Vec<search::SortValue> {
        let evaluation = self.evaluation(chart.map(|chart| chart.base_url()));
        query.sort.iter().map(|key| search::sort_key(key, raw, &evaluation)).collect()
    }

    pub(super) fn translation<'a>(&'a self, hashed: &'a ResolvedIds) -> Translation<'a> {
        Translation { knowledge: self.knowledge, gateway_base: &self.base_url, hashed }
    }

    pub(super) fn rewriter(&self, charts: &Charts) -> Rewriter<'_> {
        let authority = |chart: &Arc<Chart>| chart.source.client.connection().authority().to_owned();
        let authorities: Arc<[String]> = charts.connected.iter().map(authority).collect();
        let own = url::Url::parse(&self.base_url).ok();
        let own = own.as_ref().map_or("", url::Url::authority);
        let foreign = authorities.iter().filter(|authority| !authority.eq_ignore_ascii_case(own)).cloned().collect();
        Rewriter {
            knowledge: self.knowledge,
            identifiers: &self.identifiers,
            gateway_base: &self.base_url,
            authorities,
            foreign,
            hashed: Vec::new(),
        }
    }

    fn position(&self, permit: &Permit, parameters: &[(String, String)]) -> Result<Option<Position>, Refusal> {
        let Some((_, link)) = parameters.iter().find(|(name, _)| name == PAGE) else { return Ok(None) };
        let stale = || Refusal::Invalid {
            code: "invalid",
            details: "This page link has ended or was made for somebody else: search again".to_owned(),
        };
        self.page_links.open(permit, link).map(Some).ok_or_else(stale)
    }

    async fn page(
        &self,
        permit: &Permit,
        query: &Query,
        asked: &[(String, String)],
        position: Option<&Position>,
        found: Found,
        mut rewriter: Rewriter<'_>,
    ) -> Result<Answer, Refusal> {
        let Found { entries, missing } = found;
        let count_only = query.summary == Some(Summary::Count) || query.count == Some(0);
        let size = query.count.unwrap_or(self.limits.default_count).min(self.limits.max_count);
        let start = position.map_or(0, |position| bundle::after(&entries, &position.keys, &position.id));
        let rest = entries.get(start..).unwrap_or_default();
        let shown = if count_only { &[] } else { rest.get(..size.min(rest.len())).unwrap_or_default() };
        let next_link = match shown.last() {
            Some(last) if rest.len() > shown.len() => self.next_link(permit, asked, last),
            _ => None,
        };
        let mut issues: Vec<_> = missing.iter().map(Missing::issue).collect();
        issues.dedup();
        issues.extend(outcome::ignored(&query.ignored));
        let frame = Frame {
            resource_type: permit.resource_type(),
            gateway_base: &self.base_url,
            bundle_id: self.random.uuid().to_string(),
            last_updated: self.clock.now().to_fhir(),
            total: (missing.is_empty() && query.total != Some(TotalMode::None)).then_some(entries.len()),
            self_link: self.self_link(permit.resource_type(), query),
            next_link,
            issues,
            subset: Subset::of(query, self.knowledge, permit.resource_type()),
        };
        let body = bundle::write(&frame, shown, &mut rewriter);
        self.hashed.store(rewriter.hashed).await.map_err(|_| unavailable())?;
        Ok(Answer {
            body: body.into(),
            etag: None,
            last_modified: None,
            resources: shown.len(),
            missing: missing.len(),
        })
    }

    fn next_link(&self, permit: &Permit, asked: &[(String, String)], last: &Entry) -> Option<String> {
        let position = Position {
            parameters: asked.to_vec(),
            keys: last.keys.clone(),
            id: last.id.clone(),
            expires: self.page_links.expiry(),
        };
        let sealed = self.page_links.seal(permit, &position)?;
        Some(format!("{}/{}?{PAGE}={sealed}", self.base_url, permit.resource_type()))
    }

    /// What was really searched: parameters that were dropped are not in it.
    fn self_link(&self, resource_type: ResourceType, query: &Query) -> String {
        let encoded = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query.to_pairs()).finish();
        let mark = if encoded.is_empty() { "" } else { "?" };
        format!("{}/{resource_type}{mark}{encoded}", self.base_url)
    }

    pub(super) fn all_down(&self, missing: &[Missing]) -> Refusal {
        let mut issues: Vec<_> = missing.iter().map(Missing::transient_issue).collect();
        issues.dedup();
        Refusal::Unavailable { retry_after: retry_after(missing), issues }
    }
}

/// Whether no source of the person could be asked. A source that refused the request has answered.
fn nobody_answered(charts: &Charts, missing: &[Missing]) -> bool {
    let down = missing.iter().filter(|missing| missing.is_outage()).count();
    down > 0 && down >= charts.connected.len().saturating_add(charts.missing.len())
}

fn retry_after(missing: &[Missing]) -> Duration {
    let asked = missing.iter().filter_map(|missing| match missing.failure {
        SourceFailure::Throttled { retry_after } => retry_after,
        _ => None,
    });
    asked.max().unwrap_or(Duration::from_secs(5)).min(Duration::from_secs(300))
}

pub(super) fn unavailable() -> Refusal {
    Refusal::Unavailable { retry_after: Duration::from_secs(5), issues: Vec::new() }
}

fn invalid(error: &SearchError) -> Refusal {
    Refusal::Invalid { code: error.code.as_str(), details: error.to_string() }
}
