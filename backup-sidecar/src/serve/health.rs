//! `/healthz`, `/readyz`, `/metrics`: plain HTTP, no secrets, read only.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use crate::metrics::Metrics;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Health {
    /// Set once the store has answered, or has failed and status says why. A store that fails later
    /// makes nothing unready: the API tells about it, and orders can be given.
    pub(crate) ready: CancellationToken,
    /// The numbers.
    pub(crate) metrics: Metrics,
    /// Where they are registered.
    pub(crate) registry: Arc<telemetry::Metrics>,
    /// For ages.
    pub(crate) clock: Clock,
}

impl Health {
    /// The routes.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self)
    }
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    if health.ready.is_cancelled() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting: waiting for the first answer of the store\n")
    }
}

async fn metrics(State(health): State<Health>) -> impl IntoResponse {
    health.metrics.tick(health.clock.now());
    match health.registry.encode() {
        Ok(text) => Ok(([(header::CONTENT_TYPE, telemetry::CONTENT_TYPE)], text)),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}
