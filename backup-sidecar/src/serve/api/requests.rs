//! Orders: backups that the operator asks for by a name of its own.

use std::time::Duration;

use api::sidecar::{BackupOrder, BackupRequest, RequestState};
use axum::body::{Body, to_bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use tokio::time::timeout;

use super::{Api, ENGINE_ANSWERS, Failure, Parameters, json};
use crate::serve::engine::Ask;

/// Orders a backup, or says how far the order of this name is.
pub(super) async fn put(
    State(api): State<Api>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Failure> {
    check(&id)?;
    let wait = Parameters::of(query.as_deref()).wait()?;
    let order = read(&api, body).await?;
    let name = id.clone();
    let ask = |reply| Ask::Order { id: name, order, reply };
    let request = api.ask(ENGINE_ANSWERS, ask).await?;
    json(StatusCode::OK, &end(&api, request, wait).await)
}

/// How far an order is.
pub(super) async fn get(
    State(api): State<Api>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    check(&id)?;
    let wait = Parameters::of(query.as_deref()).wait()?;
    let request = match api.board().order(&id) {
        Some(request) => end(&api, request, wait).await,
        None => stored(&api, &id).await?,
    };
    json(StatusCode::OK, &request)
}

/// The order at its end, or as it is after the wait.
async fn end(api: &Api, request: BackupRequest, wait: Option<Duration>) -> BackupRequest {
    let Some(wait) = wait else { return request };
    api.board().order_end(&request.id, wait).await.unwrap_or(request)
}

/// An order that an earlier process has carried out.
async fn stored(api: &Api, id: &str) -> Result<BackupRequest, Failure> {
    let own = api.stock()?.list().await?.own;
    let found = own.iter().find(|known| known.backup.request.as_deref() == Some(id));
    let known = found.ok_or_else(|| Failure::not_found(format!("there is no order {id}")))?;
    Ok(BackupRequest {
        id: id.to_owned(),
        state: RequestState::Stored,
        received: known.backup.raw_size,
        backup: Some(known.backup.clone()),
        message: None,
        failed: None,
    })
}

async fn read(api: &Api, body: Body) -> Result<BackupOrder, Failure> {
    let limits = &api.limits;
    let bytes = match timeout(limits.body, to_bytes(body, limits.body_size)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let sentence =
                format!("the body must come whole and have {} bytes at most", limits.body_size);
            return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "Body", sentence));
        }
        Err(_) => {
            let sentence = "the body did not come in time; send it with the request";
            return Err(Failure::new(StatusCode::REQUEST_TIMEOUT, "Body", sentence));
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::bad(format!("the body is no order ({error}); send {{\"reason\": \"on-demand\"}}"))
    })
}

/// IDs become a part of manifests and logs.
fn check(id: &str) -> Result<(), Failure> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !id.is_empty() && id.len() <= 128 && id.chars().all(is_plain) {
        return Ok(());
    }
    Err(Failure::bad("the ID of a request must have 1 to 128 letters, digits and - _ ."))
}
