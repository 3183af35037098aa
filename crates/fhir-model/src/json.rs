//! A JSON reader that keeps what serde_json forgets: repeated members, the spelling of numbers, where it stands.
//!
//! Strict RFC 8259, and one document only. serde_json with `arbitrary_precision` also carries numbers through a
//! magic member name, which a document could spell out; here a number is a number.

use crate::problem::{Location, Problem, ProblemCode};

/// The most members of one object, and digits of one number. FHIR's widest types have fewer than 100 elements.
const MAX_MEMBERS: usize = 256;
const MAX_NUMBER: usize = 64;

/// A JSON value. Numbers keep their text.
#[derive(Debug, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    String(String),
    Array(Vec<Json<'a>>),
    Object(Vec<(String, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// The member of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Self::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads one document, at most `max_depth` arrays and objects deep.
pub(crate) fn read(text: &str, max_depth: usize) -> Result<Json<'_>, Problem> {
    let mut reader = Reader { text, at: 0, depth: 0, max_depth, location: Location::default() };
    let value = reader.value()?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(Location::default().problem(ProblemCode::Structure, "bytes follow the end of the document")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    max_depth: usize,
    location: Location,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Json<'a>, Problem> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => Err(self.syntax("a value was expected")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json<'a>, Problem>) -> Result<Json<'a>, Problem> {
        if self.depth == self.max_depth {
            return Err(self.location.problem(ProblemCode::TooLong, "nested too deeply"));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Json<'a>, Problem> {
        let mut members: Vec<(String, Json<'a>)> = Vec::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.syntax("a member name was expected"));
            }
            let name = self.string()?;
            self.location.enter_member(&name);
            if members.iter().any(|(known, _)| *known == name) {
                return Err(self.location.problem(ProblemCode::Structure, "the member stands twice in its object"));
            }
            if members.len() == MAX_MEMBERS {
                return Err(self.location.problem(ProblemCode::TooLong, "too many members in one object"));
            }
            self.skip_space();
            if !self.take(b':') {
                return Err(self.syntax("':' was expected"));
            }
            let value = self.value()?;
            self.location.leave();
            if self.depth == 1
                && name == "resourceType"
                && let Some(resource_type) = value.as_str()
            {
                self.location.set_root(resource_type);
            }
            members.push((name, value));
            self.skip_space();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return Err(self.syntax("',' or '}' was expected"));
            }
        }
    }

    fn array(&mut self) -> Result<Json<'a>, Problem> {
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            self.location.enter_index(items.len());
            let item = self.value()?;
            self.location.leave();
            items.push(item);
            self.skip_space();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return Err(self.syntax("',' or ']' was expected"));
            }
        }
    }

    /// A string, with the reader on its opening quote.
    fn string(&mut self) -> Result<String, Problem> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(length) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') else {
                return Err(self.syntax("a string does not end"));
            };
            text.push_str(rest.get(..length).unwrap_or_default());
            self.at += length;
            if self.take(b'"') {
                return Ok(text);
            }
            if !self.take(b'\\') {
                return Err(self.syntax("a control character stands in a string"));
            }
            text.push(self.escape()?);
        }
    }

    /// The character that an escape stands for, with the reader behind the backslash.
    fn escape(&mut self) -> Result<char, Problem> {
        let letter = self.peek();
        self.at += 1;
        Ok(match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.syntax("an escape that JSON does not have")),
        })
    }

    fn unicode_escape(&mut self) -> Result<char, Problem> {
        let first = self.four_digits()?;
        // RFC 8259 §7: characters beyond the basic plane are a pair of surrogates; half a pair is no character.
        let scalar = if (0xD800..0xDC00).contains(&first) {
            if !(self.take(b'\\') && self.take(b'u')) {
                return Err(self.syntax("half a surrogate pair"));
            }
            match self.four_digits()? {
                second @ 0xDC00..0xE000 => 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                _ => return Err(self.syntax("half a surrogate pair")),
            }
        } else {
            first
        };
        char::from_u32(scalar).ok_or_else(|| self.syntax("half a surrogate pair"))
    }

    fn four_digits(&mut self) -> Result<u32, Problem> {
        let digits = self.text.get(self.at..self.at + 4).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits.and_then(|text| u32::from_str_radix(text, 16).ok());
        self.at += 4;
        value.ok_or_else(|| self.syntax("an escape that JSON does not have"))
    }

    fn number(&mut self) -> Result<Json<'a>, Problem> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') && self.digits() == 0 {
            return Err(self.syntax("a number without digits"));
        }
        if self.take(b'.') && self.digits() == 0 {
            return Err(self.syntax("a number without digits behind its point"));
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            // No measurement needs more; a reader that expands the exponent must not be led to.
            match self.digits() {
                0 => return Err(self.syntax("a number without digits in its exponent")),
                1..=3 => {}
                _ => return Err(self.location.problem(ProblemCode::TooLong, "an exponent of more than three digits")),
            }
        }
        match self.text.get(start..self.at) {
            Some(text) if text.len() <= MAX_NUMBER => Ok(Json::Number(text)),
            _ => Err(self.location.problem(ProblemCode::TooLong, "a number with too many digits")),
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, Problem> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.syntax("a value was expected"))
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn syntax(&self, what: &str) -> Problem {
        self.location.problem(ProblemCode::Structure, format!("not JSON at byte {}: {what}", self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Problem {
        read(text, 8).expect_err(text)
    }

    #[test]
    fn reads_each_kind_of_value() {
        let value = read(r#" {"a":[1.50,-0.0e-3,true,null,"x\n\u00e9\ud83d\ude00"] } "#, 8).unwrap();
        let expected = Json::Object(vec![(
            "a".to_owned(),
            Json::Array(vec![
                Json::Number("1.50"),
                Json::Number("-0.0e-3"),
                Json::Bool(true),
                Json::Null,
                Json::String("x\né😀".to_owned()),
            ]),
        )]);
        assert_eq!(value, expected);
    }

    #[test]
    fn refuses_what_is_not_json() {
        for text in [
            "",
            "{",
            "{]",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "01",
            "1.",
            "1e",
            "-",
            "+1",
            ".5",
            "nul",
            "'a'",
            "\"a",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\u{1}\"",
            "{a:1}",
            "[1 2]",
            "\u{feff}{}",
            "NaN",
            "// {}",
        ] {
            assert_eq!(refused(text).code, ProblemCode::Structure, "{text}");
        }
    }

    #[test]
    fn refuses_a_second_document_and_a_repeated_member() {
        assert_eq!(refused("{} {}").details, "bytes follow the end of the document");
        assert_eq!(refused("{\"a\":1} x").code, ProblemCode::Structure);
        let twice = refused(r#"{"name":[{"text":"A","te\u0078t":"B"}]}"#);
        assert_eq!((twice.expression.as_str(), twice.code), ("name[0].text", ProblemCode::Structure));
    }

    #[test]
    fn refuses_what_is_too_large() {
        assert!(read(&format!("{}1{}", "[".repeat(8), "]".repeat(8)), 8).is_ok());
        assert_eq!(refused(&format!("{}1{}", "[".repeat(9), "]".repeat(9))).code, ProblemCode::TooLong);
        assert_eq!(refused(&"9".repeat(65)).code, ProblemCode::TooLong);
        assert_eq!(refused("1e9999").code, ProblemCode::TooLong);
        let wide: Vec<String> = (0..257).map(|n| format!("\"a{n}\":1")).collect();
        assert_eq!(refused(&format!("{{{}}}", wide.join(","))).code, ProblemCode::TooLong);
    }

    #[test]
    fn a_name_that_is_no_element_is_not_repeated() {
        assert_eq!(refused(r#"{"name":{"Jane Doe 1970":tru}}"#).expression, "name");
    }
}
