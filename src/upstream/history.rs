use bytes::Bytes;
use url::Url;

use super::client::Client;
use super::failure::SourceFailure;
use super::search::{Gathered, Page};
use crate::fhir::reference::is_source_id;

impl Client {
    /// `GET {base}/{type}/{id}/_history/{version}`: the version's bytes as sent.
    ///
    /// # Errors
    /// [`SourceFailure`]; `NotFound` when the source says so.
    pub async fn vread(&self, resource_type: &str, id: &str, version: &str) -> Result<Bytes, SourceFailure> {
        if !is_source_id(id.as_bytes()) || !is_source_id(version.as_bytes()) {
            return Err(SourceFailure::NotFound);
        }
        let url = self.connection.url(&[resource_type, id, "_history", version], &[]);
        self.within_limits(async { self.get(url).await.map_err(unsupported) }).await
    }

    /// `GET {base}/{type}/{id}/_history?{pairs}` and every page after it, within the budgets.
    pub async fn history<T>(
        &self,
        (resource_type, id): (&str, &str),
        pairs: &[(String, String)],
        read: impl Fn(Bytes) -> Result<Page<T>, SourceFailure>,
    ) -> Gathered<T> {
        let mut gathered = Gathered { pages: Vec::new(), failure: None };
        if !is_source_id(id.as_bytes()) {
            gathered.failure = Some(SourceFailure::NotFound);
            return gathered;
        }
        let url = self.connection.url(&[resource_type, id, "_history"], pairs);
        let walk = self.versions(url, read, &mut gathered.pages);
        gathered.failure = self.within_limits(async { walk.await.map_err(unsupported) }).await.err();
        gathered
    }

    async fn versions<T>(
        &self,
        mut url: Url,
        read: impl Fn(Bytes) -> Result<Page<T>, SourceFailure>,
        pages: &mut Vec<T>,
    ) -> Result<(), SourceFailure> {
        let mut resources = 0_usize;
        loop {
            let page = read(self.get(url).await?)?;
            resources = resources.saturating_add(page.resources);
            pages.push(page.content);
            let Some(next) = page.next else { return Ok(()) };
            // A walk in circles ends here as well.
            if resources >= self.limits.resources || pages.len() >= self.limits.pages {
                return Err(SourceFailure::OverBudget);
            }
            url = self.connection.page_url(&next).ok_or(SourceFailure::UnsafePageLink)?;
        }
    }
}

/// A source without this interaction is in no trouble.
const fn unsupported(failure: SourceFailure) -> SourceFailure {
    match failure {
        SourceFailure::Failed { status: 501 } => SourceFailure::Refused { status: 501 },
        failure => failure,
    }
}
