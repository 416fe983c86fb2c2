//! `/healthz`, `/readyz`, `/metrics`: plain HTTP, no secrets, read only.

mod connections;

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

use self::connections::Limits;

/// Whether this replica can do its work: the API server answers, the CRD is there and, for the
/// one that works, the caches are filled.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Claims>);

#[derive(Debug, Default)]
struct Claims {
    is_prepared: AtomicBool,
    is_deaf: AtomicBool,
}

impl Readiness {
    /// Says that everything is there that the work needs, or not.
    pub fn set(&self, ready: bool) {
        self.0.is_prepared.store(ready, Ordering::Relaxed);
    }

    /// Says whether the API server answered when it was asked last.
    pub fn hears(&self, hears: bool) {
        self.0.is_deaf.store(!hears, Ordering::Relaxed);
    }

    /// Whether both is so.
    pub fn get(&self) -> bool {
        self.0.is_prepared.load(Ordering::Relaxed) && !self.0.is_deaf.load(Ordering::Relaxed)
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
    match connections::serve(listener, routes, Limits::default()).await {}
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    if shared.ready.get() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the Kubernetes API and the CRD\n")
    }
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    match shared.registry.encode() {
        Ok(text) => Ok(([(header::CONTENT_TYPE, telemetry::CONTENT_TYPE)], text)),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readyz_goes_with_what_is_prepared_and_what_is_heard() {
        let ready = Readiness::default();
        let registry = Arc::new(Metrics::new("etcd_operator", "0.0.0"));
        let shared = Shared { ready: ready.clone(), registry };
        let code = async || readyz(State(shared.clone())).await.into_response().status().as_u16();
        assert_eq!(code().await, 503, "nothing is prepared yet");
        ready.set(true);
        assert_eq!(code().await, 200);
        ready.hears(false);
        assert_eq!(code().await, 503, "the API is silent");
        ready.hears(true);
        ready.set(false);
        assert_eq!(code().await, 503, "the caches are filled anew");
    }
}
