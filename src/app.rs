//! Wiring: builds the parts from the configuration, joins them, and listens.

mod certificates;
mod listen;
mod start;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::handler::Handler as _;

use crate::accounts::{Accounts, ChartAccess, Claims, Redemptions};
use crate::authorization::AuthorizationServer;
use crate::gateway::Gateway;
use crate::http;
use crate::http::brands::Directory;
use crate::http::fhir::Metadata;
use crate::http::pages::Pages;
use crate::practice::Desk;
use crate::storage::Db;

pub use certificates::{CertificateError, Certificates};
pub use listen::{Listeners, Patience, bind, serve};
pub use start::{App, Parts, StartError, master_key, start, stop_signal};

/// What handlers take their parts from.
#[derive(Clone, Debug)]
pub struct AppState(Arc<AppParts>);

/// The parts. One count for all of them: the state is cloned for each layer that a request passes.
#[derive(Debug)]
struct AppParts {
    gateway: Arc<Gateway>,
    authorization: Arc<AuthorizationServer>,
    accounts: Arc<Accounts>,
    chart_access: Arc<ChartAccess>,
    claims: Arc<Claims>,
    desk: Arc<Desk>,
    redemptions: Arc<Redemptions>,
    pages: Arc<Pages>,
    directory: Arc<Directory>,
    metadata: Arc<Metadata>,
    db: Db,
}

macro_rules! part {
    ($field:ident: $part:ty) => {
        impl FromRef<AppState> for $part {
            fn from_ref(state: &AppState) -> Self {
                state.0.$field.clone()
            }
        }
    };
}

part!(gateway: Arc<Gateway>);
part!(authorization: Arc<AuthorizationServer>);
part!(accounts: Arc<Accounts>);
part!(chart_access: Arc<ChartAccess>);
part!(claims: Arc<Claims>);
part!(desk: Arc<Desk>);
part!(redemptions: Arc<Redemptions>);
part!(pages: Arc<Pages>);
part!(directory: Arc<Directory>);
part!(metadata: Arc<Metadata>);
part!(db: Db);

/// The pages of people and of staff, with what stands around each.
fn pages(state: &AppState) -> Router<AppState> {
    Router::new()
        .merge(http::pages::router())
        .merge(http::pages::connect_router())
        .merge(http::pages::launch_router())
        .merge(http::pages::record_router())
        .merge(http::pages::account::router())
        .merge(http::pages::people_router())
        .merge(http::pages::link_router())
        .merge(http::clinic::router())
        .layer(axum::middleware::from_fn_with_state(state.clone(), http::pages::surround))
}

/// The pages with nothing around them.
fn bare_pages(state: &AppState) -> Router<AppState> {
    Router::new()
        .merge(http::oauth::consent_router())
        .merge(http::oauth::encounter_router())
        .merge(http::pages::recover::router())
        .layer(axum::middleware::from_fn_with_state(state.clone(), http::pages::speak))
}

/// Every public route.
fn router(state: AppState) -> Router {
    let speaking = axum::middleware::from_fn_with_state(state.clone(), http::pages::speak);
    Router::new()
        .merge(http::smart::router::<AppState>())
        .merge(http::brands::router())
        .merge(http::oauth::router())
        .merge(pages(&state))
        .merge(bare_pages(&state))
        .merge(http::api::router())
        .merge(http::fhir::router())
        .fallback(http::fallback::not_found.layer(speaking))
        .with_state(state)
}
