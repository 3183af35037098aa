//! What was put into the folder of outgoing mail, read by a small decoder of our own.

use std::path::Path;

use data_encoding::BASE64;

/// A mail or text message as it went out.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
}

impl Mail {
    /// The token of the first link to this path.
    #[track_caller]
    pub(crate) fn token(&self, path: &str) -> String {
        let start = format!("{path}?token=");
        let at = self.text.find(&start).unwrap_or_else(|| panic!("no {start} in {}", self.text));
        let rest = &self.text[at + start.len()..];
        rest.split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c))).next().unwrap().to_owned()
    }

    /// The first run of six digits.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let runs = self.text.split(|c: char| !c.is_ascii_alphanumeric());
        let mut codes = runs.filter(|run| run.len() == 6 && run.bytes().all(|b| b.is_ascii_digit()));
        codes.next().unwrap_or_else(|| panic!("no code in {}", self.text)).to_owned()
    }
}

/// Everything in the folder, in the order of writing.
pub(crate) fn read(folder: &Path) -> Vec<Mail> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
    paths.sort();
    paths.iter().map(|path| parse(&std::fs::read_to_string(path).unwrap())).collect()
}

/// RFC 5322 with unfolded headers, RFC 2045 transfer encodings, RFC 2047 words; or a text message.
pub(crate) fn parse(raw: &str) -> Mail {
    let raw = raw.replace("\r\n", "\n");
    let (head, body) = raw.split_once("\n\n").unwrap();
    if head.starts_with('+') {
        return Mail { to: head.to_owned(), subject: String::new(), text: body.trim().to_owned() };
    }
    let head = head.replace("\n ", " ");
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
        line.map(|line| line[name.len() + 1..].trim().to_owned()).unwrap_or_default()
    };
    let text = match header("content-transfer-encoding").as_str() {
        "base64" => String::from_utf8(BASE64.decode(body.replace('\n', "").as_bytes()).unwrap()).unwrap(),
        "quoted-printable" => String::from_utf8(unquoted(&body.replace("=\n", ""))).unwrap(),
        _ => body.to_owned(),
    };
    Mail { to: header("to"), subject: words(&header("subject")), text: text.replace("\r\n", "\n") }
}

fn unquoted(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'=' && tail.len() >= 2 {
            out.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

/// `=?utf-8?b?…?=` words one after the other, as they are folded.
fn words(text: &str) -> String {
    let mut out = Vec::new();
    let mut after_word = false;
    for part in text.split(' ') {
        let encoded = part.strip_prefix("=?utf-8?b?").and_then(|rest| rest.strip_suffix("?="));
        let goes_on = after_word && encoded.is_some();
        if !out.is_empty() && !goes_on {
            out.push(b' ');
        }
        match encoded {
            Some(encoded) => out.extend(BASE64.decode(encoded.as_bytes()).unwrap()),
            None => out.extend(part.as_bytes()),
        }
        after_word = encoded.is_some();
    }
    String::from_utf8(out).unwrap()
}
