//! Lines of a head end in CR LF. hyper takes a bare LF for the end of a line too, as RFC 9112 §2.2 lets it; a proxy in front
//! that reads on would see other fields than we do, and pass on a request within a request (security design, W14).

/// As much of a line as it takes to say how long a body is.
const KEPT: usize = 32;

/// Follows the heads of a connection through the pieces in which they come, and past bodies that say how long they are. A
/// body in chunks ends the watching until its request is answered: what was sent behind it before that is not looked at.
#[derive(Debug, Default)]
pub(super) struct HeadLines {
    at: At,
    line: Line,
    /// A line with something in it has come: empty ones before the first mean nothing (RFC 9112 §2.2).
    has_begun: bool,
    /// How long the head says that the body is.
    body: u64,
    is_chunked: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum At {
    #[default]
    Head,
    /// So much of a body is to come.
    Body(u64),
    Unwatched,
}

/// What came of the current line so far.
#[derive(Debug, Default)]
struct Line {
    kept: [u8; KEPT],
    length: usize,
    ends_in_cr: bool,
}

impl Line {
    fn push(&mut self, piece: &[u8]) {
        let free = self.kept.iter_mut().skip(self.length);
        free.zip(piece).for_each(|(kept, byte)| *kept = *byte);
        self.length = self.length.saturating_add(piece.len());
        self.ends_in_cr = piece.last().map_or(self.ends_in_cr, |last| *last == b'\r');
    }

    /// The value of this field, as far as it was kept.
    fn value(&self, name: &[u8]) -> Option<&[u8]> {
        let (start, value) = self.kept.get(..self.length.min(KEPT))?.split_at_checked(name.len())?;
        value.strip_prefix(b":").filter(|_| start.eq_ignore_ascii_case(name)).map(<[u8]>::trim_ascii)
    }
}

impl HeadLines {
    /// What came last was answered: what comes next begins a head, where it could not be followed so far.
    pub(super) fn answered(&mut self) {
        if let At::Unwatched = self.at {
            *self = Self::default();
        }
    }

    /// Looks at the next piece. A bare LF in a head becomes NUL, which no head may hold anywhere: hyper refuses that with
    /// 400, and closes.
    pub(super) fn guard(&mut self, mut piece: &mut [u8]) {
        while !piece.is_empty() {
            piece = match self.at {
                At::Unwatched => return,
                At::Head => self.look(piece),
                At::Body(left) => {
                    let here = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
                    let left = left.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
                    self.at = if left == 0 { At::Head } else { At::Body(left) };
                    piece.split_at_mut(here).1
                }
            };
        }
    }

    /// Looks at one line, or what has come of it, and says what follows.
    fn look<'p>(&mut self, piece: &'p mut [u8]) -> &'p mut [u8] {
        let Some(end) = memchr::memchr(b'\n', piece) else {
            self.line.push(piece);
            return &mut [];
        };
        let (line, rest) = piece.split_at_mut(end);
        self.line.push(line);
        let Some((line_feed, rest)) = rest.split_first_mut() else { return &mut [] };
        let line = std::mem::take(&mut self.line);
        if !line.ends_in_cr || !self.heed(&line) {
            *line_feed = 0;
            self.at = At::Unwatched;
        }
        rest
    }

    /// Takes in what a line says of the body. False where that is no length: whoever reads one there reads another than we.
    fn heed(&mut self, line: &Line) -> bool {
        if line.length == 1 {
            if self.has_begun {
                let head = std::mem::take(self);
                self.at = match (head.is_chunked, head.body) {
                    (true, _) => At::Unwatched,
                    (false, 0) => At::Head,
                    (false, length) => At::Body(length),
                };
            }
            return true;
        }
        self.has_begun = true;
        self.is_chunked |= line.value(b"transfer-encoding").is_some();
        let Some(length) = line.value(b"content-length") else { return true };
        let is_whole = line.length <= KEPT && length.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(length).ok().filter(|_| is_whole).and_then(|digits| digits.parse().ok());
        self.body = length.unwrap_or_default();
        length.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a text in pieces of each size.
    fn guarded(text: &str) -> String {
        let all: Vec<String> = (1..=text.len())
            .map(|size| {
                let mut lines = HeadLines::default();
                let mut bytes = text.as_bytes().to_vec();
                bytes.chunks_mut(size).for_each(|piece| lines.guard(piece));
                String::from_utf8(bytes).unwrap()
            })
            .collect();
        assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
        all[0].clone()
    }

    #[test]
    fn w14_a_bare_lf_is_spoiled_in_every_head_and_left_alone_in_bodies() {
        for good in [
            "POST / HTTP/1.1\r\nContent-Length:  6 \r\nhost: x\r\n\r\na\nb\n\n\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\n\r\nGET / HTTP/1.1\nhost: x\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nx-content-length: none\r\ncontent-lengths: a\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "\r\n",
            "x",
        ] {
            assert_eq!(guarded(good), good);
        }
        for (bad, spoiled) in [
            ("GET / HTTP/1.1\nhost: x\r\n\r\n", "GET / HTTP/1.1\0host: x\r\n\r\n"),
            ("GET / HTTP/1.1\r\nx: a\nhost: x\r\n\r\n", "GET / HTTP/1.1\r\nx: a\0host: x\r\n\r\n"),
            ("GET / HTTP/1.1\r\nhost: x\n\n", "GET / HTTP/1.1\r\nhost: x\0\n"),
            ("GET / HTTP/1.1\r\nhost: x\r\n\n", "GET / HTTP/1.1\r\nhost: x\r\n\0"),
            ("\nGET / HTTP/1.1\r\n", "\0GET / HTTP/1.1\r\n"),
            ("\r\n\nGET / HTTP/1.1\r\n", "\r\n\0GET / HTTP/1.1\r\n"),
            // Behind another request.
            (
                "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\nx: a\r\n\r\n",
                "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\0x: a\r\n\r\n",
            ),
            ("GET / HTTP/1.1\r\n\r\n\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n\0GET / HTTP/1.1\r\n\r\n"),
            (
                "P / HTTP/1.1\r\ncontent-length:1\r\n\r\n\nG / HTTP/1.1\nx: a",
                "P / HTTP/1.1\r\ncontent-length:1\r\n\r\n\nG / HTTP/1.1\0x: a",
            ),
            // Lengths that nobody writes.
            ("P / HTTP/1.1\r\ncontent-length: +1\r\n\r\n", "P / HTTP/1.1\r\ncontent-length: +1\r\0\r\n"),
            ("P / HTTP/1.1\r\ncontent-length:\r\n 1\r\n", "P / HTTP/1.1\r\ncontent-length:\r\0 1\r\n"),
            (
                "P / HTTP/1.1\r\ncontent-length:                        1\r\n\r\n",
                "P / HTTP/1.1\r\ncontent-length:                        1\r\0\r\n",
            ),
        ] {
            assert_eq!(guarded(bad), spoiled);
        }
    }
}
