use bytes::Bytes;
use url::Url;

use super::errand::{Answered, Errand};
use super::failure::SourceFailure;
use super::search::{Gathered, Page};
use crate::fhir::reference::is_source_id;

impl Errand {
    /// `GET {base}/{type}/{id}/_history/{version}`, read by `read`, which says when a body is not what was asked for.
    ///
    /// # Errors
    /// [`SourceFailure`]; `NotFound` when the source says so.
    pub async fn vread<T>(
        &self,
        (resource_type, id): (&str, &str),
        version: &str,
        read: impl FnOnce(Bytes) -> Result<T, SourceFailure>,
    ) -> Result<T, SourceFailure> {
        if !is_source_id(id.as_bytes()) || !is_source_id(version.as_bytes()) {
            return Err(SourceFailure::NotFound);
        }
        let url = self.client.connection.url(&[resource_type, id, "_history", version], &[]);
        self.resource(url, read).await.map_err(unsupported)
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
        let url = self.client.connection.url(&[resource_type, id, "_history"], pairs);
        gathered.failure = self.versions(url, read, &mut gathered.pages).await.map_err(unsupported).err();
        gathered
    }

    async fn versions<T>(
        &self,
        mut url: Url,
        read: impl Fn(Bytes) -> Result<Page<T>, SourceFailure>,
        pages: &mut Vec<T>,
    ) -> Result<(), SourceFailure> {
        let (connection, limits) = (&self.client.connection, &self.client.limits);
        let mut resources = 0_usize;
        loop {
            let Answered { content: page, age } = self.page(url, &read).await?;
            if age.is_some() {
                // A history has no place to say how old it is.
                return Err(SourceFailure::Unreachable);
            }
            resources = resources.saturating_add(page.resources);
            pages.push(page.content);
            let Some(next) = page.next else { return Ok(()) };
            // A walk in circles ends here as well.
            if resources >= limits.resources || pages.len() >= limits.pages {
                return Err(SourceFailure::OverBudget);
            }
            url = connection.page_url(&next).ok_or(SourceFailure::UnsafePageLink)?;
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
