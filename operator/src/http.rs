//! `/healthz`, `/readyz`, `/metrics`: plain HTTP, no secrets, read only.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use telemetry::Metrics;
use tokio::net::TcpListener;

/// Whether this replica can do its work: the API server answers, the CRD is there and, for the
/// one that works, the caches are filled.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says so.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Shared {
    ready: Readiness,
    registry: Arc<Metrics>,
}

/// Serves until the process ends.
pub async fn serve(
    listen: SocketAddr,
    ready: Readiness,
    registry: Arc<Metrics>,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("{listen} cannot be listened on; choose another --listen"))?;
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Shared { ready, registry });
    axum::serve(listener, routes).await.context("serving probes and metrics")
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    if shared.ready.get() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting: waiting for the Kubernetes API and the CRD\n")
    }
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    match shared.registry.encode() {
        Ok(text) => Ok(([(header::CONTENT_TYPE, telemetry::CONTENT_TYPE)], text)),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}
