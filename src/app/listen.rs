use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bound sockets.
#[derive(Debug)]
pub struct Listeners(Vec<TcpListener>);

impl Listeners {
    /// The addresses, with the ports that were chosen.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|listener| listener.local_addr().ok()).collect()
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
        listeners.push(listener);
    }
    Ok(Listeners(listeners))
}

/// Serves until `stop` says so, then waits for requests under way, at most `grace`.
pub async fn serve(listeners: Listeners, router: Router, stop: watch::Receiver<bool>, grace: Duration) {
    let mut tasks = JoinSet::new();
    for listener in listeners.0 {
        // Nagle's algorithm would hold small answers back for 40 ms.
        let listener = listener.tap_io(|socket| {
            let _ = socket.set_nodelay(true);
        });
        let service = router.clone().into_make_service_with_connect_info::<SocketAddr>();
        let mut stopping = stop.clone();
        tasks.spawn(async move {
            let stopped = async move {
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            // Accept errors are outlived in the listener: serving ends with the signal alone.
            let _ = axum::serve(listener, service).with_graceful_shutdown(stopped).await;
        });
    }
    let mut stopping = stop;
    let _ = stopping.wait_for(|stop| *stop).await;
    let _ = tokio::time::timeout(grace, async { while tasks.join_next().await.is_some() {} }).await;
}
