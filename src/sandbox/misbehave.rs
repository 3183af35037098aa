//! The faults that act on the answer as a whole: its coming, its bytes, its connection.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures_util::stream;

use super::connection::Cut;
use super::faults::Hit;
use super::outcome::Answer;

const SIGN_IN_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\
    <body><form method=\"post\"><input name=\"user\"></form></body></html>\n";

/// Waits as long as the faults want; gives the answer that stands in for what was asked.
pub(super) async fn early(hit: &Hit) -> Option<Answer> {
    let delay = hit.delay();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if hit.html() {
        let mut answer = Answer::fhir(StatusCode::OK, Bytes::from_static(SIGN_IN_PAGE.as_bytes()));
        "text/html; charset=utf-8".clone_into(&mut answer.content_type);
        return Some(answer);
    }
    let status = StatusCode::from_u16(hit.status()?).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let answer = Answer::outcome(status, "exception", "fault switched on");
    Some(if matches!(status.as_u16(), 429 | 503) { answer.with(header::RETRY_AFTER, "1") } else { answer })
}

/// Turns the answer into a response, with the faults of its body.
pub(super) fn respond(mut answer: Answer, hit: &Hit, cut: &Cut) -> Response<Body> {
    if hit.dead() {
        cut.now();
        return Response::new(Body::empty());
    }
    if let Some(body) = hit.body() {
        answer.body = Bytes::from(body.to_owned());
    }
    if let Some(content_type) = hit.content_type() {
        content_type.clone_into(&mut answer.content_type);
    }
    let whole = std::mem::take(&mut answer.body);
    let length = whole.len();
    let kept = hit.truncated().filter(|kept| *kept < length);
    if kept.is_none() && hit.trickle().is_none() {
        return answer.into_response(Body::from(whole));
    }
    let (piece, pause) = hit.trickle().unwrap_or((usize::MAX, Duration::ZERO));
    let end = kept.unwrap_or(length);
    let ends_early = kept.is_some();
    let pieces = stream::unfold((whole, 0_usize), move |(whole, sent)| async move {
        tokio::time::sleep(pause).await;
        let to = sent.saturating_add(piece).min(end);
        if sent < to {
            return Some((Ok(whole.slice(sent..to)), (whole, to)));
        }
        if !ends_early {
            return None;
        }
        // Long enough for what was sent to leave the buffer before the connection goes.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), (whole, to)))
    });
    let mut response = answer.into_response(Body::from_stream(pieces));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length as u64));
    response
}
