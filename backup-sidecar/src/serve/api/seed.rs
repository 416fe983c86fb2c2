//! The two calls of the 2017 sidecar: a backup now, and the newest backup as a plain database.

use std::sync::Arc;
use std::time::Duration;

use archive::compatibility;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::response::Response;

use super::{Api, Failure, Parameters, answer, stream};
use crate::serve::engine::Ask;
use crate::serve::stock::{Known, Stock};

/// As in 2017.
const BACKUP_NOW: Duration = Duration::from_mins(10);

/// Takes a backup and answers when it is stored. Any method will do, as in 2017.
pub(super) async fn backup_now(State(api): State<Api>) -> Result<String, Failure> {
    let id = api.ask(BACKUP_NOW, |reply| Ask::Now { reply }).await?;
    Ok(format!("stored as {id}\n"))
}

/// The newest backup as etcdutl reads it, if the etcd that is named can start on it.
pub(super) async fn newest(
    State(api): State<Api>,
    method: Method,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let parameters = Parameters::of(query.as_deref());
    let uid = parameters.text("uid");
    let stock = api.stock()?;
    let known = newest_of(stock, uid).await?;
    let manifest = stock.committed(known.id, uid).await?.manifest;
    if let Some(wanted) = parameters.text("etcdVersion") {
        compatibility::check(wanted, &manifest.source)
            .map_err(|why| Failure::new(StatusCode::BAD_REQUEST, "Incompatible", why))?;
    }
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let permit = api.permit()?;
        stream::decoded(stock.database(&manifest, uid).await?, permit)
    };
    let headers = [
        (HeaderName::from_static("x-etcd-version"), manifest.source.etcd_version),
        (HeaderName::from_static("x-revision"), manifest.revision.to_string()),
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, manifest.raw.size.to_string()),
    ];
    answer(StatusCode::OK, headers, body)
}

/// The newest that is not known to be damaged.
async fn newest_of(stock: &Stock, uid: Option<&str>) -> Result<Arc<Known>, Failure> {
    let listing = stock.list().await?;
    let all = listing.own.into_iter().chain(listing.earlier.into_iter().filter(|_| uid.is_some()));
    let mut good = all.filter(|known| {
        known.backup.damaged.is_none() && uid.is_none_or(|uid| known.backup.cluster_uid == uid)
    });
    good.next().ok_or_else(|| Failure::not_found("there is no backup yet; ask for /v1/backupnow"))
}
