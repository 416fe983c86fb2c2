//! The backups that are stored: list, contents, deletion.

use std::cmp::Reverse;
use std::time::Duration;

use api::sidecar::BackupList;
use archive::layout::BackupId;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;

use super::range::Range;
use super::{Api, Failure, Parameters, answer, json, stream};
use crate::serve::engine::Ask;

/// Thousands of backups are deleted in minutes.
const ERASE: Duration = Duration::from_mins(11);

/// All backups, newest first.
pub(super) async fn list(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let all = Parameters::of(query.as_deref()).flag("all")?;
    let stock = api.stock()?;
    let listing = stock.list().await?;
    let earlier = listing.earlier.iter().filter(|_| all);
    let mut backups: Vec<_> =
        listing.own.iter().chain(earlier).map(|known| known.backup.clone()).collect();
    if all {
        // Revisions of different clusters cannot be compared.
        backups.sort_by_key(|backup| Reverse(backup.finish_time));
    }
    json(StatusCode::OK, &BackupList { store: stock.identity().to_owned(), backups })
}

/// One backup.
pub(super) async fn one(
    State(api): State<Api>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let id: BackupId = id.parse()?;
    let parameters = Parameters::of(query.as_deref());
    let uid = parameters.text("uid");
    let listing = api.stock()?.list().await?;
    let all = listing.own.iter().chain(listing.earlier.iter().filter(|_| uid.is_some()));
    let mut meant =
        all.filter(|known| known.id == id && uid.is_none_or(|uid| known.backup.cluster_uid == uid));
    let found =
        meant.next().ok_or_else(|| Failure::not_found(format!("there is no backup {id}")))?;
    json(StatusCode::OK, &found.backup)
}

/// The object that is stored, or a range of its bytes.
pub(super) async fn data(
    State(api): State<Api>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let parameters = Parameters::of(query.as_deref());
    let uid = parameters.text("uid");
    let stock = api.stock()?;
    let manifest = stock.committed(id.parse()?, uid).await?.manifest;
    let (size, tag) = (manifest.stored.size, format!("\"{}\"", manifest.stored.sha256));
    let wanted = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_same = wanted(header::IF_RANGE).is_none_or(|condition| condition == tag);
    let range = Range::of(wanted(header::RANGE).filter(|_| is_same), size);
    let (status, length, content_range) = match range {
        Range::Whole => (StatusCode::OK, size, None),
        Range::Part(first, end) => {
            let content_range = format!("bytes {first}-{}/{size}", end.saturating_sub(1));
            (StatusCode::PARTIAL_CONTENT, end - first, Some(content_range))
        }
        Range::Beyond => return beyond(size),
    };
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let permit = api.permit()?;
        stream::stored(stock.data(&manifest, uid, range.span()).await?, permit)
    };
    let headers = [
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (header::ETAG, tag),
    ];
    let mut response = answer(status, headers, body)?;
    if let Some(value) = content_range {
        let value = value.try_into().map_err(Failure::inner)?;
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

fn beyond(size: u64) -> Result<Response, Failure> {
    use axum::response::IntoResponse;

    let sentence = format!("there are no such bytes; the object has {size}");
    let failure = Failure::new(StatusCode::RANGE_NOT_SATISFIABLE, "Range", sentence);
    let mut response = failure.into_response();
    let value = format!("bytes */{size}").try_into().map_err(Failure::inner)?;
    response.headers_mut().insert(header::CONTENT_RANGE, value);
    Ok(response)
}

/// The manifest as it was written: restores pin a backup by the digest of these bytes.
pub(super) async fn manifest(
    State(api): State<Api>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let parameters = Parameters::of(query.as_deref());
    let bytes = api.stock()?.manifest(id.parse()?, parameters.text("uid")).await?;
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned())];
    answer(StatusCode::OK, headers, Body::from(bytes))
}

/// Deletes a backup. It is durably gone after the answer.
pub(super) async fn delete(
    State(api): State<Api>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Failure> {
    api.may_write()?;
    let id: BackupId = id.parse()?;
    let parameters = Parameters::of(query.as_deref());
    let uid = parameters.text("uid");
    let stock = api.stock()?;
    stock.delete(id, uid).await?;
    if stock.is_own(uid) {
        // Only the numbers in the status depend on it; the engine lists anew each hour anyway.
        drop(api.asks.try_send(Ask::Deleted { id }));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes everything of this cluster. No backups are taken after that.
pub(super) async fn erase(State(api): State<Api>) -> Result<StatusCode, Failure> {
    api.may_write()?;
    api.ask(ERASE, |reply| Ask::Erase { reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}
