//! Listens, and speaks HTTP/1.1 with whoever connects.

mod head_lines;
mod pace;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::middleware::map_response;
use axum::response::Response;
use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::Service as _;
use tower_http::timeout::TimeoutBody;

use self::pace::{Pace, Paced};
use super::certificates::Certificates;

pub use self::pace::Patience;

/// A longer head is not read to its end, and answered without a body. Shorter ones that are still too long are answered
/// in the form of the surface they were meant for.
const LONGEST_HEAD: usize = 64 * 1_024;

/// After an error of the listener itself, such as too many open files, others get time to close theirs.
const REST: Duration = Duration::from_secs(1);

/// Bound sockets, and whether they speak TLS.
#[derive(Debug)]
pub struct Listeners(Vec<(TcpListener, Option<Arc<Certificates>>)>);

impl Listeners {
    /// The addresses, with the ports that were chosen.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|(listener, _)| listener.local_addr().ok()).collect()
    }

    /// The same, speaking TLS with these certificates.
    #[must_use]
    pub fn with_tls(self, certificates: &Arc<Certificates>) -> Self {
        Self(self.0.into_iter().map(|(listener, _)| (listener, Some(certificates.clone()))).collect())
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }
}

/// Binds all addresses or none.
///
/// # Errors
/// The address that cannot be had.
pub async fn bind(addresses: &[SocketAddr]) -> io::Result<Listeners> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))?;
        listeners.push((listener, None));
    }
    Ok(Listeners(listeners))
}

/// Serves until `stop` says so, then waits for requests under way, at most `grace`. Who is slower than `patience` allows
/// is let go.
pub async fn serve(
    listeners: Listeners,
    router: Router,
    patience: Patience,
    stop: watch::Receiver<bool>,
    grace: Duration,
) {
    let connections = Arc::new(GracefulShutdown::new());
    let mut accepting = JoinSet::new();
    for (listener, certificates) in listeners.0 {
        let router = match certificates {
            Some(_) => router.clone().layer(map_response(only_over_tls)),
            None => router.clone(),
        };
        let serving = Serving { router, patience, certificates };
        accepting.spawn(accept(listener, serving, connections.clone()));
    }
    let mut stopping = stop;
    let _ = stopping.wait_for(|stop| *stop).await;
    accepting.shutdown().await;
    if let Some(connections) = Arc::into_inner(connections) {
        let _ = tokio::time::timeout(grace, connections.shutdown()).await;
    }
}

/// RFC 6797 §6.1: whoever came over TLS comes without it no more, for a year from the last time.
async fn only_over_tls(mut response: Response) -> Response {
    response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    response
}

/// What every connection of a listener is served with.
#[derive(Clone)]
struct Serving {
    router: Router,
    patience: Patience,
    certificates: Option<Arc<Certificates>>,
}

async fn accept(listener: TcpListener, serving: Serving, connections: Arc<GracefulShutdown>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Nagle's algorithm would hold small answers back for 40 ms.
                let _ = stream.set_nodelay(true);
                tokio::spawn(begin(stream, peer, serving.clone(), connections.watcher()));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Agrees on TLS, where that is spoken, in the time that a head has; then answers.
async fn begin(stream: TcpStream, peer: SocketAddr, serving: Serving, watcher: Watcher) {
    let Some(certificates) = &serving.certificates else {
        return converse(stream, peer, serving, watcher).await;
    };
    let handshake = certificates.acceptor().accept(stream);
    if let Ok(Ok(stream)) = tokio::time::timeout(serving.patience.head, handshake).await {
        Box::pin(converse(stream, peer, serving, watcher)).await;
    }
}

async fn converse<I>(stream: I, peer: SocketAddr, serving: Serving, watcher: Watcher)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Serving { router, patience, .. } = serving;
    let pace = Pace::new(patience);
    let answering = pace.clone();
    let service = service_fn(move |request| {
        answering.asked();
        let (answered, answer) = (answering.clone(), answer(router.clone(), request, peer, patience));
        async move {
            let answer = answer.await;
            answered.answered();
            answer
        }
    });
    let io = TokioIo::new(Paced::new(stream, pace.clone()));
    let connection = http1::Builder::new().max_header_size(LONGEST_HEAD).serve_connection(io, service);
    let connection = watcher.watch(connection);
    // How a connection ends is its client's business: requests are logged where they are answered.
    tokio::select! {
        biased;
        _ = connection => {}
        () = pace.lost() => {}
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn answer(
    mut router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
    patience: Patience,
) -> axum::routing::future::RouteFuture<std::convert::Infallible> {
    let has_body = !hyper::body::Body::is_end_stream(request.body());
    let mut request = request.map(|body| match has_body {
        true => Body::new(TimeoutBody::new(patience.body, body)),
        false => Body::empty(),
    });
    request.extensions_mut().insert(ConnectInfo(peer));
    router.call(request)
}
