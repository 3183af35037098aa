//! The tokens of JSON as RFC 8259 writes them, read once from left to right.
//!
//! The caller has checked that the bytes are UTF-8 and fewer than 4 GiB, so every offset fits in 32 bits.

use super::ScanError;

/// How many arrays and objects may stand inside each other.
pub(super) const MAX_DEPTH: u16 = 128;

/// A string as it stands in the text, without its quotes.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) content: &'a [u8],
    pub(super) start: u32,
    /// The content holds at least one backslash escape.
    pub(super) escaped: bool,
}

impl Text<'_> {
    /// The offset just behind the content: of the closing quote.
    #[inline]
    pub(super) fn end(&self) -> u32 {
        self.start.wrapping_add(self.content.len() as u32)
    }
}

#[derive(Clone)]
pub(super) struct Lexer<'a> {
    all: &'a [u8],
    rest: &'a [u8],
    depth: u16,
    /// Some string so far held an escape that names its character by number.
    pub(super) numbered_escape: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { all: bytes, rest: bytes, depth: 0, numbered_escape: false }
    }

    /// The offset of the next byte.
    #[inline]
    pub(super) fn at(&self) -> u32 {
        self.all.len().wrapping_sub(self.rest.len()) as u32
    }

    /// The bytes between two offsets.
    pub(super) fn slice(&self, start: u32, end: u32) -> &'a [u8] {
        self.all.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The next byte, without taking it.
    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    #[inline(always)]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    #[inline(always)]
    pub(super) fn expect_byte(&mut self, byte: u8) -> Result<(), ScanError> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// What is wrong at the current place: the text ended, or a byte that cannot stand here.
    #[cold]
    pub(super) fn unexpected(&self) -> ScanError {
        if self.rest.is_empty() { ScanError::Ended { at: self.at() } } else { ScanError::Syntax { at: self.at() } }
    }

    #[inline(always)]
    pub(super) fn whitespace(&mut self) {
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.long_whitespace();
        }
    }

    fn long_whitespace(&mut self) {
        loop {
            while let Some((b"        ", rest)) = self.rest.split_first_chunk::<8>() {
                self.rest = rest;
            }
            match self.rest.split_first() {
                Some((b' ' | b'\n' | b'\r' | b'\t', rest)) => self.rest = rest,
                _ => return,
            }
        }
    }

    /// One level deeper: called at each `{` and `[`.
    #[inline(always)]
    pub(super) fn enter(&mut self) -> Result<(), ScanError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(ScanError::TooDeep { at: self.at() }) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn leave(&mut self) {
        self.depth = self.depth.wrapping_sub(1);
    }

    /// A string, from its opening quote to behind its closing one.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Text<'a>, ScanError> {
        let Some((b'"', body)) = self.rest.split_first() else { return Err(self.unexpected()) };
        let start = self.all.len().wrapping_sub(body.len()) as u32;
        let mut escaped = false;
        let mut cursor = body;
        loop {
            cursor = behind_plain(cursor);
            match cursor.split_first() {
                Some((b'"', rest)) => {
                    let (content, _) = body.split_at_checked(body.len() - cursor.len()).unwrap_or((body, &[]));
                    self.rest = rest;
                    return Ok(Text { content, start, escaped });
                }
                Some((b'\\', rest)) => {
                    escaped = true;
                    self.numbered_escape |= rest.first() == Some(&b'u');
                    self.rest = cursor;
                    cursor = behind_escape(rest).ok_or(ScanError::Escape { at: self.at() })?;
                }
                Some(_) => {
                    self.rest = cursor;
                    return Err(ScanError::ControlCharacter { at: self.at() });
                }
                None => {
                    self.rest = cursor;
                    return Err(self.unexpected());
                }
            }
        }
    }

    /// `-? (0 | [1-9] digit*) (. digit+)? ([eE] [+-]? digit+)?`
    pub(super) fn number(&mut self) -> Result<(), ScanError> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _signed = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ScanError> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match self.rest.split_at_checked(count) {
            Some((digits, rest)) if !digits.is_empty() => {
                self.rest = rest;
                Ok(())
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `true`, `false` or `null`.
    pub(super) fn literal(&mut self) -> Result<(), ScanError> {
        let word: &[u8] = match self.peek() {
            Some(b't') => b"true",
            Some(b'f') => b"false",
            _ => b"null",
        };
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(self.unexpected()),
        }
    }

    /// Any value at all, its syntax checked and nothing kept.
    pub(super) fn skip_value(&mut self) -> Result<(), ScanError> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => {
                self.take(b'{');
                self.enter()?;
                self.whitespace();
                if !self.take(b'}') {
                    loop {
                        self.string()?;
                        self.colon()?;
                        self.skip_value()?;
                        if !self.comma_or(b'}')? {
                            break;
                        }
                    }
                }
                self.leave();
                Ok(())
            }
            Some(b'[') => {
                self.take(b'[');
                self.enter()?;
                self.whitespace();
                if !self.take(b']') {
                    loop {
                        self.skip_value()?;
                        if !self.comma_or(b']')? {
                            break;
                        }
                    }
                }
                self.leave();
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.literal(),
        }
    }

    /// The next string of the document, key or value, wherever it stands; `None` behind the last. What lies between
    /// strings is passed over unread.
    pub(super) fn next_string(&mut self) -> Result<Option<Text<'a>>, ScanError> {
        let Some(at) = memchr::memchr(b'"', self.rest) else { return Ok(None) };
        self.rest = self.rest.get(at..).unwrap_or_default();
        self.string().map(Some)
    }

    /// The colon behind a key, with the whitespace around it.
    #[inline(always)]
    pub(super) fn colon(&mut self) -> Result<(), ScanError> {
        self.whitespace();
        self.expect_byte(b':')?;
        self.whitespace();
        Ok(())
    }

    /// After an item: true behind a comma (at the next item), false behind the closing byte.
    #[inline(always)]
    pub(super) fn comma_or(&mut self, close: u8) -> Result<bool, ScanError> {
        self.whitespace();
        if self.take(b',') {
            self.whitespace();
            return Ok(true);
        }
        self.expect_byte(close)?;
        Ok(false)
    }

    /// Nothing but whitespace may follow the document.
    pub(super) fn end(&mut self) -> Result<(), ScanError> {
        self.whitespace();
        if self.rest.is_empty() { Ok(()) } else { Err(ScanError::TrailingBytes { at: self.at() }) }
    }
}

/// The tail that begins at the first quote, backslash or control character.
#[inline(always)]
fn behind_plain(mut text: &[u8]) -> &[u8] {
    while let Some((chunk, rest)) = text.split_first_chunk::<8>() {
        let special = special_bytes(u64::from_le_bytes(*chunk));
        if special != 0 {
            let plain = (special.trailing_zeros() / 8) as usize;
            return text.get(plain..).unwrap_or_default();
        }
        text = rest;
    }
    while let Some((byte, rest)) = text.split_first() {
        if matches!(byte, b'"' | b'\\' | 0..0x20) {
            break;
        }
        text = rest;
    }
    text
}

/// A set high bit in each byte that is a quote, a backslash or a control character. Bytes above the lowest such byte
/// may be marked wrongly (the subtraction borrows), which the caller, who looks at the lowest only, never sees.
#[inline]
const fn special_bytes(chunk: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // Exchanging 0x20 and 0x22 makes the quote the neighbour of the control characters: one comparison finds both.
    let quote_or_control = (chunk ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslash = (chunk ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (quote_or_control | backslash) & !chunk & HIGHS
}

/// The tail behind an escape whose backslash has been taken; surrogates only as a pair, high before low.
pub(super) fn behind_escape(text: &[u8]) -> Option<&[u8]> {
    match text.split_first()? {
        (b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest) => Some(rest),
        (b'u', rest) => match hex4(rest)? {
            (0xD800..=0xDBFF, rest) => match hex4(rest.strip_prefix(b"\\u")?)? {
                (0xDC00..=0xDFFF, rest) => Some(rest),
                _ => None,
            },
            (0xDC00..=0xDFFF, _) => None,
            (_, rest) => Some(rest),
        },
        _ => None,
    }
}

/// Four hexadecimal digits and the tail behind them.
pub(super) fn hex4(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let mut value = 0;
    for digit in digits {
        value = value * 16 + char::from(*digit).to_digit(16)?;
    }
    Some((value, rest))
}
