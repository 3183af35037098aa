//! Sealed page links: what they hold cannot be read, changed, or used by anybody but whom they were made for.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::access::Permit;
use crate::base::clock::{Instant, SharedClock};
use crate::base::hash::sha256;
use crate::base::keys::{KeyUse, MasterKey, Sealer};
use crate::base::random::SharedRandom;
use crate::fhir::search::SortValue;

/// Where a page ended, and the search that it belongs to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Position {
    /// The search, as the client wrote it.
    #[serde(rename = "q")]
    pub(super) parameters: Vec<(String, String)>,
    /// The last entry's sort values.
    #[serde(rename = "k")]
    pub(super) keys: Vec<SortValue>,
    /// The last entry's gateway id, which breaks ties.
    #[serde(rename = "i")]
    pub(super) id: String,
    /// When the link ends, in seconds since the epoch.
    #[serde(rename = "e")]
    pub(super) expires: i64,
}

/// Seals positions and opens them again.
#[derive(Debug)]
pub(super) struct PageLinks {
    sealer: Sealer,
    clock: SharedClock,
    random: SharedRandom,
    pub(super) seconds: u64,
}

impl PageLinks {
    pub(super) fn new(master: &MasterKey, clock: SharedClock, random: SharedRandom, seconds: u64) -> Self {
        Self { sealer: master.sealer(KeyUse::PageLink), clock, random, seconds }
    }

    pub(super) fn expiry(&self) -> i64 {
        self.clock.now().plus(std::time::Duration::from_secs(self.seconds)).seconds()
    }

    pub(super) fn seal(&self, permit: &Permit, position: &Position) -> Option<String> {
        let plain = serde_json::to_vec(position).ok()?;
        Some(BASE64URL_NOPAD.encode(&self.sealer.seal(&*self.random, &holder(permit), &plain)))
    }

    /// The position in a link, if it was made for this permit and has not expired.
    pub(super) fn open(&self, permit: &Permit, link: &str) -> Option<Position> {
        let sealed = BASE64URL_NOPAD.decode(link.as_bytes()).ok()?;
        let plain = self.sealer.open(&holder(permit), &sealed).ok()?;
        let position: Position = serde_json::from_slice(&plain).ok()?;
        let now: Instant = self.clock.now();
        (now.seconds() < position.expires).then_some(position)
    }
}

/// Whom a link is for: the grant to the app, the person, the type, and the charts and scopes as they are now. When a
/// link to a chart or a scope changes, old page links end.
fn holder(permit: &Permit) -> Vec<u8> {
    let subject = permit.subject();
    let mut view = format!(
        "{}|{}|{}|{}|{}",
        subject.authorization,
        subject.account,
        permit.person(),
        permit.resource_type(),
        subject.scopes
    );
    for link in permit.links() {
        view.push('|');
        view.push_str(&link.id.to_string());
    }
    sha256(view.as_bytes()).to_vec()
}
