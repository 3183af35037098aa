//! A page of search results: the Bundle is walked once, each entry's resource with the shape of its own type.

use bytes::Bytes;

use super::draft::Draft;
use super::lexer::Depth;
use super::outcome::{self, OutcomeIssue};
use super::strings::unescape;
use super::walk::{Kind, Place, TypeName, Walker};
use super::{RawResource, ScanError, ScannedBundle, ScannedEntry, SearchMode};
use crate::fhir::search::fragment::Fragment;
use crate::fhir::shape::{Node, Shapes};

static EMPTY: Node = Node::EMPTY;

pub(super) fn scan(bytes: &Bytes, shapes: &dyn Shapes) -> Result<ScannedBundle, ScanError> {
    let mut walker = Walker::new(bytes, shapes);
    walker.lexer.whitespace();
    if walker.lexer.peek() != Some(b'{') {
        walker.lexer.skip_value(Depth::default())?;
        walker.lexer.end()?;
        return Err(ScanError::NotABundle);
    }
    let mut scan = BundleScan { walker, page: bytes, is_bundle: false, bundle: ScannedBundle::default() };
    scan.bundle()?;
    scan.walker.lexer.end()?;
    if !scan.is_bundle {
        return Err(ScanError::NotABundle);
    }
    match scan.walker.refusal {
        Some(refusal) => Err(refusal),
        None => Ok(scan.bundle),
    }
}

struct BundleScan<'a, 's> {
    walker: Walker<'a, 's>,
    page: &'a Bytes,
    is_bundle: bool,
    bundle: ScannedBundle,
}

/// An entry's members, as far as they have been met.
#[derive(Default)]
struct EntryParts<'a> {
    mode: Option<SearchMode>,
    resource: Option<(TypeName<'a>, Draft, Bytes)>,
}

impl<'a> BundleScan<'a, '_> {
    fn bundle(&mut self) -> Result<(), ScanError> {
        let mut frame = self.walker.open()?;
        while let Some(key) = self.walker.next_member(&mut frame)? {
            match key.text.content {
                b"resourceType" => self.is_bundle = self.text()?.is_some_and(|name| name == b"Bundle"),
                b"type" => {
                    let text = self.text()?.and_then(unescape);
                    self.bundle.bundle_type = text.map(Into::into).unwrap_or_default();
                }
                b"total" => self.bundle.total = self.any()?.number().and_then(|digits| digits.parse().ok()),
                b"link" => {
                    let at = self.walker.lexer.at();
                    let links = self.any()?;
                    self.next_link(links, at);
                }
                b"entry" => self.entries()?,
                _ => drop(self.any()?),
            }
        }
        Ok(())
    }

    /// Walks any value that is not an entry's resource and hands it back to be looked into.
    fn any(&mut self) -> Result<Fragment<'a>, ScanError> {
        let start = self.walker.lexer.at();
        self.walker.any(&EMPTY, start)?;
        Ok(Fragment::new(self.walker.lexer.slice(start, self.walker.lexer.at())))
    }

    /// Walks any value; its content, between the quotes, if it is a string.
    fn text(&mut self) -> Result<Option<&'a [u8]>, ScanError> {
        let start = self.walker.lexer.at();
        let Kind::Text { .. } = self.walker.any(&EMPTY, start)? else { return Ok(None) };
        let content = self.walker.lexer.slice(start.wrapping_add(1), self.walker.lexer.at().wrapping_sub(1));
        Ok(Some(content))
    }

    /// `link[relation=next].url`. Two of them are a page that can be followed two ways, so it is refused.
    fn next_link(&mut self, links: Fragment<'a>, at: u32) {
        for link in links.each() {
            let relation = link.text_of("relation");
            if relation.is_some_and(|relation| relation == "next") {
                let url = link.text_of("url");
                if url.is_none() || self.bundle.next.is_some() {
                    self.walker.refuse(ScanError::Link { at });
                }
                self.bundle.next = url.map(Into::into);
            }
        }
    }

    fn entries(&mut self) -> Result<(), ScanError> {
        if self.walker.lexer.peek() != Some(b'[') {
            self.walker.refuse(ScanError::Entry { at: self.walker.lexer.at() });
            return self.any().map(drop);
        }
        self.walker.lexer.expect_byte(b'[')?;
        self.walker.enter()?;
        self.walker.lexer.whitespace();
        if !self.walker.lexer.take(b']') {
            loop {
                self.entry()?;
                if !self.walker.lexer.comma_or(b']')? {
                    break;
                }
            }
        }
        self.walker.leave();
        Ok(())
    }

    /// One entry. What it does wrong costs this entry alone: the refusals of the Bundle around it are set aside.
    fn entry(&mut self) -> Result<(), ScanError> {
        let around = self.walker.refusal.take();
        let parts = self.entry_parts()?;
        let refusal = std::mem::replace(&mut self.walker.refusal, around);
        if refusal.is_some() || !self.accept(parts) {
            self.bundle.refused = self.bundle.refused.saturating_add(1);
        }
        Ok(())
    }

    fn entry_parts(&mut self) -> Result<EntryParts<'a>, ScanError> {
        let mut parts = EntryParts::default();
        let start = self.walker.lexer.at();
        if self.walker.lexer.peek() != Some(b'{') {
            self.walker.refuse(ScanError::Entry { at: start });
            self.any()?;
            return Ok(parts);
        }
        let mut frame = self.walker.open()?;
        while let Some(key) = self.walker.next_member(&mut frame)? {
            let at = self.walker.lexer.at();
            match key.text.content {
                b"fullUrl" => {
                    if self.text()?.is_none() {
                        self.walker.refuse(ScanError::Entry { at });
                    }
                }
                b"search" => {
                    let mode = self.any()?.get("mode");
                    parts.mode = mode.and_then(Fragment::text).as_deref().and_then(SearchMode::parse);
                    if mode.is_some() && parts.mode.is_none() {
                        self.walker.refuse(ScanError::Entry { at });
                    }
                }
                b"resource" if self.walker.lexer.peek() == Some(b'{') => {
                    parts.resource = Some(self.resource()?);
                }
                b"resource" => {
                    self.walker.refuse(ScanError::Entry { at });
                    self.any()?;
                }
                b"resourceType" => {
                    self.walker.refuse(ScanError::NestedResource { at });
                    self.any()?;
                }
                _ => drop(self.any()?),
            }
        }
        Ok(parts)
    }

    fn resource(&mut self) -> Result<(TypeName<'a>, Draft, Bytes), ScanError> {
        let start = self.walker.lexer.at();
        self.walker.base = start;
        self.walker.begin_resource();
        let type_name = self.walker.resource(Place::Own)?;
        let draft = self.walker.end_resource();
        self.walker.base = 0;
        let bytes = self.page.slice(start as usize..self.walker.lexer.at() as usize);
        Ok((type_name, draft, bytes))
    }

    /// False for an entry that is of no use: without a resource, or with one that is not served here.
    fn accept(&mut self, parts: EntryParts<'a>) -> bool {
        let Some((type_name, draft, bytes)) = parts.resource else { return false };
        match type_name {
            TypeName::Known(resource_type) if parts.mode != Some(SearchMode::Outcome) => {
                let resource = RawResource { bytes, facts: draft.into_facts(resource_type) };
                let mode = parts.mode.unwrap_or(SearchMode::Match);
                self.bundle.entries.push(ScannedEntry { mode, resource });
                true
            }
            TypeName::Unknown(b"OperationOutcome") => {
                self.bundle.outcomes.extend::<Vec<OutcomeIssue>>(outcome::issues(Fragment::new(&bytes)));
                true
            }
            _ => false,
        }
    }
}
