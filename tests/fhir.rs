//! The FHIR surface end to end: sandbox EHRs, the gateway, tokens from the real pages. What must come out is worked out
//! here, from the fixtures and `tests/naive`.

mod access;
mod access_rules;
mod apps;
mod audit;
mod batch;
mod brands;
mod chart_access;
mod compartment;
mod content;
mod docref;
mod everything;
mod faults;
mod includes;
pub(crate) mod launch;
mod lazy;
mod merged;
mod metrics;
mod missing;
mod operations;
mod oracle;
mod paging;
mod probe;
mod record;
pub(crate) mod record_pages;
mod resilience;
pub(crate) mod routes;
mod search;
mod shared_data;
mod subjects;
mod system;
mod upstream;
mod us_core_searches;
mod vendors;
mod versions;
mod writes;

use tokio::sync::OnceCell;

use chartgate::config::Limits;
use chartgate::identity::GrantBasis;

use crate::support::world::World;

/// The world of the fixtures, for tests that change nothing in it.
pub(crate) async fn fixtures() -> &'static World {
    static FIXTURES: OnceCell<World> = OnceCell::const_new();
    FIXTURES
        .get_or_init(|| async {
            let world = World::of_fixtures(Limits::default()).await;
            world.grant("dana", "leo", GrantBasis::Parent).await;
            world.grant("irene", "walter", GrantBasis::GuardianAdult).await;
            world.grant("amara", "noah", GrantBasis::Parent).await;
            world
        })
        .await
}
