//! "Find your practice", for anybody: the directory is public.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::Problem;
use super::account::answer;
use crate::http::brands::Directory;
use crate::http::form::{field, query_pairs};
use crate::organization::brands::Wanted;
use crate::storage::Db;

/// No name is longer than this, in characters.
const LONGEST: usize = 200;

/// `GET /api/v1/organizations?name=…&city=…`: by name, former name or city.
pub(super) async fn find(
    State(directory): State<Arc<Directory>>,
    State(db): State<Db>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let pairs = query_pairs(query.as_deref());
    let text = |name| field(&pairs, name).unwrap_or_default().chars().take(LONGEST).collect::<String>();
    let brands = directory.brands(&db).await.map_err(|error| Problem::unavailable(&error))?;
    let found: Vec<Value> = brands
        .found(&Wanted { name: text("name"), city: text("city") })
        .into_iter()
        .map(|(organization, names)| {
            json!({
                "id": organization.id.to_string(),
                "name": organization.name,
                "formerly": names,
                "city": organization.brand.city,
                "phone": organization.brand.phone,
                "website": organization.brand.website,
            })
        })
        .collect();
    Ok(answer(json!({ "organizations": found })))
}
