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
    /// One of its escapes names its character by number.
    pub(super) numbered_escape: bool,
}

impl Text<'_> {
    /// The offset just behind the content: of the closing quote.
    #[inline]
    pub(super) fn end(&self) -> u32 {
        self.start.wrapping_add(self.content.len() as u32)
    }
}

/// A place in the text. Small and copied: a loop that keeps its own copy reads from registers, which is why what is seldom
/// needed takes the lexer by value.
#[derive(Clone, Copy)]
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    next: usize,
}

/// How many arrays and objects are open.
#[derive(Clone, Copy, Default)]
pub(super) struct Depth(u16);

impl Depth {
    /// One level deeper: called at each `{` and `[`.
    #[inline(always)]
    pub(super) fn enter(&mut self, lexer: Lexer<'_>) -> Result<(), ScanError> {
        self.0 = self.0.wrapping_add(1);
        if self.0 > MAX_DEPTH { Err(ScanError::TooDeep { at: lexer.at() }) } else { Ok(()) }
    }

    #[inline(always)]
    pub(super) fn leave(&mut self) {
        self.0 = self.0.wrapping_sub(1);
    }
}

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0 }
    }

    /// The offset of the next byte.
    #[inline(always)]
    pub(super) fn at(self) -> u32 {
        self.next as u32
    }

    /// The bytes between two offsets.
    #[inline(always)]
    pub(super) fn slice(self, start: u32, end: u32) -> &'a [u8] {
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    /// What has not been read.
    #[inline(always)]
    fn rest(self) -> &'a [u8] {
        self.bytes.get(self.next..).unwrap_or_default()
    }

    /// Goes on where another lexer of the same text has come to.
    #[inline(always)]
    pub(super) fn follow(&mut self, other: Lexer<'a>) {
        self.next = other.next;
    }

    /// Passes over as many bytes, all of which are there.
    #[inline(always)]
    fn skip(&mut self, count: usize) {
        self.next = self.next.wrapping_add(count);
    }

    /// The next byte, without taking it.
    #[inline(always)]
    pub(super) fn peek(self) -> Option<u8> {
        self.bytes.get(self.next).copied()
    }

    #[inline(always)]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.skip(1);
        }
        is_next
    }

    #[inline(always)]
    pub(super) fn expect_byte(&mut self, byte: u8) -> Result<(), ScanError> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// What is wrong at the current place: the text ended, or a byte that cannot stand here.
    #[cold]
    pub(super) fn unexpected(self) -> ScanError {
        if self.peek().is_none() { ScanError::Ended { at: self.at() } } else { ScanError::Syntax { at: self.at() } }
    }

    #[inline(always)]
    pub(super) fn whitespace(&mut self) {
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.next = self.behind_whitespace();
        }
    }

    #[inline(never)]
    fn behind_whitespace(self) -> usize {
        let mut rest = self.rest();
        loop {
            while let Some((b"        ", behind)) = rest.split_first_chunk::<8>() {
                rest = behind;
            }
            match rest.split_first() {
                Some((b' ' | b'\n' | b'\r' | b'\t', behind)) => rest = behind,
                _ => return self.bytes.len().wrapping_sub(rest.len()),
            }
        }
    }

    /// A string, from its opening quote to behind its closing one.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Text<'a>, ScanError> {
        let Some((b'"', body)) = self.rest().split_first() else { return Err(self.unexpected()) };
        let length = plain_length(body);
        let text = match body.get(length) {
            Some(b'"') => {
                let content = body.get(..length).unwrap_or_default();
                Text { content, start: self.at().wrapping_add(1), escaped: false, numbered_escape: false }
            }
            _ => self.escaped_string(body, length)?,
        };
        self.skip(text.content.len().wrapping_add(2));
        Ok(text)
    }

    /// A string of which the first bytes are plain, and then there is an escape, or what cannot stand there.
    #[inline(never)]
    fn escaped_string(mut self, body: &'a [u8], plain: usize) -> Result<Text<'a>, ScanError> {
        let start = self.at().wrapping_add(1);
        let mut length = plain;
        let (mut escaped, mut numbered_escape) = (false, false);
        loop {
            let tail = body.get(length..).unwrap_or_default();
            self.next = self.bytes.len().wrapping_sub(tail.len());
            match tail.split_first() {
                Some((b'"', _)) => {
                    let content = body.get(..length).unwrap_or_default();
                    return Ok(Text { content, start, escaped, numbered_escape });
                }
                Some((b'\\', behind)) => {
                    escaped = true;
                    numbered_escape |= behind.first() == Some(&b'u');
                    let behind = behind_escape(behind).ok_or(ScanError::Escape { at: self.at() })?;
                    length = body.len().wrapping_sub(behind.len()).wrapping_add(plain_length(behind));
                }
                Some(_) => return Err(ScanError::ControlCharacter { at: self.at() }),
                None => return Err(self.unexpected()),
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

    #[inline(always)]
    fn digits(&mut self) -> Result<(), ScanError> {
        let start = self.next;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.skip(1);
        }
        if self.next == start { Err(self.unexpected()) } else { Ok(()) }
    }

    /// `true`, `false` or `null`.
    pub(super) fn literal(&mut self) -> Result<(), ScanError> {
        let word: &[u8] = match self.peek() {
            Some(b't') => b"true",
            Some(b'f') => b"false",
            _ => b"null",
        };
        if !self.rest().starts_with(word) {
            return Err(self.unexpected());
        }
        self.skip(word.len());
        Ok(())
    }

    /// Any value at all, its syntax checked and nothing kept.
    pub(super) fn skip_value(&mut self, mut depth: Depth) -> Result<(), ScanError> {
        let (open, close) = match self.peek() {
            Some(b'"') => return self.string().map(drop),
            Some(b'{') => (b'{', b'}'),
            Some(b'[') => (b'[', b']'),
            Some(b'-' | b'0'..=b'9') => return self.number(),
            _ => return self.literal(),
        };
        self.expect_byte(open)?;
        depth.enter(*self)?;
        self.whitespace();
        if self.take(close) {
            return Ok(());
        }
        loop {
            if open == b'{' {
                self.string()?;
                self.colon()?;
            }
            self.skip_value(depth)?;
            if !self.comma_or(close)? {
                return Ok(());
            }
        }
    }

    /// The next string of the document, key or value, wherever it stands; `None` behind the last. What lies between
    /// strings is passed over unread.
    pub(super) fn next_string(&mut self) -> Result<Option<Text<'a>>, ScanError> {
        let Some(at) = memchr::memchr(b'"', self.rest()) else { return Ok(None) };
        self.skip(at);
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
        if self.peek().is_none() { Ok(()) } else { Err(ScanError::TrailingBytes { at: self.at() }) }
    }
}

/// How many bytes stand before the first quote, backslash or control character.
#[inline(always)]
fn plain_length(text: &[u8]) -> usize {
    let mut rest = text;
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        let special = special_bytes(u64::from_le_bytes(*chunk));
        if special != 0 {
            return text.len().wrapping_sub(rest.len()).wrapping_add((special.trailing_zeros() / 8) as usize);
        }
        rest = behind;
    }
    let more = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len());
    text.len().wrapping_sub(rest.len()).wrapping_add(more)
}

/// A set high bit in each byte that is a quote, a backslash or a control character. Bytes above the lowest such byte
/// may be marked wrongly (the subtraction borrows), which the caller, who looks at the lowest only, never sees.
#[inline(always)]
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
