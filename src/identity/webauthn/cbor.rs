//! As much of CBOR (RFC 8949) as authenticators send: definite lengths, no tags, no floats.

/// Deeper than this is nothing of ours.
const DEEPEST: usize = 6;
/// More entries than this in one map or list neither.
const MOST: u64 = 64;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'b> {
    Int(i64),
    Bytes(&'b [u8]),
    Text(&'b str),
    Array(Vec<Value<'b>>),
    Map(Vec<(Value<'b>, Value<'b>)>),
    Simple(u64),
}

impl<'b> Value<'b> {
    /// The value of a key of a map.
    pub(super) fn get(&self, key: &Value<'_>) -> Option<&Value<'b>> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    pub(super) fn int(&self, key: i64) -> Option<i64> {
        match self.get(&Value::Int(key)) {
            Some(Value::Int(value)) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn bytes(&self, key: &Value<'_>) -> Option<&'b [u8]> {
        match self.get(key) {
            Some(Value::Bytes(value)) => Some(value),
            _ => None,
        }
    }
}

/// Reads one value, and says what follows it.
pub(super) fn read(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    value(bytes, 0)
}

fn value(bytes: &[u8], depth: usize) -> Option<(Value<'_>, &[u8])> {
    let (first, rest) = bytes.split_first().filter(|_| depth < DEEPEST)?;
    let (number, rest) = argument(first & 0x1f, rest)?;
    match first >> 5 {
        0 => Some((Value::Int(i64::try_from(number).ok()?), rest)),
        1 => Some((Value::Int(-1 - i64::try_from(number).ok()?), rest)),
        2 => {
            let (text, rest) = rest.split_at_checked(usize::try_from(number).ok()?)?;
            Some((Value::Bytes(text), rest))
        }
        3 => {
            let (text, rest) = rest.split_at_checked(usize::try_from(number).ok()?)?;
            Some((Value::Text(std::str::from_utf8(text).ok()?), rest))
        }
        4 if number <= MOST => {
            let (mut items, mut rest) = (Vec::new(), rest);
            for _ in 0..number {
                let (item, after) = value(rest, depth + 1)?;
                items.push(item);
                rest = after;
            }
            Some((Value::Array(items), rest))
        }
        5 if number <= MOST => {
            let (mut entries, mut rest) = (Vec::<(Value<'_>, Value<'_>)>::new(), rest);
            for _ in 0..number {
                let (key, after) = value(rest, depth + 1)?;
                let (item, after) = value(after, depth + 1)?;
                // A key that comes twice could be read in two ways.
                if entries.iter().any(|(known, _)| *known == key) {
                    return None;
                }
                entries.push((key, item));
                rest = after;
            }
            Some((Value::Map(entries), rest))
        }
        7 if first & 0x1f < 24 => Some((Value::Simple(number), rest)),
        _ => None,
    }
}

fn argument(short: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    let length = match short {
        0..=23 => return Some((u64::from(short), rest)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (number, rest) = rest.split_at_checked(length)?;
    Some((number.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8949 appendix A.
    #[test]
    fn the_rfc_agrees() {
        for (bytes, expected) in [
            (&[0x00][..], Value::Int(0)),
            (&[0x18, 0x64], Value::Int(100)),
            (&[0x1a, 0x00, 0x0f, 0x42, 0x40], Value::Int(1_000_000)),
            (&[0x20], Value::Int(-1)),
            (&[0x39, 0x03, 0xe7], Value::Int(-1_000)),
            (&[0x44, 1, 2, 3, 4], Value::Bytes(&[1, 2, 3, 4])),
            (&[0x64, b'I', b'E', b'T', b'F'], Value::Text("IETF")),
            (&[0x83, 1, 2, 3], Value::Array(vec![Value::Int(1), Value::Int(2), Value::Int(3)])),
            (&[0xa1, 0x61, b'a', 0xf5], Value::Map(vec![(Value::Text("a"), Value::Simple(21))])),
        ] {
            assert_eq!(read(bytes), Some((expected, &[][..])), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_cut_endless_deep_or_double_is_refused() {
        let deep = [0x81; 40];
        for bytes in [
            &[][..],
            &[0x18],
            &[0x44, 1],
            &[0x5f, 0xff],
            &[0x9f, 0xff],
            &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x9b, 0, 0, 0, 1, 0, 0, 0, 0],
            &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xa2, 1, 1, 1, 2],
            &[0xc0, 0x00],
            &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x62, 0xff, 0xff],
            &deep,
        ] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }
}
