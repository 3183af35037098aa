use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use url::Url;

use super::client::{Client, failure_of};
use super::connection::Connection;
use super::failure::SourceFailure;
use crate::base::id::LinkId;
use crate::fhir::reference::is_source_id;

/// A document at a source: a Binary, or a file under the source's own base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentAddress {
    /// `Binary/{id}`.
    Binary(String),
    /// Path and query relative to the base. No `Debug` of it: it may name a patient.
    File(FileAddress),
}

/// Path and query of a file, relative to the source's base.
#[derive(Clone, PartialEq, Eq)]
pub struct FileAddress(String);

impl std::fmt::Debug for FileAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileAddress")
    }
}

impl DocumentAddress {
    /// The address as it is stored.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Binary(id) => format!("Binary/{id}"),
            Self::File(FileAddress(path)) => path.clone(),
        }
    }
}

impl Connection {
    /// Where a document lies that the source names by this URL; `None` when it lies elsewhere, or is no document: a URL
    /// of FHIR's own (a resource, a search, an operation) is answered with data that nobody has filtered.
    #[must_use]
    pub fn document(&self, url: &str) -> Option<DocumentAddress> {
        let url = self.page_url(url)?;
        let folder = format!("{}/", self.page_url("")?.path().trim_end_matches('/'));
        let path = url.path().strip_prefix(&folder)?;
        if url.fragment().is_some() || path.is_empty() {
            return None;
        }
        if let Some(id) = path.strip_prefix("Binary/") {
            // The version that was current then is the document all the same.
            let id = id.split_once("/_history/").map_or(id, |(id, _)| id);
            return (is_source_id(id.as_bytes()) && url.query().is_none())
                .then(|| DocumentAddress::Binary(id.to_owned()));
        }
        let lower = path.to_ascii_lowercase();
        // What a server might decode into another path.
        let is_tricky = ["%2f", "%5c", "%2e", "%24", "%00", "//", "\\", ";"].iter().any(|part| lower.contains(part));
        let is_fhir = path.split('/').any(|segment| {
            segment.starts_with(['$', '_', '.'])
                || segment == "metadata"
                || crate::fhir::ResourceType::parse(segment).is_some()
        }) || path.starts_with(|first: char| first.is_ascii_uppercase());
        if is_tricky || is_fhir {
            return None;
        }
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        Some(DocumentAddress::File(FileAddress(format!("{path}{query}"))))
    }
}

/// A document that is being fetched.
#[derive(Debug)]
pub struct Document {
    /// `Content-Type` as sent.
    pub content_type: Option<String>,
    /// How long it will be, where the source says so and nothing is compressed.
    pub length: Option<u64>,
    /// The rest.
    pub body: DocumentBody,
}

/// The bytes of a document as they come, within limits: as many, in as much time, and never silent for long.
pub struct DocumentBody {
    response: Option<reqwest::Response>,
    ready: Option<Bytes>,
    left: usize,
    until: Instant,
    _place: Option<OwnedSemaphorePermit>,
}

/// Without the address, which may name a patient.
impl std::fmt::Debug for DocumentBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DocumentBody").field("left", &self.left).finish_non_exhaustive()
    }
}

/// How long a source may be silent within a document.
const IDLE: Duration = Duration::from_secs(5);

impl Client {
    /// `GET` of a document, in the form that `accept` asks for. Its head comes within the deadline of any request; its
    /// body has a time of its own. Where charts have credentials of their own, that of `link` is used.
    ///
    /// # Errors
    /// [`SourceFailure`].
    pub async fn document(
        &self,
        link: Option<LinkId>,
        address: &DocumentAddress,
        accept: &'static str,
    ) -> Result<Document, SourceFailure> {
        let url = self.document_url(address).ok_or(SourceFailure::NotFound)?;
        // Documents have places of their own: many slow ones leave the source's others free.
        let place = self.documents.clone().try_acquire_owned().map_err(|_| SourceFailure::Busy)?;
        let deadline = Instant::now() + self.deadline();
        let response = self.within_limits(&url, deadline, |_| self.document_head(link, url.clone(), accept)).await?;
        let length = response.content_length();
        let cap = self.limits.document_bytes;
        if length.is_some_and(|length| usize::try_from(length).unwrap_or(usize::MAX) > cap) {
            return Err(SourceFailure::OverBudget);
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok(Document {
            content_type: content_type.map(str::to_owned),
            length,
            body: DocumentBody {
                left: cap,
                until: Instant::now() + Duration::from_millis(self.limits.document_deadline_ms),
                response: Some(response),
                ready: None,
                _place: Some(place),
            },
        })
    }

    fn document_url(&self, address: &DocumentAddress) -> Option<Url> {
        match address {
            DocumentAddress::Binary(id) => {
                is_source_id(id.as_bytes()).then(|| self.connection.url(&["Binary", id], &[]))
            }
            // Looked at again: the source's address may have changed since it was stored.
            DocumentAddress::File(FileAddress(path)) => {
                let again = self.connection.document(path)?;
                (again == *address).then(|| self.connection.page_url(path)).flatten()
            }
        }
    }

    async fn document_head(
        &self,
        link: Option<LinkId>,
        url: Url,
        accept: &'static str,
    ) -> Result<reqwest::Response, SourceFailure> {
        let (http, request, authorization) = self.request(link, url, HeaderValue::from_static(accept)).await?;
        let response = http.execute(request).await.map_err(|error| failure_of(&error))?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(SourceFailure::NotFound),
            StatusCode::UNAUTHORIZED => {
                if let Some(authorization) = &authorization {
                    self.bearer.refused(link, authorization).await;
                }
                Err(SourceFailure::CredentialRefused)
            }
            StatusCode::FORBIDDEN => Err(SourceFailure::Forbidden),
            StatusCode::TOO_MANY_REQUESTS => Err(SourceFailure::Throttled { retry_after: None }),
            // A redirect leads elsewhere, and the token with it: not followed.
            status if status.is_client_error() || status.is_redirection() => {
                Err(SourceFailure::Refused { status: status.as_u16() })
            }
            status => Err(SourceFailure::Failed { status: status.as_u16() }),
        }
    }
}

impl DocumentBody {
    /// Bytes that are here already.
    #[must_use]
    pub fn of(bytes: Bytes) -> Self {
        Self { response: None, left: bytes.len(), ready: Some(bytes), until: Instant::now(), _place: None }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`SourceFailure`]: too long, too slow, or broken off. What came before is then not the whole.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, SourceFailure> {
        if let Some(ready) = self.ready.take() {
            return Ok(Some(ready));
        }
        let Some(response) = &mut self.response else { return Ok(None) };
        let until = self.until.min(Instant::now() + IDLE);
        let piece = tokio::time::timeout_at(until, response.chunk()).await.map_err(|_| SourceFailure::Timeout)?;
        let Some(piece) = piece.map_err(|error| failure_of(&error))? else { return Ok(None) };
        self.left = self.left.checked_sub(piece.len()).ok_or(SourceFailure::OverBudget)?;
        Ok(Some(piece))
    }

    /// All of it, if it is not longer than `cap`.
    ///
    /// # Errors
    /// [`SourceFailure`].
    pub async fn whole(mut self, cap: usize) -> Result<Bytes, SourceFailure> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.chunk().await? {
            if whole.len().saturating_add(piece.len()) > cap {
                return Err(SourceFailure::OverBudget);
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::Credential;
    use super::*;

    #[test]
    fn f26_documents_lie_at_the_source_and_are_no_resources() {
        let connection = Connection::new("https://ehr.example/api/fhir", &[], Credential::None).unwrap();
        let binary = |id: &str| Some(DocumentAddress::Binary(id.to_owned()));
        let file = |path: &str| Some(DocumentAddress::File(FileAddress(path.to_owned())));
        for (url, found) in [
            ("Binary/b-1", binary("b-1")),
            ("https://ehr.example/api/fhir/Binary/b-1", binary("b-1")),
            ("/api/fhir/Binary/b-1", binary("b-1")),
            ("Binary/b-1/_history/1", binary("b-1")),
            ("files/1.pdf", file("files/1.pdf")),
            ("https://ehr.example/api/fhir/files/1.pdf?sig=a%20b", file("files/1.pdf?sig=a%20b")),
        ] {
            assert_eq!(connection.document(url), found, "{url}");
        }
        for url in [
            "",
            "/",
            "https://ehr.example/api/fhir",
            "https://ehr.example/api/fhir/",
            "https://ehr.example/files/1.pdf",
            "https://ehr.example.evil/api/fhir/files/1.pdf",
            "https://ehr.example:8443/api/fhir/files/1.pdf",
            "https://user@ehr.example/api/fhir/files/1.pdf",
            "http://ehr.example/api/fhir/files/1.pdf",
            "//evil.test/api/fhir/files/1.pdf",
            "https://ehr.example/api/fhir2/files/1.pdf",
            "https://ehr.example/api/fhir/../admin/1.pdf",
            "https://ehr.example/api/fhir/files/..%2f..%2fPatient",
            "https://ehr.example/api/fhir/files/%2e%2e/Patient",
            "Patient/b",
            "Patient?name=x",
            "Observation",
            "files/Patient/b",
            "Anything/1",
            "metadata",
            "_history",
            "files/_history",
            "DocumentReference/$docref",
            "$export",
            "files/%24export",
            "Binary/b-1?_format=json",
            "Binary",
            "Binary/..",
            "files/1.pdf#page=2",
            "javascript:alert(1)",
            "data:text/html,x",
        ] {
            assert_eq!(connection.document(url), None, "{url}");
        }
    }
}
