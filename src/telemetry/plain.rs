//! The fields of a line for files and journals: no colours, and no character that would end the line or steer the
//! terminal of whoever reads it later.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// `message key=value key="text"`.
pub(super) struct PlainFields;

impl<'w> FormatFields<'w> for PlainFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = FieldLine { writer, is_empty: true, outcome: Ok(()) };
        fields.record(&mut line);
        line.outcome
    }
}

struct FieldLine<'w> {
    writer: Writer<'w>,
    is_empty: bool,
    outcome: fmt::Result,
}

impl FieldLine<'_> {
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut Printable<'_, '_>) -> fmt::Result) {
        let is_first = std::mem::replace(&mut self.is_empty, false);
        let write = || {
            if !is_first {
                self.writer.write_char(' ')?;
            }
            if field.name() != "message" {
                self.writer.write_str(field.name())?;
                self.writer.write_char('=')?;
            }
            value(&mut Printable(&mut self.writer))
        };
        let written = write();
        self.outcome = self.outcome.and(written);
    }
}

impl Visit for FieldLine<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |out| write!(out, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.field(field, |out| out.write_str(value));
        } else {
            self.field(field, |out| write!(out, "{value:?}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |out| write!(out, "{value:?}"));
    }
}

/// Writes control characters as escapes: what somebody sent can stand in an error, and must not forge a line.
struct Printable<'p, 'w>(&'p mut Writer<'w>);

impl Write for Printable<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(char::is_control) {
            let (plain, from) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut behind = from.chars();
            if let Some(control) = behind.next() {
                write!(self.0, "{}", control.escape_default())?;
            }
            rest = behind.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(event: impl FnOnce()) -> String {
        let output = Output::default();
        let writer = output.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .compact()
            .fmt_fields(PlainFields)
            .finish();
        tracing::subscriber::with_default(subscriber, event);
        String::from_utf8(output.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn fields_stand_behind_the_message_as_keys_and_values() {
        let line = logged(|| {
            tracing::info!(
                target: "here", method = %"GET", route = "/fhir/R4/{type}", status = 200_u16, ok = true,
                none = ?None::<u8>, "request {}", 1
            );
        });
        let expected = " INFO here: request 1 method=GET route=\"/fhir/R4/{type}\" status=200 ok=true none=None\n";
        assert_eq!(line, expected);
    }

    #[test]
    fn what_somebody_sent_forges_no_line_and_steers_no_terminal() {
        let sent = "a\n INFO forged\r\u{1b}[2J\u{9b}31m\u{7f}é";
        for line in [
            logged(|| tracing::warn!(error = %sent, "refused")),
            logged(|| tracing::warn!(error = sent, "refused")),
            logged(|| tracing::warn!("{sent}")),
        ] {
            let content = line.strip_suffix('\n').unwrap();
            assert!(!content.contains(char::is_control), "{line:?}");
            assert!(content.contains(r"a\n INFO forged\r\u{1b}[2J\u{9b}31m\u{7f}é"), "{line:?}");
        }
    }
}
