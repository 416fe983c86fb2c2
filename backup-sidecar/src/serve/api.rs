//! The HTTP API for the operator and restore-init; see `docs/backup-api.md`.
//!
//! Handlers only read the board and the archive, and hand wishes to the engine.

mod backups;
mod failure;
mod parameters;
mod range;
mod requests;
mod seed;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, put};
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::metrics::Metrics;
use crate::serve::board::Board;
use crate::serve::engine::{Ask, Refusal, Shown};
use crate::serve::listener::Limits;
use crate::serve::stock::Stock;

use failure::Failure;
use parameters::Parameters;

/// The engine answers without waiting for anything.
const ENGINE_ANSWERS: Duration = Duration::from_secs(10);

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Api {
    shown: Shown,
    asks: mpsc::Sender<Ask>,
    streams: Arc<Semaphore>,
    limits: Limits,
    metrics: Metrics,
    is_reader: bool,
}

impl Api {
    /// An API on top of an engine.
    pub(crate) fn new(
        shown: Shown,
        asks: mpsc::Sender<Ask>,
        limits: Limits,
        metrics: Metrics,
        is_reader: bool,
    ) -> Self {
        let streams = Arc::new(Semaphore::new(limits.streams));
        Self { shown, asks, streams, limits, metrics, is_reader }
    }

    /// The routes.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/v1/backupnow", any(seed::backup_now))
            .route("/v1/backup", get(seed::newest).head(seed::newest))
            .route("/v1/status", get(status))
            .route("/v1/backups", get(backups::list))
            .route("/v1/backups/{id}", get(backups::one).delete(backups::delete))
            .route("/v1/backups/{id}/data", get(backups::data).head(backups::data))
            .route("/v1/backups/{id}/manifest", get(backups::manifest))
            .route("/v1/archive", axum::routing::delete(backups::erase))
            .route("/v1/requests/{id}", put(requests::put).get(requests::get))
            .fallback(async || {
                Failure::new(StatusCode::NOT_FOUND, "NoRoute", "there is no such path")
            })
            .method_not_allowed_fallback(async || {
                let sentence = "this path does not take that method; see docs/backup-api.md";
                Failure::new(StatusCode::METHOD_NOT_ALLOWED, "Method", sentence)
            })
            .layer(map_response_with_state(self.metrics.clone(), count))
            .with_state(self)
    }

    /// What answers a client whose certificate bears another name.
    pub(crate) fn refusal(&self) -> Router {
        let refuse = async || {
            let sentence = "this certificate is not for the backups of this cluster; take the one in \
                            the Secret CLUSTER-backup-client-tls of its namespace";
            Failure::new(StatusCode::FORBIDDEN, "OtherClient", sentence)
        };
        Router::new().fallback(refuse).layer(map_response_with_state(self.metrics.clone(), count))
    }

    fn board(&self) -> &Board {
        &self.shown.board
    }

    /// The archive; while the store could not be opened yet, the reason for that.
    fn stock(&self) -> Result<&Arc<Stock>, Failure> {
        self.shown.stock.get().ok_or_else(|| {
            let failing = self.board().status().failing;
            let why = failing.map_or_else(String::new, |failing| format!(": {}", failing.message));
            Failure::later("StoreNotOpen", format!("the store could not be opened yet{why}"))
        })
    }

    fn may_write(&self) -> Result<(), Failure> {
        if self.is_reader { Err(Refusal::ReadOnly.into()) } else { Ok(()) }
    }

    /// Asks the engine, and waits up to `limit` for its answer.
    async fn ask<T>(
        &self,
        limit: Duration,
        ask: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> Ask,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        let asking = async {
            self.asks.send(ask(reply)).await.map_err(|_| Refusal::Stopping)?;
            answer.await.unwrap_or(Err(Refusal::Stopping))
        };
        match timeout(limit, asking).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Failure::new(
                StatusCode::REQUEST_TIMEOUT,
                "Timeout",
                format!("there was no end within {limit:?}; it may still come, see /v1/status"),
            )),
        }
    }
}

async fn status(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let parameters = Parameters::of(query.as_deref());
    let status = match (parameters.number("after")?, parameters.wait()?) {
        (Some(after), Some(wait)) => api.board().status_after(after, wait).await,
        _ => api.board().status(),
    };
    json(StatusCode::OK, &status)
}

async fn count(State(metrics): State<Metrics>, response: Response) -> Response {
    metrics.answered(response.status().as_u16());
    response
}

fn json(status: StatusCode, value: &impl Serialize) -> Result<Response, Failure> {
    let body = serde_json::to_vec(value).map_err(Failure::inner)?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// An answer that is made of headers and a body.
fn answer<const N: usize>(
    status: StatusCode,
    headers: [(HeaderName, String); N],
    body: Body,
) -> Result<Response, Failure> {
    let mut response = (status, body).into_response();
    for (name, value) in headers {
        let value = HeaderValue::try_from(value).map_err(Failure::inner)?;
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}
