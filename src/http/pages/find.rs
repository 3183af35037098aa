//! "Find your practice": by name, former name or city.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::render;
use crate::http::brands::Directory;
use crate::http::error::page_unavailable;
use crate::http::form::{field, query_pairs};
use crate::organization::brands::Wanted;
use crate::storage::Db;

/// No name is longer than this, in characters.
const LONGEST: usize = 200;

struct Practice {
    id: String,
    name: String,
    place: String,
    formerly: String,
    phone: String,
    website: String,
}

/// What the page shows.
#[derive(Template)]
#[template(path = "find.html")]
pub(super) struct FindTemplate {
    style: String,
    name: String,
    city: String,
    practices: Vec<Practice>,
}

#[cfg(test)]
pub(super) fn sample(hostile: &str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    let practice =
        Practice { id: text(), name: text(), place: text(), formerly: text(), phone: text(), website: text() };
    FindTemplate { style: text(), name: text(), city: text(), practices: vec![practice] }.render()
}

/// `GET /find?name=…&city=…`.
pub(super) async fn get(
    State(directory): State<Arc<Directory>>,
    State(db): State<Db>,
    RawQuery(query): RawQuery,
) -> Response {
    let pairs = query_pairs(query.as_deref());
    let text = |name| field(&pairs, name).unwrap_or_default().chars().take(LONGEST).collect::<String>();
    let wanted = Wanted { name: text("name"), city: text("city") };
    let brands = match directory.brands(&db).await {
        Ok(brands) => brands,
        Err(error) => return page_unavailable(&error),
    };
    let practices = brands.found(&wanted).into_iter().map(|(organization, names)| Practice {
        id: organization.id.to_string(),
        name: organization.name.clone(),
        place: organization.brand.city.clone().unwrap_or_default(),
        formerly: names.join(", "),
        phone: organization.brand.phone.clone().unwrap_or_default(),
        website: organization.brand.website.clone().unwrap_or_default(),
    });
    let practices = practices.collect();
    render(&FindTemplate { style: super::style::path(), name: wanted.name, city: wanted.city, practices })
}
