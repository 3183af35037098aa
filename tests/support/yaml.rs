//! Reads the YAML that Ruby writes: block mappings and sequences, plain and quoted scalars, anchors. Anything else stops
//! the test that reads it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The document as JSON; every scalar is a string.
pub(crate) fn parse(text: &str) -> Value {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && *line != "---");
    let mut reader =
        Reader { lines: lines.map(|line| (indent_of(line), line.trim())).collect(), at: 0, anchors: BTreeMap::new() };
    let document = reader.block(0);
    assert_eq!(reader.at, reader.lines.len(), "not read: {:?}", reader.lines.get(reader.at));
    document
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

struct Reader<'t> {
    /// Indent and content. The `- ` of a sequence item is taken off as it is read.
    lines: Vec<(usize, &'t str)>,
    at: usize,
    anchors: BTreeMap<String, Value>,
}

impl<'t> Reader<'t> {
    fn here(&self, indent: usize) -> Option<&'t str> {
        self.lines.get(self.at).filter(|(found, _)| *found == indent).map(|(_, content)| *content)
    }

    fn block(&mut self, indent: usize) -> Value {
        match self.here(indent) {
            Some(line) if line == "-" || line.starts_with("- ") => self.sequence(indent),
            _ => self.mapping(indent),
        }
    }

    fn sequence(&mut self, indent: usize) -> Value {
        let mut items = Vec::new();
        while let Some(item) = self.here(indent).and_then(|line| line.strip_prefix("- ")) {
            if key_of(item).is_some() {
                // The first key of a mapping stands behind the dash: what follows is indented as if it began there.
                self.lines[self.at] = (indent + 2, item);
                items.push(self.mapping(indent + 2));
            } else {
                self.at += 1;
                items.push(self.scalar(item, indent));
            }
        }
        Value::Array(items)
    }

    fn mapping(&mut self, indent: usize) -> Value {
        let mut members = Map::new();
        while let Some((key, rest)) = self.here(indent).and_then(key_of) {
            self.at += 1;
            let value = match rest {
                "" => match self.lines.get(self.at) {
                    Some((deeper, _)) if *deeper > indent => self.block(*deeper),
                    // Ruby writes the items of a member at the member's own indent.
                    Some((same, line)) if *same == indent && line.starts_with('-') => self.sequence(indent),
                    _ => Value::Null,
                },
                rest => self.value(rest, indent),
            };
            assert!(members.insert(key.to_owned(), value).is_none(), "{key} twice");
        }
        Value::Object(members)
    }

    /// What stands behind a key: a scalar, or anything with an anchor before it, or an alias.
    fn value(&mut self, rest: &str, indent: usize) -> Value {
        if let Some(alias) = rest.strip_prefix('*') {
            return self.anchors.get(alias).unwrap_or_else(|| panic!("no anchor {alias}")).clone();
        }
        let Some(anchored) = rest.strip_prefix('&') else { return self.scalar(rest, indent) };
        let (anchor, rest) = anchored.split_once(' ').unwrap_or((anchored, ""));
        let value = match rest {
            "" if self.here(indent).is_some_and(|line| line.starts_with('-')) => self.sequence(indent),
            "" => self.block(indent + 2),
            rest => self.scalar(rest, indent),
        };
        self.anchors.insert(anchor.to_owned(), value.clone());
        value
    }

    /// A scalar that begins with `first`; deeper lines go on with it.
    fn scalar(&mut self, first: &str, indent: usize) -> Value {
        assert!(!first.starts_with(['|', '>', '&', '*', '!']), "not read: {first}");
        let mut text = first.to_owned();
        while let Some((_, line)) = self.lines.get(self.at).filter(|(deeper, _)| *deeper > indent) {
            text = format!("{text} {line}");
            self.at += 1;
        }
        match text.as_str() {
            "[]" => Value::Array(Vec::new()),
            "{}" => Value::Object(Map::new()),
            text => {
                let quoted = |mark: char| text.strip_prefix(mark).and_then(|text| text.strip_suffix(mark));
                let content = quoted('\'').map(|text| text.replace("''", "'"));
                Value::String(content.or(quoted('"').map(str::to_owned)).unwrap_or_else(|| text.to_owned()))
            }
        }
    }
}

/// The key of a mapping's line without Ruby's colon before it, and what stands behind it.
fn key_of(line: &str) -> Option<(&str, &str)> {
    if line.starts_with(['\'', '"']) {
        return None;
    }
    let (key, rest) = line.split_once(": ").or_else(|| Some((line.strip_suffix(':')?, "")))?;
    let key = key.strip_prefix(':').unwrap_or(key);
    (!key.contains(' ')).then_some((key, rest.trim()))
}

#[test]
fn what_ruby_writes_is_read() {
    let text = "---\n:a: v6\n:list:\n- :names:\n  - patient\n  - 'x: y'\n  :more: {}\n- :names: &1 []\n  :same: *1\n  :long: one\n    two\n:b:\n  :c-d:\n    :e: \"%\"\n- urn:x\n";
    let list =
        serde_json::json!([{"names": ["patient", "x: y"], "more": {}}, {"names": [], "same": [], "long": "one two"}]);
    let read = std::panic::catch_unwind(|| parse(text));
    assert!(read.is_err(), "an item where none may stand is not passed over");
    let read = parse(text.trim_end_matches("- urn:x\n"));
    assert_eq!(read, serde_json::json!({"a": "v6", "list": list, "b": {"c-d": {"e": "%"}}}));
}
