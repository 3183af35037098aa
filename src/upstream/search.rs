use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::errand::{Answered, Errand};
use super::failure::SourceFailure;
use crate::base::hash::sha256;

/// What one search at one source gave: its pages so far, and why there are no more of them if some are missing.
#[derive(Debug)]
pub struct Gathered<T> {
    /// Pages in order.
    pub pages: Vec<T>,
    /// Why the source did not answer whole; [`SourceFailure::Stale`] when some or all of it is from before the source
    /// went down.
    pub failure: Option<SourceFailure>,
}

/// What a page says of the one after it.
#[derive(Debug)]
pub struct Page<T> {
    /// The page, read.
    pub content: T,
    /// How many resources it holds.
    pub resources: usize,
    /// Its `next` link as the source wrote it.
    pub next: Option<String>,
    /// Whether the page after it is wanted now.
    pub wants_next: bool,
}

/// Where a walk through the pages of a search begins. No `Debug`: both may name a patient.
pub enum Start<'a> {
    /// `{base}/{type}?{pairs}`.
    First {
        /// The type that is searched.
        resource_type: &'a str,
        /// The parameters.
        pairs: &'a [(String, String)],
    },
    /// The page at a link that an earlier walk gave: checked again, as if the source had just written it.
    At(&'a str),
}

/// Tells a page from others of the same search, without saying what its address is.
pub type PageMark = [u8; 8];

/// A walk through some pages of a search.
pub struct Walk<'a> {
    /// Its first page.
    pub start: Start<'a>,
    /// Pages of the same search that were seen before.
    pub seen: &'a [PageMark],
    /// Resources on the pages before: they count towards what one search may cost.
    pub spent: usize,
}

/// What a walk gave.
#[derive(Debug)]
pub struct Walked<T> {
    /// Its pages in order.
    pub pages: Vec<WalkedPage<T>>,
    /// Why it ended before it was told to.
    pub failure: Option<SourceFailure>,
    /// How old the oldest page is, where pages stand in for those of a source that is down.
    pub age: Option<Duration>,
}

/// One page of a walk.
pub struct WalkedPage<T> {
    /// The page, read.
    pub content: T,
    /// The page's mark.
    pub mark: PageMark,
    /// Path and query of the page after it, which lies at the source. Not for logs.
    pub next: Option<String>,
}

impl<T: std::fmt::Debug> std::fmt::Debug for WalkedPage<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WalkedPage").field("content", &self.content).field("has_next", &self.next.is_some()).finish()
    }
}

impl Errand {
    /// `GET {base}/{type}?{pairs}` and every page after it, within the budgets. `read` turns a body into a page, or
    /// says that it is malformed. Pages that came before a failure are kept.
    pub async fn search<T>(
        &self,
        resource_type: &str,
        pairs: &[(String, String)],
        read: impl FnMut(Bytes) -> Result<Page<T>, SourceFailure>,
    ) -> Gathered<T> {
        let walk = Walk { start: Start::First { resource_type, pairs }, seen: &[], spent: 0 };
        let Walked { pages, failure, age } = self.walk(walk, read).await;
        let failure = age.map(|age| SourceFailure::Stale { age }).or(failure);
        Gathered { pages: pages.into_iter().map(|page| page.content).collect(), failure }
    }

    /// A page and those after it, as long as `read` wants them, within the budgets and in the time of one request.
    pub async fn walk<T>(
        &self,
        walk: Walk<'_>,
        read: impl FnMut(Bytes) -> Result<Page<T>, SourceFailure>,
    ) -> Walked<T> {
        let mut walked = Walked { pages: Vec::new(), failure: None, age: None };
        walked.failure = self.pages(walk, read, &mut walked).await.err();
        walked
    }

    async fn pages<T>(
        &self,
        walk: Walk<'_>,
        mut read: impl FnMut(Bytes) -> Result<Page<T>, SourceFailure>,
        walked: &mut Walked<T>,
    ) -> Result<(), SourceFailure> {
        let (connection, limits) = (&self.client.connection, &self.client.limits);
        let counted = |failure| {
            self.client.failures.add(failure);
            failure
        };
        let mut url = match walk.start {
            Start::First { resource_type, pairs } => connection.url(&[resource_type], pairs),
            Start::At(link) => connection.page_url(link).ok_or_else(|| counted(SourceFailure::UnsafePageLink))?,
        };
        let mut spent = walk.spent;
        loop {
            let Answered { content: page, age } = self.page(url.clone(), &mut read).await?;
            walked.age = age.max(walked.age);
            // A page without anything costs as well: else they could follow each other for ever.
            spent = spent.saturating_add(page.resources.max(1));
            let next = page.next.as_deref().map(|next| connection.page_url(next));
            let link = next.as_ref().and_then(|next| next.as_ref().map(path_and_query));
            walked.pages.push(WalkedPage { content: page.content, mark: mark(&url), next: link });
            let next = match next {
                None => return Ok(()),
                Some(next) => next.ok_or_else(|| counted(SourceFailure::UnsafePageLink))?,
            };
            // A page that was seen before would come round for ever.
            let before = mark(&next);
            if walk.seen.contains(&before) || walked.pages.iter().any(|page| page.mark == before) {
                return Err(counted(SourceFailure::UnsafePageLink));
            }
            if spent >= limits.resources || walked.pages.len() >= limits.pages {
                return Err(counted(SourceFailure::OverBudget));
            }
            if !page.wants_next {
                return Ok(());
            }
            url = next;
        }
    }
}

fn mark(url: &Url) -> PageMark {
    let mut mark = PageMark::default();
    for (to, from) in mark.iter_mut().zip(sha256(url.as_str().as_bytes())) {
        *to = from;
    }
    mark
}

fn path_and_query(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}
