//! One source's answer to a search, read page by page as it is needed, and how far it was given out: what a page link
//! carries instead of anything kept here.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::chart::Chart;
use super::fetch;
use super::outcome::{Gap, Missing};
use super::plan::Call;
use super::released::{Filter, Released};
use crate::base::hash::sha256;
use crate::fhir::scan::{self, RawResource, ScannedBundle, SearchMode};
use crate::fhir::search::{self, Evaluation, SortKey, SortValue};
use crate::upstream::{Page, PageMark, SourceFailure, Start, Walk, Walked};

/// Pages of one source that are fetched to fill one page here. After them a page is given short, with a link to the
/// rest: hidden entries may not keep a caller waiting for ever.
const REFILLS: usize = 10;
/// Pages that a link remembers, so that a source which goes in circles is found out.
const REMEMBERED: usize = 16;

/// Tells a resource from others of the same source, within one page link.
type IdMark = [u8; 8];

/// How far one source's answer was given out. Sealed in a page link; no `Debug`, as a link may name a patient.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The source key.
    #[serde(rename = "s")]
    pub(super) source: String,
    /// Path and query of the page to go on with; the first one when there is none.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    /// Matches from the beginning of that page that were dealt with: given, or not visible.
    #[serde(rename = "p", default, skip_serializing_if = "is_default")]
    passed: usize,
    /// The last of them, or of the page before: where to go on if the pages have moved.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    anchor: Option<IdMark>,
    /// Matches on the pages before.
    #[serde(rename = "b", default, skip_serializing_if = "is_default")]
    before: usize,
    /// The largest `total` that the source has announced.
    #[serde(rename = "t", default, skip_serializing_if = "is_default")]
    announced: u64,
    /// The pages seen last.
    #[serde(rename = "v", default, skip_serializing_if = "Vec::is_empty")]
    seen: Vec<PageMark>,
    /// What went wrong so far although the source goes on.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    gap: Option<Gap>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Progress {
    /// Bytes of the page's address.
    pub(super) fn link_length(&self) -> usize {
        self.link.as_ref().map_or(0, String::len)
    }

    /// The same place without the page's address: found again from the first page.
    pub(super) fn forget_link(&mut self) {
        if self.link.take().is_some() {
            self.passed = self.passed.saturating_add(self.before);
            self.before = 0;
            self.seen.clear();
        }
    }
}

/// What reading needs besides the stream.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) filter: Filter<'a>,
    /// The order that the sources were asked for.
    pub(super) sort: &'a [SortKey],
    /// Entries to ask for on a page when nothing will be sifted here.
    pub(super) page_size: usize,
    /// And when something may be.
    pub(super) largest_page: usize,
}

/// A resource that can be given next.
pub(super) struct Waiting {
    pub(super) released: Released,
    /// Its place in the order that was asked for.
    pub(super) keys: Vec<SortValue>,
    /// Which page of this request it stands on, and at which place.
    page: usize,
    at: usize,
}

/// A page that was fetched in this request.
struct Loaded {
    link: Option<String>,
    mark: PageMark,
    /// Matches on the pages before.
    before: usize,
    /// Their ids: cheap pieces of the page.
    matches: Vec<Bytes>,
}

/// What lies beyond the pages that were fetched.
enum Beyond {
    /// Nothing was fetched yet.
    Unread,
    /// A page at this address.
    Page(String),
    /// Nothing.
    End,
}

/// One source's answer during one request.
pub(super) struct Stream {
    call: Call,
    progress: Progress,
    /// Matches still to pass over, and the last of them, until that place is found.
    to_pass: usize,
    anchor: Option<IdMark>,
    loaded: Vec<Loaded>,
    waiting: VecDeque<Waiting>,
    beyond: Beyond,
    /// The ids that were taken: a source may send one twice.
    taken: HashSet<Bytes>,
    /// What it sent along with its matches. Nothing of it has been authorised yet.
    extras: Vec<RawResource>,
    gap: Option<SourceFailure>,
    /// Its pages were fetched as often as one request may, and nothing of them can be shown.
    stalled: bool,
}

impl Stream {
    /// From the beginning.
    pub(super) fn new(call: Call) -> Self {
        let source = call.chart.key().to_string();
        Self::resumed(call, Progress { source, ..Progress::default() })
    }

    /// From where a page link left off.
    pub(super) fn resumed(call: Call, progress: Progress) -> Self {
        let gap = progress.gap.map(SourceFailure::from);
        Self {
            call,
            to_pass: progress.passed,
            anchor: progress.anchor,
            progress,
            loaded: Vec::new(),
            waiting: VecDeque::new(),
            beyond: Beyond::Unread,
            taken: HashSet::new(),
            extras: Vec::new(),
            gap,
            stalled: false,
        }
    }

    /// The resource that comes next, as far as it was fetched.
    pub(super) fn head(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        self.waiting.pop_front()
    }

    /// Says from now on that the source does not keep the order.
    pub(super) fn loses_order(&mut self) {
        self.gap = self.gap.or(Some(SourceFailure::OutOfOrder));
    }

    /// How many resources can be given without fetching.
    pub(super) fn at_hand(&self) -> usize {
        self.waiting.len()
    }

    /// Whether there are pages that were not fetched.
    pub(super) const fn has_beyond(&self) -> bool {
        !matches!(self.beyond, Beyond::End)
    }

    /// Whether pages have to be fetched before it is known what comes next.
    pub(super) fn is_hungry(&self) -> bool {
        self.waiting.is_empty() && self.has_beyond()
    }

    /// Whether there may be more, now or on a later page.
    pub(super) fn is_live(&self) -> bool {
        !self.waiting.is_empty() || self.has_beyond()
    }

    pub(super) const fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// What is missing of this source, now and on every page from now on.
    pub(super) fn missing(&self) -> Option<Missing> {
        self.gap.map(|failure| fetch::missing(&self.call.chart, failure))
    }

    /// What it sent along with its matches, because it was asked to or of its own accord.
    pub(super) fn into_extras(self) -> impl Iterator<Item = (Arc<Chart>, RawResource)> {
        let chart = self.call.chart.clone();
        self.extras.into_iter().map(move |raw| (chart.clone(), raw))
    }

    /// Where the next page goes on; `None` when everything was given.
    pub(super) fn progress(&self) -> Option<Progress> {
        if matches!(self.beyond, Beyond::Unread) {
            return Some(self.progress.clone());
        }
        let (link, passed, before, page) = match (self.waiting.front(), &self.beyond) {
            (Some(front), _) => {
                let page = self.loaded.get(front.page)?;
                (page.link.clone(), front.at, page.before, front.page)
            }
            (None, Beyond::Page(link)) => {
                let before = self.loaded.last().map_or(0, |page| page.before.saturating_add(page.matches.len()));
                (Some(link.clone()), 0, before, self.loaded.len())
            }
            (None, _) => return None,
        };
        let on_page = self.loaded.get(page).and_then(|page| page.matches.get(passed.checked_sub(1)?));
        let on_earlier = || self.loaded.get(..page)?.iter().rev().find_map(|page| page.matches.last());
        let anchor = on_page.or_else(on_earlier).map(|id| mark(id.as_ref())).or(self.progress.anchor);
        // Not those beyond: they will be fetched again.
        let seen = self.seen_before(page);
        let oldest = seen.len().saturating_sub(REMEMBERED);
        Some(Progress {
            source: self.progress.source.clone(),
            link,
            passed,
            anchor,
            before,
            announced: self.progress.announced,
            seen: seen.get(oldest..).unwrap_or_default().to_vec(),
            gap: self.gap.map(Gap::from),
        })
    }

    /// Fetches pages until `wanted` more resources can be shown; one page at least.
    pub(super) async fn refill(&mut self, reading: Reading<'_>, wanted: usize) {
        let size = if self.call.is_sent_whole() { reading.page_size } else { reading.largest_page };
        let pairs = self.call.pairs(size.min(reading.largest_page));
        let resource_type = self.call.resource_type();
        let (link, before) = self.end();
        let start = match &link {
            Some(link) => Start::At(link),
            None => Start::First { resource_type: resource_type.as_str(), pairs: &pairs },
        };
        let seen: Vec<PageMark> = self.seen_before(self.loaded.len());
        let walk = Walk { start, seen: &seen, spent: before };
        let (mut before, first) = (before, self.loaded.len());
        let errand = self.call.errand();
        let walked = errand
            .walk(walk, |body: Bytes| {
                let bundle = scan::scan_bundle(body, reading.filter.knowledge).map_err(|_| SourceFailure::Malformed)?;
                let page = self.load(reading, bundle, before);
                before = before.saturating_add(page.resources);
                let tried = self.loaded.len().saturating_sub(first).saturating_add(1);
                let wants_next = self.to_pass > 0 || (self.waiting.len() < wanted && tried < REFILLS);
                Ok(Page { wants_next, ..page })
            })
            .await;
        self.arrived(link, first, walked);
        self.stalled = wanted > 0 && self.is_hungry();
    }

    /// The pages before the one at this place among those of this request.
    fn seen_before(&self, page: usize) -> Vec<PageMark> {
        let loaded = self.loaded.iter().take(page).map(|page| page.mark);
        self.progress.seen.iter().copied().chain(loaded).collect()
    }

    /// The page to fetch next, and how many matches stand before it.
    fn end(&self) -> (Option<String>, usize) {
        match &self.beyond {
            Beyond::Page(link) => {
                let last = self.loaded.last();
                (Some(link.clone()), last.map_or(0, |page| page.before.saturating_add(page.matches.len())))
            }
            Beyond::Unread | Beyond::End => (self.progress.link.clone(), self.progress.before),
        }
    }

    /// Takes in one page: what was dealt with is passed over, the rest filtered and evaluated.
    fn load(&mut self, reading: Reading<'_>, bundle: ScannedBundle, before: usize) -> Page<()> {
        let ScannedBundle { total, next, entries, refused, .. } = bundle;
        self.progress.announced = self.progress.announced.max(total.unwrap_or(0));
        let mut matches = Vec::with_capacity(entries.len());
        for entry in entries {
            let list = if entry.mode == SearchMode::Match { &mut matches } else { &mut self.extras };
            list.push(entry.resource);
        }
        if refused > 0 || matches.iter().any(|raw| raw.facts.id.is_none()) {
            // What could not be read, or has no id by which it could be read again, is left out.
            self.gap = self.gap.or(Some(SourceFailure::Malformed));
        }
        let ids: Vec<Bytes> = matches.iter().map(id).collect();
        let from = self.resume(&ids, next.is_some());
        self.taken.reserve(ids.len());
        self.waiting.reserve(ids.len());
        self.taken.extend(ids.iter().take(from).cloned());
        let resources = matches.len();
        let page = self.loaded.len();
        let mut is_ordered = true;
        let chart = &self.call.chart;
        let evaluation =
            Evaluation { knowledge: reading.filter.knowledge, base: Some(chart.base_url()), now: reading.filter.now };
        for (at, raw) in matches.into_iter().enumerate().skip(from) {
            let id = id(&raw);
            if id.is_empty() || self.taken.contains(&id) {
                continue;
            }
            let Some(released) = Released::release(reading.filter, chart, raw, None) else { continue };
            if !search::matches(&self.call.query, released.raw(), &evaluation) {
                continue;
            }
            let keys: Vec<SortValue> =
                reading.sort.iter().map(|key| search::sort_key(key, released.raw(), &evaluation)).collect();
            is_ordered &= self.waiting.back().is_none_or(|last| last.keys <= keys);
            self.taken.insert(id);
            self.waiting.push_back(Waiting { released, keys, page, at });
        }
        if !is_ordered {
            self.loses_order();
        }
        self.loaded.push(Loaded { link: None, mark: PageMark::default(), before, matches: ids });
        Page { content: (), resources, next, wants_next: false }
    }

    /// How many matches of this page to pass over: those that were dealt with before.
    fn resume(&mut self, ids: &[Bytes], has_next: bool) -> usize {
        let to_pass = std::mem::take(&mut self.to_pass);
        let anchor = self.anchor.take();
        let is_anchor = |id: &Bytes| anchor.is_some_and(|anchor| mark(id) == anchor);
        if to_pass.checked_sub(1).and_then(|last| ids.get(last)).is_some_and(is_anchor) {
            return to_pass;
        }
        if let Some(found) = anchor.and_then(|anchor| ids.iter().position(|id| mark(id) == anchor)) {
            // Wherever it stands now: what is before it was dealt with, or came after the search began.
            return found.saturating_add(1);
        }
        if self.progress.link.is_none() && to_pass >= ids.len() && to_pass > 0 && has_next {
            // Counted from the first page: the place is on a later one.
            (self.to_pass, self.anchor) = (to_pass.saturating_sub(ids.len()), anchor);
            return ids.len();
        }
        if to_pass > 0 {
            self.gap = self.gap.or(Some(SourceFailure::Changed));
        }
        to_pass.min(ids.len())
    }

    /// Notes where the pages of a walk are, and what comes after them.
    fn arrived(&mut self, mut link: Option<String>, first: usize, walked: Walked<()>) {
        let has_pages = !walked.pages.is_empty();
        for (loaded, page) in self.loaded.iter_mut().skip(first).zip(walked.pages) {
            loaded.link = std::mem::replace(&mut link, page.next);
            loaded.mark = page.mark;
        }
        self.beyond = match (walked.failure, link) {
            (None, Some(next)) if has_pages => Beyond::Page(next),
            (None, _) => Beyond::End,
            (Some(failure), _) => {
                self.gap = Some(failure);
                Beyond::End
            }
        };
        if let Some(age) = walked.age {
            // Also when it ended: what it says covers both.
            let older = self.gap.and_then(SourceFailure::age).max(Some(age));
            self.gap = older.map(|age| SourceFailure::Stale { age });
        }
        let given = self.loaded.last().map_or(0, |page| page.before.saturating_add(page.matches.len()));
        let is_short = u64::try_from(given).unwrap_or(u64::MAX) < self.progress.announced;
        if matches!(self.beyond, Beyond::End) && self.gap.is_none() && is_short {
            // It says how many there are, gives fewer, and no link to the rest.
            self.gap = Some(SourceFailure::Incomplete);
        }
    }
}

/// The id of a resource; empty when it has none.
fn id(raw: &RawResource) -> Bytes {
    raw.facts.id.map(|span| raw.bytes.slice_ref(span.of(&raw.bytes))).unwrap_or_default()
}

fn mark(id: &[u8]) -> IdMark {
    let mut mark = IdMark::default();
    for (to, from) in mark.iter_mut().zip(sha256(id)) {
        *to = from;
    }
    mark
}
