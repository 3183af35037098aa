//! The vread interaction (FHIR R4 http.html §3.1.0.2). A version is shown to whoever may see it and the current one: what
//! was moved to somebody else's chart, or came from there, is theirs.

use super::Gateway;
use super::answer::{Answer, Refusal};
use super::chart::Charts;
use super::fetch;
use super::read::{Located, Place, text};
use crate::access::Permit;
use crate::fhir::ResourceType;
use crate::mapping::{Features, Support};

impl Gateway {
    pub(super) async fn vread(&self, permit: &Permit, id: &str, version: &str) -> Result<Answer, Refusal> {
        let charts = Charts::of(permit, &self.sources);
        let place = self.versioned(permit, &charts, id, |features| features.vread).await?;
        let current = self.read_at(permit, &place).await?;
        if text(current.raw(), current.raw().facts.version_id).as_deref() == Some(version) {
            return self.write_one(&current, &place).await;
        }
        let fetched = fetch::vread(self.knowledge, place.chart, permit.resource_type(), &place.upstream, version).await;
        let raw = fetched.map_err(|failure| self.refusal_of(place.chart, failure))?;
        let earlier = self.release_at(permit, &place, raw).await?;
        self.write_one(&earlier, &place).await
    }

    /// Where a resource with versions is. The merged record has none, and a document none of its own: it is shown as
    /// its owner has it now. A source that does not keep versions is not asked.
    pub(super) async fn versioned<'r>(
        &self,
        permit: &Permit,
        charts: &'r Charts,
        id: &'r str,
        feature: fn(&Features) -> Support,
    ) -> Result<Place<'r>, Refusal> {
        if permit.resource_type() == ResourceType::Binary {
            return Err(Refusal::NotFound);
        }
        match self.locate(permit, charts, id).await? {
            Located::At(place) if feature(&place.chart.source.vendor.features) != Support::No => Ok(place),
            Located::At(_) | Located::Person => Err(Refusal::NotFound),
        }
    }
}
