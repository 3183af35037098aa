//! Sealed page links of what is no plain search: the history of an instance, and operations that page.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::answer::Refusal;
use super::chart::Charts;
use super::fetch;
use super::outcome::{Gap, Missing};
use super::page_link::holder;
use crate::access::Permit;
use crate::base::clock::SharedClock;
use crate::base::keys::{KeyUse, MasterKey, Sealer};
use crate::base::random::SharedRandom;

/// The parameter of a sealed page link.
pub(super) const PAGE: &str = "_page";

/// Where a page ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The request, as the client wrote it.
    #[serde(rename = "q")]
    pub(super) parameters: Vec<(String, String)>,
    /// Which part of the whole the next page begins in.
    #[serde(rename = "s")]
    pub(super) stage: usize,
    /// The last entry of that part that was shown.
    #[serde(rename = "a")]
    pub(super) after: Option<String>,
    /// Sources of which something is missing on an earlier page: every page from then on names them.
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) gaps: Vec<(String, Gap)>,
    /// When the link ends, in seconds since the epoch; set when it is sealed.
    #[serde(rename = "e")]
    pub(super) expires: i64,
}

impl Cursor {
    /// The sources that the pages before were missing.
    pub(super) fn missing(&self, charts: &Charts) -> Vec<Missing> {
        let named = |(source, gap): &(String, Gap)| {
            let chart = charts.at(source.parse().ok()?)?;
            Some(fetch::missing(chart, (*gap).into()))
        };
        self.gaps.iter().filter_map(named).collect()
    }
}

/// Seals cursors and opens them again.
#[derive(Debug)]
pub(super) struct Cursors {
    sealer: Sealer,
    clock: SharedClock,
    random: SharedRandom,
    seconds: u64,
}

impl Cursors {
    pub(super) fn new(master: &MasterKey, clock: SharedClock, random: SharedRandom, seconds: u64) -> Self {
        Self { sealer: master.sealer(KeyUse::PageLink), clock, random, seconds }
    }

    /// `what` names the interaction and its object: a cursor of one is none of another.
    pub(super) fn seal(&self, permit: &Permit, what: &str, mut cursor: Cursor) -> Option<String> {
        cursor.expires = self.clock.now().plus(std::time::Duration::from_secs(self.seconds)).seconds();
        let plain = serde_json::to_vec(&cursor).ok()?;
        Some(BASE64URL_NOPAD.encode(&self.sealer.seal(&*self.random, &context(permit, what), &plain)))
    }

    /// The cursor among these parameters, if there is one.
    ///
    /// # Errors
    /// A link that was changed, has ended, or was made for somebody or something else.
    pub(super) fn from(
        &self,
        permit: &Permit,
        what: &str,
        parameters: &[(String, String)],
    ) -> Result<Option<Cursor>, Refusal> {
        let Some((_, link)) = parameters.iter().find(|(name, _)| name == PAGE) else { return Ok(None) };
        let cursor = self.open(permit, what, link);
        cursor.map(Some).ok_or_else(|| Refusal::Invalid {
            code: "invalid",
            details: "This page link has ended or was made for somebody else: ask again".to_owned(),
        })
    }

    fn open(&self, permit: &Permit, what: &str, link: &str) -> Option<Cursor> {
        let sealed = BASE64URL_NOPAD.decode(link.as_bytes()).ok()?;
        let plain = self.sealer.open(&context(permit, what), &sealed).ok()?;
        let cursor: Cursor = serde_json::from_slice(&plain).ok()?;
        (self.clock.now().seconds() < cursor.expires).then_some(cursor)
    }
}

fn context(permit: &Permit, what: &str) -> Vec<u8> {
    let mut context = holder(permit);
    context.extend_from_slice(what.as_bytes());
    context
}
