use std::collections::BTreeSet;

use bytes::Bytes;

use super::client::Client;
use super::failure::SourceFailure;

/// What one search at one source gave: its pages so far, and why there are no more of them if some are missing.
#[derive(Debug)]
pub struct Gathered<T> {
    /// Pages in order.
    pub pages: Vec<T>,
    /// Why the source did not answer whole.
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
}

impl Client {
    /// `GET {base}/{type}?{pairs}` and every page after it, within the budgets. `read` turns a body into a page, or
    /// says that it is malformed. Pages that came before a failure are kept.
    pub async fn search<T>(
        &self,
        resource_type: &str,
        pairs: &[(String, String)],
        read: impl Fn(Bytes) -> Result<Page<T>, SourceFailure>,
    ) -> Gathered<T> {
        let mut gathered = Gathered { pages: Vec::new(), failure: None };
        let pages = &mut gathered.pages;
        let outcome = self.within_limits(self.all_pages(resource_type, pairs, read, pages)).await;
        gathered.failure = outcome.err();
        gathered
    }

    async fn all_pages<T>(
        &self,
        resource_type: &str,
        pairs: &[(String, String)],
        read: impl Fn(Bytes) -> Result<Page<T>, SourceFailure>,
        pages: &mut Vec<T>,
    ) -> Result<(), SourceFailure> {
        let mut url = self.connection.url(&[resource_type], pairs);
        let mut seen = BTreeSet::new();
        let mut resources = 0_usize;
        loop {
            let page = read(self.get(url.clone()).await?)?;
            resources = resources.saturating_add(page.resources);
            pages.push(page.content);
            let Some(next) = page.next else { return Ok(()) };
            if resources >= self.limits.resources || pages.len() >= self.limits.pages {
                return Err(SourceFailure::OverBudget);
            }
            // A page that was seen before would come round for ever.
            seen.insert(url);
            url = self.connection.page_url(&next).ok_or(SourceFailure::UnsafePageLink)?;
            if seen.contains(&url) {
                return Err(SourceFailure::UnsafePageLink);
            }
        }
    }
}
