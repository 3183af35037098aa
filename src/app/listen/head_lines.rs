//! Lines of a head end in CR LF. hyper takes a bare LF for the end of a line too, as RFC 9112 §2.2 lets it; a proxy in front
//! that reads on would see other fields than we do, and pass on a request within a request (security design, W14).

/// Follows a head through the pieces in which it comes.
#[derive(Debug, Default)]
pub(super) struct HeadLines {
    /// What came of the current line so far.
    length: usize,
    ends_in_cr: bool,
    /// A line with something in it has come: empty ones before the first mean nothing (RFC 9112 §2.2).
    has_begun: bool,
    is_over: bool,
}

impl HeadLines {
    /// Looks at the next piece, as far as the head goes. A bare LF becomes NUL, which no head may hold anywhere: hyper
    /// refuses that with 400, and closes.
    pub(super) fn guard(&mut self, mut piece: &mut [u8]) {
        while !self.is_over {
            let Some(end) = memchr::memchr(b'\n', piece) else {
                self.length = self.length.saturating_add(piece.len());
                self.ends_in_cr = piece.last().map_or(self.ends_in_cr, |last| *last == b'\r');
                return;
            };
            let (line, rest) = std::mem::take(&mut piece).split_at_mut(end);
            let Some((line_feed, rest)) = rest.split_first_mut() else { return };
            if !line.last().map_or(self.ends_in_cr, |last| *last == b'\r') {
                *line_feed = 0;
                self.is_over = true;
                return;
            }
            let is_empty = self.length.saturating_add(line.len()) == 1;
            self.is_over = is_empty && self.has_begun;
            self.has_begun |= !is_empty;
            (self.length, self.ends_in_cr) = (0, false);
            piece = rest;
        }
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
    fn w14_a_bare_lf_is_spoiled_in_the_head_and_left_alone_behind_it() {
        for good in
            ["GET / HTTP/1.1\r\nhost: x\r\n\r\na\nb\n\n", "\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n\n", "\r\n", "x"]
        {
            assert_eq!(guarded(good), good);
        }
        for (bad, spoiled) in [
            ("GET / HTTP/1.1\nhost: x\r\n\r\n", "GET / HTTP/1.1\0host: x\r\n\r\n"),
            ("GET / HTTP/1.1\r\nx: a\nhost: x\r\n\r\n", "GET / HTTP/1.1\r\nx: a\0host: x\r\n\r\n"),
            ("GET / HTTP/1.1\r\nhost: x\n\n", "GET / HTTP/1.1\r\nhost: x\0\n"),
            ("GET / HTTP/1.1\r\nhost: x\r\n\n", "GET / HTTP/1.1\r\nhost: x\r\n\0"),
            ("\nGET / HTTP/1.1\r\n", "\0GET / HTTP/1.1\r\n"),
            ("\r\n\nGET / HTTP/1.1\r\n", "\r\n\0GET / HTTP/1.1\r\n"),
        ] {
            assert_eq!(guarded(bad), spoiled);
        }
    }
}
