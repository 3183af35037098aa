use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::CliError;
use crate::app::{self, Listeners};

/// The client id of the demo's SMART app.
pub(super) const CLIENT_ID: &str = "demo-app";

/// Binds the demo app's own port: another origin than the gateway's, as every third-party app has.
pub(super) async fn listen(kept: Option<u16>) -> Result<(Listeners, u16), CliError> {
    let listeners = app::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, kept.unwrap_or(0)))]).await?;
    let port = listeners.addresses().first().map(SocketAddr::port).ok_or("the demo app has no port")?;
    Ok((listeners, port))
}

/// The demo's SMART app: static files, and the address of the gateway it is to connect to.
pub(super) fn router(fhir_base_url: &str) -> Result<Router, CliError> {
    let settings = serde_json::to_string(&serde_json::json!({ "fhir": fhir_base_url, "client_id": CLIENT_ID }))?;
    let file = |kind: &'static str, text: &'static str| get(async move || answer(kind, text.to_owned()));
    Ok(Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("../../../static/demo-app/index.html")))
        .route("/app.js", file("text/javascript", include_str!("../../../static/demo-app/app.js")))
        .route("/style.css", file("text/css", include_str!("../../../static/demo-app/style.css")))
        .route("/app.json", get(async move || answer("application/json", settings.clone()))))
}

fn answer(kind: &'static str, text: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], text)
}
