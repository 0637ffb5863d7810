//! Serving HTTP, counted, and draining at the end.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware::{self, Next},
    response::Response,
    serve::ListenerExt as _,
};
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

/// How long requests in flight may still take after the shutdown began. Shorter than Swarm's grace
/// period of 10 s, after which the kill comes.
const DRAIN_MAX: Duration = Duration::from_secs(8);

/// Connections that the kernel holds until they are accepted. One that finds no room is tried again only after a
/// second, by which the gateway has taken the replica for dead. The kernel's own bound is `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// Listens there. Port 0 takes any.
///
/// # Errors
/// The address is taken, or none of this machine's.
pub fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let open = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().with_context(|| format!("listen on {address}"))
}

/// Serves until `shutdown`, then lets requests in flight finish for a while.
pub async fn run(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let listener = listener.tap_io(|socket| {
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    let router = router.layer(middleware::from_fn(count));
    let draining = shutdown.clone();
    let serving = axum::serve(listener, router)
        .with_graceful_shutdown(async move { draining.cancelled().await });
    tokio::select! {
        ended = serving => ended.context("serve HTTP"),
        () = drained(&shutdown) => {
            tracing::warn!("requests were still in flight at the end of the drain");
            Ok(())
        }
    }
}

async fn drained(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(DRAIN_MAX).await;
}

/// Counts each request by its route's pattern, never by its path: ids would be without bound.
async fn count(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let started = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::counter!("webshop_http_requests_total", "route" => route.clone(), "status" => status)
        .increment(1);
    metrics::histogram!("webshop_http_request_seconds", "route" => route)
        .record(started.elapsed().as_secs_f64());
    response
}
