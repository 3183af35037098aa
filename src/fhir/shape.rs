//! Which element paths of a resource type the scan reports: a trie of element names, compiled once at start.
//!
//! Paths are dotted element names below the resource (`subject`, `participant.actor`, `valueQuantity`). Arrays are
//! transparent, choice elements are written as the data writes them, and the resource type's name is not part of it.

use super::ResourceType;

/// Names a captured path within one [`Shape`].
pub type CaptureId = u16;

/// Where the scan finds the [`Shape`] of each resource type; the knowledge tables implement it.
pub trait Shapes {
    /// The paths to capture in a resource of this type.
    fn shape(&self, resource_type: ResourceType) -> &Shape;
}

/// The captured paths of one resource type.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    root: Node,
    paths: Vec<Box<str>>,
}

impl Shape {
    /// Starts an empty shape. `meta.versionId` and `meta.lastUpdated` are found in every shape without being captured.
    #[must_use]
    pub fn builder() -> ShapeBuilder {
        let mut shape = Self::default();
        shape.root.descend("meta.versionId").mark = Mark::VersionId;
        shape.root.descend("meta.lastUpdated").mark = Mark::LastUpdated;
        ShapeBuilder { shape }
    }

    /// The id under which `path` is captured, if it is.
    #[must_use]
    pub fn capture_of(&self, path: &str) -> Option<CaptureId> {
        self.paths.iter().position(|known| **known == *path).and_then(|index| CaptureId::try_from(index).ok())
    }

    /// The path that `id` stands for.
    #[must_use]
    pub fn path(&self, id: CaptureId) -> Option<&str> {
        self.paths.get(usize::from(id)).map(AsRef::as_ref)
    }

    pub(super) fn root(&self) -> &Node {
        &self.root
    }
}

/// Collects the paths of a [`Shape`].
#[derive(Debug)]
pub struct ShapeBuilder {
    shape: Shape,
}

impl ShapeBuilder {
    /// Captures every value at `path`, one per array item; the same path twice gives the same id.
    ///
    /// A shape holds at most 65,536 paths; past that the last id is given again, which no table comes near to.
    pub fn capture(&mut self, path: &str) -> CaptureId {
        if let Some(id) = self.shape.capture_of(path) {
            return id;
        }
        let id = CaptureId::try_from(self.shape.paths.len()).unwrap_or(CaptureId::MAX);
        self.shape.paths.push(path.into());
        self.shape.root.descend(path).capture = Some(id);
        id
    }

    /// Reports the strings at `path` as attachment URLs (`content.attachment.url`).
    pub fn attachment(&mut self, path: &str) {
        self.shape.root.descend(path).mark = Mark::Attachment;
    }

    /// The finished shape.
    #[must_use]
    pub fn build(mut self) -> Shape {
        self.shape.root.mark_value_attachments();
        self.shape
    }
}

/// What the scan does with a string at a node, apart from capturing it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mark {
    #[default]
    None,
    Attachment,
    VersionId,
    LastUpdated,
}

/// One element name of the trie and everything below it.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// One bit per child's hash: most absent names are turned away by it.
    mask: u64,
    children: Vec<Child>,
    pub(super) capture: Option<CaptureId>,
    pub(super) mark: Mark,
}

#[derive(Debug, Clone)]
struct Child {
    hash: u64,
    name: Box<str>,
    node: Node,
}

impl Node {
    /// A node without children, captures or marks.
    pub(super) const EMPTY: Self = Self { mask: 0, children: Vec::new(), capture: None, mark: Mark::None };

    /// A node whose member `url` is an attachment's: an `Attachment` that stands where no table foresees one.
    pub(super) fn any_attachment() -> Self {
        let mut node = Self::EMPTY;
        node.descend("url").mark = Mark::Attachment;
        node
    }

    /// The child of this name, whose [`name_hash`] the caller has at hand.
    #[inline]
    pub(super) fn child(&self, hash: u64, name: &[u8]) -> Option<&Self> {
        if self.mask & mask_bit(hash) == 0 {
            return None;
        }
        self.children.iter().find(|child| child.hash == hash && child.name.as_bytes() == name).map(|child| &child.node)
    }

    fn descend(&mut self, path: &str) -> &mut Self {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let hash = name_hash(name.as_bytes());
        self.mask |= mask_bit(hash);
        let child = match self.children.iter().position(|child| *child.name == *name) {
            Some(index) => self.children.swap_remove(index),
            None => Child { hash, name: name.into(), node: Self::EMPTY },
        };
        let node = &mut self.children.push_mut(child).node;
        match rest {
            Some(rest) => node.descend(rest),
            None => node,
        }
    }

    fn mark_value_attachments(&mut self) {
        for child in &mut self.children {
            if &*child.name == "valueAttachment" {
                child.node.descend("url").mark = Mark::Attachment;
            }
            child.node.mark_value_attachments();
        }
    }
}

/// The bit of a 64-bit filter that a hash stands for.
#[inline]
pub(super) const fn mask_bit(hash: u64) -> u64 {
    1 << (hash >> 58)
}

/// A cheap hash of a member name. Not keyed: whoever compares hashes compares the names as well.
#[inline]
pub(super) const fn name_hash(name: &[u8]) -> u64 {
    let (head, tail) = if let (Some(head), Some(tail)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
    } else if let (Some(head), Some(tail)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        (u32::from_le_bytes(*head) as u64, u32::from_le_bytes(*tail) as u64)
    } else {
        let (mut sum, mut rest) = (0, name);
        while let Some((byte, others)) = rest.split_first() {
            sum = (sum << 8) | *byte as u64;
            rest = others;
        }
        (sum, 0)
    };
    (head ^ tail.rotate_left(29) ^ name.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_id_and_an_id_one_path() {
        let mut builder = Shape::builder();
        let (subject, deep) = (builder.capture("subject"), builder.capture("subject.identifier.value"));
        builder.attachment("content.attachment.url");
        assert_eq!(builder.capture("subject"), subject);
        let shape = builder.build();
        assert_ne!(subject, deep);
        assert_eq!((shape.path(subject), shape.path(deep)), (Some("subject"), Some("subject.identifier.value")));
        assert_eq!((shape.capture_of("subject"), shape.capture_of("subject.identifier")), (Some(subject), None));
    }
}
