//! W14: clients that take their time do not hold connections for ever, and hold nobody else up.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, post};
use chartgate::app::{self, Patience};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

const PATIENCE: Patience =
    Patience { head: Duration::from_millis(400), body: Duration::from_millis(400), idle: Duration::from_millis(1_200) };
/// Long enough for a busy machine; a connection that is never let go would hang until then.
const AT_LAST: Duration = Duration::from_secs(20);

struct Listening {
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

async fn listening() -> Listening {
    let listeners = app::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).await.unwrap();
    let address = listeners.addresses()[0];
    let (stop, stopping) = watch::channel(false);
    let slow = || async {
        tokio::time::sleep(PATIENCE.idle * 2).await;
        "late"
    };
    let router = Router::new()
        .route("/", get(|| async { "here" }))
        .route("/slow", get(slow))
        .route("/body", post(|body: String| async move { body }));
    tokio::spawn(app::serve(listeners, router, PATIENCE, stopping, Duration::ZERO));
    Listening { address, stop }
}

/// What comes until the server closes the connection.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let read = stream.read_to_end(&mut all);
    // A reset closes as well.
    let _ = tokio::time::timeout(AT_LAST, read).await.expect("the connection was never closed");
    String::from_utf8(all).unwrap()
}

/// One answer of a connection that stays open; every body here has four letters.
async fn one_answer(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    while !all.ends_with(b"here") && !all.ends_with(b"late") {
        let mut piece = [0; 1_024];
        let length = tokio::time::timeout(AT_LAST, stream.read(&mut piece)).await.unwrap().unwrap();
        assert_ne!(length, 0, "closed after {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&piece[..length]);
    }
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn w14_a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let server = listening().await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let started = Instant::now();
    let dripping = tokio::spawn(async move {
        let head = format!("GET / HTTP/1.1\r\nhost: gateway\r\nx-slow: {}", "a".repeat(10_000));
        for byte in head.into_bytes() {
            if writing.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("all of it was taken");
    });
    // Others are answered meanwhile.
    let mut other = TcpStream::connect(server.address).await.unwrap();
    other.write_all(b"GET / HTTP/1.1\r\nhost: gateway\r\n\r\n").await.unwrap();
    assert!(one_answer(&mut other).await.starts_with("HTTP/1.1 200 "));
    let mut all = Vec::new();
    let _ = tokio::time::timeout(AT_LAST, reading.read_to_end(&mut all)).await.expect("never closed");
    assert!(started.elapsed() >= PATIENCE.head);
    assert!(!String::from_utf8(all).unwrap().contains(" 200 "));
    dripping.await.unwrap();
}

#[tokio::test]
async fn w14_a_body_that_does_not_come_is_not_waited_for() {
    let server = listening().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let started = Instant::now();
    stream.write_all(b"POST /body HTTP/1.1\r\nhost: gateway\r\ncontent-length: 100\r\n\r\nten bytes.").await.unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(started.elapsed() >= PATIENCE.body);
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn w14_a_connection_without_requests_is_closed_and_one_with_requests_stays() {
    let server = listening().await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let started = Instant::now();
    let silent = tokio::spawn(async move { until_closed(&mut silent).await });
    let mut used = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..4 {
        tokio::time::sleep(PATIENCE.idle / 3).await;
        used.write_all(b"GET / HTTP/1.1\r\nhost: gateway\r\n\r\n").await.unwrap();
        assert!(one_answer(&mut used).await.starts_with("HTTP/1.1 200 "));
    }
    // An answer that takes longer than all of this is waited for.
    used.write_all(b"GET /slow HTTP/1.1\r\nhost: gateway\r\n\r\n").await.unwrap();
    assert!(one_answer(&mut used).await.ends_with("late"));
    assert_eq!(silent.await.unwrap(), "");
    assert!(started.elapsed() >= PATIENCE.idle);
    assert_eq!(until_closed(&mut used).await, "");
}

#[tokio::test]
async fn a_stop_waits_for_the_answer_under_way_and_takes_no_new_connection() {
    let listeners = app::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).await.unwrap();
    let address = listeners.addresses()[0];
    let (stop, stopping) = watch::channel(false);
    let (started, mut asked) = tokio::sync::mpsc::channel(1);
    let slow = move || async move {
        started.send(()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        "late"
    };
    let router = Router::new().route("/slow", get(slow));
    let serving = tokio::spawn(app::serve(listeners, router, PATIENCE, stopping, AT_LAST));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: gateway\r\n\r\n").await.unwrap();
    asked.recv().await.unwrap();
    stop.send(true).unwrap();
    assert!(until_closed(&mut stream).await.ends_with("late"));
    tokio::time::timeout(AT_LAST, serving).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

/// Requests that a program in front and this one could end at different places: the connection is closed, so that
/// nothing that follows is taken for a request, and all but one kind are refused (RFC 9112 §6.1, §6.3, §11.2).
#[tokio::test]
async fn w14_what_two_programs_could_read_differently_is_refused() {
    let server = listening().await;
    let smuggled = "GET /slow HTTP/1.1\r\nhost: gateway\r\n\r\n";
    let post = |headers: &str, body: &str| format!("POST /body HTTP/1.1\r\nhost: gateway\r\n{headers}\r\n\r\n{body}");
    let length = smuggled.len();
    for (what, request) in [
        ("both lengths", post("content-length: 5\r\ntransfer-encoding: chunked", "0\r\n\r\n")),
        ("both lengths, turned", post("transfer-encoding: chunked\r\ncontent-length: 5", "0\r\n\r\n")),
        ("two lengths", post(&format!("content-length: 0\r\ncontent-length: {length}"), "")),
        ("two lengths in one", post(&format!("content-length: 0, {length}"), "")),
        ("a signed length", post("content-length: +0", "")),
        ("chunks and something else", post("transfer-encoding: chunked, identity", "0\r\n\r\n")),
        ("nearly chunks", post("transfer-encoding: xchunked", "0\r\n\r\n")),
        ("a space before the colon", post("content-length : 0", "")),
        ("a folded line", post("x-folded: a\r\n b\r\ncontent-length: 0", "")),
        ("a bare CR", post("x-bare: a\rb\r\ncontent-length: 0", "")),
        ("NUL", post("x-nul: a\0b\r\ncontent-length: 0", "")),
        ("a bare LF between fields", post("x-bare: a\ncontent-length: 0", "")),
        ("a bare LF before the end", post("content-length: 0\r\nx-bare: a\n", "")),
        ("a bare LF at the end", "GET /slow HTTP/1.1\r\nhost: gateway\r\n\n".to_owned()),
        ("bare LFs alone", "GET /slow HTTP/1.1\nhost: gateway\n\n".to_owned()),
        ("a bare LF before all", format!("\n{smuggled}")),
        (
            "an old version with chunks",
            "POST /body HTTP/1.0\r\nhost: gateway\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        ),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(format!("{request}{smuggled}").as_bytes()).await.unwrap();
        let answer = until_closed(&mut stream).await;
        // With both lengths the chunks count (RFC 9112 §6.3); what matters is that nothing follows.
        let may_be_answered = what.starts_with("both lengths");
        let is_refused = answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.0 400");
        assert!(is_refused || may_be_answered, "{what}: {answer}");
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{what}: {answer}");
    }
}

/// Each head of a connection is looked at, in however many pieces it comes; what a body holds is its own.
#[tokio::test]
async fn w14_a_bare_lf_in_a_later_head_is_refused_and_in_a_body_it_is_read() {
    let server = listening().await;
    let body = "a\nb\n\nc";
    let good = format!("POST /body HTTP/1.1\r\nhost: gateway\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(good.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(body.as_bytes()) {
            let mut piece = [0; 1_024];
            let length = tokio::time::timeout(AT_LAST, stream.read(&mut piece)).await.unwrap().unwrap();
            assert_ne!(length, 0, "closed after {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..length]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    }
    for piece in ["GET /slow HTTP/1.1\r", "\nhost: gate", "way\r\nx-bare: a", "\nx-other: b\r\n\r\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.").count() == 1, "{answer}");
}

/// A head that was sent behind another request, before that one was answered, is looked at like the first one.
#[tokio::test]
async fn w14_a_bare_lf_in_a_pipelined_head_is_refused() {
    let server = listening().await;
    let get = "GET / HTTP/1.1\r\nhost: gateway\r\n\r\n";
    let post = "POST /body HTTP/1.1\r\nhost: gateway\r\ncontent-length: 6\r\n\r\n\nhere\n";
    let bad = "GET / HTTP/1.1\r\nhost: gateway\r\nx-bare: a\nx-other: b\r\n\r\n";
    for first in [get, post] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(format!("{first}{bad}{get}").as_bytes()).await.unwrap();
        let answers = until_closed(&mut stream).await;
        let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        assert_eq!(statuses, ["200", "400"], "{answers}");
    }
    // Sound ones are all answered, whatever the bodies between them hold.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let last = get.replace("gateway\r\n", "gateway\r\nconnection: close\r\n");
    stream.write_all(format!("{post}{get}{post}{last}").as_bytes()).await.unwrap();
    let answers = until_closed(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 4, "{answers}");
    assert_eq!(answers.matches("\nhere\n").count(), 2, "{answers}");
}

/// A head that has no end is not kept in memory until it has one.
#[tokio::test]
async fn w14_a_head_without_end_is_cut_off() {
    let server = listening().await;
    for field in [format!("x-long: {}\r\n", "a".repeat(100_000)), "x: y\r\n".repeat(1_000)] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!("GET / HTTP/1.1\r\nhost: gateway\r\n{field}\r\n");
        // It may close before it took everything.
        let _ = stream.write_all(head.as_bytes()).await;
        let answer = until_closed(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{answer}");
    }
}
