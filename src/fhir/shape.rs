//! Which element paths of a resource the scanner captures: a trie of member names.

use std::collections::HashMap;

/// Names a captured path within one [`Shape`].
pub type CaptureId = u16;

/// A trie of element paths. Arrays are transparent: `participant.actor` reaches every participant's actor.
#[derive(Debug, Default)]
pub struct Shape {
    root: Node,
    paths: Vec<String>,
}

/// One step of a path.
#[derive(Debug, Default)]
struct Node {
    children: HashMap<String, Node>,
    capture: Option<CaptureId>,
    attachment: bool,
}

/// Builds a [`Shape`].
#[derive(Debug, Default)]
pub struct ShapeBuilder {
    shape: Shape,
}

impl Shape {
    /// An empty builder.
    #[must_use]
    pub fn builder() -> ShapeBuilder {
        ShapeBuilder::default()
    }

    /// The path that a capture stands for.
    #[must_use]
    pub fn path(&self, capture: CaptureId) -> Option<&str> {
        self.paths.get(usize::from(capture)).map(String::as_str)
    }

    /// The capture of exactly this path.
    #[must_use]
    pub fn capture_of(&self, path: &str) -> Option<CaptureId> {
        let mut node = &self.root;
        for step in path.split('.') {
            node = node.children.get(step)?;
        }
        node.capture
    }
}

impl ShapeBuilder {
    /// Captures the values at `path`; the same path always has the same id.
    pub fn capture(&mut self, path: &str) -> CaptureId {
        let next = CaptureId::try_from(self.shape.paths.len()).unwrap_or(CaptureId::MAX);
        let node = self.node(path);
        if let Some(capture) = node.capture {
            return capture;
        }
        node.capture = Some(next);
        self.shape.paths.push(path.to_owned());
        next
    }

    /// Records the strings at `path` as attachment URLs.
    pub fn attachment(&mut self, path: &str) {
        self.node(path).attachment = true;
    }

    /// The finished shape.
    #[must_use]
    pub fn build(self) -> Shape {
        self.shape
    }

    fn node(&mut self, path: &str) -> &mut Node {
        path.split('.').fold(&mut self.shape.root, |node, step| node.children.entry(step.to_owned()).or_default())
    }
}
