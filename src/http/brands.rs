//! `/brands`: which practices can be reached here (SMART App Launch 2.2, User-access Brands). Open to everybody.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{FromRef, RawQuery, State};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::cors::any_origin;
use super::form::{field, query_pairs};
use crate::authorization::AuthorizationServer;
use crate::base::hash::{base32, sha256};
use crate::http::route::get;
use crate::organization::brands::{Brands, Wanted};
use crate::storage::{Db, StorageError, organizations};

/// What is published is read again after this long: whoever asks often costs no more than whoever asks once.
const READ_AGAIN: Duration = Duration::from_secs(2);
/// No name is longer than this, in bytes.
const LONGEST_NAME: usize = 200;

/// The organizations as they were read last.
#[derive(Debug)]
pub struct Directory {
    site: String,
    read: Mutex<Option<(Instant, Arc<Brands>)>>,
}

impl Directory {
    /// A directory for a site of this name that has read nothing yet.
    #[must_use]
    pub fn new(site: String) -> Arc<Self> {
        Arc::new(Self { site, read: Mutex::new(None) })
    }

    pub(super) async fn brands(&self, db: &Db) -> Result<Arc<Brands>, StorageError> {
        let known = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read, brands)) = known
            && read.elapsed() < READ_AGAIN
        {
            return Ok(brands);
        }
        let organizations = organizations::all(db).await?;
        let brands = Arc::new(Brands { site: self.site.clone(), organizations });
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), brands.clone()));
        Ok(brands)
    }
}

/// The route.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Directory>: FromRef<S>,
    Db: FromRef<S>,
{
    Router::new().route("/brands", get(brands)).layer(from_fn(any_origin))
}

/// `GET /brands`, with `name` and `city` for those who look for one practice.
async fn brands(
    State(server): State<Arc<AuthorizationServer>>,
    State(directory): State<Arc<Directory>>,
    State(db): State<Db>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let pairs = query_pairs(query.as_deref());
    let text = |name| field(&pairs, name).unwrap_or_default().to_owned();
    let wanted = Wanted { name: text("name"), city: text("city") };
    if wanted.name.len() > LONGEST_NAME || wanted.city.len() > LONGEST_NAME {
        return StatusCode::BAD_REQUEST.into_response();
    }
    match directory.brands(&db).await {
        Ok(brands) => answer(brands.bundle(server.endpoints(), &wanted).to_string(), &headers),
        Err(error) => {
            tracing::error!(%error, "the organizations cannot be read");
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "2")]).into_response()
        }
    }
}

/// The Bundle with a weak entity tag, or that it has not changed.
fn answer(body: String, headers: &HeaderMap) -> Response {
    let tag = format!("W/\"{}\"", base32(&sha256(body.as_bytes())).get(..26).unwrap_or_default());
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known
        .flat_map(|value| value.split(','))
        .any(|known| matches!(known.trim(), known if known == tag || known == "*"));
    let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
    response
}
