//! The reconcile of one `Backup`: what a person asked for is ordered from the cluster's sidecar, and
//! what becomes of it is told. Those that the operator recorded ask for nothing.

mod next;

use std::sync::Arc;
use std::time::Duration;

use api::finalizers;
use api::sidecar::{BackupOrder, BackupRequest, RequestState, store_identity};
use api::v1beta1::{Backup, BackupPhase, BackupStatus, Cluster};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource, ResourceExt};

use self::next::{Next, Source, next};
use super::attend::Attendant;
use super::client::{ClientError, SidecarClient};
use super::{finalizer, policy, records};
use crate::caches::GuardedBackup;
use crate::call::{is_namespace_ending, within};
use crate::clock;
use crate::controller::Context;
use crate::error::Error;
use crate::report::Happening;
use crate::validate::validate;

/// How long one look waits for the end of an upload. The controller must be able to stop.
const WAIT: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(3);
const AT_ONCE: Duration = Duration::from_millis(50);

/// Looks at one `Backup` and does what is next.
pub async fn reconcile(guarded: Arc<GuardedBackup>, ctx: Arc<Context>) -> Result<Action, Error> {
    let Ok(cached) = &guarded.0 else {
        tracing::warn!(backup = guarded.name_any(), "malformed Backup");
        if guarded.meta().deletion_timestamp.is_some() {
            finalizer::take_off(&ctx.client, guarded.as_ref(), finalizers::STORED_BACKUP).await?;
        }
        return Ok(Action::await_change());
    };
    ctx.filled.cancelled().await;
    if next::is_done(cached) {
        return Ok(Action::await_change());
    }
    let namespace = cached.namespace().unwrap_or_default();
    if ctx.rivals.at_work(&ctx.client, &namespace).await?.is_some() {
        return Ok(Action::requeue(AGAIN));
    }
    Box::pin(look(cached, &ctx)).await
}

async fn look(cached: &Backup, ctx: &Context) -> Result<Action, Error> {
    let api: Api<Backup> =
        Api::namespaced(ctx.client.clone(), &cached.namespace().unwrap_or_default());
    let read = within("reading the backup", api.get_opt(&cached.name_any())).await?;
    let Some(backup) = read else { return Ok(Action::await_change()) };
    let (source, sidecar) = source(&backup, ctx).await;
    match (next(&backup, &source, clock::now(), ctx.started), sidecar) {
        (Next::Rest, _) => Ok(Action::await_change()),
        (Next::PutFinalizer, _) => {
            finalizer::put_on(&ctx.client, &backup, finalizers::STORED_BACKUP).await?;
            Ok(Action::requeue(AT_ONCE))
        }
        (Next::Release(told), _) => release(&backup, told, ctx).await,
        (Next::Say(status), _) => say(&backup, *status, ctx).await,
        (Next::Remove(id), _) if lies_elsewhere(&backup, ctx) => {
            release(&backup, Some(next::elsewhere(&backup, &id)), ctx).await
        }
        (Next::Remove(id), Some(sidecar)) => remove(&backup, &id, &sidecar, ctx).await,
        (Next::Order, Some(sidecar)) => order(&backup, &source, &sidecar, ctx).await,
        (Next::Remove(id), None) if next::is_late(&backup, clock::now(), ctx.started) => {
            let note = format!("the stored backup {id} stays, for no backup sidecar runs");
            release(&backup, Some(next::kept(note)), ctx).await
        }
        // Without anybody to ask.
        (Next::Wait | Next::Remove(_) | Next::Order, _) => Ok(Action::requeue(AGAIN)),
    }
}

/// What there is of the cluster that a backup is of, and its sidecar.
async fn source(backup: &Backup, ctx: &Context) -> (Source, Option<Arc<SidecarClient>>) {
    let namespace = backup.namespace().unwrap_or_default();
    let key = ObjectRef::new(&backup.spec.cluster_name).within(&namespace);
    let Some(guarded) = ctx.caches.clusters.get(&key) else { return (Source::NoCluster, None) };
    let Ok(cluster) = &guarded.0 else { return (Source::NoPolicy, None) };
    let uid = cluster.uid().unwrap_or_default();
    match sidecar(cluster, ctx).await {
        // A removal is still possible while the cluster is on its way out; an order is not.
        Ok(Some(sidecar)) if cluster.metadata.deletion_timestamp.is_some() => {
            (Source::Leaving { uid }, Some(sidecar))
        }
        _ if cluster.metadata.deletion_timestamp.is_some() => (Source::Leaving { uid }, None),
        _ if cluster.spec.backup.is_none() => (Source::NoPolicy, None),
        Ok(Some(sidecar)) => (Source::Ready { uid }, Some(sidecar)),
        Ok(None) => (Source::Silent("the backup sidecar does not run yet".into()), None),
        Err(error) => (Source::Silent(error.sentence()), None),
    }
}

/// Whether the cluster's policy names another store than that in which the backup lies: its sidecar
/// would find nothing there, and call that removed.
fn lies_elsewhere(backup: &Backup, ctx: &Context) -> bool {
    let key =
        ObjectRef::new(&backup.spec.cluster_name).within(&backup.namespace().unwrap_or_default());
    let Some(guarded) = ctx.caches.clusters.get(&key) else { return false };
    let Ok(cluster) = &guarded.0 else { return false };
    match policy::place(cluster, &ctx.backup.defaults) {
        Some(Ok(policy)) => !records::lies_in(backup, &store_identity(&policy.store)),
        _ => false,
    }
}

async fn sidecar(cluster: &Cluster, ctx: &Context) -> Result<Option<Arc<SidecarClient>>, Error> {
    let validated = validate(cluster);
    let attendant = Attendant {
        client: &ctx.client,
        caches: &ctx.caches,
        room: &ctx.backup,
        cluster: &validated,
    };
    attendant.sidecar().await
}

/// Orders the backup, or asks how far it is: the same UID is the same order.
async fn order(
    backup: &Backup,
    source: &Source,
    sidecar: &SidecarClient,
    ctx: &Context,
) -> Result<Action, Error> {
    let wanted = BackupOrder { reason: "on-demand".into(), ..BackupOrder::default() };
    let is_new = backup.status.as_ref().and_then(|status| status.phase).is_none();
    let wait = if is_new { Duration::ZERO } else { WAIT };
    let id = backup.uid().unwrap_or_default();
    let status = match sidecar.order(&id, &wanted, wait).await {
        Ok(request) => status_of(&request, source),
        Err(error) => pending(backup, format!("waiting for the backup sidecar: {error}")),
    };
    say(backup, status, ctx).await
}

/// What is said of an order.
fn status_of(request: &BackupRequest, source: &Source) -> BackupStatus {
    if let (RequestState::Stored, Some(stored)) = (request.state, &request.backup) {
        return records::status_of(stored);
    }
    let message = request.message.clone();
    let (phase, usual) = match request.state {
        RequestState::Pending => (BackupPhase::Pending, "waiting for its turn"),
        RequestState::Uploading | RequestState::Stored => {
            (BackupPhase::Uploading, "the snapshot is under way")
        }
        RequestState::Failed => (BackupPhase::Failed, "the backup sidecar gave it up"),
    };
    BackupStatus {
        phase: Some(phase),
        message: Some(message.unwrap_or_else(|| usual.into())),
        cluster_uid: source.uid().map(str::to_owned),
        reason: Some("on-demand".into()),
        ..BackupStatus::default()
    }
}

/// What is known already, such as whose order it is, stays.
fn pending(backup: &Backup, message: String) -> BackupStatus {
    BackupStatus {
        phase: Some(BackupPhase::Pending),
        message: Some(message),
        ..backup.status.clone().unwrap_or_default()
    }
}

/// Writes the status, if it changed, and tells of an end.
async fn say(backup: &Backup, status: BackupStatus, ctx: &Context) -> Result<Action, Error> {
    let before = backup.status.as_ref().and_then(|status| status.phase);
    let phase = status.phase;
    let message = status.message.clone().unwrap_or_default();
    if backup.status.as_ref() != Some(&status) {
        records::write_status(&ctx.client, backup, status).await?;
    }
    let told = |warning, reason, note| Happening { warning, reason, note, pod: None };
    let happening = match phase {
        Some(BackupPhase::Stored | BackupPhase::Verified) if before != phase => {
            told(false, "BackupStored", "the backup was stored".to_owned())
        }
        Some(BackupPhase::Failed) if before != phase => told(true, "BackupFailed", message),
        _ if phase.is_some_and(next::is_end) => return Ok(Action::await_change()),
        Some(BackupPhase::Uploading) => return Ok(Action::requeue(AT_ONCE)),
        _ => return Ok(Action::requeue(AGAIN)),
    };
    ctx.announcer.tell(backup, &[happening]).await;
    Ok(Action::await_change())
}

/// Removes the stored backup, then lets the object go.
async fn remove(
    backup: &Backup,
    id: &str,
    sidecar: &SidecarClient,
    ctx: &Context,
) -> Result<Action, Error> {
    match sidecar.remove(id).await {
        Ok(()) => release(backup, None, ctx).await,
        Err(ClientError::Refused { status, message, .. }) if status.is_client_error() => {
            let note = format!("the stored backup {id} stays: {message}");
            release(backup, Some(next::kept(note)), ctx).await
        }
        Err(error) if next::is_late(backup, clock::now(), ctx.started) => {
            let note =
                format!("the stored backup {id} stays, for it could not be removed: {error}");
            release(backup, Some(next::kept(note)), ctx).await
        }
        Err(_) => Ok(Action::requeue(AGAIN)),
    }
}

async fn release(backup: &Backup, told: Option<Happening>, ctx: &Context) -> Result<Action, Error> {
    if let Some(told) = told {
        ctx.announcer.tell(backup, &[told]).await;
    }
    finalizer::take_off(&ctx.client, backup, finalizers::STORED_BACKUP).await?;
    Ok(Action::await_change())
}

/// A failed look is tried again.
#[allow(clippy::needless_pass_by_value, reason = "the controller hands over these")]
pub fn on_error(backup: Arc<GuardedBackup>, error: &Error, ctx: Arc<Context>) -> Action {
    ctx.metrics.failed(error.reason());
    if !matches!(error, Error::Conflict { .. }) && !is_namespace_ending(error) {
        let (namespace, name) = (backup.namespace().unwrap_or_default(), backup.name_any());
        tracing::warn!(namespace, name, error = error.sentence(), "a look at a Backup failed");
    }
    Action::requeue(error.retry_after().mul_f64(1.0 + fastrand::f64() / 5.0))
}
