//! `Patient/$everything` (FHIR R4 patient-operation-everything): type after type, each found as a search without criteria
//! finds it, so that nothing is here that no search would show. What is in two practices' records is marked.
//!
//! Nothing is kept between pages: a link says in which type the page before ended, and after which id. That type is
//! gathered again for the next page, as its order and its marks hang on all of it; types before it are not. Reference data
//! comes last, as far as something of the person refers to it: where that is not on the first page, what refers to it is
//! gathered once more, as the ids would not fit into a link.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use jiff::Timestamp;

use super::Gateway;
use super::answer::{Answer, Refusal, tally};
use super::bundle::{self, Frame, Link};
use super::care_dates::CareDates;
use super::chart::Charts;
use super::duplicates::{self, Candidate};
use super::hashed::ResolvedIds;
use super::identifier::GatewayId;
use super::outcome::{self, Missing, issue};
use super::page_link::{self, Cursor, PAGE};
use super::released::Released;
use super::rewrite::Rewriter;
use super::search::{Search, nobody_answered, unavailable, unconnected};
use super::searchset::{Content, Entry};
use crate::access::{Permit, referent};
use crate::fhir::ResourceType;
use crate::fhir::knowledge::AuthorizationKind;
use crate::fhir::model::Issue;
use crate::fhir::search::fragment::Fragment;
use crate::fhir::search::{self, Handling, Query};
use crate::organization::SourceKey;
use crate::storage::hashed_ids::HashedId;

/// Types that are gathered at once.
const AT_ONCE: usize = 4;
/// What its page links are for.
const EVERYTHING: &str = "everything";
/// Resources of reference data of one type at one source that one answer brings along.
const MAX_REFERENCED: usize = 400;
/// How far references of reference data to other reference data are followed (a role, its practitioner, its place).
const LEVELS: usize = 2;

/// What is asked for.
struct Asked {
    /// As the client wrote it, without what is not supported.
    parameters: Vec<(String, String)>,
    types: BTreeSet<ResourceType>,
    since: Option<Timestamp>,
    dates: CareDates,
    count: usize,
    marks: bool,
    ignored: Vec<String>,
}

/// One resource as it leaves.
struct Item {
    id: String,
    entry: Vec<u8>,
}

/// What one type brought.
#[derive(Default)]
struct Stage {
    items: Vec<Item>,
    missing: Vec<Missing>,
    hashed: Vec<HashedId>,
    /// Reference data that the resources refer to.
    referenced: Referenced,
    unwritable: bool,
}

/// Upstream ids by source and type. Only ids: whether they are shown is decided when they are fetched.
type Referenced = BTreeMap<(SourceKey, ResourceType), BTreeSet<String>>;

/// The types of one answer, in order.
struct Stages<'a> {
    /// Each is a stage of its own.
    own: Vec<&'a Permit>,
    /// Together they are the last stage.
    directory: Vec<&'a Permit>,
    /// What refers to reference data: all that is granted, whatever was asked for.
    all: Vec<&'a Permit>,
}

impl Gateway {
    pub(super) async fn everything(
        &self,
        first: &Permit,
        id: &str,
        parameters: &[(String, String)],
    ) -> Result<Answer, Refusal> {
        let kinds = ResourceType::ALL.iter();
        let permits: Vec<Permit> = kinds.filter_map(|kind| first.for_search(self.knowledge, *kind)).collect();
        if GatewayId::parse(ResourceType::Patient, id) != GatewayId::Person(first.person()) {
            return Err(Refusal::NotFound);
        }
        let position = self.page_links.among(first, EVERYTHING, parameters)?;
        let asked = self.asked_of_everything(position.as_ref().map_or(parameters, |position| &position.parameters))?;
        let charts = Charts::of(first, &self.sources);
        let stages = stages(&permits, &asked, self);
        let mut page = Page::new(position.as_ref().map(|position| &position.place), asked.count);
        page.missing.extend(position.as_ref().map(|position| position.missing(&charts)).unwrap_or_default());
        let last = stages.own.len();
        while page.stage < last && !page.is_full() {
            // In the middle of a type, often no other fits: it is asked for once there is room.
            let many = if page.after.is_some() { 1 } else { AT_ONCE };
            let window = stages.own.get(page.stage..last.min(page.stage.saturating_add(many))).unwrap_or_default();
            let gathered = join_all(window.iter().map(|permit| self.stage(permit, &charts, &asked))).await;
            for stage in gathered {
                if page.is_full() {
                    break;
                }
                page.take(stage?);
            }
        }
        if page.stage == last && !page.is_full() && !stages.directory.is_empty() {
            if !page.saw_all || stages.all.len() > stages.own.len() {
                page.referenced = self.all_referenced(&stages.all, &charts, &asked, &mut page.missing).await?;
            }
            let referenced = std::mem::take(&mut page.referenced);
            page.take(self.directory_stage(&stages.directory, &charts, referenced).await);
        }
        page.missing.extend(unconnected(&charts));
        if page.items.is_empty() && nobody_answered(&charts, &page.missing) {
            return Err(self.all_down(&page.missing));
        }
        self.everything_page(first, &permits, id, (asked, page)).await
    }

    fn asked_of_everything(&self, parameters: &[(String, String)]) -> Result<Asked, Refusal> {
        let invalid =
            |name: &str| Refusal::Invalid { code: "value", details: format!("{name} has a value that it cannot have") };
        let mut asked = Asked {
            parameters: Vec::new(),
            types: BTreeSet::new(),
            since: None,
            dates: CareDates::default(),
            count: self.limits.max_count,
            marks: true,
            ignored: Vec::new(),
        };
        for (name, value) in parameters {
            match name.as_str() {
                "_type" => {
                    for name in value.split(',') {
                        asked.types.insert(ResourceType::parse(name.trim()).ok_or_else(|| invalid("_type"))?);
                    }
                }
                "_since" => asked.since = Some(value.parse().map_err(|_| invalid("_since"))?),
                "start" | "end" => {
                    asked.dates.limit(self.knowledge, name == "start", value).ok_or_else(|| invalid(name))?;
                }
                "_count" => {
                    let count: usize = value.parse().map_err(|_| invalid("_count"))?;
                    asked.count = count.clamp(1, self.limits.max_count);
                }
                "duplicates" => {
                    asked.marks = match value.as_str() {
                        "marked" => true,
                        "unmarked" => false,
                        _ => return Err(invalid("duplicates")),
                    };
                }
                "_format" | "_pretty" | PAGE => continue,
                other => {
                    asked.ignored.push(other.chars().take(64).collect());
                    continue;
                }
            }
            asked.parameters.push((name.clone(), value.clone()));
        }
        Ok(asked)
    }

    /// All that a query finds, in order.
    pub(super) async fn all_of(
        &self,
        permit: &Permit,
        charts: &Charts,
        query: &Query,
        rewriter: &mut Rewriter<'_>,
    ) -> Result<(Vec<Entry>, Vec<Missing>), Refusal> {
        let resolved = ResolvedIds::default();
        let search = Search { permit, charts, query, resolved: &resolved, with_kept: false };
        let cut = self.gathered_page(&search, None, usize::MAX, rewriter).await?;
        Ok(cut.map(|cut| (cut.entries, cut.missing)).unwrap_or_default())
    }

    /// One type whole: what a search finds, within the times that were asked for.
    async fn stage(&self, permit: &Permit, charts: &Charts, asked: &Asked) -> Result<Stage, Refusal> {
        let kind = permit.resource_type();
        let since = asked.since.map(|since| ("_lastUpdated".to_owned(), format!("gt{since}")));
        let pairs: Vec<(String, String)> = since.into_iter().collect();
        let query = search::parse(self.knowledge, kind, &pairs, Handling::Strict)
            .map_err(|error| Refusal::Invalid { code: error.code.as_str(), details: error.to_string() })?;
        let mut rewriter = self.rewriter(charts);
        let (mut entries, missing) = self.all_of(permit, charts, &query, &mut rewriter).await?;
        let in_scope = asked.dates.of(self.knowledge, kind);
        entries.retain(|entry| match &entry.content {
            Content::Released(released) => {
                in_scope.holds(released.raw(), &self.evaluation(Some(released.chart().base_url())))
            }
            Content::Merged(_) | Content::Kept(_) => true,
        });
        let marks = if asked.marks { duplicates::find(kind, &candidates(&entries)) } else { BTreeMap::new() };
        let mut stage = Stage { missing, ..Stage::default() };
        for (at, entry) in entries.iter().enumerate() {
            let mut bytes = Vec::new();
            match &entry.content {
                Content::Released(released) => {
                    self.note_referenced(released, &mut stage.referenced);
                    if rewriter.write(released, &entry.id, &mut bytes).is_err() {
                        stage.unwritable = true;
                        continue;
                    }
                }
                Content::Merged(merged) | Content::Kept(merged) => bytes.extend_from_slice(merged),
            }
            if let Some(others) = marks.get(&at) {
                bytes = duplicates::mark(&bytes, kind, others);
            }
            stage.items.push(self.item(kind, &entry.id, &bytes, "match"));
        }
        stage.hashed = rewriter.hashed;
        Ok(stage)
    }

    fn item(&self, kind: ResourceType, id: &str, resource: &[u8], mode: &str) -> Item {
        let mut entry = Vec::with_capacity(resource.len().saturating_add(200));
        let full_url = [self.base_url.as_str(), "/", kind.as_str(), "/", id];
        let _written = bundle::write_entry(&mut entry, &full_url, mode, |out| {
            out.extend_from_slice(resource);
            Some(())
        });
        Item { id: id.to_owned(), entry }
    }

    fn note_referenced(&self, released: &Released, referenced: &mut Referenced) {
        let (raw, chart) = (released.raw(), released.chart());
        let shown = raw.facts.references.iter().filter(|reference| !released.redaction().takes(reference.value));
        for reference in shown {
            let Some(to) = referent(raw, chart.base_url(), reference) else { continue };
            let Some(kind) = to.resource_type else { continue };
            if matches!(self.knowledge.of(kind).authorization, AuthorizationKind::Directory { .. }) {
                referenced.entry((chart.key(), kind)).or_default().insert(to.id);
            }
        }
    }

    /// What everything of the person refers to, for a page that did not see it all itself.
    async fn all_referenced(
        &self,
        permits: &[&Permit],
        charts: &Charts,
        asked: &Asked,
        missing: &mut Vec<Missing>,
    ) -> Result<Referenced, Refusal> {
        let mut referenced = Referenced::new();
        for window in permits.chunks(AT_ONCE) {
            for stage in join_all(window.iter().map(|permit| self.stage(permit, charts, asked))).await {
                let stage = stage?;
                missing.extend(stage.missing);
                for (key, ids) in stage.referenced {
                    referenced.entry(key).or_default().extend(ids);
                }
            }
        }
        Ok(referenced)
    }

    /// The reference data behind these ids, and behind the references of that.
    async fn directory_stage(&self, permits: &[&Permit], charts: &Charts, mut wanted: Referenced) -> Stage {
        let mut rewriter = self.rewriter(charts);
        let mut stage = Stage::default();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut known = Referenced::new();
        for _ in 0..=LEVELS {
            let mut next = Referenced::new();
            for ((key, kind), mut ids) in std::mem::take(&mut wanted) {
                let before = known.entry((key, kind)).or_default();
                ids.retain(|id| before.insert(id.clone()));
                let permit = permits.iter().find(|permit| permit.resource_type() == kind);
                let (Some(permit), Some(chart)) = (permit, charts.at(key)) else { continue };
                if ids.len() > MAX_REFERENCED {
                    stage.missing.push(super::fetch::missing(chart, crate::upstream::SourceFailure::OverBudget));
                }
                let ids: Vec<String> = ids.into_iter().take(MAX_REFERENCED).collect();
                let (found, missing) = self.by_ids(permit, chart, &ids, None).await;
                stage.missing.extend(missing);
                for released in found {
                    let id = rewriter.gateway_id(&released);
                    if !seen.insert(format!("{kind}/{id}")) {
                        continue;
                    }
                    self.note_referenced(&released, &mut next);
                    let mut bytes = Vec::new();
                    if rewriter.write(&released, &id, &mut bytes).is_ok() {
                        // The type goes first: ids are unique within it only.
                        let item = self.item(kind, &id, &bytes, "include");
                        stage.items.push(Item { id: format!("{kind}/{id}"), ..item });
                    } else {
                        stage.unwritable = true;
                    }
                }
            }
            wanted = next;
        }
        stage.items.sort_by(|a, b| a.id.cmp(&b.id));
        stage.hashed = rewriter.hashed;
        stage
    }

    async fn everything_page(
        &self,
        first: &Permit,
        permits: &[Permit],
        id: &str,
        (asked, page): (Asked, Page),
    ) -> Result<Answer, Refusal> {
        self.hashed.store(page.hashed).await.map_err(|_| unavailable())?;
        let own_url = format!("{}/Patient/{id}/$everything", self.base_url);
        let mut links = vec![Link { relation: "self", url: bundle::url(&own_url, &asked.parameters) }];
        if let Some((stage, after)) = page.next {
            let gaps = page_link::gaps(&page.missing);
            let position = self.page_links.position(asked.parameters, Cursor { stage, after }, gaps);
            let sealed = self.page_links.seal(first, EVERYTHING, &position).ok_or_else(unavailable)?;
            links.push(Link { relation: "next", url: format!("{own_url}?{PAGE}={sealed}") });
        }
        let mut issues: Vec<Issue> = Vec::new();
        for issue in page.missing.iter().map(Missing::issue) {
            if !issues.contains(&issue) {
                issues.push(issue);
            }
        }
        if page.unwritable {
            issues.push(issue("warning", "incomplete", "A resource could not be shown safely.".to_owned()));
        }
        issues.extend(outcome::ignored(&asked.ignored));
        issues.extend(not_gathered(&asked.types, permits, self));
        let entries: Vec<&[u8]> = page.items.iter().map(|item| item.entry.as_slice()).collect();
        let frame = Frame {
            bundle_type: "searchset",
            bundle_id: self.random.uuid().to_string(),
            last_updated: self.clock.now().to_fhir(),
            // Nobody has counted what the later pages bring.
            total: None,
            links,
        };
        let body = bundle::write(&frame, &entries, &issues);
        let resources = page.items.len();
        // The person alone has an id without a source: it is made of what all of them say.
        let own: BTreeSet<SourceKey> = first.links().iter().map(|link| link.source).collect();
        let key_of = |item: &Item| -> Option<SourceKey> {
            let id = item.id.rsplit('/').next()?;
            id.split_once('.')?.0.parse().ok()
        };
        let of_one = page.items.iter().filter_map(key_of);
        let of_all = page.items.iter().filter(|item| key_of(item).is_none()).flat_map(|_| own.iter().copied());
        let sources = tally(of_one.chain(of_all));
        Ok(Answer { body: body.into(), etag: None, last_modified: None, resources, sources, content: None })
    }
}

/// A page under construction.
struct Page {
    stage: usize,
    /// The last id of the page before, until it is passed.
    after: Option<String>,
    size: usize,
    items: Vec<Item>,
    missing: Vec<Missing>,
    hashed: Vec<HashedId>,
    referenced: Referenced,
    /// Every stage so far was gathered for this page.
    saw_all: bool,
    unwritable: bool,
    /// The last id of the present stage that this page or one before has shown.
    shown: Option<String>,
    /// Where the next page begins: in which stage, and after which id.
    next: Option<(usize, Option<String>)>,
}

impl Page {
    fn new(cursor: Option<&Cursor>, size: usize) -> Self {
        Self {
            stage: cursor.map_or(0, |cursor| cursor.stage),
            after: cursor.and_then(|cursor| cursor.after.clone()),
            size,
            items: Vec::new(),
            missing: Vec::new(),
            hashed: Vec::new(),
            referenced: Referenced::new(),
            saw_all: cursor.is_none(),
            unwritable: false,
            shown: None,
            next: None,
        }
    }

    const fn is_full(&self) -> bool {
        self.next.is_some()
    }

    /// Adds what fits of the stage, and goes on to the next one when all of it did.
    fn take(&mut self, stage: Stage) {
        self.missing.extend(stage.missing);
        self.hashed.extend(stage.hashed);
        self.unwritable |= stage.unwritable;
        for (key, ids) in stage.referenced {
            self.referenced.entry(key).or_default().extend(ids);
        }
        let after = self.after.take();
        self.shown.clone_from(&after);
        let is_new = |item: &Item| after.as_ref().is_none_or(|after| item.id > *after);
        for item in stage.items.into_iter().filter(is_new) {
            if self.items.len() >= self.size {
                self.next = Some((self.stage, self.shown.take()));
                return;
            }
            self.shown = Some(item.id.clone());
            self.items.push(item);
        }
        self.stage = self.stage.saturating_add(1);
    }
}

/// The person's own types, the Patient first, then the reference data, as far as they are asked for.
fn stages<'a>(permits: &'a [Permit], asked: &Asked, gateway: &Gateway) -> Stages<'a> {
    let is_directory = |permit: &&Permit| {
        matches!(gateway.knowledge.of(permit.resource_type()).authorization, AuthorizationKind::Directory { .. })
    };
    let (directory, mut own): (Vec<&Permit>, Vec<&Permit>) = permits.iter().partition(is_directory);
    own.sort_by_key(|permit| (permit.resource_type() != ResourceType::Patient, permit.resource_type().as_str()));
    let gathered = own.clone();
    let is_asked = |permit: &&Permit| asked.types.is_empty() || asked.types.contains(&permit.resource_type());
    Stages {
        own: own.into_iter().filter(is_asked).collect(),
        directory: directory.into_iter().filter(is_asked).collect(),
        all: gathered,
    }
}

fn candidates<'e>(entries: &'e [Entry]) -> Vec<Candidate<'e>> {
    let candidate = |(at, entry): (usize, &'e Entry)| match &entry.content {
        Content::Released(released) => Some(Candidate {
            at,
            source: released.chart().key(),
            id: entry.id.as_str(),
            resource: Fragment::new(&released.raw().bytes),
        }),
        Content::Merged(_) | Content::Kept(_) => None,
    };
    entries.iter().enumerate().filter_map(candidate).collect()
}

/// The types that were asked for by name and are not here: no practice holds them, or they are not covered.
fn not_gathered(types: &BTreeSet<ResourceType>, permits: &[Permit], gateway: &Gateway) -> Vec<Issue> {
    let is_missing = |kind: &&ResourceType| !permits.iter().any(|permit| permit.resource_type() == **kind);
    let is_kept_here = |kind: &&ResourceType| gateway.knowledge.of(**kind).authorization == AuthorizationKind::Own;
    let (kept, others): (Vec<&ResourceType>, Vec<&ResourceType>) =
        types.iter().filter(is_missing).partition(is_kept_here);
    let said = [
        (kept, "not-supported", "No practice holds this, so it is not gathered here; search for it"),
        (others, "forbidden", "Not covered by what was granted to this app"),
    ];
    let said = said.into_iter().filter(|(kinds, ..)| !kinds.is_empty());
    said.map(|(kinds, code, words)| {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        issue("warning", code, format!("{words}: {}", names.join(", ")))
    })
    .collect()
}
