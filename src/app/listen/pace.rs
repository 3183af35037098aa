//! How long a client may take: one timer for each connection, whatever the number of its requests.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::head_lines::HeadLines;
use crate::config::Server;

/// How long clients are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the whole head of a request, from its first byte.
    pub head: Duration,
    /// For the next piece of a request's body.
    pub body: Duration,
    /// For the next request of a connection.
    pub idle: Duration,
}

impl Patience {
    /// As configured.
    #[must_use]
    pub fn of(server: &Server) -> Self {
        Self {
            head: Duration::from_secs(server.head_seconds),
            body: Duration::from_secs(server.body_seconds),
            idle: Duration::from_secs(server.idle_seconds),
        }
    }
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing of a request has come since then.
    Idle(Instant),
    /// Its first byte came then.
    Head(Instant),
    /// Its head was read: how long the rest takes is bounded elsewhere.
    Asked,
}

/// Watches one connection.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    phase: Arc<Mutex<Phase>>,
    patience: Patience,
}

impl Pace {
    pub(super) fn new(patience: Patience) -> Self {
        Self { phase: Arc::new(Mutex::new(Phase::Idle(Instant::now()))), patience }
    }

    fn change(&self, change: impl FnOnce(Phase) -> Phase) {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        *phase = change(*phase);
    }

    /// Something came: in which phase the connection was.
    fn received(&self) -> Phase {
        let mut before = Phase::Asked;
        self.change(|phase| {
            before = phase;
            if let Phase::Idle(_) = phase { Phase::Head(Instant::now()) } else { phase }
        });
        before
    }

    /// The head of a request is there.
    pub(super) fn asked(&self) {
        self.change(|_| Phase::Asked);
    }

    /// The head of its answer is there.
    pub(super) fn answered(&self) {
        self.change(|_| Phase::Idle(Instant::now()));
    }

    fn deadline(&self) -> Option<Instant> {
        match *self.phase.lock().unwrap_or_else(PoisonError::into_inner) {
            Phase::Idle(since) => Some(since + self.patience.idle),
            Phase::Head(since) => Some(since + self.patience.head),
            Phase::Asked => None,
        }
    }

    /// Ends when the client has taken too long, late by a quarter of [`Patience::head`] at most.
    pub(super) async fn lost(&self) {
        while self.deadline().is_none_or(|deadline| deadline > Instant::now()) {
            tokio::time::sleep(self.patience.head / 4).await;
        }
    }
}

/// A connection that tells its [`Pace`] when something came or is still going out. The lines of each head are
/// looked at on the way in.
#[derive(Debug)]
pub(super) struct Paced<I> {
    io: I,
    pace: Pace,
    lines: HeadLines,
}

impl<I> Paced<I> {
    pub(super) fn new(io: I, pace: Pace) -> Self {
        Self { io, pace, lines: HeadLines::default() }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Paced<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.io).poll_read(context, buffer);
        let received = buffer.filled_mut().get_mut(before..).filter(|received| !received.is_empty());
        if let Some(received) = received {
            if let Phase::Idle(_) = self.pace.received() {
                self.lines.answered();
            }
            self.lines.guard(received);
        }
        outcome
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Paced<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wrote(context, |io, context| io.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.wrote(context, |io, context| io.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

impl<I: AsyncWrite + Unpin> Paced<I> {
    /// A long answer that is being read is no idle connection: what goes out counts as life.
    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut I>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let outcome = write(Pin::new(&mut self.io), context);
        if matches!(outcome, Poll::Ready(Ok(1..))) {
            self.pace.change(|phase| if let Phase::Idle(_) = phase { Phase::Idle(Instant::now()) } else { phase });
        }
        outcome
    }
}
