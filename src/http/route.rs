//! Routes to handlers.
//!
//! axum wraps the type of a handler into half a dozen generic types, and for each of them the compiler proves anew that
//! everything the handler waits for may move between threads. Here a handler becomes a pointer first, so that it is
//! proved once: half of what compiling this crate would take otherwise. At run time it is one more indirect call; the
//! future that axum's handlers answer with is boxed as it is.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use axum::routing::{self, MethodFilter, MethodRouter};

/// What every handler that is a function answers with.
type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler whose type does not tell what it does.
struct Erased<S>(Arc<dyn Fn(Request, S) -> Answer + Send + Sync>);

impl<S> Clone for Erased<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: 'static> Handler<(), S> for Erased<S> {
    type Future = Answer;

    fn call(self, request: Request, state: S) -> Answer {
        (self.0)(request, state)
    }
}

fn on<H, T, S>(method: MethodFilter, handler: H) -> MethodRouter<S>
where
    H: Handler<T, S, Future = Answer>,
    S: Clone + Send + Sync + 'static,
{
    routing::on(method, Erased(Arc::new(move |request, state| handler.clone().call(request, state))))
}

/// A route that answers GET and HEAD (RFC 9110 §9.3.2). Several methods of one path are merged.
pub(super) fn get<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S, Future = Answer>,
    S: Clone + Send + Sync + 'static,
{
    on(MethodFilter::GET, handler)
}

/// A route that answers POST.
pub(super) fn post<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S, Future = Answer>,
    S: Clone + Send + Sync + 'static,
{
    on(MethodFilter::POST, handler)
}

/// A route that answers PUT.
pub(super) fn put<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S, Future = Answer>,
    S: Clone + Send + Sync + 'static,
{
    on(MethodFilter::PUT, handler)
}

/// A route that answers DELETE.
pub(super) fn delete<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S, Future = Answer>,
    S: Clone + Send + Sync + 'static,
{
    on(MethodFilter::DELETE, handler)
}
