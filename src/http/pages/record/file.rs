//! `GET /record/file/{id}`: what a Binary holds, as a download that runs nowhere.

use axum::extract::Path;
use axum::response::Response;

use super::list::status_of;
use super::{Viewed, refused};
use crate::fhir::interaction::{Interaction, is_id};
use crate::gateway::Refusal;
use crate::http::fhir;
use crate::http::pages::say;
use crate::http::pages::{ErrorPage, not_found, render_with};

/// `GET /record/file/{id}?person=…`.
pub(in crate::http::pages) async fn get(Path(id): Path<String>, viewed: Viewed) -> Response {
    if !is_id(&id) {
        return not_found();
    }
    match viewed.gateway.handle(viewed.subject, Interaction::Content { id }).await {
        Ok(answer) => match answer.into_content() {
            Some(content) => fhir::download(content),
            None => not_found(),
        },
        Err(Refusal::Invalid { .. } | Refusal::NotFound | Refusal::Denied(_)) => not_found(),
        Err(refusal) => {
            let page = ErrorPage::new(say("record.file-cannot-be"), &refused(&refusal).join(" "));
            render_with(status_of(&refusal), &page, None)
        }
    }
}
