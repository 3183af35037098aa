//! Log lines on their way out, many with one write: one for each request would cost as much as reading the request.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for others.
const WAIT: Duration = Duration::from_millis(50);
/// Bytes that may wait; beyond them the one who adds a line writes.
const ROOM: usize = 256 * 1024;

type Output = Box<dyn Write + Send>;

/// Collects lines and writes them from a thread of its own. Warnings and errors go out at once, and all that waits
/// before them.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    waiting: Mutex<Vec<u8>>,
    filled: Condvar,
    /// Taken before `waiting`: lines leave in the order in which they came.
    output: Mutex<Output>,
    /// Every line goes out at once.
    immediate: bool,
}

/// Writes what still waits when it is dropped.
#[must_use = "lines that wait are lost without it"]
pub struct Flush(Lines);

impl Drop for Flush {
    fn drop(&mut self) {
        self.0.0.write_out();
    }
}

impl Lines {
    /// Lines to `output`; `immediate` for somebody who watches.
    pub(super) fn to(output: Output, immediate: bool) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            waiting: Mutex::new(Vec::new()),
            filled: Condvar::new(),
            output: Mutex::new(output),
            immediate,
        });
        if !immediate {
            let writing = shared.clone();
            std::thread::Builder::new().name("log".to_owned()).spawn(move || writing.run())?;
        }
        Ok(Self(shared))
    }

    pub(super) fn flush_at_end(&self) -> Flush {
        Flush(self.clone())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn run(&self) {
        loop {
            let mut waiting = locked(&self.waiting);
            while waiting.is_empty() {
                waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            drop(waiting);
            std::thread::sleep(WAIT);
            self.write_out();
        }
    }

    /// A log that cannot be written has nobody left to tell.
    fn write_out(&self) {
        let mut output = locked(&self.output);
        let lines = std::mem::take(&mut *locked(&self.waiting));
        let _ = output.write_all(&lines);
        let _ = output.flush();
    }
}

/// One line.
pub(super) struct Line<'l> {
    shared: &'l Shared,
    urgent: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut waiting = locked(&self.shared.waiting);
        let was_empty = waiting.is_empty();
        waiting.extend_from_slice(bytes);
        let is_full = waiting.len() > ROOM;
        drop(waiting);
        if self.urgent || is_full {
            self.shared.write_out();
        } else if was_empty {
            self.shared.filled.notify_one();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'l> MakeWriter<'l> for Lines {
    type Writer = Line<'l>;

    fn make_writer(&'l self) -> Line<'l> {
        Line { shared: &self.0, urgent: self.0.immediate }
    }

    fn make_writer_for(&'l self, metadata: &Metadata<'_>) -> Line<'l> {
        Line { shared: &self.0, urgent: self.0.immediate || *metadata.level() <= Level::WARN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each write of the output, one after the other.
    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            locked(&self.0).push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines_of(writes: &Writes) -> Vec<String> {
        let all = locked(&writes.0).concat();
        String::from_utf8(all).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn lines_leave_in_order_and_few_writes_and_all_of_them() {
        let writes = Writes::default();
        let lines = Lines::to(Box::new(writes.clone()), false).unwrap();
        let end = lines.flush_at_end();
        for number in 0..1_000 {
            lines.make_writer().write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        drop(end);
        assert_eq!(lines_of(&writes), (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>());
        assert!(locked(&writes.0).iter().filter(|write| !write.is_empty()).count() < 100);
    }

    #[test]
    fn waiting_lines_are_written_without_a_flush() {
        let writes = Writes::default();
        let lines = Lines::to(Box::new(writes.clone()), false).unwrap();
        lines.make_writer().write_all(b"one\n").unwrap();
        for _ in 0..500 {
            if !lines_of(&writes).is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the line still waits");
    }

    #[test]
    fn a_warning_takes_what_waits_along_at_once() {
        let writes = Writes::default();
        let lines = Lines::to(Box::new(writes.clone()), false).unwrap();
        lines.make_writer().write_all(b"one\n").unwrap();
        Line { shared: &lines.0, urgent: true }.write_all(b"two\n").unwrap();
        assert_eq!(lines_of(&writes), ["one", "two"]);
        let watched = Lines::to(Box::new(writes.clone()), true).unwrap();
        watched.make_writer().write_all(b"three\n").unwrap();
        assert_eq!(lines_of(&writes), ["one", "two", "three"]);
    }
}
