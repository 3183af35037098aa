//! The search interaction (FHIR R4 search.html): parsed, read lazily or gathered, cut into a page and written.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Gateway;
use super::answer::{Answer, Refusal, tally};
use super::bundle::{Frame, Link};
use super::chart::{Chart, Charts};
use super::hashed::ResolvedIds;
use super::include::{self, Included};
use super::outcome::{self, Missing};
use super::page_link::{self, PAGE, Place, Position};
use super::plan::Translation;
use super::rewrite::Rewriter;
use super::searchset::{self, Content, Entry, Page};
use super::subset::Subset;
use crate::access::Permit;
use crate::fhir::ResourceType;
use crate::fhir::edits::Edits;
use crate::fhir::scan::RawResource;
use crate::fhir::search::{self, Evaluation, Handling, Query, SearchError};
use crate::upstream::SourceFailure;

/// One search by one caller.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    pub(super) permit: &'a Permit,
    pub(super) charts: &'a Charts,
    pub(super) query: &'a Query,
    /// The hashed ids that the query names.
    pub(super) resolved: &'a ResolvedIds,
    /// Whether what Chartgate itself keeps belongs to the answer: to a search for it, and to nothing that gathers the record.
    pub(super) with_kept: bool,
}

/// One page of the result.
pub(super) struct Cut {
    pub(super) entries: Vec<Entry>,
    pub(super) missing: Vec<Missing>,
    /// Matches in all, where they were counted.
    pub(super) total: Option<usize>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<Place>,
    /// What sources sent along with their matches. Nothing of it has been authorised yet.
    pub(super) extras: Vec<(Arc<Chart>, RawResource)>,
}

/// What its page links are for.
const SEARCH: &str = "search";

/// Rows of hashed ids that are looked up for one search.
const MAX_LOOKUPS: usize = 4_000;

impl Gateway {
    pub(super) async fn search(
        &self,
        permit: &Permit,
        parameters: &[(String, String)],
        handling: Handling,
    ) -> Result<Answer, Refusal> {
        let position = self.page_links.among::<Place>(permit, SEARCH, parameters)?;
        let asked = position.as_ref().map_or(parameters, |position| position.parameters.as_slice());
        let query =
            search::parse(self.knowledge, permit.resource_type(), asked, handling).map_err(|error| invalid(&error))?;
        include::check(self.knowledge, &query)?;
        let charts = Charts::of(permit, &self.sources);
        let resolved = self.resolve(permit.resource_type(), asked).await?;
        let search = Search { permit, charts: &charts, query: &query, resolved: &resolved, with_kept: true };
        let mut rewriter = self.rewriter(&charts);
        let mut cut = self.cut(&search, position.as_ref(), &mut rewriter).await?;
        cut.missing.extend(unconnected(&charts));
        if cut.entries.is_empty() && nobody_answered(&charts, &cut.missing) {
            return Err(self.all_down(&cut.missing));
        }
        self.write_page(&search, asked, cut, rewriter).await
    }

    /// The page that begins at `position`, or the first one.
    async fn cut(
        &self,
        search: &Search<'_>,
        position: Option<&Position<Place>>,
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Cut, Refusal> {
        let size = search.query.count.unwrap_or(self.limits.default_count).min(self.limits.max_count);
        let place = position.map(|position| &position.place);
        let cut = if self.is_lazy(search.permit, search.charts, search.query) {
            self.lazy_page(search, place, size, rewriter).await
        } else {
            Box::pin(self.gathered_page(search, place, size, rewriter)).await?
        };
        // A link that was made when the sources were others.
        let mut cut = cut.ok_or_else(page_link::stale)?;
        for earlier in position.map(|position| position.missing(search.charts)).unwrap_or_default() {
            if cut.missing.iter().all(|missing| missing.source != earlier.source) {
                cut.missing.push(earlier);
            }
        }
        if !cut.missing.is_empty() {
            cut.total = None;
        }
        Ok(cut)
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
        let mut authorities = Vec::with_capacity(charts.connected.len());
        let (mut foreign, mut shared) = (Vec::with_capacity(charts.connected.len()), Vec::new());
        for chart in &charts.connected {
            let Some(needle) = &chart.source.authority else { continue };
            let is_shared = chart.source.client.connection().authority().eq_ignore_ascii_case(&self.authority);
            if is_shared { &mut shared } else { &mut foreign }.push(needle.clone());
            authorities.push(needle.clone());
        }
        Rewriter {
            knowledge: self.knowledge,
            identifiers: &self.identifiers,
            gateway_base: &self.base_url,
            authorities: authorities.into(),
            shared: shared.into(),
            foreign,
            hashed: Vec::new(),
            edits: Edits::new(),
        }
    }

    async fn write_page(
        &self,
        search: &Search<'_>,
        asked: &[(String, String)],
        cut: Cut,
        mut rewriter: Rewriter<'_>,
    ) -> Result<Answer, Refusal> {
        let Search { permit, query, .. } = *search;
        let Cut { entries, mut missing, total, next, extras } = cut;
        let included = if query.includes.is_empty() && query.revincludes.is_empty() {
            Included::default()
        } else {
            // Boxed, like all that few searches need: the others should not carry room for it.
            Box::pin(self.included(search, &entries, extras, &mut rewriter)).await
        };
        let Included { entries: included, missing: not_included, issues: uncovered } = included;
        missing.extend(not_included);
        let mut issues = outcome::gaps(&missing);
        issues.extend(uncovered);
        issues.extend(outcome::ignored(&query.ignored));
        issues.extend(permit.needs_view().then(outcome::restricted));
        let mut links = vec![Link { relation: "self", url: self.self_link(permit.resource_type(), query) }];
        let next = next.and_then(|place| self.next_link(permit, asked, place, &missing));
        links.extend(next.map(|url| Link { relation: "next", url }));
        let frame = Frame {
            bundle_type: "searchset",
            bundle_id: self.random.uuid().to_string(),
            last_updated: self.clock.now().to_fhir(),
            total,
            links,
        };
        let subset = Subset::of(query, self.knowledge, permit.resource_type());
        let page = Page { matches: &entries, included: &included, issues, subset };
        let body = searchset::write(&frame, page, &mut rewriter);
        self.hashed.store(rewriter.hashed).await.map_err(|_| unavailable())?;
        let resources = entries.len().saturating_add(included.len());
        let all = || entries.iter().chain(&included);
        let released = all().filter_map(|entry| match &entry.content {
            Content::Released(released) => Some(released.chart().key()),
            Content::Merged(_) | Content::Kept(_) => None,
        });
        let merged = all().filter(|entry| matches!(entry.content, Content::Merged(_)));
        let made_of = merged.flat_map(|_| search.charts.connected.iter().map(|chart| chart.key()));
        let sources = tally(released.chain(made_of));
        Ok(Answer { body: body.into(), etag: None, last_modified: None, resources, sources, content: None })
    }

    fn next_link(
        &self,
        permit: &Permit,
        asked: &[(String, String)],
        place: Place,
        missing: &[Missing],
    ) -> Option<String> {
        let position = self.page_links.position(asked.to_vec(), place, page_link::gaps(missing));
        let sealed = self.page_links.seal_short(permit, SEARCH, position)?;
        // A backend service names the patient in every request.
        let named = if permit.subject().is_system() { format!("patient={}&", permit.person()) } else { String::new() };
        Some(format!("{}/{}?{named}{PAGE}={sealed}", self.base_url, permit.resource_type()))
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

/// The sources that the person is linked to and that are not connected.
pub(super) fn unconnected(charts: &Charts) -> impl Iterator<Item = Missing> {
    charts.missing.iter().map(|_| Missing {
        source: None,
        organization: "A practice".to_owned(),
        failure: SourceFailure::Unreachable,
    })
}

/// Whether no source of the person could be asked. A source that refused the request has answered.
pub(super) fn nobody_answered(charts: &Charts, missing: &[Missing]) -> bool {
    let down = missing.iter().filter(|missing| missing.is_outage());
    let connected: BTreeSet<_> = down.filter_map(|missing| missing.source).collect();
    let all = charts.connected.len().saturating_add(charts.missing.len());
    all > 0 && connected.len().saturating_add(charts.missing.len()) >= all
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
