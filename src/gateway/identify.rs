//! Patients of a source as identification needs them: by staff at the desk, for a claim, for a link. What is read here
//! leaves the gateway to staff of that organization alone.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::source::{ConnectedSource, Sources};
use crate::access::Identification;
use crate::identity::matching::ChartPatient;
use crate::organization::SourceKey;
use crate::upstream::{Page, SourceFailure};

/// More candidates than this are nobody: whoever asks must say more.
const MOST_CANDIDATES: usize = 50;

impl Sources {
    /// The Patient with this id at a source.
    ///
    /// # Errors
    /// [`SourceFailure`]; `NotFound` when there is none, or the source may not be asked.
    pub async fn chart_patient(
        &self,
        leave: &Identification,
        source: SourceKey,
        patient: &str,
    ) -> Result<ChartPatient, SourceFailure> {
        let connected = self.asked(leave, source)?;
        let errand = connected.client.errand(Arc::new([patient.to_owned()]));
        let read = |body: Bytes| {
            let read = parsed(&body).as_ref().and_then(ChartPatient::read).ok_or(SourceFailure::Malformed)?;
            if read.id == patient { Ok(read) } else { Err(SourceFailure::Malformed) }
        };
        errand.read("Patient", patient, read).await
    }

    /// The Patients that a source finds, each once. It is not trusted to have honoured what it was asked.
    ///
    /// # Errors
    /// [`SourceFailure`], also when it did not answer whole.
    pub async fn chart_patients(
        &self,
        leave: &Identification,
        source: SourceKey,
        pairs: &[(String, String)],
    ) -> Result<Vec<ChartPatient>, SourceFailure> {
        let connected = self.asked(leave, source)?;
        let errand = connected.client.errand(Arc::default());
        let mut found: Vec<ChartPatient> = Vec::new();
        let read = |body: Bytes| {
            let bundle = parsed(&body).ok_or(SourceFailure::Malformed)?;
            let patients = patients(&bundle);
            let next = next(&bundle);
            Ok(Page { resources: patients.len(), next, content: patients, wants_next: true })
        };
        let gathered = errand.search("Patient", pairs, read).await;
        if let Some(failure) = gathered.failure {
            return Err(failure);
        }
        for patient in gathered.pages.into_iter().flatten() {
            if !found.iter().any(|known| known.id == patient.id) {
                found.push(patient);
            }
        }
        if found.len() > MOST_CANDIDATES { Err(SourceFailure::OverBudget) } else { Ok(found) }
    }

    /// Whether a source can be asked about patients at all.
    #[must_use]
    pub fn may_identify(&self, source: SourceKey) -> bool {
        self.all().get(&source).is_some_and(|connected| connected.smart.is_none())
    }

    fn asked(&self, leave: &Identification, source: SourceKey) -> Result<Arc<ConnectedSource>, SourceFailure> {
        let connected = leave.covers(source).then(|| self.all().get(&source).cloned()).flatten();
        // Where each patient signs in alone, there is no credential to look for others with.
        connected.filter(|connected| connected.smart.is_none()).ok_or(SourceFailure::NotFound)
    }
}

fn parsed(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok()
}

fn patients(bundle: &Value) -> Vec<ChartPatient> {
    let entries = bundle.get("entry").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries.iter().filter_map(|entry| ChartPatient::read(entry.get("resource")?)).collect()
}

fn next(bundle: &Value) -> Option<String> {
    let links = bundle.get("link")?.as_array()?;
    let link = links.iter().find(|link| link.get("relation").and_then(Value::as_str) == Some("next"))?;
    link.get("url")?.as_str().map(str::to_owned)
}
