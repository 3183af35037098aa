//! Page cursors: opaque to the caller, kept in the query, nothing kept here.

use data_encoding::BASE64URL_NOPAD;

/// The parameter that carries the cursor.
pub(super) const PARAMETER: &str = "_cursor";

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// How many matches the pages before it held.
    pub(super) offset: usize,
    /// Resources that arrived later than the first page was made are not part of the result.
    pub(super) arrived: u64,
    /// From 1.
    pub(super) page: u32,
}

impl Cursor {
    pub(super) fn print(self) -> String {
        BASE64URL_NOPAD.encode(format!("{}.{}.{}", self.offset, self.arrived, self.page).as_bytes())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let plain = std::str::from_utf8(&plain).ok()?;
        let mut parts = plain.splitn(3, '.');
        let offset = parts.next()?.parse().ok()?;
        let arrived = parts.next()?.parse().ok()?;
        let page = parts.next()?.parse().ok()?;
        Some(Self { offset, arrived, page })
    }

    /// The page that a request asks for; 1 without a readable cursor.
    pub(super) fn page_of(pairs: &[(String, String)]) -> u32 {
        let cursor = pairs.iter().find(|(name, _)| name == PARAMETER);
        cursor.and_then(|(_, text)| Self::parse(text)).map_or(1, |cursor| cursor.page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_others_do_not() {
        let cursor = Cursor { offset: 40, arrived: 1234, page: 3 };
        assert_eq!(Cursor::parse(&cursor.print()), Some(cursor));
        for text in ["", "!", "MS4y", "YS5iLmM"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
